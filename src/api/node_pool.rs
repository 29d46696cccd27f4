//! `NodePool`: a number of equal nodes of one cluster. To machine sets what a `Deployment` is to replica sets.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

use super::rollout::{RemediationPolicy, RemediationStatus, RolloutPolicy, RolloutStatus, StrategyType};

/// A number of equal nodes of one cluster.
#[derive(kube::CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "quarterdeck.dev",
    version = "v1alpha1",
    kind = "NodePool",
    plural = "nodepools",
    shortname = "np",
    namespaced,
    status = "NodePoolStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A number of equal nodes of one cluster.",
    category = "quarterdeck",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.clusterName"}"#,
    printcolumn = r#"{"name":"Role","type":"string","jsonPath":".spec.role"}"#,
    printcolumn = r#"{"name":"Desired","type":"integer","jsonPath":".spec.replicas"}"#,
    printcolumn = r#"{"name":"Replicas","type":"integer","jsonPath":".status.replicas"}"#,
    printcolumn = r#"{"name":"Ready","type":"integer","jsonPath":".status.readyReplicas"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.version"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.clusterName == oldSelf.clusterName").message("clusterName cannot be changed: make a new pool instead"))]
#[x_kube(validation = Rule::new("self.role != 'ControlPlane' || self.replicas > 0").message("a control plane needs at least one replica"))]
pub struct NodePoolSpec {
    /// The cluster that the pool belongs to.
    #[schemars(length(min = 1, max = 63))]
    pub cluster_name: String,
    /// What its nodes do.
    #[serde(default)]
    pub role: Role,
    /// How many nodes there should be.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: i32,
    /// Kubernetes version of the nodes; that of the cluster if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Labels that a machine must carry to be claimed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machine_selector: BTreeMap<String, String>,
    /// What nodes are made like; a change makes a new revision.
    #[serde(default)]
    pub template: NodeTemplate,
    /// Which machines leave first when the pool shrinks.
    #[serde(default)]
    pub deletion_order: DeletionOrder,
    /// How the pool gets from one revision to the next.
    #[serde(default)]
    pub rollout: RolloutPolicy,
    /// What is done about machines that fall ill by themselves; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<RemediationPolicy>,
    /// How nodes are emptied before they leave.
    #[serde(default)]
    pub drain: DrainPolicy,
    /// Most machines that one decision may remove without a person's approval; one, or 10 % of the pool if that is
    /// more, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub deletion_budget: Option<i32>,
    /// Stops everything.
    #[serde(default)]
    pub paused: bool,
    /// Stops only new disruption: work that is under way is finished.
    #[serde(default)]
    pub hold: bool,
}

impl NodePoolSpec {
    /// The way in which its machines change: what it says, else `InPlace` for a control plane and `RollingUpdate` for all
    /// others. Members that vote never stand twice side by side: they are replaced one by one.
    pub fn strategy(&self) -> StrategyType {
        match (self.role, self.rollout.strategy.type_) {
            (Role::Worker, None) => StrategyType::RollingUpdate,
            (Role::ControlPlane | Role::Etcd, None) => StrategyType::InPlace,
            (Role::ControlPlane | Role::Etcd, Some(StrategyType::BlueGreen)) => StrategyType::RollingUpdate,
            (_, Some(strategy)) => strategy,
        }
    }

    /// Digest of what its nodes are made like with this Kubernetes version: the name of a revision.
    pub fn revision(&self, version: Option<&str>) -> String {
        let mut made_like = serde_json::json!({ "template": self.template, "version": version });
        if let Some(after) = &self.rollout.after {
            made_like["after"] = serde_json::json!(after);
        }
        let digest = Sha256::digest(made_like.to_string());
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What the nodes of a pool do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    #[default]
    Worker,
    ControlPlane,
    Etcd,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "Worker",
            Self::ControlPlane => "ControlPlane",
            Self::Etcd => "Etcd",
        }
    }
}

/// What nodes are made like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeTemplate {
    /// Labels of the node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Taints of the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// A taint of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Which machines leave first. Before any order: those marked for deletion, then unhealthy ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionOrder {
    /// The ones claimed last.
    #[default]
    Newest,
    /// The ones claimed first.
    Oldest,
    /// By a digest of their identity: spread out, but the same at every look.
    Random,
}

/// How nodes are emptied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainPolicy {
    /// Seconds until `onTimeout` decides; 900 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub timeout_seconds: Option<i32>,
    #[serde(default)]
    pub on_timeout: DrainTimeoutAction,
    /// Whether pods may go that no controller brings back.
    #[serde(default)]
    pub unmanaged_pods: UnmanagedPods,
    /// Whether pods may go that keep data in an `emptyDir`.
    #[serde(default)]
    pub empty_dir_data: EmptyDirData,
    /// Seconds to wait, once the pods are gone, until their volumes are detached; then `onTimeout` decides. 300 by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub volume_detach_timeout_seconds: Option<i32>,
}

impl DrainPolicy {
    /// Seconds until `on_timeout` decides.
    pub fn timeout_seconds(&self) -> i64 {
        i64::from(self.timeout_seconds.unwrap_or(900))
    }

    /// Seconds until `on_timeout` decides about volumes that are not detached.
    pub fn volume_detach_timeout_seconds(&self) -> i64 {
        i64::from(self.volume_detach_timeout_seconds.unwrap_or(300))
    }
}

/// What happens to pods that no controller brings back.
///
/// As in Cluster API they go: a fleet is renewed without a person at every node. What is lost is foretold in the dialog
/// and recorded in `Machine.status.drain.losses` before the first pod is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnmanagedPods {
    #[default]
    Evict,
    /// They stand in the way until a person has looked after them.
    Block,
}

/// What happens to pods that keep data in an `emptyDir`; the default has the same reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EmptyDirData {
    #[default]
    Delete,
    /// They stand in the way until a person has looked after them.
    Block,
}

/// What happens when a drain is not done in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrainTimeoutAction {
    /// The node stays cordoned in quarantine, the operation goes on without it and says so.
    #[default]
    Skip,
    /// Go on trying.
    Wait,
    /// Delete what is left, past any budget, so that it is gone at the deadline: an explicit and recorded choice.
    Force,
}

/// What the controllers say of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolStatus {
    /// Machines that are claimed for the pool.
    #[serde(default)]
    pub replicas: i32,
    /// Machines whose node is Ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Machines of the current revision.
    #[serde(default)]
    pub updated_replicas: i32,
    /// Machines that should serve and do not, for whatever reason.
    #[serde(default)]
    pub unavailable_replicas: i32,
    /// Machines in state Failed.
    #[serde(default)]
    pub failed_replicas: i32,
    /// Selector of the pool's machines, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// A word for people; decisions read `conditions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PoolPhase>,
    /// Kubernetes version that nodes of the current revision are made with: that of the pool, or else of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the current revision's `MachineSet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_machine_set: Option<String>,
    /// The revision to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_revision: Option<PreviousRevision>,
    /// Where the rollout to the current revision stands, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// What is known of machines that fell ill by themselves, where there is a policy for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<RemediationStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Available`, `Ready`, `UpToDate`, `RollingOut`, `ScalingUp`, `ScalingDown`, `Remediating`, `Paused`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What machines were made like before the current revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousRevision {
    pub revision: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default)]
    pub template: NodeTemplate,
}

/// A word for people about a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolPhase {
    Ready,
    ScalingUp,
    ScalingDown,
    /// Machines give way to those of the current revision, or are upgraded.
    RollingOut,
    /// Something stands in the way: not enough machines, a budget, a failure; the conditions say what.
    Blocked,
    Degraded,
    Paused,
    Deleting,
}
