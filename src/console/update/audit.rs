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
use crossterm::event::{KeyCode, KeyEvent};

pub fn open(state: &mut State) {
    state.overlay = Overlay::Audit(Box::new(Audit::open(state)));
}

pub fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let action = state.keymap.action(Chord::from(key));
    let (snapshot, page) = (state.snapshot.clone(), usize::from(state.size.1.saturating_sub(4)).max(1));
    let rows = isize::try_from(page).unwrap_or(isize::MAX);
    let Overlay::Audit(audit) = &mut state.overlay else { return Vec::new() };
    if audit.typing {
        match key.code {
            KeyCode::Enter => audit.typing = false,
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
