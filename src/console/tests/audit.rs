//! Who did what: the table, what it is about, and the way back of the last change.

use super::{FLEET, agree, press, screen, send, state, with};
use crate::{
    console::{
        message::{Effect, Event},
        state::{Overlay, State, Subject},
    },
    fleet::testing,
};

const CHANGED: &str = r#"
    event Normal Changed NodePool/eu-1-gpu "eu-1-gpu scales from 3 to 6, by alice: launch capacity" ago=130 by=alice why="launch capacity"
    event Normal Changed Machine/us-2-m2 "us-2-m2 is to be cordoned, by bob: disk" ago=60 by=bob why=disk
    event Normal Changed NodePool/gone "gone is paused, by bob" ago=90000 by=bob
"#;

pub fn opened(keys: &str, size: (u16, u16)) -> State {
    let mut state = state(&format!("{FLEET}{CHANGED}"), size);
    press(&mut state, keys);
    state
}

fn who(state: &State) -> Vec<String> {
    let Overlay::Audit(audit) = &state.overlay else { panic!("{:?}", state.overlay) };
    audit.rows.iter().map(|row| format!("{} {}", row.who, row.name)).collect()
}

#[test]
fn it_is_about_what_the_cursor_is_on() {
    let check = |keys: &str, expected: &[&str]| assert_eq!(who(&opened(keys, (120, 40))), expected, "{keys}");
    let all = ["bob us-2-m2", "alice eu-1-gpu", "alice eu-1-gpu-up", "bob gone"];
    check("T", &all);
    check(": 'audit' enter", &all);
    check("j T", &["alice eu-1-gpu", "alice eu-1-gpu-up"]);
    check(": 'pool eu-1/gpu' enter T", &["alice eu-1-gpu", "alice eu-1-gpu-up"]);
    check(": 'pool eu-1/system' enter T", &[]);
    check(": 'pool eu-1/system' enter T a", &all);
    check(": 'machine us-2-m2' enter T", &["bob us-2-m2"]);
    check(": 'machine eu-1-m5' enter T", &["alice eu-1-gpu-up"]);
    check("T / 'LAUNCH' enter", &["alice eu-1-gpu", "alice eu-1-gpu-up"]);
    check("T / 'bob disk' enter", &["bob us-2-m2"]);
    check("T / 'nobody' enter", &[]);
    check("T / 'bob' enter esc", &all);
}

#[test]
fn what_it_looks_like() {
    for size in [(80, 24), (160, 48)] {
        let mut state = opened("T j", size);
        insta::assert_snapshot!(format!("audit_{}x{}", size.0, size.1), screen(&state));
        press(&mut state, "/ 'bob'");
        insta::assert_snapshot!(format!("audit_filter_{}x{}", size.0, size.1), screen(&state));
    }
}

#[test]
fn enter_goes_to_the_object_and_what_is_gone_is_said() {
    let mut state = opened("T enter", (120, 40));
    assert!(
        matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "us-2-m2"),
        "{:?}",
        state.subject()
    );
    press(&mut state, "T a G enter");
    assert!(state.notice.as_ref().is_some_and(|n| n.text == "gone is not in the fleet any more"), "{:?}", state.notice);
    assert!(matches!(state.overlay, Overlay::Audit(_)));
    press(&mut state, "T");
    assert!(matches!(state.overlay, Overlay::None), "the key that opens it closes it");
}

#[test]
fn news_come_in_and_the_cursor_stays_on_its_row() {
    let mut state = opened("T j j", (120, 40));
    let more = format!(
        "{FLEET}{CHANGED}\nevent Normal Changed NodePool/eu-1-gpu \"eu-1-gpu is on hold, by eve\" ago=1 by=eve"
    );
    with(&mut state, testing::snapshot(&more));
    let Overlay::Audit(audit) = &state.overlay else { panic!() };
    assert_eq!((&*audit.rows[0].who, audit.rows.len(), audit.index), ("eve", 5, 3));
}

/// Scales the pool to nine, as a server would let us.
fn scaled() -> State {
    let mut state = state(FLEET, (120, 40));
    let effects = press(&mut state, "W : 'pool eu-1/gpu' enter s 9");
    agree(&mut state, &effects);
    let effects = press(&mut state, "enter enter 'gpu' enter");
    let Some(Effect::Apply { ticket, order }) = effects.last() else { panic!("{effects:?}") };
    let outcome = Ok(order.done.clone());
    send(&mut state, Event::Applied { ticket: *ticket, outcome });
    assert!(state.notice.as_ref().is_some_and(|n| n.text.ends_with("`z` plans the way back")), "{:?}", state.notice);
    state
}

#[test]
fn a_scale_is_taken_back_by_the_same_dialog() {
    let mut state = scaled();
    with(&mut state, testing::snapshot(&FLEET.replace("replicas=6", "replicas=9")));
    press(&mut state, "z");
    let Overlay::Scale(dialog) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert_eq!((dialog.from(), dialog.replicas), (9, 6));
    // On another pool it is about versions, as ever.
    press(&mut state, "esc : 'pool eu-1/system' enter z");
    assert!(!matches!(state.overlay, Overlay::Scale(_)));
}

#[test]
fn what_somebody_else_decided_since_is_not_taken_back() {
    let mut state = scaled();
    with(&mut state, testing::snapshot(&FLEET.replace("replicas=6", "replicas=7")));
    press(&mut state, "z");
    let said = state.notice.as_ref().map_or("", |n| &n.text);
    assert!(said.starts_with("eu-1-gpu was scaled to 7 since you made it 9: nothing is taken back"), "{said}");
    assert!(matches!(state.overlay, Overlay::None));
}
