//! `Operation`: one run on some machines. Who asked, why, what was planned, how it goes: the audit trail.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run on some machines.
#[derive(kube::CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "quarterdeck.dev",
    version = "v1alpha1",
    kind = "Operation",
    plural = "operations",
    shortname = "op",
    namespaced,
    status = "OperationStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "One run on some machines: who asked, why, what was planned and how it goes.",
    category = "quarterdeck",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.clusterName"}"#,
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".spec.poolName"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Done","type":"integer","jsonPath":".status.progress.succeeded"}"#,
    printcolumn = r#"{"name":"Of","type":"integer","jsonPath":".status.progress.total"}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.progress.failed"}"#,
    printcolumn = r#"{"name":"By","type":"string","jsonPath":".spec.requestedBy"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".spec.reason","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type == oldSelf.type && self.machines == oldSelf.machines && self.runbook == oldSelf.runbook").message("an operation is a record: its type, machines and runbook cannot be changed"))]
pub struct OperationSpec {
    #[serde(rename = "type")]
    pub type_: OperationType,
    #[schemars(length(min = 1, max = 63))]
    pub cluster_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pool_name: Option<String>,
    /// The set that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub machine_set: Option<String>,
    /// The machines that it works on, bound to their identity.
    #[schemars(length(max = 1000))]
    pub machines: Vec<MachineReference>,
    /// Name of the runbook.
    #[schemars(length(max = 253))]
    pub runbook: String,
    /// Only these phases; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Replicas before and after, for people who read the trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_replicas: Option<i32>,
    /// The Kubernetes version that it brings machines to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// No new machine is begun while this is set.
    #[serde(default)]
    pub paused: bool,
    /// It ends before work on hosts begins, and nodes that it cordoned are given back. Too late once hosts are worked on:
    /// then it ends by itself.
    #[serde(default)]
    pub cancelled: bool,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationType {
    Install,
    #[default]
    ScaleUp,
    ScaleDown,
    Upgrade,
    Replace,
    Component,
    Addon,
    Verify,
    Reset,
    /// Empties nodes, which stay cordoned and in their cluster.
    Drain,
}

impl OperationType {
    /// Its machines leave their cluster.
    pub fn takes_away(self) -> bool {
        matches!(self, Self::ScaleDown | Self::Replace)
    }

    /// The nodes of its machines are emptied before work on hosts begins.
    pub fn drains(self) -> bool {
        self.takes_away() || matches!(self, Self::Upgrade | Self::Drain)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "Install",
            Self::ScaleUp => "ScaleUp",
            Self::ScaleDown => "ScaleDown",
            Self::Upgrade => "Upgrade",
            Self::Replace => "Replace",
            Self::Component => "Component",
            Self::Addon => "Addon",
            Self::Verify => "Verify",
            Self::Reset => "Reset",
            Self::Drain => "Drain",
        }
    }
}

/// A machine by name and identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineReference {
    #[schemars(length(max = 253))]
    pub name: String,
    #[schemars(length(max = 64))]
    pub uid: String,
}

/// How an operation goes. `progress`, `failures` and `phaseDurations` are written by the executor, the rest by the
/// operation controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<OperationState>,
    /// The Job that carries it out; the pod log is found through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// How often it was started: 1, and one more for each retry that a person asked for.
    #[serde(default)]
    pub run: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<OperationProgress>,
    /// What failed, machine by machine; the first fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// How long each phase took, over the machines: the history that estimates are made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phase_durations: Vec<PhaseDuration>,
    /// In one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The value of the retry annotation that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_retry: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Complete`, `Failed`, `Paused`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Anything that later kinds of operation want to record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationState {
    #[default]
    Pending,
    /// Nodes are being emptied before work on hosts begins.
    Draining,
    Running,
    Succeeded,
    /// Ended with at least one machine failed.
    Failed,
    Cancelled,
}

impl OperationState {
    /// Nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Draining => "Draining",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// Machines and steps, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationProgress {
    pub total: i32,
    pub running: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub steps_total: i32,
    pub steps_done: i32,
}

/// One machine's failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub machine: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    pub class: FailureClass,
    /// What happened and what to do next.
    pub message: String,
}

/// What kind of failure it was: it decides whether trying again can help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FailureClass {
    /// The host could not be reached, or the connection broke too often.
    #[default]
    Transport,
    /// Login or sudo was refused.
    Auth,
    /// The host key is unknown or has changed.
    HostKey,
    Timeout,
    /// A step ended with a status other than zero.
    Exit,
    /// A step ended well and its verification did not.
    Verify,
    /// A newer controller has taken over.
    Fenced,
    /// A step that must run only once has an unknown outcome: a person looks first.
    Unknown,
    /// The node could not be emptied in time.
    Drain,
}

/// How long a phase took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseDuration {
    pub phase: String,
    pub machines: i32,
    pub p50_milliseconds: i64,
    pub p95_milliseconds: i64,
}
