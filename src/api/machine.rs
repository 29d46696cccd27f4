//! `Machine`: one host. It waits idle until a machine set claims it, becomes a node, and comes back when it is released.
//!
//! Each part of the status has one writer: the executor writes `phases`, the node-health controller `node`, the machine
//! controller `state`, `drain` and `conditions`. So merge patches of one never undo another.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

use super::drain::DrainStatus;

/// One host.
#[derive(kube::CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "quarterdeck.dev",
    version = "v1alpha1",
    kind = "Machine",
    plural = "machines",
    shortname = "ma",
    namespaced,
    status = "MachineStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "One host that is a node, or waits to become one.",
    category = "quarterdeck",
    selectable = ".spec.claimRef.clusterName",
    selectable = ".spec.claimRef.poolName",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.currentPhase"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.claimRef.clusterName"}"#,
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".spec.claimRef.poolName"}"#,
    printcolumn = r#"{"name":"Node","type":"string","jsonPath":".status.node.name"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.node.kubeletVersion"}"#,
    printcolumn = r#"{"name":"Address","type":"string","jsonPath":".spec.address","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(oldSelf.claimRef) || !has(self.claimRef) || self.claimRef.uid == oldSelf.claimRef.uid || (self.claimRef.clusterName == oldSelf.claimRef.clusterName && self.claimRef.poolName == oldSelf.claimRef.poolName)").message("the machine is claimed by another pool: it has to be released first"))]
pub struct MachineSpec {
    /// Where SSH reaches it: a name or an address.
    #[schemars(length(min = 1, max = 253))]
    pub address: String,
    /// SSH port; 22 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// User to log in as, where it differs from that of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// The set that it belongs to. Set only while empty, under the resourceVersion that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_ref: Option<ClaimReference>,
    /// A person wants its node cordoned, or drained as well, until this is taken away again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// Keeps an idle machine from being claimed, and stops every controller from acting on it.
    #[serde(default)]
    pub paused: bool,
}

impl MachineSpec {
    /// Port of sshd.
    pub fn port(&self) -> u16 {
        self.port.and_then(|p| u16::try_from(p).ok()).unwrap_or(22)
    }
}

/// What a person wants of the node of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    /// Not only cordoned: its pods are asked to leave, as budgets allow.
    #[serde(default)]
    pub drain: bool,
    /// Who wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// When it was asked for; another moment is another drain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// What the host offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Cores.
    #[serde(default)]
    pub cpu: i32,
    /// Memory in GiB.
    #[serde(default)]
    pub memory_gibibytes: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<i32>,
}

/// The set that a machine belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimReference {
    /// Name of the `MachineSet`.
    #[schemars(length(max = 253))]
    pub name: String,
    /// UID of the `MachineSet`.
    #[schemars(length(max = 64))]
    pub uid: String,
    #[schemars(length(max = 63))]
    pub cluster_name: String,
    #[schemars(length(max = 253))]
    pub pool_name: String,
    /// When it was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Time>,
    /// The revision of the pool that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub revision: Option<String>,
    /// The Kubernetes version that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
}

/// What is known of the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineStatus {
    /// Where it stands on its way; absent means that nobody has looked yet, which counts as `Idle` if unclaimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MachineState>,
    /// When `state` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_since: Option<Time>,
    /// Why it is in this state, for people: the failure, the blocker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The phase that runs, or the one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_phase: Option<String>,
    /// The operation that works on it, or last did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Phases of that operation, in order. Written by the executor only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseStatus>,
    /// What the business cluster says of its node. Written by the node-health controller only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeStatus>,
    /// The drain that is under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainStatus>,
    /// Facts gathered from the host: `os`, `kernel`, `arch`, `bootId`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `NodeHealthy`, `DrainBlocked`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Where a machine stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum MachineState {
    /// In the inventory, free to be claimed.
    #[default]
    Idle,
    /// Claimed; work on it has not begun.
    Claimed,
    /// Phases run on it.
    Provisioning,
    /// All phases are done; its node has not been Ready yet.
    Deployed,
    /// Its node is Ready.
    Ready,
    /// Its node was Ready and is not, or cannot be asked.
    NotReady,
    /// Its node is being emptied.
    Draining,
    /// It is emptied, and upgraded where it is.
    Updating,
    /// It is being reset.
    Releasing,
    /// A phase failed for good; a person decides.
    Failed,
}

impl MachineState {
    pub const ALL: [Self; 10] = [
        Self::Idle,
        Self::Claimed,
        Self::Provisioning,
        Self::Deployed,
        Self::Ready,
        Self::NotReady,
        Self::Draining,
        Self::Updating,
        Self::Releasing,
        Self::Failed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Claimed => "Claimed",
            Self::Provisioning => "Provisioning",
            Self::Deployed => "Deployed",
            Self::Ready => "Ready",
            Self::NotReady => "NotReady",
            Self::Draining => "Draining",
            Self::Updating => "Updating",
            Self::Releasing => "Releasing",
            Self::Failed => "Failed",
        }
    }

    /// How long a machine may stay here before we say that it is stuck.
    pub fn patience(self) -> Option<Duration> {
        match self {
            Self::Idle | Self::Ready | Self::Failed => None,
            Self::Claimed => Some(Duration::from_mins(5)),
            Self::Provisioning | Self::Draining | Self::Updating => Some(Duration::from_mins(30)),
            Self::Deployed | Self::Releasing => Some(Duration::from_mins(10)),
            Self::NotReady => Some(Duration::from_mins(5)),
        }
    }

    /// Something is being done to it now.
    pub fn is_moving(self) -> bool {
        matches!(
            self,
            Self::Claimed | Self::Provisioning | Self::Deployed | Self::Draining | Self::Updating | Self::Releasing
        )
    }
}

/// How one phase of a runbook went on one machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseStatus {
    pub name: String,
    #[serde(default)]
    pub state: PhaseState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Steps done, out of `steps`.
    #[serde(default)]
    pub steps_done: i32,
    #[serde(default)]
    pub steps: i32,
    /// The step that runs, or the one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The failure, in one sentence, or what keeps it from going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Where a phase stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PhaseState {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
    /// Nothing to do: not for this role.
    Skipped,
}

/// What the business cluster says of the machine's node, found by providerID.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `True`, `False` or `Unknown`, as the node's Ready condition; `Unknown` too when the cluster cannot be asked.
    pub ready: String,
    /// Reason of the condition, or why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default)]
    pub unschedulable: bool,
    /// What we cordoned it for; absent if a person did, or nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned_by: Option<String>,
    /// It carries our taint of nodes that are to give way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
    /// kubelet's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet_version: Option<String>,
    /// When `ready` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// A node by name and identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeReference {
    pub name: String,
    pub uid: String,
}
