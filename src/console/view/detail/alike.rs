//! Failures that are the same on several machines: how many, where, and the line that they share.

use super::{
    super::{super::failures::Group, pen::Strip},
    Panel, Room,
};
use crate::{
    config::Role,
    console::{action::Action, state::State, text},
    fleet::{Health, OperationRow},
};

/// Failures that are shown, the most frequent first.
const SHOWN: usize = 5;

/// What has failed in the fleet, by what it has in common.
pub fn of_fleet(state: &State, room: Room) -> Option<Panel> {
    panel(state, "Failed steps", state.failures.groups().iter(), room)
}

/// The failures of an operation that others share.
pub fn of_operation(state: &State, operation: &OperationRow, room: Room) -> Option<Panel> {
    let here = |group: &&Group| {
        group.machines.iter().filter_map(|uid| state.snapshot.machine(uid)).any(|machine| {
            machine.uid.context == operation.uid.context && machine.operation.as_deref() == Some(&*operation.name)
        })
    };
    let shared = state.failures.groups().iter().filter(|group| group.machines.len() > 1).filter(here);
    panel(state, "Same step, same line", shared, room)
}

/// That others failed in the same way, in a sentence.
pub fn sentence(state: &State, group: &Group) -> String {
    let key = state.keymap.key(Action::Why);
    format!("{}: same step, same line (`{key}` says more)", group.size())
}

fn panel<'a>(state: &State, title: &str, groups: impl Iterator<Item = &'a Group>, room: Room) -> Option<Panel> {
    let groups: Vec<&Group> = groups.collect();
    let shown = if room.tight { 2 } else { SHOWN };
    let more = groups.len().saturating_sub(shown);
    let mut lines = Vec::new();
    for group in groups.into_iter().take(shown) {
        let step = group.step.as_deref().map(|step| format!(" › {step}")).unwrap_or_default();
        let head = format!("{}  {}{step}", group.size(), group.phase);
        lines.push(
            Strip::of(format!("{} ", state.glyphs.health(Health::Bad)), Role::Bad)
                .add(text::cut(&head, room.width.saturating_sub(2)), Role::Text),
        );
        let said = text::wrap(&group.line, room.width.saturating_sub(4));
        let rows = if room.tight { 1 } else { 2 };
        lines.extend(said.into_iter().take(rows).map(|part| Strip::of(format!("    {part}"), Role::Bad)));
    }
    if more > 0 {
        lines.push(Strip::of(format!("… and {} less frequent", text::plural(more, "other")), Role::Muted));
    }
    (!lines.is_empty()).then(|| Panel::new(title, lines))
}
