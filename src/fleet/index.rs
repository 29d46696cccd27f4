//! Takes changes in, one at a time, at a cost that is proportional to the change, and publishes snapshots.
//!
//! No IO and no clock. Counters are kept, never recomputed; a snapshot shares everything that did not change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{
    connection::Connection,
    counts::StateCounts,
    history::Recorder,
    machines::{Machines, natural},
    rows::{ClusterRow, EventRow, MachineRow, OperationRow, PoolRow},
    snapshot::{ClusterNode, MachineTable, Nodes, PoolNode, Snapshot, carries},
    uid::{ContextId, Uid},
};
use crate::api::{Cluster, ClusterDeployment};

mod clusters;
mod feeds;
mod publish;

use feeds::{Events, Operations};

/// Machines that settled while we watched and still have their phases.
const SETTLED: usize = 4_000;

/// The kinds that are watched. Machine sets are not: a pool's status says all that is shown of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Deployment,
    Cluster,
    Pool,
    Machine,
    Operation,
    Event,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Deployment, Self::Cluster, Self::Pool, Self::Machine, Self::Operation, Self::Event];

    /// Plural, as in a URL and in RBAC.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "clusterdeployments",
            Self::Cluster => "clusters",
            Self::Pool => "nodepools",
            Self::Machine => "machines",
            Self::Operation => "operations",
            Self::Event => "events",
        }
    }
}

/// One thing that is different now. Changes of different objects may come in any order.
#[derive(Clone, Debug)]
pub enum Change {
    Deployment(Arc<ClusterDeployment>),
    Cluster(Arc<Cluster>),
    Pool(Arc<PoolRow>),
    Machine(Arc<MachineRow>),
    Operation(Arc<OperationRow>),
    Event(Arc<EventRow>),
    Gone(Kind, Uid),
    /// All objects of a kind were listed.
    Complete(Kind),
    Connection(Connection),
}

/// The mutable side of the read model: one task owns it.
#[derive(Debug, Default)]
pub struct Index {
    context: ContextId,
    generation: u64,
    changes_seen: u64,
    complete: HashSet<Kind>,
    connection: Connection,
    machines: MachineTable,
    counts: StateCounts,
    idle: Machines,
    /// By name of the `NodePool`.
    pools: HashMap<Arc<str>, PoolEntry>,
    pool_names: HashMap<Uid, Arc<str>>,
    clusters: BTreeMap<Arc<str>, ClusterEntry>,
    deployment_names: HashMap<Uid, Arc<str>>,
    cluster_names: HashMap<Uid, Arc<str>>,
    /// Idle machines for each selector that a pool has.
    capacity: Arc<HashMap<Arc<BTreeMap<String, String>>, usize>>,
    selectors: HashMap<Arc<str>, Arc<BTreeMap<String, String>>>,
    operations: Operations,
    events: Events,
    history: Recorder,
    settled: VecDeque<Uid>,
    published: Snapshot,
    tree_changed: bool,
}

#[derive(Debug)]
struct PoolEntry {
    row: Option<Arc<PoolRow>>,
    cluster: Arc<str>,
    machines: Machines,
    counts: StateCounts,
    /// What snapshots share; `None` once something changed.
    node: Option<Arc<PoolNode>>,
}

#[derive(Debug, Default)]
struct ClusterEntry {
    deployment: Option<Arc<ClusterDeployment>>,
    resource: Option<Arc<Cluster>>,
    row: Arc<ClusterRow>,
    pools: BTreeSet<Arc<str>>,
    node: Option<Arc<ClusterNode>>,
}

impl Index {
    /// Of one of several meta clusters: rows of others are not for it.
    pub fn of(context: ContextId) -> Self {
        Self { context, ..Self::default() }
    }

    fn uid(&self, text: Option<&str>) -> Uid {
        Uid::new(self.context, text.unwrap_or_default())
    }

    /// Takes one change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Machine(machine) => self.machine(machine),
            Change::Pool(pool) => self.pool(&pool),
            Change::Deployment(deployment) => self.deployment(deployment),
            Change::Cluster(cluster) => self.cluster(cluster),
            Change::Operation(operation) => self.operation(operation),
            Change::Event(event) => self.events.insert(event),
            Change::Gone(kind, uid) => self.gone(kind, &uid),
            Change::Complete(kind) => {
                self.complete.insert(kind);
                return;
            }
            Change::Connection(connection) => {
                self.connection = connection;
                return;
            }
        }
        self.changes_seen += 1;
    }

    fn operation(&mut self, operation: Arc<OperationRow>) {
        let news = self.operations.find(&operation.uid).is_none_or(|old| !old.is_final() || old.run != operation.run);
        if news && operation.is_final() {
            self.history.operation(&operation);
        }
        self.operations.insert(operation);
    }

    fn gone(&mut self, kind: Kind, uid: &Uid) {
        match kind {
            Kind::Machine => {
                if let Some(old) = self.machines.remove(uid) {
                    self.leave(&old);
                }
            }
            Kind::Pool => self.pool_gone(uid),
            Kind::Deployment | Kind::Cluster => self.cluster_gone(kind, uid),
            Kind::Operation => self.operations.remove(uid),
            Kind::Event => self.events.remove(uid),
        }
    }

    fn machine(&mut self, mut machine: Arc<MachineRow>) {
        let old = self.machines.find(&machine.uid).cloned();
        self.history.machine(&machine, old.as_ref().and_then(|o| o.phases_ended_at));
        self.settle(&mut machine, old.as_deref());
        if old.as_ref().is_some_and(|old| **old == *machine) {
            return;
        }
        if let Some(old) = &old {
            self.leave(old);
        }
        self.enter(&machine);
        self.machines.insert(machine);
    }

    /// Drops the phases of a machine that does not move, unless it moved while we watched.
    fn settle(&mut self, machine: &mut Arc<MachineRow>, old: Option<&MachineRow>) {
        let interesting = |m: &MachineRow| m.state.is_moving() || m.health.is_problem();
        if machine.phases.is_empty() || interesting(machine) {
            return;
        }
        match old {
            Some(old) if interesting(old) => {
                self.settled.push_back(machine.uid.clone());
                if self.settled.len() > SETTLED {
                    let oldest = self.settled.pop_front();
                    self.forget_phases(oldest.as_ref());
                }
            }
            Some(old) if !old.phases.is_empty() => {}
            _ => Arc::make_mut(machine).phases = Box::default(),
        }
    }

    fn forget_phases(&mut self, uid: Option<&Uid>) {
        let Some(old) = uid.and_then(|uid| self.machines.find(uid)).cloned() else { return };
        if old.phases.is_empty() || old.state.is_moving() || self.settled.iter().any(|uid| *uid == old.uid) {
            return;
        }
        let machine = Arc::new(MachineRow { phases: Box::default(), ..(*old).clone() });
        self.leave(&old);
        self.enter(&machine);
        self.machines.insert(machine);
    }

    fn leave(&mut self, machine: &MachineRow) {
        self.counts.remove(machine);
        if machine.is_available() {
            self.count_capacity(machine, |n| n - 1);
        }
        let Some(name) = &machine.pool else {
            self.idle.remove(machine);
            return;
        };
        let entry = self.pools.get_mut(name).expect("a claimed machine has entered its pool");
        entry.machines.remove(machine);
        entry.counts.remove(machine);
        entry.node = None;
        let cluster = entry.cluster.clone();
        self.touch(&cluster);
        self.drop_empty_pool(name);
    }

    fn enter(&mut self, machine: &Arc<MachineRow>) {
        self.counts.add(machine);
        if machine.is_available() {
            self.count_capacity(machine, |n| n + 1);
        }
        let Some(name) = &machine.pool else {
            self.idle.insert(machine.clone());
            return;
        };
        let entry = self.pool_entry(name, machine.cluster.as_ref());
        entry.counts.add(machine);
        entry.machines.insert(machine.clone());
        entry.node = None;
        let cluster = entry.cluster.clone();
        self.touch(&cluster);
    }

    fn count_capacity(&mut self, machine: &MachineRow, change: impl Fn(usize) -> usize) {
        if self.capacity.is_empty() {
            return;
        }
        for (selector, count) in Arc::make_mut(&mut self.capacity) {
            if carries(machine, selector) {
                *count = change(*count);
            }
        }
    }

    fn touch(&mut self, cluster: &Arc<str>) {
        if let Some(entry) = self.clusters.get_mut(cluster) {
            entry.node = None;
        }
        self.tree_changed = true;
    }
}

#[cfg(test)]
mod tests;
