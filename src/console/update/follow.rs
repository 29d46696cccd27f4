//! The log pane: what it follows, and where in it we are.

use super::super::{
    action::Action,
    log::Ring,
    message::{Effect, OperationKey},
    permissions,
    state::{LogPane, Overlay, Pane, State, Subject, View},
    tree::Row,
};

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
    let key = OperationKey {
        context: operation.uid.context,
        namespace: operation.namespace.to_string(),
        name: operation.name.to_string(),
    };
    let machine = match state.subject() {
        Subject::Machine(machine) => Some(machine.name.clone()),
        _ => None,
    };
    state.overlay = Overlay::None;
    state.pane = Pane::Feed;
    if let Some(log) = state.log.as_mut().filter(|log| log.operation == key && log.ended.is_none()) {
        // The same log for another machine: it is all here already.
        (log.machine, log.scroll, log.following) = (machine, 0, true);
        return Vec::new();
    }
    state.tickets += 1;
    let follow = state.tickets;
    state.log = Some(LogPane {
        follow,
        operation: key.clone(),
        machine,
        ring: Ring::new(state.log_lines),
        scroll: 0,
        following: true,
        ended: None,
    });
    vec![Effect::Follow { follow, operation: key, tail_lines: state.log_lines }]
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

pub fn ended(state: &mut State, follow: u64, why: Option<String>) -> Vec<Effect> {
    if let Some(log) = state.log.as_mut().filter(|log| log.follow == follow) {
        log.ended = Some(why);
    }
    Vec::new()
}

/// Follow, or hold still.
pub fn toggle(state: &mut State) {
    if let Some(log) = &mut state.log {
        log.following = !log.following;
        if log.following {
            log.scroll = 0;
        }
    } else {
        state.events.top = 0;
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
