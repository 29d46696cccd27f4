//! Where a machine goes next.
//!
//! ```text
//! Idle ─claim─▶ Claimed ─▶ Provisioning ─▶ Deployed ─▶ Ready ⇄ NotReady
//!  ▲                                                     │ drain
//!  └── Releasing ◀───────────────────────── Draining ◀───┘     any ─▶ Failed ─retry─▶ Claimed | Draining
//! ```

use crate::api::{
    Machine, MachineState, MachineStatus, Operation, OperationState, OperationType, PhaseState, PhaseStatus,
};

use super::work::{machine_state, state};

/// A state, and why for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    pub state: MachineState,
    pub message: Option<String>,
}

impl From<MachineState> for Next {
    fn from(state: MachineState) -> Self {
        Self { state, message: None }
    }
}

/// Where the machine stands, given the operation that works on it or last did.
///
/// The phases in its status belong to that operation: they are cleared when a machine is handed to one.
pub fn next_state(machine: &Machine, operation: Option<&Operation>) -> Next {
    if machine.spec.claim_ref.is_none() {
        return MachineState::Idle.into();
    }
    match operation {
        None => without_operation(machine),
        Some(operation) if operation.spec.type_.takes_away() => leaving(machine, operation),
        Some(operation) if operation.spec.type_ == OperationType::Upgrade => upgrading(machine, operation),
        Some(operation) if operation.spec.type_ == OperationType::Drain => emptying(machine, operation),
        Some(operation) => joining(machine, operation),
    }
}

/// All phases of its operation are done on the machine.
pub fn phases_done(status: &MachineStatus) -> bool {
    !status.phases.is_empty()
        && status.phases.iter().all(|p| matches!(p.state, PhaseState::Succeeded | PhaseState::Skipped))
}

/// The phase that failed.
pub fn failed_phase(status: &MachineStatus) -> Option<&PhaseStatus> {
    status.phases.iter().find(|p| p.state == PhaseState::Failed)
}

/// The machine is reset, its operation is over, nothing will touch the host any more: the claim may go.
pub fn is_releasable(machine: &Machine, operation: Option<&Operation>) -> bool {
    let Some(operation) = operation else { return false };
    machine.spec.claim_ref.is_some()
        && operation.spec.type_.takes_away()
        && state(operation).is_final()
        && drained(machine, operation)
        && machine.status.as_ref().is_some_and(phases_done)
}

/// A drain of this operation ended with its receipt.
pub fn drained(machine: &Machine, operation: &Operation) -> bool {
    let drain = machine.status.as_ref().and_then(|s| s.drain.as_ref());
    drain.is_some_and(|d| Some(&d.operation) == operation.metadata.name.as_ref() && d.completed_at.is_some())
}

/// The drain of this run of the operation was given up, and the node stays in quarantine.
pub fn drain_skipped(machine: &Machine, operation: &Operation) -> bool {
    let drain = machine.status.as_ref().and_then(|s| s.drain.as_ref());
    let run = operation.status.as_ref().map_or(0, |s| s.run).max(1);
    drain.is_some_and(|d| {
        Some(&d.operation) == operation.metadata.name.as_ref() && d.run.max(1) >= run && d.skipped_at.is_some()
    })
}

/// It was to be emptied, nobody wants that any more, and our cordon is to be taken back.
pub fn is_drain_obsolete(machine: &Machine, operation: Option<&Operation>) -> bool {
    let serves =
        matches!(machine_state(machine), MachineState::Deployed | MachineState::Ready | MachineState::NotReady);
    let wanted = operation.is_some_and(|o| {
        let over = match o.spec.type_ {
            OperationType::Upgrade => state(o).is_final() || machine.status.as_ref().is_some_and(phases_done),
            // As long as a person wants it.
            OperationType::Drain => machine.spec.maintenance.is_none(),
            _ => state(o) == OperationState::Cancelled,
        };
        o.spec.type_.drains() && !over
    });
    serves && !wanted && machine.status.as_ref().is_some_and(|s| s.drain.is_some())
}

fn in_quarantine(machine: &Machine) -> bool {
    machine.status.as_ref().and_then(|s| s.drain.as_ref()).is_some_and(|d| d.skipped_at.is_some())
}

fn without_operation(machine: &Machine) -> Next {
    match machine_state(machine) {
        // The operation is gone: another one will be made, and receipts on the host keep steps from running twice.
        MachineState::Idle | MachineState::Claimed | MachineState::Provisioning => MachineState::Claimed.into(),
        MachineState::Failed if !in_quarantine(machine) => keep(machine),
        MachineState::Releasing => {
            failed("the operation that released it is gone: look at the host, then delete this machine or reset it")
        }
        // Failed: its drain was given up and somebody took the operation away; the node serves on.
        MachineState::Failed
        | MachineState::Draining
        | MachineState::Updating
        | MachineState::Deployed
        | MachineState::Ready
        | MachineState::NotReady => health(machine),
    }
}

fn joining(machine: &Machine, operation: &Operation) -> Next {
    if matches!(machine_state(machine), MachineState::Deployed | MachineState::Ready | MachineState::NotReady) {
        return health(machine);
    }
    let done = machine.status.as_ref().is_some_and(phases_done);
    match state(operation) {
        OperationState::Pending | OperationState::Draining => MachineState::Claimed.into(),
        OperationState::Running if done => health(machine),
        OperationState::Running => phase_failure(machine).unwrap_or_else(|| match machine_state(machine) {
            MachineState::Claimed if machine.status.as_ref().is_none_or(|s| s.phases.is_empty()) => {
                MachineState::Claimed.into()
            }
            _ => MachineState::Provisioning.into(),
        }),
        OperationState::Succeeded => health(machine),
        OperationState::Failed | OperationState::Cancelled if done => health(machine),
        OperationState::Failed | OperationState::Cancelled => failure(machine, operation),
    }
}

fn leaving(machine: &Machine, operation: &Operation) -> Next {
    if drain_skipped(machine, operation) {
        return failed("its drain was not done in time: the node stays cordoned, in quarantine; retry or uncordon it");
    }
    let done = machine.status.as_ref().is_some_and(phases_done);
    match state(operation) {
        OperationState::Pending if machine_state(machine) != MachineState::Failed => keep(machine),
        OperationState::Pending | OperationState::Draining => MachineState::Draining.into(),
        OperationState::Running | OperationState::Succeeded if !drained(machine, operation) => keep(machine),
        OperationState::Running => phase_failure(machine).unwrap_or_else(|| MachineState::Releasing.into()),
        OperationState::Succeeded => MachineState::Releasing.into(),
        OperationState::Failed if done && drained(machine, operation) => MachineState::Releasing.into(),
        OperationState::Failed => failure(machine, operation),
        OperationState::Cancelled => health(machine),
    }
}

/// It is emptied because a person wants it, and serves on: the node stays cordoned until they do not.
fn emptying(machine: &Machine, operation: &Operation) -> Next {
    match state(operation) {
        OperationState::Draining if !drain_skipped(machine, operation) => MachineState::Draining.into(),
        OperationState::Pending if machine_state(machine) == MachineState::Failed => keep(machine),
        _ => health(machine),
    }
}

/// It is emptied, worked on where it is, and serves again.
fn upgrading(machine: &Machine, operation: &Operation) -> Next {
    if drain_skipped(machine, operation) {
        return failed("its drain was not done in time: the node stays cordoned, in quarantine; retry or uncordon it");
    }
    let done = machine.status.as_ref().is_some_and(phases_done);
    match state(operation) {
        OperationState::Pending if machine_state(machine) != MachineState::Failed => keep(machine),
        OperationState::Pending | OperationState::Draining => MachineState::Draining.into(),
        _ if done => health(machine),
        OperationState::Running if !drained(machine, operation) => keep(machine),
        OperationState::Running => phase_failure(machine).unwrap_or_else(|| MachineState::Updating.into()),
        OperationState::Succeeded | OperationState::Cancelled => health(machine),
        OperationState::Failed => failure(machine, operation),
    }
}

/// What the node says, for a machine whose phases are all done.
fn health(machine: &Machine) -> Next {
    let node = machine.status.as_ref().and_then(|s| s.node.as_ref());
    let was_ready = matches!(
        machine_state(machine),
        MachineState::Ready | MachineState::NotReady | MachineState::Draining | MachineState::Updating
    );
    match node {
        Some(node) if node.ready == "True" => MachineState::Ready.into(),
        Some(node) if was_ready => {
            let why = node.reason.clone().unwrap_or_else(|| format!("Ready is {}", node.ready));
            Next { state: MachineState::NotReady, message: Some(format!("its node is not known to be Ready: {why}")) }
        }
        None if was_ready => {
            Next { state: MachineState::NotReady, message: Some("no node carries its providerID".to_owned()) }
        }
        _ => MachineState::Deployed.into(),
    }
}

fn phase_failure(machine: &Machine) -> Option<Next> {
    let phase = failed_phase(machine.status.as_ref()?)?;
    let why = phase.message.clone().unwrap_or_else(|| "see the log of the operation".to_owned());
    Some(failed(format!("{} failed: {why}", phase.name)))
}

fn failure(machine: &Machine, operation: &Operation) -> Next {
    let name = machine.metadata.name.as_deref().unwrap_or_default();
    let listed = operation.status.as_ref().and_then(|s| s.failures.iter().find(|f| f.machine == name));
    phase_failure(machine).unwrap_or_else(|| match listed {
        Some(failure) => failed(failure.message.clone()),
        None => failed("the operation ended before the work on this machine was done: retry it"),
    })
}

fn failed(message: impl Into<String>) -> Next {
    Next { state: MachineState::Failed, message: Some(message.into()) }
}

/// As it was.
fn keep(machine: &Machine) -> Next {
    Next { state: machine_state(machine), message: machine.status.as_ref().and_then(|s| s.message.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::notation;

    fn check(word: &str, under: &str, expected: &str) {
        let operation = (!under.is_empty()).then(|| notation::operation(&format!("op:{under}=m")));
        let next = next_state(&notation::machine(&format!("m:{word}")), operation.as_ref());
        assert_eq!(next.state.as_str(), expected, "{word} under {under:?}");
    }

    #[test]
    fn the_way_up() {
        check("idle", "", "Idle");
        check("idle@1", "", "Claimed");
        check("claimed@1#op", "ScaleUp:Pending", "Claimed");
        check("claimed@1#op", "ScaleUp:Running", "Claimed");
        check("claimed@1#op,begun", "ScaleUp:Running", "Provisioning");
        check("provisioning@1#op,done", "ScaleUp:Running", "Deployed");
        check("provisioning@1#op,done,node", "ScaleUp:Running", "Ready");
        check("provisioning@1#op,done,lost", "ScaleUp:Running", "Deployed");
        check("deployed@1#op,done,node", "ScaleUp:Succeeded", "Ready");
        check("provisioning@1#op,failed", "ScaleUp:Running", "Failed");
        check("provisioning@1#op,begun", "ScaleUp:Failed", "Failed");
        check("provisioning@1#op,done", "ScaleUp:Failed", "Deployed");
    }

    #[test]
    fn a_node_comes_and_goes() {
        check("ready@1#op", "ScaleUp:Succeeded", "Ready");
        check("ready@1^#op", "ScaleUp:Succeeded", "NotReady");
        check("ready@1#op,lost", "ScaleUp:Succeeded", "NotReady");
        check("notready@1#op,node", "ScaleUp:Succeeded", "Ready");
        check("ready@1#op", "", "Ready");
    }

    #[test]
    fn the_way_down() {
        check("ready@1#op", "ScaleDown:Pending", "Ready");
        check("ready@1#op", "ScaleDown:Draining", "Draining");
        check("draining@1#op,drained", "ScaleDown:Draining", "Draining");
        check("draining@1#op,drained", "ScaleDown:Running", "Releasing");
        check("releasing@1#op,drained,failed", "ScaleDown:Running", "Failed");
        check("releasing@1#op,drained,done", "ScaleDown:Succeeded", "Releasing");
        check("releasing@1#op,drained,done", "ScaleDown:Failed", "Releasing");
        check("releasing", "", "Idle");
        check("draining@1#op,skipped", "ScaleDown:Draining", "Failed");
        check("draining@1#op,skipped", "ScaleDown:Failed", "Failed");
        check("draining@1#op", "ScaleDown:Cancelled", "Ready");
    }

    #[test]
    fn an_upgrade_where_it_is() {
        check("ready@1#op", "Upgrade:Pending", "Ready");
        check("ready@1#op", "Upgrade:Draining", "Draining");
        check("draining@1#op,drained", "Upgrade:Running", "Updating");
        check("draining@1#op", "Upgrade:Running", "Draining");
        check("updating@1#op,drained,begun,node", "Upgrade:Running", "Updating");
        check("updating@1#op,drained,failed,node", "Upgrade:Running", "Failed");
        check("updating@1#op,drained,done,node", "Upgrade:Running", "Ready");
        check("updating@1#op,drained,done,lost", "Upgrade:Running", "NotReady");
        check("ready@1#op,done,node", "Upgrade:Succeeded", "Ready");
        check("updating@1#op,drained,begun,node", "Upgrade:Failed", "Failed");
        check("draining@1#op,node", "Upgrade:Cancelled", "Ready");
        check("draining@1#op,skipped", "Upgrade:Draining", "Failed");
        check("failed@1#op,failed", "Upgrade:Pending", "Draining");
    }

    #[test]
    fn a_drain_that_a_person_wants() {
        check("ready@1#op", "Drain:Pending", "Ready");
        check("ready@1#op", "Drain:Draining", "Draining");
        check("draining@1#op,drained", "Drain:Draining", "Draining");
        check("draining@1#op,drained", "Drain:Succeeded", "Ready");
        check("draining@1#op,skipped", "Drain:Draining", "Ready");
        check("draining@1#op,skipped", "Drain:Failed", "Ready");
        check("ready@1^#op,drained", "Drain:Succeeded", "NotReady");
    }

    #[test]
    fn nothing_is_reset_that_was_not_seen_empty() {
        check("draining@1#op", "ScaleDown:Running", "Draining");
        check("ready@1#op", "ScaleDown:Succeeded", "Ready");
    }

    #[test]
    fn a_retry_begins_anew() {
        check("failed@1#op,failed", "ScaleUp:Pending", "Claimed");
        check("failed@1#op,failed", "ScaleDown:Draining", "Draining");
    }

    #[test]
    fn an_operation_that_vanished_leaves_nobody_behind() {
        check("provisioning@1#op,begun", "", "Claimed");
        check("releasing@1#op", "", "Failed");
        check("draining@1#op", "", "Ready");
        check("failed@1#op,skipped,node", "", "Ready");
        check("failed@1#op,drained,node", "", "Failed");
    }

    #[test]
    fn a_drain_that_nobody_wants_is_taken_back() {
        let obsolete = |word: &str, under: &str| {
            let operation = (!under.is_empty()).then(|| notation::operation(&format!("op:{under}=m")));
            is_drain_obsolete(&notation::machine(&format!("m:{word}")), operation.as_ref())
        };
        assert!(obsolete("ready@1#op,skipped", ""));
        assert!(obsolete("ready@1#op,skipped", "ScaleDown:Cancelled"));
        assert!(!obsolete("ready@1#op,skipped", "ScaleDown:Failed"));
        assert!(!obsolete("draining@1#op,drained", ""));
        assert!(!obsolete("ready@1#op,drained", "Upgrade:Running"));
        assert!(obsolete("ready@1#op,drained,done", "Upgrade:Running"));
        assert!(obsolete("ready@1#op,drained,done", "Upgrade:Succeeded"));
        assert!(obsolete("ready@1#op,skipped", "Upgrade:Cancelled"));
        assert!(!obsolete("ready@1#op", ""));
    }

    #[test]
    fn the_claim_goes_only_when_no_pod_works_on_it_any_more() {
        let releasable = |word: &str, state: &str| {
            let operation = notation::operation(&format!("op:ScaleDown:{state}=m"));
            is_releasable(&notation::machine(&format!("m:{word}")), Some(&operation))
        };
        assert!(releasable("releasing@1#op,drained,done", "Succeeded"));
        assert!(releasable("releasing@1#op,drained,done", "Failed"));
        assert!(!releasable("releasing@1#op,drained,done", "Running"));
        assert!(!releasable("releasing@1#op,done", "Succeeded"), "without the receipt of the drain");
        assert!(!releasable("releasing@1#op,drained,begun", "Failed"));
    }
}
