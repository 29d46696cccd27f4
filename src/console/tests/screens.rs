//! What screens look like.

use super::{FLEET, agree, empty, press, screen, send, state};
use crate::console::{
    glyphs::Glyphs,
    message::Event,
    state::{Overlay, State},
};

const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (160, 48)];

fn check(name: &str, state: &State) {
    let (width, height) = state.size;
    insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen(state));
}

#[test]
fn a_pool_at_work() {
    for size in SIZES {
        let mut state = state(super::FLEET, size);
        press(&mut state, "j right j right");
        check("pool", &state);
    }
}

#[test]
fn a_failed_machine() {
    for size in SIZES {
        let mut state = state(super::FLEET, size);
        press(&mut state, "j right j right j enter");
        check("machine", &state);
    }
}

#[test]
fn what_is_typed_for_the_replicas_cannot_be_read_in_two_ways() {
    let check = |keys: &str, replicas: i32, complaint: Option<&str>| {
        let mut state = state(FLEET, (120, 40));
        press(&mut state, &format!(": 'pool eu-1/gpu' enter W s {keys}"));
        let Overlay::Scale(dialog) = &state.overlay else { panic!("{keys} {:?}", state.overlay) };
        let said = dialog.form.complaint.as_deref();
        assert_eq!((dialog.replicas, said.map(|said| said.split([',', ':']).next().unwrap())), (replicas, complaint));
    };
    let refused = Some("a difference is not read");
    check("1 2", 12, None);
    check("- -", 4, None);
    check("- 5", 5, refused);
    check("- 5 0", 5, refused);
    check("+ 5", 7, refused);
    check("- backspace 2", 2, None);
    check("- 5 down", 4, None);
    check("down 2", 2, None);
    check("9 9 9 9 9 9", 100_000, Some("a pool has 100"));
}

#[test]
fn the_phases_of_the_scale_dialog_are_those_of_its_plan() {
    // Two machines more than are wanted: one more is wanted, and one still leaves.
    let surplus = FLEET.replace("replicas=5", "replicas=3");
    for (fleet, replicas, expected) in
        [(FLEET, 4, "cordon ▸ drain"), (&surplus, 4, "cordon ▸ drain"), (FLEET, 6, "claim")]
    {
        let mut state = state(fleet, (120, 40));
        press(&mut state, &format!(": 'pool us-2/general' enter W s {replicas}"));
        let shown = screen(&state);
        let row = shown.lines().find(|line| line.contains(" phases ")).unwrap_or_else(|| panic!("{shown}"));
        assert!(row.contains(expected), "{replicas}: {row}");
    }
}

#[test]
fn the_scale_dialog() {
    for size in SIZES {
        let mut state = state(super::FLEET, size);
        let effects = press(&mut state, "W j right j s up up tab 'CHG-1' tab 'gp'");
        agree(&mut state, &effects);
        check("scale", &state);
    }
}

#[test]
fn more_than_there_is() {
    let mut state = state(super::FLEET, (80, 24));
    press(&mut state, "j right j s 4 0");
    check("shortfall", &state);
}

#[test]
fn help_and_palette_and_filter() {
    let mut state = state(super::FLEET, (120, 40));
    press(&mut state, "?");
    check("help", &state);
    let mut narrow = self::state(super::FLEET, (80, 24));
    press(&mut narrow, "? G");
    check("help_end", &narrow);
    press(&mut state, "esc :");
    check("palette", &state);
    press(&mut state, "'scale g'");
    check("palette_scale", &state);
    press(&mut state, "esc / 'm6'");
    check("filter", &state);
}

#[test]
fn what_we_may_not_do() {
    for size in [(80, 24), (120, 40)] {
        let mut state = super::permissions::may(super::permissions::NOTHING);
        send(&mut state, Event::Resize(size.0, size.1));
        press(&mut state, "j right j");
        check("forbidden", &state);
        press(&mut state, "s");
        check("forbidden_said", &state);
    }
    let mut state = super::permissions::may(super::permissions::NOTHING);
    press(&mut state, "?");
    check("forbidden_help", &state);
    press(&mut state, "esc :");
    check("forbidden_palette", &state);
}

#[test]
fn an_empty_fleet_and_a_lost_one() {
    check("empty", &empty((80, 24)));
    let mut state = state(&format!("{}\noffline", super::FLEET), (120, 40));
    press(&mut state, "j");
    check("offline", &state);
}

#[test]
fn a_long_mistake_can_be_read() {
    let mut state = state(super::FLEET, (80, 24));
    let actions: Vec<&str> = crate::console::action::ACTIONS.iter().map(|a| a.name).collect();
    state.complain(format!("keymap.yaml:3:5: there is no action `fly`; allowed: {}", actions.join(", ")));
    check("mistake", &state);
}

#[test]
fn plain_ascii() {
    let mut state = state(super::FLEET, (80, 24));
    state.glyphs = Glyphs::Ascii;
    press(&mut state, "j right j right");
    let text = screen(&state);
    check("ascii", &state);
    let beyond: Vec<char> = text.chars().filter(|c| !c.is_ascii()).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[test]
fn operations_and_events() {
    let mut state = state(super::FLEET, (120, 40));
    press(&mut state, "2");
    check("operations", &state);
    press(&mut state, "4");
    check("events", &state);
}

#[test]
fn too_small_is_one_sentence() {
    check("too_small", &state(super::FLEET, (50, 10)));
    check("too_small", &state(super::FLEET, (40, 8)));
    check("too_small", &state(super::FLEET, (12, 3)));
}

/// The same fleet a minute later each time, with what is other in it.
#[test]
fn half_an_hour_as_curves() {
    for (size, glyphs) in [((160, 48), Glyphs::Unicode), ((120, 40), Glyphs::Unicode), ((80, 24), Glyphs::Ascii)] {
        let mut state = state(super::FLEET, size);
        state.glyphs = glyphs;
        for minute in 1..14 {
            let fleet = match minute {
                4 => super::FLEET.replace("us-2-m2 Ready", "us-2-m2 NotReady"),
                6..9 => format!("{}\noffline", super::FLEET),
                _ => super::FLEET.replace("replicas=6", if minute % 2 == 0 { "replicas=6" } else { "replicas=7" }),
            };
            let now = crate::fleet::testing::NOW + jiff::SignedDuration::from_mins(minute);
            for event in [Event::Tick, Event::Data(crate::fleet::testing::snapshot(&fleet))] {
                crate::console::update::update(&mut state, crate::console::message::Msg { now, event });
            }
        }
        let name = if glyphs.is_ascii() { "curves_ascii" } else { "curves" };
        check(&format!("{name}_fleet"), &state);
        press(&mut state, "G k");
        if size.1 < 30 {
            press(&mut state, "tab G");
        }
        check(name, &state);
    }
}
