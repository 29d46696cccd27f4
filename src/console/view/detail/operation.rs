//! An operation: who asked and why, how far it is, what failed and what to do, how long phases took.

use super::{
    super::{gantt, pen::Strip, tree::role},
    Panel, Room, alike,
};
use crate::{
    config::Role,
    console::{action::Action, contexts::as_of, glyphs::Glyphs, state::State, text},
    fleet::{OperationRow, Uid},
};

pub fn panels(glyphs: Glyphs, state: &State, operation: &OperationRow, room: Room) -> Vec<Panel> {
    let mut panels = vec![facts(glyphs, state, operation, room)];
    if !operation.failures.is_empty() {
        panels.push(failures(glyphs, state, operation, room));
    }
    panels.extend(alike::of_operation(state, operation, room));
    if !operation.is_final() {
        let machines: Vec<_> = operation
            .resource
            .spec
            .machines
            .iter()
            .filter_map(|m| state.snapshot.machine(&Uid::new(operation.uid.context, m.uid.as_str())))
            .filter(|m| m.operation.as_ref() == Some(&operation.name))
            .take(200)
            .collect();
        if !machines.is_empty() {
            let height = room.height.saturating_sub(panels.iter().map(|p| p.lines.len() + 2).sum::<usize>() + 2).max(4);
            let lines = gantt::machines(
                glyphs,
                &machines,
                state.snapshot.history(operation.uid.context),
                as_of(state, operation.uid.context),
                room.width,
                height,
            );
            panels.push(Panel::new("Machines", lines).growing());
        }
    }
    if !operation.phase_durations.is_empty() {
        panels.push(durations(operation));
    }
    panels
}

fn facts(glyphs: Glyphs, state: &State, operation: &OperationRow, room: Room) -> Panel {
    let progress = &operation.progress;
    let fraction = if operation.is_final() && progress.failed == 0 { 1.0 } else { operation.fraction() };
    let (done, rest) = text::bar(fraction, (room.width / 3).clamp(10, 40), glyphs.is_ascii());
    let role = role(operation.health());
    let mut lines = vec![
        Strip::of(done, role)
            .add(rest, Role::Muted)
            .add(format!(" {:>3.0}%   ", fraction * 100.0), role)
            .add(format!("{} of {} done", progress.succeeded, progress.total), Role::Text)
            .add(
                if progress.running > 0 { format!(", {} running", progress.running) } else { String::new() },
                Role::Moving,
            )
            .add(if progress.failed > 0 { format!(", {} failed", progress.failed) } else { String::new() }, Role::Bad),
        Strip::new()
            .fact("cluster", &operation.cluster, Role::Text)
            .fact("pool", operation.pool.as_deref().unwrap_or("–"), Role::Text)
            .fact("runbook", &operation.runbook, Role::Text)
            .fact("run", operation.run.to_string(), Role::Text),
        Strip::new().fact("by", operation.by.as_deref().unwrap_or("–"), Role::Text).fact(
            "reason",
            text::cut(operation.reason.as_deref().unwrap_or("–"), 60),
            Role::Text,
        ),
    ];
    let mut times = Strip::new();
    if let Some(at) = operation.started_at {
        times = times.fact("started", text::when(at, state.now), Role::Text);
        let until = operation.finished_at.unwrap_or_else(|| as_of(state, operation.uid.context));
        times = times.fact("took", text::duration(text::seconds_between(at, until)), Role::Text);
    }
    if let (Some(from), Some(to)) = (operation.from_replicas, operation.to_replicas) {
        times = times.fact("replicas", format!("{from} to {to}"), Role::Text);
    }
    lines.push(times);
    if let Some(message) = &operation.message {
        lines.extend(text::wrap_to(message, room.width, 3).into_iter().map(|part| Strip::of(part, role)));
    }
    let word = if operation.paused && !operation.is_final() { "Paused" } else { operation.state.as_str() };
    let mut panel = Panel::new(text::clean(&operation.name), lines)
        .right(Strip::of(format!("{} {word}", glyphs.operation(operation.state, operation.paused)), role));
    panel.title.push(format!("   {}", operation.type_.as_str()), Role::Muted);
    panel.flowing(room.width)
}

fn failures(glyphs: Glyphs, state: &State, operation: &OperationRow, room: Room) -> Panel {
    let mut lines = Vec::new();
    for failure in operation.failures.iter() {
        let place =
            [failure.phase.as_deref(), failure.step.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" › ");
        lines.push(
            Strip::of(format!("{} ", glyphs.health(crate::fleet::Health::Bad)), Role::Bad)
                .add(text::clean(&failure.machine), Role::Text)
                .add(format!("  {}  {:?}", text::cut(&place, 40), failure.class), Role::Muted),
        );
        lines.extend(
            text::wrap_to(&failure.message, room.width.saturating_sub(4), 3)
                .into_iter()
                .map(|p| Strip::of(format!("    {p}"), Role::Bad)),
        );
    }
    let key = state.keymap.key(Action::Retry);
    lines.push(Strip::of(
        format!("`{key}` tries again what failed; what is done already is not done again"),
        Role::Muted,
    ));
    Panel::new(format!("Failed {}", operation.failures.len()), lines)
}

fn durations(operation: &OperationRow) -> Panel {
    let lines = operation.phase_durations.iter().map(|phase| {
        Strip::of(text::left(&phase.phase, 20), Role::Text)
            .add(text::right(&text::short_duration(phase.p50_milliseconds), 8), Role::Text)
            .add(text::right(&text::short_duration(phase.p95_milliseconds), 8), Role::Text)
            .add(format!("   {}", text::plural(phase.machines.unsigned_abs() as usize, "machine")), Role::Muted)
    });
    let head = Strip::of(
        format!("{}{}{}", text::left("PHASE", 20), text::right("P50", 8), text::right("P95", 8)),
        Role::Muted,
    );
    Panel::new("Phases", std::iter::once(head).chain(lines).collect())
}
