//! Where the cursor stands, and where it may be after others have changed something.

use crate::{
    console::{
        state::{State, View},
        tree::RowId,
    },
    fleet::Uid,
};

/// Where the cursor of the list that is shown stands.
#[derive(Debug, PartialEq)]
pub struct Standing {
    view: View,
    row: Option<RowId>,
    object: Option<Uid>,
    /// The pool of a machine, and the cluster of a pool.
    above: Vec<Uid>,
    /// Rows are left out by a filter, so that one may go although what it shows is still there.
    sifted: bool,
}

impl Standing {
    pub fn of(state: &State) -> Self {
        let row = (state.view == View::Fleet).then(|| state.tree.cursor.clone());
        let object = match state.view {
            View::Operations => state.sieves.operations.get(state.operations.index).map(|o| o.uid.clone()),
            View::Machines => state.table.rows().get(state.table.list.index).cloned(),
            View::Hosts => state.hosts.selected().map(|host| host.uid.clone()),
            View::Events => state.sieves.events.get(state.events.index).map(|event| event.uid.clone()),
            View::Fleet => match &row {
                Some(RowId::Cluster(uid) | RowId::Pool(uid) | RowId::Machine(uid)) => Some(uid.clone()),
                _ => None,
            },
        };
        let pool = object.as_ref().and_then(|uid| state.snapshot.machine(uid)).and_then(|m| state.snapshot.pool_of(m));
        let pool = pool.or_else(|| state.snapshot.pool(object.as_ref()?));
        let cluster = pool.and_then(|pool| state.snapshot.cluster_of(&pool.row));
        let above = pool.map(|pool| pool.row.uid.clone()).into_iter().chain(cluster.map(|c| c.row.uid.clone()));
        let sifted = state.problems_only || !state.line().value().is_empty();
        Self { view: state.view, row, object, above: above.collect(), sifted }
    }

    pub fn leads_to(&self, after: &Self, state: &State) -> bool {
        let Some(uid) = &self.object else { return true };
        if after.object.as_ref() == Some(uid) {
            return true;
        }
        let snapshot = &state.snapshot;
        let is_there = snapshot.machine(uid).is_some()
            || snapshot.pool(uid).is_some()
            || snapshot.cluster(uid).is_some()
            || snapshot.operation(uid).is_some()
            || snapshot.events.iter().any(|event| event.uid == *uid);
        if is_there && !self.sifted {
            return false;
        }
        // In a flat list the next row takes its place.
        !matches!(self.view, View::Fleet)
            || self.above.iter().chain([uid]).any(|above| after.object.as_ref() == Some(above))
            || (self.sifted || self.above.is_empty())
    }
}
