//! Upgrade, replace, roll back, abort; machines by hand; the pool while it rolls out.

use super::{agree, press, screen, send, state, with};
use crate::{
    api::{DrainDecision, DrainTimeoutAction},
    console::{
        form::Ask,
        glyphs::Glyphs,
        message::{Effect, Event, Refusal, Why},
        state::{Overlay, State},
    },
    fleet::{Change, MachineRow, testing},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::sync::Arc;

/// A cluster at rest but for one pool, whose rollout is held up by a budget.
pub const ROLLING: &str = r#"
    cluster eu-1 version=1.33.6 versions=1.33.6,1.33.9,1.34.2,1.35.0
    pool control replicas=3 role=ControlPlane
    machine eu-1-c1 Ready kubelet=1.33.6
    machine eu-1-c2 Ready kubelet=1.33.6
    machine eu-1-c3 Ready kubelet=1.33.6
    pool general replicas=5 to=1.33.6 from=1.32.4 updated=2 outdated=3 inflight=1 why="1 machine is drained, and no more may be missing" previous=1.32.4
    machine eu-1-g1 Ready kubelet=1.33.6 rev=new
    machine eu-1-g2 Ready kubelet=1.33.6 rev=new
    machine eu-1-g3 Draining kubelet=1.32.4 rev=old blocked=web/api op=drain-1 phases=Drain:run:252
    machine eu-1-g4 Ready kubelet=1.32.4 rev=old
    machine eu-1-g5 Ready kubelet=1.32.4 rev=old
    operation drain-1 Replace Draining 0/1 by=bob reason="new kernel" machines=eu-1-g3
    pool gpu replicas=4 selector.gpu=h100 previous=1.32.4
    machine eu-1-m1 Ready kubelet=1.33.6
    machine eu-1-m2 Ready kubelet=1.33.6
    machine eu-1-m3 Ready kubelet=1.33.6
    machine eu-1-m4 Ready kubelet=1.33.6
    idle 2 spare- gpu=h100
"#;

fn rolling(size: (u16, u16)) -> State {
    state(ROLLING, size)
}

/// The cursor on something, writes armed, then keys; the server has no objection.
fn play(state: &mut State, place: &str, keys: &str) -> Vec<Effect> {
    press(state, &format!(": '{place}' enter"));
    let mut sent = Vec::new();
    for (i, part) in keys.split('\'').enumerate() {
        let parts =
            if i % 2 == 1 { vec![format!("'{part}'")] } else { part.split_whitespace().map(Into::into).collect() };
        for key in parts {
            let effects = press(state, &key);
            sent.extend(agree(state, &effects));
            sent.extend(effects);
        }
    }
    sent.retain(Effect::is_mutation);
    sent
}

/// `Kind name patch` of all that was sent at once.
fn written(effects: &[Effect]) -> Vec<(String, Value)> {
    let [Effect::Apply { order, .. }] = effects else { panic!("{effects:?}") };
    order.changes.iter().map(|change| (change.what(), change.patch.clone())).collect()
}

fn said(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| &notice.text)
}

/// Why the dialog does not let it through.
fn blocked(state: &mut State) -> String {
    let dialog = crate::console::update::dialog::current(&mut state.overlay).expect("a dialog is open");
    dialog.blocked(true).unwrap_or_default()
}

#[test]
fn a_cluster_is_upgraded_with_a_reason_and_its_name() {
    let mut state = rolling((120, 40));
    // Its rollout of another version is in the way of that; without it the way is free.
    let calm = ROLLING.replace(" to=1.33.6 from=1.32.4 updated=2 outdated=3 inflight=1", "");
    with(&mut state, testing::snapshot(&calm));
    let sent = play(&mut state, "cluster eu-1", "W U enter 'CHG-1' enter 'eu-1' enter");
    let [(what, patch)] = written(&sent).try_into().expect("one change");
    assert_eq!(what, "ClusterDeployment eu-1");
    assert_eq!(patch["spec"]["version"], "1.34.2", "the newest of the next minor version is offered first");
    assert_eq!(patch["metadata"]["annotations"]["quarterdeck.dev/reason"], "CHG-1");
    assert_eq!(patch["metadata"]["annotations"]["quarterdeck.dev/requested-by"], "alice");
}

#[test]
fn versions_are_chosen_typed_and_refused_with_the_way_out() {
    let mut state = rolling((120, 40));
    press(&mut state, ": 'cluster eu-1' enter U");
    let version = |state: &State| {
        let Overlay::Rollout(dialog) = &state.overlay else { panic!() };
        dialog.version.value().to_owned()
    };
    assert_eq!(version(&state), "1.34.2");
    press(&mut state, "up");
    assert_eq!(version(&state), "1.35.0");
    press(&mut state, "down down");
    assert_eq!(version(&state), "1.33.9");
    press(&mut state, "'1.32.1'");
    assert_eq!(version(&state), "1.32.1");
    assert!(blocked(&mut state).contains("not among the versions"), "{}", blocked(&mut state));
    press(&mut state, "backspace backspace backspace backspace backspace backspace 'x'");
    assert!(blocked(&mut state).contains("is not a version"), "{}", blocked(&mut state));
}

#[test]
fn a_second_rollout_is_refused_and_says_what_is_under_way() {
    let mut state = rolling((120, 40));
    assert!(play(&mut state, "pool eu-1/general", "W R tab enter 'eu-1-general' enter").is_empty());
    assert!(blocked(&mut state).contains("is being rolled out to 1.33.6 already"), "{}", blocked(&mut state));
    assert!(screen(&state).contains("2 of 5 done, 1 in flight"), "{}", screen(&state));
}

#[test]
fn a_pool_is_replaced_and_so_are_marked_machines() {
    let mut state = rolling((120, 40));
    let sent = play(&mut state, "pool eu-1/gpu", "W R enter 'eu-1-gpu' enter");
    let [(what, patch)] = written(&sent).try_into().expect("one change");
    assert_eq!(what, "NodePool eu-1-gpu");
    assert!(patch["spec"]["rollout"]["after"].is_string(), "{patch}");
    let mut marked = rolling((120, 40));
    let sent = play(&mut marked, "machine eu-1-m2", "W space space R 'hot' enter 'replace 2' enter");
    let names: Vec<String> = written(&sent).into_iter().map(|(what, _)| what).collect();
    assert_eq!(names, ["Machine eu-1-m2", "Machine eu-1-m3"]);
    press(&mut marked, "esc");
    assert_eq!(marked.marks.len(), 2);
    press(&mut marked, "esc");
    assert!(marked.marks.is_empty(), "esc takes marks away");
}

#[test]
fn what_was_changed_or_is_gone_is_not_written() {
    let mut state = rolling((120, 40));
    press(&mut state, ": 'machine eu-1-m2' enter W space space R");
    let gone: String = ROLLING.lines().filter(|l| !l.contains("eu-1-m3")).collect::<Vec<_>>().join("\n");
    with(&mut state, testing::snapshot(&gone));
    assert_eq!(blocked(&mut state), "eu-1-m3 is gone since you opened this: ctrl-r plans it anew");
    press(&mut state, "ctrl-r");
    assert!(blocked(&mut state).contains("eu-1-m3 is no machine of eu-1-gpu any more"), "{}", blocked(&mut state));
}

#[test]
fn a_rollout_is_aborted_at_level_three_and_rolled_back_at_level_two() {
    let mut state = rolling((120, 40));
    assert!(play(&mut state, "pool eu-1/general", "W A enter 'eu-1-general' enter").is_empty(), "a reason is needed");
    press(&mut state, "esc A");
    let Overlay::Rollout(dialog) = &state.overlay else { panic!("{}", said(&state)) };
    let phrase = dialog.phrase();
    assert_eq!(dialog.level(), 3);
    press(&mut state, "esc");
    let sent = play(&mut state, "pool eu-1/general", &format!("A 'bad image' enter '{phrase}' enter"));
    let all = written(&sent);
    assert_eq!((all[0].0.as_str(), &all[0].1["spec"]["rollout"]["partition"]), ("NodePool eu-1-general", &3.into()));
    assert_eq!((all[1].0.as_str(), &all[1].1["spec"]["cancelled"]), ("Operation drain-1", &true.into()));

    let mut state = rolling((120, 40));
    press(&mut state, ": 'pool eu-1/general' enter z");
    let Overlay::Rollout(dialog) = &state.overlay else { panic!("{}", said(&state)) };
    let (phrase, level) = (dialog.phrase(), dialog.level());
    assert_eq!(level, 2);
    press(&mut state, "esc");
    let sent = play(&mut state, "pool eu-1/general", &format!("W z enter '{phrase}' enter"));
    assert_eq!(written(&sent)[0].1["spec"]["version"], "1.32.4");
}

#[test]
fn machines_are_cared_for_after_a_yes_each_with_its_change() {
    for (key, expected) in [("c", Some(false)), ("r", Some(true)), ("u", None)] {
        let by_hand = ["eu-1-m2", "eu-1-m3"].iter().fold(ROLLING.to_owned(), |fleet, name| {
            fleet.replace(&format!("machine {name} Ready"), &format!("machine {name} Ready maintained"))
        });
        let mut state = state(if key == "u" { &by_hand } else { ROLLING }, (120, 40));
        assert!(
            play(&mut state, "machine eu-1-m2", &format!("W space space {key} enter")).is_empty(),
            "no is the default"
        );
        // Half of the pool at once takes more than a yes, unless it is given back.
        let yes = if key == "u" { "u y".to_owned() } else { format!("esc {key} enter '2' enter") };
        let sent = play(&mut state, "machine eu-1-m2", &yes);
        assert_eq!(sent.len(), 1, "{key}: {}", said(&state));
        let all = written(&sent);
        assert_eq!(all.len(), 2, "{key}");
        let wish = &all[0].1["spec"]["maintenance"];
        assert_eq!(wish.get("drain").and_then(Value::as_bool), expected, "{key} {wish}");
    }
    let mut other = rolling((120, 40));
    press(&mut other, ": 'machine eu-1-m2' enter W u");
    assert!(said(&other).contains("was not cordoned from here"), "{}", said(&other));
    let mut idle = rolling((120, 40));
    press(&mut idle, ": 'machine spare-1' enter W c");
    assert!(said(&idle).contains("has no node"), "{}", said(&idle));
}

#[test]
fn a_blocked_drain_is_decided_with_one_key() {
    let on_it = |keys: &str| {
        let mut state = rolling((120, 40));
        let sent = play(&mut state, "machine eu-1-g3", keys);
        (state, sent)
    };
    let choice = |sent: &[Effect]| {
        let value = &written(sent)[0].1["metadata"]["annotations"]["quarterdeck.dev/drain-choice"];
        value.as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(choice(&on_it("W w").1), "drain-1=wait");
    assert!(on_it("W s").1.is_empty());
    assert_eq!(choice(&on_it("W s y").1), "drain-1=skip");
    assert!(on_it("W f enter 'eu-1-g3' enter").1.is_empty(), "the node's name is typed, not the machine's");
    assert_eq!(choice(&on_it("W f enter 'eu-1-g3-node' enter").1), "drain-1=force");
    let (state, sent) = on_it("h");
    assert!(sent.is_empty() && said(&state).contains("scale Deployment/api to 3"), "{}", said(&state));
    assert!(on_it("w").1.is_empty(), "read-only");
    // Elsewhere the same keys mean what they always do.
    let mut elsewhere = rolling((120, 40));
    press(&mut elsewhere, ": 'machine eu-1-g4' enter s");
    assert!(matches!(elsewhere.overlay, Overlay::Scale(_)));
}

#[test]
fn that_a_drain_waits_is_decided_once() {
    let mut index = testing::fleet(ROLLING);
    let mut machine = MachineRow::clone(index.publish().machine(&testing::uid("eu-1-g3")).expect("it is there"));
    let decision = DrainDecision {
        choice: DrainTimeoutAction::Wait,
        by: Some("bob".into()),
        at: Time(testing::NOW - jiff::SignedDuration::from_mins(2)),
    };
    machine.drain.as_mut().expect("it is blocked").choice = Some(decision);
    index.apply(Change::Machine(Arc::new(machine)));
    let mut state = rolling((120, 40));
    send(&mut state, Event::Data(index.publish()));
    let sent = play(&mut state, "machine eu-1-g3", "W w");
    assert!(sent.is_empty(), "{sent:?}");
    assert_eq!(said(&state), "bob decided at 11:58:00 that it waits: `s` skips it, `f` forces it");
    let shown = screen(&state);
    assert!(shown.contains("deadline does not count") && !shown.contains("deadline in"), "{shown}");
    assert!(shown.contains("Wait by bob at 11:58:00"), "{shown}");
    press(&mut state, "s");
    assert!(matches!(state.overlay, Overlay::Confirm(_)), "{:?}", state.overlay);
}

#[test]
fn what_failed_in_a_pool_is_tried_again_after_a_yes() {
    let failed = ROLLING.replace("Replace Draining 0/1", "Replace Failed 0/1 failed=1");
    let mut state = state(&failed, (120, 40));
    assert!(play(&mut state, "pool eu-1/gpu", "W t").is_empty());
    assert!(said(&state).contains("nothing of eu-1-gpu has failed"), "{}", said(&state));
}

#[test]
fn pods_are_counted_for_who_may_write_and_the_answer_is_taken_in() {
    let uncounted = ROLLING.replace("version=1.33.6 versions", "version=1.33.6 uncounted versions");
    let counts = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Count { .. })).count();
    let mut state = state(&uncounted, (120, 40));
    let looking = press(&mut state, ": 'pool eu-1/gpu' enter R");
    assert_eq!(counts(&looking), 0, "to ask is a write");
    assert!(screen(&state).contains("ctrl-o arms, and asks for it"), "{}", screen(&state));
    let armed = press(&mut state, "ctrl-o tab tab");
    assert_eq!(counts(&armed), 1, "once");
    assert!(screen(&state).contains("are being counted"), "{}", screen(&state));
    // The answer may come before the dialog looks again, and nothing after it.
    with(&mut state, testing::snapshot(&uncounted.replace("uncounted", "counted")));
    for _ in 0..6 {
        send(&mut state, Event::Tick);
    }
    assert!(!screen(&state).contains("counted"), "{}", screen(&state));
}

#[test]
fn a_failure_stays_in_the_dialog() {
    let mut state = rolling((120, 40));
    let sent = play(&mut state, "pool eu-1/gpu", "W R enter 'eu-1-gpu' enter");
    let Some(Effect::Apply { ticket, .. }) = sent.last() else { panic!("{sent:?}") };
    let message = "written: NodePool a; not written: Operation b".to_owned();
    send(&mut state, Event::Applied { ticket: *ticket, outcome: Err(Refusal { message, why: Why::Other }) });
    assert!(screen(&state).contains("not written: Operation b"), "{}", screen(&state));
}

/// Its window opens on Tuesday; it is Saturday.
fn windowed() -> String {
    let calm = ROLLING.replace(" to=1.33.6 from=1.32.4 updated=2 outdated=3 inflight=1", "");
    calm.replace("cluster eu-1 ", "cluster eu-1 window=\"0 9 * * 2-4 +240\" ")
}

#[test]
fn who_does_not_wait_for_a_window_says_so_one_level_higher() {
    let mut state = state(&windowed(), (120, 40));
    let level = |state: &State| {
        let Overlay::Rollout(dialog) = &state.overlay else { panic!("{}", said(state)) };
        dialog.level()
    };
    let waits = play(&mut state, "pool eu-1/gpu", "W R enter 'eu-1-gpu' enter");
    assert!(!written(&waits)[0].1.to_string().contains("outside-window"), "it waits, as it is asked to");
    press(&mut state, "esc");
    press(&mut state, ": 'pool eu-1/gpu' enter R");
    assert_eq!(level(&state), 2);
    press(&mut state, "ctrl-n");
    assert_eq!(level(&state), 3);
    press(&mut state, "ctrl-n");
    assert_eq!(level(&state), 2, "and back");
    press(&mut state, "esc");
    let sent = play(&mut state, "pool eu-1/gpu", "R ctrl-n 'CVE-1' enter 'eu-1-gpu' enter");
    let [(what, patch)] = written(&sent).try_into().expect("one change");
    assert_eq!(what, "NodePool eu-1-gpu");
    let said = patch["metadata"]["annotations"]["quarterdeck.dev/outside-window"].as_str().expect("a revision");
    assert!(said.split(',').all(|revision| revision.len() == 8), "{said}");

    // Where no window is in the way there is nothing to be turned.
    let mut open = rolling((120, 40));
    press(&mut open, ": 'pool eu-1/gpu' enter R ctrl-n");
    assert_eq!(level(&open), 2);
    assert!(!screen(&open).contains("ctrl-n"), "{}", screen(&open));
    press(&mut open, "esc : 'pool eu-1/general' enter R ctrl-n");
    let Overlay::Rollout(dialog) = &open.overlay else { panic!() };
    assert!(dialog.preview.is_err() && !dialog.outside_window, "what is refused for another reason stays so");
}

fn check(name: &str, state: &State) {
    let (width, height) = state.size;
    insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen(state));
}

#[test]
fn what_dialogs_and_a_rollout_look_like() {
    let calm = ROLLING.replace(" to=1.33.6 from=1.32.4 updated=2 outdated=3 inflight=1", "");
    let nodes = "eu-1-m1-node+eu-1-m2-node+eu-1-m3-node";
    let seen = format!(
        "cluster eu-1 counted budgets=legacy/billing:0/1!@{nodes},shop/cart:0/8@{nodes},shop/web:1/3@{nodes} \
         deprecated=storage.k8s.io/v1alpha1/volumeattributesclasses@1.34"
    );
    let risky = calm.replace("cluster eu-1", &seen);
    for size in [(80, 24), (160, 48)] {
        for (name, fleet, keys) in [
            ("upgrade", calm.as_str(), ": 'cluster eu-1' enter W U"),
            ("replace", ROLLING, ": 'machine eu-1-m2' enter W space space R"),
            ("replace_risky", risky.as_str(), ": 'pool eu-1/gpu' enter W R"),
            ("upgrade_risky", risky.as_str(), ": 'cluster eu-1' enter W U"),
            ("replace_under_way", ROLLING, ": 'pool eu-1/general' enter R"),
            ("abort", ROLLING, ": 'pool eu-1/general' enter W A"),
            ("rollback", ROLLING, ": 'pool eu-1/general' enter W z"),
            ("force", ROLLING, ": 'machine eu-1-g3' enter W f"),
            ("rolling", ROLLING, ": 'pool eu-1/general' enter"),
            ("blocked", ROLLING, ": 'machine eu-1-g3' enter"),
        ] {
            let mut state = state(fleet, size);
            let effects = press(&mut state, keys);
            agree(&mut state, &effects);
            check(name, &state);
        }
    }
    let (windowed, waits) = (
        windowed(),
        ROLLING.replace(
            "1 machine is drained, and no more may be missing",
            "outside of the maintenance window: goes on Tue 24 Nov 09:00 UTC",
        ),
    );
    for (name, fleet, keys) in [
        ("window_closed", &windowed, ": 'cluster eu-1' enter W U"),
        ("window_not_waited_for", &windowed, ": 'cluster eu-1' enter W U ctrl-n"),
        ("window_waits", &waits, ": 'pool eu-1/general' enter"),
    ] {
        let mut state = state(fleet, (80, 24));
        let effects = press(&mut state, keys);
        agree(&mut state, &effects);
        check(name, &state);
    }
    let mut state = state(ROLLING, (80, 24));
    state.glyphs = Glyphs::Ascii;
    for (name, keys) in [("ascii_rolling", ": 'pool eu-1/general' enter"), ("ascii_abort", "A")] {
        press(&mut state, keys);
        check(name, &state);
        let beyond: Vec<char> = screen(&state).chars().filter(|c| !c.is_ascii()).collect();
        assert!(beyond.is_empty(), "{name} {beyond:?}");
    }
}

#[test]
fn in_a_log_on_a_page_and_among_events_no_key_decides_about_a_drain() {
    let check = |way: &str| {
        let mut state = rolling((120, 40));
        press(&mut state, &format!(": 'machine eu-1-g3' enter W {way}"));
        for key in ["w", "f", "s", "h"] {
            let mut state = state.clone();
            let effects = press(&mut state, key);
            assert!(effects.iter().all(|effect| !effect.is_mutation()), "{way} {key}: {effects:?}");
            assert!(!matches!(state.overlay, Overlay::Typed(_) | Overlay::Confirm(_)), "{way} {key}");
        }
        assert!(!screen(&state).contains("w wait"), "{}", screen(&state));
    };
    check("l");
    check("i");
    check("shift-tab");
    let mut table = rolling((120, 40));
    press(&mut table, ": 'machine eu-1-g3' enter W 3");
    let table = screen(&table);
    assert!(table.contains("w wait") && !table.contains("w columns"), "{table}");
}

#[test]
fn who_pauses_twice_is_told_of_the_first_and_not_of_somebody_else() {
    let mut state = rolling((120, 40));
    let sent = play(&mut state, "operation drain-1", "W p");
    let [Effect::Apply { ticket, .. }] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(press(&mut state, "p").iter().all(|effect| !effect.is_mutation()));
    assert_eq!(said(&state), "a change of Operation drain-1 is on its way: wait for its answer");
    send(&mut state, Event::Applied { ticket: *ticket, outcome: Ok("drain-1 begins no new machine".to_owned()) });
    assert!(press(&mut state, "p").iter().any(Effect::is_mutation), "the snapshot is still the one before");
}

#[test]
fn an_export_is_looked_at_and_the_dialog_is_as_it_was() {
    let mut state = rolling((120, 40));
    press(&mut state, ": 'pool eu-1/gpu' enter W s up tab 'CHG-9' ctrl-x");
    assert!(matches!(state.overlay, Overlay::Export(_)));
    press(&mut state, "tab esc");
    let Overlay::Scale(dialog) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert_eq!((dialog.replicas, dialog.form.reason()), (5, Some("CHG-9")));
    press(&mut state, "esc");
    assert!(matches!(state.overlay, Overlay::None));
}
