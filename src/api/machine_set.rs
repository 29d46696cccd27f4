//! `MachineSet`: one revision of a pool, as a `ReplicaSet` is one revision of a `Deployment`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{
    node_pool::{DeletionOrder, NodeTemplate, Role},
    rollout::RolloutStatus,
};

/// One revision of a pool; owned by the `NodePool`.
#[derive(kube::CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "quarterdeck.dev",
    version = "v1alpha1",
    kind = "MachineSet",
    plural = "machinesets",
    shortname = "ms",
    namespaced,
    status = "MachineSetStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "One revision of a node pool.",
    category = "quarterdeck",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".spec.poolName"}"#,
    printcolumn = r#"{"name":"Desired","type":"integer","jsonPath":".spec.replicas"}"#,
    printcolumn = r#"{"name":"Replicas","type":"integer","jsonPath":".status.replicas"}"#,
    printcolumn = r#"{"name":"Ready","type":"integer","jsonPath":".status.readyReplicas"}"#,
    printcolumn = r#"{"name":"Revision","type":"string","jsonPath":".spec.revision","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.poolName == oldSelf.poolName && self.revision == oldSelf.revision").message("a set belongs to one revision of one pool for good"))]
pub struct MachineSetSpec {
    #[schemars(length(min = 1, max = 63))]
    pub cluster_name: String,
    #[schemars(length(min = 1, max = 253))]
    pub pool_name: String,
    /// Digest of what its nodes are made like.
    #[schemars(length(min = 1, max = 63))]
    pub revision: String,
    #[serde(default)]
    pub role: Role,
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machine_selector: BTreeMap<String, String>,
    #[serde(default)]
    pub template: NodeTemplate,
    #[serde(default)]
    pub deletion_order: DeletionOrder,
}

/// What the controller says of a set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineSetStatus {
    /// Machines claimed by this set.
    #[serde(default)]
    pub replicas: i32,
    #[serde(default)]
    pub ready_replicas: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The operation that is under way for this set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the rollout to this revision stands, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// `ScalingUp`, `ScalingDown`, each with the reason when it cannot go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
