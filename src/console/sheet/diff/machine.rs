//! A machine: what its pool asks of it, against what its node says.

use super::{Beside, Sides, or_none};
use crate::api::{Machine, MachineStatus, PhaseState};
use kube::ResourceExt;

pub fn sides(machine: &Machine, beside: &Beside) -> Sides {
    let Some(claim) = &machine.spec.claim_ref else {
        let mut sides = Sides::between("asked for: nothing, no pool has claimed it", "is there: an idle machine");
        let state = machine.status.as_ref().and_then(|status| status.state);
        sides.field("state", "Idle", state.map_or("–", |state| state.as_str()));
        return sides;
    };
    let mut sides = Sides::between(
        format!("asked for: NodePool {}, MachineSet {}", claim.pool_name, claim.name),
        format!("is there: Machine {} and its node", machine.name_any()),
    );
    let none = MachineStatus::default();
    let status = machine.status.as_ref().unwrap_or(&none);
    let (pool, set) = (beside.pools.first(), beside.sets.iter().find(|set| set.name_any() == claim.name));
    let current = pool.and_then(|pool| pool.status.as_ref()?.current_machine_set.as_deref());
    let version = pool
        .and_then(|pool| pool.status.as_ref()?.version.as_deref().or(pool.spec.version.as_deref()))
        .or_else(|| beside.deployment.as_ref().map(|deployment| deployment.spec.version.as_str()));
    sides.field("state", "Ready", status.state.map_or("–", |state| state.as_str()));
    sides.field("set", or_none(current), &claim.name);
    sides.field("version", or_none(version), or_none(claim.version.as_deref()));
    node(&mut sides, machine, status, version);
    if let Some(pool) = pool {
        match set {
            Some(set) => sides.value("template", &pool.spec.template, &set.spec.template),
            None => sides.note(format!("MachineSet {} is gone: nobody knows its template", claim.name)),
        }
    } else {
        sides.note(format!("NodePool {} is gone", claim.pool_name));
    }
    if !status.phases.is_empty() {
        sides.heading("phases");
        for phase in &status.phases {
            let asked = if phase.state == PhaseState::Skipped { "Skipped" } else { "Succeeded" };
            sides.field(&format!("  {}", phase.name), asked, format!("{:?}", phase.state));
        }
    }
    if let Some(what) = &status.message {
        sides.note(what.lines().next().unwrap_or_default());
    }
    sides
}

fn node(sides: &mut Sides, machine: &Machine, status: &MachineStatus, version: Option<&str>) {
    sides.heading("node");
    let Some(node) = &status.node else {
        sides.field("  name", "one", "none has joined");
        return;
    };
    let kubelet = node.kubelet_version.as_deref().map(|version| version.trim_start_matches('v'));
    sides.field("  kubelet", or_none(version), or_none(kubelet));
    sides.field("  Ready", "True", &node.ready);
    let cordoned = machine.spec.maintenance.is_some();
    sides.field("  cordoned", cordoned, node.unschedulable);
    sides.field("  outdated", false, node.outdated);
}
