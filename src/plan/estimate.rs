//! How long it will take, from how long it took.

use std::time::Duration;

use crate::api::{Operation, OperationState, OperationType};

use super::work::state;

/// Most operations that are looked back at: the recent past says more than the distant one.
const LOOK_BACK: usize = 20;

/// How long an operation is going to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// As in the median of the past.
    pub typical: Duration,
    /// As in the slowest twentieth.
    pub slow: Duration,
    /// Machines that the estimate rests on.
    pub samples: i32,
}

/// What the history of `operations` says about one of `kind` on `machines` machines, `parallelism` at a time.
///
/// The phases of a machine follow one another, so its medians add up; machines beyond the parallelism wait for another
/// wave. `None` without history.
pub fn estimate<'a>(
    operations: impl IntoIterator<Item = &'a Operation>,
    kind: OperationType,
    runbook: Option<&str>,
    machines: usize,
    parallelism: usize,
) -> Option<Estimate> {
    let mut past: Vec<&Operation> = operations
        .into_iter()
        .filter(|o| o.spec.type_ == kind && runbook.is_none_or(|r| o.spec.runbook == r))
        .filter(|o| {
            state(o) == OperationState::Succeeded && o.status.as_ref().is_some_and(|s| !s.phase_durations.is_empty())
        })
        .collect();
    past.sort_by_key(|o| std::cmp::Reverse(o.status.as_ref().and_then(|s| s.finished_at.as_ref()).map(|t| t.0)));
    past.truncate(LOOK_BACK);
    let (mut typical, mut slow, mut samples) = (0i64, 0i64, 0i32);
    for status in past.iter().filter_map(|o| o.status.as_ref()) {
        let weight = status.phase_durations.iter().map(|p| p.machines).max().unwrap_or(0).max(1);
        samples += weight;
        typical += i64::from(weight) * status.phase_durations.iter().map(|p| p.p50_milliseconds).sum::<i64>();
        slow += i64::from(weight) * status.phase_durations.iter().map(|p| p.p95_milliseconds).sum::<i64>();
    }
    let waves = i64::try_from(machines.div_ceil(parallelism.max(1))).unwrap_or(i64::MAX);
    let scaled = |sum: i64| {
        let milliseconds = (sum / i64::from(samples)).saturating_mul(waves);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    };
    (samples > 0 && machines > 0).then(|| Estimate { typical: scaled(typical), slow: scaled(slow), samples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::PhaseDuration, plan::notation};

    #[test]
    fn phases_add_up_and_waves_follow_one_another() {
        let mut past = notation::operations("a:ScaleUp:Succeeded=m b:ScaleUp:Failed=m c:ScaleDown:Succeeded=m");
        let phase = |name: &str, p50, p95| PhaseDuration {
            phase: name.to_owned(),
            machines: 2,
            p50_milliseconds: p50,
            p95_milliseconds: p95,
        };
        for operation in &mut past {
            operation.status.as_mut().unwrap().phase_durations = vec![phase("A", 1000, 2000), phase("B", 500, 600)];
        }
        let of = |kind, machines, parallelism| {
            estimate(&past, kind, None, machines, parallelism)
                .map(|e| (e.typical.as_millis(), e.slow.as_millis(), e.samples))
        };
        assert_eq!(of(OperationType::ScaleUp, 3, 30), Some((1500, 2600, 2)));
        assert_eq!(of(OperationType::ScaleUp, 31, 30), Some((3000, 5200, 2)));
        assert_eq!(of(OperationType::ScaleUp, 0, 30), None);
        assert_eq!(of(OperationType::Upgrade, 3, 30), None);
    }
}
