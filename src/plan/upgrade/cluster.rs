//! A cluster as the upgrade planner sees it: what is wanted, and which versions its machines have.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{Cluster, ClusterDeployment, Machine, NodePool, Role, StrategyType},
    plan::version::Version,
};

/// What the planner knows of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    pub name: String,
    /// The version that the deployment asks for.
    pub wanted: Version,
    /// The version that the API server reports, if it was asked.
    pub reported: Option<Version>,
    /// Versions that are to be had; anything is when empty.
    pub offered: BTreeSet<Version>,
    pub pools: Vec<PoolView>,
}

/// What the planner knows of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// Name of the `NodePool`.
    pub name: String,
    pub role: Role,
    /// A version of its own, in place of the cluster's.
    pub pinned: Option<Version>,
    pub in_place: bool,
    /// How many machines have which version.
    pub versions: BTreeMap<Version, i32>,
    /// Old machines that the policy keeps.
    pub partition: i32,
    /// Machines that leave, or that have no version yet, are under way.
    pub settled: bool,
}

impl PoolView {
    /// The version that the pool asks for.
    pub fn wanted<'a>(&'a self, cluster: &'a ClusterView) -> &'a Version {
        match &self.pinned {
            Some(pinned) if self.role == Role::Worker => pinned,
            _ => &cluster.wanted,
        }
    }

    pub fn lowest(&self) -> Option<&Version> {
        self.versions.keys().next()
    }

    pub fn highest(&self) -> Option<&Version> {
        self.versions.keys().next_back()
    }

    /// All machines that are not kept have this version.
    pub fn is_at(&self, version: &Version) -> bool {
        let behind: i32 = self.versions.range(..version).map(|(_, n)| *n).sum();
        behind <= self.partition
    }

    /// What a pool without machines gets: never more than its control plane has.
    pub(super) fn newcomers(&self, cluster: &ClusterView) -> Option<Version> {
        let wanted = self.wanted(cluster);
        match cluster.control_plane() {
            Some(now) if self.role == Role::Worker && now < *wanted => Some(now),
            _ => Some(wanted.clone()),
        }
    }
}

impl ClusterView {
    /// What is known of a cluster from its resources. `machines` may hold those of other clusters.
    ///
    /// `None` if the deployment's version is none; the API server lets none such through.
    pub fn of<'a>(
        deployment: &ClusterDeployment,
        cluster: Option<&Cluster>,
        pools: impl IntoIterator<Item = &'a NodePool>,
        machines: impl IntoIterator<Item = &'a Machine>,
    ) -> Option<Self> {
        let name = deployment.metadata.name.clone().unwrap_or_default();
        let reported = cluster.and_then(|c| c.status.as_ref()).and_then(|s| s.version.as_deref());
        let mut views: Vec<PoolView> =
            pools.into_iter().filter(|p| p.spec.cluster_name == name).map(PoolView::of).collect();
        let index: BTreeMap<String, usize> = views.iter().enumerate().map(|(i, p)| (p.name.clone(), i)).collect();
        for machine in machines {
            let Some(claim) = machine.spec.claim_ref.as_ref().filter(|c| c.cluster_name == name) else { continue };
            if let Some(view) = index.get(&claim.pool_name).map(|i| &mut views[*i]) {
                view.count(machine);
            }
        }
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Some(Self {
            wanted: deployment.spec.version.parse().ok()?,
            reported: reported.and_then(|v| v.parse().ok()),
            offered: deployment.spec.artifacts.versions.iter().filter_map(|v| v.parse().ok()).collect(),
            pools: views,
            name,
        })
    }

    /// The oldest version that a member of the control plane has: what kubelets may not be ahead of.
    pub fn control_plane(&self) -> Option<Version> {
        let managed = self.members().filter_map(PoolView::lowest).min().cloned();
        managed.or_else(|| self.reported.clone())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &PoolView> {
        self.pools.iter().filter(|p| p.role == Role::ControlPlane)
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = &PoolView> {
        self.pools.iter().filter(|p| p.role == Role::Worker)
    }
}

impl PoolView {
    fn of(pool: &NodePool) -> Self {
        Self {
            name: pool.metadata.name.clone().unwrap_or_default(),
            role: pool.spec.role,
            pinned: pool.spec.version.as_deref().and_then(|v| v.parse().ok()),
            in_place: pool.spec.strategy() == StrategyType::InPlace,
            versions: BTreeMap::new(),
            partition: pool.spec.rollout.partition(),
            settled: true,
        }
    }

    /// A machine has the version that its kubelet reports, or else the one that it was claimed for.
    fn count(&mut self, machine: &Machine) {
        let kubelet = machine.status.as_ref().and_then(|s| s.node.as_ref()).and_then(|n| n.kubelet_version.as_deref());
        let claimed = machine.spec.claim_ref.as_ref().and_then(|c| c.version.as_deref());
        match kubelet.or(claimed).and_then(|v| v.parse().ok()) {
            Some(version) => *self.versions.entry(version).or_default() += 1,
            None => self.settled = false,
        }
    }
}
