//! Whose a machine is, whether it may be claimed, and in which order names are taken.

use std::collections::BTreeMap;

use crate::{
    api::{Machine, MachineReference, MachineState},
    plan::work::{machine_state, serves},
};

use super::Demand;

/// The machine is claimed for the pool.
pub fn is_member(machine: &Machine, demand: &Demand) -> bool {
    let claim = machine.spec.claim_ref.as_ref();
    claim.is_some_and(|c| c.cluster_name == demand.cluster && c.pool_name == demand.pool)
}

/// The machine is free, and such as the selector asks for.
pub fn is_candidate(machine: &Machine, selector: &BTreeMap<String, String>) -> bool {
    let carries = |(key, value): (&String, &String)| {
        machine.metadata.labels.as_ref().and_then(|l| l.get(key)).is_some_and(|v| v == value)
    };
    machine.spec.claim_ref.is_none()
        && !machine.spec.paused
        && machine.metadata.deletion_timestamp.is_none()
        && machine_state(machine) == MachineState::Idle
        && selector.iter().all(carries)
}

/// It is, or was, a node: taking it away costs something.
pub(super) fn has_node(machine: &Machine) -> bool {
    machine.status.as_ref().is_some_and(|s| s.node.is_some())
        || matches!(
            machine_state(machine),
            MachineState::Deployed | MachineState::Ready | MachineState::NotReady | MachineState::Draining
        )
}

/// A member that an operation of ours took out of service for a while: it was upgraded where it is, and is not back yet.
pub(super) fn is_returning(machine: &Machine) -> bool {
    let state = machine_state(machine);
    matches!(state, MachineState::Draining | MachineState::Updating)
        || (state == MachineState::Ready && !serves(machine))
}

/// The machine by name and identity.
pub fn reference(machine: &Machine) -> MachineReference {
    MachineReference { name: name(machine).to_owned(), uid: machine.metadata.uid.clone().unwrap_or_default() }
}

pub(super) fn name(machine: &Machine) -> &str {
    machine.metadata.name.as_deref().unwrap_or_default()
}

/// `m-9` before `m-10`: shorter runs of the same length class first, then by letter.
pub(super) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let digits = |s: &str| s.len() - s.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem_a, stem_b) = (&a[..a.len() - digits(a)], &b[..b.len() - digits(b)]);
    stem_a.cmp(stem_b).then(a.len().cmp(&b.len())).then(a.cmp(b))
}
