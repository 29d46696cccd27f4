//! The two lists that grow for ever and are therefore cut: operations and events.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use super::{EventRow, OperationRow, Uid};

const OPERATIONS: usize = 2_000;
const EVENTS: usize = 1_000;

type Rank = (bool, Reverse<Option<Timestamp>>, Arc<str>);

/// Operations in list order; beyond [`OPERATIONS`] the oldest that are over are forgotten.
#[derive(Debug, Default)]
pub(super) struct Operations {
    by_uid: Arc<HashMap<Uid, Arc<OperationRow>>>,
    ordered: BTreeMap<Rank, Arc<OperationRow>>,
    published: Option<Arc<[Arc<OperationRow>]>>,
}

impl Operations {
    pub(super) fn find(&self, uid: &Uid) -> Option<&Arc<OperationRow>> {
        self.by_uid.get(uid)
    }

    pub(super) fn insert(&mut self, operation: Arc<OperationRow>) {
        self.remove(&operation.uid);
        self.ordered.insert(operation.rank(), operation.clone());
        Arc::make_mut(&mut self.by_uid).insert(operation.uid.clone(), operation);
        while self.ordered.len() > OPERATIONS && self.ordered.last_key_value().is_some_and(|(_, o)| o.is_final()) {
            let (_, forgotten) = self.ordered.pop_last().expect("it is longer than its bound");
            Arc::make_mut(&mut self.by_uid).remove(&forgotten.uid);
        }
        self.published = None;
    }

    pub(super) fn remove(&mut self, uid: &Uid) {
        if !self.by_uid.contains_key(uid) {
            return;
        }
        if let Some(old) = Arc::make_mut(&mut self.by_uid).remove(uid) {
            self.ordered.remove(&old.rank());
            self.published = None;
        }
    }

    #[allow(clippy::type_complexity)] // the two shapes of one list
    pub(super) fn publish(&mut self) -> (Arc<[Arc<OperationRow>]>, Arc<HashMap<Uid, Arc<OperationRow>>>) {
        let list = self.published.get_or_insert_with(|| self.ordered.values().cloned().collect());
        (list.clone(), self.by_uid.clone())
    }
}

/// Events, the newest first; beyond [`EVENTS`] the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Events {
    times: HashMap<Uid, Timestamp>,
    ordered: BTreeMap<(Reverse<Timestamp>, Uid), Arc<EventRow>>,
    published: Option<Arc<[Arc<EventRow>]>>,
}

impl Events {
    pub(super) fn insert(&mut self, event: Arc<EventRow>) {
        self.remove(&event.uid);
        self.times.insert(event.uid.clone(), event.at);
        self.ordered.insert((Reverse(event.at), event.uid.clone()), event);
        while self.ordered.len() > EVENTS {
            let ((_, uid), _) = self.ordered.pop_last().expect("it is longer than its bound");
            self.times.remove(&uid);
        }
        self.published = None;
    }

    pub(super) fn remove(&mut self, uid: &Uid) {
        if let Some(at) = self.times.remove(uid) {
            self.ordered.remove(&(Reverse(at), uid.clone()));
            self.published = None;
        }
    }

    pub(super) fn publish(&mut self) -> Arc<[Arc<EventRow>]> {
        self.published.get_or_insert_with(|| self.ordered.values().cloned().collect()).clone()
    }
}
