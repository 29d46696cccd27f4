//! What the drains of a wish would run into: the same for the dialog, the command line and `--dry-run`.

use super::{Preview, Scene, Wish};
use crate::{
    api::{Disruption, Machine, NodePool},
    plan::forecast::{BudgetDemand, Finding, FindingKind, Forecast, Severity, forecast},
};

/// Budgets that are named although nobody has counted where their pods are.
const NAMED: usize = 4;

/// Worst first; nothing where no machine is drained or nobody has ever looked at the cluster.
pub(super) fn meet(scene: &Scene, wish: &Wish, preview: &Preview) -> (Vec<Finding>, Vec<BudgetDemand>) {
    let seen = scene.cluster.and_then(|c| c.status.as_ref()?.disruption.as_ref());
    let (Some(seen), true) = (seen, preview.machines > 0) else { return Default::default() };
    let Some(pool) = scene.pools.iter().find(|p| wish.pool().is_none_or(|name| is_named(p, name))) else {
        return Default::default();
    };
    let width = preview.stages.iter().flat_map(|s| &s.pools).map(|p| p.unavailable.max(1)).max().unwrap_or(1);
    let node = |m: &Machine| m.status.as_ref()?.node.as_ref()?.name.clone();
    let nodes: Vec<String> = scene.machines.iter().filter(|m| is_drained(scene, wish, m)).filter_map(node).collect();
    let width = usize::try_from(width).unwrap_or(1);
    let Forecast { mut findings, budgets, .. } = forecast(seen, &nodes, width, &pool.spec.drain);
    findings.extend(never(seen, &findings));
    (findings, budgets)
}

fn is_named(pool: &NodePool, name: &str) -> bool {
    pool.metadata.name.as_deref() == Some(name)
}

fn is_drained(scene: &Scene, wish: &Wish, machine: &Machine) -> bool {
    let claim = machine.spec.claim_ref.as_ref().filter(|c| c.cluster_name == scene.cluster_name());
    if claim.is_none_or(|claim| wish.pool().is_some_and(|pool| claim.pool_name != pool)) {
        return false;
    }
    let name = machine.metadata.name.as_deref().unwrap_or_default();
    match wish {
        Wish::Upgrade { version, .. } => {
            let kubelet = machine.status.as_ref().and_then(|s| s.node.as_ref()?.kubelet_version.as_deref());
            kubelet.is_some_and(|v| v.trim_start_matches('v') != version)
        }
        Wish::ReplaceMachines { machines, .. } => machines.iter().any(|m| m == name),
        _ => true,
    }
}

/// Budgets that never allow anything, whoever is emptied, as far as they are not named already.
fn never(seen: &Disruption, named: &[Finding]) -> Option<Finding> {
    let is_new = |budget: &str| named.iter().all(|f| f.budget.as_deref() != Some(budget));
    let names: Vec<&str> =
        seen.budgets.iter().filter(|b| b.never.is_some()).map(|b| &*b.name).filter(|b| is_new(b)).take(NAMED).collect();
    (!names.is_empty()).then(|| Finding {
        severity: Severity::Slows,
        kind: FindingKind::NeverSatisfiable,
        budget: None,
        pods: 0,
        nodes: Vec::new(),
        sentence: format!("PDB {} can never be satisfied: its pods do not leave a node", names.join(", ")),
    })
}
