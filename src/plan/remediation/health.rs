//! Whether one machine is well, as far as anybody can tell.

use jiff::Timestamp;

use crate::{
    api::{Machine, MachineState, OperationType, RemediationPolicy},
    plan::work::{Work, machine_state},
};

/// Reasons with which a cluster itself says that it has not heard of a node. Any other `Unknown` is ours: it could not be
/// asked, or two nodes answer to one machine.
const SILENT: [&str; 2] = ["NodeStatusUnknown", "NodeStatusNeverUpdated"];

/// How a machine is.
pub(super) enum Health {
    Well,
    /// Something is being done to it, which ends by itself.
    Busy,
    /// Nobody can say.
    Unknown,
    Ill(Ill),
}

/// A machine that is not well.
pub(super) struct Ill {
    pub since: Timestamp,
    /// It was made a node and never served.
    pub never_ready: bool,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    NotReady,
    Silent,
    NodeGone,
    NeverReady,
    JoinFailed,
    /// A person looks after it.
    InCare,
}

impl Ill {
    /// How long it may be so; `None` if it is not for us to replace it.
    pub fn patience_seconds(&self, policy: &RemediationPolicy) -> Option<i64> {
        match self.what {
            What::InCare => None,
            What::Silent => policy.silent_timeout_seconds(),
            _ => Some(policy.timeout_seconds()),
        }
    }

    pub fn words(&self, seconds: i64) -> String {
        match self.what {
            What::NotReady | What::InCare => format!("its node has not been Ready for {seconds} s"),
            What::Silent => format!("its cluster has not heard of its node for {seconds} s"),
            What::NodeGone => format!("its node has been gone for {seconds} s"),
            What::NeverReady => format!("its node did not become Ready within {seconds} s"),
            What::JoinFailed => format!("it could not be made a node, and nobody has tried again for {seconds} s"),
        }
    }
}

pub(super) fn health(machine: &Machine, work: &Work) -> Health {
    let node = machine.status.as_ref().and_then(|s| s.node.as_ref());
    let entered = machine.status.as_ref().and_then(|s| s.state_since.as_ref()).map(|t| t.0);
    let ill = |what: What, since: Option<Timestamp>| {
        let what = if machine.spec.maintenance.is_some() || machine.spec.paused { What::InCare } else { what };
        // Nothing is concluded from a time that nobody wrote down.
        let never_ready = matches!(what, What::NeverReady | What::JoinFailed);
        since.map_or(Health::Unknown, |since| Health::Ill(Ill { since, never_ready, what }))
    };
    if work.under_way(machine).is_some() {
        return Health::Busy;
    }
    let ready = node.map(|n| n.ready.as_str());
    let is_silent = node.and_then(|n| n.reason.as_deref()).is_some_and(|reason| SILENT.contains(&reason));
    let since = node.and_then(|n| n.since.as_ref()).map(|t| t.0);
    match (machine_state(machine), ready) {
        (MachineState::Ready | MachineState::NotReady, Some("True")) => Health::Well,
        (MachineState::Ready | MachineState::NotReady, Some("False")) => ill(What::NotReady, since),
        (MachineState::Ready | MachineState::NotReady, Some(_)) if is_silent => ill(What::Silent, since),
        (MachineState::NotReady, None) => ill(What::NodeGone, entered),
        (MachineState::Ready | MachineState::NotReady, _) => Health::Unknown,
        (MachineState::Deployed, None | Some("False")) => ill(What::NeverReady, entered),
        (MachineState::Deployed, Some("True")) => Health::Busy,
        (MachineState::Deployed, Some(_)) => Health::Unknown,
        (MachineState::Failed, _) => match work.latest(machine).map(|o| o.spec.type_) {
            Some(OperationType::ScaleUp) => ill(What::JoinFailed, entered),
            _ => ill(What::InCare, entered),
        },
        _ => Health::Busy,
    }
}

/// It served at some time since it was claimed.
pub(super) fn has_been_ready(machine: &Machine) -> bool {
    matches!(
        machine_state(machine),
        MachineState::Ready | MachineState::NotReady | MachineState::Draining | MachineState::Updating
    )
}
