//! PodDisruptionBudgets: how many pods may go now, and the status that says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    ApiServer,
    object::{Key, Object, text},
    refusal::Refusal,
    selector,
    store::Event,
    strategy::Part,
    writing::{self, Write},
};

const BUDGETS: &str = "poddisruptionbudgets.policy";
/// Changes of pods within this time become one change of a status.
const COALESCE: Duration = Duration::from_millis(50);
/// More changes at once than these, and everything is looked at anew.
const AT_ONCE: usize = 1000;
/// The condition of a budget.
const ALLOWED: &str = "DisruptionAllowed";

/// A budget against the pods of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    pub name: String,
    pub expected: i64,
    pub current_healthy: i64,
    pub desired_healthy: i64,
    pub always_allow_unhealthy: bool,
    /// Why it cannot be worked out how many pods there should be; then none may go.
    pub failure: Option<String>,
}

impl Budget {
    /// Compares what a budget asks for with the pods that it covers and the number that their owners want.
    pub fn of(budget: &Value, pods: &[Value], wanted: Result<i64, String>) -> Self {
        let spec = &budget["spec"];
        let known = wanted.as_ref().copied().unwrap_or_default();
        let (expected, desired, asks_owners) = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
            (Value::Null, most) if !most.is_null() => (known, known - share(most, known), true),
            (least @ Value::String(_), _) => (known, share(least, known), true),
            (least, _) => (pods.len() as i64, least.as_i64().unwrap_or_default(), false),
        };
        Self {
            name: text(&budget["metadata"]["name"]).to_owned(),
            expected,
            current_healthy: pods.iter().filter(|pod| is_healthy(pod)).count() as i64,
            desired_healthy: desired.max(0),
            always_allow_unhealthy: spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow",
            failure: wanted.err().filter(|_| asks_owners),
        }
    }

    pub fn disruptions_allowed(&self) -> i64 {
        if self.expected <= 0 { 0 } else { (self.current_healthy - self.desired_healthy).max(0) }
    }

    /// The status that a disruption controller would write over this one.
    fn status(&self, budget: &Value, now: &str) -> Value {
        let (old, generation) = (&budget["status"], &budget["metadata"]["generation"]);
        let (status, reason) = match (&self.failure, self.disruptions_allowed()) {
            (Some(_), _) => ("False", "SyncFailed"),
            (None, 0) => ("False", "InsufficientPods"),
            (None, _) => ("True", "SufficientPods"),
        };
        let before =
            old["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == ALLOWED && c["status"] == status);
        let condition = json!({
            "type": ALLOWED,
            "status": status,
            "reason": reason,
            "message": self.failure.as_deref().unwrap_or_default(),
            "observedGeneration": generation,
            "lastTransitionTime": before.map_or(&json!(now), |c| &c["lastTransitionTime"]),
        });
        json!({
            "currentHealthy": self.current_healthy,
            "desiredHealthy": self.desired_healthy,
            "disruptionsAllowed": self.disruptions_allowed(),
            "expectedPods": self.expected,
            "observedGeneration": generation,
            "conditions": [condition],
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
    let budgets = budgets.iter().map(|budget| budget.value());
    budgets.filter(|budget| covers(budget, pod)).map(|budget| look(server, &budget)).collect()
}

/// Looks at labels only: the bytes of a pod are read where it is covered.
fn covers(budget: &Value, pod: &Object) -> bool {
    selector::selects(&budget["spec"]["selector"], pod)
}

/// Reads the pods that a budget covers.
fn look(server: &ApiServer, budget: &Value) -> Budget {
    let namespace = text(&budget["metadata"]["namespace"]);
    let (pods, _) = server.store().list("pods", Some(namespace), None);
    let over = |pod: &Value| matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed");
    let covered = pods.iter().filter(|pod| covers(budget, pod)).map(|pod| pod.value());
    let pods: Vec<Value> = covered.filter(|pod| !over(pod)).collect();
    let wanted = wanted(server, namespace, &pods);
    Budget::of(budget, &pods, wanted)
}

/// How many pods there should be: what their owners want. Pods without an owner add nothing.
fn wanted(server: &ApiServer, namespace: &str, pods: &[Value]) -> Result<i64, String> {
    let mut owners: BTreeMap<&str, i64> = BTreeMap::new();
    for pod in pods {
        let owners_of = pod["metadata"]["ownerReferences"].as_array();
        let Some(owner) = owners_of.into_iter().flatten().find(|o| o["controller"] == true) else { continue };
        if owners.contains_key(text(&owner["uid"])) {
            continue;
        }
        let scale = scale(server, namespace, owner);
        let scale =
            scale.ok_or_else(|| format!("found no controllers for pod {:?}", text(&pod["metadata"]["name"])))?;
        owners.insert(text(&owner["uid"]), scale);
    }
    Ok(owners.values().sum())
}

/// What the owner of a pod wants, if it is one that has a size.
fn scale(server: &ApiServer, namespace: &str, owner: &Value) -> Option<i64> {
    let collection = match text(&owner["kind"]) {
        "ReplicaSet" => "replicasets.apps",
        "StatefulSet" => "statefulsets.apps",
        "Deployment" => "deployments.apps",
        _ => return None,
    };
    let found = server.store().read(collection, &Key::new(namespace, text(&owner["name"])))?;
    (*found.index.uid == *text(&owner["uid"])).then(|| found.value()["spec"]["replicas"].as_i64().unwrap_or(1))
}

/// What has to be looked at again.
enum Touched {
    Everything,
    These { budgets: BTreeSet<Key>, pods: Vec<Arc<Object>> },
}

impl Touched {
    /// What changed after these revisions of budgets and pods, which are moved on.
    fn since(server: &ApiServer, budgets_seen: &mut u64, pods_seen: &mut u64) -> Self {
        let events = |collection: &str, seen: &mut u64| {
            let (events, complete) = server.store().events(collection, *seen, AT_ONCE).ok()?;
            let all = events.len() < AT_ONCE;
            *seen = complete;
            all.then_some(events)
        };
        let (budgets, pods) = (events(BUDGETS, budgets_seen), events("pods", pods_seen));
        let (Some(budgets), Some(pods)) = (budgets, pods) else {
            let now = server.store().revision();
            (*budgets_seen, *pods_seen) = (now, now);
            return Self::Everything;
        };
        // What a pod was before counts too: its labels may be others now.
        let both = |event: Arc<Event>| [Some(event.object.clone()), event.previous.clone()];
        Self::These {
            budgets: budgets.iter().map(|event| event.object.key.clone()).collect(),
            pods: pods.into_iter().flat_map(both).flatten().collect(),
        }
    }

    fn concerns(&self, key: &Key, budget: &Value) -> bool {
        match self {
            Self::Everything => true,
            Self::These { budgets, pods } => {
                budgets.contains(key)
                    || pods.iter().any(|pod| pod.key.namespace == key.namespace && covers(budget, pod))
            }
        }
    }
}

/// Keeps the status of every budget true, until it is dropped.
pub async fn run(server: ApiServer) {
    let mut budgets = server.store().news(BUDGETS);
    let mut pods = server.store().news("pods");
    let (mut budgets_seen, mut pods_seen) = (server.store().revision(), server.store().revision());
    let mut touched = Touched::Everything;
    loop {
        refresh(&server, &touched).await;
        tokio::select! {
            _ = budgets.changed() => {}
            _ = pods.changed() => {}
        }
        tokio::time::sleep(COALESCE).await;
        budgets.borrow_and_update();
        pods.borrow_and_update();
        touched = Touched::since(&server, &mut budgets_seen, &mut pods_seen);
    }
}

async fn refresh(server: &ApiServer, touched: &Touched) {
    let (budgets, _) = server.store().list(BUDGETS, None, None);
    let now = writing::now(server);
    for object in &budgets {
        let budget = object.value();
        if !touched.concerns(&object.key, &budget) {
            continue;
        }
        let status = look(server, &budget).status(&budget, &now);
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
        let budget = Budget::of(&json!({"spec": spec}), &pods, Ok(wanted));
        assert_eq!((budget.desired_healthy, budget.disruptions_allowed()), expected);
    }

    #[test]
    fn the_condition_says_since_when_and_why() {
        let spec = json!({"maxUnavailable": 1});
        let healthy = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let check = |pods: usize, wanted: Result<i64, String>, old: &serde_json::Value, now: &str, expected: &str| {
            let budget = json!({"metadata": {"generation": 1}, "spec": spec, "status": old});
            let status = Budget::of(&budget, &vec![healthy.clone(); pods], wanted).status(&budget, now);
            let c = &status["conditions"][0];
            let words = [&c["status"], &c["reason"], &c["message"], &c["lastTransitionTime"]];
            let words: Vec<_> = words.iter().filter_map(|w| w.as_str()).filter(|w| !w.is_empty()).collect();
            assert_eq!(words.join(" "), expected);
            status
        };
        let first = check(3, Ok(3), &json!(null), "t1", "True SufficientPods t1");
        let second = check(4, Ok(4), &first, "t2", "True SufficientPods t1");
        let third = check(2, Ok(3), &second, "t3", "False InsufficientPods t3");
        check(3, Err("found no controllers".to_owned()), &third, "t4", "False SyncFailed found no controllers t3");
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
