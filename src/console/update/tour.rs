//! The tour: when it begins, and what it does with a key.

use super::super::{
    action::Action,
    form::TYPE_AHEAD_MILLISECONDS,
    keys::Chord,
    layout::Class,
    message::Effect,
    state::{Overlay, State},
    tour::Tour,
};
use crossterm::event::{KeyCode, KeyEvent};

/// The first one begins when there is a fleet to speak of, and nothing else is on the screen.
pub fn begin_if_wanted(state: &mut State) {
    let is_free = matches!(state.overlay, Overlay::None) && state.help.is_none() && state.why.is_none();
    let is_ready = state.snapshot.complete && state.layout().class > Class::TooSmall;
    if state.wants_tour && is_free && is_ready {
        open(state);
    }
}

pub fn open(state: &mut State) {
    state.wants_tour = false;
    state.tour = Some(Tour::new(state.now));
    state.revision += 1;
}

pub fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let seen_at = state.seen_at();
    let Some(tour) = &mut state.tour else { return Vec::new() };
    // Typed ahead: meant for the fleet, and no reason to skip what was not seen.
    if seen_at.as_millisecond() - tour.opened_at.as_millisecond() < TYPE_AHEAD_MILLISECONDS {
        return Vec::new();
    }
    match (key.code, state.keymap.action(Chord::from(key))) {
        (KeyCode::Esc, _) | (_, Some(Action::Quit)) => return end(state),
        (KeyCode::Enter | KeyCode::Right, _) if tour.is_last() => return end(state),
        (KeyCode::Enter | KeyCode::Right, _) => tour.screen += 1,
        (KeyCode::Left, _) => tour.screen = tour.screen.saturating_sub(1),
        _ => {}
    }
    Vec::new()
}

fn end(state: &mut State) -> Vec<Effect> {
    state.tour = None;
    vec![Effect::TourSeen]
}
