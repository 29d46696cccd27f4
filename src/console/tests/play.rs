//! Keys in, effects out: what is asked for, what is refused, and where the cursor stays. Flows that end at the server are in
//! [`flows`](super::flows).

use super::{FLEET, agree, press, send, state, with};
use crate::{
    console::{
        form::Ask,
        message::{Effect, Event, Msg},
        state::{Overlay, Pane, State, Subject, View},
        update::update,
    },
    fleet::testing,
};

fn subject(state: &State) -> String {
    match state.subject() {
        Subject::Fleet => "fleet".into(),
        Subject::Context(context) => state.context(context).place.context.clone(),
        Subject::Idle(_) => "idle".into(),
        Subject::Clusters(_) => "clusters".into(),
        Subject::Cluster(node) => node.row.name.to_string(),
        Subject::Pool(node) => node.row.name.to_string(),
        Subject::Machine(machine) => machine.name.to_string(),
        Subject::Operation(operation) => operation.name.to_string(),
    }
}

fn check(keys: &str, expected: &str) {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, keys);
    assert_eq!(subject(&state), expected, "{keys}");
}

#[test]
fn moves_as_hands_expect() {
    check("", "fleet");
    check("j", "eu-1");
    check("j j", "us-2");
    check("j j k", "eu-1");
    check("G", "idle");
    check("G g", "fleet");
    check("j right right", "eu-1-gpu");
    check("j l j", "eu-1-gpu");
    check("j enter j", "eu-1-gpu");
    check("j right j h", "eu-1");
    check("j right j h h j", "us-2");
    check("j right j right j", "eu-1-m6");
    check("j right j right j j", "eu-1-m5");
    check("j right j right j j j", "eu-1-gpu");
    check("j right j right j j j enter j", "eu-1-m1");
    check("ctrl-d", "idle");
}

#[test]
fn the_cursor_stays_on_its_machine_when_it_becomes_one_of_many() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "j right j right j j");
    assert_eq!(subject(&state), "eu-1-m5");
    let ready = FLEET.replace("machine eu-1-m5 Provisioning", "machine eu-1-m5 Ready");
    with(&mut state, testing::snapshot(&ready));
    assert_eq!(subject(&state), "eu-1-m5");
}

#[test]
fn the_cursor_goes_to_the_pool_when_its_machine_leaves() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "j right j right j");
    let gone: String = FLEET.lines().filter(|l| !l.contains("machine eu-1-m6")).collect::<Vec<_>>().join("\n");
    with(&mut state, testing::snapshot(&gone));
    assert_eq!(subject(&state), "eu-1-gpu");
}

fn is_apply(effects: &[Effect]) -> bool {
    effects.iter().any(Effect::is_mutation)
}

/// Opens the dialog on eu-1/gpu and asks for two more.
fn dialog(state: &mut State, keys: &str) -> Vec<Effect> {
    let asked = press(state, "j right j s");
    let mut effects = press(state, "up up");
    effects.extend(asked);
    agree(state, &effects);
    let mut sent = Vec::new();
    for key in split(keys) {
        let effects = press(state, &key);
        agree(state, &effects);
        sent.extend(effects);
    }
    sent.retain(|effect| !matches!(effect, Effect::DryRun { .. }));
    sent
}

/// Key by key, so that the server can answer in between; what is in quotes stays together.
fn split(keys: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (i, part) in keys.split('\'').enumerate() {
        if i % 2 == 1 {
            parts.push(format!("'{part}'"));
        } else {
            parts.extend(part.split_whitespace().map(ToOwned::to_owned));
        }
    }
    parts
}

#[test]
fn a_value_that_is_typed_takes_the_place_of_the_one_before_and_of_the_yes_to_it() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "W j right j s 8 tab 'more' tab 'gpu' shift-tab shift-tab 9");
    let Overlay::Scale(dialog) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert_eq!((dialog.replicas, dialog.form.confirm.value(), dialog.form.reason.value()), (9, "", "more"));
    press(&mut state, "esc U '1.35.0' tab 'x' shift-tab '1.34.2'");
    let Overlay::Rollout(dialog) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert_eq!((dialog.version.value(), dialog.form.reason.value()), ("1.34.2", "x"));
}

#[test]
fn among_events_a_key_is_for_what_the_event_is_about() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, ": 'pool eu-1/gpu' enter 4 G");
    assert_eq!(subject(&state), "us-2-m1", "not the pool that the cursor of the tree is on");
    let effects = press(&mut state, "W p");
    let Some(Effect::Apply { order, .. }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(order.changes[0].target.name, "us-2-general");
    assert!(press(&mut state, ": 'filter reason=nothing' enter").is_empty());
    assert_eq!(subject(&state), "fleet");
    assert!(!is_apply(&press(&mut state, "p")));
}

#[test]
fn arming_runs_out() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "W");
    let now = state.now + jiff::SignedDuration::from_mins(16);
    update(&mut state, Msg { now, event: Event::Tick });
    assert!(!state.is_armed() && state.notice.is_some());
}

#[test]
fn a_wrong_name_is_not_a_yes() {
    for typed in ["", "gp", "gpux", "eu-1-gpu"] {
        let mut state = state(FLEET, (120, 40));
        press(&mut state, "W");
        let effects = dialog(&mut state, &format!("enter enter '{typed}' enter"));
        assert!(!is_apply(&effects), "{typed}");
        assert!(matches!(state.overlay, Overlay::Scale(_)));
    }
}

#[test]
fn cancel_is_what_enter_means_on_the_first_button() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "W");
    assert!(!is_apply(&dialog(&mut state, "enter enter 'gpu' tab enter")));
    assert!(matches!(state.overlay, Overlay::None));
}

#[test]
fn keys_on_their_way_are_not_for_the_dialog() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "j right j s");
    state.now -= jiff::SignedDuration::from_millis(200);
    press(&mut state, "9");
    let Overlay::Scale(dialog) = &state.overlay else { panic!() };
    assert_eq!(dialog.replicas, 6);
    press(&mut state, "up ctrl-x");
    state.now -= jiff::SignedDuration::from_millis(200);
    assert_eq!(press(&mut state, "enter"), [], "nor is Enter for the export that has just opened");
    assert!(matches!(state.overlay, Overlay::Export(_)));
    assert!(matches!(press(&mut state, "enter").as_slice(), [Effect::Save { .. }]));
}

#[test]
fn production_and_large_shrinks_ask_for_more() {
    let mut first = state(FLEET, (120, 40));
    press(&mut first, ": 'scale us-2/general 6' enter");
    let Overlay::Scale(dialog) = &first.overlay else { panic!("{:?}", first.overlay) };
    assert_eq!((dialog.level(), dialog.phrase()), (3, "general 6".into()));
    let mut second = state(FLEET, (120, 40));
    press(&mut second, ": 'scale eu-1/system 1' enter");
    let Overlay::Scale(dialog) = &second.overlay else { panic!() };
    assert_eq!((dialog.level(), dialog.phrase()), (3, "system 1".into()));
    assert_eq!(
        dialog.order().unwrap().changes[0].patch["metadata"]["annotations"]["quarterdeck.dev/approved-replicas"],
        "1"
    );
}

#[test]
fn where_it_is_set_so_enter_is_yes_to_a_small_question_and_to_no_other() {
    let paused = FLEET.replace("pool gpu replicas=6", "pool gpu paused replicas=6");
    for (quickly, fleet, expected) in [(false, &paused, false), (true, &paused, true)] {
        let mut state = state(fleet, (120, 40));
        state.confirms_quickly = quickly;
        assert!(!is_apply(&press(&mut state, "W j right j p")), "it asks");
        assert_eq!(is_apply(&press(&mut state, "enter")), expected, "{quickly}");
    }
    let mut state = state(FLEET, (120, 40));
    state.confirms_quickly = true;
    press(&mut state, "W");
    assert!(!is_apply(&dialog(&mut state, "enter enter enter enter enter")), "a phrase is a phrase");
}

#[test]
fn what_was_said_can_be_read_again() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "j right j p j : 'machine nope' enter esc : 'messages' enter");
    let shown = super::screen(&state);
    assert!(shown.contains("! read-only: `W`"), "{shown}");
}

#[test]
fn q_never_quits_from_depth() {
    for depth in ["j right j right j enter", "2", "3", "!", "/ 'eu' enter", "tab", "j right j l", "?", ":"] {
        let mut state = state(FLEET, (120, 40));
        press(&mut state, depth);
        let effects = press(&mut state, "q");
        assert!(!effects.contains(&Effect::Quit), "{depth}");
    }
    let mut top = state(FLEET, (120, 40));
    assert_eq!(press(&mut top, "q"), [Effect::Quit]);
    assert_eq!(press(&mut top, ": 'q' enter"), [Effect::Quit]);
    assert_eq!(press(&mut top, "ctrl-c"), [Effect::Quit]);
}

#[test]
fn escape_goes_back_one_level_at_a_time() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "/ 'm6' enter j j j enter");
    assert!(state.zoom && state.pane == Pane::Detail);
    press(&mut state, "esc");
    assert!(!state.zoom && state.pane == Pane::Main && !state.filter.is_empty());
    press(&mut state, "esc");
    assert!(state.filter.is_empty());
}

#[test]
fn the_log_of_a_pool_is_that_of_its_operation() {
    let mut state = state(FLEET, (120, 40));
    let effects = press(&mut state, "j right j l");
    let Some(Effect::Follow { follow, operation, .. }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(operation.name, "eu-1-gpu-up");
    let lines =
        (0..100).map(|i| format!(r#"{{"machine":"eu-1-m{}","event":"output","line":"{i}"}}"#, 5 + i % 2)).collect();
    send(&mut state, Event::LogLines { follow: *follow, anew: false, lines });
    assert!(super::screen(&state).contains(" 99"));
    press(&mut state, "k");
    assert!(!state.log.as_ref().unwrap().following);
    press(&mut state, "f");
    assert!(state.log.as_ref().unwrap().following);
    assert_eq!(press(&mut state, "esc"), [Effect::Unfollow]);
}

#[test]
fn a_log_is_bounded_broken_where_asked_and_begins_anew_with_its_line() {
    let mut state = state(FLEET, (120, 40));
    state.log_lines = 50;
    let effects = press(&mut state, "j right j l");
    let Some(Effect::Follow { follow, tail_lines: 50, .. }) = effects.last() else { panic!("{effects:?}") };
    let say = |state: &mut State, anew, count: usize| {
        let words = "word ".repeat(40) + "end";
        let lines = vec![format!(r#"{{"machine":"eu-1-m5","event":"output","line":"{words}"}}"#); count];
        send(state, Event::LogLines { follow: *follow, anew, lines });
    };
    say(&mut state, true, 60);
    let count = |state: &State| state.log.as_ref().unwrap().ring.matching(None).count();
    assert_eq!(count(&state), 50);
    assert!(!super::screen(&state).contains("word end"));
    press(&mut state, "w");
    assert!(super::screen(&state).contains("word end"));
    // Held still while lines fall out below it: there is always something to see.
    press(&mut state, "k");
    say(&mut state, false, 200);
    assert!(state.log.as_ref().unwrap().scroll <= 50);
    say(&mut state, true, 2);
    assert_eq!((count(&state), state.log.as_ref().unwrap().scroll), (2, 0));
}

#[test]
fn a_machine_that_cannot_be_read_is_asked_for_once() {
    let mut state = state(FLEET, (120, 40));
    let looks = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Look { .. })).count();
    assert_eq!(looks(&press(&mut state, "j right j right j")), 1);
    assert_eq!(looks(&send(&mut state, Event::Machine(crate::fleet::ContextId::FIRST, None))), 0);
    assert_eq!(looks(&send(&mut state, Event::Tick)), 0);
    assert_eq!(looks(&press(&mut state, "k j")), 1);
}

#[test]
fn nothing_scrolls_farther_than_there_is() {
    let mut state = state(FLEET, (80, 24));
    press(&mut state, "? G");
    let end = super::screen(&state);
    press(&mut state, "k");
    assert_ne!(super::screen(&state), end);
    press(&mut state, "esc j right j tab G");
    let end = super::screen(&state);
    assert!(state.detail_scroll > 0);
    press(&mut state, "k");
    assert_ne!(super::screen(&state), end);
}

#[test]
fn views_and_commands() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "2");
    assert_eq!((state.view, subject(&state).as_str()), (View::Operations, "eu-1-gpu-up"));
    press(&mut state, ": 'pool eu-1/system' enter");
    assert_eq!((state.view, subject(&state).as_str()), (View::Fleet, "eu-1-system"));
    press(&mut state, ": 'machine us-2-m4' enter");
    assert_eq!(subject(&state), "us-2-m4");
    press(&mut state, ": 'machine nope' enter");
    let Overlay::Palette(palette) = &state.overlay else { panic!() };
    assert_eq!(palette.complaint.as_deref(), Some("there is no machine `nope`: Tab completes names"));
    assert_eq!(press(&mut state, "esc : 'theme light' enter"), [Effect::Theme("light".into())]);
}

#[test]
fn unchanged_data_is_not_drawn() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "j j");
    let before = state.revision;
    let mut same = state.snapshot.clone();
    std::sync::Arc::make_mut(&mut same).generation += 1;
    std::sync::Arc::make_mut(&mut same).changes_seen += 1000;
    with(&mut state, same);
    assert_eq!(state.revision, before);
}

#[test]
fn far_away_and_behind_the_screen_says_that_it_stands_still() {
    let mut state = state(FLEET, (120, 40));
    send(&mut state, Event::Focus(false));
    assert!(!super::screen(&state).contains("STILL") && !state.is_still());
    state.rests_behind = true;
    assert!(super::screen(&state).contains("STILL since 12:00:0"), "{}", super::screen(&state));
    send(&mut state, Event::Focus(true));
    assert!(!super::screen(&state).contains("STILL"));
}

/// `c` on a machine, which asks.
fn asked() -> State {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "W j right j right j j j enter j c");
    assert!(matches!(state.overlay, Overlay::Confirm(_)));
    state
}

#[test]
fn an_escape_and_the_key_behind_it_confirm_nothing() {
    // As they arrive where the line brings them together: with alt.
    for (key, is_left) in
        [("alt-y", true), ("alt-Y", true), ("alt-enter", true), ("ctrl-y", false), ("ctrl-enter", false)]
    {
        let mut state = asked();
        let effects = press(&mut state, key);
        assert!(effects.iter().all(|effect| !effect.is_mutation()), "{key}: {effects:?}");
        assert_eq!(matches!(state.overlay, Overlay::None), is_left, "{key}");
    }
    let mut state = state(FLEET, (120, 40));
    let effects = press(&mut state, ": 'scale eu-1/gpu 8' enter W enter enter 'eu-1-gpu'");
    agree(&mut state, &effects);
    let effects = press(&mut state, "alt-enter");
    assert!(effects.is_empty() && matches!(state.overlay, Overlay::None), "{effects:?}");
}

#[test]
fn what_was_not_seen_yet_is_not_confirmed_however_long_the_line() {
    let confirms = |state: &mut State| press(state, "y").iter().any(Effect::is_mutation);
    let mut near = asked();
    assert!(confirms(&mut near), "200 ms after it opened");
    let mut far = asked();
    far.lag = jiff::SignedDuration::from_millis(300);
    assert_eq!([confirms(&mut far), confirms(&mut far), confirms(&mut far)], [false, false, true]);
}

#[test]
fn while_a_rollout_is_under_way_it_is_not_said_which_machines_leave() {
    let machines = ["m1 Ready", "m2 Ready", "m3 Ready", "m4 Ready"].map(|m| format!("machine {m}")).join("\n");
    let check = |pool: &str, keys: &str, expected: &str, not: &str| {
        let mut state = state(&format!("cluster a\npool w replicas=3 {pool}\n{machines}"), (120, 40));
        press(&mut state, &format!(": 'pool a/w' enter W s {keys}"));
        let shown = super::screen(&state);
        assert!(shown.contains(expected) && !shown.contains(not), "{pool} {keys}: {shown}");
    };
    // One more than is wanted has joined, for another to leave.
    let rolling = "from=1.33.6 to=1.34.2 updated=1 outdated=3";
    check(rolling, "", "nothing to do", "drains");
    check(
        rolling,
        "2",
        "drains        1  old machines first: the rollout that is under way decides",
        "confirming approves it",
    );
    check(rolling, "5", "[ 5 ]", "confirming approves it");
    check("", "2", "drains        2  m", "old machines first");
}
