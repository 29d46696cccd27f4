//! What can be done where the user is: on this view, in this pane, on this row.
//!
//! One table for the line at the bottom, which has room for the first of them, and for the help page, which begins with all of
//! them. Keys are looked up where they are shown, so they are those of the user.

mod place;

use super::{
    action::{Action, Layer},
    layout::Class,
    maintenance,
    pager::{Pager, Source},
    sheet,
    state::{Overlay, Pane, State, Subject, View},
    why::Why,
};
use crate::{
    api::OperationState,
    fleet::{MachineRow, OperationRow, PoolNode},
};
pub use place::title;

/// One thing that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// An action, with the words that it has everywhere.
    Of(Action),
    /// One that means something of its own here: a word or two, and a line.
    As(Action, &'static str, &'static str),
    /// Keys that no keymap moves.
    Fixed(&'static str, &'static str, &'static str),
}

/// What can be done, the most useful first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// For the line at the bottom and for the help page.
    pub first: Vec<Hint>,
    /// For the help page only.
    pub more: Vec<Hint>,
}

impl Hint {
    pub fn action(self) -> Option<Action> {
        match self {
            Self::Of(action) | Self::As(action, ..) => Some(action),
            Self::Fixed(..) => None,
        }
    }

    /// One or two words.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Of(action) => action.entry().hint,
            Self::As(_, hint, _) | Self::Fixed(_, hint, _) => hint,
        }
    }

    /// One line.
    pub fn help(self) -> &'static str {
        match self {
            Self::Of(action) => action.entry().help,
            Self::As(_, _, help) | Self::Fixed(_, _, help) => help,
        }
    }

    /// Its keys, the one to show first.
    pub fn keys(self, state: &State) -> Vec<String> {
        match self {
            Self::Of(action) | Self::As(action, ..) => {
                state.keymap.keys(action).iter().map(ToString::to_string).collect()
            }
            Self::Fixed(keys, ..) => vec![keys.to_owned()],
        }
    }
}

impl Here {
    fn of(first: &[Action], more: &[Action]) -> Self {
        let hints = |actions: &[Action]| actions.iter().copied().map(Hint::Of).collect();
        Self { first: hints(first), more: hints(more) }
    }

    /// After it what another one has besides.
    fn then(mut self, other: Self) -> Self {
        for hint in other.first.into_iter().chain(other.more) {
            let is_known = self.first.iter().chain(&self.more).any(|known| known.action() == hint.action());
            if !is_known {
                self.more.push(hint);
            }
        }
        self
    }

    fn and(mut self, more: &[Action]) -> Self {
        self.more.extend(more.iter().copied().map(Hint::Of));
        self
    }

    fn and_hints(mut self, more: &[Hint]) -> Self {
        self.more.extend(more);
        self
    }
}

/// What can be done here. Moving about is the same everywhere, and is not in it.
pub fn here(state: &State) -> Here {
    match (&state.overlay, &state.why) {
        (Overlay::Pager(pager), _) => self::pager(pager),
        (Overlay::Audit(_), _) => audit(),
        (_, Some(page)) => why(state, page),
        _ => panes(state),
    }
}

fn panes(state: &State) -> Here {
    match (state.pane, state.view) {
        (Pane::Feed, _) if state.log.is_some() => {
            let first = vec![
                Hint::Of(Action::Follow),
                Hint::As(Action::Wrap, "wrap", "break long lines, or cut them"),
                SEARCH,
                Hint::Of(Action::Zoom),
            ];
            let more = vec![
                Hint::As(Action::Up, "up", "a line back: the log is held still"),
                Hint::As(Action::First, "first", "to the oldest line that is kept"),
                Hint::As(Action::Last, "last", "to the newest line, and follow it again"),
                Hint::As(Action::Back, "close", "close the log"),
            ];
            Here { first, more }
        }
        (Pane::Feed, view) if view != View::Events => {
            beside(state, &[Hint::As(Action::Follow, "follow", "to the newest event again")])
        }
        (Pane::Detail, _) => beside(state, &[]),
        (_, View::Hosts) => hosts(state),
        (_, View::Events) => events(),
        (_, View::Operations) => {
            let filter = "only some operations: words, type=ScaleUp, state=failed, who=alice";
            let mut here = row(state);
            here.more.push(Hint::As(Action::Filter, "filter", filter));
            here
        }
        (_, View::Machines) => {
            let mut here = row(state);
            // There the key decides about the drain.
            let columns = Hint::As(Action::Wrap, "columns", "more columns, or fewer; `:columns` chooses them");
            here.more.extend((!state.chooses_drain()).then_some(columns));
            here.more.extend([
                Hint::Of(Action::SortNext),
                Hint::Of(Action::SortReverse),
                Hint::Of(Action::SortColumnLeft),
                Hint::Of(Action::SortColumnRight),
            ]);
            here
        }
        _ => row(state),
    }
}

/// In a pane beside the list: what its own keys do there, and then what can be done with the row, which has no branch there.
fn beside(state: &State, own: &[Hint]) -> Here {
    let zoom = "give this pane the whole screen, or all panes their room again";
    let mut first = vec![Hint::As(Action::Open, "zoom", zoom)];
    first.extend(own);
    if state.layout().class > Class::Compact {
        first.push(Hint::Of(Action::NextPane));
    }
    let known: Vec<Option<Action>> = first.iter().map(|hint| hint.action()).collect();
    let nothing = [Some(Action::Expand), Some(Action::Collapse)];
    let is_for_a_drain = |hint: &Hint| hint.action().is_some_and(|a| a.entry().layer == Layer::BlockedDrain);
    let acts = |hint: &Hint| {
        let is_known = known.contains(&hint.action()) || nothing.contains(&hint.action());
        !is_known && (state.chooses_drain() || !is_for_a_drain(hint))
    };
    let row = row(state);
    first.extend(row.first.into_iter().filter(acts));
    let more = row.more.into_iter().filter(acts).chain([Hint::As(Action::Zoom, "zoom", zoom)]).collect();
    Here { first, more }
}

/// On what is marked, and on what the cursor is on.
fn row(state: &State) -> Here {
    let look: &[Action] = match sheet::about(state) {
        Some(_) => &[Action::Yaml, Action::Describe, Action::Diff, Action::Edit, Action::Audit, Action::Copy],
        None => &[Action::Audit, Action::Copy],
    };
    if let Some(machine) = state.blocked_drain() {
        let waits = machine.drain.as_deref().and_then(maintenance::waits).is_some();
        let drain = [Action::DrainWait, Action::DrainSkip, Action::DrainHint, Action::DrainForce, Action::Logs];
        return Here::of(&drain[usize::from(waits)..], &[Action::Why, Action::Open, Action::Ssh, Action::Replace])
            .and(look);
    }
    let its = subject(state);
    if state.marks.is_empty() { its.and(look) } else { marked().then(its.and(look)) }
}

/// On what the cursor is on.
fn subject(state: &State) -> Here {
    match state.subject() {
        Subject::Cluster(_) => Here {
            first: vec![
                Hint::As(Action::Upgrade, "upgrade", "upgrade it to another version, its control plane first"),
                Hint::As(Action::Expand, "open", "open it, or go to its first pool"),
            ],
            more: vec![Hint::As(Action::Collapse, "close", "close it"), ALL_LOGS, HOSTS],
        },
        Subject::Pool(node) => of_pool(node),
        Subject::Machine(machine) => of_machine(machine),
        Subject::Operation(operation) => of_operation(operation),
        _ => Here::of(&[Action::Expand], &[Action::Collapse]).and_hints(&[ALL_LOGS, HOSTS]),
    }
}

const ALL_LOGS: Hint = Hint::As(Action::AllLogs, "all logs", "logs of all operations that are at work here, as one");
const SEARCH: Hint = Hint::As(Action::Filter, "search", "what is kept of it as a text: searched, copied, saved");
const HOSTS: Hint = Hint::As(Action::ViewHosts, "hosts", "ask its hosts over SSH how they are");
const LOG: Hint = Hint::As(Action::Logs, "logs", "log of the operation that works on it, or last did");
const PAUSE: Hint = Hint::As(Action::Pause, "pause", "pause it at once, or let it go on");
const RETRY: Hint = Hint::As(Action::Retry, "retry", "try again what failed there");

/// While a pool rolls out, what steers that; else what begins something.
fn of_pool(node: &PoolNode) -> Here {
    let rollout = node.row.resource.as_ref().and_then(|pool| pool.status.as_ref()?.rollout.as_ref());
    let hold = Hint::As(Action::Hold, "hold", "finish what runs, begin nothing new; or go on");
    let back = Hint::As(Action::Rollback, "roll back", "take it back to the revision before");
    let abort = Hint::As(Action::Abort, "abort", "end its rollout where it is");
    let begin = [
        Hint::As(Action::Scale, "scale", "more machines, or fewer: preview, dry run, confirm"),
        Hint::As(Action::Upgrade, "upgrade", "upgrade it to another version"),
        Hint::As(Action::Replace, "replace", "replace all of its machines, by a rollout"),
    ];
    let rest = [
        Hint::As(Action::Open, "open", "open it, or close it"),
        Hint::As(Action::Expand, "open", "open it, or go to its first machine"),
        ALL_LOGS,
        HOSTS,
    ];
    if rollout.is_some() {
        let first = vec![PAUSE, hold, abort, back, RETRY, LOG];
        return Here { first, more: begin.to_vec() }.and_hints(&rest);
    }
    let first = [begin.as_slice(), &[LOG, PAUSE, rest[0]]].concat();
    Here { first, more: vec![back, hold, RETRY] }.and_hints(&rest[1..])
}

fn of_machine(machine: &MachineRow) -> Here {
    let cordoned = machine.node.as_ref().is_some_and(|node| node.unschedulable);
    let cordon = Hint::As(Action::Cordon, "cordon", "no new pods on its node");
    let uncordon = Hint::As(Action::Uncordon, "uncordon", "pods may come to its node again");
    let why = Hint::As(Action::Why, "why", "why it is not Ready: causes, log and journals");
    let is_problem = machine.health.is_problem();
    let mut first: Vec<Hint> = is_problem.then_some(why).into_iter().collect();
    first.extend([
        Hint::As(Action::Open, "open", "its page"),
        Hint::As(Action::Logs, "logs", "what the log of its operation says of it"),
        Hint::As(Action::Ssh, "ssh", "your own ssh there: what you do there is not asked for"),
        Hint::As(Action::Mark, "mark", "mark it for the next key, or take the mark away"),
        Hint::As(Action::Replace, "replace", "replace this machine by another one"),
    ]);
    let mut more = Vec::new();
    if machine.pool.is_some() {
        let (now, other) = if cordoned { (uncordon, cordon) } else { (cordon, uncordon) };
        first.push(now);
        more.extend([Hint::As(Action::Drain, "drain", "cordon its node and empty it"), other]);
    }
    more.push(Hint::As(Action::MarkRange, "range", "mark all from the nearest mark to this one"));
    more.push(Hint::As(Action::Scale, "scale", "scale its pool: preview, dry run, confirm"));
    more.extend((!is_problem).then_some(why));
    Here { first, more }
}

fn of_operation(operation: &OperationRow) -> Here {
    let open = Hint::As(Action::Open, "open", "its page");
    let why = Hint::As(Action::Why, "why", "why the machine that failed in it is not Ready");
    // What is over is not paused, and only what failed is tried again.
    let retry = (operation.state == OperationState::Failed).then_some(RETRY);
    let pause = (!operation.is_final()).then_some(PAUSE);
    Here { first: retry.into_iter().chain([LOG]).chain(pause).chain([open]).collect(), more: vec![why] }
}

/// What is done to all that is marked.
fn marked() -> Here {
    let first = vec![
        Hint::As(Action::Replace, "replace", "replace all that are marked by other ones"),
        Hint::As(Action::Cordon, "cordon", "no new pods on the nodes of those that are marked"),
        Hint::As(Action::Drain, "drain", "cordon all that are marked and empty them"),
        Hint::As(Action::Uncordon, "uncordon", "pods may come to those that are marked again"),
        Hint::As(Action::Mark, "mark", "mark another one, or take its mark away"),
    ];
    let more = vec![
        Hint::As(Action::MarkRange, "range", "mark all from the nearest mark to this one"),
        Hint::As(Action::ClearMarks, "no marks", "take all marks away"),
        Hint::As(Action::Copy, "copy", "copy the names of all that are marked"),
    ];
    Here { first, more }
}

fn hosts(state: &State) -> Here {
    let go = Hint::As(Action::Open, "open", "to the machine in the tree");
    let mut here = Here::of(&[Action::AskAgain, Action::Ssh, Action::Why, Action::Logs], &[]);
    here.first.insert(0, go);
    if let Subject::Machine(_) = state.subject() {
        here = here.then(row(state));
    }
    here
}

fn events() -> Here {
    let first = vec![
        Hint::As(Action::Open, "go there", "to what the event is about"),
        Hint::As(Action::Follow, "follow", "to the newest event again"),
    ];
    let more = vec![
        Hint::As(Action::Describe, "describe", "what the event is about, in words"),
        Hint::As(Action::Yaml, "yaml", "what the event is about, as YAML"),
        Hint::As(Action::Filter, "filter", "only some events: words, type=Warning, kind=Machine, pool=gpu"),
        Hint::Of(Action::Audit),
    ];
    Here { first, more }
}

fn why(state: &State, page: &Why) -> Here {
    let alike = state.failures.of(&page.uid).is_some_and(|group| group.machines.len() > 1);
    let mut first = vec![
        Hint::As(Action::Follow, "follow", "follow the journals, or hold them still"),
        Hint::As(Action::Wrap, "wrap", "break long lines, or cut them"),
        Hint::As(Action::AskAgain, "ask again", "read the journals anew"),
        Hint::Of(Action::Ssh),
    ];
    if alike {
        first.extend([
            Hint::As(Action::Open, "list", "list those that failed at the same step with the same line"),
            Hint::As(Action::Mark, "mark", "mark all that failed alike, for the next key"),
        ]);
    }
    let mut more = vec![Hint::As(Action::Logs, "logs", "the log of the operation that works on it")];
    // In a narrow line the way to the help goes before it.
    if alike { &mut more } else { &mut first }.push(SEARCH);
    Here { first, more }
}

/// Also the line at the bottom of the pager.
pub fn pager(pager: &Pager) -> Here {
    let is_object = matches!(pager.source, Source::Object { .. });
    let close = if pager.is_running() { "stop" } else { "close" };
    let mut first = vec![Hint::Fixed("esc", close, "end the search; then close the page, or end what runs")];
    first.push(Hint::Fixed("/", "search", "search as you type; capital letters count once you type one"));
    if pager.search.is_on() {
        first.push(Hint::Fixed("n N", "next", "to the next place that was found, to the one before"));
    }
    first.extend([
        Hint::Fixed("w", "wrap", "break long lines, or cut them"),
        Hint::Fixed("Y", "copy", "copy all of it, as it came"),
        Hint::Fixed("s", "save", "write all of it to a file in the working directory, never over one"),
    ]);
    if is_object {
        first.push(Hint::Fixed("f", "again", "read it again"));
    } else if pager.source == Source::Kept {
        first.push(Hint::Fixed("f", "newer", "with what has come since"));
    }
    if pager.can_unfold() {
        let hint = if pager.unfolded { "fold" } else { "managed" };
        first.push(Hint::Fixed("m", hint, "managedFields: who owns which fields, or one line for all"));
    }
    let mut more = vec![Hint::Fixed("h l", "sideways", "to the side, where long lines are cut")];
    if is_object {
        more.push(Hint::Of(Action::Edit));
    }
    Here { first, more }
}

/// Also the line at the bottom of the audit.
pub fn audit() -> Here {
    let first = vec![
        Hint::Fixed("enter", "go there", "to what the row is about"),
        Hint::As(Action::Filter, "filter", "only some rows: words, who=alice, what=scales, kind=NodePool, pool=gpu"),
        Hint::Fixed("a", "whole fleet", "of the whole fleet, not only of what the cursor was on"),
        Hint::Fixed("esc", "close", "take the filter away; then close the page"),
    ];
    Here { first, more: Vec::new() }
}
