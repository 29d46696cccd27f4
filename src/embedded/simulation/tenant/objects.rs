//! The objects of a simulated business cluster, as JSON: nodes and their leases, workloads, pods' status.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{NodeTemplate, labels, provider_id},
    embedded::simulation::inventory::{CLASS, GPU_TAINT},
};

/// A machine as a node sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    pub machine: String,
    pub uid: String,
    pub address: String,
    pub version: String,
    pub template: NodeTemplate,
    /// Labels of the machine; some of them are those of its node too.
    pub labels: std::collections::BTreeMap<String, String>,
}

/// The node of a machine; its status is written apart.
pub fn node(member: &Member) -> Value {
    let mut all = json!({
        "kubernetes.io/hostname": member.machine,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        (labels::SIMULATED): "true",
    });
    if let Some(zone) = member.labels.get("zone") {
        all["topology.kubernetes.io/zone"] = json!(zone);
    }
    for (key, value) in &member.template.labels {
        all[key] = json!(value);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": member.machine, "labels": all},
        "spec": {"providerID": provider_id(&member.uid), "taints": member.template.taints},
    })
}

/// The status of a node: what it is, and whether it is ready.
pub fn node_status(member: &Member, ready: bool) -> Value {
    let gpu = member.labels.get(CLASS).is_some_and(|c| c == "gpu");
    let mut capacity = json!({"cpu": "16", "memory": "65536Mi", "pods": "110", "ephemeral-storage": "400Gi"});
    if gpu {
        capacity[GPU_TAINT] = json!("8");
    }
    json!({"status": {
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": [
            {"type": "InternalIP", "address": member.address},
            {"type": "Hostname", "address": member.machine},
        ],
        "nodeInfo": {
            "kubeletVersion": format!("v{}", member.version),
            "kubeProxyVersion": format!("v{}", member.version),
            "containerRuntimeVersion": "containerd://2.1.4",
            "osImage": "Debian GNU/Linux 12 (bookworm)",
            "kernelVersion": "6.1.0-28-amd64",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "machineID": member.uid,
            "systemUUID": member.uid,
            "bootID": format!("simulated-{}", member.machine),
        },
        "conditions": conditions(if ready { Readiness::Ready } else { Readiness::Starting }),
    }})
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Starting,
    Ready,
    Lost,
}

/// The conditions of a node that is so.
pub fn conditions(readiness: Readiness) -> Value {
    let now = Timestamp::now().to_string();
    let (status, reason, message) = match readiness {
        Readiness::Starting => {
            ("False", "KubeletNotReady", "container runtime network not ready: cni plugin not initialized")
        }
        Readiness::Ready => ("True", "KubeletReady", "kubelet is posting ready status"),
        Readiness::Lost => ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."),
    };
    let condition = |type_: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let pressure = if readiness == Readiness::Lost { "Unknown" } else { "False" };
    json!([
        condition("MemoryPressure", pressure, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        condition("DiskPressure", pressure, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("Ready", status, reason, message),
    ])
}

/// The lease by which a node says that it is alive.
pub fn lease(node: &str, uid: &str, seconds: u64) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": node,
            "namespace": "kube-node-lease",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}],
        },
        "spec": {"holderIdentity": node, "leaseDurationSeconds": seconds, "renewTime": renewed()},
    })
}

/// Now, as a lease writes it.
pub fn renewed() -> String {
    format!("{:.6}", Timestamp::now())
}

/// The status of a pod that runs; refused for another pod of the same name.
pub fn running(uid: &str, containers: &[(String, String)], pod_address: &str, ready: bool) -> Value {
    let now = Timestamp::now().to_string();
    let container = |(name, image): &(String, String)| {
        json!({
            "name": name, "image": image, "imageID": "", "ready": ready, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        })
    };
    json!({"metadata": {"uid": uid}, "status": {
        "phase": "Running",
        "startTime": now,
        "podIP": pod_address,
        "conditions": pod_conditions(ready),
        "containerStatuses": containers.iter().map(container).collect::<Vec<_>>(),
    }})
}

/// The status of a pod that has become ready, or is not any more.
pub fn pod_readiness(uid: &str, ready: bool) -> Value {
    json!({"metadata": {"uid": uid}, "status": {"conditions": pod_conditions(ready)}})
}

fn pod_conditions(ready: bool) -> Value {
    let now = Timestamp::now().to_string();
    let condition = |(type_, holds): (&str, bool)| {
        let status = if holds { "True" } else { "False" };
        json!({"type": type_, "status": status, "lastTransitionTime": now})
    };
    json!([("PodScheduled", true), ("Initialized", true), ("ContainersReady", ready), ("Ready", ready)].map(condition))
}

/// What changes in the status of a node whose kubelet was begun anew, of another version.
pub fn restarted(version: &str) -> Value {
    json!({"status": {
        "nodeInfo": {"kubeletVersion": format!("v{version}"), "kubeProxyVersion": format!("v{version}")},
        "conditions": conditions(Readiness::Starting),
    }})
}
