//! Scaling a pool: which idle machines are claimed, which members leave, what stands in the way, how long it will take.
//!
//! The dialog shows this plan and the controller carries it out. It decides one step from what is true now: a plan that
//! could not be carried out in full is made again when something has changed.

mod demand;
mod halt;
mod machines;
mod quarantine;
mod waiting;

use crate::api::{Machine, MachineReference, NodePool, Operation, OperationType, Role, StrategyType};

use super::{
    budget::Budget,
    estimate::{Estimate, estimate},
    rollout::{
        self, Progress, Sorted, Target,
        moves::{Brake, Counts},
        nodes::{self, Touch},
    },
    victims::{Why, ranked},
    work::Work,
};
use machines::{has_node, is_returning, name, natural};

pub use demand::{DEFAULT_PARALLELISM, Demand};
pub use halt::Halt;
pub use machines::{is_candidate, is_member, reference};
pub use quarantine::Revisits;
pub(super) use quarantine::is_quarantined;

/// A machine that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    pub machine: MachineReference,
    pub why: Why,
    /// It has a node to be emptied, or had one.
    pub has_node: bool,
}

/// What to do next, and what a person should know before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Machines that stay as things are, before the plan.
    pub from: i32,
    pub to: i32,
    /// Idle machines to claim, in this order.
    pub claims: Vec<MachineReference>,
    /// Members that are claimed and that no operation works on yet: the next `ScaleUp` takes them.
    pub joins: Vec<MachineReference>,
    /// Idle machines that match the selector, the claimed ones included.
    pub idle: i32,
    /// Machines that are wanted and not to be had.
    pub shortfall: i32,
    /// Members to drain and reset; carried out only without a `halt`.
    pub victims: Vec<Victim>,
    /// So many leave, and a rollout that is under way decides which.
    pub left_to_rollout: i32,
    /// Claimed and untouched members that simply go back.
    pub releases: Vec<MachineReference>,
    /// Members that will leave as soon as the operation that works on them is over, or others have been given back.
    pub waiting: Vec<MachineReference>,
    /// Members that are leaving already.
    pub leaving: i32,
    /// Members to drain and bring to the current revision where they are.
    pub upgrades: Vec<MachineReference>,
    /// Members that were brought to the current revision and are to be counted to its set.
    pub arrived: Vec<MachineReference>,
    /// Changes on nodes that cost nobody anything: taints, and our own cordons.
    pub touches: Vec<Touch>,
    /// Failed operations to try again, because only their quarantined machines are left.
    pub revisits: Vec<String>,
    /// There will be some after so many seconds.
    pub revisit_after_seconds: Option<i64>,
    /// Where the rollout stands, while members are to be replaced.
    pub rollout: Option<Progress>,
    pub budget: Budget,
    pub halt: Option<Halt>,
    /// `None` without history.
    pub estimate: Option<Estimate>,
}

/// Plans the next step towards what is wanted.
pub fn plan<'a>(
    demand: &Demand,
    machines: impl IntoIterator<Item = &'a Machine>,
    operations: impl IntoIterator<Item = &'a Operation> + Clone,
) -> Plan {
    let work = Work::of(operations.clone());
    let (mut members, mut idle) = (Vec::new(), Vec::new());
    for machine in machines {
        if is_member(machine, demand) {
            members.push(machine);
        } else if is_candidate(machine, demand.selector) {
            idle.push(machine);
        }
    }
    let budget = Budget { allowed: Budget::allowance(demand.deletion_budget, members.len()), ..Budget::default() };
    let (leaving, staying): (Vec<_>, Vec<_>) = members.into_iter().partition(|m| work.is_leaving(m));
    let sorted = demand.rollout.as_ref().map(|target| Sorted::of(target, &staying, &work));
    let mut plan = Plan {
        from: count(&staying),
        to: demand.replicas,
        idle: count(&idle),
        leaving: count(&leaving),
        budget,
        halt: demand.paused.then_some(Halt::Paused),
        ..Plan::default()
    };
    let difference = demand.replicas.saturating_sub(plan.from);
    plan.arrived = sorted.as_ref().map(|s| s.arrived.clone()).unwrap_or_default();
    let target = demand.rollout.as_ref().zip(sorted.as_ref());
    let rolling = target.filter(|(t, s)| t.is_rolling(s, &leaving));
    if let Some((target, sorted)) = target {
        plan.touches = nodes::taints(target, sorted);
        plan.touches.extend(nodes::uncordons(target, sorted, rolling.is_some(), &work));
    }
    let waits = target.is_some_and(|(t, s)| t.waits(s, &leaving, &work));
    if let Some((target, sorted)) = rolling.filter(|_| waits) {
        let sorted = plan.give_back(sorted, &work);
        plan.wait(demand, target, &sorted, idle, &leaving, &work);
    } else if let Some((target, sorted)) = rolling {
        plan.roll(demand, target, sorted, idle, &leaving, &work);
    } else if difference >= 0 {
        plan.claim(idle, difference as usize);
    } else {
        plan.shrink(demand, staying.clone(), &leaving, difference.unsigned_abs() as usize, &work);
    }
    if plan.rollout.is_none()
        && let Some((target, sorted)) = target
    {
        plan.rollout = rollout::left_behind(target, sorted, &leaving, demand.replicas, &work);
        if let Some(progress) = plan.rollout.as_mut().filter(|_| waits) {
            progress.brake = Some(Brake::of(target.gate));
            progress.wake_after_seconds = target.gate.opens_after_seconds(target.now);
        }
    }
    plan.joins = plan.untouched(&staying, &work);
    let all: Vec<&Machine> = staying.iter().chain(&leaving).copied().collect();
    plan.return_to(&all, demand.revisits.filter(|_| !demand.paused && !demand.hold && !waits), &work);
    plan.estimate = plan.estimate_from(operations, demand.parallelism);
    plan
}

impl Plan {
    /// Nothing is to be done.
    pub fn is_done(&self) -> bool {
        self.claims.is_empty()
            && self.joins.is_empty()
            && self.victims.is_empty()
            && self.left_to_rollout == 0
            && self.releases.is_empty()
            && self.waiting.is_empty()
            && self.upgrades.is_empty()
            && self.arrived.is_empty()
            && self.shortfall == 0
    }

    /// It takes nodes away that serve, or served.
    pub fn is_destructive(&self) -> bool {
        !self.victims.is_empty() || self.left_to_rollout > 0
    }

    /// The same as it can be told of before somebody changes the replicas of this pool. While a rollout is under way it chooses
    /// who leaves, old machines first and a few at a time: only how many is known, and more replicas take nobody away.
    pub fn foretold(self, pool: &NodePool) -> Self {
        let rollout = pool.status.as_ref().and_then(|status| status.rollout.as_ref());
        if !rollout.is_some_and(|rollout| rollout.outdated > rollout.kept || rollout.in_flight > 0) {
            return self;
        }
        let left_to_rollout = (pool.spec.replicas - self.to).max(0);
        // It keeps to the budget by itself, and asks nobody.
        let halt = self.halt.filter(|halt| !matches!(halt, Halt::DeletionBudgetExceeded(_)));
        let (victims, releases, waiting) = (Vec::new(), Vec::new(), Vec::new());
        let estimate = self.estimate.filter(|_| left_to_rollout == 0);
        Self { victims, left_to_rollout, releases, waiting, halt, estimate, ..self }
    }

    /// A person has to confirm this very number before it happens.
    pub fn needs_approval(&self) -> bool {
        matches!(self.halt, Some(Halt::DeletionBudgetExceeded(_)))
    }

    /// What is missing, in words; `None` if nothing is.
    pub fn shortfall_message(&self) -> Option<String> {
        (self.shortfall > 0).then(|| {
            let wanted = self.shortfall + count(&self.claims);
            format!(
                "{wanted} more {} wanted and {} idle with matching labels: {} will join when machines are added or released",
                if wanted == 1 { "machine is" } else { "machines are" },
                match self.idle {
                    0 => "none is".to_owned(),
                    1 => "1 is".to_owned(),
                    n => format!("{n} are"),
                },
                self.shortfall
            )
        })
    }

    fn claim(&mut self, mut idle: Vec<&Machine>, wanted: usize) {
        idle.sort_by(|a, b| natural(name(a), name(b)));
        self.claims = idle.into_iter().take(wanted).map(reference).collect();
        self.shortfall = i32::try_from(wanted - self.claims.len()).unwrap_or(i32::MAX);
    }

    fn shrink(&mut self, demand: &Demand, staying: Vec<&Machine>, leaving: &[&Machine], excess: usize, work: &Work) {
        let ranked = ranked(staying, demand.order, work);
        let (chosen, rest) = ranked.split_at(excess.min(ranked.len()));
        let mut costly_waits = 0;
        for (machine, why) in chosen {
            if work.is_untouched(machine) {
                self.releases.push(reference(machine));
            } else if work.under_way(machine).is_some() {
                costly_waits += i32::from(has_node(machine));
                self.waiting.push(reference(machine));
            } else {
                self.victims.push(Victim { machine: reference(machine), why: *why, has_node: has_node(machine) });
            }
        }
        costly_waits += self.wait_for(rest.iter().filter(|(m, _)| is_returning(m)).count(), chosen);
        let unwell = rest.iter().filter(|(m, why)| has_node(m) && matches!(why, Why::Failed | Why::NotReady)).count();
        self.budget = Budget {
            spent: count(leaving) + i32::try_from(unwell).unwrap_or(i32::MAX),
            wanted: self.victims.iter().filter(|v| v.has_node).count() as i32 + costly_waits,
            approved: demand.approved == Some(demand.replicas),
            // With its last control plane a cluster is gone: never without a person's word.
            allowed: if demand.role == Role::ControlPlane && demand.replicas == 0 { 0 } else { self.budget.allowed },
        };
        self.brake(demand);
    }

    /// What is missing by our own doing comes back before as many that serve leave. Answers how many wait for it.
    fn wait_for(&mut self, returning: usize, chosen: &[(&Machine, Why)]) -> i32 {
        let serving: Vec<_> =
            chosen.iter().filter(|(m, _)| super::work::serves(m)).map(|(m, _)| reference(m)).collect();
        let late = serving.into_iter().rev().take(returning);
        let late: Vec<_> = late.filter(|m| self.victims.iter().any(|v| v.machine == *m)).collect();
        self.victims.retain(|v| !late.contains(&v.machine));
        let waits = count(&late);
        self.waiting.extend(late);
        waits
    }

    /// The next step of a rollout: who joins, who leaves, who is upgraded where it is.
    fn roll(
        &mut self,
        demand: &Demand,
        target: &Target,
        sorted: &Sorted,
        idle: Vec<&Machine>,
        leaving: &[&Machine],
        work: &Work,
    ) {
        let sorted = self.give_back(sorted, work);
        let outdated = count(&sorted.outdated);
        let (target, sorted) = rollout::focus(target, sorted);
        let progress = self.step(demand, &target, sorted, idle, leaving, work);
        self.rollout = Some(Progress { counts: Counts { outdated, ..progress.counts }, ..progress });
    }

    /// Those of an older revision that nothing was done on yet go back as they are.
    fn give_back<'a>(&mut self, sorted: &Sorted<'a>, work: &Work) -> Sorted<'a> {
        let (untouched, old): (Vec<&Machine>, Vec<&Machine>) =
            sorted.outdated.iter().copied().partition(|m| work.is_untouched(m));
        self.releases = untouched.iter().map(|m| reference(m)).collect();
        Sorted { outdated: old, updated: sorted.updated.clone(), arrived: Vec::new() }
    }

    /// Decides who joins, leaves or is upgraded, and what keeps it from being more.
    fn step(
        &mut self,
        demand: &Demand,
        target: &Target,
        sorted: Sorted,
        idle: Vec<&Machine>,
        leaving: &[&Machine],
        work: &Work,
    ) -> Progress {
        let (counts, ripe) = rollout::counts(target, &sorted, leaving, demand.replicas, count(&idle), work);
        let one = demand.role != Role::Worker;
        let (bounds, soaked) =
            rollout::bounds(target, &sorted, leaving, demand.replicas, self.budget.allowed, one, demand.hold);
        let mut moves = rollout::moves::decide(&counts, &bounds);
        if demand.paused {
            moves = rollout::moves::Moves { brake: Some(Brake::Paused), ..Default::default() };
        }
        let mut ranked = ranked(sorted.outdated.clone(), demand.order, work);
        // What was asked for by name is not what a partition keeps.
        ranked.sort_by_key(|(machine, _)| !rollout::is_marked(machine));
        if target.strategy == StrategyType::BlueGreen && moves.remove() > 0 {
            // All that are to go are cordoned first, so that what leaves one of them cannot land on the next.
            let kept = usize::try_from(bounds.partition.max(0)).unwrap_or(0);
            let going = ranked.len().saturating_sub(kept);
            let open = nodes::cordons(ranked.iter().take(going).map(|(m, _)| *m));
            if !open.is_empty() {
                let brake = Some(Brake::Cordon);
                moves = rollout::moves::Moves { remove_available: 0, remove_unavailable: 0, brake, ..moves };
            }
            self.touches.extend(open);
        }
        self.take(&ranked, &moves, work);
        self.claim(idle, usize::try_from(moves.claim).unwrap_or(0));
        self.shortfall = moves.missing;
        let in_place = sorted.outdated.iter().filter(|m| is_quarantined(m, work)).count();
        let quarantined = counts.quarantined + i32::try_from(in_place).unwrap_or(i32::MAX);
        Progress {
            counts,
            kept: bounds.partition.min(counts.outdated).max(0),
            quarantined,
            brake: moves.brake.or((quarantined > 0).then_some(Brake::Quarantine(quarantined))),
            wake_after_seconds: [ripe, soaked].into_iter().flatten().min(),
        }
    }

    /// Chooses who leaves and who is upgraded: the unwell first, then by the deletion order.
    fn take(&mut self, ranked: &[(&Machine, Why)], moves: &rollout::moves::Moves, work: &Work) {
        let (mut unwell, mut well, mut upgrade) = (moves.remove_unavailable, moves.remove_available, moves.upgrade);
        for (machine, why) in ranked {
            let serves = super::work::serves(machine);
            let left = if serves { &mut well } else { &mut unwell };
            if work.under_way(machine).is_some() {
                continue;
            }
            if serves && upgrade > 0 {
                upgrade -= 1;
                self.upgrades.push(reference(machine));
            } else if *left > 0 {
                *left -= 1;
                let why = if *why == Why::Order { Why::Outdated } else { *why };
                self.victims.push(Victim { machine: reference(machine), why, has_node: has_node(machine) });
            }
        }
    }

    /// Says what stands in the way of the victims, the strongest reason first.
    fn brake(&mut self, demand: &Demand) {
        if self.victims.is_empty() || self.halt.is_some() {
            return;
        }
        if demand.hold {
            self.halt = Some(Halt::Hold);
        } else if self.budget.is_exceeded() {
            self.halt = Some(Halt::DeletionBudgetExceeded(self.budget));
        } else if demand.role != Role::Worker {
            self.victims.truncate(1);
            self.halt = (self.budget.spent > 0).then_some(Halt::OneMemberAtATime);
        }
    }

    /// Members for the next `ScaleUp`: claimed, untouched, and not about to go back.
    fn untouched(&self, staying: &[&Machine], work: &Work) -> Vec<MachineReference> {
        let mut joins: Vec<_> =
            staying.iter().filter(|m| work.is_untouched(m) && !m.spec.paused).map(|m| reference(m)).collect();
        joins.retain(|m| !self.releases.contains(m));
        joins.sort_by(|a, b| natural(&a.name, &b.name));
        joins
    }

    fn estimate_from<'a>(
        &self,
        operations: impl IntoIterator<Item = &'a Operation>,
        parallelism: usize,
    ) -> Option<Estimate> {
        let (kind, machines) = if self.victims.is_empty() {
            (OperationType::ScaleUp, self.claims.len() + self.joins.len())
        } else {
            (OperationType::ScaleDown, self.victims.len())
        };
        estimate(operations, kind, None, machines, parallelism)
    }
}

pub(super) fn count<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod tests;
