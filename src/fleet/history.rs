//! How long phases take: what "p50" and "p95" in a timeline come from.
//!
//! Two sources: phases that end on machines we see (exact), and the summaries that finished operations carry (from
//! before we looked). The first is used as soon as there is enough of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::rows::{MachineRow, OperationRow};
use crate::api::PhaseState;

/// Durations kept for each phase, the newest.
const SAMPLES: usize = 512;
/// Summaries of operations kept for each phase, the newest.
const SUMMARIES: usize = 32;
/// Below this, summaries of operations know better.
const ENOUGH: usize = 5;
/// Distinct phase names; runbooks have a dozen.
const PHASES: usize = 256;

/// Statistics by the name of the phase, as of one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseHistory {
    phases: BTreeMap<Arc<str>, PhaseStatistics>,
}

/// How long one phase takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseStatistics {
    /// Machines that this is known from.
    pub machines: usize,
    pub p50: Duration,
    pub p95: Duration,
}

impl PhaseHistory {
    pub fn phase(&self, name: &str) -> Option<PhaseStatistics> {
        self.phases.get(name).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, PhaseStatistics)> {
        self.phases.iter().map(|(name, s)| (&**name, *s))
    }
}

#[derive(Debug, Default)]
struct Samples {
    milliseconds: VecDeque<u32>,
    summaries: VecDeque<(usize, u32, u32)>,
    published: Option<PhaseStatistics>,
}

/// Takes durations in and makes a [`PhaseHistory`] of them.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    phases: BTreeMap<Arc<str>, Samples>,
    published: Arc<PhaseHistory>,
    dirty: bool,
}

impl Recorder {
    /// Takes the phases that ended on `machine` after `since`.
    pub(super) fn machine(&mut self, machine: &MachineRow, since: Option<Timestamp>) {
        for phase in machine.phases.iter().filter(|p| p.state == PhaseState::Succeeded) {
            let (Some(start), Some(end)) = (phase.started_at, phase.finished_at) else { continue };
            if since.is_none_or(|since| end > since) {
                self.sample(&phase.name, milliseconds(end.duration_since(start).as_millis()));
            }
        }
    }

    /// Takes the summaries of an operation that has ended.
    pub(super) fn operation(&mut self, operation: &OperationRow) {
        for phase in operation.phase_durations.iter().filter(|p| p.machines > 0) {
            let machines = usize::try_from(phase.machines).unwrap_or(0);
            let summary =
                (machines, milliseconds(phase.p50_milliseconds.into()), milliseconds(phase.p95_milliseconds.into()));
            if let Some(samples) = self.of(&phase.phase.as_str().into()) {
                push(&mut samples.summaries, summary, SUMMARIES);
            }
        }
    }

    fn sample(&mut self, phase: &Arc<str>, milliseconds: u32) {
        if let Some(samples) = self.of(phase) {
            push(&mut samples.milliseconds, milliseconds, SAMPLES);
        }
    }

    fn of(&mut self, phase: &Arc<str>) -> Option<&mut Samples> {
        if !self.phases.contains_key(phase) && self.phases.len() >= PHASES {
            return None;
        }
        self.dirty = true;
        let samples = self.phases.entry(phase.clone()).or_default();
        samples.published = None;
        Some(samples)
    }

    /// The statistics now; computes only the phases that got new durations.
    pub(super) fn publish(&mut self) -> Arc<PhaseHistory> {
        if std::mem::take(&mut self.dirty) {
            let phases = self.phases.iter_mut().map(|(name, samples)| {
                let statistics = samples.published.unwrap_or_else(|| samples.statistics());
                samples.published = Some(statistics);
                (name.clone(), statistics)
            });
            self.published = Arc::new(PhaseHistory { phases: phases.collect() });
        }
        self.published.clone()
    }
}

impl Samples {
    fn statistics(&self) -> PhaseStatistics {
        let duration = |ms: u32| Duration::from_millis(ms.into());
        if self.milliseconds.len() >= ENOUGH || self.summaries.is_empty() {
            let weighted: Vec<_> = self.milliseconds.iter().map(|ms| (1, *ms)).collect();
            let machines = weighted.len();
            let (p50, p95) = (quantile(weighted.clone(), 50), quantile(weighted, 95));
            return PhaseStatistics { machines, p50: duration(p50), p95: duration(p95) };
        }
        let p50 = self.summaries.iter().map(|(n, p50, _)| (*n, *p50)).collect();
        let p95 = self.summaries.iter().map(|(n, _, p95)| (*n, *p95)).collect();
        PhaseStatistics {
            machines: self.summaries.iter().map(|s| s.0).sum(),
            p50: duration(quantile(p50, 50)),
            p95: duration(quantile(p95, 50)),
        }
    }
}

/// The smallest value with at least `percent` of the weight at or below it; 0 of nothing.
fn quantile(mut weighted: Vec<(usize, u32)>, percent: usize) -> u32 {
    weighted.sort_unstable_by_key(|(_, value)| *value);
    let total: usize = weighted.iter().map(|(weight, _)| weight).sum();
    let wanted = (total * percent).div_ceil(100).max(1);
    let mut below = 0;
    for (weight, value) in weighted {
        below += weight;
        if below >= wanted {
            return value;
        }
    }
    0
}

fn push<T>(ring: &mut VecDeque<T>, value: T, capacity: usize) {
    if ring.len() == capacity {
        ring.pop_front();
    }
    ring.push_back(value);
}

fn milliseconds(value: i128) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_weighted() {
        assert_eq!(quantile(vec![], 50), 0);
        assert_eq!(quantile(vec![(1, 7)], 95), 7);
        assert_eq!(quantile((1..=100).map(|n| (1, n)).collect(), 95), 95);
        assert_eq!(quantile(vec![(1, 900), (99, 10)], 50), 10);
        assert_eq!(quantile(vec![(1, 900), (9, 10)], 95), 900);
    }
}
