//! A pool: its size, its version, what its machines were made like, and what its cluster says of it.

use super::{Beside, Sides, or_none, or_unknown};
use crate::{
    api::{MachineSet, NodePool, NodePoolStatus, RolloutPolicy},
    console::text::number,
};
use kube::ResourceExt;
use std::collections::BTreeMap;

pub fn sides(pool: &NodePool, beside: &Beside) -> Sides {
    let (name, spec) = (pool.name_any(), &pool.spec);
    let status = pool.status.as_ref();
    let mut sides = Sides::between(
        format!("asked for: NodePool {name}, generation {}", pool.metadata.generation.unwrap_or(0)),
        "is there: its status, its machines and its sets".to_owned(),
    );
    for (is, what) in [(spec.paused, "paused: nothing is done about it"), (spec.hold, "on hold: nothing new is begun")]
    {
        if is {
            sides.note(what);
        }
    }
    match status.map(|status| status.observed_generation) {
        None => sides.note("no controller has looked at it yet"),
        Some(Some(seen)) if Some(seen) != pool.metadata.generation => {
            sides.note(format!("the controllers have seen generation {seen} only"));
        }
        Some(_) => {}
    }
    let asked_version = spec.version.as_deref().or_else(|| beside.deployment.as_ref().map(|d| d.spec.version.as_str()));
    let says = |of: fn(&NodePoolStatus) -> i32| or_unknown(status.map(of));
    sides.field("replicas", spec.replicas, says(|status| status.replicas));
    sides.field("ready", spec.replicas, says(|status| status.ready_replicas));
    sides.field("up to date", spec.replicas, says(|status| status.updated_replicas));
    sides.field("failed", 0, says(|status| status.failed_replicas));
    let made_with = status.and_then(|status| status.version.as_deref());
    sides.field("version of the present revision", or_none(asked_version), or_none(made_with));
    versions(&mut sides, spec.replicas, asked_version, beside);
    made_like(&mut sides, pool, beside);
    policy(&mut sides, &name, pool, beside);
    sides
}

/// How many machines have which version.
fn versions(sides: &mut Sides, replicas: i32, asked: Option<&str>, beside: &Beside) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for member in &beside.members {
        *counts.entry(member.version.as_deref().unwrap_or("no version is known")).or_default() += 1;
    }
    sides.heading("machines");
    let asked = asked.unwrap_or("any version");
    all(sides, &format!("  {asked}"), replicas, counts.remove(asked).unwrap_or(0), beside);
    for (version, count) in counts {
        sides.besides(&format!("  {version}: {}", counted(count, beside)));
    }
}

/// That all machines should be something: all that were read, where some were left out.
fn all(sides: &mut Sides, key: &str, replicas: i32, count: usize, beside: &Beside) {
    let wanted = match beside.left_out.machines {
        true => counted(beside.members.len(), beside),
        false => replicas.to_string(),
    };
    sides.field(key, wanted, counted(count, beside));
}

fn counted(count: usize, beside: &Beside) -> String {
    match beside.left_out.machines {
        true => format!("{} of {} read", number(count), number(beside.members.len())),
        false => count.to_string(),
    }
}

/// The template against that of the present set, and the sets of older revisions that still have machines.
fn made_like(sides: &mut Sides, pool: &NodePool, beside: &Beside) {
    let present = pool.status.as_ref().and_then(|status| status.current_machine_set.as_deref());
    let is_present = |set: &&MachineSet| Some(&*set.name_any()) == present;
    let of = |set: &MachineSet| beside.members.iter().filter(|m| m.set.as_deref() == Some(&*set.name_any())).count();
    match beside.sets.iter().find(is_present) {
        Some(set) => {
            let key = format!("set {}, revision {}", set.name_any(), set.spec.revision);
            all(sides, &key, pool.spec.replicas, of(set), beside);
            sides.value("template", &pool.spec.template, &set.spec.template);
            sides.value("machineSelector", &pool.spec.machine_selector, &set.spec.machine_selector);
        }
        None => {
            let there = match present {
                _ if pool.status.is_none() => "–",
                Some(_) if beside.left_out.sets => "not read",
                _ => "none",
            };
            sides.field("set of the present revision", "one", there);
        }
    }
    let older = beside.sets.iter().filter(|set| !is_present(set));
    for (set, count) in older.map(|set| (set, of(set))).filter(|(_, count)| *count > 0) {
        let (version, count) = (or_none(set.spec.version.as_deref()), counted(count, beside));
        sides.besides(&format!("set {}, revision {}, {version}: {count}", set.name_any(), set.spec.revision));
        if set.spec.template != pool.spec.template {
            let template = super::nested("  template", &set.spec.template);
            template.lines().for_each(|line| sides.besides(line));
        }
    }
}

/// What the cluster's deployment says of the pool, against what the pool says itself: only what is brought in line, the
/// rest is the pool's own.
fn policy(sides: &mut Sides, name: &str, pool: &NodePool, beside: &Beside) {
    let Some(deployment) = &beside.deployment else { return };
    let cluster = deployment.name_any();
    let Some(asked) = deployment.spec.pools.iter().find(|p| format!("{cluster}-{}", p.name) == name) else {
        sides.note(format!(
            "ClusterDeployment {cluster} does not name this pool: nobody but the pool says how it rolls out"
        ));
        return;
    };
    sides.heading(&format!("ClusterDeployment {cluster} against the pool"));
    let spec = &pool.spec;
    if let Some(rollout) = &asked.rollout {
        // What a partition keeps, and from when on all are to be new, is changed on the pool.
        let of = |policy: &RolloutPolicy| RolloutPolicy { partition: None, after: None, ..policy.clone() };
        sides.value("  rollout", &of(rollout), &of(&spec.rollout));
    }
    sides.value("  drain", &asked.drain, &spec.drain);
    if asked.remediation.is_some() {
        sides.value("  remediation", &asked.remediation, &spec.remediation);
    }
    sides.value("  template", &asked.template, &spec.template);
    sides.value("  machineSelector", &asked.machine_selector, &spec.machine_selector);
}
