//! Clusters and pools in the index: who belongs to whom, also when one of them is missing.

use super::{
    Arc, BTreeMap, Cluster, ClusterDeployment, ClusterEntry, ClusterRow, Index, Kind, Machines, PoolEntry, PoolRow,
    StateCounts, Uid, carries,
};

impl Index {
    pub(super) fn deployment(&mut self, deployment: Arc<ClusterDeployment>) {
        let Some(name) = deployment.metadata.name.as_deref().map(Arc::<str>::from) else { return };
        self.deployment_names.insert(self.uid(deployment.metadata.uid.as_deref()), name.clone());
        let entry = self.cluster_entry(&name);
        entry.deployment = Some(deployment);
        self.combine(&name);
    }

    pub(super) fn cluster(&mut self, cluster: Arc<Cluster>) {
        let Some(name) = cluster.metadata.name.as_deref().map(Arc::<str>::from) else { return };
        self.cluster_names.insert(self.uid(cluster.metadata.uid.as_deref()), name.clone());
        let entry = self.cluster_entry(&name);
        entry.resource = Some(cluster);
        self.combine(&name);
    }

    pub(super) fn cluster_gone(&mut self, kind: Kind, uid: &Uid) {
        let names = if kind == Kind::Deployment { &mut self.deployment_names } else { &mut self.cluster_names };
        let Some(name) = names.remove(uid) else { return };
        let Some(entry) = self.clusters.get_mut(&name) else { return };
        let is_it = |uid_of: Option<&String>| uid_of.map(String::as_str) == Some(uid.as_str());
        // One of the same name may have come in the meantime: it stays.
        if kind == Kind::Deployment && is_it(entry.deployment.as_ref().and_then(|d| d.metadata.uid.as_ref())) {
            entry.deployment = None;
        } else if kind == Kind::Cluster && is_it(entry.resource.as_ref().and_then(|c| c.metadata.uid.as_ref())) {
            entry.resource = None;
        }
        self.combine(&name);
        self.drop_empty_cluster(&name);
    }

    fn combine(&mut self, name: &Arc<str>) {
        let context = self.context;
        if let Some(entry) = self.clusters.get_mut(name) {
            entry.row = Arc::new(ClusterRow::combine(context, name, entry.deployment.clone(), entry.resource.clone()));
        }
        self.touch(name);
    }

    pub(super) fn pool(&mut self, pool: &Arc<PoolRow>) {
        self.pool_names.insert(pool.uid.clone(), pool.name.clone());
        self.select(pool);
        let entry = self.pool_entry(&pool.name, Some(&pool.cluster));
        let before = std::mem::replace(&mut entry.cluster, pool.cluster.clone());
        entry.row = Some(pool.clone());
        entry.node = None;
        if before != pool.cluster {
            // Machines named another cluster for it: the pool itself knows better.
            if let Some(old) = self.clusters.get_mut(&before) {
                old.pools.remove(&pool.name);
            }
            self.touch(&before);
            self.drop_empty_cluster(&before);
            self.cluster_entry(&pool.cluster).pools.insert(pool.name.clone());
        }
        self.touch(&pool.cluster);
    }

    pub(super) fn pool_gone(&mut self, uid: &Uid) {
        let Some(name) = self.pool_names.remove(uid) else { return };
        let Some(entry) = self.pools.get_mut(&name) else { return };
        if entry.row.as_ref().is_none_or(|row| row.uid != *uid) {
            return;
        }
        entry.row = None;
        entry.node = None;
        let cluster = entry.cluster.clone();
        self.unselect(&name);
        self.touch(&cluster);
        self.drop_empty_pool(&name);
    }

    /// Counts what the pool's selector finds, unless another pool has the same one.
    fn select(&mut self, pool: &PoolRow) {
        let Some(selector) = pool.resource.as_ref().map(|r| &r.spec.machine_selector) else { return };
        if self.selectors.get(&pool.name).is_some_and(|known| **known == *selector) {
            return;
        }
        self.unselect(&pool.name);
        let shared = self.capacity.get_key_value(selector).map(|(key, _)| key.clone());
        let selector = shared.unwrap_or_else(|| {
            let selector = Arc::new(selector.clone());
            let count = self.idle.iter().filter(|m| m.is_available() && carries(m, &selector)).count();
            Arc::make_mut(&mut self.capacity).insert(selector.clone(), count);
            selector
        });
        self.selectors.insert(pool.name.clone(), selector);
    }

    fn unselect(&mut self, pool: &Arc<str>) {
        let Some(selector): Option<Arc<BTreeMap<_, _>>> = self.selectors.remove(pool) else { return };
        if !self.selectors.values().any(|other| Arc::ptr_eq(other, &selector)) {
            Arc::make_mut(&mut self.capacity).remove(&selector);
        }
    }

    pub(super) fn pool_entry(&mut self, name: &Arc<str>, cluster: Option<&Arc<str>>) -> &mut PoolEntry {
        if !self.pools.contains_key(name) {
            let cluster = cluster.cloned().unwrap_or_default();
            self.cluster_entry(&cluster).pools.insert(name.clone());
            let entry = PoolEntry {
                row: None,
                cluster,
                machines: Machines::default(),
                counts: StateCounts::default(),
                node: None,
            };
            self.pools.insert(name.clone(), entry);
        }
        self.pools.get_mut(name).expect("it was just put there")
    }

    fn cluster_entry(&mut self, name: &Arc<str>) -> &mut ClusterEntry {
        let context = self.context;
        self.clusters.entry(name.clone()).or_insert_with(|| ClusterEntry {
            row: Arc::new(ClusterRow::combine(context, name, None, None)),
            ..ClusterEntry::default()
        })
    }

    pub(super) fn drop_empty_pool(&mut self, name: &Arc<str>) {
        let empty = |entry: &PoolEntry| entry.row.is_none() && entry.machines.is_empty();
        if !self.pools.get(name).is_some_and(empty) {
            return;
        }
        let Some(entry) = self.pools.remove(name) else { return };
        if let Some(cluster) = self.clusters.get_mut(&entry.cluster) {
            cluster.pools.remove(name);
        }
        self.touch(&entry.cluster);
        self.drop_empty_cluster(&entry.cluster);
    }

    fn drop_empty_cluster(&mut self, name: &Arc<str>) {
        let empty = |e: &ClusterEntry| e.deployment.is_none() && e.resource.is_none() && e.pools.is_empty();
        if self.clusters.get(name).is_some_and(empty) {
            self.clusters.remove(name);
            self.tree_changed = true;
        }
    }
}
