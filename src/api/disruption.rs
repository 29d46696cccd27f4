//! What disruption a cluster allows: the part of `Cluster.status` that a forecast is made from.
//!
//! Everything in it is bounded, and says how much was left out.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drain::DrainLoss;

/// Budgets of a cluster and, if somebody asked for them, the pods of its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disruption {
    /// The budgets that allow the least; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetStanding>,
    /// How many budgets there are.
    #[serde(default)]
    pub budgets_total: i32,
    /// How many of them can never be satisfied.
    #[serde(default)]
    pub never_satisfiable: i32,
    /// When pods were counted; absent if nobody has asked lately. Then `nodes`, `overlaps` and the nodes of budgets are
    /// empty because nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_counted_at: Option<Time>,
    /// What emptying each node would mean; the first five hundred nodes with pods that would have to leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeDisruption>,
    /// How many such nodes there are.
    #[serde(default)]
    pub nodes_total: i32,
    /// Pods that more than one budget selects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<BudgetOverlap>,
    /// Something was left out of the lists above, so that a forecast may be too good.
    #[serde(default)]
    pub truncated: bool,
}

/// How a `PodDisruptionBudget` stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStanding {
    /// `namespace/name`.
    pub name: String,
    /// What it asks for, as in `minAvailable 2` or `maxUnavailable 10%`.
    pub requires: String,
    /// Disruptions that it allows now.
    pub allowed: i32,
    /// Pods that are healthy, that have to be, and that there should be.
    pub healthy: i32,
    pub desired: i32,
    pub expected: i32,
    /// Why it will allow none however healthy its pods are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never: Option<NeverSatisfiable>,
    /// Pods that are not ready may always go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always_allow_unhealthy: bool,
    /// Since when it allows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// `Kind/name` of what its pods belong to, where that is one thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Healthy pods of it that would have to leave, by node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, i32>,
}

/// Why a budget allows no disruption, whatever the health of its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum NeverSatisfiable {
    /// `maxUnavailable` of 0, or `minAvailable` of 100 %.
    NothingMayGo,
    /// It needs as many as there are meant to be.
    NeedsAll,
    /// It needs the only one that there is meant to be.
    OnlyOne,
    /// Kubernetes cannot compute it: no controller says how many pods there should be.
    NotComputed,
}

/// What emptying one node would mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDisruption {
    pub name: String,
    /// Pods that would be asked to leave.
    pub leaving: i32,
    /// Pods that stay: of a `DaemonSet`, mirrors of files, those that ask to be left alone.
    #[serde(default)]
    pub staying: i32,
    /// Pods that ask to be waited for until they have completed.
    #[serde(default)]
    pub waited_for: i32,
    /// What would be lost; the first five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<DrainLoss>,
    /// Pods that nothing makes anew.
    #[serde(default)]
    pub unmanaged: i32,
    /// Pods with data in an `emptyDir`.
    #[serde(default)]
    pub empty_dir: i32,
    /// Pods with data in a local volume.
    #[serde(default)]
    pub local_volumes: i32,
}

/// Budgets that select the same pods, which Kubernetes therefore evicts never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetOverlap {
    /// `namespace/name` of each.
    pub budgets: Vec<String>,
    /// One of the pods, as `namespace/name`.
    pub pod: String,
    /// How many pods, by node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, i32>,
}
