//! The custom resources of group `quarterdeck.dev/v1alpha1`, and the words that they share: pure data, no IO, no clock.

mod cluster;
mod cluster_deployment;
mod condition;
mod disruption;
mod drain;
mod machine;
mod machine_set;
mod node_pool;
mod operation;
mod rollout;

pub mod labels;
pub mod look;
pub mod merge_patch;

pub use cluster::{Cluster, ClusterPhase, ClusterSpec, ClusterStatus, DeprecatedApi, NodeCounts};
pub use cluster_deployment::{
    ArtifactsSpec, ClusterDeployment, ClusterDeploymentSpec, ClusterDeploymentStatus, ExecutorSpec, HostKeyPolicy,
    JumpHost, MaintenanceWindow, PoolSpec, RunbookNames, SecretKeyReference, SshSpec,
};
pub use condition::{ConditionStatus, condition, condition_status, find_condition, set_condition};
pub use disruption::{BudgetOverlap, BudgetStanding, Disruption, NeverSatisfiable, NodeDisruption};
pub use drain::{BlockerKind, DrainBlocker, DrainDecision, DrainLoss, DrainStatus, LossKind};
pub use machine::{
    Capacity, ClaimReference, Machine, MachineSpec, MachineState, MachineStatus, Maintenance, NodeReference,
    NodeStatus, PhaseState, PhaseStatus,
};
pub use machine_set::{MachineSet, MachineSetSpec, MachineSetStatus};
pub use node_pool::{
    DeletionOrder, DrainPolicy, DrainTimeoutAction, EmptyDirData, NodePool, NodePoolSpec, NodePoolStatus, NodeTemplate,
    PoolPhase, PreviousRevision, Role, Taint, UnmanagedPods,
};
pub use operation::{
    Failure, FailureClass, MachineReference, Operation, OperationProgress, OperationSpec, OperationState,
    OperationStatus, OperationType, PhaseDuration,
};
pub use rollout::{
    BlueGreen, RemediationPolicy, RemediationStatus, RollingUpdate, RolloutPolicy, RolloutStatus, RolloutStrategy,
    StrategyType,
};

use kube::CustomResourceExt;

/// The API group of every kind here.
pub const GROUP: &str = "quarterdeck.dev";
/// The version of every kind here.
pub const VERSION: &str = "v1alpha1";

/// The definitions of all kinds, in the order in which they are printed and installed.
pub fn definitions() -> Vec<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>
{
    vec![ClusterDeployment::crd(), Cluster::crd(), NodePool::crd(), MachineSet::crd(), Machine::crd(), Operation::crd()]
}

/// The identity that a node reports for a machine: `quarterdeck://<machine uid>`.
///
/// Nodes and machines meet by this value only, never by name: matching by name deleted 60 % of a cluster's nodes in a
/// published incident (City Storage Systems, "Sev1").
pub fn provider_id(machine_uid: &str) -> String {
    format!("quarterdeck://{machine_uid}")
}
