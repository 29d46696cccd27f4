//! What is written for single machines: cordon, uncordon, drain, and the choice about a drain that is blocked.

use super::{
    message::{Change, Kind, Order, Target},
    text,
};
use crate::{
    api::{DrainDecision, DrainStatus, DrainTimeoutAction, labels},
    fleet::MachineRow,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is done to a machine by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    Cordon,
    Uncordon,
    Drain,
}

impl Care {
    pub fn verb(self) -> &'static str {
        match self {
            Self::Cordon => "Cordon",
            Self::Uncordon => "Uncordon",
            Self::Drain => "Drain",
        }
    }

    /// What a yes means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Cordon => "nothing new is scheduled there until it is uncordoned; what runs goes on",
            Self::Uncordon => "nodes that we cordoned are given back; a drain that was asked for by hand ends",
            Self::Drain => {
                "nodes are cordoned and emptied within the disruption budgets, and stay so until they are uncordoned"
            }
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Cordon => "is to be cordoned",
            Self::Uncordon => "is to be given back",
            Self::Drain => "is to be emptied",
        }
    }

    fn wish(self, user: &str, now: Timestamp) -> Value {
        match self {
            Self::Uncordon => Value::Null,
            Self::Cordon | Self::Drain => {
                json!({"drain": self == Self::Drain, "by": user, "since": now.to_string()})
            }
        }
    }
}

/// A machine as something to be changed.
pub fn target(machine: &MachineRow) -> Target {
    Target {
        context: machine.uid.context,
        kind: Kind::Machine,
        namespace: machine.namespace.to_string(),
        name: machine.name.to_string(),
        uid: machine.uid.as_str().to_owned(),
        resource_version: machine.resource_version.to_string(),
        generation: machine.generation,
    }
}

/// One change for each machine.
pub fn order<'a>(care: Care, machines: impl IntoIterator<Item = &'a MachineRow>, user: &str, now: Timestamp) -> Order {
    let patch = json!({
        "metadata": {"annotations": {labels::REQUESTED_BY: user}},
        "spec": {"maintenance": care.wish(user, now)},
    });
    let change = |machine| Change { target: target(machine), patch: patch.clone() };
    let changes: Vec<Change> = machines.into_iter().map(change).collect();
    let who = match changes.as_slice() {
        [one] => one.target.name.clone(),
        all => text::plural(all.len(), "machine"),
    };
    let done = if changes.len() == 1 { care.done().to_owned() } else { care.done().replacen("is", "are", 1) };
    Order { changes, done: format!("{who} {done}") }
}

/// What a person may decide about a drain that is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Wait,
    Skip,
    Force,
}

impl Choice {
    fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Skip => "skip",
            Self::Force => "force",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Wait => "its drain goes on trying past its deadline",
            Self::Skip => "it is left in quarantine, cordoned, and the operation goes on without it",
            Self::Force => "what is left there is deleted, past any budget",
        }
    }
}

/// The decision that a drain goes on past its deadline, where that was taken.
pub fn waits(drain: &DrainStatus) -> Option<&DrainDecision> {
    drain.choice.as_ref().filter(|decision| decision.choice == DrainTimeoutAction::Wait)
}

/// The choice, for the drain that is under way and no other.
pub fn choose(machine: &MachineRow, choice: Choice, user: &str) -> Option<Order> {
    let drain = machine.drain.as_deref()?;
    let value = format!("{}={}", drain.operation, choice.as_str());
    let patch = json!({"metadata": {"annotations": {labels::DRAIN_CHOICE: value, labels::REQUESTED_BY: user}}});
    let done = format!("{}: {}", machine.name, choice.done());
    Some(Order::one(Change { target: target(machine), patch }, done))
}
