//! The help page: what it says of the place, what is searched for, and that it leaves everything as it was.

use super::{FLEET, permissions, press, screen, send, state};
use crate::console::{
    here::{self, Hint},
    message::Event,
    state::{Overlay, State},
};

/// Titles and first hints after some keys.
fn check(keys: &str, title: &str, hints: &str) {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, keys);
    let words: Vec<&str> = here::here(&state).first.iter().map(|hint| hint.hint()).collect();
    assert_eq!((here::title(&state).as_str(), words.join(", ").as_str()), (title, hints), "{keys}");
}

/// The line at the bottom names no key that does nothing in the pane.
#[test]
fn each_pane_hints_at_its_own_keys() {
    let last = |keys: &str| {
        let mut state = state(FLEET, (120, 40));
        press(&mut state, keys);
        screen(&state).lines().last().unwrap_or_default().to_owned()
    };
    let events = last("tab tab");
    assert!(events.contains("enter zoom") && events.contains("f follow") && !events.contains("open"), "{events}");
    let detail = last("tab");
    assert!(detail.contains("enter zoom") && detail.contains("tab") && !detail.contains("open"), "{detail}");
    assert!(last("j right j tab").contains("s scale"));
    let log = last("j right j l");
    assert!(log.contains("f follow") && !log.contains("/ filter"), "{log}");
    assert!(last("j").contains("/ filter"));
}

#[test]
fn every_place_has_its_own() {
    check("", "the fleet", "open");
    check("j", "cluster eu-1", "upgrade, open");
    check(": 'pool eu-1/gpu' enter", "pool eu-1/gpu", "scale, upgrade, replace, logs, pause, open");
    check(": 'machine eu-1-m6' enter", "machine eu-1-m6", "why, open, logs, ssh, mark, replace, cordon");
    check(
        ": 'machine eu-1-m6' enter tab",
        "machine eu-1-m6, its details",
        "zoom, pane, why, logs, ssh, mark, replace, cordon",
    );
    check(": 'machine eu-1-m6' enter space", "1 machine marked", "replace, cordon, drain, uncordon, mark");
    check("2", "Operations, eu-1-gpu-up", "logs, pause, open");
    check("3", "Machines, eu-1-m6", "why, open, logs, ssh, mark, replace, cordon");
    check("4", "Events", "go there, follow");
    check("5", "Hosts, eu-1-m6", "open, ask again, ssh, why, logs");
    check(": 'pool eu-1/gpu' enter l", "the log of eu-1-gpu-up", "follow, wrap, search, zoom");
    check(": 'machine eu-1-m6' enter i", "why eu-1-m6 is not Ready", "follow, wrap, ask again, ssh, search");
    check("T", "who did what, in the fleet", "go there, filter, whole fleet, close");
    check(": 'pool eu-1/gpu' enter y", "YAML  NodePool eu-1-gpu", "close, search, wrap, copy, save, again");
}

#[test]
fn nothing_stands_there_twice() {
    for keys in ["", "j", "2", "3", "4", "5", ": 'pool eu-1/gpu' enter", ": 'machine eu-1-m6' enter", "T"] {
        let mut state = state(FLEET, (120, 40));
        press(&mut state, keys);
        let here = here::here(&state);
        let all: Vec<Hint> = here.first.iter().chain(&here.more).copied().collect();
        for (at, hint) in all.iter().enumerate() {
            let again = all[at + 1..].iter().any(|other| hint.action().is_some() && other.action() == hint.action());
            assert!(!again, "{keys}: {hint:?}");
        }
    }
}

/// What the page says before its second title, on a screen that it fills from side to side.
fn place(state: &State) -> String {
    let text = screen(state);
    let lines = text.lines().map(|line| line.trim_matches(['│', ' ']));
    let lines = lines.skip_while(|line| !line.starts_with("Here")).take_while(|line| *line != "Move");
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_begins_with_the_place() {
    for size in [(80, 24), (120, 40)] {
        for (name, keys) in [
            ("pool", ": 'pool eu-1/gpu' enter"),
            ("hosts", "5"),
            ("operations", "2"),
            ("events", "4"),
            ("machines", "3"),
            ("why", ": 'machine eu-1-m6' enter i"),
            ("audit", "T"),
            ("pager", ": 'pool eu-1/gpu' enter y"),
            ("log", ": 'pool eu-1/gpu' enter l"),
        ] {
            let mut state = state(FLEET, size);
            press(&mut state, &format!("{keys} ?"));
            insta::assert_snapshot!(format!("here_{name}_{}x{}", size.0, size.1), screen(&state));
        }
    }
}

#[test]
fn what_is_refused_says_why() {
    let mut state = permissions::may(permissions::NOTHING);
    send(&mut state, Event::Resize(80, 40));
    press(&mut state, ": 'pool eu-1/gpu' enter ?");
    let text = place(&state);
    assert!(text.contains("upgrade it to another version (no permission to patch nodepools)"), "{text}");
    assert!(text.contains("(no permission to list pods)"), "{text}");
    let mut state = self::state(FLEET, (80, 40));
    press(&mut state, ": 'pool eu-1/gpu' enter ?");
    assert!(place(&state).contains("upgrade it to another version (read-only)"), "{}", place(&state));
    press(&mut state, "esc W ?");
    assert!(!place(&state).contains("read-only"), "{}", place(&state));
}

#[test]
fn words_are_searched_for_as_they_are_typed() {
    let mut state = state(FLEET, (80, 24));
    press(&mut state, ": 'pool eu-1/gpu' enter ? / 'REPLACE mark'");
    insta::assert_snapshot!("help_search_80x24", screen(&state));
    press(&mut state, "enter esc");
    assert!(state.help.as_ref().is_some_and(|help| help.filter.is_empty()));
    press(&mut state, "/ 'nosuchword'");
    assert!(screen(&state).contains("Nothing on this page has these words."));
    press(&mut state, "esc ?");
    assert!(state.help.is_none());
}

#[test]
fn what_lies_below_is_there_again() {
    let mut state = state(FLEET, (80, 24));
    press(&mut state, ": 'pool eu-1/gpu' enter y ? j G g");
    assert!(state.help.is_some() && matches!(state.overlay, Overlay::Pager(_)));
    press(&mut state, "q");
    assert!(state.help.is_none() && matches!(state.overlay, Overlay::Pager(_)));
    press(&mut state, "esc T / 'alice' enter ? esc");
    assert!(matches!(&state.overlay, Overlay::Audit(audit) if audit.filter.value() == "alice"));
}
