//! How it goes, on all machines: what status is made from. Written by machines, read by the reporter.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::Summary;
use super::inventory::Plan;
use crate::api::{Failure, OperationProgress, PhaseDuration, PhaseState, PhaseStatus};

/// Failures that the status of an operation names.
const MOST_FAILURES: usize = 50;

pub struct Board(Mutex<State>);

struct State {
    operation: String,
    machines: Vec<Machine>,
    failures: Vec<Failure>,
    /// Milliseconds of each phase, in the order of the runbook.
    durations: Vec<(String, Vec<i64>)>,
    steps_total: usize,
}

struct Machine {
    name: String,
    uid: String,
    standing: Standing,
    phases: Vec<PhaseStatus>,
    current: Option<String>,
    facts: BTreeMap<String, String>,
    /// Steps that changed something.
    changes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Waiting,
    Running,
    Succeeded,
    Failed,
}

impl Board {
    pub fn new(plan: &Plan) -> Self {
        let machines = plan.machines.iter().map(|course| Machine {
            name: course.machine.name.clone(),
            uid: course.machine.uid.clone(),
            standing: Standing::Waiting,
            phases: course
                .phases
                .iter()
                .map(|p| {
                    let phase = &plan.runbook.phases[*p];
                    PhaseStatus {
                        name: phase.name().to_owned(),
                        steps: phase.steps.len() as i32,
                        ..PhaseStatus::default()
                    }
                })
                .collect(),
            current: None,
            facts: BTreeMap::new(),
            changes: 0,
        });
        Self(Mutex::new(State {
            operation: plan.input.operation.clone(),
            machines: machines.collect(),
            failures: Vec::new(),
            durations: plan.runbook.phases.iter().map(|phase| (phase.name().to_owned(), Vec::new())).collect(),
            steps_total: plan.machines.iter().map(|course| plan.steps(course)).sum(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn began(&self, machine: usize) {
        self.state().machines[machine].standing = Standing::Running;
    }

    pub fn connected(&self, machine: usize, facts: BTreeMap<String, String>) {
        self.state().machines[machine].facts = facts;
    }

    /// What keeps the machine from going on for now; it is said with the phase that runs, or would be the first.
    pub fn waits(&self, machine: usize, why: Option<&str>) {
        let open = |phase: &&mut PhaseStatus| matches!(phase.state, PhaseState::Running | PhaseState::Pending);
        if let Some(phase) = self.state().machines[machine].phases.iter_mut().find(open) {
            phase.message = why.map(str::to_owned);
        }
    }

    pub fn phase_began(&self, machine: usize, at: usize) {
        let mut state = self.state();
        let machine = &mut state.machines[machine];
        machine.current = Some(machine.phases[at].name.clone());
        machine.phases[at].state = PhaseState::Running;
        machine.phases[at].started_at = Some(Time(Timestamp::now()));
    }

    pub fn step_began(&self, machine: usize, at: usize, step: &str) {
        self.state().machines[machine].phases[at].step = Some(step.to_owned());
    }

    pub fn step_changed(&self, machine: usize) {
        self.state().machines[machine].changes += 1;
    }

    pub fn changes(&self, machine: usize) -> usize {
        self.state().machines[machine].changes
    }

    pub fn step_done(&self, machine: usize, at: usize) {
        self.state().machines[machine].phases[at].steps_done += 1;
    }

    pub fn phase_ended(&self, machine: usize, at: usize, how: PhaseState, message: Option<&str>) {
        let mut state = self.state();
        let now = Timestamp::now();
        let phase = &mut state.machines[machine].phases[at];
        phase.state = how;
        phase.message = message.map(str::to_owned);
        phase.finished_at = Some(Time(now));
        if how == PhaseState::Skipped {
            phase.steps_done = phase.steps;
        }
        if how == PhaseState::Succeeded {
            phase.step = None;
            let milliseconds =
                phase.started_at.as_ref().map_or(0, |start| now.duration_since(start.0).as_millis() as i64);
            let name = phase.name.clone();
            if let Some((_, all)) = state.durations.iter_mut().find(|(phase, _)| *phase == name) {
                all.push(milliseconds);
            }
        }
    }

    pub fn ended(&self, machine: usize, failure: Option<Failure>) {
        let mut state = self.state();
        let machine = &mut state.machines[machine];
        machine.standing = if failure.is_some() { Standing::Failed } else { Standing::Succeeded };
        if failure.is_none() {
            machine.current = None;
        }
        if let Some(failure) = failure
            && state.failures.len() < MOST_FAILURES
        {
            state.failures.push(failure);
        }
    }

    pub fn summary(&self, cancelled: bool) -> Summary {
        let state = self.state();
        let count = |standing| state.machines.iter().filter(|m| m.standing == standing).count();
        let (succeeded, failed, all) = (count(Standing::Succeeded), count(Standing::Failed), state.machines.len());
        let cancelled = cancelled && succeeded + failed < all;
        // Whoever is neither here nor there did not succeed.
        let changes = state.machines.iter().map(|machine| machine.changes).sum();
        Summary { succeeded, failed: if cancelled { failed } else { all - succeeded }, cancelled, changes }
    }

    /// Name, UID and status of a machine, as a merge patch of what the executor writes.
    pub fn machine_status(&self, machine: usize) -> (String, String, Value) {
        let state = self.state();
        let machine = &state.machines[machine];
        let mut status = json!({
            "operation": state.operation,
            "phases": machine.phases,
            "currentPhase": machine.current,
        });
        if !machine.facts.is_empty() {
            status["facts"] = json!(machine.facts);
        }
        (machine.name.clone(), machine.uid.clone(), status)
    }

    /// Status of the operation, as a merge patch of what the executor writes.
    pub fn operation_status(&self) -> (String, Value) {
        let state = self.state();
        let count = |standing| state.machines.iter().filter(|m| m.standing == standing).count() as i32;
        let done: i32 = state.machines.iter().flat_map(|m| &m.phases).map(|phase| phase.steps_done).sum();
        let progress = OperationProgress {
            total: state.machines.len() as i32,
            running: count(Standing::Running),
            succeeded: count(Standing::Succeeded),
            failed: count(Standing::Failed),
            steps_total: state.steps_total as i32,
            steps_done: done,
        };
        let durations: Vec<PhaseDuration> =
            state.durations.iter().filter_map(|(name, all)| duration(name, all)).collect();
        let status = json!({ "progress": progress, "failures": state.failures, "phaseDurations": durations });
        (state.operation.clone(), status)
    }
}

fn duration(phase: &str, milliseconds: &[i64]) -> Option<PhaseDuration> {
    let mut sorted = milliseconds.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(PhaseDuration {
        phase: phase.to_owned(),
        machines: sorted.len() as i32,
        p50_milliseconds: at(50)?,
        p95_milliseconds: at(95)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_percentiles_of_what_was_seen() {
        let all: Vec<i64> = (1..=100).rev().collect();
        let of = |all: &[i64]| duration("P", all).map(|d| (d.machines, d.p50_milliseconds, d.p95_milliseconds));
        assert_eq!(of(&all), Some((100, 50, 95)));
        assert_eq!(of(&[7]), Some((1, 7, 7)));
        assert_eq!(of(&[]), None);
    }
}
