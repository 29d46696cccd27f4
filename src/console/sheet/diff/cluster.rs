//! A cluster: what its deployment asks for, against what it answers itself and what its pools have.

use super::{Beside, Sides, or_none, or_unknown};
use crate::{
    api::{
        Cluster, ClusterDeployment, ClusterStatus, ConditionStatus, NodePool, NodePoolStatus, Role, condition_status,
    },
    console::sheet::age,
};
use jiff::Timestamp;
use kube::ResourceExt;

pub fn sides(deployment: &ClusterDeployment, cluster: Option<&Cluster>, beside: &Beside, now: Timestamp) -> Sides {
    let (name, spec) = (deployment.name_any(), &deployment.spec);
    let generation = deployment.metadata.generation.unwrap_or(0);
    let mut sides = Sides::between(
        format!("asked for: ClusterDeployment {name}, generation {generation}"),
        "is there: the status of the Cluster and of its pools".to_owned(),
    );
    if spec.paused {
        sides.note("paused: nothing is done about it");
    }
    let none = ClusterStatus::default();
    let status = cluster.and_then(|cluster| cluster.status.as_ref()).unwrap_or(&none);
    if cluster.is_none() {
        sides.note("there is no Cluster yet: nobody has answered");
    } else if let Some(silence) = silence(status, now) {
        sides.note(silence);
    }
    sides.field("answers", "yes", answers(status));
    sides.field("phase", "Running", status.phase.map_or("–".to_owned(), |phase| format!("{phase:?}")));
    let version = status.version.as_deref().map(|version| version.trim_start_matches('v'));
    sides.field("version", &spec.version, or_none(version));
    sizes(&mut sides, status, beside);
    pools(&mut sides, deployment, beside);
    let deployed = deployment.status.as_ref().and_then(|status| status.observed_generation);
    if deployed.is_some_and(|seen| seen != generation) {
        sides.note(format!("the controllers have seen generation {} only", deployed.unwrap_or(0)));
    }
    if let Some(endpoint) = status.endpoint.as_deref() {
        sides.note(format!("endpoint {endpoint}"));
    }
    sides
}

/// Nothing is concluded from silence: that a cluster was not reached is not that it would not answer.
fn answers(status: &ClusterStatus) -> &'static str {
    match condition_status(&status.conditions, "RemoteConnectionProbe") {
        ConditionStatus::True => "yes",
        ConditionStatus::False => "no",
        ConditionStatus::Unknown => "unknown",
    }
}

/// How old that is which the cluster says of itself, where it does not answer now.
fn silence(status: &ClusterStatus, now: Timestamp) -> Option<String> {
    if condition_status(&status.conditions, "RemoteConnectionProbe") == ConditionStatus::True {
        return None;
    }
    let was_seen = status.version.is_some() || status.nodes.is_some();
    Some(match &status.last_probe_time {
        Some(at) => {
            let at = at.0.to_string();
            let age = age(Some(&at), now).unwrap_or_default();
            format!("not reached: its version and its nodes are as of {at} ({age})")
        }
        None if was_seen => "not reached: its version and its nodes are as last seen, nobody knows when".to_owned(),
        None => "not reached: nobody has answered yet".to_owned(),
    })
}

/// How many nodes and members there should be and how many there are. Where pools were left out nobody knows the former.
fn sizes(sides: &mut Sides, status: &ClusterStatus, beside: &Beside) {
    if beside.left_out.pools {
        return;
    }
    let wanted: i32 = beside.pools.iter().map(|pool| pool.spec.replicas).sum();
    sides.field("nodes", wanted, or_unknown(status.nodes.map(|nodes| nodes.total)));
    sides.field("nodes that are ready", wanted, or_unknown(status.nodes.map(|nodes| nodes.ready)));
    let planes: Vec<&NodePool> = beside.pools.iter().filter(|pool| pool.spec.role == Role::ControlPlane).collect();
    let plane: i32 = planes.iter().map(|pool| pool.spec.replicas).sum();
    // Known only where it is known of each of them.
    let members = |of: fn(&NodePoolStatus) -> i32| -> Option<i32> {
        planes.iter().map(|pool| pool.status.as_ref().map(of)).sum()
    };
    if plane > 0 {
        sides.field("members of the control plane", plane, or_unknown(members(|status| status.replicas)));
        sides.field("members that are ready", plane, or_unknown(members(|status| status.ready_replicas)));
    }
}

/// The version of a pool's status is that which its machines are brought to: it is said of those only that are there.
fn pools(sides: &mut Sides, deployment: &ClusterDeployment, beside: &Beside) {
    let (cluster, spec) = (deployment.name_any(), &deployment.spec);
    sides.heading("pools");
    for asked in &spec.pools {
        let (key, full) = (format!("  {}", asked.name), format!("{cluster}-{}", asked.name));
        let Some(pool) = beside.pools.iter().find(|pool| pool.name_any() == full) else {
            sides.field(&key, "one", if beside.left_out.pools { "not read" } else { "none" });
            continue;
        };
        let wanted = pool.spec.version.as_deref().unwrap_or(&spec.version);
        let all = pool.spec.replicas;
        let there = pool.status.as_ref().map_or_else(
            || "–".to_owned(),
            |status| {
                let (ready, updated, replicas) = (status.ready_replicas, status.updated_replicas, status.replicas);
                format!("{ready} ready, {updated} of {replicas} up to date on {}", or_none(status.version.as_deref()))
            },
        );
        sides.field(&key, format!("{all} ready, {all} of {all} up to date on {wanted}"), there);
    }
    for pool in &beside.pools {
        let known = spec.pools.iter().any(|asked| format!("{cluster}-{}", asked.name) == pool.name_any());
        if !known {
            let ready = or_unknown(pool.status.as_ref().map(|status| status.ready_replicas));
            sides.besides(&format!("  {}: {ready} ready, made by hand", pool.name_any()));
        }
    }
}
