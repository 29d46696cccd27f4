//! What a `PodDisruptionBudget` allows, whether it ever will, and what would make it: read off the budget alone.

use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::{
        apis::meta::v1::{Condition, LabelSelector, Time},
        util::intstr::IntOrString,
    },
};
use std::collections::BTreeMap;

use crate::api::{BudgetStanding, NeverSatisfiable};

/// The condition of a budget that says since when.
const ALLOWED: &str = "DisruptionAllowed";
/// Its reason when no controller says how many pods there should be.
const SYNC_FAILED: &str = "SyncFailed";

/// How a budget stands, without its pods.
pub fn standing(budget: &PodDisruptionBudget) -> BudgetStanding {
    let status = budget.status.clone().unwrap_or_default();
    let condition = status.conditions.iter().flatten().find(|c| c.type_ == ALLOWED);
    let spec = budget.spec.clone().unwrap_or_default();
    BudgetStanding {
        name: key(budget.metadata.namespace.as_deref(), budget.metadata.name.as_deref()),
        requires: requirement(budget),
        allowed: status.disruptions_allowed,
        healthy: status.current_healthy,
        desired: status.desired_healthy,
        expected: status.expected_pods,
        never: never(budget, condition),
        always_allow_unhealthy: spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"),
        since: since(condition),
        owner: None,
        nodes: BTreeMap::new(),
    }
}

/// When it began to allow none.
fn since(condition: Option<&Condition>) -> Option<Time> {
    condition.filter(|c| c.status == "False").map(|c| c.last_transition_time.clone())
}

fn never(budget: &PodDisruptionBudget, condition: Option<&Condition>) -> Option<NeverSatisfiable> {
    let spec = budget.spec.as_ref()?;
    let is = |value: &Option<IntOrString>, words: [&str; 2]| value.as_ref().is_some_and(|v| words.contains(&&*text(v)));
    if is(&spec.max_unavailable, ["0", "0%"]) || is(&spec.min_available, ["100%", "100%"]) {
        return Some(NeverSatisfiable::NothingMayGo);
    }
    if condition.is_some_and(|c| c.status == "False" && c.reason == SYNC_FAILED) {
        return Some(NeverSatisfiable::NotComputed);
    }
    let status = budget.status.as_ref()?;
    match (status.expected_pods, status.desired_healthy) {
        (1, 1..) => Some(NeverSatisfiable::OnlyOne),
        (expected @ 2.., desired) if desired >= expected => Some(NeverSatisfiable::NeedsAll),
        _ => None,
    }
}

fn requirement(budget: &PodDisruptionBudget) -> String {
    match budget.spec.as_ref().map(|s| (s.min_available.as_ref(), s.max_unavailable.as_ref())) {
        Some((Some(least), _)) => format!("minAvailable {}", text(least)),
        Some((_, Some(most))) => format!("maxUnavailable {}", text(most)),
        _ => "minAvailable 1".to_owned(),
    }
}

fn text(value: &IntOrString) -> String {
    match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    }
}

/// Why it allows none, in one sentence; without the way out.
pub fn reason(budget: &BudgetStanding) -> String {
    let BudgetStanding { name, allowed, healthy, desired, expected, .. } = budget;
    let numbers = format!("PDB {name} allows {allowed} disruptions: it needs {desired} healthy of {expected}");
    match budget.never {
        Some(NeverSatisfiable::NothingMayGo) => format!("PDB {name} allows no disruption ever ({})", budget.requires),
        Some(NeverSatisfiable::NotComputed) => {
            format!("PDB {name} allows none: Kubernetes cannot compute how many pods there should be")
        }
        Some(NeverSatisfiable::NeedsAll | NeverSatisfiable::OnlyOne) => format!("{numbers}, which is all of them"),
        None if healthy < desired => format!("{numbers} and has {healthy}"),
        None if *allowed <= 0 => format!("{numbers} and has {healthy}: another pod has to be healthy first"),
        None => format!("{numbers} and has {healthy}"),
    }
}

/// What would make it allow one.
pub fn way_out(budget: &BudgetStanding, owner: Option<&str>) -> String {
    let unready = if budget.always_allow_unhealthy {
        ""
    } else {
        ", or set unhealthyPodEvictionPolicy AlwaysAllow if its pods are not ready"
    };
    match budget.never {
        Some(NeverSatisfiable::NothingMayGo) => match budget.requires.split_once(' ') {
            Some(("maxUnavailable", _)) => "raise its maxUnavailable to 1, or delete the pod by hand".to_owned(),
            _ => "lower its minAvailable, or delete the pod by hand".to_owned(),
        },
        Some(NeverSatisfiable::NotComputed) => {
            "use minAvailable with a number, or let a controller own the pods".to_owned()
        }
        _ if budget.healthy < budget.desired => format!("mend its pods that are not ready{unready}"),
        _ => match (replicas_needed(budget), owner) {
            (Some(n), Some(owner)) => format!("scale {owner} to {n} first{unready}"),
            (Some(n), None) => format!("have {n} pods of it first{unready}"),
            (None, _) => format!("lower what it requires ({}){unready}", budget.requires),
        },
    }
}

/// The number of pods with which it allows one to go; `None` if no number does.
pub fn replicas_needed(budget: &BudgetStanding) -> Option<i32> {
    let (word, value) = budget.requires.split_once(' ')?;
    let needs = |of: i32| -> Option<i32> {
        let number = value.strip_suffix('%').map_or_else(|| value.parse().ok(), |p| share(p.parse().ok()?, of));
        match word {
            "minAvailable" => number,
            _ => Some(of - number?),
        }
    };
    let most = budget.expected.max(1).checked_mul(2)?.max(budget.desired.checked_add(1)?);
    (budget.expected + 1..=most).find(|of| needs(*of).is_some_and(|n| n < *of))
}

/// A share of a number, rounded up as Kubernetes does.
fn share(percent: i32, of: i32) -> Option<i32> {
    i32::try_from((i64::from(of) * i64::from(percent) + 99).div_euclid(100)).ok()
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

/// `Kind/name` of the controller of a pod: the `Deployment` rather than its replica set, told from the hash in both.
pub fn owner(pod: &Pod) -> Option<String> {
    let owner = pod.metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true))?;
    let hash = pod.metadata.labels.as_ref().and_then(|l| l.get("pod-template-hash"));
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    Some(match deployment.filter(|_| owner.kind == "ReplicaSet") {
        Some(name) => format!("Deployment/{name}"),
        None => format!("{}/{}", owner.kind, owner.name),
    })
}

/// An owner whose number of pods a person can raise.
pub fn is_scalable(owner: &str) -> bool {
    let kind = owner.split('/').next().unwrap_or_default();
    matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController")
}

/// `namespace/name`.
pub fn key(namespace: Option<&str>, name: Option<&str>) -> String {
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `min=2`, `max=10%` and `needs/has/of` of a budget.
    fn budget(spec: &str, numbers: &str) -> PodDisruptionBudget {
        let (word, value) = spec.split_once('=').unwrap();
        let field = if word == "min" { "minAvailable" } else { "maxUnavailable" };
        let value = value.parse::<i32>().map_or_else(|_| json!(value), |n| json!(n));
        let [needs, has, of] = numbers.split('/').map(|n| n.parse::<i32>().unwrap()).collect::<Vec<_>>()[..] else {
            panic!("needs/has/of")
        };
        let allowed = if of > 0 { (has - needs).max(0) } else { 0 };
        serde_json::from_value(json!({
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {field: value, "selector": {"matchLabels": {"app": "db"}}},
            "status": {"disruptionsAllowed": allowed, "desiredHealthy": needs, "currentHealthy": has, "expectedPods": of},
        }))
        .unwrap()
    }

    #[test]
    fn which_budgets_can_never_be_satisfied() {
        use NeverSatisfiable::{NeedsAll, NothingMayGo, OnlyOne};
        let check = |spec, numbers, expected| assert_eq!(standing(&budget(spec, numbers)).never, expected, "{spec}");
        check("max=0", "3/3/3", Some(NothingMayGo));
        check("max=0%", "0/0/0", Some(NothingMayGo));
        check("min=100%", "3/3/3", Some(NothingMayGo));
        check("min=1", "1/1/1", Some(OnlyOne));
        check("min=50%", "1/1/1", Some(OnlyOne));
        check("min=3", "3/3/3", Some(NeedsAll));
        check("min=5", "5/3/3", Some(NeedsAll));
        check("min=2", "2/2/3", None);
        check("max=1", "2/1/3", None);
        check("min=2", "2/0/0", None);
    }

    #[test]
    fn a_budget_that_kubernetes_cannot_compute_says_so() {
        let mut failed = budget("max=1", "0/0/0");
        failed.status.as_mut().unwrap().conditions = serde_json::from_value(json!([{"type": "DisruptionAllowed",
            "status": "False", "reason": "SyncFailed", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]))
        .unwrap();
        let seen = standing(&failed);
        assert_eq!(seen.never, Some(NeverSatisfiable::NotComputed));
        assert_eq!(seen.since.unwrap().0.to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn how_many_pods_would_do() {
        let check = |spec, numbers, expected| assert_eq!(replicas_needed(&standing(&budget(spec, numbers))), expected);
        check("min=1", "1/1/1", Some(2));
        check("min=3", "3/3/3", Some(4));
        check("min=5", "5/3/3", Some(6));
        check("min=50%", "1/1/1", Some(2));
        check("min=90%", "5/5/5", Some(10));
        check("min=100%", "3/3/3", None);
        check("max=0", "3/3/3", None);
        check("max=1", "2/2/3", Some(4));
    }

    #[test]
    fn the_sentence_has_the_numbers_and_the_way_out() {
        let check = |spec, numbers, expected: &str| {
            let seen = standing(&budget(spec, numbers));
            assert_eq!(format!("{}: {}", reason(&seen), way_out(&seen, Some("StatefulSet/db"))), expected);
        };
        let unready = ", or set unhealthyPodEvictionPolicy AlwaysAllow if its pods are not ready";
        check(
            "min=1",
            "1/1/1",
            &format!(
                "PDB shop/db allows 0 disruptions: it needs 1 healthy of 1, which is all of them: scale StatefulSet/db to 2 first{unready}"
            ),
        );
        check(
            "max=0",
            "3/3/3",
            "PDB shop/db allows no disruption ever (maxUnavailable 0): raise its maxUnavailable to 1, or delete the pod by hand",
        );
        check(
            "min=2",
            "2/1/3",
            &format!(
                "PDB shop/db allows 0 disruptions: it needs 2 healthy of 3 and has 1: mend its pods that are not ready{unready}"
            ),
        );
    }

    #[test]
    fn a_pod_is_traced_to_what_can_be_scaled() {
        let check = |kind: &str, name: &str, hash: &str, expected: &str| {
            let pod: Pod = serde_json::from_value(json!({"metadata": {
                "labels": {"pod-template-hash": hash},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true}],
            }}))
            .unwrap();
            assert_eq!(owner(&pod).as_deref(), Some(expected));
        };
        check("ReplicaSet", "web-5d4c8", "5d4c8", "Deployment/web");
        check("ReplicaSet", "web", "5d4c8", "ReplicaSet/web");
        check("StatefulSet", "db", "", "StatefulSet/db");
        assert!(is_scalable("StatefulSet/db") && !is_scalable("Job/once"));
    }
}
