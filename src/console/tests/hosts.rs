//! Hosts over SSH: keys in, effects and screens out.

use super::{press, screen, send, state, why::page};
use crate::console::{
    hosts::{
        Answer, journal,
        probe::{self, Reading, Unit},
    },
    log::Tone,
    message::{Effect, Event},
    state::{State, Subject, View},
};
use crate::fleet::{
    Uid,
    testing::{NOW, uid},
};

/// Three machines that failed in the same step with the same line, in two clusters; one that is not Ready.
pub const ILL: &str = r#"
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
pub fn answered(size: (u16, u16)) -> State {
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
    assert!(asked(&press(&mut state, "ctrl-r")).is_empty(), "a key that is held does not dial anew each time");
    press(&mut state, "enter");
    assert_eq!(state.view, View::Fleet);
    assert!(matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "eu-1-m6"));
}

#[test]
fn hosts_are_filtered_where_they_are_by_what_they_said() {
    let shown = |state: &State| state.hosts.from(0).map(|row| row.name.to_string()).collect::<Vec<_>>().join(" ");
    let check = |filter: &str, wanted: &str| {
        let mut state = answered((160, 40));
        press(&mut state, &format!("/ '{filter}' enter"));
        assert_eq!((state.view, shown(&state).as_str()), (View::Hosts, wanted), "{filter}");
    };
    check("eu-1 !m2", "eu-1-m6 eu-1-m7 eu-1-m1");
    check("state=trouble", "eu-1-m2 spare-2");
    check("state=unreachable", "us-2-m1");
    check("state!=well", "eu-1-m2 us-2-m1 spare-2 eu-1-m6 eu-1-m7");
    check("kubelet=failed", "eu-1-m2");
    check("what~known_hosts", "us-2-m1");
    check("nobody", "");
}

#[test]
fn the_cursor_goes_through_the_hosts_that_are_left_and_so_does_what_is_asked_of_them() {
    let mut state = answered((160, 40));
    press(&mut state, "/ 'eu-1' enter G");
    assert!(matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "eu-1-m1"));
    assert_eq!(asked(&press(&mut state, "ctrl-r")), ["eu-1-m2", "eu-1-m6", "eu-1-m7", "eu-1-m1"]);
    press(&mut state, "esc");
    assert_eq!((state.view, state.hosts.len()), (View::Hosts, 7));
    assert!(matches!(state.subject(), Subject::Machine(machine) if &*machine.name == "eu-1-m1"), "it stays there");
    // A column that there is none of is said.
    press(&mut state, "/ 'pool=gpu' enter");
    assert!(screen(&state).contains("there is no column `pool` here; there is name, state, kubelet"));
}

#[test]
fn only_hosts_with_problems_are_those_of_the_fleet_and_those_that_said_so() {
    let mut state = answered((160, 40));
    press(&mut state, "!");
    let shown: Vec<_> = state.hosts.from(0).map(|row| &*row.name).collect();
    let troubled = |name: &&str| state.hosts.rows.iter().any(|row| &*row.name == *name && row.troubled);
    assert!(["eu-1-m2", "us-2-m1", "spare-2"].iter().all(|name| shown.contains(name)), "{shown:?}");
    assert!(shown[3..].iter().all(troubled) && !shown.contains(&"spare-1"), "{shown:?}");
    press(&mut state, "!");
    assert_eq!(state.hosts.len(), 7);
}

/// A pool that no screen is large enough for.
fn many() -> String {
    let machines: String = (0..300).map(|n| format!("machine m-{n:03} Ready\n")).collect();
    format!("cluster eu-1\npool w replicas=300\n{machines}")
}

#[test]
fn only_those_in_view_are_asked_and_others_as_they_come_into_view() {
    let mut state = state(&many(), (120, 40));
    let first = asked(&press(&mut state, "5"));
    let height = state.layout().list_height();
    assert_eq!(first.len(), height);
    assert_eq!((first[0].as_str(), state.hosts.rows.len()), ("m-000", 300));
    assert_eq!(asked(&press(&mut state, "j k j")), Vec::<String>::new(), "each once");
    // Who is well stays where it is: its answer brings nobody into view.
    for name in &first[..height - 1] {
        let round = state.hosts.round;
        let effects = send(&mut state, Event::Host { round, uid: uid(name), answer: Answer::Read(reading(|_| {})) });
        assert!(asked(&effects).is_empty(), "{name}");
    }
    assert_eq!(state.hosts.awaited(), 1);
    // One that is not goes to the top.
    answer(&mut state, &first[height - 1], Answer::Failed("refused".into()));
    assert_eq!(*state.hosts.rows[0].name, *first[height - 1]);
    let next = asked(&press(&mut state, "ctrl-f"));
    assert!(!next.is_empty() && next.len() <= height && next.iter().all(|name| !first.contains(name)), "{next:?}");
    let screen = screen(&state);
    assert!(screen.contains("asking,"), "{screen}");
}

#[test]
fn whoever_runs_through_a_long_list_asks_no_more_than_can_wait() {
    let mut state = state(&many(), (120, 40));
    let mut effects = press(&mut state, "5");
    for _ in 0..12 {
        effects.extend(press(&mut state, "ctrl-f"));
    }
    assert_eq!(asked(&effects).len(), 100);
    // When there is room again, those that are in view now are asked.
    let round = state.hosts.round;
    let event = Event::Host { round, uid: uid("m-000"), answer: Answer::Read(reading(|_| {})) };
    let next = asked(&send(&mut state, event));
    assert!(next.len() == 1 && next[0].as_str() > "m-250", "{next:?}");
}

#[test]
fn an_answer_is_kept_with_its_age_and_asked_again_only_in_view() {
    let mut state = state(&many(), (120, 40));
    let first = asked(&press(&mut state, "5"));
    for name in &first {
        answer(&mut state, name, Answer::Read(reading(|_| {})));
    }
    // Back at once: what is known is known.
    assert!(asked(&press(&mut state, "1 5")).is_empty());
    let later = |state: &mut State, seconds: i64, event: Event| {
        let now = state.now + jiff::SignedDuration::from_secs(seconds);
        crate::console::update::update(state, crate::console::message::Msg { now, event })
    };
    later(&mut state, 45, Event::Tick);
    assert!(screen(&state).contains("answered 12:00:0"), "{}", screen(&state));
    let again = asked(&press(&mut state, "ctrl-r"));
    assert_eq!(again, first, "those in view");
    // What it said before stands there until it says something new.
    assert!(screen(&state).contains(", asked again"), "{}", screen(&state));
    assert_eq!(state.hosts.awaited(), first.len());
    for name in &first {
        answer(&mut state, name, Answer::Read(reading(|_| {})));
    }
    later(&mut state, 90, Event::Tick);
    assert_eq!(asked(&press(&mut state, "1 5")), first, "what is old is asked again");
}

/// Who looks at four in the afternoon must not see the green marks of noon.
#[test]
fn an_answer_that_is_old_counts_as_none_and_stands_there_with_its_age() {
    let mut state = answered((160, 40));
    for name in ["eu-1-m6", "eu-1-m7"] {
        answer(&mut state, name, Answer::Read(reading(|_| {})));
    }
    let shown = |state: &State| state.hosts.from(0).map(|row| row.name.to_string()).collect::<Vec<_>>().join(" ");
    let check = |state: &mut State, filter: &str, wanted: &str| {
        press(state, &format!("/ '{filter}' enter"));
        assert_eq!(shown(state), wanted, "{filter}");
        press(state, "esc");
    };
    assert_eq!((state.hosts.answered(), state.hosts.troubled()), (7, 3));
    check(&mut state, "state=well", "eu-1-m6 eu-1-m7 eu-1-m1 spare-1");
    let later = |state: &mut State, seconds: i64| {
        let now = state.now + jiff::SignedDuration::from_secs(seconds);
        crate::console::update::update(state, crate::console::message::Msg { now, event: Event::Tick })
    };
    later(&mut state, 200);
    assert!(screen(&state).contains("3 to look at"), "{}", screen(&state));
    // The view stays open, and nobody asks.
    assert!(asked(&later(&mut state, 4 * 3600)).is_empty());
    let order = "eu-1-m2 us-2-m1 spare-2 eu-1-m6 eu-1-m7 eu-1-m1 spare-1";
    assert_eq!(shown(&state), order, "what was wrong is looked at first");
    assert!(state.hosts.rows.iter().all(|row| row.health() == crate::fleet::Health::Idle));
    let text = screen(&state);
    for part in [
        "0 of 7 asked, 7 too old · ctrl-r asks those in view again",
        "answered 4h03m ago: kubelet has failed",
        "asked 4h03m ago: presented a host key that we do not know",
        "answered 4h03m ago: well then",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("all well"), "{text}");
    check(&mut state, "state=well", "");
    check(&mut state, "kubelet=up", "");
    check(&mut state, "state!=well", order);
    press(&mut state, "!");
    assert!(shown(&state).starts_with("eu-1-m2 us-2-m1 spare-2"), "{}", shown(&state));
    press(&mut state, "!");
    // Opened again it asks; one that is well makes nobody well of whom nothing is known.
    assert_eq!(asked(&press(&mut state, "1 5")).len(), 7);
    answer(&mut state, "eu-1-m1", Answer::Read(reading(|_| {})));
    assert_eq!((state.hosts.answered(), state.hosts.stale()), (1, 6));
    check(&mut state, "state=well", "eu-1-m1");
}

#[test]
fn a_row_does_not_say_the_name_of_its_host_twice_and_the_detail_has_the_whole_sentence() {
    let mut state = answered((80, 24));
    press(&mut state, "j");
    let text = screen(&state);
    assert!(text.contains(" us-2-m1       presented a host key that we do not know: SHA256:abc: compar"), "{text}");
    assert!(text.contains("us-2-m1 presented a host key"), "{text}");
}

/// Host keys are read when a round begins: whoever has added one, and asks again, must not hear what was said before.
#[test]
fn asking_again_begins_anew_and_loses_nobody_who_was_being_asked() {
    let mut state = state(&many(), (120, 40));
    let first = asked(&press(&mut state, "5"));
    answer(&mut state, &first[0], Answer::Failed("a host key that we do not know".into()));
    let before = state.hosts.round;
    let more = asked(&press(&mut state, "ctrl-f ctrl-f"));
    // Those of the first page are out of sight; nobody may ever answer for them: the task that asked them may be gone.
    press(&mut state, "g g");
    press(&mut state, "ctrl-f ctrl-f");
    let effects = press(&mut state, "ctrl-r");
    let round = |effect: &Effect| matches!(effect, Effect::AskHosts { round, .. } if *round > before);
    assert!(effects.iter().any(round), "{effects:?}");
    let mut awaited: Vec<String> = first[1..].iter().chain(&more).cloned().collect();
    let mut again = asked(&effects);
    awaited.sort();
    again.sort();
    assert_eq!(again, awaited);
    // An answer that was on its way is one of before; what was said stays on the screen until there is another.
    let late = |round: u64| Event::Host { round, uid: uid(&first[1]), answer: Answer::Failed("late".into()) };
    send(&mut state, late(before));
    assert_eq!((state.hosts.awaited(), state.hosts.answered()), (awaited.len(), 1));
    let now = state.hosts.round;
    send(&mut state, late(now));
    assert_eq!((state.hosts.awaited(), state.hosts.answered()), (awaited.len() - 1, 2));
}

#[test]
fn those_that_are_marked_are_asked_wherever_they_stand() {
    let mut state = state(&many(), (120, 40));
    press(&mut state, "3 G space");
    let asked = asked(&press(&mut state, "1 5"));
    assert_eq!(asked.last().map(String::as_str), Some("m-299"));
    assert_eq!(asked.len(), state.layout().list_height() + 1);
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
    let asked = asked(&press(&mut state, "5")).len();
    assert_eq!((asked, state.hosts.rows.len()), (state.layout().list_height(), 250));
    assert!(screen(&state).contains(&format!("asking, {asked} left")), "{}", screen(&state));
    assert_eq!(state.hosts.rows.iter().filter(|row| row.health() == crate::fleet::Health::Moving).count(), asked);
    let _: &Uid = &state.hosts.rows[0].uid;
    assert_eq!(journal::line(NOW, "etcd", "E1121 x").tone, Tone::Bad);
}
