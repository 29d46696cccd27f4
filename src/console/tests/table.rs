//! The table of machines: its order, its columns, its cursor.

use super::{FLEET, press, screen, send, state, with};
use crate::{
    console::{
        message::{Effect, Event},
        state::{State, Subject, View},
    },
    fleet::testing,
};

fn check(name: &str, state: &State) {
    let (width, height) = state.size;
    insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen(state));
}

fn under_cursor(state: &State) -> String {
    match state.subject() {
        Subject::Machine(machine) => machine.name.to_string(),
        other => format!("{other:?}"),
    }
}

fn order(state: &State) -> String {
    let names = state.table.rows().iter().map(|uid| state.snapshot.machine(uid).expect("it is there").name.to_string());
    names.take(4).collect::<Vec<_>>().join(" ")
}

#[test]
fn machines_of_every_cluster_in_one_table() {
    for size in [(60, 15), (80, 24), (120, 40), (160, 48)] {
        let mut state = state(FLEET, size);
        press(&mut state, "3 j");
        check("machines", &state);
    }
    let mut state = state(FLEET, (160, 48));
    press(&mut state, "3 w o O");
    check("machines_wide", &state);
}

#[test]
fn it_is_ordered_by_any_column_either_way() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "3");
    assert_eq!(order(&state), "eu-1-m6 eu-1-m5 eu-1-m1 eu-1-m2");
    press(&mut state, "o");
    assert_eq!((order(&state).as_str(), state.table.key.name().as_str()), ("eu-1-m1 eu-1-m2 eu-1-m3 eu-1-m4", "name"));
    press(&mut state, "O");
    assert_eq!(order(&state), "us-2-m5 us-2-m4 us-2-m3 us-2-m2");
    press(&mut state, "shift-right");
    assert_eq!(state.table.key.name(), "cluster");
    press(&mut state, "shift-left shift-left");
    assert_eq!(state.table.key.name(), "urgency");
    press(&mut state, "1 o");
    assert!(state.notice.as_ref().unwrap().text.contains("`3` shows it"));
}

#[test]
fn the_cursor_stays_on_its_machine() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "3 j j j");
    assert_eq!(under_cursor(&state), "eu-1-m2");
    press(&mut state, "O");
    assert_eq!(under_cursor(&state), "eu-1-m2");
    with(&mut state, testing::snapshot(&FLEET.replace("eu-1-m1 Ready", "eu-1-m1 Failed")));
    assert_eq!(under_cursor(&state), "eu-1-m2");
    press(&mut state, "/ 'us-2' enter");
    assert_eq!((state.view, state.table.len()), (View::Machines, 5));
    press(&mut state, "esc");
    assert_eq!(state.table.len(), 25);
}

#[test]
fn actions_are_for_the_machine_under_the_cursor() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "3 j j j W c");
    let effects = press(&mut state, "y");
    let changes = effects.iter().find_map(|effect| match effect {
        Effect::Apply { order, .. } => Some(order.changes.iter().map(|c| c.target.name.clone()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(changes.expect("it was confirmed"), ["eu-1-m2"]);
}

#[test]
fn columns_are_chosen_and_kept() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, ": 'columns name,label:gpu,version' enter");
    assert_eq!(state.view, View::Machines);
    assert!(screen(&state).contains("GPU"), "{}", screen(&state));
    assert!(press(&mut state, ": 'columns save mine' enter").contains(&Effect::Remember));
    press(&mut state, ": 'columns wide' enter");
    assert!(!screen(&state).contains("GPU"));
    press(&mut state, ": 'columns mine' enter");
    assert!(screen(&state).contains("GPU"));
    press(&mut state, ": 'columns nameq' enter");
    assert!(screen(&state).contains("did you mean `name`?"), "{}", screen(&state));
}

#[test]
fn a_large_fleet_is_put_in_order_elsewhere() {
    let mut state = state("cluster a\npool p\nidle 2500 m-", (120, 40));
    let asked = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Arrange(question) => Some(question),
            _ => None,
        })
    };
    let question = asked(press(&mut state, "3")).expect("they are many");
    assert!(screen(&state).contains("Looking through the machines"));
    assert!(asked(press(&mut state, "o")).is_none(), "one at a time");
    // What was asked for meanwhile is asked for now.
    let answer = question.answer();
    let next = asked(send(&mut state, Event::Arranged(answer))).expect("another order was asked for");
    send(&mut state, Event::Arranged(next.answer()));
    assert_eq!(order(&state), "m-1 m-2 m-3 m-4");
    // Data alone does not keep it busy: at most once a second.
    let fleet = testing::snapshot("cluster a\npool p\nidle 2500 m-");
    assert!(asked(with(&mut state, fleet.clone())).is_none());
    let times = (0..10).filter(|_| asked(send(&mut state, Event::Tick)).is_some()).count();
    assert_eq!(times, 1);
}
