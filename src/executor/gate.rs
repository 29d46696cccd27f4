//! Who may be in a phase: machines do not wait for each other, but where a phase says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::inventory::Plan;
use crate::runbook::Strategy;

/// One gate for each phase that has one, by the index of the phase.
///
/// No deadlock: machines begin in the order of the inventory, so the first machine of a phase has begun before any that
/// waits for it, and whoever is in a narrow phase is at work.
pub struct Gates(BTreeMap<usize, Gate>);

enum Gate {
    Width(Arc<Semaphore>),
    First { machine: usize, verdict: watch::Sender<Verdict> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Succeeded,
    Failed,
}

/// What the gate says to a machine.
pub enum Entry {
    /// Go in; the place is free again when this is dropped.
    Enter(Option<OwnedSemaphorePermit>),
    /// The first machine did it.
    Done,
    /// The first machine, of this index, did not.
    FirstFailed(usize),
}

impl Gates {
    pub fn new(plan: &Plan) -> Self {
        let gates = plan.runbook.phases.iter().enumerate().filter_map(|(p, phase)| {
            let first = plan.machines.iter().position(|course| course.phases.contains(&p));
            let gate = match (phase.strategy, first) {
                (Strategy::First, Some(machine)) => Gate::First { machine, verdict: watch::channel(Verdict::Open).0 },
                _ => Gate::Width(Arc::new(Semaphore::new(phase.width()?))),
            };
            Some((p, gate))
        });
        Self(gates.collect())
    }

    pub async fn enter(&self, phase: usize, machine: usize) -> Entry {
        match self.0.get(&phase) {
            None => Entry::Enter(None),
            Some(Gate::Width(places)) => Entry::Enter(Arc::clone(places).acquire_owned().await.ok()),
            Some(Gate::First { machine: first, .. }) if *first == machine => Entry::Enter(None),
            Some(Gate::First { machine: first, verdict }) => {
                let mut verdict = verdict.subscribe();
                let said = verdict.wait_for(|verdict| *verdict != Verdict::Open).await.map(|verdict| *verdict);
                if matches!(said, Ok(Verdict::Succeeded)) { Entry::Done } else { Entry::FirstFailed(*first) }
            }
        }
    }

    /// A machine is through with a phase, or will never be.
    pub fn leave(&self, phase: usize, machine: usize, succeeded: bool) {
        if let Some(Gate::First { machine: first, verdict }) = self.0.get(&phase)
            && *first == machine
        {
            let said = if succeeded { Verdict::Succeeded } else { Verdict::Failed };
            verdict.send_if_modified(|verdict| {
                let open = *verdict == Verdict::Open;
                if open {
                    *verdict = said;
                }
                open
            });
        }
    }
}
