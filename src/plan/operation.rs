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
    /// Drained machines may be reset: false while an old pool stands beside its successor (blue-green).
    pub may_reset: bool,
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
    /// The Job of the run is there and the status does not say so: whoever made it did not come to write it down. Hosts
    /// are worked on, so nothing is made, waited for or cancelled any more as if they were not.
    TakeUp,
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
        OperationState::Pending | OperationState::Draining if situation.job != JobState::Absent => Step::TakeUp,
        OperationState::Pending | OperationState::Draining if situation.operation.spec.cancelled => Step::Finish {
            state: OperationState::Cancelled,
            message: "cancelled before work on hosts began; nodes that it cordoned are given back".to_owned(),
        },
        OperationState::Pending => situation.pending(),
        OperationState::Draining => situation.draining(),
        OperationState::Running => situation.running(),
        OperationState::Succeeded | OperationState::Failed | OperationState::Cancelled => {
            Step::Wait("it is over".to_owned())
        }
    }
}

impl Situation<'_> {
    fn takes_away(&self) -> bool {
        self.operation.spec.type_.takes_away()
    }

    fn drains(&self) -> bool {
        self.operation.spec.type_.drains()
    }

    fn only_drains(&self) -> bool {
        self.operation.spec.type_ == OperationType::Drain
    }

    fn is_upgrade(&self) -> bool {
        self.operation.spec.type_ == OperationType::Upgrade
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
        if self.only_drains() {
            return reservation(machine) == Some(self.name()) && drained(machine, self.operation);
        }
        if self.drains() {
            // After an upgrade the node is given back, and its drain forgotten.
            return reservation(machine) == Some(self.name())
                && machine.status.as_ref().is_some_and(|s| s.operation.as_deref() == Some(self.name()))
                && (self.is_upgrade() || drained(machine, self.operation))
                && machine.status.as_ref().is_some_and(phases_done);
        }
        match machine_state(machine) {
            MachineState::Deployed | MachineState::Ready | MachineState::NotReady => true,
            MachineState::Provisioning => machine.status.as_ref().is_some_and(phases_done),
            // A fast run ends before the machine controller has said that it began.
            MachineState::Claimed => {
                machine.status.as_ref().is_some_and(|s| s.operation.as_deref() == Some(self.name()) && phases_done(s))
            }
            _ => false,
        }
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
        if self.drains() {
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
            // What is empty is done, if nothing follows.
            empty if empty.is_empty() || self.only_drains() => self.verdict(),
            _ if self.paused => Step::Wait("paused".to_owned()),
            _ if !self.may_reset => {
                Step::Wait("drained: the old machines stand until the new ones have soaked".to_owned())
            }
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
                    .filter(|m| !self.drains() || drained(m, self.operation))
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
        // A scale-up that lost a machine to somebody else did not deploy it.
        let strayed = |m: &&Machine| !self.takes_away() && !self.is_ours(m) && !self.is_done(m);
        let gone = total - self.machines.len().min(total) + self.machines.iter().filter(strayed).count();
        if left.is_empty() && gone == 0 {
            let word = match () {
                () if self.takes_away() => "released",
                () if self.is_upgrade() => "upgraded",
                () if self.only_drains() => "drained",
                () => "deployed",
            };
            return Step::Finish {
                state: OperationState::Succeeded,
                message: format!("{total} {} {word}", plural(total)),
            };
        }
        let mut reasons = Vec::new();
        let skipped = left.iter().filter(|m| self.drains() && drain_skipped(m, self.operation)).count();
        if skipped > 0 {
            reasons.push(format!("{skipped} in quarantine because the drain was not done in time"));
        }
        if left.len() > skipped {
            reasons.push(format!("{} failed or not finished", left.len() - skipped));
        }
        if gone > 0 {
            reasons.push(format!("{gone} no longer there or no longer claimed"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::notation;

    /// The step in a word: `reserve m`, `launch m n`, `drain`, `follow`, `wait`, or the state that it ends with.
    fn word(step: &Step) -> String {
        let names = |machines: &[MachineReference]| machines.iter().map(|m| format!(" {}", m.name)).collect::<String>();
        match step {
            Step::Wait(_) => "wait".to_owned(),
            Step::Reserve(machines) => format!("reserve{}", names(machines)),
            Step::Launch(machines) => format!("launch{}", names(machines)),
            Step::Drain => "drain".to_owned(),
            Step::TakeUp => "take up".to_owned(),
            Step::Follow => "follow".to_owned(),
            Step::Finish { state, .. } => state.as_str().to_owned(),
        }
    }

    fn check_with(change: impl Fn(&mut Situation), operations: &str, machines: &str, expected: &str) {
        let operations = notation::operations(operations);
        let mut machines = notation::machines(machines);
        machines.retain(|m| operations[0].spec.machines.iter().any(|r| Some(&r.uid) == m.metadata.uid.as_ref()));
        let work = Work::of(&operations);
        let mut situation = Situation {
            operation: &operations[0],
            machines: &machines,
            work: &work,
            job: JobState::Absent,
            paused: false,
            hold: false,
            may_reset: true,
        };
        change(&mut situation);
        assert_eq!(word(&next_step(&situation)), expected);
    }

    fn check(operations: &str, machines: &str, expected: &str) {
        check_with(|_| (), operations, machines, expected);
    }

    #[test]
    fn machines_are_reserved_then_handed_over_then_worked_on() {
        check("op:ScaleUp:Pending=a+b", "a:claimed@1 b:claimed@1#op", "reserve a");
        check("op:ScaleUp:Pending=a", "a:claimed@1#op", "launch a");
        check("op:ScaleUp:Pending=a", "a:claimed@1#op,begun", "wait");
        check("op:ScaleUp:Pending=a other:ScaleUp:Running=a", "a:claimed@1#other", "wait");
        check("op:ScaleUp:Pending=a other:ScaleUp:Failed=a", "a:claimed@1#other", "reserve a");
    }

    #[test]
    fn a_job_begins_only_on_nodes_that_were_seen_empty() {
        check("op:ScaleDown:Pending=a", "a:ready@1#op", "drain");
        check("op:ScaleDown:Draining=a+b", "a:draining@1#op,drained b:draining@1#op", "wait");
        check("op:ScaleDown:Draining=a+b", "a:draining@1#op,drained b:failed@1#op,skipped", "launch a");
        check("op:ScaleDown:Draining=a", "a:failed@1#op,skipped", "Failed");
        check("op:ScaleDown:Draining=a", "a:failed@1#op,drained,failed", "wait");
        check_with(|s| s.job = JobState::Absent, "op:ScaleDown:Running=a", "a:draining@1#op", "Failed");
    }

    #[test]
    fn a_job_that_nobody_wrote_down_is_taken_up() {
        let there = |s: &mut Situation| s.job = JobState::Running;
        check_with(there, "op:ScaleUp:Pending=a", "a:claimed@1#op,begun", "take up");
        check_with(there, "op:ScaleDown:Draining=a", "a:releasing@1#op,drained,begun", "take up");
        check_with(|s| s.job = JobState::Complete, "op:ScaleUp:Pending=a", "a:claimed@1#op,done", "take up");
    }

    #[test]
    fn the_end_is_what_the_machines_show_and_not_what_the_job_says() {
        let ended = |job: JobState| move |s: &mut Situation| s.job = job.clone();
        check_with(ended(JobState::Running), "op:ScaleUp:Running=a", "a:provisioning@1#op,begun", "follow");
        check_with(ended(JobState::Complete), "op:ScaleUp:Running=a", "a:ready@1#op,done", "Succeeded");
        check_with(ended(JobState::Complete), "op:ScaleUp:Running=a", "a:claimed@1#op,done", "Succeeded");
        check_with(ended(JobState::Complete), "op:ScaleUp:Running=a", "a:claimed@1#other,done", "Failed");
        check_with(ended(JobState::Complete), "op:ScaleUp:Running=a", "a:claimed@1#op", "Failed");
        check_with(ended(JobState::Complete), "op:ScaleUp:Running=a", "a:provisioning@1#op,begun", "Failed");
        check_with(ended(JobState::Complete), "op:ScaleUp:Running=a+b", "a:ready@1#op,done", "Failed");
        check_with(
            ended(JobState::Failed(String::new())),
            "op:ScaleUp:Running=a",
            "a:provisioning@1#op,failed",
            "Failed",
        );
        check_with(ended(JobState::Complete), "op:ScaleDown:Running=a", "a:releasing@1#op,drained,done", "Succeeded");
    }

    #[test]
    fn a_job_that_vanished_is_made_again() {
        check("op:ScaleUp:Running=a", "a:provisioning@1#op,begun", "launch a");
        check("op:ScaleDown:Running=a", "a:releasing@1#op,drained,begun", "launch a");
    }

    #[test]
    fn pause_and_hold_are_honoured_before_each_step() {
        let paused = |s: &mut Situation| s.paused = true;
        check_with(paused, "op:ScaleUp:Pending=a", "a:claimed@1", "wait");
        check_with(paused, "op:ScaleUp:Running=a", "a:provisioning@1#op", "wait");
        check_with(paused, "op:ScaleDown:Draining=a", "a:draining@1#op,drained", "wait");
        check_with(|s| s.hold = true, "op:ScaleDown:Pending=a", "a:ready@1#op", "wait");
        check_with(|s| s.hold = true, "op:ScaleUp:Pending=a", "a:claimed@1#op", "launch a");
    }

    #[test]
    fn an_upgrade_is_done_when_its_phases_are() {
        check("op:Upgrade:Pending=a", "a:ready@1#op", "drain");
        check("op:Upgrade:Draining=a", "a:draining@1#op,drained", "launch a");
        let ended = |s: &mut Situation| s.job = JobState::Complete;
        check_with(ended, "op:Upgrade:Running=a", "a:updating@1#op,drained,done", "Succeeded");
        check_with(ended, "op:Upgrade:Running=a", "a:ready@1#op,done", "Succeeded");
        check_with(ended, "op:Upgrade:Running=a", "a:updating@1#op,drained,begun", "Failed");
        check_with(ended, "op:Upgrade:Running=a+b", "a:ready@1#op,done", "Failed");
    }

    #[test]
    fn a_drain_ends_with_its_receipts() {
        check("op:Drain:Pending=a", "a:ready@1#op", "drain");
        check("op:Drain:Draining=a", "a:draining@1#op", "wait");
        check("op:Drain:Draining=a", "a:draining@1#op,drained", "Succeeded");
        check("op:Drain:Draining=a", "a:ready@1#op,skipped", "Failed");
    }

    #[test]
    fn an_old_pool_stands_until_it_may_go() {
        let standing = |s: &mut Situation| s.may_reset = false;
        check_with(standing, "op:Replace:Pending=a", "a:ready@1#op", "drain");
        check_with(standing, "op:Replace:Draining=a", "a:draining@1#op,drained", "wait");
        check("op:Replace:Draining=a", "a:draining@1#op,drained", "launch a");
    }

    #[test]
    fn cancelling_works_until_hosts_are_worked_on() {
        let word_of = |state: &str, job: JobState| {
            let mut operations = notation::operations(&format!("op:ScaleDown:{state}=a"));
            operations[0].spec.cancelled = true;
            let machines = notation::machines("a:draining@1#op,drained");
            let work = Work::of(&operations);
            let situation = Situation {
                operation: &operations[0],
                machines: &machines,
                work: &work,
                job,
                paused: true,
                hold: false,
                may_reset: true,
            };
            word(&next_step(&situation))
        };
        let before = ["Pending", "Draining"].map(|state| word_of(state, JobState::Absent));
        assert_eq!(before, ["Cancelled", "Cancelled"]);
        let begun = ["Pending", "Draining", "Running"].map(|state| word_of(state, JobState::Running));
        assert_eq!(begun, ["take up", "take up", "follow"]);
    }

    #[test]
    fn a_machine_that_went_its_own_way_is_left_alone() {
        check("op:ScaleDown:Draining=a", "a:ready@9#other", "Succeeded");
        check("op:ScaleUp:Pending=a", "a:idle", "Failed");
    }
}
