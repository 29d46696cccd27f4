//! Emptying a node: which pods have to go, what stands in the way, and when it is done.
//!
//! Done means that the pod *objects* are gone, their volumes detached and the node still cordoned, seen live. A drain
//! never gives up without saying so: at the deadline the policy of the pool decides, or before it a person.

pub mod blocker;
pub mod choice;
pub mod pod;
pub mod timing;

use jiff::{SignedDuration, Timestamp};

use crate::api::{DrainPolicy, DrainStatus, DrainTimeoutAction};

pub use blocker::{Answer, blocker};
pub use pod::{Circumstances, Treatment, treatments};

/// What the answers to one pass of evictions add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receipt may be written.
    Done,
    /// The receipt may be written although volumes are still attached: it was chosen to be forced.
    DoneWithVolumes,
    /// Go on: not done, and it is not the deadline, or the policy is to wait or to delete what is left.
    Continue,
    /// Leave the node cordoned and go on without it.
    Skip,
}

/// What was seen live.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight {
    /// Pods that hold the node.
    pub left: usize,
    /// Some of them may be asked to leave or are leaving; the others wait for a person or for themselves.
    pub movable: bool,
    /// Some pod was never asked, so that nobody knows what stands in the way. Not even at the deadline is a drain given up
    /// like this: a controller that was away, or slow, asks once.
    pub unasked: bool,
    /// Volumes that are still attached.
    pub attached: usize,
    /// No new pod can come.
    pub cordoned: bool,
}

/// Decides from what was seen live.
pub fn verdict(drain: &DrainStatus, seen: Sight, policy: &DrainPolicy, now: Timestamp) -> Verdict {
    let empty = seen.left == 0 && seen.cordoned;
    let chosen = drain.choice.as_ref().map(|c| c.choice);
    if empty && seen.attached == 0 {
        return Verdict::Done;
    }
    match chosen.unwrap_or(policy.on_timeout) {
        DrainTimeoutAction::Wait => Verdict::Continue,
        DrainTimeoutAction::Skip if chosen.is_some() => Verdict::Skip,
        _ if now < limit(drain, seen, policy) => Verdict::Continue,
        DrainTimeoutAction::Skip if seen.unasked => Verdict::Continue,
        DrainTimeoutAction::Skip => Verdict::Skip,
        DrainTimeoutAction::Force if empty => Verdict::DoneWithVolumes,
        DrainTimeoutAction::Force if seen.left > 0 && !seen.movable => Verdict::Skip,
        DrainTimeoutAction::Force => Verdict::Continue,
    }
}

/// When patience ends: the deadline while there are pods, and then the time that volumes are given.
fn limit(drain: &DrainStatus, seen: Sight, policy: &DrainPolicy) -> Timestamp {
    match &drain.emptied_at {
        Some(emptied) if seen.left == 0 => {
            let patience = SignedDuration::from_secs(policy.volume_detach_timeout_seconds());
            emptied.0.saturating_add(patience).unwrap_or(emptied.0).max(drain.deadline.0)
        }
        _ => drain.deadline.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DrainDecision, NodeReference};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Words about what was seen: `2` pods left, `held` by nobody who can be asked, `unasked`, `open` node, `vol`umes,
    /// `empty@60`; `!wait`, `!skip` and `!force` are what a person chose.
    fn check(seen: &str, policy: DrainTimeoutAction, now: i64, expected: Verdict) {
        let mut drain = DrainStatus::new("op", 1, NodeReference::default(), Time(at(0)), Time(at(100)));
        let mut sight = Sight { cordoned: true, movable: true, ..Sight::default() };
        let choose = |choice| Some(DrainDecision { choice, by: None, at: Time(at(1)) });
        for word in seen.split_whitespace() {
            match word {
                "held" => sight.movable = false,
                "unasked" => sight.unasked = true,
                "open" => sight.cordoned = false,
                "vol" => sight.attached = 1,
                "empty@60" => drain.emptied_at = Some(Time(at(60))),
                "!wait" => drain.choice = choose(DrainTimeoutAction::Wait),
                "!skip" => drain.choice = choose(DrainTimeoutAction::Skip),
                "!force" => drain.choice = choose(DrainTimeoutAction::Force),
                number => sight.left = number.parse().unwrap(),
            }
        }
        let policy = DrainPolicy { on_timeout: policy, ..DrainPolicy::default() };
        assert_eq!(verdict(&drain, sight, &policy, at(now)), expected, "{seen} at {now}");
    }

    #[test]
    fn done_is_empty_and_still_cordoned_and_the_deadline_has_a_policy() {
        use DrainTimeoutAction::{Force, Skip, Wait};
        check("0", Skip, 10, Verdict::Done);
        check("0 open", Skip, 10, Verdict::Continue);
        check("1", Skip, 99, Verdict::Continue);
        check("1", Skip, 100, Verdict::Skip);
        check("1 unasked", Skip, 100, Verdict::Continue);
        check("1", Wait, 100, Verdict::Continue);
        check("1", Force, 100, Verdict::Continue);
        check("1 held", Force, 99, Verdict::Continue);
        check("1 held", Force, 100, Verdict::Skip);
        check("0", Skip, 500, Verdict::Done);
        check("0 open", Wait, 500, Verdict::Continue);
    }

    #[test]
    fn volumes_have_a_time_of_their_own() {
        use DrainTimeoutAction::{Force, Skip, Wait};
        check("0 vol empty@60", Skip, 359, Verdict::Continue);
        check("0 vol empty@60", Skip, 360, Verdict::Skip);
        check("0 vol empty@60", Wait, 900, Verdict::Continue);
        check("0 vol empty@60", Force, 359, Verdict::Continue);
        check("0 vol empty@60", Force, 360, Verdict::DoneWithVolumes);
        check("0 vol open empty@60", Force, 360, Verdict::Continue);
        check("1 vol empty@60", Skip, 100, Verdict::Skip);
    }

    #[test]
    fn a_person_decides_over_the_policy() {
        use DrainTimeoutAction::{Force, Skip};
        check("1 !skip", Force, 10, Verdict::Skip);
        check("1 !wait", Skip, 900, Verdict::Continue);
        check("1 !force", Skip, 900, Verdict::Continue);
        check("0 !skip", Skip, 10, Verdict::Done);
    }
}
