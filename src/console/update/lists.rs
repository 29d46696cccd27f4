//! The cursors of plain lists: operations, events, hosts. Each holds on to what it is on, whatever comes and goes around it, for
//! a key acts upon what was seen when it was pressed.

use super::super::state::{List, Overlay, State, View};
use crate::fleet::Uid;

/// After news, after another filter, and when a view opens.
pub fn keep(state: &mut State) {
    // What is hidden while a filter is typed is what Esc comes back to.
    let settles = !matches!(state.overlay, Overlay::Filter);
    // A list that nobody looks at has no cursor that could hold on to anything.
    if state.view == View::Operations {
        let rows = &state.sieves.operations;
        let uid = |at: usize| rows.get(at).map(|row| row.uid.clone());
        hold(&mut state.operations, rows.len(), settles, |uid| rows.position(|row| row.uid == *uid), uid);
    }
    if state.view == View::Events {
        let rows = &state.sieves.events;
        let uid = |at: usize| rows.get(at).map(|row| row.uid.clone());
        hold(&mut state.events, rows.len(), settles, |uid| rows.position(|row| row.uid == *uid), uid);
    }
    if settles && state.view == View::Hosts {
        state.hosts.anchor();
    }
}

/// Whoever looked at the newest rows when the view was left finds the newest ones again: those of operations are under way.
pub fn open(state: &mut State, before: View) {
    if state.view == View::Events && before != View::Events && state.events.top == 0 {
        state.events = List::default();
    }
    if state.view == View::Operations && before != View::Operations && state.operations.index == 0 {
        state.operations = List::default();
    }
    keep(state);
}

/// The cursor goes with its row. Where that is gone it is on the one that took its place; a list that is not scrolled is
/// not for that: what comes in above is seen.
fn hold(
    list: &mut List,
    len: usize,
    settles: bool,
    position: impl Fn(&Uid) -> Option<usize>,
    uid: impl Fn(usize) -> Option<Uid>,
) {
    if let Some(position) = list.cursor.as_ref().and_then(position) {
        let above = list.index.saturating_sub(list.top);
        list.index = position;
        if list.top > 0 {
            list.top = position.saturating_sub(above);
        }
        return;
    }
    list.index = list.index.min(len.saturating_sub(1));
    if settles {
        list.cursor = uid(list.index);
    }
}

/// Scrolls a list so that its cursor can be seen.
pub fn scroll(list: &mut List, len: usize, height: usize) {
    list.index = list.index.min(len.saturating_sub(1));
    let lowest = (list.index + 1).saturating_sub(height);
    list.top = list.top.max(lowest).min(list.index).min(len.saturating_sub(height));
}
