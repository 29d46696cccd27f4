//! A rollout from here to its end, batch by batch, if everything goes well: what a dialog shows before it begins.
//!
//! It is the very arithmetic that the controllers step through, applied to its own results.

use super::moves::{Bounds, Brake, Counts, after, decide};
use crate::{
    api::StrategyType,
    plan::quorum::{may_pause, quorum},
};

/// Most steps that are played: a pool of 100,000 one by one is not listed to its end.
const STEPS: usize = 2_000;

/// One step of a rollout, as it will be if everything goes well.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Idle machines that join.
    pub claim: i32,
    /// Old machines that are drained and reset.
    pub remove: i32,
    /// Old machines that are drained and upgraded where they are.
    pub upgrade: i32,
    /// Machines of the new revision after it.
    pub updated: i32,
    /// Machines of older revisions after it.
    pub outdated: i32,
    /// The fewest machines that serve while it runs.
    pub available: i32,
    /// Minor versions that the oldest kubelet is behind the control plane after it, where both are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew: Option<i64>,
    /// How many members vote while it runs, for a control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<String>,
}

/// All steps, and what keeps the last one from being the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    pub batches: Vec<Batch>,
    pub brake: Option<Brake>,
    /// There are more steps than are listed.
    pub is_cut: bool,
}

/// Plays the rollout. What soaks is taken to have soaked, and a hold or pause to have been lifted.
pub fn course(counts: &Counts, bounds: &Bounds) -> Course {
    let bounds = Bounds { soaked: true, hold: false, ..*bounds };
    let mut counts = *counts;
    let mut course = Course::default();
    for _ in 0..STEPS {
        let moves = decide(&counts, &bounds);
        if moves.is_nothing() {
            // What is under way settles by itself; then it is looked at once more.
            let settled = settle(&counts);
            if settled == counts {
                let open = counts.outdated > bounds.partition.min(counts.desired);
                course.brake = moves.brake.filter(|_| open);
                return course;
            }
            counts = settled;
            continue;
        }
        let disrupted = moves.remove_available + moves.upgrade;
        let voters = counts.outdated + counts.updated;
        let serving = counts.outdated_available + counts.updated_available - disrupted;
        let next = after(&counts, &moves);
        course.batches.push(Batch {
            claim: moves.claim,
            remove: moves.remove(),
            upgrade: moves.upgrade,
            updated: next.updated,
            outdated: next.outdated,
            available: serving,
            skew: None,
            quorum: (bounds.one_at_a_time && disrupted > 0).then(|| votes(voters, serving, bounds.strategy)),
        });
        counts = next;
    }
    course.is_cut = true;
    course
}

/// What is under way comes to a good end: new machines serve, leaving ones are idle, upgraded ones are up to date.
fn settle(counts: &Counts) -> Counts {
    Counts {
        outdated: counts.outdated - counts.upgrading,
        updated: counts.updated + counts.upgrading,
        updated_available: counts.updated + counts.upgrading,
        upgrading: 0,
        idle: counts.idle + counts.leaving,
        leaving: 0,
        drained: 0,
        ..*counts
    }
}

fn votes(voters: i32, serving: i32, strategy: StrategyType) -> String {
    // A member that leaves for good takes its vote along.
    let voters = if strategy == StrategyType::InPlace { voters } else { voters - 1 };
    let note = if strategy == StrategyType::InPlace && !may_pause(voters, serving + 1) {
        ": it does not answer meanwhile"
    } else {
        ""
    };
    format!("{serving} of {voters} vote, {} needed{note}", quorum(voters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::rollout::fences::Fences;

    /// `+1 -1 ^1` for each batch, `.` between them; `!` before what keeps it from its end.
    fn words(course: &Course) -> String {
        let mut words: Vec<String> = course
            .batches
            .iter()
            .map(|b| {
                let part = |sign: &str, n: i32| if n > 0 { format!("{sign}{n}") } else { String::new() };
                [part("+", b.claim), part("-", b.remove), part("^", b.upgrade)].concat()
            })
            .collect();
        words.extend(course.brake.map(|b| format!("!{}", b.reason())));
        words.join(" ")
    }

    fn check(strategy: StrategyType, fences: [i32; 3], desired: i32, idle: i32, expected: &str) {
        let [surge, unavailable, batch] = fences;
        let bounds =
            Bounds { strategy, fences: Fences { surge, unavailable, batch }, deletions: 9, ..Bounds::default() };
        let counts = Counts { desired, outdated: desired, outdated_available: desired, idle, ..Counts::default() };
        assert_eq!(words(&course(&counts, &bounds)), expected);
    }

    #[test]
    fn a_rollout_is_listed_to_its_end() {
        check(StrategyType::RollingUpdate, [1, 0, 1], 2, 1, "+1 -1 +1 -1");
        check(StrategyType::RollingUpdate, [0, 1, 1], 2, 0, "-1 +1 -1 +1");
        check(StrategyType::InPlace, [0, 2, 1], 5, 0, "^2 ^2 ^1");
        check(StrategyType::BlueGreen, [3, 0, 2], 3, 3, "+3 -2 -1");
        check(StrategyType::RollingUpdate, [1, 0, 1], 2, 0, "!NotEnoughIdleMachines");
        check(StrategyType::BlueGreen, [3, 0, 2], 3, 2, "+2 !NotEnoughIdleMachines");
    }

    #[test]
    fn a_control_plane_says_who_votes() {
        let bounds = |strategy| Bounds {
            strategy,
            fences: Fences { surge: 1, unavailable: 1, batch: 1 },
            deletions: 1,
            one_at_a_time: true,
            ..Bounds::default()
        };
        let votes = |strategy, members: i32| {
            let counts = Counts {
                desired: members,
                outdated: members,
                outdated_available: members,
                idle: 1,
                ..Counts::default()
            };
            let course = course(&counts, &bounds(strategy));
            course.batches.into_iter().filter_map(|b| b.quorum).collect::<Vec<_>>()
        };
        assert_eq!(votes(StrategyType::InPlace, 3), ["2 of 3 vote, 2 needed"; 3]);
        assert_eq!(votes(StrategyType::InPlace, 1), ["0 of 1 vote, 1 needed: it does not answer meanwhile"]);
    }
}
