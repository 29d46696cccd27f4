//! What an operation needs next: machines reserved, nodes emptied, a Job, or its verdict.

use crate::api::{Machine, MachineReference, MachineState, Operation, OperationState, OperationType};

use super::{
    machine::{drain_skipped, drained, phases_done},
    scale::reference,
    work::{Work, machine_state, reservation, state},
};

/// What is known of the Job of the current run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    Absent,
    Running,
    Complete,
    /// With what the Job says.
    Failed(String),
}

/// All that the decision rests on.
#[derive(Debug)]
pub struct Situation<'a> {
    pub operation: &'a Operation,
    /// Those of its machines that exist, as they are now.
    pub machines: &'a [Machine],
    pub work: &'a Work<'a>,
    pub job: JobState,
    pub paused: bool,
    pub hold: bool,
}

/// The next step of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Until something changes; the sentence says what for.
    Wait(String),
    /// Put the name of the operation on these machines, so that no other takes them.
    Reserve(Vec<MachineReference>),
    /// Let the machine controller empty the nodes.
    Drain,
    /// Make the Job, for these machines.
    Launch(Vec<MachineReference>),
    /// The Job runs.
    Follow,
    Finish {
        state: OperationState,
        message: String,
    },
}

/// Decides the next step.
pub fn next_step(situation: &Situation) -> Step {
    match state(situation.operation) {
        OperationState::Pending => situation.pending(),
        OperationState::Draining => situation.draining(),
        OperationState::Running => situation.running(),
        OperationState::Succeeded | OperationState::Failed | OperationState::Cancelled => {
            Step::Wait("it is over".to_owned())
        }
    }
}

impl Situation<'_> {
    fn is_scale_down(&self) -> bool {
        self.operation.spec.type_ == OperationType::ScaleDown
    }

    fn name(&self) -> &str {
        self.operation.metadata.name.as_deref().unwrap_or_default()
    }

    /// Machines that this run still has to work on.
    fn todo(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|m| self.is_ours(m) && !self.is_done(m))
    }

    /// Claimed where the operation says and reserved for it, or about to be. A machine that was released and claimed
    /// again since carries another reservation: a late retry must not touch it.
    fn is_ours(&self, machine: &Machine) -> bool {
        let spec = &self.operation.spec;
        let first_look = state(self.operation) == OperationState::Pending
            && self.operation.status.as_ref().is_none_or(|s| s.run <= 1);
        machine.spec.claim_ref.as_ref().is_some_and(|c| {
            c.cluster_name == spec.cluster_name && spec.pool_name.as_ref().is_none_or(|pool| *pool == c.pool_name)
        }) && (first_look || reservation(machine) == Some(self.name()))
    }

    /// The operation has nothing more to do on the machine.
    fn is_done(&self, machine: &Machine) -> bool {
        if self.is_scale_down() {
            return reservation(machine) == Some(self.name())
                && machine.status.as_ref().is_some_and(|s| s.operation.as_deref() == Some(self.name()))
                && drained(machine, self.operation)
                && machine.status.as_ref().is_some_and(phases_done);
        }
        matches!(machine_state(machine), MachineState::Deployed | MachineState::Ready | MachineState::NotReady)
            || (machine_state(machine) == MachineState::Provisioning
                && machine.status.as_ref().is_some_and(phases_done))
    }

    fn pending(&self) -> Step {
        let todo: Vec<_> = self.todo().collect();
        if todo.is_empty() {
            return self.verdict();
        }
        if self.paused {
            return Step::Wait("paused".to_owned());
        }
        let unreserved: Vec<_> = todo.iter().filter(|m| reservation(m) != Some(self.name())).collect();
        let taken = |m: &Machine| reservation(m).and_then(|n| self.work.named(n)).filter(|o| !state(o).is_final());
        if let Some(other) = unreserved.iter().find_map(|m| taken(m)) {
            return Step::Wait(format!("waits for {}", other.metadata.name.as_deref().unwrap_or_default()));
        }
        if !unreserved.is_empty() {
            return Step::Reserve(unreserved.into_iter().map(|m| reference(m)).collect());
        }
        if self.is_scale_down() {
            return if self.hold { Step::Wait("the pool is on hold".to_owned()) } else { Step::Drain };
        }
        if todo.iter().all(|m| self.is_handed_over(m)) {
            Step::Launch(todo.into_iter().map(reference).collect())
        } else {
            Step::Wait("machines are being handed over".to_owned())
        }
    }

    /// The machine controller has seen the operation and wiped what the last one left in the status.
    fn is_handed_over(&self, machine: &Machine) -> bool {
        machine.status.as_ref().is_some_and(|s| {
            s.operation.as_deref() == Some(self.name()) && s.state == Some(MachineState::Claimed) && s.phases.is_empty()
        })
    }

    fn draining(&self) -> Step {
        let todo: Vec<_> = self.todo().collect();
        // The state too: a retry finds the receipt of the last run, and phases that are not wiped yet.
        let empty = |m: &Machine| drained(m, self.operation) && machine_state(m) == MachineState::Draining;
        let settled = |m: &&Machine| empty(m) || drain_skipped(m, self.operation);
        let waiting = todo.iter().filter(|m| !settled(m)).count();
        if waiting > 0 {
            return Step::Wait(format!("{waiting} of {} nodes are being emptied", todo.len()));
        }
        let empty: Vec<_> = todo.into_iter().filter(|m| empty(m)).map(reference).collect();
        match empty {
            empty if empty.is_empty() => self.verdict(),
            _ if self.paused => Step::Wait("paused".to_owned()),
            empty => Step::Launch(empty),
        }
    }

    fn running(&self) -> Step {
        match &self.job {
            JobState::Running => Step::Follow,
            // Somebody deleted it. Receipts on the hosts keep steps that are done from running again.
            JobState::Absent if self.paused => Step::Wait("paused".to_owned()),
            JobState::Absent => {
                let again: Vec<_> = self
                    .machines
                    .iter()
                    .filter(|m| reservation(m) == Some(self.name()))
                    .filter(|m| !self.is_scale_down() || drained(m, self.operation))
                    .map(reference)
                    .collect();
                if again.is_empty() { self.verdict() } else { Step::Launch(again) }
            }
            JobState::Complete | JobState::Failed(_) => self.verdict(),
        }
    }

    /// How it ended, from what the machines show: an operation never reports success that was not seen.
    fn verdict(&self) -> Step {
        let total = self.operation.spec.machines.len();
        let left: Vec<_> = self.todo().collect();
        let gone = total - self.machines.len().min(total);
        if left.is_empty() && gone == 0 {
            let word = if self.is_scale_down() { "released" } else { "deployed" };
            return Step::Finish {
                state: OperationState::Succeeded,
                message: format!("{total} {} {word}", plural(total)),
            };
        }
        let mut reasons = Vec::new();
        let skipped = left.iter().filter(|m| self.is_scale_down() && drain_skipped(m, self.operation)).count();
        if skipped > 0 {
            reasons.push(format!("{skipped} in quarantine because the drain was not done in time"));
        }
        if left.len() > skipped {
            reasons.push(format!("{} failed or not finished", left.len() - skipped));
        }
        if gone > 0 {
            reasons.push(format!("{gone} no longer in the inventory"));
        }
        if let JobState::Failed(why) = &self.job {
            reasons.push(format!("the job says: {why}"));
        }
        let message =
            format!("{} of {total} {} done: {}", total - left.len() - gone, plural(total), reasons.join("; "));
        Step::Finish { state: OperationState::Failed, message }
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "machine" } else { "machines" }
}
