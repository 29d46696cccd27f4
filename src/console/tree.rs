//! The fleet as one list of rows, without ever making that list.
//!
//! A [`Tree`] keeps *spans*: one for each cluster and pool that is open, and one for all machines of an open pool
//! together. So laying it out costs as much as there are clusters and open pools, drawing costs as much as is visible,
//! and neither depends on how many machines there are.
//!
//! What is equal folds: the machines of a pool that are simply Ready are one row until it is opened, and so is a run of
//! clusters that are well and of one version. The cursor holds on to an identity, not to a position.

mod arrange;
mod cursor;
mod rows;
mod span;

use crate::fleet::{ClusterNode, ContextId, MachineRow, Machines, PoolNode, Uid};
use span::Span;
use std::{
    collections::{HashMap, HashSet},
    fmt,
    str::FromStr,
    sync::Arc,
};

/// The identity of a row; it outlives any order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowId {
    /// The meta cluster, or all of them: the whole fleet.
    Meta,
    /// One of several meta clusters.
    Context(ContextId),
    Cluster(Uid),
    /// A run of equal clusters, by the UID of the first one.
    Clusters(Uid),
    Pool(Uid),
    /// The Ready machines of a pool, by the UID of the pool.
    Machines(Uid),
    /// Machines of a context that no pool has claimed.
    Idle(ContextId),
    Machine(Uid),
}

impl RowId {
    /// The object that it stands for, if it is one.
    pub fn uid(&self) -> Option<&Uid> {
        match self {
            Self::Meta | Self::Context(_) | Self::Idle(_) => None,
            Self::Cluster(uid) | Self::Clusters(uid) | Self::Pool(uid) | Self::Machines(uid) | Self::Machine(uid) => {
                Some(uid)
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Cluster(_) => "cluster",
            Self::Clusters(_) => "clusters",
            Self::Pool(_) => "pool",
            Self::Machines(_) => "machines",
            Self::Context(_) => "context",
            Self::Idle(_) => "idle",
            Self::Machine(_) => "machine",
        }
    }
}

/// As it is kept from one session to the next: `pool:UID`.
impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uid() {
            Some(uid) => write!(f, "{}:{uid}", self.kind()),
            None => match self {
                Self::Context(context) | Self::Idle(context) if *context != ContextId::FIRST => {
                    write!(f, "{}:{}", self.kind(), context.index())
                }
                _ => f.write_str(self.kind()),
            },
        }
    }
}

impl FromStr for RowId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, uid) = text.split_once(':').unwrap_or((text, ""));
        let Ok(named) = uid.parse::<Uid>();
        let context = ContextId::at(uid.parse().ok().filter(|place| *place < ContextId::MOST).unwrap_or(0));
        Ok(match (kind, named) {
            ("meta", _) => Self::Meta,
            ("context", _) => Self::Context(context),
            ("idle", _) => Self::Idle(context),
            ("cluster", uid) => Self::Cluster(uid),
            ("clusters", uid) => Self::Clusters(uid),
            ("pool", uid) => Self::Pool(uid),
            ("machines", uid) => Self::Machines(uid),
            ("machine", uid) => Self::Machine(uid),
            _ => return Err(()),
        })
    }
}

/// One row, as the view wants it.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    Meta { open: bool },
    Context { context: ContextId, open: bool },
    Cluster { node: &'a ClusterNode, open: bool },
    Clusters { nodes: &'a [Arc<ClusterNode>], open: bool },
    Pool { node: &'a PoolNode, open: bool },
    Machines { node: &'a PoolNode, from: usize, open: bool },
    Idle { context: ContextId, machines: &'a Machines, open: bool },
    Machine { machine: &'a MachineRow, depth: usize },
}

/// What is left of the fleet by a filter; `None` fields are not restricted.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// For each pool that has any, by UID: the matching machines, or all of them.
    pub pools: HashMap<Uid, Kept>,
    /// For each context, the idle machines that match.
    pub idle: HashMap<ContextId, Arc<[u32]>>,
    /// Clusters that match by themselves, by UID.
    pub clusters: HashSet<Uid>,
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

    /// The branches that are open.
    pub fn open(&self) -> impl Iterator<Item = &RowId> {
        self.open.iter()
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
}
