//! The step of a rollout outside of a maintenance window: it begins nothing. What is under way goes on by itself, ill
//! machines are replaced, and the pool is brought to its size.

use super::{Demand, Plan, count};
use crate::{
    api::Machine,
    plan::{
        rollout::{self, Progress, Sorted, Target, fences::Fences, moves::Brake},
        work::Work,
    },
};

impl Plan {
    pub(super) fn wait(
        &mut self,
        demand: &Demand,
        target: &Target,
        sorted: &Sorted,
        idle: Vec<&Machine>,
        leaving: &[&Machine],
        work: &Work,
    ) {
        let (counts, ripe) = rollout::counts(target, sorted, leaving, demand.replicas, count(&idle), work);
        let (urgent, alone) = rollout::held::urgent(target, sorted);
        if alone.outdated.is_empty() {
            self.resize(demand, target, sorted, idle, leaving, work);
        } else {
            self.step(demand, &urgent, alone, idle, leaving, work);
        }
        let in_place = sorted.outdated.iter().filter(|m| super::is_quarantined(m, work)).count();
        let brake = match () {
            () if demand.paused => Brake::Paused,
            () if demand.hold => Brake::Hold,
            () => Brake::of(target.gate),
        };
        self.rollout = Some(Progress {
            counts,
            kept: target.policy.partition().min(counts.outdated).max(0),
            quarantined: counts.quarantined + i32::try_from(in_place).unwrap_or(i32::MAX),
            brake: Some(brake),
            wake_after_seconds: [ripe, target.gate.opens_after_seconds(target.now)].into_iter().flatten().min(),
        });
    }

    /// As many as are wanted, and beside them the new machines that have joined ahead of the old ones that they are for.
    fn resize(
        &mut self,
        demand: &Demand,
        target: &Target,
        sorted: &Sorted,
        idle: Vec<&Machine>,
        leaving: &[&Machine],
        work: &Work,
    ) {
        let (focused, _) = rollout::focus(target, sorted.clone());
        let surge = Fences::of(target.policy, focused.strategy, demand.replicas).surge.min(count(&sorted.updated));
        let staying = count(&sorted.outdated) + count(&sorted.updated);
        let excess = usize::try_from(staying - demand.replicas - surge).unwrap_or(0);
        if staying < demand.replicas {
            self.claim(idle, usize::try_from(demand.replicas - staying).unwrap_or(0));
        } else if excess > 0 {
            // Who is to go anyway goes first.
            let all = || sorted.outdated.iter().chain(&sorted.updated).copied().collect();
            let first = if excess <= sorted.outdated.len() { sorted.outdated.clone() } else { all() };
            self.shrink(demand, first, leaving, excess, work);
        }
    }
}
