//! What the place is called where the user is.

use super::super::{
    state::{Overlay, Pane, State, Subject, View},
    text,
};
use crate::fleet::Health;

/// The place, as a title: `pool eu-1/gpu`, `Hosts`, `why m-3 is not Ready`.
pub fn title(state: &State) -> String {
    match &state.overlay {
        Overlay::Pager(pager) => return pager.title.clone(),
        Overlay::Audit(audit) => return format!("who did what, in {}", audit.title),
        _ => {}
    }
    if let Some(page) = &state.why {
        let is_well = state.snapshot.machine(&page.uid).is_some_and(|machine| machine.health >= Health::Good);
        return if is_well { format!("how {} is", page.name) } else { format!("why {} is not Ready", page.name) };
    }
    match (state.pane, &state.log) {
        (Pane::Feed, Some(log)) => match log.operations.as_slice() {
            [one] => format!("the log of {}", one.name),
            several => format!("the logs of {}", text::plural(several.len(), "operation")),
        },
        (Pane::Feed, None) => "the newest events".to_owned(),
        (Pane::Detail, _) => format!("{}, its details", of_view(state)),
        (Pane::Main, _) => of_view(state),
    }
}

fn of_view(state: &State) -> String {
    if !state.marks.is_empty() && matches!(state.view, View::Fleet | View::Machines) {
        return format!("{} marked", text::plural(state.marks.len(), "machine"));
    }
    let view = state.view.title();
    match (state.view, state.subject()) {
        (View::Fleet, subject) => of_subject(state, &subject),
        (View::Machines | View::Hosts, Subject::Machine(machine)) => format!("{view}, {}", machine.name),
        (View::Operations, Subject::Operation(operation)) => format!("{view}, {}", operation.name),
        _ => view.to_owned(),
    }
}

fn of_subject(state: &State, subject: &Subject) -> String {
    let context = |context| &state.context(context).place.context;
    match subject {
        Subject::Fleet => "the fleet".to_owned(),
        Subject::Context(id) => format!("context {}", context(*id)),
        Subject::Idle(id) if state.has_several_contexts() => format!("idle machines of {}", context(*id)),
        Subject::Idle(_) => "idle machines".to_owned(),
        Subject::Clusters(_) => "clusters that are alike".to_owned(),
        Subject::Cluster(node) => format!("cluster {}", node.row.name),
        Subject::Pool(node) => format!("pool {}/{}", node.row.cluster, node.row.short_name),
        Subject::Machine(machine) => format!("machine {}", machine.name),
        Subject::Operation(operation) => format!("operation {}", operation.name),
    }
}
