//! Which machines have fallen ill by themselves and are to be replaced, and whether they may be: the counterpart of Cluster
//! API's MachineHealthCheck.
//!
//! It only marks; the replacement itself is that of any marked machine (`plan::rollout`), with its surge, its budgets and
//! its drain. It would rather do nothing than add to an outage: many ill machines have one cause, a node that cannot be
//! asked is not ill, and replacements that do not come up either stop it.

mod health;
mod stop;

use jiff::Timestamp;

use super::{
    quorum,
    rollout::fences::{self, Round},
    scale::reference,
    work::{Work, state},
};
use crate::api::{Machine, MachineReference, NodePool, RemediationPolicy, Role, labels};
use health::{Health, health};

pub use stop::{Stop, needs_a_person};

/// All that the decision rests on.
#[derive(Debug)]
pub struct Situation<'a> {
    pub pool: &'a NodePool,
    /// Its members, as they are now.
    pub members: &'a [Machine],
    pub work: &'a Work<'a>,
    /// The cluster answers: what is said of its nodes is not from before.
    pub is_reachable: bool,
    /// The pool, or its cluster.
    pub paused: bool,
    pub now: Timestamp,
}

/// A machine that is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    pub machine: MachineReference,
    /// For people, after its name.
    pub why: String,
    /// It never became Ready, so that its own place has to be filled again.
    pub is_retry: bool,
}

/// What to do next, and what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Machines to mark now.
    pub marks: Vec<Patient>,
    /// Machines that are well again before anything was done: their mark goes.
    pub recovered: Vec<MachineReference>,
    /// Members that are not known to be well, for whatever reason.
    pub unhealthy: i32,
    /// Machines that are being replaced.
    pub in_flight: i32,
    /// Replacements in a row that did not become Ready, those that are marked now included.
    pub retries: i32,
    /// Why ill machines are not replaced; `None` if none has to wait.
    pub stop: Option<Stop>,
    /// The time of the next one is up after so many seconds.
    pub wake_after_seconds: Option<i64>,
}

/// Decides the next step; `None` for a pool without a policy.
///
/// `retries` is what the last look has counted.
pub fn plan(situation: &Situation, retries: i32) -> Option<Plan> {
    let policy = situation.pool.spec.remediation.as_ref()?;
    let ward = Ward::of(situation, policy);
    let mut plan = Plan {
        unhealthy: ward.unhealthy,
        in_flight: ward.in_flight,
        retries: if ward.is_proven { 0 } else { retries },
        recovered: ward.recovered.clone(),
        wake_after_seconds: ward.wake_after_seconds,
        ..Plan::default()
    };
    if ward.ripe.is_empty() {
        return Some(plan);
    }
    plan.stop = situation.stop(policy, &ward);
    if plan.stop.is_some() {
        return Some(plan);
    }
    let one_at_a_time = situation.pool.spec.role != Role::Worker;
    let most = if one_at_a_time { 1 } else { policy.max_in_flight() };
    let room = usize::try_from(most - plan.in_flight).unwrap_or(0);
    for patient in ward.ripe.into_iter().take(room) {
        let next = plan.retries + i32::from(patient.is_retry);
        if next > policy.max_retry() {
            plan.stop = Some(Stop::Retries(plan.retries));
            break;
        }
        plan.retries = next;
        plan.marks.push(patient);
    }
    Some(plan)
}

/// The machine was marked by the remediation, not by a person.
pub fn is_marked(machine: &Machine) -> bool {
    machine.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(labels::REMEDIATION))
}

impl Situation<'_> {
    /// What stands in the way, the strongest reason first.
    fn stop(&self, policy: &RemediationPolicy, ward: &Ward) -> Option<Stop> {
        let allowed =
            fences::machines(&policy.unhealthy_less_than_or_equal_to(), ward.members, Round::Down).unwrap_or(0);
        let one_at_a_time = self.pool.spec.role != Role::Worker;
        if self.paused {
            Some(Stop::Paused)
        } else if self.pool.spec.hold {
            Some(Stop::Hold)
        } else if !self.is_reachable {
            Some(Stop::Unreachable)
        } else if ward.unhealthy > allowed {
            Some(Stop::TooMany { unhealthy: ward.unhealthy, members: ward.members, allowed })
        } else if one_at_a_time && ward.busy > 0 {
            Some(Stop::OneMemberAtATime)
        } else if one_at_a_time && !quorum::may_remove(ward.members, ward.well, false) {
            Some(Stop::Quorum { members: ward.members, well: ward.well })
        } else if ward.in_flight >= policy.max_in_flight() {
            Some(Stop::InFlight(ward.in_flight))
        } else {
            None
        }
    }
}

/// The members of a pool by their health.
#[derive(Default)]
struct Ward {
    /// Members that are not leaving.
    members: i32,
    well: i32,
    unhealthy: i32,
    /// Something is being done to them, or they are leaving.
    busy: i32,
    in_flight: i32,
    /// Their time is up, longest ill first.
    ripe: Vec<Patient>,
    recovered: Vec<MachineReference>,
    wake_after_seconds: Option<i64>,
    /// Every member has been Ready: no replacement is still to prove itself.
    is_proven: bool,
}

impl Ward {
    fn of(situation: &Situation, policy: &RemediationPolicy) -> Self {
        let mut ward = Self { is_proven: true, ..Self::default() };
        let mut ripe = Vec::new();
        for machine in situation.members {
            let marked = is_marked(machine);
            if situation.work.is_leaving(machine) {
                let ended = situation.work.latest(machine).is_some_and(|o| state(o).is_final());
                // What could not be reset stays until a person has looked, and does not keep others from being replaced.
                ward.in_flight += i32::from(marked && !ended);
                ward.busy += i32::from(!ended);
                continue;
            }
            ward.members += 1;
            ward.in_flight += i32::from(marked);
            match health(machine, situation.work) {
                Health::Well => {
                    ward.well += 1;
                    ward.recovered.extend(marked.then(|| reference(machine)));
                }
                Health::Busy => {
                    ward.busy += 1;
                    ward.is_proven &= health::has_been_ready(machine);
                }
                Health::Unknown => ward.unhealthy += 1,
                Health::Ill(ill) => {
                    ward.unhealthy += 1;
                    ward.is_proven &= !ill.never_ready;
                    let Some(patience) = ill.patience_seconds(policy).filter(|_| !marked) else { continue };
                    let left = patience - situation.now.duration_since(ill.since).as_secs();
                    if left > 0 {
                        ward.wake_after_seconds = Some(ward.wake_after_seconds.map_or(left, |w| w.min(left)));
                    } else {
                        let why = ill.words(patience - left);
                        ripe.push((ill.since, Patient { machine: reference(machine), why, is_retry: ill.never_ready }));
                    }
                }
            }
        }
        ripe.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.machine.cmp(&y.machine)));
        ward.ripe = ripe.into_iter().map(|(_, patient)| patient).collect();
        ward
    }
}

#[cfg(test)]
mod tests;
