//! Making a snapshot: rebuilds the nodes that changed, shares the rest.

use super::{
    Arc, ClusterEntry, ClusterNode, ContextId, HashMap, Index, Kind, Nodes, PoolEntry, PoolNode, PoolRow, Snapshot,
    StateCounts, natural,
};

impl Index {
    /// The fleet as it is now.
    pub fn publish(&mut self) -> Arc<Snapshot> {
        self.generation += 1;
        if std::mem::take(&mut self.tree_changed) {
            let clusters = self.clusters();
            if !same_places(&self.published.clusters, &clusters) {
                self.published.nodes = Arc::new(locate(&clusters));
            }
            self.published.clusters = clusters;
        }
        let (operations, operations_by_uid) = self.operations.publish();
        let next = Snapshot {
            context: self.context,
            parts: Arc::default(),
            generation: self.generation,
            complete: self.complete.len() == Kind::ALL.len(),
            connection: self.connection.clone(),
            clusters: self.published.clusters.clone(),
            idle: self.idle.clone(),
            counts: self.counts,
            operations,
            operations_by_uid,
            events: self.events.publish(),
            changes_seen: self.changes_seen,
            history: self.history.publish(),
            machines: self.machines.clone(),
            nodes: self.published.nodes.clone(),
            capacity: self.capacity.clone(),
        };
        Arc::new(next)
    }

    fn clusters(&mut self) -> Vec<Arc<ClusterNode>> {
        let (context, pools) = (self.context, &mut self.pools);
        let mut clusters: Vec<_> = self
            .clusters
            .values_mut()
            .map(|entry| {
                let node = entry.node.take().unwrap_or_else(|| Arc::new(cluster_node(context, entry, pools)));
                entry.node.insert(node).clone()
            })
            .collect();
        clusters.sort_by(|a, b| a.health.cmp(&b.health).then_with(|| natural(&a.row.name, &b.row.name)));
        clusters
    }
}

fn cluster_node(context: ContextId, entry: &ClusterEntry, pools: &mut HashMap<Arc<str>, PoolEntry>) -> ClusterNode {
    let mut counts = StateCounts::default();
    let mut nodes = Vec::with_capacity(entry.pools.len());
    for name in &entry.pools {
        let Some(pool) = pools.get_mut(name) else { continue };
        counts.merge(&pool.counts);
        nodes.push(pool_node(context, name, pool));
    }
    nodes.sort_by(|a, b| a.health.cmp(&b.health).then_with(|| natural(&a.row.name, &b.row.name)));
    let own = entry.row.health(&StateCounts::default());
    ClusterNode {
        health: nodes.iter().map(|p| p.health).min().map_or(own, |pools| pools.min(own)),
        desired: nodes.iter().map(|p| p.row.desired).sum(),
        row: entry.row.clone(),
        pools: nodes,
        counts,
    }
}

fn pool_node(context: ContextId, name: &Arc<str>, entry: &mut PoolEntry) -> Arc<PoolNode> {
    if let Some(node) = &entry.node {
        return node.clone();
    }
    let row = entry.row.clone().unwrap_or_else(|| Arc::new(PoolRow::missing(context, &entry.cluster, name)));
    let node = Arc::new(PoolNode {
        health: row.health(&entry.counts),
        row,
        machines: entry.machines.clone(),
        counts: entry.counts,
    });
    entry.node = Some(node.clone());
    node
}

/// Every cluster and pool is where it was, under the UID that it had.
fn same_places(old: &[Arc<ClusterNode>], new: &[Arc<ClusterNode>]) -> bool {
    let same_pool = |(a, b): (&Arc<PoolNode>, &Arc<PoolNode>)| Arc::ptr_eq(a, b) || a.row.uid == b.row.uid;
    let same = |(a, b): (&Arc<ClusterNode>, &Arc<ClusterNode>)| {
        Arc::ptr_eq(a, b)
            || (a.row.uid == b.row.uid && a.pools.len() == b.pools.len() && a.pools.iter().zip(&b.pools).all(same_pool))
    };
    old.len() == new.len() && old.iter().zip(new).all(same)
}

fn locate(clusters: &[Arc<ClusterNode>]) -> Nodes {
    let mut nodes = Nodes::default();
    for (at, cluster) in clusters.iter().enumerate() {
        nodes.cluster_names.insert(cluster.row.name.clone(), at);
        nodes.clusters.insert(cluster.row.uid.clone(), at);
        for (position, pool) in cluster.pools.iter().enumerate() {
            nodes.pool_names.insert(pool.row.name.clone(), (at, position));
            nodes.pools.insert(pool.row.uid.clone(), (at, position));
        }
    }
    nodes
}
