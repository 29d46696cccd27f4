//! What runs in a simulated business cluster: a shop, some payments, models on accelerators, and what every cluster has.

use serde_json::{Value, json};

use crate::{api::labels, embedded::simulation::inventory::GPU_TAINT};

/// One thing that runs.
struct Workload {
    namespace: &'static str,
    name: &'static str,
    image: &'static str,
    replicas: usize,
    /// Its budget, as `spec` of a `PodDisruptionBudget` without the selector.
    budget: Option<Value>,
    tolerations: Value,
}

/// The namespaces that workloads live in.
pub const NAMESPACES: [&str; 3] = ["shop", "payments", "models"];

/// All objects of the workloads in a cluster with so many workers of each kind; owners come before what they own.
/// Replica sets are named after their deployments.
pub fn objects(general: usize, gpu: usize) -> Vec<Value> {
    let mut objects: Vec<Value> = NAMESPACES
        .iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .collect();
    for (name, image) in [
        ("kube-proxy", "registry.example.net/kube-proxy:v1.34.2"),
        ("calico-node", "registry.example.net/calico/node:v3.30.3"),
    ] {
        objects.push(daemon_set(name, image));
    }
    for workload in workloads(general, gpu) {
        objects.push(workload.deployment());
        objects.extend(workload.disruption_budget());
    }
    objects
}

fn workloads(general: usize, gpu: usize) -> Vec<Workload> {
    let plain = |namespace, name, image, replicas, budget| Workload {
        namespace,
        name,
        image,
        replicas,
        budget,
        tolerations: json!([]),
    };
    let mut all = vec![
        plain(
            "kube-system",
            "coredns",
            "registry.example.net/coredns/coredns:v1.12.1",
            2,
            Some(json!({"maxUnavailable": 1})),
        ),
        plain(
            "shop",
            "web",
            "registry.example.net/web:4.2.0",
            general.clamp(2, 200),
            Some(json!({"minAvailable": "60%"})),
        ),
        plain("shop", "basket", "registry.example.net/basket:1.9.3", (general / 2).clamp(2, 50), None),
        plain("payments", "ledger", "registry.example.net/ledger:7.0.1", 3, Some(json!({"maxUnavailable": 1}))),
    ];
    if gpu > 0 {
        let tolerations = json!([{"key": GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"}]);
        let budget = Some(json!({"maxUnavailable": 1}));
        let replicas = gpu.clamp(1, 100);
        let image = "registry.example.net/inference:2.3.0";
        all.push(Workload { namespace: "models", name: "inference", image, replicas, budget, tolerations });
    }
    all
}

impl Workload {
    fn deployment(&self) -> Value {
        let mut object = set("Deployment", self.namespace, self.name, self.image);
        object["spec"]["replicas"] = json!(self.replicas);
        object["spec"]["template"]["spec"]["tolerations"] = self.tolerations.clone();
        object
    }

    fn disruption_budget(&self) -> Option<Value> {
        let mut spec = self.budget.clone()?;
        spec["selector"] = json!({"matchLabels": {"app": self.name}});
        Some(json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": spec,
        }))
    }
}

/// The replica set of a deployment, as its controller would make it.
pub fn replica_set(deployment: &Value, uid: &str) -> Value {
    let name = &deployment["metadata"]["name"];
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": deployment["metadata"]["namespace"],
            "labels": deployment["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": uid, "controller": true,
            }],
        },
        "spec": deployment["spec"],
    })
}

fn daemon_set(name: &str, image: &str) -> Value {
    let mut object = set("DaemonSet", "kube-system", name, image);
    object["spec"]["template"]["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    object
}

fn set(kind: &str, namespace: &str, name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {(labels::SIMULATED): "true"}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": image}], "terminationGracePeriodSeconds": 30},
            },
        },
    })
}
