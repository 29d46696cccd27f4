//! What a laid-out tree is made of: runs of rows, and which identity each run has.

use super::RowId;
use crate::fleet::{ContextId, Snapshot};
use std::{ops::Range, sync::Arc};

/// Rows of one kind in a row; the numbers are positions in the snapshot that it was laid out from.
#[derive(Clone, Debug)]
pub enum Span {
    Meta,
    Context(ContextId),
    Cluster(usize),
    Clusters(Range<usize>),
    Pool(usize, usize),
    Fold {
        cluster: usize,
        pool: usize,
        from: usize,
    },
    Idle(ContextId),
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
    IdleMachines(ContextId, Range<usize>),
    IdleMatches(ContextId, Arc<[u32]>),
}

impl Span {
    pub fn len(&self) -> usize {
        match self {
            Self::Machines { range, .. } | Self::IdleMachines(_, range) => range.len(),
            Self::Matches { at, .. } | Self::IdleMatches(_, at) => at.len(),
            _ => 1,
        }
    }
}

pub fn cluster_id(snapshot: &Snapshot, at: usize) -> Option<RowId> {
    Some(RowId::Cluster(snapshot.clusters.get(at)?.row.uid.clone()))
}

pub fn pool_id(snapshot: &Snapshot, cluster: usize, pool: usize) -> Option<RowId> {
    Some(RowId::Pool(snapshot.clusters.get(cluster)?.pools.get(pool)?.row.uid.clone()))
}

/// The identity of a span that is one row; `None` for machines.
pub fn span_id(span: &Span, snapshot: &Snapshot) -> Option<RowId> {
    match span {
        Span::Meta => Some(RowId::Meta),
        Span::Context(context) => Some(RowId::Context(*context)),
        Span::Idle(context) => Some(RowId::Idle(*context)),
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
