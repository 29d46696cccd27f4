//! What runs in a simulated business cluster: a shop, some payments, models on accelerators, and what every cluster has.
//! Most of it can be moved about; what cannot comes with a scenario.

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::READY_AFTER;
use crate::{api::labels, embedded::simulation::inventory::GPU_TAINT};

/// On a template: while a cluster is made, the first pod is ready only after so many seconds.
pub const AILING: &str = "quarterdeck.dev/simulated-ailing-seconds";

/// One thing that runs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Workload {
    pub namespace: String,
    pub name: String,
    pub kind: Kind,
    /// One of its own name when empty.
    pub image: String,
    pub replicas: usize,
    /// Its budgets, each as `spec` of a `PodDisruptionBudget` without the selector.
    pub budgets: Vec<Value>,
    pub tolerations: Vec<Value>,
    /// Its pods have a volume that goes with them.
    pub empty_dir: bool,
    /// Seconds from running to being ready.
    pub warm_up_seconds: u32,
    /// The first pod is not ready for so long.
    pub ailing_seconds: u32,
}

/// Who looks after its pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Kind {
    #[default]
    Deployment,
    StatefulSet,
    /// Nobody: a pod that somebody made by hand.
    Pod,
}

/// All objects of the workloads in a cluster of this version with so many workers of each kind; owners come before what
/// they own. Replica sets are named after their deployments.
pub fn objects(general: usize, gpu: usize, version: &str, more: &[Workload]) -> Vec<Value> {
    let all: Vec<Workload> = workloads(general, gpu).into_iter().chain(more.iter().cloned()).collect();
    let mut namespaces: Vec<&str> = all.iter().map(|w| w.namespace.as_str()).filter(|n| *n != "kube-system").collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let namespace = |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut objects: Vec<Value> = namespaces.into_iter().map(namespace).collect();
    let proxy = format!("registry.example.net/kube-proxy:v{version}");
    for (name, image) in [("kube-proxy", proxy.as_str()), ("calico-node", "registry.example.net/calico/node:v3.30.3")] {
        objects.push(daemon_set(name, image));
    }
    for workload in all {
        objects.push(workload.object());
        objects.extend(workload.disruption_budgets());
    }
    objects
}

fn workloads(general: usize, gpu: usize) -> Vec<Workload> {
    let plain = |namespace: &str, name: &str, version: &str, replicas| Workload {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        image: format!("registry.example.net/{name}:{version}"),
        replicas,
        ..Workload::default()
    };
    let one = || vec![json!({"maxUnavailable": 1})];
    let mut all = vec![
        Workload { budgets: one(), ..plain("kube-system", "coredns", "v1.12.1", 2) },
        Workload {
            budgets: vec![json!({"minAvailable": "60%"})],
            ..plain("shop", "web", "4.2.0", general.clamp(2, 200))
        },
        Workload { empty_dir: true, ..plain("shop", "basket", "1.9.3", (general / 2).clamp(2, 50)) },
        // What is evicted has to warm up before the next one may go.
        Workload { budgets: one(), warm_up_seconds: 8, ..plain("payments", "ledger", "7.0.1", 3) },
        Workload {
            kind: Kind::StatefulSet,
            budgets: one(),
            warm_up_seconds: 4,
            ..plain("shop", "sessions", "3.1.0", 2)
        },
        Workload { kind: Kind::Pod, ..plain("shop", "import-by-hand", "0.3.0", 1) },
    ];
    if gpu > 0 {
        all.push(Workload {
            budgets: one(),
            tolerations: vec![json!({"key": GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"})],
            ..plain("models", "inference", "2.3.0", gpu.clamp(1, 100))
        });
    }
    all
}

impl Workload {
    fn object(&self) -> Value {
        let image = match self.image.as_str() {
            "" => format!("registry.example.net/{}:1.0.0", self.name),
            image => image.to_owned(),
        };
        let mut spec = pod_spec(&self.name, &image);
        spec["tolerations"] = json!(self.tolerations);
        if self.empty_dir {
            spec["volumes"] = json!([{"name": "scratch", "emptyDir": {}}]);
        }
        match self.kind {
            Kind::Pod => {
                let mut metadata = metadata(self.namespace.as_str(), &self.name);
                metadata["labels"]["app"] = json!(self.name);
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
            }
            Kind::Deployment => self.set("Deployment", spec),
            Kind::StatefulSet => self.set("StatefulSet", spec),
        }
    }

    fn set(&self, kind: &str, spec: Value) -> Value {
        let mut object = set(kind, &self.namespace, &self.name, spec);
        object["spec"]["replicas"] = json!(self.replicas);
        if kind == "StatefulSet" {
            object["spec"]["serviceName"] = json!(self.name);
        }
        for (key, seconds) in [(READY_AFTER, self.warm_up_seconds), (AILING, self.ailing_seconds)] {
            if seconds > 0 {
                object["spec"]["template"]["metadata"]["annotations"][key] = json!(seconds.to_string());
            }
        }
        object
    }

    /// The first is named after the workload, others carry a number.
    fn disruption_budgets(&self) -> impl Iterator<Item = Value> {
        self.budgets.iter().enumerate().map(|(nth, spec)| {
            let name = if nth == 0 { self.name.clone() } else { format!("{}-{}", self.name, nth + 1) };
            let mut spec = spec.clone();
            spec["selector"] = json!({"matchLabels": {"app": self.name}});
            json!({
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": spec,
            })
        })
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
    let mut spec = pod_spec(name, image);
    spec["tolerations"] = json!([{"operator": "Exists"}]);
    set("DaemonSet", "kube-system", name, spec)
}

fn set(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata(namespace, name),
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    })
}

fn metadata(namespace: &str, name: &str) -> Value {
    json!({"name": name, "namespace": namespace, "labels": {(labels::SIMULATED): "true"}})
}

fn pod_spec(name: &str, image: &str) -> Value {
    json!({"containers": [{"name": name, "image": image}], "terminationGracePeriodSeconds": 30})
}
