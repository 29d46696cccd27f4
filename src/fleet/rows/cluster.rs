//! The row of a cluster: what the administrator wants (`ClusterDeployment`) and what was observed (`Cluster`).

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    api::{Cluster, ClusterDeployment, ClusterPhase, ConditionStatus, condition_status, find_condition, labels},
    fleet::{ContextId, Health, StateCounts, Uid},
};

/// One cluster. Clusters are few, so both resources are kept (without managed fields).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterRow {
    /// UID of the `ClusterDeployment`; of the `Cluster` if there is only that.
    pub uid: Uid,
    pub name: Arc<str>,
    pub phase: Option<ClusterPhase>,
    /// The version that its API server reports.
    pub version: Option<Arc<str>>,
    /// The version that it should have.
    pub wanted_version: Option<Arc<str>>,
    pub endpoint: Option<Arc<str>>,
    /// Nodes as the cluster itself counts them.
    pub nodes: usize,
    pub nodes_ready: usize,
    /// When the cluster last answered: the age of what is shown of it.
    pub last_probe_at: Option<Timestamp>,
    /// It answers: `None` if nobody has asked yet.
    pub reachable: Option<bool>,
    /// What is wrong with it, in one sentence.
    pub message: Option<Arc<str>>,
    pub paused: bool,
    pub production: bool,
    /// Its hosts are simulated: every screen that shows it says so.
    pub simulated: bool,
    /// `None`: only named by a pool or a machine.
    pub deployment: Option<Arc<ClusterDeployment>>,
    pub resource: Option<Arc<Cluster>>,
}

impl ClusterRow {
    /// One row of the two resources of that name, either of which may be missing.
    pub fn combine(
        context: ContextId,
        name: &Arc<str>,
        deployment: Option<Arc<ClusterDeployment>>,
        cluster: Option<Arc<Cluster>>,
    ) -> Self {
        let of_deployment = deployment.as_ref().map(|d| &d.metadata);
        let of_cluster = cluster.as_ref().map(|c| &c.metadata);
        let metadata = [of_deployment, of_cluster];
        let marked = |key: &str, value: &str| {
            metadata.iter().flatten().any(|m| {
                [m.labels.as_ref(), m.annotations.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|map| map.get(key).is_some_and(|v| value.is_empty() || v == value))
            })
        };
        let status = cluster.as_ref().and_then(|c| c.status.clone()).unwrap_or_default();
        let nodes = status.nodes.unwrap_or_default();
        let count = |n: i32| usize::try_from(n).unwrap_or(0);
        let uid = metadata.iter().flatten().find_map(|m| m.uid.as_deref());
        Self {
            uid: Uid::new(context, uid.map_or_else(|| format!("missing:{name}").into(), Arc::<str>::from)),
            name: name.clone(),
            phase: status.phase,
            version: status.version.as_deref().map(|v| v.trim_start_matches('v').into()),
            wanted_version: deployment.as_ref().map(|d| d.spec.version.as_str().into()),
            endpoint: status.endpoint.as_deref().map(Into::into),
            nodes: count(nodes.total),
            nodes_ready: count(nodes.ready),
            last_probe_at: status.last_probe_time.as_ref().map(|t| t.0),
            reachable: reachable(&status.conditions),
            message: cluster_message(&status.conditions, deployment.as_deref()).map(Into::into),
            paused: deployment.as_ref().is_some_and(|d| d.spec.paused),
            production: marked(labels::ENVIRONMENT, "production"),
            simulated: marked(labels::SIMULATED, ""),
            deployment,
            resource: cluster,
        }
    }

    /// How urgent the cluster is, its machines included.
    pub fn health(&self, machines: &StateCounts) -> Health {
        let own = match self.phase {
            Some(ClusterPhase::Unreachable | ClusterPhase::Degraded) => Health::Warning,
            _ if self.reachable == Some(false) => Health::Warning,
            Some(ClusterPhase::Pending | ClusterPhase::Deleting) => Health::Moving,
            _ => Health::Good,
        };
        own.min(machines.worst())
    }
}

type Conditions = [k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition];

fn reachable(conditions: &Conditions) -> Option<bool> {
    find_condition(conditions, "RemoteConnectionProbe")?;
    Some(condition_status(conditions, "RemoteConnectionProbe") == ConditionStatus::True)
}

fn cluster_message(conditions: &Conditions, deployment: Option<&ClusterDeployment>) -> Option<String> {
    let of_deployment = deployment.and_then(|d| d.status.as_ref()).map_or(&[][..], |s| &s.conditions);
    let said = |conditions: &Conditions, type_: &str| {
        find_condition(conditions, type_)
            .filter(|c| c.status != "True" && !c.message.is_empty())
            .map(|c| c.message.clone())
    };
    ["RemoteConnectionProbe", "Available", "NodesReady"]
        .into_iter()
        .find_map(|t| said(conditions, t))
        .or_else(|| said(of_deployment, "Ready"))
}
