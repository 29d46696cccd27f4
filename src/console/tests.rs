//! The console as a whole: keys in, effects and screens out.

use super::{
    glyphs::Glyphs,
    keys::Keymap,
    message::{DryRun, Effect, Event, Msg},
    state::{Place, State},
    update::update,
    view::view,
};
use crate::{
    config::{Config, Themes},
    fleet::{Snapshot, testing},
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use ratatui::{Terminal, backend::TestBackend};
use std::sync::Arc;

mod audit;
mod bytes;
mod contexts;
mod custom;
mod desk;
mod detail;
mod docs;
mod driver;
mod edit;
mod flows;
mod frames;
mod help;
mod hosts;
mod lists;
mod logs;
mod mouse;
mod pager;
mod painted;
mod permissions;
mod places;
mod play;
mod random;
mod requests;
mod rollout;
mod screens;
mod table;
mod tour;
mod why;
mod wire;

const FLEET: &str = r#"
    cluster eu-1 version=1.34.2 simulated
    pool gpu replicas=6 selector.gpu=h100
    machine eu-1-m1 Ready
    machine eu-1-m2 Ready
    machine eu-1-m3 Ready
    machine eu-1-m4 Ready
    machine eu-1-m5 Provisioning phases=Preflight:ok:3,BootstrapOS:ok:9,ContainerRuntime:run:4,Artifacts,Kubelet,Join,Verify op=eu-1-gpu-up
    machine eu-1-m6 Failed phases=Preflight:ok:3,BootstrapOS:fail:9 op=eu-1-gpu-up message="apt-get update ended with status 100: no route to mirror"
    operation eu-1-gpu-up ScaleUp Running 4/6 by=alice reason="launch capacity" machines=eu-1-m5,eu-1-m6 failed=1
    pool system replicas=3
    machine eu-1-s1 Ready
    machine eu-1-s2 Ready
    machine eu-1-s3 Ready
    cluster us-2 version=1.33.6 production
    pool general replicas=5
    machine us-2-m1 Ready
    machine us-2-m2 Ready
    machine us-2-m3 Ready
    machine us-2-m4 Ready
    machine us-2-m5 Ready
    event Normal Claimed Machine/eu-1-m5 "claimed for eu-1/gpu" ago=14
    event Warning PhaseFailed Machine/eu-1-m6 "BootstrapOS: apt-get update ended with status 100" ago=9
    event Warning DrainBlocked Machine/us-2-m1 "pdb web/api allows 0 disruptions" ago=40 count=37
    idle 8 spare- gpu=h100
    idle 3 plain-
"#;

fn keymap() -> Keymap {
    let bindings = Config::built_in().bindings;
    Keymap::build(bindings.iter().map(|b| (b.action.as_str(), b.keys.as_slice()))).expect("the keymap is right")
}

fn state(fleet: &str, size: (u16, u16)) -> State {
    let place = Place { context: "demo".into(), namespace: "fleet".into(), user: "alice".into(), ..Place::default() };
    let mut state = State::new(place, keymap(), Glyphs::Unicode, size, testing::NOW);
    let snapshot = testing::snapshot(fleet);
    send(&mut state, Event::Data(snapshot));
    state
}

fn empty(size: (u16, u16)) -> State {
    state("", size)
}

/// One event, a second after the last one: no dialog takes it for typed ahead.
fn send(state: &mut State, event: Event) -> Vec<Effect> {
    let now = state.now + SignedDuration::from_millis(200);
    update(state, Msg { now, event })
}

/// Presses keys, written as in the keymap file and separated by spaces; what is in quotes is typed.
fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (i, part) in keys.split('\'').enumerate() {
        if i % 2 == 1 {
            for c in part.chars() {
                effects.extend(send(state, Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))));
            }
            continue;
        }
        for key in part.split_whitespace() {
            let chord: super::keys::Chord = key.parse().expect(key);
            effects.extend(send(state, Event::Key(chord.into())));
        }
    }
    effects
}

/// Answers dry runs as a server would that has no objection.
fn agree(state: &mut State, effects: &[Effect]) -> Vec<Effect> {
    let mut more = Vec::new();
    for effect in effects {
        if let Effect::DryRun { ticket, .. } = effect {
            let line = |sign, text: &str| super::message::DiffLine { sign, text: text.into() };
            let diff = vec![line(' ', " spec:"), line('-', "  replicas: 6"), line('+', "  replicas: 8")];
            let next = send(state, Event::DryRun { ticket: *ticket, outcome: Ok(DryRun { diff }) });
            more.extend(agree(state, &next));
            more.extend(next);
        }
    }
    more
}

fn screen(state: &State) -> String {
    let themes = Themes::built_in();
    let theme = themes.find_or_default("16");
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).expect("a test backend");
    terminal.draw(|frame| view(state, theme, frame)).expect("a test backend");
    let text = terminal.backend().to_string();
    text.lines().map(|line| line.trim_matches('"').trim_end()).collect::<Vec<_>>().join("\n")
}

fn with(state: &mut State, snapshot: Arc<Snapshot>) -> Vec<Effect> {
    send(state, Event::Data(snapshot))
}
