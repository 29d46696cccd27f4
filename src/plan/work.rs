//! Which operation has a hold of which machine.

use std::collections::HashMap;

use crate::api::{Machine, MachineState, Operation, OperationState, labels};

/// Operations, looked up by name and by the machines that they work on.
#[derive(Debug, Default)]
pub struct Work<'a> {
    by_name: HashMap<&'a str, &'a Operation>,
    /// Operations that are not over, by the UID of each of their machines.
    under_way: HashMap<&'a str, &'a Operation>,
}

impl<'a> Work<'a> {
    pub fn of(operations: impl IntoIterator<Item = &'a Operation>) -> Self {
        let mut work = Self::default();
        for operation in operations {
            if let Some(name) = operation.metadata.name.as_deref() {
                work.by_name.insert(name, operation);
            }
            if !state(operation).is_final() {
                work.under_way.extend(operation.spec.machines.iter().map(|m| (m.uid.as_str(), operation)));
            }
        }
        work
    }

    pub fn named(&self, name: &str) -> Option<&'a Operation> {
        self.by_name.get(name).copied()
    }

    /// The operation that works on the machine now.
    pub fn under_way(&self, machine: &Machine) -> Option<&'a Operation> {
        self.under_way.get(machine.metadata.uid.as_deref()?).copied()
    }

    /// The operation that works on the machine, or the one that it was last reserved for.
    pub fn latest(&self, machine: &Machine) -> Option<&'a Operation> {
        self.under_way(machine).or_else(|| self.named(reservation(machine)?))
    }

    /// The machine is on its way out: a person who asks for more replicas gets another one.
    ///
    /// One whose release failed counts too, until somebody retries it: it serves nobody.
    pub fn is_leaving(&self, machine: &Machine) -> bool {
        self.latest(machine).is_some_and(|o| o.spec.type_.takes_away() && state(o) != OperationState::Cancelled)
    }

    /// It is claimed, nothing was done on it yet, and no operation is going to.
    pub fn is_untouched(&self, machine: &Machine) -> bool {
        matches!(machine_state(machine), MachineState::Idle | MachineState::Claimed) && self.latest(machine).is_none()
    }
}

/// The operation that the machine is reserved for, by its label.
pub fn reservation(machine: &Machine) -> Option<&str> {
    machine.metadata.labels.as_ref()?.get(labels::OPERATION).map(String::as_str)
}

/// Where an operation stands; `Pending` if nobody has looked yet.
pub fn state(operation: &Operation) -> OperationState {
    operation.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

/// Where a machine stands; `Idle` if nobody has looked yet.
pub fn machine_state(machine: &Machine) -> MachineState {
    machine.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

/// Its node takes pods: it is Ready, and no cordon of ours is still to be taken back.
pub fn serves(machine: &Machine) -> bool {
    machine_state(machine) == MachineState::Ready && machine.status.as_ref().is_some_and(|s| s.drain.is_none())
}
