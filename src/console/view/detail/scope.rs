//! The fleet, the idle machines, a cluster: totals, and what is under way.

use super::{
    super::{contexts, pen::Strip, tree::role},
    Panel, Room, alike,
};
use crate::{
    api::MachineState,
    config::Role,
    console::{action::Action, glyphs::Glyphs, state::State, text},
    fleet::{ClusterNode, ContextId, Machines, OperationRow, StateCounts},
};

pub fn fleet(glyphs: Glyphs, state: &State, room: Room) -> Vec<Panel> {
    let snapshot = &*state.snapshot;
    let desired: usize = snapshot.clusters.iter().map(|c| c.desired).sum();
    let mut lines = vec![
        Strip::new()
            .fact("clusters", text::number(snapshot.clusters.len()), Role::Text)
            .fact("pools", text::number(snapshot.pools().count()), Role::Text)
            .fact("machines", text::number(snapshot.counts.total()), Role::Text)
            .fact(
                "ready",
                format!("{}/{}", text::number(snapshot.counts.of(MachineState::Ready)), text::number(desired)),
                Role::Title,
            )
            .fact("idle", text::number(snapshot.idle_count()), Role::Accent),
        states(&snapshot.counts),
    ];
    for refused in snapshot.connection.refused.iter() {
        lines.push(Strip::of(text::cut(refused, room.width), Role::Warning));
    }
    let mut title = Panel::new(text::clean(&state.title()), lines);
    title.title.push(if snapshot.is_of_several() { "   meta clusters" } else { "   meta cluster" }, Role::Muted);
    let operations: Vec<&OperationRow> = snapshot.operations.iter().map(AsRef::as_ref).collect();
    let mut panels = vec![title];
    panels.extend(alike::of_fleet(state, room));
    panels.push(operations_panel(glyphs, state, &operations, room));
    panels
}

/// One of several meta clusters.
pub fn context(glyphs: Glyphs, state: &State, context: ContextId, room: Room) -> Vec<Panel> {
    let Some(here) = state.snapshot.of(context) else { return Vec::new() };
    let known = state.context(context);
    let desired: usize = here.clusters.iter().map(|c| c.desired).sum();
    let ready = format!("{}/{}", text::number(here.counts.of(MachineState::Ready)), text::number(desired));
    let mut lines = vec![
        Strip::new()
            .fact("clusters", text::number(here.clusters.len()), Role::Text)
            .fact("pools", text::number(here.pools().count()), Role::Text)
            .fact("machines", text::number(here.counts.total()), Role::Text)
            .fact("ready", ready, Role::Title)
            .fact("idle", text::number(here.idle_count()), Role::Accent),
        states(&here.counts),
        contexts::line(glyphs, &here.connection, state.now).fact(
            "namespace",
            text::cut(&known.place.namespace, 40),
            Role::Text,
        ),
    ];
    let said = here.connection.line.error().map(ToOwned::to_owned).into_iter();
    let said = said.chain(here.connection.refused.iter().map(ToString::to_string)).chain(state.only_look_in(context));
    for sentence in said {
        lines.extend(text::wrap(&sentence, room.width).into_iter().take(3).map(|part| Strip::of(part, Role::Warning)));
    }
    let mut title = Panel::new(text::clean(&known.place.context), lines);
    title.title.push("   meta cluster", Role::Muted);
    let operations: Vec<&OperationRow> = here.operations.iter().map(AsRef::as_ref).collect();
    vec![title, operations_panel(glyphs, state, &operations, room)]
}

pub fn idle(state: &State, context: ContextId) -> Vec<Panel> {
    let snapshot = &*state.snapshot;
    let mut lines = vec![Strip::new().fact(
        "idle machines",
        text::number(snapshot.idle(context).map_or(0, Machines::len)),
        Role::Title,
    )];
    lines.push(Strip::of("free to be claimed by a pool whose selector matches their labels", Role::Muted));
    lines.push(Strip::new());
    let here = snapshot.pools().filter(|(cluster, _)| cluster.row.uid.context == context);
    for (cluster, pool) in here.take(200) {
        lines.push(
            Strip::of(text::left(&format!("{}/{}", cluster.row.name, pool.row.short_name), 40), Role::Text)
                .add(format!(" could claim {}", text::number(snapshot.capacity(&pool.row))), Role::Muted),
        );
    }
    vec![Panel::new("Idle machines", lines)]
}

/// Machines by state, only the states that there are.
fn states(counts: &StateCounts) -> Strip {
    MachineState::ALL.into_iter().filter(|state| counts.of(*state) > 0).fold(Strip::new(), |strip, state| {
        let role = match state {
            MachineState::Failed => Role::Bad,
            MachineState::NotReady => Role::Warning,
            s if s.is_moving() => Role::Moving,
            _ => Role::Text,
        };
        strip.fact(state.as_str(), text::number(counts.of(state)), role)
    })
}

pub fn cluster(glyphs: Glyphs, state: &State, node: &ClusterNode, room: Room) -> Vec<Panel> {
    let row = &node.row;
    let version = match (&row.version, &row.wanted_version) {
        (Some(is), Some(wanted)) if is != wanted => format!("{is} {} {wanted}", glyphs.arrow()),
        (Some(is), _) => is.to_string(),
        (None, Some(wanted)) => format!("wants {wanted}"),
        (None, None) => "–".to_owned(),
    };
    let mut lines = vec![
        Strip::new()
            .fact("ready", format!("{}/{}", text::number(node.ready()), text::number(node.desired)), Role::Title)
            .fact("nodes", format!("{}/{}", text::number(row.nodes_ready), text::number(row.nodes)), Role::Text)
            .fact("version", version, Role::Text)
            .fact("pools", text::number(node.pools.len()), Role::Text),
        states(&node.counts),
    ];
    let mut third = Strip::new().fact("endpoint", text::cut(row.endpoint.as_deref().unwrap_or("–"), 48), Role::Text);
    if let Some(at) = row.last_probe_at {
        third = third.fact(
            "last seen",
            text::clock(at),
            if row.reachable == Some(false) { Role::Warning } else { Role::Text },
        );
    }
    if row.production {
        third = third.fact("environment", "production", Role::Warning);
    }
    lines.push(third);
    if let Some(message) = &row.message {
        lines.extend(text::wrap(message, room.width).into_iter().take(3).map(|part| Strip::of(part, Role::Warning)));
    }
    let word = row.phase.map(|p| format!("{p:?}")).unwrap_or_default();
    let mut facts = Panel::new(text::clean(&row.name), lines)
        .right(Strip::of(format!("{} {word}", glyphs.health(node.health)).trim_end().to_owned(), role(node.health)));
    facts.title.push("   Cluster", Role::Muted);
    if row.simulated {
        facts.title.push("   simulated", Role::Simulated);
    }
    let operations: Vec<&OperationRow> = state
        .snapshot
        .operations_in(row.uid.context)
        .iter()
        .filter(|o| o.cluster == row.name)
        .map(AsRef::as_ref)
        .collect();
    vec![facts, pools(glyphs, node, room), operations_panel(glyphs, state, &operations, room)]
}

fn pools(glyphs: Glyphs, node: &ClusterNode, room: Room) -> Panel {
    let width = (room.width / 3).clamp(10, 30);
    let lines = node.pools.iter().take(12).map(|pool| {
        let row = &pool.row;
        let fraction = if row.desired == 0 { 1.0 } else { pool.ready() as f64 / row.desired as f64 };
        let (done, rest) = text::bar(fraction, width.min(24), glyphs.is_ascii());
        Strip::of(format!("{} ", glyphs.health(pool.health)), role(pool.health))
            .add(text::left(&row.short_name, width), Role::Text)
            .add(done, role(pool.health))
            .add(rest, Role::Muted)
            .add(format!(" {}/{}", text::number(pool.ready()), text::number(row.desired)), Role::Text)
            .add(if row.paused { "  paused" } else { "" }, Role::Warning)
    });
    Panel::new(format!("Pools {}", node.pools.len()), lines.collect())
}

/// Operations, the newest first, each on a line.
pub fn operations_panel(glyphs: Glyphs, state: &State, operations: &[&OperationRow], room: Room) -> Panel {
    let under_way = operations.iter().filter(|o| !o.is_final()).count();
    let shown = &operations[..operations.len().min(room.height)];
    let column = shown.iter().map(|o| count(o).len()).max().unwrap_or(0);
    let mut lines: Vec<Strip> = shown.iter().map(|o| operation(glyphs, state, o, room.width, column)).collect();
    if lines.is_empty() {
        let key = state.keymap.key(Action::Scale);
        let how = format!("nothing has been done yet: put the cursor on a pool and press `{key}`");
        lines.push(Strip::of(how, Role::Muted));
    }
    let title = if under_way > 0 { format!("Operations {under_way} under way") } else { "Operations".to_owned() };
    Panel::new(title, lines).growing()
}

fn count(operation: &OperationRow) -> String {
    format!("{}/{}", operation.progress.succeeded, operation.progress.total)
}

/// `column` is as wide as the longest count of the list.
fn operation(glyphs: Glyphs, state: &State, operation: &OperationRow, width: usize, column: usize) -> Strip {
    let role = role(operation.health());
    let (done, rest) = text::bar(
        if operation.is_final() { 1.0 } else { operation.fraction() },
        if width > 90 { 16 } else { 8 },
        glyphs.is_ascii(),
    );
    let at = operation.finished_at.or(operation.started_at).or(operation.created_at);
    let before = if state.context_here().is_none() {
        contexts::column(state, Some(operation.uid.context))
    } else {
        String::new()
    };
    let place = format!("{}/{}", operation.cluster, operation.pool.as_deref().unwrap_or("–"));
    let place = place.replace(&format!("{0}/{0}-", operation.cluster), &format!("{}/", operation.cluster));
    Strip::of(format!("{} ", glyphs.operation(operation.state, operation.paused)), role)
        .add(before, Role::Muted)
        .add(text::left(&place, (width / 3).clamp(14, 36)), Role::Text)
        .add(format!(" {} ", text::left(operation.type_.as_str(), 10)), Role::Muted)
        .add(done, role)
        .add(rest, Role::Muted)
        .add(format!(" {} ", text::right(&count(operation), column)), Role::Text)
        .add(text::left(operation.state.as_str(), 10), role)
        .add(
            at.map(|at| text::right(&text::duration(text::seconds_between(at, state.now)), 7)).unwrap_or_default(),
            Role::Muted,
        )
        .add(operation.by.as_deref().map(|by| format!("  {}", text::cut(by, 16))).unwrap_or_default(), Role::Muted)
}
