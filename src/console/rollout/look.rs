//! What a dialog looks at: the resources of one cluster as the planner wants them, and whether they are still the same.

use super::super::{message, standing};
use crate::{
    api::{Cluster, ClusterDeployment, Machine, NodePool, Operation, labels},
    fleet::{ClusterNode, Machines, Snapshot, Uid},
    plan::{
        lifecycle::{Change, Scene},
        version::Version,
    },
};
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// Idle machines that are handed to the planner; nobody reads further.
const CANDIDATES: usize = 2_000;

/// The resources of one cluster.
#[derive(Clone, Debug)]
pub struct Seen {
    pub deployment: Arc<ClusterDeployment>,
    cluster: Option<Arc<Cluster>>,
    pools: Vec<NodePool>,
    machines: Vec<Machine>,
    operations: Vec<Operation>,
    /// What it was made from.
    node: Arc<ClusterNode>,
    listed: Arc<[Arc<crate::fleet::OperationRow>]>,
}

impl Seen {
    /// `None` if the cluster is only named by others.
    pub fn of(node: &Arc<ClusterNode>, snapshot: &Snapshot) -> Option<Self> {
        let pools: Vec<NodePool> = node.pools.iter().filter_map(|p| p.row.resource.as_deref().cloned()).collect();
        let members = node.pools.iter().flat_map(|p| p.machines.iter());
        let context = node.row.uid.context;
        let idle = snapshot.idle(context).into_iter().flat_map(Machines::iter);
        let idle = idle.filter(|m| m.is_available()).take(CANDIDATES);
        // What was done elsewhere says how long it takes.
        let operations =
            snapshot.operations_in(context).iter().filter(|o| *o.cluster == *node.row.name || o.is_final());
        Some(Self {
            deployment: node.row.deployment.clone()?,
            cluster: node.row.resource.clone(),
            pools,
            machines: members.chain(idle).map(|m| m.to_machine()).collect(),
            operations: operations.map(|o| (*o.resource).clone()).collect(),
            node: node.clone(),
            listed: snapshot.operations.clone(),
        })
    }

    /// Nothing has changed since.
    pub fn is_of(&self, node: &Arc<ClusterNode>, snapshot: &Snapshot) -> bool {
        Arc::ptr_eq(&self.node, node) && Arc::ptr_eq(&self.listed, &snapshot.operations)
    }

    pub fn name(&self) -> &str {
        &self.node.row.name
    }

    pub fn scene(&self, now: Timestamp) -> Scene<'_> {
        Scene {
            deployment: &self.deployment,
            cluster: self.cluster.as_deref(),
            pools: &self.pools,
            machines: &self.machines,
            operations: &self.operations,
            now,
        }
    }

    /// What each change is bound to, in the order of the changes.
    pub fn targets(&self, changes: &[Change]) -> Vec<Target> {
        changes.iter().map(|change| self.target(change)).collect()
    }

    fn target(&self, change: &Change) -> Target {
        let kind = message::Kind::named(change.kind).expect("the planner writes kinds that the console knows");
        let same = |m: &kube::core::ObjectMeta| m.name.as_deref() == Some(&*change.name);
        let metadata = match kind {
            message::Kind::ClusterDeployment => Some(&self.deployment.metadata),
            message::Kind::NodePool => self.pools.iter().map(|p| &p.metadata).find(|m| same(m)),
            message::Kind::Machine => self.machines.iter().map(|m| &m.metadata).find(|m| same(m)),
            message::Kind::Operation => self.operations.iter().map(|o| &o.metadata).find(|m| same(m)),
        };
        Target(message::Target {
            context: self.node.row.uid.context,
            kind,
            namespace: self.deployment.metadata.namespace.clone().unwrap_or_default(),
            name: change.name.clone(),
            uid: change.uid.clone().unwrap_or_default(),
            resource_version: change.resource_version.clone().unwrap_or_default(),
            generation: metadata.and_then(|m| m.generation),
        })
    }

    /// The budgets of the cluster are known, and not which pods they are about.
    pub fn is_uncounted(&self) -> bool {
        let seen = self.cluster.as_ref().and_then(|c| c.status.as_ref()?.disruption.as_ref());
        seen.is_some_and(|seen| seen.pods_counted_at.is_none())
    }

    /// Rollouts of these pools that are not done.
    pub fn under_way(&self, pool: Option<&str>) -> Vec<String> {
        let mine = |p: &&NodePool| pool.is_none_or(|pool| p.metadata.name.as_deref() == Some(pool));
        let sentence = |p: &NodePool| {
            let rollout = p.status.as_ref()?.rollout.as_ref()?;
            let left = rollout.outdated - rollout.kept;
            let name = p.metadata.name.as_deref().unwrap_or_default();
            let to = rollout.version.as_deref().unwrap_or(&rollout.revision);
            let (done, total) = standing::done(rollout, p.spec.replicas);
            (left > 0 || rollout.in_flight > 0).then(|| {
                format!("{name} is under way to {to}: {done} of {total} done, {} in flight", rollout.in_flight)
            })
        };
        self.pools.iter().filter(mine).filter_map(sentence).collect()
    }
}

/// How many machines of the cluster, or of one pool, have which version.
pub fn versions(node: &ClusterNode, pool: Option<&str>) -> BTreeMap<Version, usize> {
    let mut versions = BTreeMap::new();
    let pools = node.pools.iter().filter(|p| pool.is_none_or(|pool| *p.row.name == *pool));
    for version in pools.flat_map(|p| p.machines.iter()).filter_map(|m| m.version()?.parse().ok()) {
        *versions.entry(version).or_default() += 1;
    }
    versions
}

/// What the deployment says is to be had, and is not below what is there.
pub fn offered(seen: &Seen, versions: &BTreeMap<Version, usize>) -> Vec<Version> {
    let least = versions.keys().next_back();
    let listed = seen.deployment.spec.artifacts.versions.iter().filter_map(|v| v.parse::<Version>().ok());
    let mut offered: Vec<Version> = listed.filter(|v| least.is_none_or(|least| v >= least)).collect();
    offered.sort();
    offered.dedup();
    offered
}

/// An object that would be written, as it was looked at.
#[derive(Clone, Debug)]
pub struct Target(message::Target);

impl Target {
    pub fn bind(&self, change: &Change) -> message::Change {
        message::Change { target: self.0.clone(), patch: change.patch.clone() }
    }

    /// What has become of it, if it is not what was looked at.
    pub fn difference(&self, node: &ClusterNode, snapshot: &Snapshot) -> Option<String> {
        let target = &self.0;
        let uid = &Uid::new(target.context, target.uid.as_str());
        let (generation, by) = match target.kind {
            message::Kind::ClusterDeployment => {
                let now = node
                    .row
                    .deployment
                    .as_ref()
                    .map(|d| &d.metadata)
                    .filter(|m| m.uid.as_deref() == Some(uid.as_str()));
                (now.map(|m| m.generation), now.and_then(requested_by))
            }
            message::Kind::NodePool => {
                let now = snapshot.pool(uid).and_then(|p| p.row.resource.as_ref()).map(|p| &p.metadata);
                (now.map(|m| m.generation), now.and_then(requested_by))
            }
            message::Kind::Machine => (snapshot.machine(uid).map(|m| m.generation), None),
            message::Kind::Operation => (snapshot.operation(uid).map(|o| o.resource.metadata.generation), None),
        };
        match generation {
            None => Some(format!("{} is gone", target.name)),
            Some(generation) if generation != target.generation => {
                Some(format!("{} was changed{}", target.name, by.map(|by| format!(" by {by}")).unwrap_or_default()))
            }
            Some(_) => None,
        }
    }
}

fn requested_by(metadata: &kube::core::ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(labels::REQUESTED_BY).map(String::as_str)
}
