//! The page that says why a machine is not Ready, and sessions on it: keys in, effects and screens out.

use super::{FLEET, hosts::ILL, press, screen, send, state};
use crate::console::{
    hosts::journal::{self, Reader},
    message::{Effect, Event},
    state::State,
};
use crate::fleet::testing::NOW;

/// On the first failed machine.
const ON_FAILED: &str = "j right j right j j";

fn ticket(effects: &[Effect]) -> u64 {
    let find = |effect: &Effect| match effect {
        Effect::Journals { ticket, .. } => Some(*ticket),
        _ => None,
    };
    effects.iter().find_map(find).expect("journals are asked for")
}

/// The page about a failed machine, with lines of every source.
pub fn page(size: (u16, u16)) -> (State, u64) {
    let mut state = state(ILL, size);
    press(&mut state, ON_FAILED);
    let effects = press(&mut state, "i");
    let ticket = ticket(&effects);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Follow { follow, .. } if *follow == ticket)));
    let log = |second: u32, text: &str, machine: &str| {
        format!(
            r#"{{"at":"2026-11-21T11:59:{second:02}Z","machine":"{machine}","phase":"BootstrapOS","step":"packages","event":"output","line":"{text}"}}"#
        )
    };
    let lines = vec![
        log(50, "Reading package lists...", "eu-1-m6"),
        log(51, "of another", "eu-1-m7"),
        log(52, "E: no route to mirror", "eu-1-m6"),
    ];
    send(&mut state, Event::LogLines { follow: ticket, anew: true, lines });
    let start = NOW.as_second() - 11;
    let kubelet = |n: i64| format!("{}.000000 eu-1-m6 kubelet[8]: E1121 kubelet.go:{n}] \"no network\"", start + n);
    let mut reader = Reader::default();
    let entries = (0..8).filter_map(|n| reader.read("kubelet", &kubelet(n))).collect();
    send(&mut state, Event::Journal { ticket, entries });
    let containerd = format!("{}.500000 eu-1-m6 containerd[9]: level=error msg=\"dial tcp: i/o timeout\"", start + 2);
    let entries = Reader::default().read("containerd", &containerd).into_iter().collect();
    send(&mut state, Event::Journal { ticket, entries });
    (state, ticket)
}

#[test]
fn the_page_merges_what_all_sources_say_of_the_machine() {
    let (state, _) = page((120, 40));
    let text = screen(&state);
    for part in [
        "Why is eu-1-m6 not Ready?",
        "3 machines, 2 clusters: same step, same line",
        "phase BootstrapOS",
        "E: no route",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("of another"));
    let position = |part: &str| text.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}"));
    assert!(position("kubelet.go:2]") < position("i/o timeout") && position("i/o timeout") < position("kubelet.go:3]"));
}

#[test]
fn closing_the_page_ends_what_it_reads_however_it_is_closed() {
    for keys in ["esc", "q", "1", "5", "enter", ": 'machine eu-1-m1' enter"] {
        let (mut state, ticket) = page((120, 40));
        let effects = press(&mut state, keys);
        assert!(state.why.is_none(), "{keys}");
        assert!(effects.contains(&Effect::StopJournals), "{keys}: {effects:?}");
        send(&mut state, Event::JournalsEnded { ticket, why: "too late".into() });
        assert!(!screen(&state).contains("too late"));
        assert!(!press(&mut state, "j").contains(&Effect::StopJournals), "once");
    }
}

#[test]
fn the_page_holds_still_and_follows_again() {
    let (mut state, ticket) = page((80, 24));
    let line = |text: &str| journal::Entry { at: NOW, line: journal::line(NOW, "etcd", text) };
    send(&mut state, Event::Journal { ticket, entries: vec![line("old"); 30] });
    press(&mut state, "k k");
    assert!(!state.why.as_ref().unwrap().following);
    let before = screen(&state);
    send(&mut state, Event::Journal { ticket, entries: vec![line("new")] });
    assert!(!screen(&state).contains(" new"), "{before}");
    press(&mut state, "f");
    assert!(screen(&state).contains(" new"));
    let (mut help, _) = page((80, 24));
    press(&mut help, "?");
    assert!(help.help.is_some());
    press(&mut help, "esc");
    assert!(help.why.is_some());
}

#[test]
fn without_ssh_the_rest_is_shown_with_the_sentence() {
    let (mut state, ticket) = page((80, 24));
    send(&mut state, Event::JournalsEnded { ticket, why: "eu-1-m6 does not let root in; tried agent".into() });
    let text = screen(&state);
    assert!(text.contains("no journals: eu-1-m6 does not let root in; tried agent") && text.contains("BootstrapOS"));
}

/// The fleet with one machine that failed with this sentence, and the page about it.
fn page_of(message: &str, size: (u16, u16)) -> State {
    let fleet = format!("cluster a\npool p replicas=1\nmachine m-1 Failed phases=Join:fail:9 message=\"{message}\"");
    let mut state = state(&fleet, size);
    press(&mut state, ": 'machine m-1' enter i");
    state
}

#[test]
fn causes_are_told_to_their_end_where_there_is_room_and_marked_where_there_is_none() {
    let sentence = |words: usize| format!("{}and then remove it", "somebody may be listening in ".repeat(words));
    // What is seen of so long a sentence: its end, or that it goes on; the journals keep rows in any case.
    for (words, size, whole) in [
        (2, (80, 24), true),
        (10, (80, 24), true),
        (60, (80, 24), false),
        (20, (120, 40), true),
        (8, (60, 15), false),
        (300, (120, 40), false),
    ] {
        let state = page_of(&sentence(words), size);
        let shown = screen(&state);
        let rows: Vec<&str> = shown.lines().collect();
        let last = rows.iter().position(|row| row.contains("Journals")).map(|at| rows[at - 2]).unwrap_or_default();
        assert!(shown.contains("remove it") == whole && last.contains('…') != whole, "{words} {size:?}: {shown}");
        assert!(size.1 < 24 || crate::console::view::why::journal_height(&state) >= 5, "{shown}");
    }
}

#[test]
fn those_that_failed_alike_are_listed_and_marked() {
    let (mut state, _) = page((120, 40));
    press(&mut state, "space");
    assert_eq!(state.marks.len(), 3);
    press(&mut state, "enter");
    assert_eq!(state.filter.value(), "state=failed phase=BootstrapOS \"message~: no route to mirror\"");
    assert_eq!(state.sifter.matches().map(|matches| matches.count), Some(3));
}

#[test]
fn the_question_is_asked_of_one_machine() {
    let mut first = state(ILL, (120, 40));
    assert!(press(&mut first, "i").is_empty());
    assert!(first.notice.as_ref().unwrap().text.starts_with("the question is asked of one machine"));
    let mut second = state(FLEET, (120, 40));
    press(&mut second, "2 i");
    assert_eq!(second.why.map(|why| why.name.to_string()).as_deref(), Some("eu-1-m6"), "one that failed in it");
}

#[test]
fn a_session_is_for_one_machine_read_only_or_not() {
    let mut state = state(ILL, (120, 40));
    assert!(!press(&mut state, "S").iter().any(|effect| matches!(effect, Effect::Visit(_))));
    press(&mut state, ON_FAILED);
    let effects = press(&mut state, "S");
    let [Effect::Visit(way)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((&*way.name, state.is_armed()), ("eu-1-m6", false));
    let name = way.name.clone();
    for (outcome, expected) in [
        (Ok(0), "the session on eu-1-m6 has ended"),
        (Ok(1), "the session on eu-1-m6 ended with status 1"),
        (Ok(255), "the session on eu-1-m6 ended with status 255: `ssh` has said why, or the line broke"),
        (Err("there is no program `ssh` here".to_owned()), "there is no program `ssh` here"),
    ] {
        send(&mut state, Event::Visited { name: name.clone(), outcome });
        assert_eq!(state.notice.as_ref().unwrap().text, expected);
    }
    let (mut page, _) = page((120, 40));
    assert!(matches!(press(&mut page, "S").as_slice(), [Effect::Visit(_)]));
}
