//! PodDisruptionBudgets: how many pods may go now, and the status that says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    ApiServer,
    object::{Key, Object, text},
    refusal::Refusal,
    selector,
    strategy::Part,
    writing::{self, Write},
};

const BUDGETS: &str = "poddisruptionbudgets.policy";
/// Changes of pods within this time become one change of a status.
const COALESCE: Duration = Duration::from_millis(50);

/// A budget against the pods of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    pub name: String,
    pub expected: i64,
    pub current_healthy: i64,
    pub desired_healthy: i64,
    pub always_allow_unhealthy: bool,
}

impl Budget {
    /// Compares what a budget asks for with the pods that it covers and the number that their owners want.
    pub fn of(budget: &Value, pods: &[Value], wanted: i64) -> Self {
        let spec = &budget["spec"];
        let (expected, desired) = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
            (Value::Null, most) if !most.is_null() => (wanted, wanted - share(most, wanted)),
            (least @ Value::String(_), _) => (wanted, share(least, wanted)),
            (least, _) => (pods.len() as i64, least.as_i64().unwrap_or_default()),
        };
        Self {
            name: text(&budget["metadata"]["name"]).to_owned(),
            expected,
            current_healthy: pods.iter().filter(|pod| is_healthy(pod)).count() as i64,
            desired_healthy: desired.max(0),
            always_allow_unhealthy: spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow",
        }
    }

    pub fn disruptions_allowed(&self) -> i64 {
        if self.expected <= 0 { 0 } else { (self.current_healthy - self.desired_healthy).max(0) }
    }

    fn status(&self, generation: &Value) -> Value {
        json!({
            "currentHealthy": self.current_healthy,
            "desiredHealthy": self.desired_healthy,
            "disruptionsAllowed": self.disruptions_allowed(),
            "expectedPods": self.expected,
            "observedGeneration": generation,
        })
    }
}

/// A number, or a share of a number, rounded up as Kubernetes does.
fn share(value: &Value, of: i64) -> i64 {
    match value {
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or_default();
            (of * percent + 99).div_euclid(100)
        }
        number => number.as_i64().unwrap_or_default(),
    }
}

/// Ready, and not going.
pub fn is_healthy(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
    ready && !pod["metadata"]["deletionTimestamp"].is_string()
}

/// The budgets that cover a pod.
pub fn covering(server: &ApiServer, pod: &Object) -> Vec<Budget> {
    let namespace = Some(&*pod.key.namespace);
    let (budgets, _) = server.store().list(BUDGETS, namespace, None);
    let value = pod.value();
    let budgets = budgets.iter().map(|budget| budget.value());
    budgets
        .filter(|budget| selector::selects(&budget["spec"]["selector"], &value["metadata"]["labels"]))
        .map(|budget| look(server, &budget))
        .collect()
}

/// Reads the pods that a budget covers.
fn look(server: &ApiServer, budget: &Value) -> Budget {
    let namespace = text(&budget["metadata"]["namespace"]);
    let (pods, _) = server.store().list("pods", Some(namespace), None);
    let covered = |pod: &Value| selector::selects(&budget["spec"]["selector"], &pod["metadata"]["labels"]);
    let over = |pod: &Value| matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed");
    let pods: Vec<Value> = pods.iter().map(|pod| pod.value()).filter(|pod| covered(pod) && !over(pod)).collect();
    let wanted = wanted(server, namespace, &pods);
    Budget::of(budget, &pods, wanted)
}

/// How many pods there should be: what their owners want, and one for each pod without a known owner.
fn wanted(server: &ApiServer, namespace: &str, pods: &[Value]) -> i64 {
    let mut owners: BTreeMap<&str, i64> = BTreeMap::new();
    for pod in pods {
        let owner =
            pod["metadata"]["ownerReferences"].as_array().into_iter().flatten().find(|o| o["controller"] == true);
        let replicas = owner.and_then(|owner| {
            let collection = match text(&owner["kind"]) {
                "ReplicaSet" => "replicasets.apps",
                "StatefulSet" => "statefulsets.apps",
                "Deployment" => "deployments.apps",
                _ => return None,
            };
            let found = server.store().read(collection, &Key::new(namespace, text(&owner["name"])))?;
            Some((text(&owner["uid"]), found.value()["spec"]["replicas"].as_i64().unwrap_or(1)))
        });
        match replicas {
            Some((uid, replicas)) => *owners.entry(uid).or_default() = replicas,
            None => *owners.entry("").or_default() += 1,
        }
    }
    owners.values().sum()
}

/// Keeps the status of every budget true, until it is dropped.
pub async fn run(server: ApiServer) {
    let mut budgets = server.store().news(BUDGETS);
    let mut pods = server.store().news("pods");
    loop {
        budgets.borrow_and_update();
        pods.borrow_and_update();
        refresh(&server).await;
        tokio::select! {
            _ = budgets.changed() => {}
            _ = pods.changed() => {}
        }
        tokio::time::sleep(COALESCE).await;
    }
}

async fn refresh(server: &ApiServer) {
    let (budgets, _) = server.store().list(BUDGETS, None, None);
    let mut seen = BTreeSet::new();
    for object in budgets.iter().filter(|object| seen.insert(object.key.clone())) {
        let budget = object.value();
        let status = look(server, &budget).status(&budget["metadata"]["generation"]);
        let differs = status.as_object().into_iter().flatten().any(|(key, value)| budget["status"][key] != *value);
        if let Err(refusal) = if differs { write(server, &object.key, &status).await } else { Ok(()) } {
            tracing::debug!(%refusal, "cannot write the status of a budget");
        }
    }
}

async fn write(server: &ApiServer, key: &Key, status: &Value) -> Result<(), Refusal> {
    let kinds = server.kinds().clone();
    let kind = kinds.find("policy", "v1", "poddisruptionbudgets").expect("it is built in");
    let write = Write { part: Part::Status, ..Write::internal() };
    let change = |old: &Value| {
        let mut new = old.clone();
        for (key, value) in status.as_object().into_iter().flatten() {
            new["status"][key] = value.clone();
        }
        Ok(new)
    };
    match writing::modify(server, kind, key, &write, &mut Vec::new(), change).await {
        Err(refusal) if refusal.code != 404 => Err(refusal),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Budget;

    /// `spec`, how many pods are healthy of how many, how many are wanted → healthy ones needed and disruptions allowed.
    #[track_caller]
    fn check(spec: &Value, (healthy, pods): (usize, usize), wanted: i64, expected: (i64, i64)) {
        let pod = |ready: bool| json!({"status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
        let pods: Vec<Value> = (0..pods).map(|n| pod(n < healthy)).collect();
        let budget = Budget::of(&json!({"spec": spec}), &pods, wanted);
        assert_eq!((budget.desired_healthy, budget.disruptions_allowed()), expected);
    }

    #[test]
    fn budgets() {
        check(&json!({"minAvailable": 2}), (3, 3), 3, (2, 1));
        check(&json!({"minAvailable": 2}), (2, 3), 3, (2, 0));
        check(&json!({"minAvailable": "50%"}), (3, 3), 3, (2, 1));
        check(&json!({"maxUnavailable": 1}), (3, 3), 3, (2, 1));
        check(&json!({"maxUnavailable": 1}), (2, 3), 3, (2, 0));
        check(&json!({"maxUnavailable": "30%"}), (10, 10), 10, (7, 3));
        check(&json!({"maxUnavailable": 0}), (3, 3), 3, (3, 0));
        check(&json!({"maxUnavailable": 1}), (2, 2), 3, (2, 0));
        check(&json!({"maxUnavailable": 1}), (0, 0), 0, (0, 0));
    }
}
