//! Where the cursor is, where an identity stands, and where to go when it is gone.

use super::{
    RowId, Tree,
    span::{Span, cluster_id, pool_id, span_id},
};
use crate::fleet::{MachineRow, Snapshot};

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
