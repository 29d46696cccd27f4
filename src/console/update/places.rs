//! Back and forth, and bookmarks.

use super::super::{
    message::Effect,
    places::{self, Location, Purpose, Spot},
    state::{Overlay, State, View},
    tree::RowId,
};
use super::{lists, navigate};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One place back or forward.
pub fn step(state: &mut State, forward: bool) {
    match state.history.step(forward) {
        Some(place) => go(state, &place),
        None => state.tell(if forward { "this is the newest place" } else { "this is where you began" }),
    }
}

/// To the place before this one, and with the same key back.
pub fn swap(state: &mut State) {
    match state.history.swap() {
        Some(place) => go(state, &place),
        None => state.tell("there is no place before this one yet"),
    }
}

/// Shows a place; what is not there any more is said.
fn go(state: &mut State, place: &Location) {
    navigate::view(state, place.view);
    places::set_list(state, place);
    state.sifter.apply(state.filter.value(), &state.snapshot);
    state.sift_lists();
    let snapshot = state.snapshot.clone();
    let found = match (&place.spot, place.view) {
        (Spot::Row(row), _) => {
            state.tree.go_to(&snapshot, row) || row.uid().is_some_and(|uid| navigate::reveal(state, &uid.clone()))
        }
        (Spot::Item(None), _) => true,
        (Spot::Item(Some(uid)), View::Machines) => {
            // The rows of another filter come with the next look: the cursor is put on it then.
            if !state.table.go_to(uid) {
                state.table.list.cursor = Some(uid.clone());
            }
            snapshot.machine(uid).is_some()
        }
        (Spot::Item(Some(uid)), View::Operations) => {
            state.operations.cursor = Some(uid.clone());
            snapshot.operation(uid).is_some()
        }
        // As they were seen; they are not asked for it.
        (Spot::Item(Some(uid)), View::Hosts) => state.hosts.select(uid) || snapshot.machine(uid).is_some(),
        (Spot::Item(Some(uid)), _) => {
            state.events.cursor = Some(uid.clone());
            snapshot.events.iter().any(|event| event.uid == *uid)
        }
    };
    lists::keep(state);
    if !found {
        state.complain("what was there is not in the fleet any more");
    }
}

/// Remembers where the last key has led.
pub fn note(state: &mut State, is_step: bool) {
    if matches!(state.overlay, Overlay::None) {
        let here = Location::of(state);
        state.history.note(here, is_step);
    }
}

pub fn ask(state: &mut State, purpose: Purpose) {
    if purpose == Purpose::Jump && state.bookmarks.is_empty() {
        let key = state.keymap.key(super::Action::SetBookmark);
        return state.tell(format!("there are no bookmarks yet: `{key}` and a letter sets one"));
    }
    state.overlay = Overlay::Bookmark(purpose);
}

/// The letter.
pub fn letter(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Overlay::Bookmark(purpose) = state.overlay else { return Vec::new() };
    let letter = match key.code {
        KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => c,
        _ => {
            state.overlay = Overlay::None;
            return Vec::new();
        }
    };
    if !letter.is_ascii_alphanumeric() {
        state.overlay = Overlay::None;
        state.complain(format!("a bookmark is a letter or a digit, not `{letter}`"));
        return Vec::new();
    }
    state.overlay = Overlay::None;
    match purpose {
        Purpose::Set => {
            let here = Location::of(state);
            state.tell(format!("bookmark {letter}: {}", here.title(state)));
            state.bookmarks.insert(letter, here);
            return vec![Effect::Remember];
        }
        Purpose::Jump => match state.bookmarks.get(&letter).cloned() {
            Some(place) => go(state, &place),
            None => {
                let known: String = state.bookmarks.keys().collect();
                state.complain(format!("there is no bookmark `{letter}`: there are {known}"));
            }
        },
    }
    Vec::new()
}

/// The place where somebody was the last time, as soon as the fleet is known; unless the user has gone elsewhere.
pub fn come_back(state: &mut State) {
    if !state.snapshot.complete {
        return;
    }
    let Some((place, open)) = state.come_back_to.take() else { return };
    let is_untouched = !state.tree.touched
        && state.view == View::Fleet
        && state.tree.cursor == RowId::Meta
        && state.filter.is_empty()
        && matches!(state.overlay, Overlay::None)
        && state.help.is_none();
    if !is_untouched {
        return;
    }
    for row in open {
        state.tree.set_open(row, true);
    }
    let is_elsewhere = place != Location::of(state);
    go(state, &place);
    // Whatever is gone since then is no news.
    state.notice = None;
    if is_elsewhere {
        let key = state.keymap.key(super::Action::Back);
        state.tell(format!("as you left it; `{key}` goes back to the top"));
    }
    note(state, true);
}
