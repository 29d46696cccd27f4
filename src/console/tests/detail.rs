//! The detail pane where it is narrow: no number is cut to another one, no warning is pushed out of sight.

use super::{FLEET, press, screen, send, state, with};
use crate::{
    config::Accent,
    console::{
        contexts::Context,
        glyphs::Glyphs,
        message::Event,
        state::{Place, State},
    },
    fleet::testing,
};
use jiff::SignedDuration;

const LAB: &str = "cluster eu-9\npool gpu replicas=1\nmachine m-9 Ready";

fn several(lab: &str, size: (u16, u16)) -> State {
    let context = |(name, production): (&str, bool)| Context {
        accent: production.then_some(Accent::Red),
        production,
        ..Context::plain(Place { context: name.into(), ..Place::default() })
    };
    let contexts = [("production-europe-west", true), ("lab", false)].map(context);
    let mut state = State::on(contexts.into(), super::keymap(), Glyphs::Unicode, size, testing::NOW);
    send(&mut state, Event::Data(testing::several(&[("production-europe-west", FLEET), ("lab", lab)])));
    state
}

/// The lines of the screen with these words.
fn lines(state: &State, words: &str) -> Vec<String> {
    screen(state).lines().filter(|line| line.contains(words)).map(ToOwned::to_owned).collect()
}

#[test]
fn failures_that_are_not_shown_are_counted() {
    let machine = |n: u8| {
        let letter = char::from(b'a' + n);
        format!("machine m-{n} Failed phases=Join:fail:9 message=\"it is broken in the {letter} way\"\n")
    };
    for (of, shown_80, shown_160) in
        [(2, "", ""), (4, "and 2 others less frequent", ""), (7, "and 5 others", "and 2 others")]
    {
        let fleet: String = (0..of).map(machine).collect();
        for (size, wanted) in [((80, 24), shown_80), ((160, 60), shown_160)] {
            let mut state = super::state(&format!("cluster a\npool p\n{fleet}"), size);
            super::press(&mut state, "tab enter");
            let shown = super::screen(&state);
            assert!(
                shown.contains(wanted) && (!wanted.is_empty() || !shown.contains("less frequent")),
                "{of}: {shown}"
            );
        }
    }
}

#[test]
fn what_goes_on_below_is_marked() {
    let message = format!("{}and then remove it", "somebody may be listening in ".repeat(40));
    let fleet = format!("cluster a\npool p replicas=1\nmachine m-1 Failed phases=Join:fail:9 message=\"{message}\"");
    let goes_on = |shown: &str| {
        let ends = |row: &str| row.trim_end_matches([' ', '│']).ends_with('…');
        // The row in the tree is cut as well.
        shown.lines().any(|row| row.contains("listening") && !row.contains("m-1") && ends(row))
    };
    for size in [(80, 24), (120, 40), (160, 48)] {
        let mut state = state(&fleet, size);
        press(&mut state, ": 'machine m-1' enter");
        let shown = screen(&state);
        assert!(goes_on(&shown) && !shown.contains("remove it"), "{size:?}: {shown}");
    }
    let mut state = state(&fleet, (80, 24));
    press(&mut state, ": 'machine m-1' enter tab ctrl-d ctrl-d ctrl-d ctrl-d");
    let shown = screen(&state);
    assert!(!goes_on(&shown) && shown.contains("remove it"), "{shown}");
}

#[test]
fn how_an_operation_of_a_pool_ended_is_whole() {
    let fleet = FLEET.replace("ScaleUp Running 4/6", "ScaleUp Failed 11/12");
    for (width, height) in (76..200).map(|width| (width, 40)).chain([(60, 15), (80, 24)]) {
        let mut state = state(&fleet, (width, height));
        press(&mut state, ": 'pool eu-1/gpu' enter tab");
        let rows = lines(&state, "11/12  1 failed");
        assert!(!rows.is_empty(), "{width}: {}", screen(&state));
        for row in rows {
            assert!(row.contains("  Failed ") || row.contains("  Failed│"), "{width}: {row}");
            assert!(row.contains("█"), "{width}: {row}");
        }
    }
}

#[test]
fn the_time_of_an_operation_is_whole_or_not_there() {
    for width in 60..170 {
        for (mut state, passed) in [(state(FLEET, (width, 40)), 0), (several(LAB, (width, 40)), 899)] {
            let now = state.now + SignedDuration::from_secs(passed);
            crate::console::update::update(&mut state, crate::console::message::Msg { now, event: Event::Tick });
            let rows = lines(&state, " 4/6 Running");
            let after = |row: &String| {
                let rest = row.split("Running").nth(1).expect("its state is not cut").trim_end_matches('│');
                rest.split_whitespace().next().unwrap_or_default().to_owned()
            };
            for time in rows.iter().map(after).filter(|time| !time.is_empty()) {
                let is_whole = time.len() == 6 - usize::from(passed == 0) && time.contains('m') && time.ends_with('s');
                assert!(is_whole, "{width}: {time} in\n{}", rows.join("\n"));
            }
            press(&mut state, "2");
            let list = lines(&state, " 4/6 Running");
            let time = if passed == 0 { "2m00s" } else { "16m59s" };
            let is_whole = |row: &String| {
                let age = row.split("Running").nth(1).and_then(|rest| rest.split('│').next()).map_or("", str::trim);
                age == time || (age.is_empty() && passed > 0)
            };
            assert!(!list.is_empty() && list.iter().all(is_whole), "{width}: {list:?}");
            assert!(width < 80 || rows.iter().any(|row| !after(row).is_empty()), "{width}: {rows:?}");
        }
    }
}

#[test]
fn production_is_a_whole_word_and_the_way_out_has_its_key() {
    for width in [80, 100, 120] {
        let mut state = state(FLEET, (width, 60));
        press(&mut state, ": 'cluster us-2' enter");
        let shown = screen(&state);
        assert!(shown.contains("environment production"), "{shown}");
        assert!(shown.contains("`s`"), "{shown}");
    }
}

#[test]
fn what_is_wrong_stands_above_the_rows() {
    let pools: String = (1..=30).map(|n| format!("pool p{n} replicas=1\nmachine p{n}-m1 NotReady\n")).collect();
    let mut state = state(&format!("cluster eu-1 production\n{pools}"), (100, 24));
    press(&mut state, "j");
    let shown = screen(&state);
    assert!(shown.contains("NotReady 30") && shown.contains("environment production"), "{shown}");
    assert!(shown.contains("more ✖ 0/"), "what is left out is summed up where it can be seen: {shown}");
    let lab = several(&format!("{LAB}\noffline"), (100, 24));
    assert!(screen(&lab).contains("Failed 1"), "{}", screen(&lab));
}

#[test]
fn a_cluster_behind_a_dead_line_does_not_look_fresh() {
    let state = several(&format!("{LAB}\noffline"), (160, 48));
    let [row] = lines(&state, "lab              eu-9").try_into().expect("a row");
    assert!(row.contains("1/1 stale"), "{row}");
    let [row] = lines(&state, "eu-1 ✖").try_into().expect("a row");
    assert!(!row.contains("stale"), "{row}");
    assert!(!screen(&several(LAB, (160, 48))).contains("stale"));
}

#[test]
fn the_page_of_a_context_does_not_repeat_its_name() {
    let mut state = several(LAB, (120, 40));
    assert!(screen(&state).contains("✖ !production-eur… eu-1"), "{}", screen(&state));
    press(&mut state, "j");
    assert!(screen(&state).contains("││ ✖ eu-1"), "{}", screen(&state));
}

#[test]
fn production_has_a_mark_in_every_list() {
    for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
        let mut state = several(LAB, (160, 48));
        state.glyphs = glyphs;
        for (key, name) in [("2", "!production-eur"), ("3", "!production-europe-west"), ("4", "!production-eur")] {
            press(&mut state, key);
            assert!(screen(&state).contains(name), "{key}: {}", screen(&state));
        }
    }
}

#[test]
fn of_many_clusters_the_worst_are_shown_and_the_others_are_summed_up() {
    let cluster = |n: usize| {
        let is = if n == 777 { "Failed" } else { "Ready" };
        format!("cluster c{n:03}\npool w replicas=1\nmachine m{n} {is}\n")
    };
    let mut state = state("", (160, 48));
    with(&mut state, testing::snapshot(&(0..900).map(cluster).collect::<String>()));
    let shown = screen(&state);
    let at = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words}: {shown}"));
    assert!(at("Clusters 900") < at("✖ c777") && at("✖ c777") < at("✔ c000 ■") && at("✔ c000 ■") < at("✔ c001 ■"));
    let rows = shown.matches(" ■ ").count() + shown.lines().filter(|l| l.contains("1/1 │")).count();
    let left: usize = shown.split("… ").find_map(|part| part.split(" more ✔ ").next()?.parse().ok()).expect("a sum");
    assert!(
        rows > 0 && (870..900).contains(&left) && shown.contains(&format!("{left} more ✔ {left}/{left}")),
        "{shown}"
    );
}

#[test]
fn nothing_wrong_is_not_all_well_while_somebody_does_not_answer() {
    let root = |fleet: &str| {
        let screen = screen(&state(fleet, (160, 48)));
        screen.lines().find(|line| line.contains("▾")).expect("the first row").chars().take(66).collect::<String>()
    };
    let well = "cluster eu-1\npool w replicas=1\nmachine m-1 Ready";
    assert!(root(well).contains('✔'), "{}", root(well));
    let lost = root(&format!("{well}\noffline"));
    assert!(lost.contains("offline") && !lost.contains('✔'), "{lost}");
    let ill = root(&format!("{well}\nmachine m-2 Failed\noffline"));
    assert!(ill.contains("✖ 1"), "what is known to be wrong goes first: {ill}");
}

#[test]
fn a_pool_that_is_paused_says_what_goes_on_all_the_same() {
    let check = |machine: &str, expected: bool| {
        let mut state = state(&format!("cluster a\npool w replicas=2 paused\nmachine m1 Ready\n{machine}"), (160, 48));
        press(&mut state, ": 'pool a/w' enter");
        let said = "nothing more is begun; what has begun on hosts comes to its end: 1 machine";
        assert_eq!(screen(&state).contains(said), expected, "{}", screen(&state));
    };
    check("machine m2 Provisioning", true);
    check("machine m2 Ready", false);
}
