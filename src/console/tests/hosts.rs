//! Hosts over SSH, the page that says why, and sessions: keys in, effects and screens out.

use super::{FLEET, press, screen, send, state};
use crate::console::{
    hosts::{
        Answer,
        journal::{self, Reader},
        probe::{self, Reading, Unit},
    },
    log::Tone,
    message::{Effect, Event},
    state::{Overlay, State, Subject, View},
};
use crate::fleet::{
    Uid,
    testing::{NOW, uid},
};

/// Three machines that failed in the same step with the same line, in two clusters; one that is not Ready.
const ILL: &str = r#"
    cluster eu-1 version=1.34.2 simulated
    pool gpu replicas=4 selector.gpu=h100
    machine eu-1-m1 Ready
    machine eu-1-m2 NotReady ready=false
    machine eu-1-m6 Failed phases=Preflight:ok:3,BootstrapOS:fail:9 op=eu-1-gpu-up message="it ended with status 100: no route to mirror 10.0.0.9"
    machine eu-1-m7 Failed phases=Preflight:ok:3,BootstrapOS:fail:9 op=eu-1-gpu-up message="it ended with status 100: no route to mirror 10.0.0.8"
    operation eu-1-gpu-up ScaleUp Failed 1/4 by=alice reason="launch" machines=eu-1-m6,eu-1-m7 failed=2
    cluster us-2 version=1.33.6
    pool general replicas=1
    machine us-2-m1 Failed phases=Preflight:ok:3,BootstrapOS:fail:4 message="it ended with status 99: no route to mirror 10.0.0.7"
    idle 2 spare- gpu=h100
"#;

fn asked(effects: &[Effect]) -> Vec<String> {
    let names = |effect: &Effect| match effect {
        Effect::AskHosts { ways, .. } => ways.iter().map(|way| way.name.to_string()).collect(),
        _ => Vec::new(),
    };
    effects.iter().flat_map(names).collect()
}

/// Opens the view after these keys; whom that asks.
fn check(fleet: &str, keys: &str, expected: &str) {
    let mut state = state(fleet, (120, 40));
    press(&mut state, keys);
    assert_eq!(asked(&press(&mut state, "5")).join(" "), expected, "{keys}");
    assert!(state.view == View::Hosts || expected.is_empty());
}

#[test]
fn whom_the_cursor_is_on_is_asked_and_problems_are_asked_first() {
    check(ILL, "", "eu-1-m2 eu-1-m6 eu-1-m7 us-2-m1 eu-1-m1 spare-1 spare-2");
    check(ILL, "j j", "us-2-m1");
    check(ILL, "G", "spare-1 spare-2");
    check(ILL, "!", "eu-1-m2 eu-1-m6 eu-1-m7 us-2-m1");
    check(ILL, "/ 'm6' enter", "eu-1-m6");
    check(ILL, "/ 'm6' enter j j j", "eu-1-m6");
    check("", "", "");
}

fn reading(change: impl FnOnce(&mut probe::Seen)) -> Reading {
    let mut seen = probe::Seen {
        clock: Some(NOW.as_millisecond()),
        uptime_seconds: Some(3_552_420),
        load: Some([0.08, 0.05, 0.01]),
        cpus: Some(16),
        disk_percent: Some(47),
        kubelet: Unit::Active,
        containerd: Unit::Active,
        etcd: Unit::Absent,
    };
    change(&mut seen);
    Reading::new(seen, NOW.as_millisecond(), 12)
}

fn answer(state: &mut State, name: &str, answer: Answer) {
    let round = state.hosts.round;
    send(state, Event::Host { round, uid: uid(name), answer });
}

/// The view with an answer of each kind.
fn answered(size: (u16, u16)) -> State {
    let mut state = state(ILL, size);
    press(&mut state, "5");
    answer(&mut state, "eu-1-m1", Answer::Read(reading(|_| {})));
    answer(&mut state, "eu-1-m2", Answer::Read(reading(|seen| seen.kubelet = Unit::Failed)));
    answer(&mut state, "spare-1", Answer::Read(reading(|seen| seen.kubelet = Unit::Absent)));
    answer(
        &mut state,
        "spare-2",
        Answer::Read(reading(|seen| (seen.disk_percent, seen.clock) = (Some(91), seen.clock.map(|c| c + 2_000)))),
    );
    let why = "us-2-m1 presented a host key that we do not know: SHA256:abc: compare it with the host's own, then \
               `ssh -p 22 root@10.0.0.1` adds it to /home/alice/.ssh/known_hosts";
    answer(&mut state, "us-2-m1", Answer::Failed(why.into()));
    state
}

#[test]
fn problems_come_first_and_the_cursor_stays_on_the_host_that_it_was_moved_to() {
    let mut state = answered((120, 40));
    let names = |state: &State| state.hosts.rows.iter().map(|row| row.name.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&state), "eu-1-m2 us-2-m1 spare-2 eu-1-m6 eu-1-m7 eu-1-m1 spare-1");
    assert_eq!(state.hosts.list.index, 0, "it was not moved: it is on the worst");
    press(&mut state, "j j j");
    answer(&mut state, "eu-1-m6", Answer::Read(reading(|_| {})));
    assert!(matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "eu-1-m6"));
    // An answer to a question of before, and one of a host that nobody asked.
    let stale =
        Event::Host { round: state.hosts.round - 1, uid: uid("eu-1-m7"), answer: Answer::Failed("late".into()) };
    send(&mut state, stale);
    answer(&mut state, "nobody", Answer::Failed("who?".into()));
    assert_eq!(state.hosts.awaited(), 1);
    assert_eq!(asked(&press(&mut state, "ctrl-r")).len(), 7, "the same again");
    press(&mut state, "enter");
    assert_eq!(state.view, View::Fleet);
    assert!(matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "eu-1-m6"));
}

#[test]
fn nothing_is_asked_by_itself() {
    let mut state = state(ILL, (120, 40));
    let mut effects = press(&mut state, "j j k tab 2 3 4 1");
    effects.extend(send(&mut state, Event::Tick));
    assert!(asked(&effects).is_empty());
    press(&mut state, "5");
    assert!(asked(&send(&mut state, Event::Tick)).is_empty());
}

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
fn page(size: (u16, u16)) -> (State, u64) {
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
    assert!(matches!(help.overlay, Overlay::Help { .. }));
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

#[test]
fn what_they_look_like() {
    for size in [(80, 24), (160, 48)] {
        let name = |what: &str| format!("{what}_{}x{}", size.0, size.1);
        insta::assert_snapshot!(name("hosts"), screen(&answered(size)));
        insta::assert_snapshot!(name("why"), screen(&page(size).0));
    }
    let mut fleet = state(ILL, (160, 48));
    insta::assert_snapshot!("alike_160x48", screen(&fleet));
    press(&mut fleet, "2");
    insta::assert_snapshot!("alike_operation_160x48", screen(&fleet));
    let mut ascii = answered((80, 24));
    ascii.glyphs = crate::console::glyphs::Glyphs::Ascii;
    let beyond: Vec<char> = screen(&ascii).chars().filter(|c| !c.is_ascii()).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[test]
fn hundreds_of_machines_are_bounded_and_counted() {
    let many: String = (0..250).map(|n| format!("machine m-{n:03} Ready\n")).collect();
    let mut state = state(&format!("cluster eu-1\npool gpu\n{many}"), (120, 40));
    assert_eq!(asked(&press(&mut state, "5")).len(), 100);
    assert!(screen(&state).contains("100 of 250"), "{}", screen(&state));
    assert_eq!(state.hosts.rows.iter().filter(|row| row.health() == crate::fleet::Health::Moving).count(), 100);
    let _: &Uid = &state.hosts.rows[0].uid;
    assert_eq!(journal::line(NOW, "etcd", "E1121 x").tone, Tone::Bad);
}
