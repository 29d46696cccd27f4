//! When a pod is asked again, when it is deleted although its budget refuses, and when to look again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use crate::api::{DrainBlocker, DrainPolicy, DrainStatus, DrainTimeoutAction};

use super::pod::own_grace_secs;

/// A pod that was refused is asked again after this, then after twice as much.
const FIRST_BACKOFF_SECS: i64 = 5;
const LONGEST_BACKOFF_SECS: i64 = 30;
/// How soon to look again while pods end.
const LEAVING: Duration = Duration::from_secs(1);
/// How soon if nothing is expected to end soon, and nothing is to be asked.
const WAITING: Duration = Duration::from_secs(10);

/// When a pod that was refused is to be asked again. Spread by a quarter either way, so that the pods of a node do not
/// ask in step; the same at every look.
pub fn next_ask(blocker: &DrainBlocker) -> Option<Timestamp> {
    let last = blocker.last_refused_at.as_ref()?.0;
    let doublings = u32::try_from((blocker.refused - 1).clamp(0, 8)).unwrap_or(0);
    let backoff = (FIRST_BACKOFF_SECS << doublings).min(LONGEST_BACKOFF_SECS);
    let mut hasher = DefaultHasher::new();
    (&blocker.pod, blocker.refused).hash(&mut hasher);
    let spread = i64::try_from(hasher.finish() % 501).unwrap_or(250) - 250;
    let millis = backoff * 1000 + backoff * spread;
    last.saturating_add(SignedDuration::from_millis(millis)).ok()
}

/// Whether a pod is asked in this pass: it never was, its time has come, or its budget has opened.
pub fn is_due(before: Option<&DrainBlocker>, budget_allows: bool, now: Timestamp) -> bool {
    budget_allows || before.and_then(next_ask).is_none_or(|next| next <= now)
}

/// How soon to look again: `leaving` is when the first pod that ends should be gone.
pub fn next_look(blockers: &[DrainBlocker], leaving: Option<Timestamp>, now: Timestamp) -> Duration {
    let until = |then: Timestamp| then.duration_since(now).unsigned_abs();
    let ask = blockers.iter().filter_map(next_ask).min().map(|next| if next <= now { LEAVING } else { until(next) });
    let end = leaving.map(|end| if end <= now { LEAVING } else { (until(end) / 10).max(LEAVING) });
    ask.into_iter().chain(end).min().unwrap_or(WAITING).clamp(LEAVING, WAITING.max(ask.unwrap_or_default()))
}

/// The grace with which a pod that was asked and refused is deleted now, past its budget; `None` if it is not.
///
/// Under the policy `Force` the node is to be empty at the deadline: a pod is deleted so early that the time which it asks
/// for fits before it, but not in the first half of the drain, which belongs to its budget. Never with less than a
/// second: 0 would break the promise that there is at most one pod of a name.
pub fn deletion_grace_secs(pod: &Pod, drain: &DrainStatus, policy: &DrainPolicy, now: Timestamp) -> Option<i64> {
    let own = own_grace_secs(pod);
    let remaining = drain.deadline.0.as_second() - now.as_second();
    match drain.choice.as_ref().map(|c| c.choice) {
        // A person who passes the budget does not mean to cut the shutdown short, unless there is a deadline ahead.
        Some(DrainTimeoutAction::Force) if remaining <= 0 => Some(own),
        Some(DrainTimeoutAction::Force) => Some(own.min(remaining)),
        Some(_) => None,
        None if policy.on_timeout == DrainTimeoutAction::Force => {
            let half = (drain.deadline.0.as_second() - drain.started_at.0.as_second()) / 2;
            (remaining <= own.min(half)).then(|| remaining.clamp(1, own))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DrainDecision, NodeReference};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn refused(times: i32) -> DrainBlocker {
        DrainBlocker {
            pod: "shop/db-0".to_owned(),
            refused: times,
            last_refused_at: Some(Time(at(1000))),
            ..DrainBlocker::default()
        }
    }

    #[test]
    fn a_pod_is_asked_again_after_five_to_thirty_seconds() {
        for (times, around) in [(1, 5), (2, 10), (3, 20), (4, 30), (5, 30), (4000, 30)] {
            let next = next_ask(&refused(times)).unwrap().duration_since(at(1000)).as_secs_f64();
            assert!((f64::from(around) * 0.75..=f64::from(around) * 1.25).contains(&next), "{times}: {next}");
        }
        assert!(is_due(None, false, at(1000)));
        assert!(!is_due(Some(&refused(1)), false, at(1002)));
        assert!(is_due(Some(&refused(1)), false, at(1007)));
        assert!(is_due(Some(&refused(9)), true, at(1001)), "its budget has opened");
    }

    #[test]
    fn it_is_looked_again_when_something_is_due() {
        let check = |blockers: &[DrainBlocker], leaving: Option<i64>, now, from: u64, to: u64| {
            let secs = next_look(blockers, leaving.map(at), at(now)).as_secs_f64();
            assert!((from as f64..=to as f64).contains(&secs), "{secs}");
        };
        check(&[], None, 1000, 10, 10);
        check(&[], Some(1005), 1000, 1, 1);
        check(&[], Some(1030), 1000, 3, 3);
        check(&[], Some(4600), 1000, 10, 10);
        check(&[refused(1)], None, 1000, 3, 7);
        check(&[refused(9)], None, 1000, 22, 38);
        check(&[refused(9)], Some(1001), 1000, 1, 1);
        check(&[refused(1)], None, 2000, 1, 1);
    }

    #[test]
    fn forced_pods_get_the_time_that_is_left() {
        use DrainTimeoutAction::{Force, Skip, Wait};
        let grace = |own: i64, policy, choice, now| {
            let pod: Pod = serde_json::from_value(json!({
                "metadata": {"name": "db-0"}, "spec": {"containers": [], "terminationGracePeriodSeconds": own}}))
            .unwrap();
            let choice = Option::map(choice, |choice| DrainDecision { choice, by: None, at: Time(at(0)) });
            let new = DrainStatus::new("op", 1, NodeReference::default(), Time(at(0)), Time(at(100)));
            let policy = DrainPolicy { on_timeout: policy, ..DrainPolicy::default() };
            deletion_grace_secs(&pod, &DrainStatus { choice, ..new }, &policy, at(now))
        };
        assert_eq!(grace(30, Force, None, 69), None);
        assert_eq!(grace(30, Force, None, 70), Some(30));
        assert_eq!(grace(30, Force, None, 90), Some(10));
        assert_eq!(grace(30, Force, None, 100), Some(1));
        assert_eq!(grace(30, Force, None, 500), Some(1));
        assert_eq!(grace(0, Force, None, 99), Some(1));
        assert_eq!(grace(3600, Force, None, 49), None);
        assert_eq!(grace(3600, Force, None, 50), Some(50));
        assert_eq!(grace(30, Skip, None, 500), None);
        assert_eq!(grace(30, Skip, Some(Force), 10), Some(30));
        assert_eq!(grace(30, Skip, Some(Force), 80), Some(20));
        assert_eq!(grace(30, Wait, Some(Force), 500), Some(30));
        assert_eq!(grace(30, Force, Some(Wait), 500), None);
    }
}
