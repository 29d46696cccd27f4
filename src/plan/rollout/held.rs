//! Who waits for a maintenance window, and who does not.
//!
//! A window holds up what was planned. A machine that has fallen ill by itself is replaced at any time, and so is one of
//! which a person has said that it need not wait.

use super::{Sorted, Target, is_marked};
use crate::{
    api::{Machine, OperationType, StrategyType, labels},
    plan::work::Work,
};

/// It is replaced whether a window is open or not.
pub(in crate::plan) fn is_urgent(machine: &Machine) -> bool {
    let said = |key: &str| machine.metadata.annotations.as_ref().and_then(|a| a.get(key));
    let let_through = said(labels::OUTSIDE_WINDOW).is_some_and(|mark| said(labels::REPLACE_MACHINE) == Some(mark));
    is_marked(machine) && (let_through || said(labels::REMEDIATION).is_some())
}

impl Target<'_> {
    /// The window is closed, and members have to give way that wait for it.
    pub(in crate::plan) fn waits(&self, sorted: &Sorted, leaving: &[&Machine], work: &Work) -> bool {
        if self.gate.is_open() {
            return false;
        }
        let begun = |m: &Machine| work.under_way(m).is_some_and(|o| o.spec.type_ == OperationType::Upgrade);
        let waiting = || sorted.outdated.iter().filter(|m| !is_urgent(m) && !begun(m));
        let (marked, rest) = (waiting().any(|m| is_marked(m)), waiting().filter(|m| !is_marked(m)).count());
        // Those in quarantine are drained anew, which is another disruption.
        let again =
            leaving.iter().any(|m| self.is_outdated(m) && !is_urgent(m) && crate::plan::scale::is_quarantined(m, work));
        marked || again || rest > usize::try_from(self.policy.partition()).unwrap_or(0)
    }
}

/// The part of the rollout that waits for no window: a rolling update of these machines alone.
pub(in crate::plan) fn urgent<'a, 'b>(target: &Target<'b>, sorted: &Sorted<'a>) -> (Target<'b>, Sorted<'a>) {
    let (outdated, mut rest): (Vec<&Machine>, Vec<&Machine>) =
        sorted.outdated.iter().copied().partition(|m| is_urgent(m));
    rest.extend(&sorted.updated);
    let target = Target { strategy: StrategyType::RollingUpdate, ..*target };
    (target, Sorted { outdated, updated: rest, arrived: sorted.arrived.clone() })
}
