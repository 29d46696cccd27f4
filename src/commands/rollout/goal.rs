//! When a wish has come true.

use kube::ResourceExt;

use super::{Subject, look::Look};
use crate::{
    api::{NodePool, RolloutStatus, find_condition, labels},
    commands::change::{Planned, Written},
    plan::lifecycle::Wish,
};

/// What is waited for.
pub(super) struct Goal {
    pub(super) cluster: String,
    pub(super) pools: Vec<PoolGoal>,
    /// Machines, by name and UID, whose mark has to be gone.
    pub(super) marked: Vec<(String, Option<String>)>,
    end: End,
    /// It is about the cluster, not a pool of it.
    is_whole: bool,
}

/// What is waited for in one pool.
pub(super) struct PoolGoal {
    pub(super) name: String,
    /// The controllers have seen this one.
    generation: Option<i64>,
    /// New nodes are made with this version.
    version: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All machines are as they are wanted.
    UpToDate,
    /// Nothing more is taken away.
    Still,
    /// The controllers have stopped.
    Paused,
    /// They have begun again, but for pools that are paused themselves.
    GoesOn,
}

impl Goal {
    pub(super) fn of(planned: &Planned<Subject>, written: &[Written]) -> Self {
        let Subject { cluster, wish, pools } = &planned.subject;
        let end = match wish {
            Wish::Pause { .. } | Wish::PauseCluster => End::Paused,
            Wish::ResumeCluster => End::GoesOn,
            Wish::Hold { .. } | Wish::Abort { .. } => End::Still,
            _ => End::UpToDate,
        };
        let stages = planned.preview.stages.iter().rev();
        let last = |name: &str| stages.clone().find(|s| s.pools.iter().any(|p| p.pool == name)).map(|s| s.to.clone());
        let is_upgrade = matches!(wish, Wish::Upgrade { .. });
        let names: Vec<&String> = match wish {
            Wish::PauseCluster | Wish::ResumeCluster => pools.iter().collect(),
            Wish::Upgrade { pool: None, .. } => {
                pools.iter().filter(|p| written.is_empty() || last(p).is_some()).collect()
            }
            other => pools.iter().filter(|p| other.pool() == Some(p)).collect(),
        };
        let goal = |name: &String| PoolGoal {
            name: name.clone(),
            generation: written.iter().find(|w| w.kind == "NodePool" && w.name == *name).and_then(|w| w.generation),
            version: last(name).filter(|v| is_upgrade && !v.is_empty()),
        };
        let marked = written.iter().filter(|w| w.kind == "Machine" && end == End::UpToDate);
        Self {
            cluster: cluster.clone(),
            pools: names.into_iter().map(goal).collect(),
            is_whole: matches!(wish, Wish::PauseCluster),
            marked: marked.map(|w| (w.name.clone(), w.uid.clone())).collect(),
            end,
        }
    }

    /// What to do next, for whoever does not wait. Where nothing was written there is nothing to follow; what stands still
    /// already is told how it goes on.
    pub(super) fn hint(&self, has_written: bool) -> Option<String> {
        let hint = match (self.end, self.pools.first()) {
            (End::Paused, _) if self.is_whole => {
                format!(
                    "{0} stands still, with all of its pools, once hosts that are worked on have come to their end. It goes on \
                     with  quarterdeck resume {0}",
                    self.cluster
                )
            }
            (End::Paused, Some(pool)) => {
                format!(
                    "{0} stands still, once hosts that are worked on have come to their end. It goes on with  quarterdeck resume {1}",
                    pool.name,
                    self.words(&pool.name)
                )
            }
            _ if !has_written => return None,
            (End::Still, Some(pool)) => format!(
                "{} takes nothing more away; what is begun on hosts is finished. Follow it with  quarterdeck get pools -w",
                pool.name
            ),
            _ => "Follow it with  quarterdeck get pools -w  or  quarterdeck get operations -w".to_owned(),
        };
        Some(hint)
    }

    /// How the pool is typed.
    pub(super) fn words(&self, pool: &str) -> String {
        let short = pool.strip_prefix(&self.cluster).and_then(|rest| rest.strip_prefix('-')).unwrap_or(pool);
        format!("{}/{short}", self.cluster)
    }

    pub(super) fn is_reached(&self, look: &Look) -> bool {
        self.pools.iter().all(|goal| self.is_there(goal, look)) && self.left(look) == 0
    }

    /// Marked machines that are yet to be replaced.
    pub(super) fn left(&self, look: &Look) -> usize {
        let is_marked = |(name, uid): &&(String, Option<String>)| {
            look.machines.iter().any(|m| {
                m.name_any() == *name && m.metadata.uid == *uid && m.annotations().contains_key(labels::REPLACE_MACHINE)
            })
        };
        self.marked.iter().filter(is_marked).count()
    }

    /// A pool that is gone is waited for no longer.
    pub(super) fn is_there(&self, goal: &PoolGoal, look: &Look) -> bool {
        let Some(pool) = look.pool(&goal.name) else { return true };
        let Some(status) = &pool.status else { return false };
        let is_seen = status.observed_generation >= goal.generation;
        let has_version = goal.version.is_none() || status.version == goal.version;
        let is_over = status.rollout.as_ref().is_none_or(is_over);
        let ended = match self.end {
            End::Paused => is(pool, "Paused", "True"),
            End::GoesOn => pool.spec.paused || is(pool, "Paused", "False"),
            End::Still => {
                is_over
                    || (status.rollout.as_ref().is_some_and(|r| r.in_flight == 0)
                        && pool.spec.hold
                        && !look.drains(&goal.name))
            }
            End::UpToDate => {
                let kept = status.rollout.as_ref().is_some_and(|r| r.kept > 0);
                (is(pool, "UpToDate", "True") && !is(pool, "RollingOut", "True")) || (kept && is_over)
            }
        };
        is_seen && has_version && ended
    }
}

/// All that is not kept as it is has given way.
fn is_over(rollout: &RolloutStatus) -> bool {
    rollout.outdated <= rollout.kept && rollout.in_flight == 0 && rollout.updated_available >= rollout.updated
}

pub(super) fn is(pool: &NodePool, condition: &str, status: &str) -> bool {
    let conditions = pool.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    find_condition(conditions, condition).is_some_and(|c| c.status == status)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether something is said next, where something was written and where nothing was.
    fn check(end: End, expected: (bool, bool)) {
        let pool = PoolGoal { name: "blue-gpu".to_owned(), generation: None, version: None };
        let goal = Goal { cluster: "blue".to_owned(), pools: vec![pool], marked: Vec::new(), end, is_whole: false };
        assert_eq!((goal.hint(true).is_some(), goal.hint(false).is_some()), expected);
    }

    #[test]
    fn only_what_was_written_is_followed() {
        check(End::UpToDate, (true, false));
        check(End::GoesOn, (true, false));
        check(End::Still, (true, false));
        check(End::Paused, (true, true));
    }
}
