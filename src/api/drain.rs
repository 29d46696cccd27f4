//! How emptying a node goes: what a `Machine` says of it while it is done and afterwards.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{machine::NodeReference, node_pool::DrainTimeoutAction};

/// How emptying a node goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainStatus {
    /// The operation that wants it.
    pub operation: String,
    /// The run of that operation; a retry drains anew.
    #[serde(default)]
    pub run: i32,
    /// The node that is emptied; another node of the same name is another node. Empty if there was none.
    pub node: NodeReference,
    pub started_at: Time,
    /// When `onTimeout` decides.
    pub deadline: Time,
    /// Pods that were there at the first look.
    #[serde(default)]
    pub pods_total: i32,
    /// Pods that are still there.
    #[serde(default)]
    pub pods_left: i32,
    /// What stands in the way now; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<DrainBlocker>,
    /// What goes for good with the pods of this node, as it was before the first of them was asked; the first fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<DrainLoss>,
    /// What a person chose for this drain, in place of the policy of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<DrainDecision>,
    /// The last pod was seen gone; its volumes may still be attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emptied_at: Option<Time>,
    /// The receipt: a live look saw no pod left and the node cordoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// The deadline passed and the node was left in quarantine: cordoned, not emptied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_at: Option<Time>,
}

impl DrainStatus {
    /// One that has just begun.
    pub fn new(operation: &str, run: i32, node: NodeReference, started_at: Time, deadline: Time) -> Self {
        Self {
            operation: operation.to_owned(),
            run,
            node,
            started_at,
            deadline,
            pods_total: 0,
            pods_left: 0,
            blockers: Vec::new(),
            losses: Vec::new(),
            choice: None,
            emptied_at: None,
            completed_at: None,
            skipped_at: None,
        }
    }
}

/// What a person decided about one drain, and who and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainDecision {
    pub choice: DrainTimeoutAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub at: Time,
}

/// One pod (or volume) that does not leave, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainBlocker {
    /// `namespace/name` of the pod; `volume/NAME` for a volume that is still attached.
    pub pod: String,
    /// Identity of the pod: another of its name was never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// What kind of thing stands in the way: it decides whether waiting can help.
    #[serde(default)]
    pub kind: BlockerKind,
    /// `namespace/name` of the budget that refuses, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdb: Option<String>,
    /// How many disruptions the budget allows now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruptions_allowed: Option<i32>,
    /// `Kind/name` of what the pod belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Why, in one sentence.
    pub message: String,
    /// What would help, in a few words; only where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Since when: the budget says since when it allows none, else when it was first in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// How often its eviction was refused. A pod with 0 was never asked.
    #[serde(default)]
    pub refused: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refused_at: Option<Time>,
}

/// What kind of thing stands in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum BlockerKind {
    /// A budget allows no disruption now; it will when another of its pods is healthy.
    #[default]
    Budget,
    /// A budget that allows none however healthy its pods are.
    NeverSatisfiable,
    /// More than one budget selects the pod: Kubernetes evicts no such pod.
    ManyBudgets,
    /// Our account may not evict it.
    Forbidden,
    /// Its namespace is on its way out, and takes it along.
    NamespaceTerminating,
    /// No controller would bring it back, and the policy of the pool does not agree to lose it.
    Unmanaged,
    /// It keeps data in an `emptyDir`, and the policy of the pool does not agree to lose it.
    EmptyDirData,
    /// It asks to be waited for until it has completed.
    WaitCompleted,
    /// It is past its grace period by a good while and still there.
    StuckTerminating,
    /// Its pod is gone; the volume is still attached to the node.
    VolumeAttached,
    /// The API server failed; it is asked again.
    ServerError,
}

impl BlockerKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "Budget",
            Self::NeverSatisfiable => "NeverSatisfiable",
            Self::ManyBudgets => "ManyBudgets",
            Self::Forbidden => "Forbidden",
            Self::NamespaceTerminating => "NamespaceTerminating",
            Self::Unmanaged => "Unmanaged",
            Self::EmptyDirData => "EmptyDirData",
            Self::WaitCompleted => "WaitCompleted",
            Self::StuckTerminating => "StuckTerminating",
            Self::VolumeAttached => "VolumeAttached",
            Self::ServerError => "ServerError",
        }
    }

    /// Waiting does not help: somebody has to change something.
    pub fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::NeverSatisfiable | Self::ManyBudgets | Self::Forbidden | Self::Unmanaged | Self::EmptyDirData
        )
    }
}

/// Something that does not come back on another node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainLoss {
    /// `namespace/name`.
    pub pod: String,
    pub kind: LossKind,
    /// Names of the volumes whose data goes; empty for the pod itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
}

/// What is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum LossKind {
    /// The pod itself: nothing makes it anew.
    #[default]
    Pod,
    /// What is in its `emptyDir` volumes.
    EmptyDir,
    /// What is in its local volumes: it stays on the host, which is reset.
    LocalVolume,
}
