//! What lies under the pointer: pure arithmetic over the layout.
//!
//! Only what looks or moves can be hit. Nothing that confirms or changes anything has a place here: that takes a key.

use super::{
    state::{Pane, State, View},
    view,
};
use crate::fleet::sort::Key;
use ratatui::layout::{Position, Rect};

/// Rows that one notch of the wheel goes.
pub const NOTCH: isize = 3;

/// What can be pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The title of a view.
    Tab(View),
    /// A row of the main list.
    Row(usize),
    /// The title of a column of the table.
    Column(Key),
    /// A pane, where there is nothing of its own.
    Pane(Pane),
}

/// What is at a place of the screen, while nothing lies over the panes.
pub fn hit(state: &State, x: u16, y: u16) -> Option<Hit> {
    let layout = state.layout();
    let at = Position::new(x, y);
    let is_in = |area: Option<Rect>| area.filter(|area| area.contains(at));
    if let Some(tabs) = is_in(layout.tabs) {
        return view::tab_at(state, x - tabs.x).map(Hit::Tab);
    }
    if let Some(main) = is_in(layout.main) {
        return Some(in_main(state, main, at));
    }
    let pane = is_in(layout.detail).map(|_| Pane::Detail).or_else(|| is_in(layout.feed).map(|_| Pane::Feed));
    pane.map(Hit::Pane)
}

/// Within the frame the titles of columns stand first, then the rows.
fn in_main(state: &State, main: Rect, at: Position) -> Hit {
    let inside = at.x > main.x && at.x + 1 < main.right() && at.y + 1 < main.bottom();
    let first = main.y + 2;
    let row = usize::from(at.y.saturating_sub(first)) + top(state);
    if inside && at.y >= first && row < rows(state) {
        return Hit::Row(row);
    }
    let column = (inside && at.y + 1 == first && state.view == View::Machines)
        .then(|| view::column_at(state, main, at.x - main.x - 1))
        .flatten();
    column.map_or(Hit::Pane(Pane::Main), Hit::Column)
}

/// The first row that can be seen.
fn top(state: &State) -> usize {
    match state.view {
        View::Fleet => state.tree.top,
        View::Operations => state.operations.top,
        View::Machines => state.table.list.top,
        View::Events => state.events.top,
        View::Hosts => state.hosts.list.top,
    }
}

/// How many there are.
fn rows(state: &State) -> usize {
    match state.view {
        View::Fleet => state.tree.len(),
        View::Operations => state.sieves.operations.len(),
        View::Machines => state.table.len(),
        View::Events => state.sieves.events.len(),
        View::Hosts => state.hosts.len(),
    }
}

/// The row that the cursor is on.
pub fn cursor(state: &State) -> usize {
    match state.view {
        View::Fleet => state.tree.index(),
        View::Operations => state.operations.index,
        View::Machines => state.table.list.index,
        View::Events => state.events.index,
        View::Hosts => state.hosts.list.index,
    }
}
