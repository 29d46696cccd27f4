//! Emptying a node: which pods have to go, what stands in the way, and when it is done.
//!
//! Done means that the pod *objects* are gone and the node is still cordoned, seen live. A drain never gives up without
//! saying so: at the deadline the policy of the pool decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, Time},
};

use crate::api::{DrainBlocker, DrainStatus, DrainTimeoutAction};

/// Seconds after the end of its grace period at which a pod counts as stuck.
const STUCK_AFTER_SECS: i64 = 60;

/// What a drain does with one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It stays: its `DaemonSet` would bring it back at once.
    DaemonSet,
    /// It stays: the kubelet runs it from a file.
    Mirror,
    /// It is on its way out; we wait until the object is gone.
    Terminating,
    /// It is asked to leave.
    Evict,
}

impl Treatment {
    /// The node is not empty while such a pod is there.
    pub fn holds_node(self) -> bool {
        matches!(self, Self::Terminating | Self::Evict)
    }
}

/// What to do with the pod.
pub fn classify(pod: &Pod) -> Treatment {
    let mirror = pod.metadata.annotations.as_ref().is_some_and(|a| a.contains_key("kubernetes.io/config.mirror"));
    let finished =
        pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_some_and(|p| p == "Succeeded" || p == "Failed");
    let owner = pod.metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true));
    if mirror {
        Treatment::Mirror
    } else if pod.metadata.deletion_timestamp.is_some() {
        Treatment::Terminating
    } else if owner.is_some_and(|o| o.kind == "DaemonSet") && !finished {
        Treatment::DaemonSet
    } else {
        Treatment::Evict
    }
}

/// What the answers to one pass of evictions add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receipt may be written.
    Done,
    /// Go on: not done, and it is not the deadline, or the policy is to wait.
    Continue,
    /// Leave the node cordoned and go on without it.
    Skip,
    /// Delete what is left, past any budget.
    Force,
}

/// Decides from what was seen live: `left` pods that hold the node, and whether it is cordoned.
pub fn verdict(
    drain: &DrainStatus,
    left: usize,
    cordoned: bool,
    on_timeout: DrainTimeoutAction,
    now: Timestamp,
) -> Verdict {
    if left == 0 && cordoned {
        return Verdict::Done;
    }
    match on_timeout {
        _ if now < drain.deadline.0 => Verdict::Continue,
        DrainTimeoutAction::Wait => Verdict::Continue,
        DrainTimeoutAction::Skip => Verdict::Skip,
        DrainTimeoutAction::Force => Verdict::Force,
    }
}

/// The budgets that speak for a pod.
pub fn budgets_of<'a>(pod: &Pod, budgets: &'a [PodDisruptionBudget]) -> Vec<&'a PodDisruptionBudget> {
    let none = BTreeMap::new();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&none);
    budgets
        .iter()
        .filter(|b| b.metadata.namespace == pod.metadata.namespace)
        .filter(|b| b.spec.as_ref().and_then(|s| s.selector.as_ref()).is_some_and(|s| selects(s, labels)))
        .collect()
}

/// What is said of a pod whose eviction was refused, or that does not go away; `answer` is what the server said.
pub fn blocker(
    pod: &Pod,
    budgets: &[PodDisruptionBudget],
    answer: Option<&str>,
    now: Timestamp,
) -> Option<DrainBlocker> {
    let matching = budgets_of(pod, budgets);
    let message = match (answer, matching.as_slice()) {
        (Some(_), [_, _, ..]) => {
            format!("{} budgets select it, and the API server evicts no such pod: let one of them go", matching.len())
        }
        (Some(_), [budget]) => refusal(budget),
        (Some(answer), []) => answer.to_owned(),
        (None, _) => stuck(pod, now)?,
    };
    let named = matching.first().filter(|_| answer.is_some());
    Some(DrainBlocker {
        pod: key(pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref()),
        pdb: named.map(|b| key(b.metadata.namespace.as_deref(), b.metadata.name.as_deref())),
        disruptions_allowed: named.and_then(|b| b.status.as_ref()).map(|s| s.disruptions_allowed),
        message,
        since: Some(Time(now)),
    })
}

/// Keeps the time since when a pod has been in the way.
pub fn carry_since(mut next: Vec<DrainBlocker>, last: &[DrainBlocker]) -> Vec<DrainBlocker> {
    for blocker in &mut next {
        if let Some(before) = last.iter().find(|b| b.pod == blocker.pod) {
            blocker.since.clone_from(&before.since);
        }
    }
    next.sort_by(|a, b| a.pod.cmp(&b.pod));
    next
}

fn refusal(budget: &PodDisruptionBudget) -> String {
    let name = budget.metadata.name.as_deref().unwrap_or_default();
    let Some(status) = budget.status.as_ref() else { return format!("budget {name} was not looked at yet") };
    let numbers =
        format!("needs {}, has {} of {}", status.desired_healthy, status.current_healthy, status.expected_pods);
    if status.expected_pods > 0 && status.desired_healthy >= status.expected_pods {
        format!("budget {name} {numbers}: it can never be satisfied; add a replica or lower the budget")
    } else if status.current_healthy < status.desired_healthy {
        format!("budget {name} {numbers}: pods of it are unhealthy; mend them, or allow their eviction")
    } else {
        format!("budget {name} {numbers}: waits until another pod of it is healthy")
    }
}

/// A pod that is past its grace period by a good while.
fn stuck(pod: &Pod, now: Timestamp) -> Option<String> {
    let end_of_grace = pod.metadata.deletion_timestamp.as_ref()?.0;
    let late = now.as_second() - end_of_grace.as_second();
    (late > STUCK_AFTER_SECS).then(|| match pod.metadata.finalizers.as_deref() {
        Some([first, ..]) => format!("terminating for {late}s past its grace: finalizer {first} is not removed"),
        _ => format!("terminating for {late}s past its grace: does the kubelet answer, do its volumes unmount?"),
    })
}

fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(k, v)| labels.get(k) == Some(v));
    equal
        && selector.match_expressions.iter().flatten().all(|e| {
            let value = labels.get(&e.key);
            let among = value.is_some_and(|v| e.values.iter().flatten().any(|w| w == v));
            match e.operator.as_str() {
                "In" => among,
                "NotIn" => !among,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// `namespace/name`.
pub fn key(namespace: Option<&str>, name: Option<&str>) -> String {
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(value: Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    fn budget(name: &str, app: &str, needs: i32, has: i32, of: i32) -> PodDisruptionBudget {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"disruptionsAllowed": 0, "desiredHealthy": needs, "currentHealthy": has, "expectedPods": of},
        }))
        .unwrap()
    }

    #[test]
    fn which_pods_hold_a_node() {
        let check = |value, expected| assert_eq!(classify(&pod(value)), expected);
        let owner =
            |kind: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u", "controller": true}]);
        check(json!({"metadata": {}}), Treatment::Evict);
        check(json!({"metadata": {"ownerReferences": owner("ReplicaSet")}}), Treatment::Evict);
        check(json!({"metadata": {"ownerReferences": owner("DaemonSet")}}), Treatment::DaemonSet);
        let finished = json!({"metadata": {"ownerReferences": owner("DaemonSet")}, "status": {"phase": "Failed"}});
        check(finished, Treatment::Evict);
        check(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}), Treatment::Mirror);
        check(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), Treatment::Terminating);
    }

    #[test]
    fn done_is_empty_and_still_cordoned_and_the_deadline_has_a_policy() {
        use DrainTimeoutAction::{Force, Skip, Wait};
        let at = |second| Timestamp::from_second(second).unwrap();
        let drain = DrainStatus {
            operation: String::new(),
            run: 1,
            node: crate::api::NodeReference::default(),
            started_at: Time(at(0)),
            deadline: Time(at(100)),
            pods_total: 0,
            pods_left: 0,
            blockers: Vec::new(),
            completed_at: None,
            skipped_at: None,
        };
        let check = |left, cordoned, policy, now, expected| {
            assert_eq!(verdict(&drain, left, cordoned, policy, at(now)), expected);
        };
        check(0, true, Skip, 10, Verdict::Done);
        check(0, false, Skip, 10, Verdict::Continue);
        check(1, true, Skip, 99, Verdict::Continue);
        check(1, true, Skip, 100, Verdict::Skip);
        check(1, true, Wait, 100, Verdict::Continue);
        check(1, true, Force, 100, Verdict::Force);
        check(0, true, Skip, 500, Verdict::Done);
        check(0, false, Wait, 500, Verdict::Continue);
    }

    #[test]
    fn a_blocker_names_the_budget_and_says_whether_it_can_ever_give_way() {
        let db = pod(json!({"metadata": {"name": "db-0", "namespace": "shop", "labels": {"app": "db"}}}));
        let now = Timestamp::from_second(1).unwrap();
        let said = |budgets: &[PodDisruptionBudget]| blocker(&db, budgets, Some("no"), now).unwrap();
        let one = said(&[budget("db", "db", 1, 1, 1), budget("web", "web", 1, 1, 1)]);
        assert_eq!(
            (one.pod.as_str(), one.pdb.as_deref(), one.disruptions_allowed),
            ("shop/db-0", Some("shop/db"), Some(0))
        );
        assert!(one.message.contains("never be satisfied"), "{}", one.message);
        assert!(said(&[budget("db", "db", 2, 1, 3)]).message.contains("unhealthy"));
        assert!(said(&[budget("db", "db", 2, 2, 3)]).message.contains("another pod"));
        assert!(said(&[budget("a", "db", 1, 1, 2), budget("b", "db", 1, 1, 2)]).message.starts_with("2 budgets"));
        assert_eq!(said(&[]).message, "no");
        assert_eq!(blocker(&db, &[], None, now), None);
    }

    #[test]
    fn a_pod_that_does_not_die_is_a_blocker_too() {
        let value = json!({"metadata": {"name": "p", "namespace": "x", "finalizers": ["a/b"], "deletionTimestamp": "1970-01-01T00:00:10Z"}});
        let at = |second| blocker(&pod(value.clone()), &[], None, Timestamp::from_second(second).unwrap());
        assert_eq!(at(60), None);
        assert!(at(71).unwrap().message.contains("finalizer a/b"));
    }

    #[test]
    fn since_is_kept_as_long_as_the_pod_is_in_the_way() {
        let blocker = |pod: &str, second| DrainBlocker {
            pod: pod.to_owned(),
            since: Some(Time(Timestamp::from_second(second).unwrap())),
            ..DrainBlocker::default()
        };
        let carried = carry_since(vec![blocker("b", 9), blocker("a", 9)], &[blocker("a", 1)]);
        assert_eq!(carried, [blocker("a", 1), blocker("b", 9)]);
    }
}
