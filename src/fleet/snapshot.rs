//! What the console draws from: everything that is known at one instant, immutable, cheap to hold.
//!
//! What may be relied on:
//! * a snapshot never changes (but [`Contact`](super::Contact) does); the next one shares all that is unchanged, so
//!   `Arc::ptr_eq` of a node or row means that nothing in it changed;
//! * lists are in tree order: the most urgent [`Health`] first, then by name as people order names;
//! * lookups are by UID and cost a hash; by name they want the context as well, for a name means nothing without one;
//! * where there are several meta clusters, `clusters` holds those of each together, in the order of the contexts;
//! * every machine is either idle or in the machines of exactly one pool, and every count says so;
//! * a pool or cluster that is only named by others appears as a row whose `resource` is `None`.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    ops::Range,
    sync::Arc,
};

use super::{
    connection::Connection,
    counts::StateCounts,
    history::PhaseHistory,
    machines::Machines,
    rows::{ClusterRow, EventRow, Health, MachineRow, OperationRow, PoolRow},
    several::Part,
    uid::{ContextId, Uid},
};

/// The fleet at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Rises with every snapshot.
    pub generation: u64,
    /// Everything was listed at least once. Until then, what is there grows.
    pub complete: bool,
    /// Of several meta clusters: that of the one that is worst off.
    pub connection: Connection,
    /// Clusters, the most urgent first.
    pub clusters: Vec<Arc<ClusterNode>>,
    /// Machines that no pool has claimed, where there is one meta cluster: see [`Snapshot::idle`].
    pub(super) idle: Machines,
    /// All machines, counted.
    pub counts: StateCounts,
    /// Those under way first, then the newest. Of those that are over, the last 2,000.
    pub operations: Arc<[Arc<OperationRow>]>,
    /// The newest first; the last 1,000.
    pub events: Arc<[Arc<EventRow>]>,
    /// Changes taken in since the start: two snapshots and a clock make a rate.
    pub changes_seen: u64,
    pub(super) history: Arc<PhaseHistory>,
    /// Whose it is, if it is not one of several.
    pub(super) context: ContextId,
    /// What it was merged from, by context; nothing where there is one.
    pub(super) parts: Arc<[Part]>,
    pub(super) machines: MachineTable,
    pub(super) operations_by_uid: Arc<HashMap<Uid, Arc<OperationRow>>>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) capacity: Arc<HashMap<Arc<BTreeMap<String, String>>, usize>>,
}

/// A cluster and its pools.
#[derive(Clone, Debug)]
pub struct ClusterNode {
    pub row: Arc<ClusterRow>,
    pub health: Health,
    /// Its pools, the most urgent first.
    pub pools: Vec<Arc<PoolNode>>,
    /// Machines of all its pools.
    pub counts: StateCounts,
    /// Nodes wanted by all its pools.
    pub desired: usize,
}

/// A pool and its machines.
#[derive(Clone, Debug)]
pub struct PoolNode {
    pub row: Arc<PoolRow>,
    pub health: Health,
    pub machines: Machines,
    pub counts: StateCounts,
}

/// What a UID names.
#[derive(Clone, Debug)]
pub enum Selection {
    Cluster(Arc<ClusterNode>),
    Pool(Arc<ClusterNode>, Arc<PoolNode>),
    Machine(Arc<MachineRow>),
    Operation(Arc<OperationRow>),
}

/// Where pools and clusters are, by UID and by name: positions in `clusters` and in `pools`.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    pub clusters: HashMap<Uid, usize>,
    pub cluster_names: HashMap<Arc<str>, usize>,
    pub pools: HashMap<Uid, (usize, usize)>,
    pub pool_names: HashMap<Arc<str>, (usize, usize)>,
}

impl Snapshot {
    /// What is known of one meta cluster; `None` of one that is not looked at.
    pub fn of(&self, context: ContextId) -> Option<&Self> {
        match &*self.parts {
            [] => (self.context == context).then_some(self),
            parts => parts.get(context.index()).map(|part| &*part.snapshot),
        }
    }

    pub fn machine(&self, uid: &Uid) -> Option<&Arc<MachineRow>> {
        self.of(uid.context)?.machines.find(uid)
    }

    pub fn cluster(&self, uid: &Uid) -> Option<&Arc<ClusterNode>> {
        let here = self.of(uid.context)?;
        here.clusters.get(*here.nodes.clusters.get(uid)?)
    }

    /// A cluster by its name in one context: other contexts may have one of the same name.
    pub fn cluster_named(&self, context: ContextId, name: &str) -> Option<&Arc<ClusterNode>> {
        let here = self.of(context)?;
        here.clusters.get(*here.nodes.cluster_names.get(name)?)
    }

    pub fn pool(&self, uid: &Uid) -> Option<&Arc<PoolNode>> {
        let here = self.of(uid.context)?;
        here.pool_at(*here.nodes.pools.get(uid)?)
    }

    /// A pool by the name of its `NodePool` in one context.
    pub fn pool_named(&self, context: ContextId, name: &str) -> Option<&Arc<PoolNode>> {
        let here = self.of(context)?;
        here.pool_at(*here.nodes.pool_names.get(name)?)
    }

    fn pool_at(&self, (cluster, pool): (usize, usize)) -> Option<&Arc<PoolNode>> {
        self.clusters.get(cluster)?.pools.get(pool)
    }

    pub fn operation(&self, uid: &Uid) -> Option<&Arc<OperationRow>> {
        self.of(uid.context)?.operations_by_uid.get(uid)
    }

    /// An operation by its name in one context. Looks through a list, which is bounded.
    pub fn operation_named(&self, context: ContextId, name: &str) -> Option<&Arc<OperationRow>> {
        self.of(context)?.operations.iter().find(|o| &*o.name == name)
    }

    /// The pool that has claimed a machine.
    pub fn pool_of(&self, machine: &MachineRow) -> Option<&Arc<PoolNode>> {
        self.pool_named(machine.uid.context, machine.pool.as_deref()?)
    }

    /// The cluster that a pool belongs to.
    pub fn cluster_of(&self, pool: &PoolRow) -> Option<&Arc<ClusterNode>> {
        self.cluster_named(pool.uid.context, &pool.cluster)
    }

    /// Whatever has this UID.
    pub fn find(&self, uid: &Uid) -> Option<Selection> {
        if let Some(machine) = self.machine(uid) {
            return Some(Selection::Machine(machine.clone()));
        }
        let here = self.of(uid.context)?;
        if let Some((cluster, pool)) = here.nodes.pools.get(uid) {
            let cluster = &here.clusters[*cluster];
            return Some(Selection::Pool(cluster.clone(), cluster.pools[*pool].clone()));
        }
        let cluster = || self.cluster(uid).cloned().map(Selection::Cluster);
        cluster().or_else(|| self.operation(uid).cloned().map(Selection::Operation))
    }

    /// Operations of a pool, in list order.
    pub fn operations_of<'a>(&'a self, pool: &'a PoolRow) -> impl Iterator<Item = &'a Arc<OperationRow>> {
        self.operations_named(pool.uid.context, &pool.name)
    }

    /// Operations of the pool of that name in one context, in list order.
    pub fn operations_named<'a>(
        &'a self,
        context: ContextId,
        pool: &'a str,
    ) -> impl Iterator<Item = &'a Arc<OperationRow>> {
        self.operations_in(context).iter().filter(move |o| o.pool.as_deref() == Some(pool))
    }

    /// Operations of one context, in list order.
    pub fn operations_in(&self, context: ContextId) -> &[Arc<OperationRow>] {
        self.of(context).map_or(&[], |here| &here.operations)
    }

    /// Idle machines that `pool` could claim: those of its own context, and no others.
    pub fn capacity(&self, pool: &PoolRow) -> usize {
        let (Some(resource), Some(here)) = (&pool.resource, self.of(pool.uid.context)) else { return 0 };
        let selector = &resource.spec.machine_selector;
        here.capacity.get(selector).copied().unwrap_or_else(|| here.matching(here.context, selector).count())
    }

    /// Idle machines of one context that carry all of these labels: what a plan chooses from.
    pub fn matching<'a>(
        &'a self,
        context: ContextId,
        selector: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a Arc<MachineRow>> {
        self.idle(context)
            .into_iter()
            .flat_map(Machines::iter)
            .filter(move |m| m.is_available() && carries(m, selector))
    }

    /// Machines of one context that no pool has claimed.
    pub fn idle(&self, context: ContextId) -> Option<&Machines> {
        self.of(context).map(|here| &here.idle)
    }

    /// How many machines no pool has claimed.
    pub fn idle_count(&self) -> usize {
        self.contexts().filter_map(|context| self.idle(context)).map(Machines::len).sum()
    }

    /// How long phases take in one context.
    pub fn history(&self, context: ContextId) -> &PhaseHistory {
        self.of(context).map_or(&self.history, |here| &here.history)
    }

    /// The meta clusters that are looked at.
    pub fn contexts(&self) -> impl Iterator<Item = ContextId> + use<> {
        let (only, several) = (self.context, self.parts.len());
        let all = (0..several).map(ContextId::at);
        all.chain((several == 0).then_some(only))
    }

    /// One of several meta clusters; `None` where there is one.
    pub fn part(&self, context: ContextId) -> Option<&Part> {
        self.parts.get(context.index())
    }

    /// There is more than one meta cluster.
    pub fn is_of_several(&self) -> bool {
        !self.parts.is_empty()
    }

    /// How the line to one meta cluster is.
    pub fn connection_of(&self, context: ContextId) -> Option<&Connection> {
        self.of(context).map(|here| &here.connection)
    }

    /// Where the clusters of a context stand in [`Snapshot::clusters`].
    pub fn range(&self, context: ContextId) -> Range<usize> {
        if self.parts.is_empty() {
            return if context == self.context { 0..self.clusters.len() } else { 0..0 };
        }
        let sizes = self.parts.iter().map(|part| part.snapshot.clusters.len());
        let start = sizes.clone().take(context.index()).sum();
        start..start + sizes.clone().nth(context.index()).unwrap_or(0)
    }

    /// Something in the fleet is simulated: the screen says so.
    pub fn is_simulated(&self) -> bool {
        let idle = |context| self.idle(context).and_then(|idle| idle.iter().next());
        self.clusters.iter().any(|c| c.row.simulated)
            || self.contexts().any(|context| idle(context).is_some_and(|m| m.simulated))
    }

    /// Pools with the cluster that each belongs to, in tree order.
    pub fn pools(&self) -> impl Iterator<Item = (&Arc<ClusterNode>, &Arc<PoolNode>)> {
        self.clusters.iter().flat_map(|c| c.pools.iter().map(move |p| (c, p)))
    }

    /// All machines: those of pools in tree order, then the idle ones.
    pub fn all_machines(&self) -> impl Iterator<Item = &Arc<MachineRow>> {
        let idle = self.contexts().filter_map(|context| self.idle(context)).flat_map(Machines::iter);
        self.pools().flat_map(|(_, p)| p.machines.iter()).chain(idle)
    }
}

impl PoolNode {
    /// What stands before the `/` in `388/412`: machines whose node is Ready.
    pub fn ready(&self) -> usize {
        self.counts.of(crate::api::MachineState::Ready)
    }
}

impl ClusterNode {
    pub fn ready(&self) -> usize {
        self.counts.of(crate::api::MachineState::Ready)
    }
}

/// It carries all labels of the selector; an empty selector takes any.
pub(super) fn carries(machine: &MachineRow, selector: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| machine.label(key) == Some(value))
}

const SHARDS: usize = 1024;
type Shard = HashMap<Uid, Arc<MachineRow>, BuildHasherDefault<DefaultHasher>>;

/// Machines by UID, in shards that are copied when first written after a snapshot.
#[derive(Clone, Debug)]
pub(super) struct MachineTable {
    shards: Vec<Arc<Shard>>,
}

impl Default for MachineTable {
    fn default() -> Self {
        Self { shards: vec![Arc::default(); SHARDS] }
    }
}

impl MachineTable {
    fn shard(uid: &Uid) -> usize {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(uid) as usize % SHARDS
    }

    pub(super) fn find(&self, uid: &Uid) -> Option<&Arc<MachineRow>> {
        self.shards[Self::shard(uid)].get(uid)
    }

    pub(super) fn insert(&mut self, machine: Arc<MachineRow>) {
        let shard = Self::shard(&machine.uid);
        Arc::make_mut(&mut self.shards[shard]).insert(machine.uid.clone(), machine);
    }

    pub(super) fn remove(&mut self, uid: &Uid) -> Option<Arc<MachineRow>> {
        let shard = Self::shard(uid);
        self.shards[shard].contains_key(uid).then(|| Arc::make_mut(&mut self.shards[shard]).remove(uid)).flatten()
    }
}
