//! Logs of several operations as one.

use super::{FLEET, press, screen, send, state};
use crate::console::message::{Effect, Event};

/// Two more operations that are at work: one in another pool, one in another cluster.
fn busy() -> String {
    let system = "pool system replicas=3\n    operation eu-1-system-up ScaleUp Running 1/3 machines=eu-1-s1";
    let general = "pool general replicas=5\n    operation us-2-general-up Upgrade Running 1/5 machines=us-2-m1";
    FLEET.replace("pool system replicas=3", system).replace("pool general replicas=5", general)
}

fn followed(effects: &[Effect]) -> Vec<String> {
    let names = effects.iter().flat_map(|effect| match effect {
        Effect::Follow { operation, .. } => vec![operation.name.clone()],
        Effect::FollowAll { operations, .. } => operations.iter().map(|operation| operation.name.clone()).collect(),
        _ => Vec::new(),
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn all_that_is_at_work_here_is_followed() {
    let check = |keys: &str, expected: &[&str]| {
        let mut state = state(&busy(), (120, 40));
        let effects = press(&mut state, keys);
        assert_eq!(followed(&effects), expected, "{keys}");
    };
    check("L", &["eu-1-gpu-up", "eu-1-system-up", "us-2-general-up"]);
    check("j L", &["eu-1-gpu-up", "eu-1-system-up"]);
    check("j right j L", &["eu-1-gpu-up"]);
    check("j right j right j L", &["eu-1-gpu-up"]);
    check(": 'machine us-2-m2' enter L", &[]);
    let mut calm = state(FLEET, (120, 40));
    press(&mut calm, ": 'pool us-2/general' enter L");
    assert_eq!(
        calm.notice.expect("a sentence").text,
        "no operation is at work here: `l` shows the log of the last one"
    );
}

#[test]
fn lines_say_whose_they_are_and_stand_by_their_times() {
    let mut state = state(&busy(), (160, 48));
    let effects = press(&mut state, "j L");
    let Some(Effect::FollowAll { follow, operations, .. }) = effects.last() else { panic!("{effects:?}") };
    let line = |second: u8, machine: &str, said: &str| {
        format!(
            r#"{{"at":"2026-11-21T12:00:{second:02}Z","machine":"{machine}","phase":"Join","event":"output","line":"{said}"}}"#
        )
    };
    let gpu = operations.iter().position(|o| o.name == "eu-1-gpu-up").expect("it is followed");
    let system = 1 - gpu;
    let say = |state: &mut _, source, anew, lines| {
        send(state, Event::MergedLines { follow: *follow, source, anew, lines });
    };
    say(&mut state, gpu, true, vec![line(1, "eu-1-m5", "alpha"), line(5, "eu-1-m6", "gamma")]);
    say(&mut state, system, true, vec![line(3, "eu-1-s1", "beta!")]);
    insta::assert_snapshot!("merged_logs_160x48", screen(&state));
    let place = |state: &_, word: &str| screen(state).find(word).expect(word);
    assert!(place(&state, "alpha") < place(&state, "beta!") && place(&state, "beta!") < place(&state, "gamma"));
    // One that begins again takes only its own lines away.
    say(&mut state, system, true, vec![line(3, "eu-1-s1", "anew")]);
    let shown = screen(&state);
    assert!(!shown.contains("beta!") && shown.contains("anew") && shown.contains("alpha"));
    // Lines of a log that is closed are nobody's.
    press(&mut state, "esc");
    say(&mut state, gpu, false, vec![line(9, "eu-1-m5", "zulu")]);
    assert!(!screen(&state).contains("zulu"));
}

#[test]
fn a_log_is_searched_copied_and_saved_as_a_text() {
    let mut state = state(&busy(), (120, 40));
    let effects = press(&mut state, "j right j l");
    let Some(Effect::Follow { follow, .. }) = effects.last() else { panic!("{effects:?}") };
    let follow = *follow;
    let say = |state: &mut _, words: &[&str]| {
        let line = |said: &&str| format!(r#"{{"machine":"eu-1-m5","phase":"Join","event":"output","line":"{said}"}}"#);
        send(state, Event::LogLines { follow, anew: false, lines: words.iter().map(line).collect() });
    };
    say(&mut state, &["alpha", "beta", "gamma"]);
    press(&mut state, "/ 'bet' enter");
    let shown = screen(&state);
    assert!(shown.contains("Log eu-1-gpu-up") && shown.contains("eu-1-m5 Join beta"), "{shown}");
    say(&mut state, &["delta"]);
    assert!(!screen(&state).contains("delta"), "it stands still while it is read");
    press(&mut state, "f");
    assert!(screen(&state).contains("delta"), "{}", screen(&state));
    let effects = press(&mut state, "s");
    let Some(Effect::Save { name, text }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!((name.as_str(), text.lines().count()), ("eu-1-gpu-up.log", 4));
    press(&mut state, "esc esc");
    assert!(screen(&state).contains("f follow") && state.filter.is_empty(), "{}", screen(&state));
}
