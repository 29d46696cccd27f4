//! Everything that a key, the palette or a hint can ask for: one table.
//!
//! The keymap, the hint bar, the help page and the palette are made from [`ACTIONS`]; nothing else lists actions.

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

impl Entry {
    const fn on(self, layer: Layer) -> Self {
        Self { layer, ..self }
    }
}

const fn entry(
    action: Action,
    name: &'static str,
    hint: &'static str,
    help: &'static str,
    group: Group,
    writes: bool,
) -> Entry {
    Entry { action, name, hint, help, group, writes, layer: Layer::Everywhere }
}

/// All actions, in the order of the help page.
pub const ACTIONS: &[Entry] = &[
    entry(Action::Down, "down", "down", "one row down", Group::Move, false),
    entry(Action::Up, "up", "up", "one row up", Group::Move, false),
    entry(Action::First, "first", "first", "to the first row", Group::Move, false),
    entry(Action::Last, "last", "last", "to the last row", Group::Move, false),
    entry(Action::HalfPageDown, "half-page-down", "half page", "half a page down", Group::Move, false),
    entry(Action::HalfPageUp, "half-page-up", "half page", "half a page up", Group::Move, false),
    entry(Action::PageDown, "page-down", "page", "a page down", Group::Move, false),
    entry(Action::PageUp, "page-up", "page", "a page up", Group::Move, false),
    entry(Action::Collapse, "collapse", "close", "close the branch, or go to its parent", Group::Move, false),
    entry(Action::Expand, "expand", "open", "open the branch, or go to its first row", Group::Move, false),
    entry(Action::Open, "open", "open", "open the branch; on a machine: its page", Group::Move, false),
    entry(Action::NextPane, "next-pane", "pane", "to the next pane", Group::Move, false),
    entry(Action::PreviousPane, "previous-pane", "pane", "to the previous pane", Group::Move, false),
    entry(Action::Back, "back", "back", "one level back: dialog, page, filter, pane", Group::Move, false),
    entry(
        Action::HistoryBack,
        "history-back",
        "place before",
        "to the place before in the history",
        Group::Move,
        false,
    ),
    entry(
        Action::HistoryForward,
        "history-forward",
        "place after",
        "to the place after in the history",
        Group::Move,
        false,
    ),
    entry(
        Action::HistorySwap,
        "history-swap",
        "last place",
        "to the place where you were last, and back again",
        Group::Move,
        false,
    ),
    entry(Action::SetBookmark, "set-bookmark", "bookmark", "set a bookmark here: then a letter", Group::Move, false),
    entry(
        Action::JumpBookmark,
        "jump-bookmark",
        "to a bookmark",
        "go to a bookmark: then its letter",
        Group::Move,
        false,
    ),
    entry(Action::ViewFleet, "view-fleet", "fleet", "view: the fleet as a tree", Group::Look, false),
    entry(
        Action::ViewOperations,
        "view-operations",
        "operations",
        "view: operations, the newest first",
        Group::Look,
        false,
    ),
    entry(
        Action::ViewMachines,
        "view-machines",
        "machines",
        "view: all machines in one table, in any order",
        Group::Look,
        false,
    ),
    entry(Action::ViewEvents, "view-events", "events", "view: events", Group::Look, false),
    entry(
        Action::ViewHosts,
        "view-hosts",
        "hosts",
        "view: hosts of what the cursor is on, asked over SSH",
        Group::Look,
        false,
    ),
    entry(
        Action::AskAgain,
        "ask-again",
        "ask again",
        "ask the hosts again, or read the journals anew",
        Group::Look,
        false,
    ),
    entry(
        Action::Why,
        "why",
        "why",
        "why a machine is not Ready: causes, log and journals on one page",
        Group::Look,
        false,
    ),
    entry(
        Action::Ssh,
        "ssh",
        "ssh",
        "your own ssh on this host: what you change there is yours, read-only or not",
        Group::Look,
        false,
    ),
    entry(
        Action::Filter,
        "filter",
        "filter",
        "filter: words are fuzzy, `state=failed pool!=infra` are exact",
        Group::Look,
        false,
    ),
    entry(Action::Problems, "problems", "problems", "only what has a problem", Group::Look, false),
    entry(Action::Audit, "audit", "audit", "who did what here, when and why", Group::Look, false),
    entry(Action::Yaml, "yaml", "yaml", "the object as YAML, read now", Group::Look, false),
    entry(
        Action::Describe,
        "describe",
        "describe",
        "the object in words: fields, conditions, owners, events",
        Group::Look,
        false,
    ),
    entry(
        Action::Logs,
        "logs",
        "logs",
        "log of the operation at work here (on a closed cluster: open it)",
        Group::Look,
        false,
    ),
    entry(
        Action::AllLogs,
        "all-logs",
        "all logs",
        "logs of all operations that are at work here, as one",
        Group::Look,
        false,
    ),
    entry(Action::Follow, "follow", "follow", "follow the log, or hold it still", Group::Look, false),
    entry(
        Action::Wrap,
        "wrap",
        "wrap",
        "log: break long lines or cut them; machines: more columns or fewer",
        Group::Look,
        false,
    ),
    entry(Action::SortNext, "sort", "sort", "machines: order by the next column", Group::Look, false),
    entry(Action::SortReverse, "sort-reverse", "turn round", "machines: turn the order round", Group::Look, false),
    entry(
        Action::SortColumnLeft,
        "sort-column-left",
        "sort",
        "machines: order by the column before",
        Group::Look,
        false,
    ),
    entry(
        Action::SortColumnRight,
        "sort-column-right",
        "sort",
        "machines: order by the column after",
        Group::Look,
        false,
    ),
    entry(Action::Zoom, "zoom", "zoom", "give the focused pane the whole screen", Group::Look, false),
    entry(
        Action::Copy,
        "copy",
        "copy",
        "copy the name, or all marked ones, to the clipboard of your terminal",
        Group::Look,
        false,
    ),
    entry(
        Action::Mark,
        "mark",
        "mark",
        "mark the machine for what comes next, or take the mark away",
        Group::Change,
        false,
    ),
    entry(
        Action::MarkRange,
        "mark-range",
        "mark up to here",
        "mark all machines from the last mark to this one",
        Group::Change,
        false,
    ),
    entry(Action::ClearMarks, "clear-marks", "no marks", "take all marks away", Group::Change, false),
    entry(Action::Scale, "scale", "scale", "scale the pool: preview, dry run, then confirm", Group::Change, true),
    entry(
        Action::Upgrade,
        "upgrade",
        "upgrade",
        "upgrade the cluster or the pool to another version",
        Group::Change,
        true,
    ),
    entry(
        Action::Replace,
        "replace",
        "replace",
        "replace the marked machines, this one, or all of the pool",
        Group::Change,
        true,
    ),
    entry(Action::Rollback, "rollback", "roll back", "take the pool back to the revision before", Group::Change, true),
    entry(Action::Abort, "abort", "abort", "end the rollout of the pool where it is", Group::Change, true),
    entry(Action::Cordon, "cordon", "cordon", "cordon the marked machines, or this one", Group::Change, true),
    entry(Action::Uncordon, "uncordon", "uncordon", "give nodes that we cordoned back", Group::Change, true),
    entry(Action::Drain, "drain", "drain", "cordon and empty the marked machines, or this one", Group::Change, true),
    entry(
        Action::DrainWait,
        "drain-wait",
        "wait",
        "where a drain is blocked: wait past its deadline",
        Group::Change,
        true,
    )
    .on(Layer::BlockedDrain),
    entry(
        Action::DrainSkip,
        "drain-skip",
        "skip",
        "where a drain is blocked: leave the node in quarantine",
        Group::Change,
        true,
    )
    .on(Layer::BlockedDrain),
    entry(
        Action::DrainHint,
        "drain-hint",
        "hint",
        "where a drain is blocked: by what, and what would help",
        Group::Change,
        false,
    )
    .on(Layer::BlockedDrain),
    entry(
        Action::DrainForce,
        "drain-force",
        "force",
        "where a drain is blocked: delete what is left there",
        Group::Change,
        true,
    )
    .on(Layer::BlockedDrain),
    entry(Action::Pause, "pause", "pause", "pause or resume the pool or the operation", Group::Change, true),
    entry(Action::Hold, "hold", "hold", "hold the pool: finish what runs, begin nothing new", Group::Change, true),
    entry(Action::Retry, "retry", "retry", "try again what failed in the operation", Group::Change, true),
    entry(Action::Arm, "arm", "arm writes", "allow changes for a while, or forbid them again", Group::Change, false),
    entry(
        Action::Command,
        "command",
        "command",
        "command line: `:scale CLUSTER/POOL N`, `:theme light`, `:q`",
        Group::Program,
        false,
    ),
    entry(Action::Help, "help", "help", "this page", Group::Program, false),
    entry(Action::Redraw, "redraw", "redraw", "draw the whole screen again", Group::Program, false),
    entry(Action::Suspend, "suspend", "suspend", "suspend to the shell; `fg` comes back", Group::Program, false),
    entry(Action::Quit, "quit", "quit", "leave the console", Group::Program, false),
];

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
