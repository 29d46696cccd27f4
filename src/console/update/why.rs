//! The page that says why a machine is not Ready: opened, filled, scrolled, closed.

use super::{
    super::{
        action::Action,
        failures::Group,
        hosts::{Way, journal::Entry},
        message::{Effect, OperationKey},
        state::{Overlay, State, Subject},
        view,
        why::{self, JOURNAL_LINES, LOG_LINES, Why},
    },
    navigate,
};

/// Opens the page for the machine in reach, and begins to read.
pub fn open(state: &mut State) -> Vec<Effect> {
    let Some(machine) = state.machine_in_reach().cloned() else {
        state.complain(
            "the question is asked of one machine: put the cursor on it, or on an operation that failed on one",
        );
        return Vec::new();
    };
    state.tickets += 1;
    let ticket = state.tickets;
    let operation =
        machine.operation.as_deref().and_then(|name| state.snapshot.operation_named(machine.uid.context, name));
    let operation = operation.filter(|_| state.why_not(Action::Logs).is_none()).map(|operation| OperationKey {
        context: machine.uid.context,
        namespace: operation.namespace.to_string(),
        name: operation.name.to_string(),
    });
    let way = Way::to(&state.snapshot, &machine);
    state.reading = true;
    state.why = Some(Box::new(Why::new(ticket, &machine, operation.clone())));
    state.overlay = Overlay::None;
    // There is one log that is followed, and now it is this one.
    state.log = None;
    let log = operation.map_or(Effect::Unfollow, |operation| Effect::Follow {
        follow: ticket,
        operation,
        tail_lines: LOG_LINES,
    });
    vec![Effect::Journals { ticket, way, lines: JOURNAL_LINES }, log]
}

/// What was read for the page is not wanted any more once it is closed, however that came about.
pub fn stop(state: &mut State) -> Vec<Effect> {
    if !state.reading || state.why.is_some() {
        return Vec::new();
    }
    state.reading = false;
    let log = state.log.is_none().then_some(Effect::Unfollow);
    log.into_iter().chain([Effect::StopJournals]).collect()
}

/// What an action means while the page is open; `None` if it means what it always does.
pub fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    use Action::{
        Arm, AskAgain, Back, Collapse, Command, Copy, Down, Expand, Filter, First, Follow, HalfPageDown, HalfPageUp,
        Help, HistoryBack, HistoryForward, HistorySwap, JumpBookmark, Last, Logs, Mark, NextPane, Open, PageDown,
        PageUp, PreviousPane, Problems, Quit, Redraw, SetBookmark, Ssh, Suspend, Up, ViewEvents, ViewFleet, ViewHosts,
        ViewMachines, ViewOperations, Why, Wrap, Zoom,
    };
    match action {
        Down => scroll(state, 1),
        Up => scroll(state, -1),
        HalfPageDown => scroll(state, page(state) / 2),
        HalfPageUp => scroll(state, -page(state) / 2),
        PageDown => scroll(state, page(state) - 1),
        PageUp => scroll(state, 1 - page(state)),
        First => scroll(state, isize::MIN),
        Last => scroll(state, isize::MAX),
        Follow => follow(state),
        Back | Quit => state.why = None,
        Why | AskAgain => return Some(open(state)),
        Open => list_alike(state),
        Mark => mark_alike(state),
        Logs | ViewFleet | ViewOperations | ViewMachines | ViewEvents | ViewHosts => {
            state.why = None;
            return None;
        }
        Help | Command | Redraw | Suspend | Wrap | Ssh | Arm | Copy => return None,
        // What would be done to the list behind it is not seen from here.
        Filter => super::pager::kept(state),
        Problems | HistoryBack | HistoryForward | HistorySwap | SetBookmark | JumpBookmark | Zoom | NextPane
        | PreviousPane | Expand | Collapse => closes_first(state),
        // What is done to a machine is done where it can be seen that it is this one.
        _ if !is_elsewhere(state) => return None,
        _ => {}
    }
    Some(Vec::new())
}

/// The page is about another machine than the one behind it that a key would be for; says how to get there.
pub fn is_elsewhere(state: &mut State) -> bool {
    let Some(why) = &state.why else { return false };
    if matches!(state.subject(), Subject::Machine(machine) if machine.uid == why.uid) {
        return false;
    }
    closes_first(state);
    true
}

fn closes_first(state: &mut State) {
    let key = state.keymap.key(Action::Back);
    state.complain(format!("`{key}` closes this page; then that key has its meaning"));
}

pub fn take(state: &mut State, ticket: u64, entries: Vec<Entry>) {
    if let Some(why) = state.why.as_mut().filter(|why| why.ticket == ticket) {
        why.take(entries);
    }
}

pub fn ended(state: &mut State, ticket: u64, reason: String) {
    if let Some(why) = state.why.as_mut().filter(|why| why.ticket == ticket) {
        why.ended = Some(reason);
    }
}

/// Lines of the log of the operation, if the page asked for them.
pub fn log_lines(state: &mut State, follow: u64, anew: bool, lines: &[String]) {
    if let Some(why) = state.why.as_mut().filter(|why| why.ticket == follow) {
        if anew {
            why.entries.forget_log();
        }
        let name = why.name.clone();
        why.take(lines.iter().filter_map(|line| why::of_log(line, &name)));
    }
}

fn page(state: &State) -> isize {
    isize::try_from(view::why::journal_height(state).max(2)).unwrap_or(isize::MAX)
}

pub fn scroll(state: &mut State, rows: isize) {
    let height = view::why::journal_height(state);
    let Some(why) = &mut state.why else { return };
    let farthest = why.entries.len().saturating_sub(height);
    why.scroll = match rows {
        isize::MIN => farthest,
        rows => why.scroll.saturating_add_signed(rows.saturating_neg()).min(farthest),
    };
    why.following = why.scroll == 0;
}

fn follow(state: &mut State) {
    if let Some(why) = &mut state.why {
        why.following = !why.following;
        if why.following {
            why.scroll = 0;
        }
    }
}

/// Shows the machines that failed in the same way, by a filter.
fn list_alike(state: &mut State) {
    let filter = state.why.as_ref().and_then(|why| state.failures.of(&why.uid)).map(Group::filter);
    let Some(filter) = filter else {
        return state.complain("no failure of a step is known here: there is nothing that others could share");
    };
    navigate::view(state, super::super::state::View::Fleet);
    super::overlay::set_filter(state, &filter);
    state.tell(format!("{filter}: all that failed in this way"));
}

/// Marks the machines that failed in the same way.
fn mark_alike(state: &mut State) {
    let alike = state.why.as_ref().and_then(|why| state.failures.of(&why.uid));
    let uids: Vec<_> = alike.map(|group| group.machines.clone()).unwrap_or_default();
    let marked = super::machine::mark_all(state, uids);
    state.tell(format!("{} marked for what comes next", super::super::text::plural(marked, "machine")));
}
