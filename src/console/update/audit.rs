//! The audit: opening it, and what it does with a key.

use super::{
    super::{
        action::Action,
        audit::{Audit, Scope},
        input::Line,
        keys::Chord,
        message::Effect,
        state::{Overlay, State},
    },
    navigate,
};
use crate::fleet::Snapshot;
use crossterm::event::{KeyCode, KeyEvent};

pub fn open(state: &mut State) {
    state.overlay = Overlay::Audit(Box::new(Audit::open(state)));
}

pub fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let action = state.keymap.action(Chord::from(key));
    let (snapshot, page) = (state.snapshot.clone(), height(state));
    let rows = isize::try_from(page).unwrap_or(isize::MAX);
    let Overlay::Audit(audit) = &mut state.overlay else { return Vec::new() };
    if audit.typing {
        match key.code {
            KeyCode::Enter => {
                audit.typing = false;
                if let Some(mistake) = audit.mistake.clone() {
                    audit.scroll(page);
                    state.complain(mistake);
                    return Vec::new();
                }
            }
            KeyCode::Down => audit.travel(1),
            KeyCode::Up => audit.travel(-1),
            KeyCode::Esc => (audit.typing, audit.filter) = (false, Line::default()),
            _ => drop(audit.filter.key(key)),
        }
        audit.look(&snapshot);
        audit.scroll(page);
        return Vec::new();
    }
    match (key.code, action) {
        (KeyCode::Enter, _) => return go(state),
        (KeyCode::Esc, _) if !audit.filter.is_empty() => {
            audit.filter = Line::default();
            audit.look(&snapshot);
        }
        (KeyCode::Esc, _) | (_, Some(Action::Back | Action::Quit | Action::Audit)) => state.overlay = Overlay::None,
        (KeyCode::Char('a'), _) => {
            (audit.scope, audit.title) = (Scope::All, "the fleet".into());
            audit.look(&snapshot);
        }
        (_, Some(Action::Help)) => {
            super::help::open(state);
            return Vec::new();
        }
        (_, Some(Action::Filter)) => audit.typing = true,
        (_, Some(Action::Down)) => audit.travel(1),
        (_, Some(Action::Up)) => audit.travel(-1),
        (_, Some(Action::HalfPageDown)) => audit.travel(rows / 2),
        (_, Some(Action::HalfPageUp)) => audit.travel(-rows / 2),
        (_, Some(Action::PageDown)) => audit.travel(rows),
        (_, Some(Action::PageUp)) => audit.travel(-rows),
        (_, Some(Action::First)) => audit.travel(isize::MIN),
        (_, Some(Action::Last)) => audit.travel(isize::MAX),
        _ => {}
    }
    if let Overlay::Audit(audit) = &mut state.overlay {
        audit.scroll(page);
    }
    Vec::new()
}

/// So many rows down, or up if negative.
pub fn travel(state: &mut State, rows: isize) {
    let page = height(state);
    if let Overlay::Audit(audit) = &mut state.overlay {
        audit.travel(rows);
        audit.scroll(page);
    }
}

/// A click on a row puts the cursor there, and on the row under the cursor goes to what it is about.
pub fn click(state: &mut State, y: u16) -> Vec<Effect> {
    let page = height(state);
    let Overlay::Audit(audit) = &mut state.overlay else { return Vec::new() };
    // The frame and the titles of the columns stand above.
    let Some(row) = usize::from(y).checked_sub(2).filter(|row| *row < page) else { return Vec::new() };
    let index = audit.top + row;
    if audit.typing || index >= audit.rows.len() {
        return Vec::new();
    }
    if index == audit.index {
        return go(state);
    }
    audit.index = index;
    Vec::new()
}

/// Rows that can be seen.
fn height(state: &State) -> usize {
    usize::from(state.size.1.saturating_sub(4)).max(1)
}

/// Pasted text goes to the filter that is typed, and nowhere else.
pub fn paste(audit: &mut Audit, snapshot: &Snapshot, text: &str) {
    if audit.typing {
        audit.filter.paste_line(text);
        audit.look(snapshot);
    }
}

/// To what the row is about.
fn go(state: &mut State) -> Vec<Effect> {
    let Overlay::Audit(audit) = &state.overlay else { return Vec::new() };
    let Some(entry) = audit.rows.get(audit.index).cloned() else { return Vec::new() };
    if state.snapshot.find(&entry.uid).is_none() {
        state.complain(format!("{} is not in the fleet any more", entry.name));
        return Vec::new();
    }
    state.overlay = Overlay::None;
    navigate::reveal(state, &entry.uid);
    Vec::new()
}
