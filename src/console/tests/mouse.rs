//! The mouse: what a click and the wheel do, and what they never do.

use super::{FLEET, agree, press, screen, send, state};
use crate::console::{
    action::Action,
    contexts::Context,
    glyphs::Glyphs,
    message::{Effect, Event},
    state::{Overlay, Pane, Place, State, Subject, View},
};
use crate::fleet::testing;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

const CLICK: MouseEventKind = MouseEventKind::Down(MouseButton::Left);

fn point(state: &mut State, kind: MouseEventKind, (column, row): (u16, u16)) -> Vec<Effect> {
    send(state, Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

/// Where these words begin on the screen.
fn place(state: &State, words: &str) -> (u16, u16) {
    let text = screen(state);
    let found = text.lines().enumerate().find_map(|(row, line)| {
        let before = line.find(words)?;
        Some((line[..before].chars().count() as u16, row as u16))
    });
    found.unwrap_or_else(|| panic!("{words} is not on\n{text}"))
}

fn click(state: &mut State, words: &str) -> Vec<Effect> {
    let at = place(state, words);
    point(state, CLICK, at)
}

fn with_mouse(size: (u16, u16)) -> State {
    let mut state = state(FLEET, size);
    assert_eq!(press(&mut state, ": 'mouse on' enter"), [Effect::Mouse(true)]);
    state
}

#[test]
fn a_click_goes_to_a_row_and_another_one_opens_it() {
    let mut state = with_mouse((120, 40));
    assert!(click(&mut state, "▸ eu-1").is_empty());
    assert!(matches!(state.subject(), Subject::Cluster(node) if &*node.row.name == "eu-1"));
    click(&mut state, "▸ eu-1");
    click(&mut state, "▸ gpu");
    assert!(matches!(state.subject(), Subject::Pool(node) if &*node.row.short_name == "gpu"));
    press(&mut state, "3");
    let row = place(&state, "us-2-m3");
    point(&mut state, CLICK, row);
    assert!(matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "us-2-m3"));
    point(&mut state, CLICK, row);
    assert_eq!((state.pane, state.zoom), (Pane::Detail, true), "its page");
}

#[test]
fn views_columns_and_panes_are_clicked() {
    let mut state = with_mouse((120, 40));
    for view in View::ALL.into_iter().filter(|view| *view != View::Hosts) {
        let tab = format!("{} {}", state.keymap.key(Action::of_view(view)), view.title());
        click(&mut state, &tab);
        assert_eq!(state.view, view);
    }
    press(&mut state, "3");
    click(&mut state, "VERSION");
    assert_eq!((state.table.key.name().as_str(), state.table.reversed), ("version", false));
    click(&mut state, "VERSION");
    assert!(state.table.reversed);
    press(&mut state, "1");
    click(&mut state, "─ Events");
    assert_eq!(state.pane, Pane::Feed);
    click(&mut state, "meta cluster");
    assert_eq!(state.pane, Pane::Detail);
}

#[test]
fn a_click_sorts_by_the_column_under_it_whatever_contexts_are_called() {
    let names = ["production-europe-w1", "lab"];
    let contexts = names.map(|name| Context::plain(Place { context: name.into(), ..Place::default() }));
    let mut state = State::on(contexts.into(), super::keymap(), Glyphs::Unicode, (160, 40), testing::NOW);
    send(&mut state, Event::Data(testing::several(&[(names[0], FLEET), (names[1], FLEET)])));
    press(&mut state, "3 : 'mouse on' enter");
    for key in ["NAME", "STATE", "VERSION"] {
        click(&mut state, &format!(" {key}"));
        let (column, row) = place(&state, &format!(" {key}"));
        point(&mut state, CLICK, (column + 1, row));
        assert_eq!(state.table.key.name(), key.to_lowercase(), "{}", screen(&state));
    }
}

#[test]
fn the_wheel_scrolls_what_it_is_over() {
    let mut state = with_mouse((120, 40));
    press(&mut state, "3");
    let row = place(&state, "us-2-m3");
    point(&mut state, MouseEventKind::ScrollDown, row);
    assert_eq!(state.table.list.index, 3);
    point(&mut state, MouseEventKind::ScrollUp, row);
    assert_eq!(state.table.list.index, 0);
    press(&mut state, "?");
    point(&mut state, MouseEventKind::ScrollDown, (5, 5));
    assert!(state.help.as_ref().is_some_and(|help| help.scroll == 3));
}

#[test]
fn nothing_is_heard_while_it_is_off_or_of_no_meaning() {
    let mut state = state(FLEET, (120, 40));
    let (at, revision) = (place(&state, "▸ eu-1"), state.revision);
    point(&mut state, CLICK, at);
    assert!(matches!(state.subject(), Subject::Fleet) && state.revision == revision);
    let mut state = with_mouse((120, 40));
    let revision = state.revision;
    point(&mut state, MouseEventKind::Up(MouseButton::Left), at);
    point(&mut state, MouseEventKind::Moved, at);
    point(&mut state, MouseEventKind::Down(MouseButton::Right), at);
    assert_eq!(state.revision, revision, "nothing is drawn for it");
    assert_eq!(press(&mut state, ": 'mouse off' enter"), [Effect::Mouse(false)]);
}

#[test]
fn no_click_answers_a_dialog() {
    for keys in ["W : 'pool eu-1/gpu' enter s 9", "W : 'machine eu-1-m1' enter c", "W : 'machine eu-1-m1' enter R"] {
        let mut state = with_mouse((80, 24));
        let effects = press(&mut state, keys);
        agree(&mut state, &effects);
        let before = std::mem::discriminant(&state.overlay);
        assert!(!matches!(state.overlay, Overlay::None), "{keys}");
        for (x, y) in (0..80).step_by(3).flat_map(|x| (0..24).map(move |y| (x, y))) {
            assert!(point(&mut state, CLICK, (x, y)).is_empty(), "{keys}: {x} {y}");
        }
        assert_eq!(std::mem::discriminant(&state.overlay), before, "{keys}");
    }
}
