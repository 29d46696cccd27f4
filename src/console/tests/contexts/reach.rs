//! Contexts that were never reached, or are not any more: what is not known is no number, and what was is not what is.

use super::*;
use crate::fleet::Part;

/// Three contexts without anything, the second as it is before its server has ever answered.
fn before_all_answered(line: &str) -> Arc<Snapshot> {
    let part = |(at, name): (usize, &str)| {
        let all = testing::several(&[("", ""), ("", line), ("", "")]);
        let mut snapshot = all.of(ContextId::at(at)).expect("there are three").clone();
        snapshot.complete = at != 1;
        Part { name: name.into(), snapshot: Arc::new(snapshot), welcome: None }
    };
    let all = ["prod-eu", "lab", "partner"];
    Arc::new(merge(all.into_iter().enumerate().map(part).collect(), &Snapshot::default()))
}

#[test]
fn who_was_never_reached_does_not_look_empty() {
    let views = [
        ("1", "There are no"),
        ("2", "Nothing has been done"),
        ("3", "There are no"),
        ("4", "Nothing has happened"),
        ("5", "No machine is here"),
    ];
    for (view, none) in views {
        let mut away = state(before_all_answered("offline \"connection refused\""), (80, 24));
        press(&mut away, view);
        let shown = screen(&away);
        assert!(shown.contains("lab is not reached: connection refused."), "{view}: {shown}");
        assert!(!shown.contains(none), "{view}: {shown}");
        let mut reading = state(before_all_answered("connecting"), (80, 24));
        press(&mut reading, view);
        assert!(screen(&reading).contains("Reading the fleet"), "{view}: {}", screen(&reading));
    }
}

#[test]
fn what_nobody_knows_is_no_number() {
    let mut never = Snapshot::clone(&testing::snapshot("offline \"connection refused\""));
    never.complete = false;
    let place = Place { context: "demo".into(), namespace: "fleet".into(), user: "alice".into(), ..Place::default() };
    let mut state = State::new(place, keymap(), Glyphs::Unicode, (120, 40), testing::NOW);
    send(&mut state, Event::Data(Arc::new(never)));
    let shown = screen(&state);
    assert!(shown.contains("✔ ?") && shown.contains("machines ?") && !shown.contains("✔ 0"), "{shown}");
    assert!(shown.contains("demo is not reached: connection refused."), "{shown}");
    send(&mut state, Event::Data(testing::snapshot("")));
    let shown = screen(&state);
    assert!(shown.contains("✔ 0") && shown.contains("There are no clusters"), "{shown}");
}

/// What a lost context has is drawn as what was, in the tree, in the table, on a page and in the answer to why.
#[test]
fn rows_of_a_lost_context_do_not_look_live() {
    let lab = format!("{ONE}\noffline");
    let mut state = state(fleet(&lab), (120, 40));
    let row = |state: &State, of: &str| {
        let shown = screen(state);
        shown.lines().find(|line| line.contains(of)).map_or_else(|| panic!("{of}: {shown}"), ToOwned::to_owned)
    };
    press(&mut state, "3 / 'context=lab state=ready' enter");
    assert!(row(&state, "Ready ").contains('◍'), "{}", screen(&state));
    press(&mut state, "esc 1 : 'machine lab/m-1' enter");
    for _ in 0..30 {
        send(&mut state, Event::Tick);
    }
    assert!(screen(&state).contains("◍ m-1 "), "{}", screen(&state));
    assert!(screen(&state).contains("ago: lab is not reached"), "{}", screen(&state));
    press(&mut state, "i");
    assert!(screen(&state).contains("ago: lab is not reached"), "{}", screen(&state));
    press(&mut state, "esc : 'machine prod-eu/m-1' enter");
    assert!(screen(&state).contains("✔ m-1 ") && !screen(&state).contains("is not reached"), "{}", screen(&state));
}
