//! Machines one by one: marks, cordon, uncordon, drain, and what to do about a drain that is blocked.

use super::{
    super::{
        action::Action,
        maintenance::{self, Care, Choice},
        message::Effect,
        permissions,
        state::{Overlay, State, Subject},
        text,
        tree::RowId,
        typed::TypedDialog,
    },
    change,
};

/// Most machines that are marked: whoever wants more takes the pool.
const MARKS: usize = 200;

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
    if state.tree.cursor != RowId::Meta {
        state.tree.move_by(&state.snapshot.clone(), 1);
    }
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
    let order = maintenance::order(care, machines.iter().map(AsRef::as_ref), &state.place.user, state.now);
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
    let Some(order) = maintenance::choose(&machine, choice, &state.place.user) else { return Vec::new() };
    match choice {
        // To wait is to stop nothing and lose nothing.
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
            let dialog = TypedDialog::new(title, meaning, node, order, &state.place.user, state.now);
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
