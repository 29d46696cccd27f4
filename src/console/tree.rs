//! The fleet as one list of rows, without ever making that list.
//!
//! A [`Tree`] keeps *spans*: one for each cluster and pool that is open, and one for all machines of an open pool
//! together. So laying it out costs as much as there are clusters and open pools, drawing costs as much as is visible,
//! and neither depends on how many machines there are.
//!
//! What is equal folds: the machines of a pool that are simply Ready are one row until it is opened, and so is a run of
//! clusters that are well and of one version. The cursor holds on to an identity, not to a position.

use crate::fleet::{ClusterNode, Health, MachineRow, Machines, PoolNode, Snapshot};
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

/// Equal machines fold from this many on.
const FOLD_MACHINES: usize = 4;
/// Equal clusters fold from this many on.
const FOLD_CLUSTERS: usize = 6;

/// The identity of a row; it outlives any order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowId {
    /// The meta cluster: the whole fleet.
    Meta,
    Cluster(Arc<str>),
    /// A run of equal clusters, by the UID of the first one.
    Clusters(Arc<str>),
    Pool(Arc<str>),
    /// The Ready machines of a pool, by the UID of the pool.
    Machines(Arc<str>),
    /// Machines that no pool has claimed.
    Idle,
    Machine(Arc<str>),
}

/// One row, as the view wants it.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    Meta { open: bool },
    Cluster { node: &'a ClusterNode, open: bool },
    Clusters { nodes: &'a [Arc<ClusterNode>], open: bool },
    Pool { node: &'a PoolNode, open: bool },
    Machines { node: &'a PoolNode, from: usize, open: bool },
    Idle { machines: &'a Machines, open: bool },
    Machine { machine: &'a MachineRow, depth: usize },
}

/// Rows of one kind in a row; the numbers are positions in the snapshot that it was laid out from.
#[derive(Clone, Debug)]
enum Span {
    Meta,
    Cluster(usize),
    Clusters(Range<usize>),
    Pool(usize, usize),
    Fold {
        cluster: usize,
        pool: usize,
        from: usize,
    },
    Idle,
    /// Machines of a pool, at positions of its list.
    Machines {
        cluster: usize,
        pool: usize,
        range: Range<usize>,
    },
    /// Machines of a pool that match a filter.
    Matches {
        cluster: usize,
        pool: usize,
        at: Arc<[u32]>,
    },
    IdleMachines(Range<usize>),
    IdleMatches(Arc<[u32]>),
}

impl Span {
    fn len(&self) -> usize {
        match self {
            Self::Machines { range, .. } | Self::IdleMachines(range) => range.len(),
            Self::Matches { at, .. } | Self::IdleMatches(at) => at.len(),
            _ => 1,
        }
    }
}

/// What is left of the fleet by a filter; `None` fields are not restricted.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// For each pool that has any, by UID: the matching machines, or all of them.
    pub pools: HashMap<Arc<str>, Kept>,
    pub idle: Option<Arc<[u32]>>,
    /// Clusters that match by themselves, by UID.
    pub clusters: HashSet<Arc<str>>,
    /// Machines that match.
    pub count: usize,
}

/// What is left of a pool.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// The pool matches, with whatever is in it.
    Pool,
    Machines(Arc<[u32]>),
}

/// What is shown, what is open, and where the cursor is.
#[derive(Clone, Debug)]
pub struct Tree {
    open: HashSet<RowId>,
    /// Closed by hand while a filter opens everything.
    closed: HashSet<RowId>,
    spans: Vec<(usize, Span)>,
    len: usize,
    pub cursor: RowId,
    index: usize,
    /// First visible row.
    pub top: usize,
    /// Where the cursor goes when its row is gone: the rows above it, the nearest first.
    parents: Vec<RowId>,
    /// The user has moved; until then the cursor may be placed where it is useful.
    pub touched: bool,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            open: HashSet::from([RowId::Meta]),
            closed: HashSet::new(),
            spans: Vec::new(),
            len: 0,
            cursor: RowId::Meta,
            index: 0,
            top: 0,
            parents: Vec::new(),
            touched: false,
        }
    }
}

/// What restricts the tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restriction<'a> {
    pub matches: Option<&'a Matches>,
    pub problems_only: bool,
}

impl Tree {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Position of the cursor among the rows.
    pub fn index(&self) -> usize {
        self.index
    }

    pub fn is_open(&self, id: &RowId) -> bool {
        self.open.contains(id)
    }

    pub fn set_open(&mut self, id: RowId, open: bool) {
        if open {
            self.closed.remove(&id);
            self.open.insert(id);
        } else {
            self.open.remove(&id);
            self.closed.insert(id);
        }
    }

    /// Lays the rows out anew and keeps the cursor on its identity, at the same height of the screen.
    pub fn lay_out(&mut self, snapshot: &Snapshot, restriction: Restriction) {
        let height = self.index.saturating_sub(self.top);
        self.spans.clear();
        self.len = 0;
        self.push(Span::Meta);
        if self.shown_open(&RowId::Meta, restriction) {
            self.clusters(snapshot, restriction);
            self.idle(snapshot, restriction);
        }
        self.find_cursor(snapshot);
        self.top = self.index.saturating_sub(height);
    }

    fn push(&mut self, span: Span) {
        let len = span.len();
        if len > 0 {
            self.spans.push((self.len, span));
            self.len += len;
        }
    }

    /// A filter opens what it finds, unless it was closed by hand.
    fn shown_open(&self, id: &RowId, restriction: Restriction) -> bool {
        if restriction.matches.is_some() || restriction.problems_only {
            return !self.closed.contains(id);
        }
        self.open.contains(id)
    }

    fn clusters(&mut self, snapshot: &Snapshot, restriction: Restriction) {
        let mut at = 0;
        while at < snapshot.clusters.len() {
            let run = if restriction.matches.is_some() || restriction.problems_only {
                1
            } else {
                equal_run(&snapshot.clusters[at..])
            };
            if run < FOLD_CLUSTERS {
                self.cluster(snapshot, at, restriction);
                at += 1;
                continue;
            }
            self.push(Span::Clusters(at..at + run));
            let fold = RowId::Clusters(snapshot.clusters[at].row.uid.clone());
            if self.open.contains(&fold) {
                (at..at + run).for_each(|i| self.cluster(snapshot, i, restriction));
            }
            at += run;
        }
    }

    fn cluster(&mut self, snapshot: &Snapshot, at: usize, restriction: Restriction) {
        let node = &snapshot.clusters[at];
        let kept = |pool: &PoolNode| match restriction.matches {
            Some(matches) => matches.pools.contains_key(&pool.row.uid),
            None => !restriction.problems_only || pool.health.is_problem(),
        };
        let own = match restriction.matches {
            Some(matches) => matches.clusters.contains(&node.row.uid),
            None => !restriction.problems_only || node.health.is_problem(),
        };
        if !own && !node.pools.iter().any(|p| kept(p)) {
            return;
        }
        self.push(Span::Cluster(at));
        if !self.shown_open(&RowId::Cluster(node.row.uid.clone()), restriction) {
            return;
        }
        for (i, pool) in node.pools.iter().enumerate() {
            if kept(pool) || own && restriction.matches.is_some() {
                self.push(Span::Pool(at, i));
                self.machines(snapshot, (at, i), restriction);
            }
        }
    }

    fn machines(&mut self, snapshot: &Snapshot, (cluster, pool): (usize, usize), restriction: Restriction) {
        let node = &snapshot.clusters[cluster].pools[pool];
        let kept = restriction.matches.and_then(|m| m.pools.get(&node.row.uid));
        let id = RowId::Pool(node.row.uid.clone());
        if let Some(Kept::Machines(at)) = kept {
            if !self.closed.contains(&id) {
                self.push(Span::Matches { cluster, pool, at: at.clone() });
            }
            return;
        }
        let problems = node.counts.health(Health::Bad) + node.counts.health(Health::Warning);
        if restriction.problems_only {
            if self.shown_open(&id, restriction) {
                self.push(Span::Machines { cluster, pool, range: 0..problems });
            }
            return;
        }
        if !self.open.contains(&id) {
            return;
        }
        let from = problems + node.counts.health(Health::Moving);
        let len = node.machines.len();
        if len - from < FOLD_MACHINES {
            self.push(Span::Machines { cluster, pool, range: 0..len });
            return;
        }
        self.push(Span::Machines { cluster, pool, range: 0..from });
        let open = self.open.contains(&RowId::Machines(node.row.uid.clone()));
        if let Some(at) = self.pinned(snapshot, node).filter(|at| *at >= from && !open) {
            self.push(Span::Machines { cluster, pool, range: at..at + 1 });
        }
        self.push(Span::Fold { cluster, pool, from });
        if open {
            self.push(Span::Machines { cluster, pool, range: from..len });
        }
    }

    /// The machine under the cursor stays in sight when it becomes one of many.
    fn pinned(&self, snapshot: &Snapshot, node: &PoolNode) -> Option<usize> {
        let RowId::Machine(uid) = &self.cursor else { return None };
        let machine = snapshot.machine(uid)?;
        (machine.pool.as_ref() == Some(&node.row.name)).then(|| node.machines.position(machine)).flatten()
    }

    fn idle(&mut self, snapshot: &Snapshot, restriction: Restriction) {
        match restriction.matches {
            Some(matches) => {
                if let Some(at) = matches.idle.clone().filter(|at| !at.is_empty()) {
                    self.push(Span::Idle);
                    if !self.closed.contains(&RowId::Idle) {
                        self.push(Span::IdleMatches(at));
                    }
                }
            }
            None if restriction.problems_only || snapshot.idle.is_empty() => {}
            None => {
                self.push(Span::Idle);
                if self.open.contains(&RowId::Idle) {
                    self.push(Span::IdleMachines(0..snapshot.idle.len()));
                }
            }
        }
    }

    fn find_cursor(&mut self, snapshot: &Snapshot) {
        let candidates = std::iter::once(&self.cursor).chain(&self.parents);
        let found = candidates.filter_map(|id| Some((id.clone(), self.position(snapshot, id)?))).next();
        match found {
            Some((id, index)) => (self.cursor, self.index) = (id, index),
            None => self.index = self.index.min(self.len.saturating_sub(1)),
        }
        self.settle(snapshot);
    }

    /// Takes the identity of the row that the cursor stands on.
    fn settle(&mut self, snapshot: &Snapshot) {
        if let Some(id) = self.id_at(snapshot, self.index) {
            self.cursor = id;
        }
        self.parents = self.ancestors(snapshot);
    }

    /// Where a row stands; walks spans, not machines.
    pub fn position(&self, snapshot: &Snapshot, id: &RowId) -> Option<usize> {
        match id {
            RowId::Machine(uid) => self.position_of_machine(snapshot, snapshot.machine(uid)?),
            id => self.spans.iter().find(|(_, span)| span_id(span, snapshot).as_ref() == Some(id)).map(|(at, _)| *at),
        }
    }

    fn position_of_machine(&self, snapshot: &Snapshot, machine: &MachineRow) -> Option<usize> {
        let pool = machine.pool.as_ref();
        let list = match pool {
            Some(name) => &snapshot.pool(name)?.machines,
            None => &snapshot.idle,
        };
        let wanted = list.position(machine)?;
        self.spans.iter().find_map(|(start, span)| {
            let offset = match (span, pool) {
                (Span::Machines { cluster, pool, range }, Some(name)) => {
                    let here = snapshot.clusters.get(*cluster)?.pools.get(*pool)?.row.name == *name;
                    (here && range.contains(&wanted)).then(|| wanted - range.start)
                }
                (Span::Matches { cluster, pool, at }, Some(name)) => {
                    let here = snapshot.clusters.get(*cluster)?.pools.get(*pool)?.row.name == *name;
                    here.then(|| at.binary_search(&(wanted as u32)).ok()).flatten()
                }
                (Span::IdleMachines(range), None) => range.contains(&wanted).then(|| wanted - range.start),
                (Span::IdleMatches(at), None) => at.binary_search(&(wanted as u32)).ok(),
                _ => None,
            };
            offset.map(|offset| start + offset)
        })
    }

    fn span(&self, index: usize) -> Option<(usize, &Span)> {
        let after = self.spans.partition_point(|(start, _)| *start <= index);
        let (start, span) = self.spans.get(after.checked_sub(1)?)?;
        (index - start < span.len()).then_some((index - start, span))
    }

    /// The row at a position.
    pub fn row<'a>(&self, snapshot: &'a Snapshot, index: usize) -> Option<Row<'a>> {
        let (offset, span) = self.span(index)?;
        let clusters = &snapshot.clusters;
        let pool = |cluster: usize, pool: usize| clusters.get(cluster)?.pools.get(pool);
        let next = |id: &RowId| !self.closed.contains(id) && self.opens_at(index, id);
        Some(match span {
            Span::Meta => Row::Meta { open: next(&RowId::Meta) },
            Span::Cluster(at) => {
                let node = clusters.get(*at)?;
                Row::Cluster { node, open: next(&RowId::Cluster(node.row.uid.clone())) }
            }
            Span::Clusters(range) => {
                let nodes = clusters.get(range.clone())?;
                Row::Clusters { nodes, open: self.open.contains(&RowId::Clusters(nodes[0].row.uid.clone())) }
            }
            Span::Pool(cluster, at) => {
                let node = pool(*cluster, *at)?;
                Row::Pool { node, open: next(&RowId::Pool(node.row.uid.clone())) }
            }
            Span::Fold { cluster, pool: at, from } => {
                let node = pool(*cluster, *at)?;
                Row::Machines { node, from: *from, open: self.open.contains(&RowId::Machines(node.row.uid.clone())) }
            }
            Span::Idle => Row::Idle { machines: &snapshot.idle, open: next(&RowId::Idle) },
            Span::Machines { cluster, pool: at, range } => {
                Row::Machine { machine: pool(*cluster, *at)?.machines.at(range.start + offset)?, depth: 3 }
            }
            Span::Matches { cluster, pool: at, at: matches } => {
                Row::Machine { machine: pool(*cluster, *at)?.machines.at(matches[offset] as usize)?, depth: 3 }
            }
            Span::IdleMachines(range) => Row::Machine { machine: snapshot.idle.at(range.start + offset)?, depth: 2 },
            Span::IdleMatches(matches) => {
                Row::Machine { machine: snapshot.idle.at(matches[offset] as usize)?, depth: 2 }
            }
        })
    }

    /// It is open for whatever reason, which the next row knows.
    fn opens_at(&self, index: usize, id: &RowId) -> bool {
        match (id, self.span(index + 1).map(|(_, span)| span)) {
            (RowId::Meta, next) => next.is_some(),
            (RowId::Cluster(_), Some(Span::Pool(..))) => true,
            (RowId::Pool(_), Some(Span::Machines { .. } | Span::Matches { .. } | Span::Fold { .. })) => true,
            (RowId::Idle, Some(Span::IdleMachines(_) | Span::IdleMatches(_))) => true,
            _ => self.open.contains(id),
        }
    }

    /// The identity of the row at a position.
    pub fn id_at(&self, snapshot: &Snapshot, index: usize) -> Option<RowId> {
        match self.row(snapshot, index)? {
            Row::Machine { machine, .. } => Some(RowId::Machine(machine.uid.clone())),
            _ => span_id(self.span(index)?.1, snapshot),
        }
    }

    /// The branches above the cursor, the nearest first.
    fn ancestors(&self, snapshot: &Snapshot) -> Vec<RowId> {
        let mut ids = Vec::new();
        match self.span(self.index).map(|(_, span)| span) {
            Some(Span::Pool(cluster, _)) => ids.extend(cluster_id(snapshot, *cluster)),
            Some(
                Span::Fold { cluster, pool, .. }
                | Span::Machines { cluster, pool, .. }
                | Span::Matches { cluster, pool, .. },
            ) => {
                ids.extend(pool_id(snapshot, *cluster, *pool));
                ids.extend(cluster_id(snapshot, *cluster));
            }
            Some(Span::IdleMachines(_) | Span::IdleMatches(_)) => ids.push(RowId::Idle),
            _ => {}
        }
        ids.push(RowId::Meta);
        ids
    }

    /// The branch that the cursor's row belongs to.
    pub fn parent(&self) -> Option<&RowId> {
        self.parents.first().filter(|id| **id != self.cursor)
    }

    pub fn move_to(&mut self, snapshot: &Snapshot, index: usize) {
        self.touched = true;
        self.index = index.min(self.len.saturating_sub(1));
        self.settle(snapshot);
    }

    pub fn move_by(&mut self, snapshot: &Snapshot, rows: isize) {
        self.move_to(snapshot, self.index.saturating_add_signed(rows));
    }

    /// Puts the cursor on an identity, if it is shown.
    pub fn go_to(&mut self, snapshot: &Snapshot, id: &RowId) -> bool {
        let Some(index) = self.position(snapshot, id) else { return false };
        self.move_to(snapshot, index);
        true
    }

    /// Scrolls so that the cursor is in a window of `height` rows.
    pub fn scroll(&mut self, height: usize) {
        let margin = (height / 6).min(2);
        let lowest = (self.index + margin + 1).saturating_sub(height);
        let highest = self.index.saturating_sub(margin);
        self.top = self.top.max(lowest).min(highest).min(self.len.saturating_sub(height));
    }
}

fn cluster_id(snapshot: &Snapshot, at: usize) -> Option<RowId> {
    Some(RowId::Cluster(snapshot.clusters.get(at)?.row.uid.clone()))
}

fn pool_id(snapshot: &Snapshot, cluster: usize, pool: usize) -> Option<RowId> {
    Some(RowId::Pool(snapshot.clusters.get(cluster)?.pools.get(pool)?.row.uid.clone()))
}

/// The identity of a span that is one row; `None` for machines.
fn span_id(span: &Span, snapshot: &Snapshot) -> Option<RowId> {
    match span {
        Span::Meta => Some(RowId::Meta),
        Span::Idle => Some(RowId::Idle),
        Span::Cluster(at) => cluster_id(snapshot, *at),
        Span::Clusters(range) => Some(RowId::Clusters(snapshot.clusters.get(range.start)?.row.uid.clone())),
        Span::Pool(cluster, pool) => pool_id(snapshot, *cluster, *pool),
        Span::Fold { cluster, pool, .. } => match pool_id(snapshot, *cluster, *pool)? {
            RowId::Pool(uid) => Some(RowId::Machines(uid)),
            _ => None,
        },
        _ => None,
    }
}

/// How many clusters from the first one on are well and of one version.
fn equal_run(clusters: &[Arc<ClusterNode>]) -> usize {
    let Some(first) = clusters.first().filter(|c| c.health >= Health::Good) else { return 0 };
    clusters.iter().take_while(|c| c.health == first.health && c.row.version == first.row.version).count()
}
