//! Counts and shares of a policy as machines: `10%` of 25.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::{RolloutPolicy, StrategyType};

/// Which way a share is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Up,
    Down,
}

/// So many machines, of `total`. A share above a whole stays one: a surge of 200 % is meant.
///
/// `None` for a text that is no share; the API server lets none through.
pub fn machines(amount: &IntOrString, total: i32, round: Round) -> Option<i32> {
    match amount {
        IntOrString::Int(n) => Some((*n).max(0)),
        IntOrString::String(text) => {
            let percent: i64 = text.trim().strip_suffix('%')?.trim().parse().ok().filter(|p| *p >= 0)?;
            let exact = percent.saturating_mul(i64::from(total.max(0)));
            let rounded = match round {
                Round::Up => exact.saturating_add(99) / 100,
                Round::Down => exact / 100,
            };
            Some(i32::try_from(rounded).unwrap_or(i32::MAX))
        }
    }
}

/// The numbers of a policy for a pool of `replicas`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fences {
    /// Machines above `replicas`.
    pub surge: i32,
    /// Machines below `replicas` that may be missing.
    pub unavailable: i32,
    /// Old machines that leave together in a blue-green rollout.
    pub batch: i32,
}

impl Fences {
    /// As a `Deployment` resolves them (`ResolveFenceposts`): a surge is rounded up, what may be missing down, and if both
    /// come to nothing, one may be missing.
    pub fn of(policy: &RolloutPolicy, strategy: StrategyType, replicas: i32) -> Self {
        let rolling = policy.strategy.rolling_update.clone().unwrap_or_default();
        let resolved = |amount: Option<&IntOrString>, round, default| {
            amount.map_or(Some(default), |a| machines(a, replicas, round)).unwrap_or(default)
        };
        let in_place = strategy == StrategyType::InPlace;
        let surge = if in_place { 0 } else { resolved(rolling.max_surge.as_ref(), Round::Up, 1) };
        let unavailable = resolved(rolling.max_unavailable.as_ref(), Round::Down, i32::from(in_place));
        let batch = policy.strategy.blue_green.as_ref().and_then(|b| b.batch_size.as_ref());
        let tenth = IntOrString::String("10%".to_owned());
        Self {
            surge: if strategy == StrategyType::BlueGreen { replicas } else { surge },
            unavailable: match strategy {
                StrategyType::BlueGreen => 0,
                _ if surge == 0 && unavailable == 0 => 1,
                _ => unavailable,
            },
            batch: resolved(Some(batch.unwrap_or(&tenth)), Round::Up, 1).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{RollingUpdate, RolloutStrategy};

    fn amount(text: &str) -> IntOrString {
        text.parse().map_or_else(|_| IntOrString::String(text.to_owned()), IntOrString::Int)
    }

    #[test]
    fn shares_become_machines() {
        for (text, total, round, expected) in [
            ("3", 10, Round::Up, Some(3)),
            ("25%", 10, Round::Up, Some(3)),
            ("25%", 10, Round::Down, Some(2)),
            ("200%", 10, Round::Up, Some(20)),
            ("0%", 10, Round::Up, Some(0)),
            ("1%", 0, Round::Up, Some(0)),
            ("-3", 10, Round::Up, Some(0)),
            ("x", 10, Round::Up, None),
            ("99999999999999%", i32::MAX, Round::Up, Some(i32::MAX)),
        ] {
            assert_eq!(machines(&amount(text), total, round), expected, "{text} of {total}");
        }
    }

    #[test]
    fn something_may_always_move() {
        let of = |strategy, surge: &str, unavailable: &str, replicas| {
            let rolling_update =
                RollingUpdate { max_surge: Some(amount(surge)), max_unavailable: Some(amount(unavailable)) };
            let strategy_policy =
                RolloutStrategy { rolling_update: Some(rolling_update), ..RolloutStrategy::default() };
            let policy = RolloutPolicy { strategy: strategy_policy, ..RolloutPolicy::default() };
            let fences = Fences::of(&policy, strategy, replicas);
            (fences.surge, fences.unavailable)
        };
        assert_eq!(of(StrategyType::RollingUpdate, "1", "0", 3), (1, 0));
        assert_eq!(of(StrategyType::RollingUpdate, "0", "5%", 3), (0, 1), "5 % of three is none, so one");
        assert_eq!(of(StrategyType::RollingUpdate, "10%", "10%", 25), (3, 2));
        assert_eq!(of(StrategyType::InPlace, "3", "0", 3), (0, 1), "nothing surges in place");
        assert_eq!(of(StrategyType::BlueGreen, "1", "1", 7), (7, 0), "the whole pool, and none missing");
        let defaults = |strategy| Fences::of(&RolloutPolicy::default(), strategy, 40);
        assert_eq!(defaults(StrategyType::RollingUpdate), Fences { surge: 1, unavailable: 0, batch: 4 });
        assert_eq!(defaults(StrategyType::InPlace), Fences { surge: 0, unavailable: 1, batch: 4 });
    }
}
