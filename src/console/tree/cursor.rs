//! Where the cursor is, where an identity stands, and where to go when it is gone.

use super::{
    RowId, Tree,
    span::{Span, cluster_id, pool_id, span_id},
};
use crate::fleet::{ContextId, MachineRow, Snapshot};
use std::sync::Arc;

impl Tree {
    pub(super) fn find_cursor(&mut self, snapshot: &Snapshot) {
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
        let context = machine.uid.context;
        let pool = match machine.pool {
            Some(_) => Some(snapshot.pool_of(machine)?),
            None => None,
        };
        let list = pool.map_or_else(|| snapshot.idle(context), |pool| Some(&pool.machines))?;
        let wanted = list.position(machine)?;
        self.spans.iter().find_map(|(start, span)| {
            let offset = match (span, pool) {
                (Span::Machines { cluster, pool, range }, Some(node)) => {
                    let here = Arc::ptr_eq(snapshot.clusters.get(*cluster)?.pools.get(*pool)?, node);
                    (here && range.contains(&wanted)).then(|| wanted - range.start)
                }
                (Span::Matches { cluster, pool, at }, Some(node)) => {
                    let here = Arc::ptr_eq(snapshot.clusters.get(*cluster)?.pools.get(*pool)?, node);
                    here.then(|| at.binary_search(&(wanted as u32)).ok()).flatten()
                }
                (Span::IdleMachines(of, range), None) => {
                    (*of == context && range.contains(&wanted)).then(|| wanted - range.start)
                }
                (Span::IdleMatches(of, at), None) if *of == context => at.binary_search(&(wanted as u32)).ok(),
                _ => None,
            };
            offset.map(|offset| start + offset)
        })
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
            Some(Span::IdleMachines(context, _) | Span::IdleMatches(context, _)) => ids.push(RowId::Idle(*context)),
            _ => {}
        }
        ids.extend(self.context_above(snapshot).map(RowId::Context));
        ids.push(RowId::Meta);
        ids
    }

    /// The context whose branch the cursor's row is in, where there are several.
    fn context_above(&self, snapshot: &Snapshot) -> Option<ContextId> {
        let of_cluster = |at: &usize| Some(snapshot.clusters.get(*at)?.row.uid.context);
        let context = match self.span(self.index)?.1 {
            Span::Meta | Span::Context(_) => None,
            Span::Cluster(at) | Span::Pool(at, _) => of_cluster(at),
            Span::Clusters(range) => of_cluster(&range.start),
            Span::Fold { cluster, .. } | Span::Machines { cluster, .. } | Span::Matches { cluster, .. } => {
                of_cluster(cluster)
            }
            Span::Idle(context) | Span::IdleMachines(context, _) | Span::IdleMatches(context, _) => Some(*context),
        };
        context.filter(|_| snapshot.is_of_several())
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
