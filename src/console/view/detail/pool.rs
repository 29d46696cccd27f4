//! A pool: how many of what, the operation at work, every machine as a cell, and those in progress against time.

use super::{
    super::{gantt, pen::Strip, tree::role},
    Panel, Room, grid, rollout, scope, spark,
};
use crate::{
    api::MachineState,
    config::Role,
    console::{
        action::Action,
        glyphs::Glyphs,
        standing::{self, Place},
        state::State,
        text,
        trends::Of,
    },
    fleet::{Health, OperationRow, PoolNode},
};
use jiff::Timestamp;

pub fn panels(glyphs: Glyphs, state: &State, node: &PoolNode, room: Room) -> Vec<Panel> {
    let mut panels = vec![facts(glyphs, state, node, room)];
    let spark = spark::panel(glyphs, state, Of::Row(&node.row.uid), &node.counts, node.row.desired, room);
    let curves = spark.as_ref().filter(|_| !room.tight).map_or(0, |panel| panel.lines.len() + 2);
    let used: usize = panels[0].lines.len() + curves + if room.tight { 1 } else { 2 };
    let rest = room.height.saturating_sub(used);
    let grid_rows = if room.tight { 2 } else { (rest / 3).clamp(2, 14) };
    let grid = grid(glyphs, node, room.width, grid_rows);
    let left = if room.tight { rest } else { rest.saturating_sub(grid.lines.len() + 4) };
    let progress = progress(glyphs, state, node, room, left.max(4));
    // Where there is room for one of them, what moves says more than what does not.
    if room.tight {
        panels.extend([progress, grid]);
        panels.extend(spark);
    } else {
        panels.extend(spark);
        panels.extend([grid, progress]);
    }
    panels
}

fn facts(glyphs: Glyphs, state: &State, node: &PoolNode, room: Room) -> Panel {
    let row = &node.row;
    let counts = &node.counts;
    let unavailable = row.desired.saturating_sub(node.ready());
    let attention = |n: usize, role: Role| if n > 0 { role } else { Role::Text };
    let mut lines = Strip::new()
        .fact("desired", text::number(row.desired), Role::Title)
        .fact("ready", text::number(node.ready()), Role::Text)
        .fact("unavailable", text::number(unavailable), attention(unavailable, Role::Warning))
        .fact(
            "failed",
            text::number(counts.of(MachineState::Failed)),
            attention(counts.of(MachineState::Failed), Role::Bad),
        )
        .fact("idle capacity", text::number(state.snapshot.capacity(row)), Role::Accent)
        .flow(room.width);
    if room.tight {
        lines.truncate(1);
    }
    let version =
        row.version.as_deref().or_else(|| state.snapshot.cluster_of(row).and_then(|c| c.row.wanted_version.as_deref()));
    let mut second =
        Strip::new().fact("role", row.role.as_str(), Role::Text).fact("version", version.unwrap_or("–"), Role::Text);
    if row.production {
        second = second.fact("environment", "production", Role::Warning);
    }
    if let Some(resource) = &row.resource {
        let selector: Vec<String> = resource.spec.machine_selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
        if !selector.is_empty() {
            second = second.fact("takes", text::cut(&selector.join(" "), 40), Role::Text);
        }
        let budget = resource.spec.deletion_budget.map_or_else(|| "max(1, 10 %)".to_owned(), |n| n.to_string());
        second = second.fact("deletion budget", budget, Role::Text);
    }
    if !room.tight {
        lines.extend(second.flow(room.width));
    }
    if let Some(kept) = standing::kept(row.resource.as_ref()) {
        lines.extend(rollout::ended(glyphs, state, kept, room.width));
    }
    if let Some(rollout) = standing::rollout(row.resource.as_ref()) {
        lines.extend(rollout::lines(glyphs, state, node, rollout, room));
    } else if let Some(operation) = state.snapshot.operations_of(row).next() {
        lines.push(operation_bar(glyphs, state, node, operation, room.width));
        if !room.tight {
            lines.extend(who(operation, state.now).flow(room.width));
        }
    } else if !room.tight {
        let key = state.keymap.key(Action::Scale);
        lines.push(Strip::of(format!("no operation has worked here yet: `{key}` scales the pool"), Role::Muted));
    }
    // The lines of a rollout say it, and say it better.
    let is_said = standing::rollout(row.resource.as_ref()).is_some();
    let moving = counts.health(Health::Moving);
    if row.paused && moving > 0 {
        let machines = text::plural(moving, "machine");
        let still = format!("nothing more is begun; what has begun on hosts comes to its end: {machines}");
        lines.extend(text::wrap(&still, room.width).into_iter().map(|part| Strip::of(part, Role::Warning)));
    } else if let Some(message) = row.message.as_deref().filter(|_| !is_said) {
        let role = if node.health.is_problem() { Role::Warning } else { Role::Muted };
        lines.extend(text::wrap_to(message, room.width, 2).into_iter().map(|part| Strip::of(part, role)));
    }
    let title = format!("{} / {}", text::clean(&row.cluster), text::clean(&row.short_name));
    let word = match (row.paused, row.hold, row.phase) {
        (true, ..) => "Paused".to_owned(),
        (_, true, _) => "on hold".to_owned(),
        (_, _, Some(phase)) => format!("{phase:?}"),
        _ => String::new(),
    };
    let mut panel = Panel::new(title, lines);
    panel.title.push("   NodePool", Role::Muted);
    let (shape, role) = match (row.paused || row.hold, node.health) {
        (true, health) if health >= Health::Moving => (glyphs.pause(), Role::Warning),
        (_, health) => (glyphs.health(health), role(health)),
    };
    panel.right(Strip::of(format!("{shape} {word}").trim_end().to_owned(), role))
}

/// Columns of a bar that still is one.
const LEAST_BAR: usize = 6;

/// How far the operation is, and when it will be over.
fn operation_bar(glyphs: Glyphs, state: &State, node: &PoolNode, operation: &OperationRow, width: usize) -> Strip {
    let fraction = if operation.state == crate::api::OperationState::Succeeded { 1.0 } else { operation.fraction() };
    let role = role(operation.health());
    let mut strip = Strip::of(format!("  {}/{}", operation.progress.succeeded, operation.progress.total), Role::Text);
    if operation.progress.failed > 0 {
        strip.push(format!("  {} failed", operation.progress.failed), Role::Bad);
    }
    let from = operation.started_at.or(operation.created_at);
    let until = operation.finished_at.unwrap_or(state.now);
    if let Some(from) = from {
        strip.push(format!("  {}", text::duration(text::seconds_between(from, until))), Role::Text);
    }
    if operation.is_final() {
        strip.push(format!("  {}", operation.state.as_str()), role);
    } else if let Some(seconds) = remaining(state, node, operation) {
        strip.push(format!("  ETA {}", text::duration(seconds)), Role::Accent);
    }
    // The bar takes what is left: it says nothing that the numbers do not.
    let kind = format!("{} ", operation.type_.as_str());
    let percent = format!(" {:>3.0}%", fraction * 100.0);
    let left = width.saturating_sub(text::width(&kind) + strip.width());
    let percent = if left < LEAST_BAR + percent.len() { String::new() } else { percent };
    let columns = (left.saturating_sub(percent.len())).clamp(LEAST_BAR, (width / 3).clamp(10, 40));
    let (done, rest) = text::bar(fraction, columns, glyphs.is_ascii());
    let begin = Strip::of(kind, Role::Muted).add(done, role).add(rest, Role::Muted).add(percent, role);
    begin.append(strip).cut(width)
}

/// Seconds until the last machine is through, if each remaining phase takes as long as it usually does; nothing where one
/// waits for what nobody can foretell: a drain, a person, the end of a pause, a phase that takes longer than usual.
fn remaining(state: &State, node: &PoolNode, operation: &OperationRow) -> Option<i64> {
    let history = state.snapshot.history(node.row.uid.context);
    let machines = node.machines.iter().take_while(|m| m.health <= Health::Moving);
    let mut longest = None;
    for machine in machines.filter(|m| m.operation.as_ref() == Some(&operation.name)).take(200) {
        if operation.paused || machine.health != Health::Moving || machine.state == MachineState::Draining {
            return None;
        }
        let mut left = 0;
        for phase in machine.phases.iter().filter(|p| p.finished_at.is_none()) {
            let usual = history.phase(&phase.name)?.p50.as_millis() as i64;
            let spent = phase.elapsed(state.now).map_or(0, |d| d.as_millis() as i64);
            left += (usual - spent).max(0);
        }
        longest = longest.max(Some(left));
    }
    longest.filter(|left| *left > 0).map(|milliseconds| (milliseconds + 999) / 1000)
}

fn who(operation: &OperationRow, now: Timestamp) -> Strip {
    let mut strip = Strip::new();
    if let (Some(from), Some(to)) = (operation.from_replicas, operation.to_replicas) {
        strip = strip.fact("replicas", format!("{from} to {to}"), Role::Text);
    }
    if let Some(version) = &operation.resource.spec.version {
        strip = strip.fact("to", version, Role::Text);
    }
    strip = strip.fact("by", operation.by.as_deref().unwrap_or("–"), Role::Text);
    if let Some(reason) = &operation.reason {
        strip = strip.fact("reason", text::cut(reason, 40), Role::Text);
    }
    if let Some(at) = operation.started_at {
        strip = strip.fact("started", text::when(at, now), Role::Text);
    }
    strip
}

/// Every machine as one cell; several to a cell where there are too many.
fn grid(glyphs: Glyphs, node: &PoolNode, width: usize, rows: usize) -> Panel {
    let total = node.machines.len();
    let per_cell = total.div_ceil((width * rows).max(1)).max(1);
    let title = format!("Machines {}", text::number(total));
    let legend = |meanings: &[&[(Health, &str)]]| grid::fitting(glyphs, meanings, per_cell, &title, width);
    let (runs, legend) = match standing::rollout(node.row.resource.as_ref()) {
        Some(rollout) => {
            let places = standing::places(node, rollout);
            let meanings = Place::ALL.map(|p| (p.health(), p.as_str()));
            (places.map(|(place, count)| (place.health(), count)), legend(&[&meanings]))
        }
        // The order of the tree is by health, so runs say it all: no machine is looked at.
        None => (grid::runs(&node.counts), legend(&grid::BY_HEALTH)),
    };
    Panel::new(title, grid::cells(glyphs, &runs, width, per_cell)).right(legend)
}

fn progress(glyphs: Glyphs, state: &State, node: &PoolNode, room: Room, height: usize) -> Panel {
    let machines = gantt::in_progress(node.machines.iter(), 200);
    let counts = &node.counts;
    let total = [Health::Bad, Health::Warning, Health::Moving].map(|h| counts.health(h)).iter().sum::<usize>();
    if machines.is_empty() {
        // At rest what was done here says more than that nothing is being done.
        let operations: Vec<&OperationRow> = state.snapshot.operations_of(&node.row).map(AsRef::as_ref).collect();
        return scope::operations_panel(glyphs, state, &operations, Room { height: height.max(1), ..room });
    }
    let mut lines = gantt::machines(
        glyphs,
        &machines,
        state.snapshot.history(node.row.uid.context),
        state.now,
        room.width,
        if room.tight { height + 1 } else { height.saturating_sub(3).max(3) },
    );
    if room.tight {
        // Without the times of day: each line is a machine more.
        lines.remove(0);
    }
    for machine in machines.iter().filter(|m| m.health.is_problem()).take(3) {
        let why = machine.message.as_deref().unwrap_or("no reason is given");
        let text = format!("{} {}  {why}", glyphs.health(machine.health), machine.name);
        lines.push(Strip::of(text::cut(&text, room.width), role(machine.health)));
    }
    Panel::new(format!("In progress {}", text::number(total)), lines).growing()
}
