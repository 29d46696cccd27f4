//! Everything that a key, the palette or a hint can ask for: one table.
//!
//! The keymap, the hint bar, the help page and the palette are made from [`ACTIONS`]; nothing else lists actions.

mod table;

pub use table::ACTIONS;

use super::state::View;

/// One wish of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Down,
    Up,
    First,
    Last,
    HalfPageDown,
    HalfPageUp,
    PageDown,
    PageUp,
    Collapse,
    Expand,
    Open,
    NextPane,
    PreviousPane,
    Zoom,
    Back,
    ViewFleet,
    ViewOperations,
    ViewMachines,
    ViewEvents,
    HistoryBack,
    HistoryForward,
    HistorySwap,
    SetBookmark,
    JumpBookmark,
    MarkRange,
    ClearMarks,
    SortNext,
    SortReverse,
    SortColumnLeft,
    SortColumnRight,
    ViewHosts,
    Why,
    Ssh,
    AskAgain,
    Filter,
    Problems,
    Command,
    Help,
    Mark,
    Scale,
    Upgrade,
    Replace,
    Rollback,
    Abort,
    Cordon,
    Uncordon,
    Drain,
    DrainWait,
    DrainSkip,
    DrainHint,
    DrainForce,
    Yaml,
    Audit,
    Describe,
    Diff,
    Edit,
    Logs,
    AllLogs,
    Follow,
    Wrap,
    Pause,
    Hold,
    Retry,
    Arm,
    Copy,
    Redraw,
    Suspend,
    Quit,
}

/// Where a key has its meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layer {
    #[default]
    Everywhere,
    /// On a machine whose drain is blocked: there it goes before the meaning that the key has everywhere.
    BlockedDrain,
}

impl Layer {
    /// Its name for the keymap file: keys of two places may be the same.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Everywhere => "",
            Self::BlockedDrain => "a blocked drain",
        }
    }
}

/// Where an action belongs on the help page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Move,
    Look,
    Change,
    Program,
}

impl Group {
    pub const ALL: [Self; 4] = [Self::Move, Self::Look, Self::Change, Self::Program];

    pub fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Look => "Look",
            Self::Change => "Change",
            Self::Program => "Console",
        }
    }
}

/// What is known of an action.
#[derive(Debug)]
pub struct Entry {
    pub action: Action,
    /// Its name in the keymap file and in the palette.
    pub name: &'static str,
    /// One or two words for the hint bar.
    pub hint: &'static str,
    /// One line for the help page.
    pub help: &'static str,
    pub group: Group,
    /// Changes the world: refused while read-only.
    pub writes: bool,
    /// Where its keys have this meaning.
    pub layer: Layer,
}

impl Action {
    pub fn entry(self) -> &'static Entry {
        ACTIONS.iter().find(|entry| entry.action == self).expect("every action has a row: a test looks")
    }

    /// What shows a view.
    pub fn of_view(view: View) -> Self {
        match view {
            View::Fleet => Self::ViewFleet,
            View::Operations => Self::ViewOperations,
            View::Machines => Self::ViewMachines,
            View::Events => Self::ViewEvents,
            View::Hosts => Self::ViewHosts,
        }
    }

    /// The action of a name in the keymap file.
    pub fn named(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|entry| entry.name == name).map(|entry| entry.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_action_has_a_key_and_every_key_an_action() {
        let bindings = Config::built_in().bindings;
        for entry in ACTIONS {
            assert_eq!(Action::named(entry.name), Some(entry.action));
            let bound = bindings.iter().any(|b| b.action == entry.name && !b.keys.is_empty());
            assert!(bound, "{} has no key", entry.name);
        }
        assert!(bindings.iter().all(|b| Action::named(&b.action).is_some()));
    }

    #[test]
    fn no_control_key_changes_anything() {
        for binding in Config::built_in().bindings {
            let writes = Action::named(&binding.action).unwrap().entry().writes;
            assert!(!writes || binding.keys.iter().all(|key| !key.starts_with("ctrl")), "{binding:?}");
        }
    }
}
