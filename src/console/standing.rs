//! Where the rollout of a pool stands, and what the cluster would be like if it stopped now.

use crate::{
    api::{NodePool, Role, RolloutStatus},
    fleet::{Health, MachineRow, PoolNode, Snapshot},
    plan::{skew, version::Version},
};
use std::{collections::BTreeMap, sync::Arc};

/// A machine of a pool that rolls out, by what there is to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    New,
    Moving,
    Blocked,
    Failed,
    Old,
}

impl Place {
    pub const ALL: [Self; 5] = [Self::New, Self::Moving, Self::Blocked, Self::Failed, Self::Old];

    /// The health whose shape and colour it has.
    pub fn health(self) -> Health {
        match self {
            Self::New => Health::Good,
            Self::Moving => Health::Moving,
            Self::Blocked => Health::Warning,
            Self::Failed => Health::Bad,
            Self::Old => Health::Idle,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Moving => "moving",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Old => "old",
        }
    }

    fn of(machine: &MachineRow, revision: &str) -> Self {
        match machine.health {
            Health::Bad => Self::Failed,
            Health::Warning => Self::Blocked,
            Health::Moving => Self::Moving,
            Health::Good | Health::Idle => {
                let marked = machine.marked_for_replacement.is_some();
                let new = machine.revision.as_deref() == Some(revision) && !marked;
                if new { Self::New } else { Self::Old }
            }
        }
    }
}

/// The rollout that is under way, or was stopped before its end.
pub fn rollout(pool: Option<&Arc<NodePool>>) -> Option<&RolloutStatus> {
    let rollout = pool?.status.as_ref()?.rollout.as_ref()?;
    (rollout.outdated > 0 || rollout.in_flight > 0).then_some(rollout)
}

/// Machines that stay as they were because a rollout was ended before its end.
pub fn kept(pool: Option<&Arc<NodePool>>) -> Option<i32> {
    let (resource, status) = (pool?, pool?.status.as_ref()?);
    let partition = resource.spec.rollout.partition();
    let kept = (status.replicas - status.updated_replicas).min(partition);
    (kept > 0 && rollout(pool).is_none()).then_some(kept)
}

/// How many machines of how many have given way. One that joins on top has not changed anything yet: what counts is what is
/// left of the old ones.
pub fn done(rollout: &RolloutStatus, desired: i32) -> (i32, i32) {
    let all = (desired - rollout.kept).max(1);
    ((all - (rollout.outdated - rollout.kept).max(0)).clamp(0, all), all)
}

/// The same as a part, from 0 to 1.
pub fn fraction(rollout: &RolloutStatus, desired: usize) -> f64 {
    let (done, all) = done(rollout, i32::try_from(desired).unwrap_or(i32::MAX));
    f64::from(done) / f64::from(all)
}

/// How many machines are where, in the order of [`Place::ALL`].
pub fn places(node: &PoolNode, rollout: &RolloutStatus) -> [(Place, usize); 5] {
    let mut counts = Place::ALL.map(|place| (place, 0));
    for machine in node.machines.iter() {
        let place = Place::of(machine, &rollout.revision);
        counts[place as usize].1 += 1;
    }
    counts
}

/// What it would be like to stop now, in a sentence; `false` if the versions would not go together.
pub fn if_stopped(node: &PoolNode, snapshot: &Snapshot) -> (String, bool) {
    let mut versions: BTreeMap<Version, usize> = BTreeMap::new();
    for version in node.machines.iter().filter_map(|m| m.version()?.parse().ok()) {
        *versions.entry(version).or_default() += 1;
    }
    let counted: Vec<String> = versions.iter().rev().map(|(version, count)| format!("{count} on {version}")).collect();
    let mixed = match counted.as_slice() {
        [] => return ("if stopped now: no node says what it has".to_owned(), true),
        [one] => format!("if stopped now: {one}, no other version"),
        some => format!("if stopped now: {}", some.join(", ")),
    };
    if node.row.role == Role::ControlPlane {
        let (low, high) = (versions.keys().next(), versions.keys().next_back());
        let apart = low.zip(high).and_then(|(low, high)| low.minors_behind(high)).unwrap_or(0);
        return (format!("{mixed}; its members are {apart} minor apart, 1 is allowed"), apart <= 1);
    }
    let Some(control_plane) = control_plane(node, snapshot) else { return (mixed, true) };
    let Some(oldest) = versions.keys().next() else { return (mixed, true) };
    match skew::kubelet(oldest, &control_plane) {
        Ok(()) => {
            let behind = oldest.minors_behind(&control_plane).unwrap_or(0);
            let allowed = skew::allowed_behind(oldest);
            (format!("{mixed}; kubelets {behind} minor behind the control plane, {allowed} are allowed"), true)
        }
        Err(skew) => (format!("{mixed}; {skew}"), false),
    }
}

/// The oldest version in the control plane of the pool's cluster; what the cluster reports where it is not ours.
fn control_plane(node: &PoolNode, snapshot: &Snapshot) -> Option<Version> {
    let cluster = snapshot.cluster_of(&node.row)?;
    let members = cluster.pools.iter().filter(|p| p.row.role == Role::ControlPlane).flat_map(|p| p.machines.iter());
    let managed = members.filter_map(|m| m.version()?.parse::<Version>().ok()).min();
    managed.or_else(|| cluster.row.version.as_deref()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{ContextId, testing};

    /// Versions of the control plane and of the workers, and the sentence.
    fn check(control_plane: &str, workers: &[&str], expected: &str) {
        let mut fleet = format!("cluster a version={control_plane}\npool cp replicas=1 role=ControlPlane\n");
        fleet += &format!("machine c-1 Ready kubelet={control_plane}\npool w replicas=9\n");
        for (i, version) in workers.iter().enumerate() {
            fleet += &format!("machine w-{i} Ready kubelet={version}\n");
        }
        let snapshot = testing::snapshot(&fleet);
        let node = snapshot.pool_named(ContextId::FIRST, "a-w").expect("it is there");
        let (sentence, fine) = if_stopped(node, &snapshot);
        assert_eq!(format!("{}{}", if fine { "" } else { "! " }, sentence), expected);
    }

    #[test]
    fn what_it_would_be_like_to_stop() {
        check(
            "1.34.2",
            &["1.34.2", "1.34.2", "1.33.6"],
            "if stopped now: 2 on 1.34.2, 1 on 1.33.6; kubelets 1 minor behind the control plane, 3 are allowed",
        );
        check(
            "1.34.2",
            &["1.34.2"],
            "if stopped now: 1 on 1.34.2, no other version; kubelets 0 minor behind the control plane, 3 are allowed",
        );
        check(
            "1.34.2",
            &["1.30.1"],
            "! if stopped now: 1 on 1.30.1, no other version; kubelet 1.30.1 would be 4 minor versions behind the \
             control plane, and 3 are allowed: upgrade the nodes first",
        );
        check("1.34.2", &[], "if stopped now: no node says what it has");
    }
}
