//! The log pane: what it follows, and where in it we are.

use super::super::{
    action::Action,
    log::Ring,
    message::{Effect, OperationKey},
    permissions,
    state::{List, LogPane, Overlay, Pane, State, Subject, View},
    tree::Row,
};
use crate::fleet::OperationRow;
use std::sync::Arc;

/// Most operations whose logs are followed together.
const MOST_LOGS: usize = 16;
/// Lines of the past of each of them, at least.
const LEAST_LINES: usize = 200;

/// Opens the log of the operation that works here. On a closed branch that has no log of its own it opens the branch.
pub fn open(state: &mut State) -> Vec<Effect> {
    if state.view == View::Fleet && state.pane == Pane::Main {
        let branch = matches!(
            state.tree.row(&state.snapshot, state.tree.index()),
            Some(
                Row::Meta { .. }
                    | Row::Context { .. }
                    | Row::Cluster { .. }
                    | Row::Clusters { .. }
                    | Row::Machines { .. }
                    | Row::Idle { .. }
            )
        );
        if branch {
            super::navigate::expand(state);
            return Vec::new();
        }
    }
    if !permissions::allows(state, Action::Logs) {
        return Vec::new();
    }
    let Some(operation) = state.operation_in_reach() else {
        state.complain("no operation has worked here yet: there is no log");
        return Vec::new();
    };
    let key = key_of(operation);
    let machine = match state.subject() {
        Subject::Machine(machine) => Some(machine.name.clone()),
        _ => None,
    };
    state.overlay = Overlay::None;
    state.pane = Pane::Feed;
    if let Some(log) = state.log.as_mut().filter(|log| log.operations == [key.clone()] && log.ended.is_none()) {
        // The same log for another machine: it is all here already.
        (log.machine, log.scroll, log.following) = (machine, 0, true);
        return Vec::new();
    }
    state.tickets += 1;
    let follow = state.tickets;
    state.log = Some(LogPane {
        follow,
        operations: vec![key.clone()],
        left_out: 0,
        machine,
        ring: Ring::new(state.log_lines),
        scroll: 0,
        following: true,
        ended: None,
    });
    vec![Effect::Follow { follow, operation: key, tail_lines: state.log_lines }]
}

/// Opens the logs of all operations that work on what the cursor is on, as one.
pub fn open_all(state: &mut State) -> Vec<Effect> {
    if !permissions::allows(state, Action::AllLogs) {
        return Vec::new();
    }
    let running = running_here(state);
    let machine = match state.subject() {
        Subject::Machine(machine) => Some(machine.name.clone()),
        _ => None,
    };
    let operations: Vec<OperationKey> = running.iter().take(MOST_LOGS).map(|operation| key_of(operation)).collect();
    if operations.is_empty() {
        let key = state.keymap.key(Action::Logs);
        state.complain(format!("no operation is at work here: `{key}` shows the log of the last one"));
        return Vec::new();
    }
    state.overlay = Overlay::None;
    state.pane = Pane::Feed;
    state.tickets += 1;
    let follow = state.tickets;
    let tail_lines = (state.log_lines / operations.len()).max(LEAST_LINES);
    state.log = Some(LogPane {
        follow,
        left_out: running.len() - operations.len(),
        operations: operations.clone(),
        machine,
        ring: Ring::new(state.log_lines),
        scroll: 0,
        following: true,
        ended: None,
    });
    // Of one alone, everything is as with that one.
    match <[OperationKey; 1]>::try_from(operations) {
        Ok([operation]) => vec![Effect::Follow { follow, operation, tail_lines }],
        Err(operations) => vec![Effect::FollowAll { follow, operations, tail_lines }],
    }
}

/// Operations that are under way on what the cursor is on, the newest first.
fn running_here(state: &State) -> Vec<Arc<OperationRow>> {
    let subject = state.subject();
    let has = |operation: &OperationRow| match &subject {
        Subject::Operation(other) => operation.uid == other.uid,
        Subject::Machine(machine) => {
            operation.uid.context == machine.uid.context
                && (machine.operation.as_deref() == Some(&*operation.name)
                    || operation.resource.spec.machines.iter().any(|m| *m.name == *machine.name))
        }
        Subject::Pool(node) => {
            operation.uid.context == node.row.uid.context && operation.pool.as_deref() == Some(&*node.row.name)
        }
        Subject::Cluster(node) => operation.uid.context == node.row.uid.context && operation.cluster == node.row.name,
        Subject::Context(context) | Subject::Idle(context) => operation.uid.context == *context,
        Subject::Fleet | Subject::Clusters(_) => true,
    };
    let under_way = state.snapshot.operations.iter().filter(|operation| !operation.is_final());
    under_way.filter(|operation| has(operation)).cloned().collect()
}

fn key_of(operation: &OperationRow) -> OperationKey {
    OperationKey {
        context: operation.uid.context,
        namespace: operation.namespace.to_string(),
        name: operation.name.to_string(),
    }
}

pub fn close(state: &mut State) -> Vec<Effect> {
    state.log = None;
    vec![Effect::Unfollow]
}

pub fn lines(state: &mut State, follow: u64, anew: bool, lines: &[String]) -> Vec<Effect> {
    if let Some(log) = state.log.as_mut().filter(|log| log.follow == follow) {
        if anew {
            (log.ring, log.scroll, log.following) = (Ring::new(state.log_lines), 0, true);
        }
        let machine = log.machine.as_deref();
        let shown = lines.iter().filter(|line| log.ring.push(line).is_of(machine)).count();
        if !log.following {
            // What is being read stays where it is, until it falls out.
            log.scroll = (log.scroll + shown).min(log.ring.matching(machine).count());
        }
    }
    Vec::new()
}

/// Lines of one of several logs.
pub fn merged(state: &mut State, follow: u64, source: usize, anew: bool, lines: &[String]) -> Vec<Effect> {
    if let Some(log) = state.log.as_mut().filter(|log| log.follow == follow) {
        if anew {
            log.ring.forget(source);
        }
        lines.iter().for_each(|line| log.ring.merge(source, line));
        if !log.following {
            let machine = log.machine.as_deref();
            log.scroll = (log.scroll + lines.len()).min(log.ring.matching(machine).count());
        }
    }
    Vec::new()
}

pub fn ended(state: &mut State, follow: u64, why: Option<String>) -> Vec<Effect> {
    if let Some(log) = state.log.as_mut().filter(|log| log.follow == follow) {
        log.ended = Some(why);
    }
    Vec::new()
}

/// Follow, or hold still; of events, to the newest.
pub fn toggle(state: &mut State) {
    if let Some(log) = &mut state.log {
        log.following = !log.following;
        if log.following {
            log.scroll = 0;
        }
    } else if state.view == View::Events {
        state.events = List::default();
        super::lists::keep(state);
    } else {
        state.feed_top = 0;
    }
}

/// Scrolls by rows: up holds the log still, the last line follows again.
pub fn scroll(state: &mut State, rows: isize) {
    let height = state.layout().feed_height();
    let Some(log) = &mut state.log else { return };
    let lines = log.ring.matching(log.machine.as_deref()).count();
    let farthest = lines.saturating_sub(height);
    log.scroll = match rows {
        isize::MIN => farthest,
        rows => log.scroll.saturating_add_signed(rows.saturating_neg()).min(farthest),
    };
    log.following = log.scroll == 0;
}
