//! A newer snapshot of the fleet, and what has to be read besides for what is on screen.

use super::{Effect, dialog, lists, places, tour};
use crate::{
    console::{
        contexts, permissions,
        state::{Overlay, State, Subject, View},
    },
    fleet::Snapshot,
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// A newer snapshot: it counts as a change only if something that is on screen is different.
pub(super) fn take_data(state: &mut State, snapshot: Arc<Snapshot>) {
    let drawn = fingerprint(state);
    let before = std::mem::replace(&mut state.snapshot, snapshot);
    state.trends.take(&before, &state.snapshot, state.now);
    contexts::learn(state);
    permissions::reconnected(state, &before);
    state.sifter.refresh(&state.snapshot);
    state.sift_lists();
    state.failures.refresh(&state.snapshot);
    lists::keep(state);
    let State { marks, snapshot, .. } = state;
    marks.retain(|uid| snapshot.machine(uid).is_some());
    dialog::refresh(state);
    if let Overlay::Audit(audit) = &mut state.overlay {
        audit.refresh(&state.snapshot);
    }
    places::come_back(state);
    tour::begin_if_wanted(state);
    if fingerprint(state) != drawn {
        state.revision += 1;
    }
}

/// A digest of the data that is on screen.
fn fingerprint(state: &State) -> u64 {
    let mut hash = DefaultHasher::new();
    let snapshot = &*state.snapshot;
    (snapshot.complete, snapshot.clusters.len(), snapshot.connection.line.is_live()).hash(&mut hash);
    snapshot.contexts().for_each(|context| contexts::is_stale(snapshot, context).hash(&mut hash));
    format!("{:?}", snapshot.counts).hash(&mut hash);
    let pointer = |hash: &mut DefaultHasher, p: *const ()| (p as usize).hash(hash);
    let height = state.layout().list_height();
    match state.view {
        View::Fleet => {
            (state.tree.index(), state.tree.top).hash(&mut hash);
            for index in state.tree.top..state.tree.top + height {
                super::super::view::tree::fingerprint(state, state.tree.row(snapshot, index), &mut hash);
            }
        }
        View::Operations => {
            for operation in state.sieves.operations.from(state.operations.top).take(height) {
                pointer(&mut hash, Arc::as_ptr(operation).cast());
            }
        }
        View::Machines => {
            for uid in state.table.rows().iter().skip(state.table.list.top).take(height) {
                let row = snapshot.machine(uid).map(|machine| super::super::tree::Row::Machine { machine, depth: 0 });
                super::super::view::tree::fingerprint(state, row, &mut hash);
            }
        }
        View::Events => {
            for event in state.sieves.events.from(state.events.top).take(height) {
                pointer(&mut hash, Arc::as_ptr(event).cast());
            }
            (state.sieves.events.len(), state.sieves.events.of_all()).hash(&mut hash);
        }
        View::Hosts => {}
    }
    for event in snapshot.events.iter().skip(state.feed_top).take(state.size.1.into()) {
        pointer(&mut hash, Arc::as_ptr(event).cast());
    }
    super::super::view::detail::fingerprint(state, &mut hash);
    hash.finish()
}

/// Asks for the machine under the cursor if its detail is on screen and what we have of it is old; one at a time, and
/// each version once, so that a server that refuses is not asked for ever.
pub(super) fn look(state: &mut State) -> Option<Effect> {
    let shown = state.layout().detail.is_some() || state.why.is_some();
    if state.fetching || !shown {
        return None;
    }
    let on = match state.subject() {
        _ if state.why.is_some() => state.machine_in_reach(),
        Subject::Machine(machine) => Some(machine),
        _ => None,
    };
    let Some(machine) = on else {
        state.asked_for = None;
        return None;
    };
    let live = state.snapshot.connection_of(machine.uid.context).is_some_and(|c| c.line.is_live());
    if !live {
        return None;
    }
    let wanted = Some((machine.uid.clone(), machine.resource_version.clone()));
    let known = state.resource_of(machine).is_some_and(|known| {
        known.metadata.resource_version.as_deref() == Some(&*machine.resource_version)
            || is_newer(known.metadata.resource_version.as_deref(), &machine.resource_version)
    });
    if known || state.asked_for == wanted {
        return None;
    }
    let context = machine.uid.context;
    let effect = Effect::Look { context, namespace: machine.namespace.to_string(), name: machine.name.to_string() };
    (state.fetching, state.asked_for) = (true, wanted);
    Some(effect)
}

/// What was read is newer than what the watch has shown so far.
fn is_newer(read: Option<&str>, shown: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    read.and_then(number).zip(number(shown)).is_some_and(|(read, shown)| read > shown)
}
