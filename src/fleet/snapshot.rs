//! What the console draws from: everything that is known at one instant, immutable, cheap to hold.
//!
//! What may be relied on:
//! * a snapshot never changes (but [`Contact`](super::Contact) does); the next one shares all that is unchanged, so
//!   `Arc::ptr_eq` of a node or row means that nothing in it changed;
//! * lists are in tree order: the most urgent [`Health`] first, then by name as people order names;
//! * lookups are by UID and cost a hash;
//! * every machine is either in `idle` or in the machines of exactly one pool, and every count says so;
//! * a pool or cluster that is only named by others appears as a row whose `resource` is `None`.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use super::{
    connection::Connection,
    counts::StateCounts,
    history::PhaseHistory,
    machines::Machines,
    rows::{ClusterRow, EventRow, Health, MachineRow, OperationRow, PoolRow},
};

/// The fleet at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Rises with every snapshot.
    pub generation: u64,
    /// Everything was listed at least once. Until then, what is there grows.
    pub complete: bool,
    pub connection: Connection,
    /// Clusters, the most urgent first.
    pub clusters: Vec<Arc<ClusterNode>>,
    /// Machines that no pool has claimed.
    pub idle: Machines,
    /// All machines, counted.
    pub counts: StateCounts,
    /// Those under way first, then the newest. Of those that are over, the last 2,000.
    pub operations: Arc<[Arc<OperationRow>]>,
    /// The newest first; the last 1,000.
    pub events: Arc<[Arc<EventRow>]>,
    /// Changes taken in since the start: two snapshots and a clock make a rate.
    pub changes_seen: u64,
    pub history: Arc<PhaseHistory>,
    pub(super) machines: MachineTable,
    pub(super) operations_by_uid: Arc<HashMap<Arc<str>, Arc<OperationRow>>>,
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
    pub clusters: HashMap<Arc<str>, usize>,
    pub pools: HashMap<Arc<str>, (usize, usize)>,
}

impl Snapshot {
    pub fn machine(&self, uid: &str) -> Option<&Arc<MachineRow>> {
        self.machines.find(uid)
    }

    /// A cluster by UID or by name.
    pub fn cluster(&self, uid_or_name: &str) -> Option<&Arc<ClusterNode>> {
        self.clusters.get(*self.nodes.clusters.get(uid_or_name)?)
    }

    /// A pool by UID or by the name of its `NodePool`.
    pub fn pool(&self, uid_or_name: &str) -> Option<&Arc<PoolNode>> {
        let (cluster, pool) = *self.nodes.pools.get(uid_or_name)?;
        self.clusters.get(cluster)?.pools.get(pool)
    }

    pub fn operation(&self, uid: &str) -> Option<&Arc<OperationRow>> {
        self.operations_by_uid.get(uid)
    }

    /// An operation by name. Looks through the list, which is bounded.
    pub fn operation_named(&self, name: &str) -> Option<&Arc<OperationRow>> {
        self.operations.iter().find(|o| &*o.name == name)
    }

    /// Whatever has this UID.
    pub fn find(&self, uid: &str) -> Option<Selection> {
        if let Some(machine) = self.machine(uid) {
            return Some(Selection::Machine(machine.clone()));
        }
        if let Some((cluster, pool)) = self.nodes.pools.get(uid) {
            let cluster = &self.clusters[*cluster];
            return Some(Selection::Pool(cluster.clone(), cluster.pools[*pool].clone()));
        }
        let cluster = || self.cluster(uid).cloned().map(Selection::Cluster);
        cluster().or_else(|| self.operation(uid).cloned().map(Selection::Operation))
    }

    /// Operations of a pool, in list order.
    pub fn operations_of<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Arc<OperationRow>> {
        self.operations.iter().filter(move |o| o.pool.as_deref() == Some(pool))
    }

    /// Idle machines that `pool` could claim.
    pub fn capacity(&self, pool: &PoolRow) -> usize {
        let Some(resource) = &pool.resource else { return 0 };
        let selector = &resource.spec.machine_selector;
        self.capacity.get(selector).copied().unwrap_or_else(|| self.matching(selector).count())
    }

    /// Idle machines that carry all of these labels: what a plan chooses from.
    pub fn matching<'a>(&'a self, selector: &'a BTreeMap<String, String>) -> impl Iterator<Item = &'a Arc<MachineRow>> {
        self.idle.iter().filter(move |m| m.is_available() && carries(m, selector))
    }

    /// Something in the fleet is simulated: the screen says so.
    pub fn is_simulated(&self) -> bool {
        self.clusters.iter().any(|c| c.row.simulated) || self.idle.iter().next().is_some_and(|m| m.simulated)
    }

    /// Pools with the cluster that each belongs to, in tree order.
    pub fn pools(&self) -> impl Iterator<Item = (&Arc<ClusterNode>, &Arc<PoolNode>)> {
        self.clusters.iter().flat_map(|c| c.pools.iter().map(move |p| (c, p)))
    }

    /// All machines: those of pools in tree order, then the idle ones.
    pub fn all_machines(&self) -> impl Iterator<Item = &Arc<MachineRow>> {
        self.pools().flat_map(|(_, p)| p.machines.iter()).chain(self.idle.iter())
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
type Shard = HashMap<Arc<str>, Arc<MachineRow>, BuildHasherDefault<DefaultHasher>>;

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
    fn shard(uid: &str) -> usize {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(uid) as usize % SHARDS
    }

    pub(super) fn find(&self, uid: &str) -> Option<&Arc<MachineRow>> {
        self.shards[Self::shard(uid)].get(uid)
    }

    pub(super) fn insert(&mut self, machine: Arc<MachineRow>) {
        let shard = Self::shard(&machine.uid);
        Arc::make_mut(&mut self.shards[shard]).insert(machine.uid.clone(), machine);
    }

    pub(super) fn remove(&mut self, uid: &str) -> Option<Arc<MachineRow>> {
        let shard = Self::shard(uid);
        self.shards[shard].contains_key(uid).then(|| Arc::make_mut(&mut self.shards[shard]).remove(uid)).flatten()
    }
}
