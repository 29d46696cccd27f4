//! Machines one by one: marks, cordon, uncordon, drain, and what to do about a drain that is blocked.

use super::{
    super::{
        action::Action,
        maintenance::{self, Care, Choice},
        message::Effect,
        permissions,
        stakes::Stakes,
        state::{Overlay, Pane, State, Subject, View},
        text,
        tree::Row,
        typed::TypedDialog,
    },
    change, navigate,
};
use crate::fleet::{ContextId, Uid};
use std::collections::BTreeSet;

/// Most machines that are marked: whoever wants more takes the pool.
const MARKS: usize = 200;
/// How far away the other end of a range is looked for, in rows.
const FARTHEST: usize = 2_000;

/// Marks the machine under the cursor, or takes its mark away, and goes one row down.
pub fn mark(state: &mut State) {
    let Subject::Machine(machine) = state.subject() else {
        return state.complain("only machines are marked: open the pool, or the row of those that are Ready");
    };
    let uid = machine.uid.clone();
    if !state.marks.remove(&uid) {
        if state.marks.len() >= MARKS {
            return state.complain(format!("{MARKS} machines are marked, and more are not: take the pool instead"));
        }
        state.marks.insert(uid);
    }
    navigate::scroll_pane(state, Pane::Main, 1);
}

/// Marks all machines between the nearest mark and the cursor, and the one under the cursor.
pub fn mark_range(state: &mut State) {
    if !matches!(state.subject(), Subject::Machine(_)) {
        return state.complain("only machines are marked: open the pool, or the row of those that are Ready");
    }
    let (here, len) = match state.view {
        View::Machines => (state.table.list.index, state.table.len()),
        View::Hosts => (state.hosts.list.index, state.hosts.len()),
        View::Fleet => (state.tree.index(), state.tree.len()),
        View::Operations | View::Events => {
            return state.complain("a range is marked in the fleet, in the table of machines, or among the hosts");
        }
    };
    let is_marked = |at: &usize| machine_at(state, *at).is_some_and(|uid| state.marks.contains(&uid));
    let above = (here.saturating_sub(FARTHEST)..here).rev().find(is_marked);
    let below = (here + 1..len.min(here + FARTHEST)).find(is_marked);
    let from = match (above, below) {
        (Some(above), Some(below)) if below - here < here - above => below,
        (Some(above), _) => above,
        (None, Some(below)) => below,
        (None, None) => here,
    };
    let range: Vec<_> = (from.min(here)..=from.max(here)).filter_map(|at| machine_at(state, at)).collect();
    let new = range.iter().filter(|uid| !state.marks.contains(*uid)).count();
    if state.marks.len() + new > MARKS {
        let all = state.marks.len() + new;
        return state.complain(format!("{all} machines would be marked, more than {MARKS}: take the pool instead"));
    }
    state.marks.extend(range);
    if from == here {
        let key = state.keymap.key(Action::MarkRange);
        state.tell(format!("one end is marked: go to the other one, and `{key}` marks all between"));
    }
}

/// The UID of the machine in a row of what is shown.
fn machine_at(state: &State, index: usize) -> Option<Uid> {
    match state.view {
        View::Machines => state.table.rows().get(index).cloned(),
        View::Hosts => state.hosts.get(index).map(|host| host.uid.clone()),
        _ => match state.tree.row(&state.snapshot, index)? {
            Row::Machine { machine, .. } => Some(machine.uid.clone()),
            _ => None,
        },
    }
}

/// Marks these as well, as many as there is room for; how many that were.
pub fn mark_all(state: &mut State, uids: Vec<crate::fleet::Uid>) -> usize {
    let before = state.marks.len();
    for uid in uids {
        if state.marks.len() >= MARKS {
            break;
        }
        state.marks.insert(uid);
    }
    state.marks.len() - before
}

/// Cordons, uncordons or drains the marked machines, or the one under the cursor, after a yes.
pub fn care(state: &mut State, action: Action, care: Care) {
    if !change::may_write(state, action) {
        return;
    }
    let machines = state.chosen_machines();
    let Some(first) = machines.first() else {
        return state.complain(format!("nothing to {} here: put the cursor on a machine", care.verb().to_lowercase()));
    };
    let contexts: BTreeSet<ContextId> = machines.iter().map(|machine| machine.uid.context).collect();
    if contexts.len() > 1 {
        let names: Vec<&str> = contexts.iter().map(|c| state.context(*c).place.context.as_str()).collect();
        return state.complain(format!(
            "the marked machines are of several contexts ({}), and one change goes to one: mark those of one",
            names.join(", ")
        ));
    }
    if let Some(without) = machines.iter().find(|m| m.pool.is_none() || m.node.is_none()) {
        return state.complain(format!(
            "{} has no node: there is nothing to {}",
            without.name,
            care.verb().to_lowercase()
        ));
    }
    if let Some(not_ours) = machines.iter().find(|m| care == Care::Uncordon && m.maintenance.is_none()) {
        return state.complain(format!("{} was not cordoned from here: whoever did that gives it back", not_ours.name));
    }
    let who = match machines.len() {
        1 => first.name.to_string(),
        many => text::plural(many, "machine"),
    };
    let order = maintenance::order(care, machines.iter().map(AsRef::as_ref), &state.user, state.now);
    change::ask(state, order, &format!("{} {who}?", care.verb()), care.meaning());
}

/// A decision about the drain that is blocked here.
pub fn choose(state: &mut State, action: Action, choice: Choice) -> Vec<Effect> {
    let Some(machine) = state.blocked_drain().cloned() else {
        state.complain("no drain is blocked here: put the cursor on a machine whose drain is");
        return Vec::new();
    };
    if choice == Choice::Force && !permissions::allows(state, action) {
        return Vec::new();
    }
    if choice != Choice::Force && !change::may_write(state, action) {
        return Vec::new();
    }
    if choice == Choice::Wait
        && let Some(decision) = machine.drain.as_deref().and_then(maintenance::waits)
    {
        let who = text::clean(decision.by.as_deref().unwrap_or("somebody"));
        let (skip, force) = (state.keymap.key(Action::DrainSkip), state.keymap.key(Action::DrainForce));
        let at = text::when(decision.at.0, state.now);
        state.complain(format!("{who} decided at {at} that it waits: `{skip}` skips it, `{force}` forces it"));
        return Vec::new();
    }
    let Some(order) = maintenance::choose(&machine, choice, &state.user) else { return Vec::new() };
    match choice {
        // To wait is to stop nothing and lose nothing.
        Choice::Wait if change::is_on_its_way(state, &order) => {}
        Choice::Wait => return vec![state.apply(order)],
        Choice::Skip => {
            let meaning = "it stays cordoned with what is left on it, and the operation goes on with the others";
            change::ask(state, order, &format!("Leave {} in quarantine?", machine.name), meaning);
        }
        Choice::Force => {
            let node = machine.node_name().unwrap_or(&machine.name).to_owned();
            let left = machine.drain.as_deref().map_or(0, |d| usize::try_from(d.pods_left).unwrap_or(0));
            let meaning = vec![
                format!("{} left on {node}: deleted, whatever budgets allow", text::plural(left, "pod")),
                "what only they hold is lost, and what they serve may stop".to_owned(),
            ];
            let title = format!("Force the drain of {}", machine.name);
            let stakes = Stakes { overrides: true, ..state.stakes_of(&order) };
            let dialog = TypedDialog::new((title, meaning, node), (order, 1, stakes), &state.user, state.now);
            state.overlay = Overlay::Typed(Box::new(dialog));
        }
    }
    Vec::new()
}

/// What blocks the drain here, and what would help.
pub fn hint(state: &mut State) {
    let Some(machine) = state.blocked_drain() else {
        return state.complain("no drain is blocked here: put the cursor on a machine whose drain is");
    };
    let blockers = machine.drain.as_deref().map(|d| d.blockers.as_slice()).unwrap_or_default();
    let said: Vec<String> = blockers.iter().take(4).map(advice).collect();
    state.complain(said.join("\n"));
}

fn advice(blocker: &crate::api::DrainBlocker) -> String {
    let owner = blocker.owner.as_deref().map(|owner| format!(" ({owner})")).unwrap_or_default();
    let hint = blocker.hint.as_deref().map(|hint| format!(". {hint}")).unwrap_or_default();
    format!("{}{owner}: {}{hint}", blocker.pod, blocker.message)
}
