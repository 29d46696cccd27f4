//! From one revision of a pool to the next.
//!
//! A rollout is the scaling of a pool in which old machines leave first and never faster than the policy lets them. It is
//! decided anew from what is true at every look: there is no rollout that could be in the wrong state.

pub mod fences;
pub(super) mod held;
pub mod moves;
pub mod nodes;
pub mod preview;

use jiff::Timestamp;

use crate::api::{
    Machine, MachineReference, NodePool, OperationState, OperationType, RolloutPolicy, StrategyType, labels,
};

use super::{
    machine::phases_done,
    scale::is_quarantined,
    window::Gate,
    work::{Work, serves, state},
};
use fences::Fences;
use moves::{Bounds, Brake, Counts};

/// What a pool is to become, and how.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub policy: &'a RolloutPolicy,
    pub strategy: StrategyType,
    /// The current revision: digest of what nodes are made like.
    pub revision: &'a str,
    /// The set of that revision: name and UID.
    pub set: (&'a str, &'a str),
    /// Whether anything may be begun now.
    pub gate: Gate,
    pub now: Timestamp,
}

impl<'a> Target<'a> {
    pub fn of(pool: &'a NodePool, revision: &'a str, set: (&'a str, &'a str), now: Timestamp) -> Self {
        Self { policy: &pool.spec.rollout, strategy: pool.spec.strategy(), revision, set, gate: Gate::Open, now }
    }

    /// The same, while the maintenance windows of the cluster say this.
    pub fn within(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    /// The machine is to give way: made for another revision, or marked.
    pub fn is_outdated(&self, machine: &Machine) -> bool {
        is_marked(machine) || (self.strategy != StrategyType::OnDelete && !self.is_of_revision(machine))
    }

    /// Made for the current revision; machines from before revisions were written down, by their set.
    pub fn is_of_revision(&self, machine: &Machine) -> bool {
        machine.spec.claim_ref.as_ref().is_some_and(|claim| match &claim.revision {
            Some(revision) => revision == self.revision,
            None => claim.uid == self.set.1,
        })
    }

    /// It gives way to another machine even where the rest is upgraded in place: it is marked, or was claimed before the
    /// moment from which all are to be new.
    fn must_go(&self, machine: &Machine) -> bool {
        let claimed = machine.spec.claim_ref.as_ref().and_then(|c| c.claimed_at.as_ref()).map(|t| t.0);
        let after = self.policy.after.as_ref().map(|t| t.0).filter(|after| *after <= self.now);
        is_marked(machine) || after.is_some_and(|after| claimed.is_some_and(|claimed| claimed < after))
    }

    /// Members have to give way, or some that did are still leaving while a blue-green rollout stands.
    pub(super) fn is_rolling(&self, sorted: &Sorted, leaving: &[&Machine]) -> bool {
        let marked = sorted.outdated.iter().filter(|m| is_marked(m)).count();
        marked > 0
            || sorted.outdated.len() > self.policy.partition() as usize
            || (self.strategy == StrategyType::BlueGreen && leaving.iter().any(|m| self.is_outdated(m)))
    }

    /// An upgrade in place to this revision is done on it: it only has to be counted there.
    pub fn is_arrived(&self, machine: &Machine, work: &Work) -> bool {
        !self.is_of_revision(machine)
            && work.latest(machine).is_some_and(|o| {
                o.spec.type_ == OperationType::Upgrade
                    && o.spec.machine_set.as_deref() == Some(self.set.0)
                    && machine.status.as_ref().is_some_and(|s| s.operation == o.metadata.name && phases_done(s))
            })
    }

    /// An upgrade in place to another revision was begun on it, whatever it is counted to: the way back leads through a
    /// machine that is made anew.
    fn has_left(&self, machine: &Machine, work: &Work) -> bool {
        work.latest(machine).is_some_and(|o| {
            o.spec.type_ == OperationType::Upgrade
                && state(o) != OperationState::Cancelled
                && o.spec.machine_set.as_deref().is_some_and(|set| set != self.set.0)
        })
    }

    /// Its node serves, and has for as long as the policy asks.
    fn availability(&self, machine: &Machine) -> Availability {
        let since = machine.status.as_ref().and_then(|s| s.node.as_ref()).and_then(|n| n.since.as_ref());
        if !serves(machine) {
            return Availability::No;
        }
        let left =
            since.map_or(0, |since| self.policy.min_ready_seconds() - self.now.duration_since(since.0).as_secs());
        if left > 0 { Availability::In(left) } else { Availability::Yes }
    }
}

enum Availability {
    Yes,
    /// After so many seconds.
    In(i64),
    No,
}

/// A person or the remediation wants this machine to be replaced.
pub fn is_marked(machine: &Machine) -> bool {
    let marked = machine.metadata.annotations.as_ref().and_then(|a| a.get(labels::REPLACE_MACHINE));
    marked.is_some_and(|value| value != "false")
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub counts: Counts,
    /// Old machines that the partition keeps.
    pub kept: i32,
    /// Old machines whose drain was given up: cordoned, and still there.
    pub quarantined: i32,
    /// Why it is not faster.
    pub brake: Option<Brake>,
    /// Time alone changes something after so many seconds.
    pub wake_after_seconds: Option<i64>,
}

/// The members of a pool, sorted for its rollout.
#[derive(Clone)]
pub(super) struct Sorted<'a> {
    pub outdated: Vec<&'a Machine>,
    pub updated: Vec<&'a Machine>,
    /// Upgraded in place, and not yet counted to the new set.
    pub arrived: Vec<MachineReference>,
}

impl<'a> Sorted<'a> {
    pub fn of(target: &Target, staying: &[&'a Machine], work: &Work) -> Self {
        let arrived: Vec<&Machine> = staying.iter().copied().filter(|m| target.is_arrived(m, work)).collect();
        let is_old = |m: &Machine| {
            let counted = arrived.iter().any(|a| a.metadata.uid == m.metadata.uid);
            let has_left = target.strategy != StrategyType::OnDelete && target.has_left(m, work);
            is_marked(m) || has_left || (target.is_outdated(m) && !counted)
        };
        let (outdated, updated) = staying.iter().copied().partition(|m| is_old(m));
        Self { outdated, updated, arrived: arrived.into_iter().map(super::scale::reference).collect() }
    }
}

/// What the next step is about.
///
/// In place, machines that have to go as such are replaced first, as in a rolling update of these alone; the rest, old
/// and new, are no part of that.
pub(super) fn focus<'a, 'b>(target: &Target<'b>, sorted: Sorted<'a>) -> (Target<'b>, Sorted<'a>) {
    let is_split = target.strategy == StrategyType::InPlace && sorted.outdated.iter().any(|m| target.must_go(m));
    if !is_split {
        return (*target, sorted);
    }
    let (outdated, mut rest): (Vec<&Machine>, Vec<&Machine>) =
        sorted.outdated.into_iter().partition(|m| target.must_go(m));
    rest.extend(sorted.updated);
    let target = Target { strategy: StrategyType::RollingUpdate, ..*target };
    (target, Sorted { outdated, updated: rest, arrived: sorted.arrived })
}

/// The counts that a step is decided on, and when they change by time alone.
pub(super) fn counts(
    target: &Target,
    sorted: &Sorted,
    leaving: &[&Machine],
    desired: i32,
    idle: i32,
    work: &Work,
) -> (Counts, Option<i64>) {
    let mut counts = Counts { desired, idle, ..Counts::default() };
    let mut wake = None::<i64>;
    let upgraded = |m: &Machine| work.under_way(m).is_some_and(|o| o.spec.type_ == OperationType::Upgrade);
    for machine in &sorted.outdated {
        counts.outdated += 1;
        counts.upgrading += i32::from(upgraded(machine));
        // What serves now counts, however long it has; only new machines have to prove themselves.
        counts.outdated_available += i32::from(serves(machine) && !upgraded(machine));
    }
    for machine in &sorted.updated {
        counts.updated += 1;
        match target.availability(machine) {
            Availability::Yes => counts.updated_available += 1,
            Availability::In(seconds) => wake = Some(wake.map_or(seconds, |w| w.min(seconds))),
            Availability::No => {}
        }
    }
    for machine in leaving {
        counts.leaving += 1;
        counts.drained += i32::from(settled_at(machine).is_some());
        counts.quarantined += i32::from(is_quarantined(machine, work));
    }
    (counts, wake)
}

/// All have given way but those whose drain was given up: the rollout is not over.
pub(super) fn left_behind(
    target: &Target,
    sorted: &Sorted,
    leaving: &[&Machine],
    desired: i32,
    work: &Work,
) -> Option<Progress> {
    leaving.iter().find(|m| target.is_outdated(m) && is_quarantined(m, work))?;
    let (counts, wake_after_seconds) = counts(target, sorted, leaving, desired, 0, work);
    Some(Progress {
        counts,
        kept: counts.outdated,
        quarantined: counts.quarantined,
        brake: Some(Brake::Quarantine(counts.quarantined)),
        wake_after_seconds,
    })
}

/// When the drain of a machine was done, or given up.
fn settled_at(machine: &Machine) -> Option<Timestamp> {
    let drain = machine.status.as_ref()?.drain.as_ref()?;
    drain.completed_at.as_ref().or(drain.skipped_at.as_ref()).map(|t| t.0)
}

/// What bounds a step of this pool.
pub(super) fn bounds(
    target: &Target,
    sorted: &Sorted,
    leaving: &[&Machine],
    desired: i32,
    deletions: i32,
    one_at_a_time: bool,
    hold: bool,
) -> (Bounds, Option<i64>) {
    let soak = target.policy.strategy.blue_green.clone().unwrap_or_default().batch_soak_seconds();
    let ready = sorted.updated.iter().filter_map(|m| m.status.as_ref()?.node.as_ref()?.since.as_ref()).map(|t| t.0);
    let last = leaving.iter().filter_map(|m| settled_at(m)).chain(ready).max();
    let left = last.map_or(0, |last| soak - target.now.duration_since(last).as_secs());
    let bounds = Bounds {
        strategy: target.strategy,
        fences: Fences::of(target.policy, target.strategy, desired),
        // Those that are marked are not kept.
        partition: target
            .policy
            .partition()
            .min(super::scale::count(&sorted.outdated.iter().filter(|m| !is_marked(m)).collect::<Vec<_>>())),
        deletions,
        one_at_a_time,
        soaked: left <= 0,
        hold,
    };
    (bounds, (target.strategy == StrategyType::BlueGreen && left > 0).then_some(left))
}

/// Blue-green: the drained old machines may be reset now, or after so many seconds; `None` while some are not drained.
///
/// Pools with any other strategy reset at once.
pub fn may_reset(target: &Target, machines: &[Machine], work: &Work) -> Option<i64> {
    if target.strategy != StrategyType::BlueGreen {
        return Some(0);
    }
    let (leaving, staying): (Vec<&Machine>, Vec<&Machine>) = machines.iter().partition(|m| work.is_leaving(m));
    // A shrink of a pool that is up to date has no successor to wait for.
    let replaced = leaving.iter().any(|m| target.is_outdated(m));
    if !replaced {
        return Some(0);
    }
    let kept = target.policy.partition() as usize;
    if staying.iter().filter(|m| target.is_outdated(m)).count() > kept {
        return None;
    }
    let soak = target.policy.strategy.blue_green.clone().unwrap_or_default().pool_soak_seconds();
    let mut last = None;
    for machine in leaving.iter().filter(|m| work.under_way(m).is_some_and(|o| !state(o).is_final())) {
        last = last.max(Some(settled_at(machine)?));
    }
    Some(last.map_or(0, |last| (soak - target.now.duration_since(last).as_secs()).max(0)))
}
