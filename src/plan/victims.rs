//! Who leaves first when a pool shrinks.

use std::{cmp::Reverse, hash::Hasher};

use crate::api::{DeletionOrder, Machine, MachineState, labels};

use super::work::{Work, machine_state};

/// Why a machine was chosen; the first reason goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A person marked it.
    Marked,
    /// Claimed, and nothing was done on it yet: it goes back without any work.
    Untouched,
    /// Something failed on it.
    Failed,
    /// It is being made a node: the work ends first.
    Provisioning,
    /// Its node says that it is not Ready. One that cannot be asked is *not* in here.
    NotReady,
    /// Its node has not been Ready yet.
    NeverReady,
    /// It is of an older revision, or marked to be replaced.
    Outdated,
    /// By the deletion order of the pool.
    Order,
}

impl Why {
    /// For people, after "leaves because it".
    pub fn words(self) -> &'static str {
        match self {
            Self::Marked => "is marked for deletion",
            Self::Untouched => "is claimed and untouched",
            Self::Failed => "has failed",
            Self::Provisioning => "is still being provisioned",
            Self::NotReady => "is not Ready",
            Self::NeverReady => "was never Ready",
            Self::Outdated => "is to be replaced",
            Self::Order => "is next in the deletion order",
        }
    }
}

/// The members of a pool, the first to leave first. The same members give the same order at every look.
pub fn ranked<'a>(members: Vec<&'a Machine>, order: DeletionOrder, work: &Work) -> Vec<(&'a Machine, Why)> {
    let mut ranked: Vec<_> = members.into_iter().map(|m| (m, why(m, work))).collect();
    ranked.sort_by_cached_key(|(machine, why)| (*why, turn(machine, order), Reverse(name(machine).to_owned())));
    ranked
}

fn why(machine: &Machine, work: &Work) -> Why {
    let marked = machine.metadata.annotations.as_ref().and_then(|a| a.get(labels::DELETE_MACHINE));
    if marked.is_some_and(|value| value != "false") {
        return Why::Marked;
    }
    if work.is_untouched(machine) {
        return Why::Untouched;
    }
    let node_says = machine.status.as_ref().and_then(|s| s.node.as_ref()).map(|n| n.ready.as_str());
    match machine_state(machine) {
        MachineState::Failed => Why::Failed,
        MachineState::Idle | MachineState::Claimed | MachineState::Provisioning => Why::Provisioning,
        _ if node_says == Some("False") => Why::NotReady,
        MachineState::Deployed => Why::NeverReady,
        _ => Why::Order,
    }
}

/// Its place in the deletion order; lower leaves first.
fn turn(machine: &Machine, order: DeletionOrder) -> i64 {
    let claimed = machine.spec.claim_ref.as_ref().and_then(|c| c.claimed_at.as_ref()).map_or(0, |t| t.0.as_second());
    match order {
        DeletionOrder::Newest => -claimed,
        DeletionOrder::Oldest => claimed,
        DeletionOrder::Random => digest(machine.metadata.uid.as_deref().unwrap_or_default()),
    }
}

/// FNV-1a: spread out, and the same in every build, which the hasher of the standard library does not promise.
fn digest(uid: &str) -> i64 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    fnv.write(uid.as_bytes());
    (fnv.finish() >> 1) as i64
}

fn name(machine: &Machine) -> &str {
    machine.metadata.name.as_deref().unwrap_or_default()
}
