//! The tour: when it begins, how one goes through it, and that it is legible everywhere.

use super::{FLEET, empty, press, screen, send, state, with};
use crate::{
    console::{
        glyphs::Glyphs,
        message::{Effect, Event, Msg},
        state::{Overlay, State},
        tour::SCREENS,
        update::update,
    },
    fleet::testing,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn on_tour(size: (u16, u16)) -> State {
    let mut state = state(FLEET, size);
    state.wants_tour = true;
    with(&mut state, testing::snapshot(FLEET));
    assert!(state.tour.is_some());
    state
}

fn at(state: &State) -> Option<usize> {
    state.tour.map(|tour| tour.screen + 1)
}

#[test]
fn all_screens() {
    for size in [(60, 15), (80, 24), (120, 40)] {
        let mut state = on_tour(size);
        for number in 1..=SCREENS {
            let text = screen(&state);
            assert!(text.contains(&format!("{number} of {SCREENS}")), "{text}");
            insta::assert_snapshot!(format!("tour_{number}_{}x{}", size.0, size.1), text);
            press(&mut state, "enter");
        }
        assert_eq!(at(&state), None);
    }
}

#[test]
fn nothing_of_it_is_cut_and_ascii_is_enough() {
    let words = ["and what is alike", "then every key", "no ctrl key changes", "as it comes", "screens again"];
    for size in [(60, 15), (61, 16), (76, 20), (80, 24), (160, 48), (300, 80)] {
        let mut state = on_tour(size);
        state.glyphs = Glyphs::Ascii;
        for words in words {
            let text = screen(&state);
            let joined = text.split(['|', '#', '\n']).flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
            assert!(words.split(' ').all(|word| joined.contains(word)), "{size:?}: {text}");
            assert!(text.is_ascii(), "{text}");
            assert!(text.contains("enter right"), "{size:?}: {text}");
            press(&mut state, "right");
        }
    }
}

#[test]
fn it_goes_forth_and_back_and_ends() {
    let mut state = on_tour((80, 24));
    let seen = |effects: &[Effect]| effects.contains(&Effect::TourSeen);
    assert!(!seen(&press(&mut state, "enter right left left left right")));
    assert_eq!(at(&state), Some(2));
    assert!(press(&mut state, "j s W 2 x U").is_empty(), "no other key means anything");
    assert!(at(&state) == Some(2) && matches!(state.overlay, Overlay::None) && !state.is_armed());
    assert!(seen(&press(&mut state, "esc")) && at(&state).is_none());
    let mut state = on_tour((80, 24));
    assert!(seen(&press(&mut state, "enter enter enter enter enter")) && at(&state).is_none());
    let mut state = on_tour((80, 24));
    assert!(seen(&press(&mut state, "q")) && at(&state).is_none());
    assert_eq!(press(&mut on_tour((80, 24)), "ctrl-c"), [Effect::Quit]);
}

#[test]
fn it_waits_for_the_fleet_and_comes_once() {
    let mut state = empty((80, 24));
    state.wants_tour = true;
    let mut early = testing::snapshot(FLEET).as_ref().clone();
    early.complete = false;
    with(&mut state, early.into());
    assert_eq!(at(&state), None, "there is nothing yet to speak of");
    press(&mut state, "?");
    with(&mut state, testing::snapshot(FLEET));
    assert_eq!(at(&state), None, "somebody reads something else");
    press(&mut state, "esc");
    with(&mut state, testing::snapshot(FLEET));
    assert_eq!(at(&state), Some(1));
    press(&mut state, "esc");
    with(&mut state, testing::snapshot(FLEET));
    assert_eq!(at(&state), None);
    press(&mut state, ": 'tour' enter");
    assert_eq!(at(&state), Some(1));
    let mut small = empty((50, 10));
    small.wants_tour = true;
    with(&mut small, testing::snapshot(FLEET));
    assert_eq!(at(&small), None, "there is no room for it");
    send(&mut small, Event::Resize(80, 24));
    with(&mut small, testing::snapshot(FLEET));
    assert_eq!(at(&small), Some(1));
}

#[test]
fn what_was_typed_ahead_does_not_skip_it() {
    let mut state = on_tour((80, 24));
    let key = Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    let now = state.now + jiff::SignedDuration::from_millis(149);
    assert!(update(&mut state, Msg { now, event: key.clone() }).is_empty() && at(&state) == Some(1));
    let now = now + jiff::SignedDuration::from_millis(1);
    assert_eq!((update(&mut state, Msg { now, event: key }), at(&state)), (vec![Effect::TourSeen], None));
}

#[test]
fn what_it_says_of_safety_is_true() {
    let mut state = on_tour((120, 40));
    press(&mut state, "enter enter");
    assert!(screen(&state).contains("until then all is read-only"), "{}", screen(&state));
    state.armed_until = Some(jiff::Timestamp::MAX);
    assert!(screen(&state).contains("this makes all read-only again"), "{}", screen(&state));
    for entry in crate::console::action::ACTIONS.iter().filter(|entry| entry.writes) {
        let keys = state.keymap.keys(entry.action).iter().map(ToString::to_string);
        assert!(keys.into_iter().all(|key| !key.starts_with("ctrl-")), "{}", entry.name);
    }
}

#[test]
fn a_title_in_ascii_stays_as_it_is() {
    let mut state = on_tour((80, 24));
    state.glyphs = Glyphs::Ascii;
    with(&mut state, testing::snapshot("cluster eu-west-1-a\npool gpu replicas=1\nmachine m-1 Failed"));
    press(&mut state, "esc j : 'tour' enter enter enter enter");
    let shown = screen(&state);
    assert_eq!(at(&state), Some(4), "{shown}");
    assert!(shown.contains("# eu-west-1-a   Cluster #"), "{shown}");
}

#[test]
fn keys_are_those_of_the_user() {
    let mut state = on_tour((120, 40));
    let keys = |key: &str| vec![key.to_owned()];
    let rows = [("arm", keys("f9")), ("why", keys("I")), ("command", keys(";"))];
    state.keymap =
        crate::console::keys::Keymap::build(rows.iter().map(|(name, keys)| (*name, keys.as_slice()))).expect("good");
    press(&mut state, "enter enter");
    assert!(screen(&state).contains(" f9 "), "{}", screen(&state));
    press(&mut state, "enter enter");
    assert!(screen(&state).contains(" I ") && screen(&state).contains(";tour"), "{}", screen(&state));
}
