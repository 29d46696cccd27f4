//! The lists of operations and events: filtered where they are, with the cursor on what it was on.

use super::{FLEET, press, screen, state, with};
use crate::{
    config::Themes,
    console::{
        state::{Overlay, State, Subject, View},
        view::view,
    },
    fleet::testing,
};
use ratatui::{Terminal, backend::TestBackend};

const MORE: &str = r#"
    operation eu-1-system-up ScaleUp Succeeded 3/3 by=bob reason="more room" ago=900
    operation us-2-general-rp Replace Failed 1/5 by=carol reason="bad rack" failed=1
    event Normal Changed NodePool/eu-1-gpu "eu-1-gpu scales from 3 to 6, by alice: launch capacity" ago=130 by=alice why="launch capacity"
    event Warning Unhealthy Machine/us-2-m2 "kubelet says nothing" ago=7
"#;

fn opened(keys: &str, size: (u16, u16)) -> State {
    let mut state = state(&format!("{FLEET}{MORE}"), size);
    press(&mut state, keys);
    state
}

/// The names that are left, and the view that is shown.
fn check(keys: &str, wanted: &str) {
    let state = opened(keys, (120, 40));
    let names: Vec<&str> = match state.view {
        View::Operations => state.sieves.operations.from(0).map(|row| &*row.name).collect(),
        View::Events => state.sieves.events.from(0).map(|row| &*row.name).collect(),
        other => panic!("{keys}: {other:?}"),
    };
    assert_eq!(names.join(" "), wanted, "{keys}");
}

#[test]
fn operations_are_filtered_where_they_are() {
    let all = "eu-1-gpu-up eu-1-system-up us-2-general-rp";
    check("2", all);
    check("2 / 'type=scaleup'", "eu-1-gpu-up eu-1-system-up");
    check("2 / 'state=failed'", "us-2-general-rp");
    check("2 / 'who=alice' enter", "eu-1-gpu-up");
    check("2 / 'pool=gpu'", "eu-1-gpu-up");
    check("2 / 'pool=eu-1-gpu'", "eu-1-gpu-up");
    check("2 / 'machine=eu-1-m5'", "eu-1-gpu-up");
    check("2 / 'cluster!=eu-1'", "eu-1-system-up us-2-general-rp");
    check("2 / 'why~rack'", "us-2-general-rp");
    check("2 / 'launch'", "eu-1-gpu-up");
    check("2 / 'launch' enter esc", all);
    check("2 / 'launch' esc", all);
    check("2 !", "eu-1-gpu-up us-2-general-rp");
    check(": 'filter state=failed' enter 2", all);
    check("2 : 'filter state=failed' enter", "us-2-general-rp");
    check("2 / 'state=failed' enter [ ]", "us-2-general-rp");
}

#[test]
fn events_are_filtered_where_they_are() {
    check("4 / 'type=warning'", "us-2-m2 eu-1-m6 us-2-m1");
    check("4 / 'machine=eu-1-m6'", "eu-1-m6");
    check("4 / 'kind=nodepool'", "eu-1-gpu");
    check("4 / 'pool=gpu'", "eu-1-m6 eu-1-m5 eu-1-gpu");
    check("4 / 'cluster=us-2 what~pdb'", "us-2-m1");
    check("4 / 'who=alice'", "eu-1-gpu");
    check("4 / 'reason:Phase'", "eu-1-m6");
    check("4 / 'mirror'", "");
    check("4 !", "us-2-m2 eu-1-m6 us-2-m1");
}

#[test]
fn each_list_has_a_filter_of_its_own() {
    let mut state = opened("/ 'gpu' enter 2 / 'state=failed' enter 4 / 'type=normal' enter", (120, 40));
    assert_eq!(state.line().value(), "type=normal");
    press(&mut state, "2");
    assert_eq!(state.line().value(), "state=failed");
    press(&mut state, "1");
    assert_eq!(state.line().value(), "gpu");
    press(&mut state, "2 esc");
    assert_eq!((state.view, state.line().value()), (View::Operations, ""));
    press(&mut state, "esc");
    assert_eq!((state.view, state.line().value()), (View::Fleet, "gpu"));
}

/// One that cannot be read is never in force, in no view, and the line stays open until it is mended.
#[test]
fn a_filter_with_a_mistake_is_not_kept() {
    for view in ["1", "2", "3", "4"] {
        let mut state = opened(&format!("{view} / 'state=failed' ctrl-u 'rack=r12 state=bogus' enter"), (80, 24));
        let shown = screen(&state);
        assert!(matches!(state.overlay, Overlay::Filter), "{view}: {:?}", state.overlay);
        assert!(state.notice.as_ref().is_some_and(|notice| notice.complaint), "{view}");
        assert!(shown.lines().last().unwrap_or_default().contains("/ rack=r12 state=bogus"), "{view}: {shown}");
        press(&mut state, "esc");
        assert!(state.line().is_empty() && state.mistake().is_none(), "{view}");
        press(&mut state, &format!("{view} : 'filter state=bogus ==' enter"));
        assert!(matches!(state.overlay, Overlay::Palette(_)) && state.line().is_empty(), "{view}: {}", screen(&state));
    }
}

#[test]
fn the_table_and_the_tree_go_by_the_same_filter_while_it_is_typed() {
    let mut state = opened("3 / 'us-2'", (120, 40));
    assert_eq!(state.table.len(), 5);
    press(&mut state, "'='");
    assert_eq!((state.table.len(), state.mistake().is_some()), (5, true), "{}", screen(&state));
    press(&mut state, "ctrl-u 'nosuch='");
    let shown = screen(&state);
    assert!(shown.contains("The filter cannot be read") && !shown.contains("Nothing matches"), "{shown}");
}

#[test]
fn what_is_no_column_is_said_in_a_sentence() {
    for (keys, columns) in [
        ("2", "name, type, state, cluster, pool, machine, who, why, message, context"),
        ("4", "name, kind, type, reason, message, cluster, pool, machine, who, why, source, context"),
        ("T", "who, what, name, kind, cluster, pool, machine, why, context"),
    ] {
        let mut state = opened(&format!("{keys} / 'rack=r12' enter"), (200, 40));
        let said = format!("column 1: there is no column `rack` here; there is {columns}");
        assert_eq!(state.notice.as_ref().map(|notice| notice.text.as_str()), Some(said.as_str()));
        press(&mut state, "j");
        let mut typed = opened(&format!("{keys} / 'rack=r12'"), (200, 40));
        assert!(screen(&typed).contains(&said), "{}", screen(&typed));
        press(&mut typed, "esc");
        assert!(!screen(&typed).contains("rack=r12"));
    }
    let mut state = opened("2", (200, 40));
    press(&mut state, ": 'filter rack=r12' enter");
    assert!(screen(&state).contains("there is no column `rack` here"), "{}", screen(&state));
}

fn name(state: &State) -> String {
    match state.subject() {
        Subject::Operation(operation) => operation.name.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_cursor_stays_on_its_operation() {
    let mut state = opened("2 j", (120, 40));
    assert_eq!(name(&state), "eu-1-system-up");
    press(&mut state, "/ 'scaleup'");
    assert_eq!((name(&state), state.operations.index), ("eu-1-system-up".into(), 1));
    press(&mut state, "backspace backspace");
    assert_eq!(name(&state), "eu-1-system-up");
    // Hidden for a moment by what is half typed, and there again.
    press(&mut state, "ctrl-u 'rep'");
    assert_eq!(name(&state), "us-2-general-rp");
    press(&mut state, "esc");
    assert_eq!(name(&state), "eu-1-system-up");
    press(&mut state, "/ 'replace' enter esc");
    assert_eq!(name(&state), "us-2-general-rp", "what was kept is what the cursor is on");
    let newer = format!("{FLEET}{MORE}\noperation eu-1-gpu-down ScaleDown Running 0/1 by=eve ago=1");
    press(&mut state, "/ 'replace' enter");
    with(&mut state, testing::snapshot(&newer));
    assert_eq!((name(&state), state.sieves.operations.of_all()), ("us-2-general-rp".into(), 4));
    press(&mut state, "esc");
    assert_eq!(name(&state), "us-2-general-rp");
}

/// On no screen can two operations of one pool not be told apart, and on none is a fact cut.
#[test]
fn operations_are_told_apart_on_every_screen() {
    let long = |end: &str| format!("eu-1-production-general-{end}");
    let more = format!(
        "\ncluster eu-9\npool general\noperation {} ScaleDown Running 0/1 ago=1 by=alice\noperation {} ScaleUp Running 0/1 ago=2",
        long("k2x9f"),
        long("z7q4w")
    );
    for size in [(60, 15), (80, 24), (120, 40), (160, 48), (200, 60)] {
        let mut state = state(&more, size);
        press(&mut state, "2");
        let shown = screen(&state);
        assert!(shown.contains("k2x9f ") && shown.contains("z7q4w "), "{size:?} {shown}");
        press(&mut state, "enter");
        let shown = screen(&state);
        assert!(shown.contains("runbook node-join"), "{size:?} {shown}");
    }
}

/// Where there is no line of views, the list says what is left out, and how many the next key is for.
#[test]
fn marks_and_filter_are_said_on_the_smallest_screen() {
    let state = opened("3 / 'us-2' enter space", (60, 15));
    assert_eq!(state.marks.len(), 1);
    let shown = screen(&state);
    let title = shown.lines().nth(1).unwrap_or_default();
    assert!(title.contains("1 marked") && title.contains("/ us-2"), "{shown}");
}

#[test]
fn what_is_over_is_neither_paused_nor_tried_again() {
    let mut state = opened("2 / 'bob' enter", (160, 48));
    assert_eq!(name(&state), "eu-1-system-up");
    let last = screen(&state).lines().last().unwrap_or_default().to_owned();
    assert!(!last.contains("pause") && !last.contains("retry"), "{last}");
    for (key, wanted) in [("p", "the operation is over"), ("t", "only a failed operation is tried again")] {
        press(&mut state, key);
        let said = state.notice.as_ref().map(|notice| notice.text.clone()).unwrap_or_default();
        assert!(said.contains(wanted), "{key}: {said}");
    }
}

#[test]
fn a_command_line_that_is_wrong_is_answered_in_whole() {
    let mut state = opened(": 'columns name bogus' enter", (80, 24));
    let shown = screen(&state);
    assert!(shown.contains("`bogus`. There are") && shown.contains("wide"), "{shown}");
    press(&mut state, "ctrl-u 'columns name mess' tab");
    assert!(screen(&state).contains(": columns name message"), "{}", screen(&state));
}

/// What was on top before the view was ever open is no place to begin at.
#[test]
fn operations_begin_with_the_newest() {
    let mut state = opened("", (120, 40));
    let newer = format!("{FLEET}{MORE}\noperation eu-1-gpu-down ScaleDown Running 0/1 by=eve ago=1");
    let first = |state: &State| state.sieves.operations.get(0).map(|row| row.name.to_string()).expect("there are some");
    let before = first(&state);
    with(&mut state, testing::snapshot(&newer));
    press(&mut state, "2");
    assert_eq!((name(&state), state.operations.index), (first(&state), 0));
    assert!(before != first(&state), "another one is on top");
    press(&mut state, "j");
    let chosen = name(&state);
    press(&mut state, "1");
    with(&mut state, testing::snapshot(&format!("{FLEET}{MORE}")));
    with(&mut state, testing::snapshot(&newer));
    press(&mut state, "2");
    assert_eq!(name(&state), chosen, "who has moved is where he was");
}

/// What a filter hides while it is typed is what Esc comes back to, in the tree and in the table as well.
#[test]
fn esc_takes_the_cursor_back_too() {
    let under = |state: &State| format!("{:?}", state.subject());
    for keys in ["G", "j right j", "3 j j j"] {
        let mut state = opened(keys, (120, 40));
        let before = under(&state);
        press(&mut state, "/ 'zzz'");
        assert_ne!(under(&state), before, "{keys}");
        press(&mut state, "esc");
        assert_eq!(under(&state), before, "{keys}");
    }
}

const NEWS: &str = "\nevent Warning Unhealthy Machine/eu-1-m5 \"kubelet says nothing\" ago=1";

#[test]
fn an_event_that_comes_in_takes_no_key_for_another_object() {
    let about = |state: &State| match state.subject() {
        Subject::Machine(machine) => machine.name.to_string(),
        Subject::Pool(pool) => pool.row.name.to_string(),
        other => format!("{other:?}"),
    };
    let mut state = opened("4", (120, 40));
    let seen = about(&state);
    let (all, top) = (state.sieves.events.len(), state.events.top);
    with(&mut state, testing::snapshot(&format!("{FLEET}{MORE}{NEWS}")));
    assert_eq!((state.sieves.events.len(), state.events.index, state.events.top), (all + 1, 1, top), "it is seen");
    assert_eq!(about(&state), seen);
    // Nor on the way back to a place of before; who was among the newest finds the newest.
    press(&mut state, "G 1");
    with(&mut state, testing::snapshot(&format!("{FLEET}{MORE}")));
    press(&mut state, "[");
    assert_eq!((state.view, state.events.index), (View::Events, all - 1));
    press(&mut state, "g 1");
    with(&mut state, testing::snapshot(&format!("{FLEET}{MORE}{NEWS}")));
    press(&mut state, "4");
    assert_eq!((about(&state).as_str(), state.events.index), ("eu-1-m5", 0));
    // What is gone leaves its place to the next.
    with(&mut state, testing::snapshot(&format!("{FLEET}{MORE}")));
    assert_eq!((about(&state), state.events.index), (seen, 0));
}

#[test]
fn what_leaves_a_filter_does_not_drag_the_cursor_along() {
    let mut state = opened("2 / 'state=running' enter", (120, 40));
    assert_eq!(name(&state), "eu-1-gpu-up");
    let done = format!("{FLEET}{MORE}").replace("eu-1-gpu-up ScaleUp Running", "eu-1-gpu-up ScaleUp Succeeded");
    let two =
        "\noperation eu-1-gpu-down ScaleDown Running 0/1 ago=50\noperation us-2-general-up ScaleUp Running 0/1 ago=60";
    with(&mut state, testing::snapshot(&format!("{done}{two}")));
    let next = name(&state);
    assert!(next != "eu-1-gpu-up" && state.operations.cursor.is_some());
    let newer = "\noperation eu-1-system-down ScaleDown Running 0/1 ago=1";
    with(&mut state, testing::snapshot(&format!("{done}{two}{newer}")));
    assert_eq!((name(&state), state.sieves.operations.len()), (next, 3));
}

#[test]
fn the_pane_of_events_scrolls_by_itself_and_follows_again() {
    let events: String =
        (0..60).map(|n| format!("\nevent Normal Ready Machine/eu-1-m5 \"number {n}\" ago={n}")).collect();
    let mut state = state(&format!("{FLEET}{events}"), (120, 40));
    assert!(screen(&state).contains("number 0"), "{}", screen(&state));
    press(&mut state, "shift-tab ctrl-f");
    assert!(state.feed_top > 0 && !screen(&state).contains("number 0 "), "{}", screen(&state));
    assert!(screen(&state).contains(&format!("{} newer", state.feed_top)), "{}", screen(&state));
    press(&mut state, "f");
    assert_eq!(state.feed_top, 0);
    press(&mut state, "G");
    let oldest = state.feed_top;
    press(&mut state, "4 j j j 1");
    assert_eq!((oldest > 45, state.feed_top), (true, oldest), "the list is another matter");
}

#[test]
fn events_say_what_happened_and_lead_back_to_the_newest() {
    let events: String =
        (0..60).map(|n| format!("\nevent Normal Claimed Machine/eu-1-m5 \"number {n}\" ago={n}")).collect();
    let mut state = state(&format!("{FLEET}{events}"), (80, 24));
    press(&mut state, "4");
    assert!(screen(&state).contains("Claimed  number 0"), "{}", screen(&state));
    press(&mut state, "G");
    let above = state.events.top;
    assert!(screen(&state).contains(&format!("{above} newer · f follow")), "{}", screen(&state));
    press(&mut state, "f");
    assert_eq!((above > 30, state.events.index, state.events.top), (true, 0, 0));
    assert!(!screen(&state).contains("newer"), "{}", screen(&state));
}

#[test]
fn marks_are_of_what_is_seen() {
    let mut state = opened("4 / 'kind=machine' enter space", (120, 40));
    assert_eq!(state.marks.len(), 1);
    let (tree, index) = (state.tree.index(), state.events.index);
    assert_eq!((tree, index), (0, 1), "one down in the list, and none in the tree that is not seen");
    press(&mut state, "v");
    assert_eq!(state.marks.len(), 1);
    assert!(screen(&state).contains("a range is marked in the fleet"), "{}", screen(&state));
    let mut hosts = opened("5 space j v", (120, 40));
    let first: Vec<_> = hosts.hosts.from(0).take(3).map(|host| host.uid.clone()).collect();
    assert!(first.iter().all(|uid| hosts.marks.contains(uid)) && hosts.marks.len() == 3);
    press(&mut hosts, "v");
    assert_eq!(hosts.marks.len(), 3);
}

#[test]
fn what_a_filter_hides_is_found_all_the_same() {
    let mut state = opened("2 / 'state=failed' enter : 'operation eu-1-gpu-up' enter", (120, 40));
    assert_eq!((name(&state), state.line().value()), ("eu-1-gpu-up".into(), ""));
    press(&mut state, "4 / 'machine=eu-1-m6' enter");
    assert_eq!(state.sieves.events.len(), 1);
    press(&mut state, "enter");
    assert!(matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "eu-1-m6"));
}

#[test]
fn the_audit_has_columns() {
    let check = |filter: &str, wanted: &str| {
        let mut state = opened("T", (120, 40));
        press(&mut state, &format!("/ '{filter}' enter"));
        let Overlay::Audit(audit) = &state.overlay else { panic!("{:?}", state.overlay) };
        let names: Vec<&str> = audit.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names.join(" "), wanted, "{filter}");
    };
    check("who=alice", "eu-1-gpu eu-1-gpu-up");
    check("what=scales", "eu-1-gpu");
    check("verb=scaleup", "eu-1-gpu-up eu-1-system-up");
    check("kind=Operation who!=bob", "eu-1-gpu-up us-2-general-rp");
    check("pool=gpu", "eu-1-gpu eu-1-gpu-up");
    check("cluster=us-2", "eu-1-system-up us-2-general-rp");
    check("machine=eu-1-m5", "eu-1-gpu-up");
    check("why~capacity kind=nodepool", "eu-1-gpu");
    check("!", "eu-1-gpu eu-1-gpu-up us-2-general-rp");
}

#[test]
fn what_it_looks_like() {
    for size in [(80, 24), (120, 40)] {
        let mut state = opened("2 / 'type=scaleup'", size);
        insta::assert_snapshot!(format!("operations_filter_{}x{}", size.0, size.1), screen(&state));
        press(&mut state, "enter 4 / 'type=warning' enter");
        insta::assert_snapshot!(format!("events_filtered_{}x{}", size.0, size.1), screen(&state));
    }
    let state = opened("2 / 'nosuch' enter", (80, 24));
    insta::assert_snapshot!("operations_none_80x24", screen(&state));
}

/// A long mistake is cut with `…` behind what is typed, and the cursor stays on the screen however much that is.
#[test]
fn what_is_typed_stays_in_sight_and_its_cursor_too() {
    for open in ["2 /", "4 /", "T /"] {
        let mut state = state(FLEET, (60, 15));
        press(&mut state, open);
        press(&mut state, "'nothing-of-that-name=x'");
        let last = screen(&state).lines().last().unwrap_or_default().to_owned();
        assert!(last.contains("/ nothing-of-that-name=x") && last.ends_with('…'), "{open}: {last}");
        press(&mut state, &format!("'{}'", "x".repeat(80)));
        let mut terminal = Terminal::new(TestBackend::new(60, 15)).expect("a test backend");
        let themes = Themes::built_in();
        terminal.draw(|frame| view(&state, themes.find_or_default("16"), frame)).expect("a test backend");
        let at = terminal.get_cursor_position().expect("it has one");
        assert_eq!((at.x, at.y), (59, 14), "{open}");
    }
}

#[test]
fn a_pool_that_is_blocked_is_seen_on_every_row_above_it() {
    let check = |phase: &str, expected: &str| {
        let text = format!(
            "cluster eu-1 version=1.34.2\n pool gpu replicas=4 phase={phase}\n machine eu-1-m1 Ready\n\
             cluster eu-2 version=1.34.2\n pool gpu replicas=1\n machine eu-2-m1 Ready"
        );
        let shown = screen(&state(&text, (120, 40)));
        let root = shown.lines().find(|line| line.contains("▾ demo")).unwrap_or_default();
        assert!(root.contains(expected), "{phase}: {shown}");
    };
    check("Blocked", "▲ 1 cluster");
    check("Degraded", "▲ 1 cluster");
    check("Ready", "✔");
}
