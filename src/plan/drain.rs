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
    /// It stays: its DaemonSet would bring it back at once.
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
