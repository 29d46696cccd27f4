//! What happens next: keys, and what others do meanwhile.

use crate::console::action::{ACTIONS, Action};
use proptest::prelude::*;

const POOLS: [&str; 3] = ["eu-1-gpu", "eu-1-web", "us-2-web"];
const MACHINES: [&str; 9] = ["g-1", "g-2", "g-3", "w-1", "w-2", "w-3", "w-4", "u-1", "u-2"];
/// Places that a row of keys may begin at, as they are written on the command line.
const PLACES: [&str; 8] = [
    "pool eu-1/gpu",
    "pool eu-1/web",
    "pool us-2/web",
    "cluster eu-1",
    "machine g-2",
    "machine w-2",
    "machine w-3",
    "operation grow-1",
];

/// What happens next.
#[derive(Clone, Debug)]
pub enum Step {
    /// The first key of an action.
    Do(Action),
    Key(&'static str),
    /// Goes to a place by the command line.
    Go(&'static str),
    /// All that the dialog wants but what is said, with Enter.
    Submit(Typed),
    /// From now on the server answers dry runs at once, or long after the key.
    Slow(bool),
    Resize(u16, u16),
    /// What others do meanwhile.
    Scaled(&'static str, i32),
    Said(&'static str, &'static str),
    Deleted(&'static str),
}

/// What is typed for the phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    Right,
    Wrong,
    Nothing,
}

/// Neither leaves the console, nor gives the terminal away; and arming is up to the case.
fn is_pressed(action: Action) -> bool {
    !matches!(action, Action::Quit | Action::Suspend | Action::Ssh | Action::Arm)
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let actions: Vec<Action> = ACTIONS.iter().map(|entry| entry.action).filter(|action| is_pressed(*action)).collect();
    let writes: Vec<Action> = actions.iter().copied().filter(|action| action.entry().writes).collect();
    let keys = [
        "enter",
        "esc",
        "tab",
        "shift-tab",
        "up",
        "down",
        "left",
        "right",
        "y",
        "n",
        "x",
        "9",
        "5",
        "backspace",
        "ctrl-r",
        "ctrl-n",
        "ctrl-x",
        "ctrl-y",
        "ctrl-enter",
        "alt-y",
        "alt-enter",
        "space",
    ];
    let state = prop::sample::select(vec!["Ready", "NotReady", "Failed", "Provisioning"]);
    let step = prop_oneof![
        4 => prop::sample::select(actions).prop_map(Step::Do),
        6 => prop::sample::select(writes).prop_map(Step::Do),
        6 => prop::sample::select(keys.to_vec()).prop_map(Step::Key),
        3 => prop::sample::select(PLACES.to_vec()).prop_map(Step::Go),
        7 => Just(Step::Submit(Typed::Right)),
        3 => prop::sample::select(vec![Typed::Wrong, Typed::Nothing]).prop_map(Step::Submit),
        1 => any::<bool>().prop_map(Step::Slow),
        1 => (1..200_u16, 1..60_u16).prop_map(|(width, height)| Step::Resize(width, height)),
        1 => (prop::sample::select(POOLS.to_vec()), 1..9).prop_map(|(pool, to)| Step::Scaled(pool, to)),
        2 => (prop::sample::select(MACHINES.to_vec()), state).prop_map(|(machine, state)| Step::Said(machine, state)),
        1 => prop::sample::select(MACHINES.to_vec()).prop_map(Step::Deleted),
    ];
    prop::collection::vec(step, 1..40)
}
