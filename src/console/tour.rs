//! The tour: five screens that say what the console shows, how one finds one's way, what protects the fleet, how it is
//! changed, and where to look when something is wrong.
//!
//! It lies over the real screen and stands beside what it speaks of. The demo shows it by itself, once; `:tour` shows it anywhere.

pub mod seen;

use super::{action::Action, layout::Layout, state::State};
use crate::fleet::Health;
use jiff::Timestamp;
use ratatui::layout::Rect;

pub const SCREENS: usize = 5;

/// The tour while it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tour {
    /// From 0.
    pub screen: usize,
    /// Keys that were already on their way then are not meant for it.
    pub opened_at: Timestamp,
}

/// One screen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    pub title: &'static str,
    /// What it stands beside.
    pub region: Rect,
    /// What each stands for, and what there is to say of it.
    pub lines: Vec<(String, String)>,
}

impl Tour {
    pub fn new(now: Timestamp) -> Self {
        Self { screen: 0, opened_at: now }
    }

    pub fn is_last(self) -> bool {
        self.screen + 1 >= SCREENS
    }
}

/// A screen with the keys of the user's keymap.
pub fn screen(state: &State, screen: usize) -> Screen {
    let layout = state.layout();
    let body = body(&layout);
    let (title, region, lines) = match screen {
        0 => ("What you look at", layout.main.unwrap_or(body), looking(state)),
        1 => ("Moving and finding", layout.tabs.unwrap_or(layout.hints), finding(state)),
        2 => ("Nothing changes by accident", layout.header, safety(state)),
        3 => ("Changing the fleet", layout.detail.unwrap_or(body), acting(state)),
        _ => ("When something is wrong", layout.feed.or(layout.main).unwrap_or(body), trouble(state)),
    };
    Screen { title, region, lines }
}

/// What is between the lines at the top and the one at the bottom.
fn body(layout: &Layout) -> Rect {
    [layout.main, layout.detail, layout.feed].into_iter().flatten().reduce(Rect::union).unwrap_or(layout.header)
}

/// The keys of some actions, each by the first one that it has.
fn keys(state: &State, actions: &[Action]) -> String {
    let key = |action: &Action| state.glyphs.key(&state.keymap.key(*action));
    actions.iter().map(key).filter(|key| !key.is_empty()).collect::<Vec<_>>().join(" ")
}

fn line(head: impl Into<String>, says: impl Into<String>) -> (String, String) {
    (head.into(), says.into())
}

fn looking(state: &State) -> Vec<(String, String)> {
    let shape = |health| state.glyphs.health(health);
    vec![
        line("tree", "clusters, their pools, their machines: worst first, and what is alike folds into one row"),
        line(shape(Health::Good), "well"),
        line(shape(Health::Moving), "work under way"),
        line(shape(Health::Warning), "blocked, or not known"),
        line(shape(Health::Bad), "failed"),
        line(shape(Health::Idle), "idle: machines that no pool has claimed"),
    ]
}

fn finding(state: &State) -> Vec<(String, String)> {
    let views =
        [Action::ViewFleet, Action::ViewOperations, Action::ViewMachines, Action::ViewEvents, Action::ViewHosts];
    vec![
        line(keys(state, &[Action::Down, Action::Up]), "move; the arrows open and close branches too"),
        line(keys(state, &[Action::Open, Action::Back]), "open what is under the cursor; one level back"),
        line(keys(state, &views), "fleet, operations, machines, events, hosts"),
        line(keys(state, &[Action::Filter]), "filters as you type: gpu, state=failed, rack=r12"),
        line(keys(state, &[Action::Command]), "takes commands, completed by tab: pool, machine, scale"),
        line(keys(state, &[Action::Help]), "what can be done where you are, then every key"),
    ]
}

fn safety(state: &State) -> Vec<(String, String)> {
    let minutes = state.armed_seconds / 60;
    let arm = if state.is_armed() {
        "changes are armed: this makes all read-only again".to_owned()
    } else {
        format!("arms changes for {minutes} min; until then all is read-only")
    };
    vec![
        line(keys(state, &[Action::Arm]), arm),
        line("0", "pausing and holding ask nothing: stopping is easy"),
        line("1", "yes or no: going on, cordon, drain, retry"),
        line("2", "preview, dry run, a typed phrase: scale, upgrade"),
        line("3", "a reason too: production, or much of a pool"),
        line("ctrl", "no ctrl key changes anything in the fleet"),
    ]
}

fn acting(state: &State) -> Vec<(String, String)> {
    vec![
        line(keys(state, &[Action::Scale]), "on a pool: more machines, or fewer"),
        line(keys(state, &[Action::Upgrade, Action::Replace]), "upgrade it; replace its machines, or those marked"),
        line(keys(state, &[Action::Rollback]), "plans the way back of the last change"),
        line(keys(state, &[Action::Pause]), "pauses at once: what has begun on a host is ended"),
        line(keys(state, &[Action::ViewOperations]), "what runs: each machine goes through its phases there"),
        line(keys(state, &[Action::Logs]), "the log of what works under the cursor, as it comes"),
    ]
}

fn trouble(state: &State) -> Vec<(String, String)> {
    let drain = [Action::DrainWait, Action::DrainSkip, Action::DrainHint, Action::DrainForce];
    vec![
        line(keys(state, &[Action::Problems]), "only what has a problem"),
        line(keys(state, &[Action::Why]), "why a machine is not Ready: causes, log, journals"),
        line(keys(state, &[Action::Logs, Action::Ssh]), "the log of its operation; your own ssh on the host"),
        line(keys(state, &drain), "on a blocked drain: wait, skip, hint, force"),
        line(keys(state, &[Action::Audit]), "who did what here, when and why"),
        line(format!("{}tour", state.keymap.key(Action::Command)), "shows these five screens again"),
    ]
}
