//! Moving about: rows, branches, panes, views, and the way back.

use super::super::{
    action::Action,
    layout::Class,
    message::Effect,
    named,
    state::{Overlay, Pane, State, View},
    tree::{Row, RowId},
};
use super::lists;
use crate::fleet::{Health, Uid};

/// Moves within the focused pane.
pub fn travel(state: &mut State, action: Action) {
    let page = match state.pane {
        Pane::Main => state.layout().list_height(),
        Pane::Detail => state.layout().detail.map_or(1, |a| a.height.into()),
        Pane::Feed => state.layout().feed_height(),
    };
    let page = isize::try_from(page.max(2)).unwrap_or(isize::MAX);
    let rows = match action {
        Action::Down => 1,
        Action::Up => -1,
        Action::HalfPageDown => page / 2,
        Action::HalfPageUp => -page / 2,
        Action::PageDown => page - 1,
        Action::PageUp => 1 - page,
        Action::First => isize::MIN,
        _ => isize::MAX,
    };
    scroll_pane(state, state.pane, rows);
}

/// Scrolls a pane, or moves the cursor of its list, whichever has the focus.
pub fn scroll_pane(state: &mut State, pane: Pane, rows: isize) {
    match pane {
        Pane::Main => travel_main(state, rows),
        Pane::Detail => {
            let farthest = crate::console::view::detail::farthest(state);
            state.detail_scroll = shifted(state.detail_scroll.min(farthest), rows, farthest + 1);
        }
        Pane::Feed => travel_feed(state, rows),
    }
}

fn travel_main(state: &mut State, rows: isize) {
    let snapshot = state.snapshot.clone();
    match state.view {
        View::Fleet => state.tree.move_by(&snapshot, rows),
        View::Operations => {
            let list = &mut state.operations;
            list.index = shifted(list.index, rows, state.sieves.operations.len());
            list.cursor = state.sieves.operations.get(list.index).map(|o| o.uid.clone());
        }
        View::Machines => state.table.move_by(rows),
        View::Events => {
            let list = &mut state.events;
            list.index = shifted(list.index, rows, state.sieves.events.len());
            list.cursor = state.sieves.events.get(list.index).map(|e| e.uid.clone());
        }
        View::Hosts => {
            let index = shifted(state.hosts.list.index, rows, state.hosts.len());
            let cursor = state.hosts.get(index).map(|row| row.uid.clone());
            (state.hosts.list.index, state.hosts.list.cursor) = (index, cursor);
        }
    }
    state.detail_scroll = 0;
}

fn travel_feed(state: &mut State, rows: isize) {
    match &mut state.log {
        Some(_) => super::follow::scroll(state, rows),
        None => state.feed_top = shifted(state.feed_top, rows, state.snapshot.events.len()),
    }
}

fn shifted(index: usize, rows: isize, len: usize) -> usize {
    index.saturating_add_signed(rows).min(len.saturating_sub(1))
}

/// Closes the branch; on a closed one or a leaf goes to its parent.
pub fn collapse(state: &mut State) {
    if state.pane != Pane::Main || state.view != View::Fleet {
        return;
    }
    let snapshot = state.snapshot.clone();
    let open = match state.tree.row(&snapshot, state.tree.index()) {
        Some(
            Row::Meta { open }
            | Row::Context { open, .. }
            | Row::Cluster { open, .. }
            | Row::Clusters { open, .. }
            | Row::Pool { open, .. }
            | Row::Machines { open, .. }
            | Row::Idle { open, .. },
        ) => open,
        Some(Row::Machine { .. }) | None => false,
    };
    if open && state.tree.cursor != RowId::Meta {
        set_open(state, state.tree.cursor.clone(), false);
    } else if let Some(parent) = state.tree.parent().cloned() {
        state.tree.go_to(&snapshot, &parent);
    }
}

/// Opens the branch; on an open one goes to its first row.
pub fn expand(state: &mut State) {
    if state.pane != Pane::Main || state.view != View::Fleet {
        return;
    }
    match state.tree.row(&state.snapshot, state.tree.index()) {
        Some(Row::Machine { .. }) | None => {}
        Some(
            Row::Meta { open }
            | Row::Context { open, .. }
            | Row::Cluster { open, .. }
            | Row::Clusters { open, .. }
            | Row::Pool { open, .. }
            | Row::Machines { open, .. }
            | Row::Idle { open, .. },
        ) => {
            if open {
                let snapshot = state.snapshot.clone();
                state.tree.move_by(&snapshot, 1);
            } else {
                set_open(state, state.tree.cursor.clone(), true);
            }
        }
    }
}

/// Enter: opens or closes a branch; shows a machine, an operation or an event as a page of its own.
pub fn open(state: &mut State) {
    match (state.pane, state.view) {
        (Pane::Main, View::Fleet) => match state.tree.row(&state.snapshot, state.tree.index()) {
            Some(Row::Machine { .. }) => page(state),
            Some(
                Row::Context { open, .. }
                | Row::Cluster { open, .. }
                | Row::Clusters { open, .. }
                | Row::Pool { open, .. }
                | Row::Machines { open, .. }
                | Row::Idle { open, .. },
            ) => set_open(state, state.tree.cursor.clone(), !open),
            Some(Row::Meta { .. }) | None => page(state),
        },
        (Pane::Main, View::Operations | View::Machines) => page(state),
        (Pane::Main, View::Events) => go_to_event(state),
        (Pane::Main, View::Hosts) => super::hosts::go_to(state),
        (Pane::Detail | Pane::Feed, _) => zoom(state),
    }
}

/// The detail of what is under the cursor, on the whole screen.
fn page(state: &mut State) {
    state.pane = Pane::Detail;
    state.zoom = true;
    state.detail_scroll = 0;
}

fn go_to_event(state: &mut State) {
    let Some(event) = state.sieves.events.get(state.events.index).cloned() else { return };
    // What other tools say names its object, and does not always know its UID.
    let by_name = || named::object(&state.snapshot, event.uid.context, &event.kind, &event.name);
    let uid = if event.object_uid.as_str().is_empty() { by_name() } else { Some(event.object_uid.clone()) };
    if !uid.is_some_and(|uid| reveal(state, &uid)) {
        state.complain(format!("{} {} is not in the fleet any more", event.kind, event.name));
    }
}

/// Opens what is above an object and puts the cursor on it; false if it is not there.
pub fn reveal(state: &mut State, uid: &Uid) -> bool {
    use crate::fleet::Selection;
    let snapshot = state.snapshot.clone();
    let id = match snapshot.find(uid) {
        Some(Selection::Operation(operation)) => {
            view(state, View::Operations);
            if state.sieves.operations.position(|row| row.uid == operation.uid).is_none() {
                // A filter hides it.
                super::overlay::clear_filter(state);
            }
            state.operations.cursor = Some(operation.uid.clone());
            lists::keep(state);
            return true;
        }
        Some(Selection::Cluster(node)) => RowId::Cluster(node.row.uid.clone()),
        Some(Selection::Pool(cluster, node)) => {
            state.tree.set_open(RowId::Cluster(cluster.row.uid.clone()), true);
            RowId::Pool(node.row.uid.clone())
        }
        Some(Selection::Machine(machine)) => {
            match snapshot.pool_of(&machine) {
                Some(node) => {
                    if let Some(cluster) = snapshot.cluster_of(&node.row) {
                        state.tree.set_open(RowId::Cluster(cluster.row.uid.clone()), true);
                    }
                    state.tree.set_open(RowId::Pool(node.row.uid.clone()), true);
                    if machine.health >= Health::Good {
                        state.tree.set_open(RowId::Machines(node.row.uid.clone()), true);
                    }
                }
                None => state.tree.set_open(RowId::Idle(machine.uid.context), true),
            }
            RowId::Machine(machine.uid.clone())
        }
        None => return false,
    };
    view(state, View::Fleet);
    state.tree.set_open(RowId::Meta, true);
    state.tree.set_open(RowId::Context(uid.context), true);
    state.lay_out();
    if state.tree.go_to(&snapshot, &id) {
        return true;
    }
    // It is in a fold, or a filter hides it.
    for (at, cluster) in snapshot.clusters.iter().enumerate() {
        if at == snapshot.range(cluster.row.uid.context).start || cluster.health >= Health::Good {
            state.tree.set_open(RowId::Clusters(cluster.row.uid.clone()), true);
        }
    }
    state.filter = crate::console::input::Line::default();
    state.problems_only = false;
    state.sifter.apply("", &snapshot);
    state.sift_lists();
    state.tree.go_to(&snapshot, &id)
}

fn set_open(state: &mut State, id: RowId, open: bool) {
    state.tree.touched = true;
    state.tree.set_open(id, open);
    state.lay_out();
}

/// Tab: to the next pane that there is.
pub fn next_pane(state: &mut State, forward: bool) {
    let order = match state.view {
        View::Events if state.log.is_none() => [Pane::Main, Pane::Main, Pane::Main],
        _ if forward => [Pane::Main, Pane::Detail, Pane::Feed],
        _ => [Pane::Main, Pane::Feed, Pane::Detail],
    };
    let at = order.iter().position(|p| *p == state.pane).unwrap_or(0);
    state.pane = order[(at + 1) % order.len()];
}

/// The focused pane alone, or all panes again.
pub fn zoom(state: &mut State) {
    state.zoom = !state.zoom;
}

pub fn view(state: &mut State, view: View) {
    let before = std::mem::replace(&mut state.view, view);
    state.why = None;
    state.pane = Pane::Main;
    state.zoom = false;
    state.detail_scroll = 0;
    lists::open(state, before);
}

/// There is nothing to go back from.
pub fn is_at_top(state: &State) -> bool {
    let filtered = !state.filter.is_empty() || state.problems_only;
    !state.zoom
        && state.why.is_none()
        && state.marks.is_empty()
        && state.log.is_none()
        && state.pane == Pane::Main
        && state.view == View::Fleet
        && !filtered
        && matches!(state.overlay, Overlay::None)
        && state.help.is_none()
}

/// One level back; what was opened last is closed first.
pub fn back(state: &mut State) -> Vec<Effect> {
    let compact = state.layout().class == Class::Compact;
    if state.zoom || (compact && state.pane != Pane::Main) {
        state.zoom = false;
        state.pane = Pane::Main;
    } else if state.log.is_some() {
        state.pane = Pane::Main;
        return super::follow::close(state);
    } else if state.pane != Pane::Main {
        state.pane = Pane::Main;
    } else if !state.marks.is_empty() {
        state.marks.clear();
    } else if !state.line().is_empty() || state.problems_only {
        super::overlay::clear_filter(state);
    } else if state.view != View::Fleet {
        view(state, View::Fleet);
    } else {
        let key = state.keymap.key(Action::Quit);
        state.tell(format!("this is the top: `{key}` leaves the console"));
    }
    Vec::new()
}
