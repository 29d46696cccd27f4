//! What stands at a position: a row for the view, an identity for the cursor.

use super::{
    Row, RowId, Tree,
    span::{Span, span_id},
};
use crate::fleet::Snapshot;

impl Tree {
    pub(super) fn span(&self, index: usize) -> Option<(usize, &Span)> {
        let after = self.spans.partition_point(|(start, _)| *start <= index);
        let (start, span) = self.spans.get(after.checked_sub(1)?)?;
        (index - start < span.len()).then_some((index - start, span))
    }

    /// The row at a position.
    pub fn row<'a>(&self, snapshot: &'a Snapshot, index: usize) -> Option<Row<'a>> {
        let (offset, span) = self.span(index)?;
        let clusters = &snapshot.clusters;
        let deep = usize::from(snapshot.is_of_several());
        let pool = |cluster: usize, pool: usize| clusters.get(cluster)?.pools.get(pool);
        let next = |id: &RowId| !self.closed.contains(id) && self.opens_at(index, id);
        Some(match span {
            Span::Meta => Row::Meta { open: next(&RowId::Meta) },
            Span::Context(context) => Row::Context { context: *context, open: next(&RowId::Context(*context)) },
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
            Span::Idle(context) => {
                Row::Idle { context: *context, machines: snapshot.idle(*context)?, open: next(&RowId::Idle(*context)) }
            }
            Span::Machines { cluster, pool: at, range } => {
                Row::Machine { machine: pool(*cluster, *at)?.machines.at(range.start + offset)?, depth: 3 + deep }
            }
            Span::Matches { cluster, pool: at, at: matches } => {
                Row::Machine { machine: pool(*cluster, *at)?.machines.at(matches[offset] as usize)?, depth: 3 + deep }
            }
            Span::IdleMachines(context, range) => {
                Row::Machine { machine: snapshot.idle(*context)?.at(range.start + offset)?, depth: 2 + deep }
            }
            Span::IdleMatches(context, matches) => {
                Row::Machine { machine: snapshot.idle(*context)?.at(matches[offset] as usize)?, depth: 2 + deep }
            }
        })
    }

    /// It is open for whatever reason, which the next row knows.
    fn opens_at(&self, index: usize, id: &RowId) -> bool {
        match (id, self.span(index + 1).map(|(_, span)| span)) {
            (RowId::Meta, next) => next.is_some(),
            (RowId::Cluster(_), Some(Span::Pool(..))) => true,
            (RowId::Pool(_), Some(Span::Machines { .. } | Span::Matches { .. } | Span::Fold { .. })) => true,
            (RowId::Context(_), Some(Span::Cluster(_) | Span::Clusters(_) | Span::Idle(_))) => true,
            (RowId::Idle(_), Some(Span::IdleMachines(..) | Span::IdleMatches(..))) => true,
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
}
