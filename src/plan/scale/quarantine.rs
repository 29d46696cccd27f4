//! Machines whose drain was given up: they are returned to when nothing else moves any more.

use jiff::Timestamp;

use super::Plan;
use crate::{
    api::{Machine, OperationState, labels},
    plan::{
        machine::drain_skipped,
        work::{Work, state},
    },
};

/// What kept a node from being emptied takes a moment to go away.
const FIRST_PAUSE_SECONDS: i64 = 60;

/// How quarantined machines are returned to.
#[derive(Clone, Copy, Debug)]
pub struct Revisits {
    /// So long is waited after a drain that was given up more than once; at most a minute after the first.
    pub pause_seconds: i64,
    pub now: Timestamp,
}

/// Its drain was given up, the operation is over, and its node stays cordoned with what is left on it.
pub(in crate::plan) fn is_quarantined(machine: &Machine, work: &Work) -> bool {
    work.latest(machine).is_some_and(|o| state(o) == OperationState::Failed && drain_skipped(machine, o))
}

impl Plan {
    /// Which operations are tried again: none while anything else moves, for who is in quarantine comes last.
    pub(super) fn return_to(&mut self, members: &[&Machine], revisits: Option<Revisits>, work: &Work) {
        let Some(revisits) = revisits else { return };
        let quarantined: Vec<&&Machine> = members.iter().filter(|m| is_quarantined(m, work)).collect();
        let lists = [&self.claims, &self.joins, &self.releases, &self.upgrades, &self.arrived, &self.waiting];
        let moves = lists.iter().any(|list| !list.is_empty())
            || (!self.victims.is_empty() && self.halt.is_none())
            || members.iter().any(|m| work.under_way(m).is_some());
        if quarantined.is_empty() || moves {
            return;
        }
        for machine in quarantined {
            let Some(operation) = work.latest(machine) else { continue };
            let asked = operation.metadata.annotations.as_ref().and_then(|a| a.get(labels::RETRY));
            if asked != operation.status.as_ref().and_then(|s| s.observed_retry.as_ref()) {
                // Somebody has asked already, and it is about to begin.
                continue;
            }
            let skipped = machine.status.as_ref().and_then(|s| s.drain.as_ref()).and_then(|d| d.skipped_at.as_ref());
            let again = operation.status.as_ref().is_some_and(|s| s.run > 1);
            let pause = if again { revisits.pause_seconds } else { revisits.pause_seconds.min(FIRST_PAUSE_SECONDS) };
            let left = skipped.map_or(0, |at| pause - revisits.now.duration_since(at.0).as_secs());
            if left > 0 {
                self.revisit_after_seconds = Some(self.revisit_after_seconds.map_or(left, |l| l.min(left)));
            } else if let Some(name) = operation.metadata.name.clone().filter(|n| !self.revisits.contains(n)) {
                self.revisits.push(name);
            }
        }
    }
}
