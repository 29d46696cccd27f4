//! An operation: what was planned against how far it is, machine by machine.

use super::{Beside, Member, Sides};
use crate::api::{Operation, OperationState, OperationStatus};
use kube::ResourceExt;

pub fn sides(operation: &Operation, beside: &Beside) -> Sides {
    let (name, spec) = (operation.name_any(), &operation.spec);
    let planned = spec.machines.len();
    let mut sides = Sides::between(
        format!("planned: {} {name}, {}", spec.type_.as_str(), crate::console::text::plural(planned, "machine")),
        "is there: its progress, and its machines as they are now".to_owned(),
    );
    let none = OperationStatus::default();
    let status = operation.status.as_ref().unwrap_or(&none);
    let progress = status.progress.unwrap_or_default();
    let state = status.state.unwrap_or(OperationState::Pending);
    for (is, what) in [(spec.paused, "paused"), (spec.cancelled, "cancelled: what is not begun stays as it is")] {
        if is {
            sides.note(what);
        }
    }
    let settled = progress.succeeded + progress.failed;
    let (left, total) = (i32::try_from(planned).unwrap_or(i32::MAX) - settled, planned);
    sides.field("state", OperationState::Succeeded.as_str(), state.as_str());
    sides.field("done", total, progress.succeeded);
    sides.field("failed", 0, progress.failed);
    if state.is_final() {
        sides.field("skipped", 0, left.max(0));
    } else {
        sides.field("at work", 0, progress.running);
        sides.field("not begun", 0, (left - progress.running).max(0));
    }
    if progress.steps_total > 0 {
        sides.field("steps", progress.steps_total, progress.steps_done);
    }
    sides.heading("machines");
    for machine in &spec.machines {
        sides.field(&format!("  {}", machine.name), "done", outcome(operation, status, &machine.name, beside));
    }
    if let Some(message) = &status.message {
        sides.note(message.lines().next().unwrap_or_default());
    }
    sides
}

/// How far it is with one machine.
fn outcome(operation: &Operation, status: &OperationStatus, name: &str, beside: &Beside) -> String {
    if let Some(failure) = status.failures.iter().find(|failure| failure.machine == name) {
        let at: Vec<&str> = [failure.phase.as_deref(), failure.step.as_deref()].into_iter().flatten().collect();
        let line = failure.message.lines().next().unwrap_or_default();
        return format!("failed at {}: {line}", if at.is_empty() { "its begin".to_owned() } else { at.join(" › ") });
    }
    let well = status.state == Some(OperationState::Succeeded);
    let Some(member) = beside.members.iter().find(|member| member.name == name) else {
        return gone(operation, status, beside).to_owned();
    };
    if member.operation.as_deref() != Some(&*operation.name_any()) {
        return match status.state {
            Some(OperationState::Succeeded) => "done".to_owned(),
            Some(state) if state.is_final() => since(operation, status, member),
            _ => "not begun".to_owned(),
        };
    }
    match (&member.phase, member.through || well) {
        (_, true) => "done".to_owned(),
        (Some(phase), false) => format!("in {phase}"),
        (None, false) => "not begun".to_owned(),
    }
}

/// What is known of a machine that is not among those that were read.
fn gone(operation: &Operation, status: &OperationStatus, beside: &Beside) -> &'static str {
    let takes_away = operation.spec.type_.takes_away();
    let was_read = !beside.left_out.machines && operation.spec.pool_name.is_some();
    match status.state.unwrap_or_default() {
        OperationState::Succeeded => "done",
        _ if !was_read => "not read",
        OperationState::Failed if takes_away => "done",
        state if takes_away && !state.is_final() => "released",
        _ => "no machine of this pool any more",
    }
}

/// What became of a machine that an operation ended without, or that another one has worked on since.
fn since(operation: &Operation, status: &OperationStatus, member: &Member) -> String {
    let begun = status.started_at.as_ref().or(operation.metadata.creation_timestamp.as_ref());
    match (&member.operation, member.since.zip(begun.map(|begun| begun.0))) {
        (Some(other), Some((at, begun))) if at >= begun => format!("since then worked on by {other}"),
        (Some(other), None) => format!("last worked on by {other}"),
        _ => format!("left as it was, {}", member.state),
    }
}
