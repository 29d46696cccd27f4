//! The way back and forth, bookmarks, ranges of marks, and coming back the next time.

use super::{FLEET, keymap, press, screen, state, with};
use crate::{
    console::{
        glyphs::Glyphs,
        message::Effect,
        session::Session,
        state::{Place, State, Subject, View},
    },
    fleet::testing,
};

fn here(state: &State) -> String {
    let name = match state.subject() {
        Subject::Fleet => "fleet".to_owned(),
        Subject::Context(_) => "context".to_owned(),
        Subject::Idle(_) => "idle".to_owned(),
        Subject::Clusters(_) => "clusters".to_owned(),
        Subject::Cluster(node) => node.row.name.to_string(),
        Subject::Pool(node) => node.row.name.to_string(),
        Subject::Machine(machine) => machine.name.to_string(),
        Subject::Operation(operation) => operation.name.to_string(),
    };
    format!("{:?} {name}", state.view)
}

#[test]
fn back_and_forth_over_what_was_visited() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "j right j 3 j j : 'pool us-2/general' enter");
    assert_eq!(here(&state), "Fleet us-2-general");
    press(&mut state, "[");
    assert_eq!(here(&state), "Machines eu-1-m1");
    press(&mut state, "[");
    assert_eq!(here(&state), "Fleet eu-1-gpu");
    press(&mut state, "[");
    assert!(state.notice.as_ref().unwrap().text.contains("where you began"));
    press(&mut state, "] ]");
    assert_eq!(here(&state), "Fleet us-2-general");
    press(&mut state, "-");
    assert_eq!(here(&state), "Machines eu-1-m1");
    press(&mut state, "-");
    assert_eq!(here(&state), "Fleet us-2-general");
    // A filter is a place as well.
    press(&mut state, "/ 'eu-1-m6' enter [");
    assert_eq!((state.filter.value(), here(&state).as_str()), ("", "Fleet us-2-general"));
    press(&mut state, "]");
    assert_eq!(state.filter.value(), "eu-1-m6");
}

#[test]
fn bookmarks_are_set_and_found_again() {
    let mut state = state(FLEET, (120, 40));
    let quote = |state: &mut State, letter: &str| {
        let chord: crate::console::keys::Chord = "'".parse().unwrap();
        let mut effects = super::send(state, crate::console::message::Event::Key(chord.into()));
        effects.extend(press(state, letter));
        effects
    };
    quote(&mut state, "");
    assert!(state.notice.as_ref().unwrap().text.contains("no bookmarks yet: `m`"));
    press(&mut state, "j right j");
    assert_eq!(press(&mut state, "m g"), [Effect::Remember]);
    press(&mut state, "3 / 'state=failed' enter m f 1");
    quote(&mut state, "f");
    assert_eq!((here(&state).as_str(), state.filter.value()), ("Machines eu-1-m6", "state=failed"));
    quote(&mut state, "g");
    assert_eq!((here(&state).as_str(), state.filter.value()), ("Fleet eu-1-gpu", ""));
    // In the table at once, and not when something changes next.
    press(&mut state, "3 G m t");
    let (last, index) = (here(&state), state.table.len() - 1);
    press(&mut state, "g");
    quote(&mut state, "t");
    assert_eq!((here(&state), state.table.list.index), (last, index));
    quote(&mut state, "x");
    assert!(state.notice.as_ref().unwrap().text.contains("no bookmark `x`: there are fgt"));
    press(&mut state, "m esc");
    assert_eq!(state.bookmarks.len(), 3);
    press(&mut state, "m");
    insta::assert_snapshot!("bookmarks_120x40", screen(&state));
    // The object is gone: said, and nothing else happens.
    press(&mut state, "esc");
    with(&mut state, testing::snapshot("cluster us-2\npool general"));
    quote(&mut state, "g");
    assert!(state.notice.as_ref().unwrap().text.contains("not in the fleet any more"));
}

#[test]
fn a_range_is_marked_from_the_last_mark() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "3 j j space j j v");
    assert_eq!(state.marks.len(), 4);
    press(&mut state, "ctrl-\\");
    assert!(state.marks.is_empty());
    press(&mut state, "v");
    assert!(state.notice.as_ref().unwrap().text.contains("`v` marks all between"));
    press(&mut state, "k k v");
    assert_eq!(state.marks.len(), 3);
    press(&mut state, "esc 1 g v");
    assert!(state.notice.as_ref().unwrap().text.contains("only machines are marked"));
}

#[test]
fn the_next_time_begins_where_the_last_one_ended() {
    let mut last = state(FLEET, (120, 40));
    press(&mut last, "j right j right j m a : 'columns name,node' enter : 'columns save mine' enter o O 1");
    let kept = Session::of(&last);
    let text = serde_json::to_string(&kept).unwrap();
    let kept: Session = serde_json::from_str(&text).unwrap();

    let place = Place { context: "demo".into(), namespace: "fleet".into(), user: "alice".into(), ..Place::default() };
    let mut next = State::new(place, keymap(), Glyphs::Unicode, (120, 40), testing::NOW);
    next.come_back_to = kept.restore(&mut next);
    with(&mut next, testing::snapshot(FLEET));
    assert_eq!(here(&next), here(&last));
    assert!(next.notice.as_ref().unwrap().text.starts_with("as you left it"));
    assert_eq!((next.table.key.name(), next.table.reversed), ("name".to_owned(), true));
    assert_eq!(next.column_sets, last.column_sets);
    assert_eq!(next.bookmarks, last.bookmarks);
    assert_eq!(Session::of(&next), kept);

    // Who has gone elsewhere meanwhile is not led away.
    let mut busy = State::new(Place::default(), keymap(), Glyphs::Unicode, (120, 40), testing::NOW);
    busy.come_back_to = kept.restore(&mut busy);
    press(&mut busy, "2");
    with(&mut busy, testing::snapshot(FLEET));
    assert_eq!(busy.view, View::Operations);
}

#[test]
fn what_is_gone_is_no_reason_to_complain_at_the_start() {
    let mut last = state(FLEET, (120, 40));
    press(&mut last, "j right j right j");
    let mut next = State::new(Place::default(), keymap(), Glyphs::Unicode, (120, 40), testing::NOW);
    next.come_back_to = Session::of(&last).restore(&mut next);
    with(&mut next, testing::snapshot("cluster other\npool p"));
    assert_eq!(here(&next), "Fleet fleet");
    assert!(next.notice.as_ref().is_none_or(|notice| !notice.complaint));
}
