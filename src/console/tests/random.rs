//! Random keys at random sizes: nothing panics, and nothing is changed without arming, confirming, and the server's leave.

use super::{FLEET, agree, press, screen, send, state};
use crate::{
    console::{
        glyphs::Glyphs,
        message::{Effect, Event},
        permissions::{Answers, Need},
        state::State,
    },
    fleet::testing,
};
use proptest::prelude::*;

const KEYS: &[&str] = &[
    "j",
    "k",
    "g",
    "G",
    "h",
    "l",
    "right",
    "left",
    "enter",
    "esc",
    "tab",
    "shift-tab",
    "ctrl-d",
    "ctrl-u",
    "1",
    "2",
    "4",
    "/",
    ":",
    "?",
    "s",
    "p",
    "H",
    "t",
    "z",
    "f",
    "!",
    "Y",
    "q",
    "up",
    "down",
    "pgup",
    "pgdn",
    "x",
    "9",
    "0",
    "backspace",
    "ctrl-r",
    "ctrl-n",
    "y",
    "alt-y",
    "ctrl-y",
    "d",
    "L",
    "m",
    "n",
    "N",
    "e",
    "u",
    "space",
    "U",
    "R",
    "A",
    "c",
    "r",
    "w",
    "h",
    "Z",
];

const OTHER: &str = r#"
    cluster eu-1 version=1.35.0
    pool gpu replicas=2
    machine eu-1-m1 Draining
    machine eu-1-m5 Ready
    idle 1 spare-
"#;

fn draw(state: &State) {
    let _ = screen(state);
}

fn play(state: &mut State, keys: &[usize], sizes: &[(u16, u16)]) -> Vec<Effect> {
    let mut all = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        let effects = press(state, KEYS[key % KEYS.len()]);
        agree(state, &effects);
        all.extend(effects);
        if i % 7 == 3 {
            let fleet = if i % 2 == 0 { FLEET } else { OTHER };
            send(state, Event::Data(testing::snapshot(fleet)));
        }
        if i % 5 == 0 {
            let (width, height) = sizes[i % sizes.len()];
            send(state, Event::Resize(width, height));
        }
        draw(state);
    }
    all
}

/// A key; or, in place of one, a dialog from its beginning to its end.
fn pressed(key: usize) -> Vec<&'static str> {
    match KEYS[key] {
        "x" => vec!["esc esc : 'scale eu-1/gpu 9' enter", "enter enter", "'gpu'", "enter"],
        key => vec![key],
    }
}

/// An effect that asks the server for something that it said it would refuse.
fn forbidden<'a>(known: &Answers, effects: &'a [Effect]) -> Option<&'a Effect> {
    effects.iter().find(|effect| {
        let needs = match effect {
            Effect::Apply { order, .. } | Effect::DryRun { order, .. } => order.needs(),
            Effect::Follow { .. } | Effect::FollowAll { .. } => vec![Need::ListPods, Need::ReadLogs],
            _ => vec![],
        };
        needs.iter().any(|need| known[*need as usize] == Some(false))
    })
}

/// It takes a typed phrase: versions, rollouts, replacements, cancelling, pods deleted past their budget.
fn is_heavy(patch: &serde_json::Value) -> bool {
    let spec = &patch["spec"];
    let annotations = &patch["metadata"]["annotations"];
    let choice = annotations[crate::api::labels::DRAIN_CHOICE].as_str().unwrap_or_default();
    ["version", "rollout", "template", "replicas", "cancelled"].iter().any(|field| spec.get(field).is_some())
        || annotations.get(crate::api::labels::REPLACE_MACHINE).is_some()
        || choice.ends_with("=force")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_changed_while_read_only(
        keys in prop::collection::vec(0..KEYS.len(), 1..60),
        sizes in prop::collection::vec((1u16..200, 1u16..60), 1..8),
    ) {
        let mut state = state(FLEET, (120, 40));
        let effects = play(&mut state, &keys, &sizes);
        let sent = effects.iter().any(|e| matches!(e, Effect::Apply { .. } | Effect::DryRun { .. }));
        prop_assert!(!sent);
    }

    /// Armed, on a pool that rolls out, and nobody types a phrase: nothing of level 2 or 3 is sent.
    #[test]
    fn nothing_is_rolled_out_without_the_phrase(
        keys in prop::collection::vec(0..KEYS.len(), 1..60),
        sizes in prop::collection::vec((1u16..200, 1u16..60), 1..8),
        blocked in any::<bool>(),
    ) {
        let mut state = state(super::rollout::ROLLING, (120, 40));
        let place = if blocked { "machine eu-1-g3" } else { "pool eu-1/general" };
        press(&mut state, &format!("W : '{place}' enter"));
        for (i, key) in keys.iter().enumerate() {
            let effects = press(&mut state, KEYS[*key]);
            agree(&mut state, &effects);
            for effect in &effects {
                let Effect::Apply { order, .. } = effect else { continue };
                let heavy = order.changes.iter().find(|c| is_heavy(&c.patch));
                prop_assert!(heavy.is_none(), "{:?}", heavy);
            }
            if i % 5 == 0 {
                let (width, height) = sizes[i % sizes.len()];
                send(&mut state, Event::Resize(width, height));
            }
            draw(&state);
        }
    }

    /// Whatever the server says of us, and whenever it says so: what it forbids is not sent.
    #[test]
    fn nothing_is_sent_without_permission(
        keys in prop::collection::vec(0..KEYS.len(), 1..60),
        answers in prop::collection::vec(prop::array::uniform6(prop::option::of(any::<bool>())), 1..8),
        every in 2..7_usize,
    ) {
        let mut state = state(FLEET, (120, 40));
        let mut known = Answers::default();
        press(&mut state, "W j right j");
        for (i, keys) in keys.iter().flat_map(|key| pressed(*key)).enumerate() {
            if i % every == 1 {
                let said = answers[i % answers.len()];
                known = std::array::from_fn(|n| said[n].or(known[n]));
                send(&mut state, Event::Reviewed(crate::fleet::ContextId::FIRST, said));
            }
            let mut effects = press(&mut state, keys);
            effects.extend(agree(&mut state, &effects));
            prop_assert_eq!(forbidden(&known, &effects), None, "{:?}", known);
        }
    }

    /// Armed, but nobody types a pool's name: pools may be paused or held, and never scaled.
    #[test]
    fn nothing_is_scaled_without_the_name(
        keys in prop::collection::vec(0..KEYS.len(), 1..60),
        ascii in any::<bool>(),
    ) {
        let mut state = state(FLEET, (80, 24));
        state.glyphs = if ascii { Glyphs::Ascii } else { Glyphs::Unicode };
        press(&mut state, "W");
        let effects = play(&mut state, &keys, &[(80, 24), (160, 48), (60, 15)]);
        for effect in effects {
            if let Effect::Apply { order, .. } = effect {
                prop_assert!(order.changes.iter().all(|c| c.patch["spec"].get("replicas").is_none()));
            }
        }
    }

    /// Clicks and notches anywhere, on screens of any size, with keys in between: nothing panics, and nothing is asked of the fleet.
    #[test]
    fn the_mouse_may_point_anywhere(
        events in prop::collection::vec((0..KEYS.len() * 3, 0u16..520, 0u16..220), 1..60),
        sizes in prop::collection::vec((1u16..=500, 1u16..=200), 1..4),
    ) {
        use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
        let mut state = state(FLEET, (120, 40));
        press(&mut state, "W");
        state.mouse = true;
        for (i, (what, column, row)) in events.into_iter().enumerate() {
            if i % 9 == 0 {
                let (width, height) = sizes[i / 9 % sizes.len()];
                send(&mut state, Event::Resize(width, height));
            }
            if let Some(key) = KEYS.get(what) {
                press(&mut state, key);
            } else {
                let (width, height) = state.size;
                let kind = match what % 3 {
                    0 => MouseEventKind::ScrollDown,
                    1 => MouseEventKind::ScrollUp,
                    _ => MouseEventKind::Down(MouseButton::Left),
                };
                let (column, row) = if what % 2 == 0 { (column, row) } else { (column % width, row % height) };
                let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
                let effects = send(&mut state, Event::Mouse(event));
                prop_assert!(!effects.iter().any(Effect::is_mutation), "{:?}", effects);
            }
            if i % 4 == 0 {
                draw(&state);
            }
        }
    }
}
