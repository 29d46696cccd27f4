//! What is kept of nodes, pods and sets.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, ReplicaSet, StatefulSet},
        core::v1::{Node, Pod, PodTemplateSpec, Taint},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::ResourceExt;

/// On a simulated node: its kubelet does not run.
pub const KUBELET_STOPPED: &str = "quarterdeck.dev/simulated-kubelet-stopped";
/// On a simulated pod: it runs for so many seconds before it is ready.
pub const READY_AFTER: &str = "quarterdeck.dev/simulated-ready-after-seconds";
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeRow {
    pub revision: u64,
    pub ready: bool,
    pub schedulable: bool,
    pub kubelet: bool,
    /// Of the kubelet, without the `v`.
    pub version: String,
    pub control_plane: bool,
    /// Keys of its taints that keep pods away, and of those that only make it the last choice.
    pub taints: BTreeSet<String>,
    pub avoided: BTreeSet<String>,
    /// It was lost for so long that its pods are given up.
    pub abandoned: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRow {
    pub namespace: String,
    pub name: String,
    pub revision: u64,
    pub owner: Option<String>,
    pub node: Option<String>,
    pub running: bool,
    pub ready: bool,
    /// Seconds that it takes from running to being ready.
    pub ready_after_secs: u64,
    pub over: bool,
    /// It is being deleted, with this many seconds of grace.
    pub grace: Option<i64>,
    /// Keys of taints; an empty one stands for all.
    pub tolerates: BTreeSet<String>,
}

/// A set of pods.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRow {
    pub namespace: String,
    pub name: String,
    pub size: Size,
    pub owner: OwnerReference,
    pub template: PodTemplateSpec,
}

/// How many pods a set wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Replicas(usize),
    /// Of a stateful set: each has a number, and comes when those before it are ready.
    Ordinals(usize),
    EachNode,
}

impl NodeRow {
    pub fn of(node: &Node) -> Self {
        let taints = || node.spec.iter().flat_map(|s| s.taints.iter().flatten());
        let keys = |soft: bool| {
            let of = move |taint: &&Taint| (taint.effect == "PreferNoSchedule") == soft;
            taints().filter(of).map(|t| t.key.clone()).collect()
        };
        let info = node.status.as_ref().and_then(|s| s.node_info.as_ref());
        Self {
            revision: revision(&node.metadata),
            ready: node_ready(node).is_some_and(|status| status == "True"),
            schedulable: node.spec.as_ref().and_then(|s| s.unschedulable) != Some(true),
            kubelet: !node.annotations().contains_key(KUBELET_STOPPED),
            version: info.map(|i| i.kubelet_version.trim_start_matches('v').to_owned()).unwrap_or_default(),
            control_plane: node.labels().contains_key(CONTROL_PLANE),
            taints: keys(false),
            avoided: keys(true),
            abandoned: false,
        }
    }

    /// It can take pods now.
    pub fn is_open(&self) -> bool {
        self.ready && self.kubelet && self.schedulable
    }

    /// It takes the same pods as that other one.
    pub fn places_as(&self, other: &Self) -> bool {
        (self.is_open(), &self.taints, &self.avoided) == (other.is_open(), &other.taints, &other.avoided)
    }
}

impl PodRow {
    pub fn of(pod: &Pod) -> Self {
        let spec = pod.spec.as_ref();
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        let mut conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
        let tolerations = spec.iter().flat_map(|s| s.tolerations.iter().flatten());
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
        Self {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            revision: revision(&pod.metadata),
            owner: pod.owner_references().iter().find(|o| o.controller == Some(true)).map(|o| o.uid.clone()),
            node: spec.and_then(|s| s.node_name.clone()).filter(|n| !n.is_empty()),
            running: phase == "Running",
            ready: conditions.any(|c| c.type_ == "Ready" && c.status == "True"),
            ready_after_secs: pod.annotations().get(READY_AFTER).and_then(|s| s.parse().ok()).unwrap_or(0),
            over: matches!(phase, "Succeeded" | "Failed"),
            grace: pod.metadata.deletion_timestamp.as_ref().map(|_| grace),
            tolerates: tolerations.map(|t| t.key.clone().unwrap_or_default()).collect(),
        }
    }

    pub fn tolerates_all(&self) -> bool {
        self.tolerates.contains("")
    }

    pub fn tolerates(&self, taints: &BTreeSet<String>) -> bool {
        self.tolerates_all() || taints.is_subset(&self.tolerates)
    }
}

impl SetRow {
    pub fn of_replica_set(set: &ReplicaSet) -> Option<Self> {
        let spec = set.spec.as_ref()?;
        let size = Size::Replicas(spec.replicas.unwrap_or(1).max(0) as usize);
        Self::new("ReplicaSet", &set.metadata, size, spec.template.clone().unwrap_or_default())
    }

    pub fn of_stateful_set(set: &StatefulSet) -> Option<Self> {
        let spec = set.spec.as_ref()?;
        let size = Size::Ordinals(spec.replicas.unwrap_or(1).max(0) as usize);
        Self::new("StatefulSet", &set.metadata, size, spec.template.clone())
    }

    pub fn of_daemon_set(set: &DaemonSet) -> Option<Self> {
        Self::new("DaemonSet", &set.metadata, Size::EachNode, set.spec.as_ref()?.template.clone())
    }

    pub fn new(kind: &str, metadata: &ObjectMeta, size: Size, template: PodTemplateSpec) -> Option<Self> {
        let (name, uid) = (metadata.name.clone()?, metadata.uid.clone()?);
        let owner = OwnerReference {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            name: name.clone(),
            uid,
            controller: Some(true),
            block_owner_deletion: Some(true),
        };
        Some(Self { namespace: metadata.namespace.clone().unwrap_or_default(), name, size, owner, template })
    }
}

/// Status of the Ready condition.
pub fn node_ready(node: &Node) -> Option<&str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.status.as_str())
}

fn revision(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}
