//! The fleet, the idle machines, a cluster: totals, and what is under way.

use super::{
    super::{contexts, pen::Strip, tree::role},
    Panel, Room, alike, grid,
    grid::{Entries, Entry},
    spark,
};
use crate::{
    api::MachineState,
    config::Role,
    console::{
        action::Action,
        contexts::{is_stale, is_unknown, unread},
        glyphs::Glyphs,
        state::State,
        text,
        trends::Of,
    },
    fleet::{ClusterNode, ContextId, Health, Machines, OperationRow, Snapshot, StateCounts},
};
use std::sync::Arc;

pub fn fleet(glyphs: Glyphs, state: &State, room: Room) -> Vec<Panel> {
    let snapshot = &*state.snapshot;
    let desired: usize = snapshot.clusters.iter().map(|c| c.desired).sum();
    let mut lines = vec![totals(snapshot, is_unknown(snapshot, None)), states(&snapshot.counts)];
    let unread = unread(state, None).into_iter().flat_map(|why| text::wrap_to(&why, room.width, 2));
    lines.extend(unread.map(|part| Strip::of(part, Role::Warning)));
    for refused in snapshot.connection.refused.iter() {
        lines.push(Strip::of(text::cut(refused, room.width), Role::Warning));
    }
    let mut title = Panel::new(text::clean(&state.title()), lines);
    title.title.push(if snapshot.is_of_several() { "   meta clusters" } else { "   meta cluster" }, Role::Muted);
    let operations: Vec<&OperationRow> = snapshot.operations.iter().map(AsRef::as_ref).collect();
    let mut panels = with_clusters(glyphs, state, title.flowing(room.width), &snapshot.clusters, room);
    panels.extend(spark::panel(glyphs, state, Of::Fleet, &snapshot.counts, desired, room));
    panels.extend(alike::of_fleet(state, room));
    panels.push(operations_panel(glyphs, state, &operations, room));
    panels
}

/// How the line is, and the namespace: what that is the server says, once it has answered.
fn place(line: Strip, namespace: &str) -> Strip {
    if namespace.is_empty() { line } else { line.fact("namespace", text::cut(namespace, 40), Role::Text) }
}

/// How many there are of what; `?` where nobody knows.
fn totals(fleet: &Snapshot, is_unknown: bool) -> Strip {
    let number = |count: usize| if is_unknown { "?".to_owned() } else { text::number(count) };
    let desired: usize = fleet.clusters.iter().map(|c| c.desired).sum();
    let ready = format!("{}/{}", number(fleet.counts.of(MachineState::Ready)), number(desired));
    Strip::new()
        .fact("clusters", number(fleet.clusters.len()), Role::Text)
        .fact("pools", number(fleet.pools().count()), Role::Text)
        .fact("machines", number(fleet.counts.total()), Role::Text)
        .fact("ready", if is_unknown { "?".to_owned() } else { ready }, Role::Title)
        .fact("idle", number(fleet.idle_count()), Role::Accent)
}

/// Clusters that are well and of one version: a row that stands for all of them.
pub fn clusters(glyphs: Glyphs, state: &State, nodes: &[Arc<ClusterNode>], room: Room) -> Vec<Panel> {
    let sum = |of: fn(&ClusterNode) -> usize| nodes.iter().map(|node| of(node)).sum::<usize>();
    let (ready, desired) = (sum(ClusterNode::ready), sum(|node| node.desired));
    let version = nodes.first().and_then(|node| node.row.version.as_deref()).unwrap_or("–");
    let line = Strip::new()
        .fact("clusters", text::number(nodes.len()), Role::Text)
        .fact("pools", text::number(sum(|node| node.pools.len())), Role::Text)
        .fact("ready", format!("{}/{}", text::number(ready), text::number(desired)), Role::Title)
        .fact("version", version, Role::Text);
    let health = Health::Good;
    let mut facts = Panel::new(format!("{} that are alike", text::plural(nodes.len(), "cluster")), vec![line])
        .right(Strip::of(format!("{} same", glyphs.health(health)), role(health)));
    facts.title.push("   Clusters", Role::Muted);
    let key = state.keymap.key(Action::Expand);
    let mut panels = with_clusters(glyphs, state, facts.flowing(room.width), nodes, room);
    if let Some(last) = panels.last_mut().filter(|_| !room.tight) {
        last.lines.push(Strip::of(format!("`{key}` shows them one by one"), Role::Muted));
    }
    panels
}

/// One of several meta clusters.
pub fn context(glyphs: Glyphs, state: &State, context: ContextId, room: Room) -> Vec<Panel> {
    let Some(here) = state.snapshot.of(context) else { return Vec::new() };
    let known = state.context(context);
    let desired: usize = here.clusters.iter().map(|c| c.desired).sum();
    let mut lines = vec![
        totals(here, is_unknown(&state.snapshot, Some(context))),
        states(&here.counts),
        place(contexts::line(glyphs, &here.connection, state.now), &known.place.namespace),
    ];
    let said = here.connection.line.error().map(ToOwned::to_owned).into_iter();
    let said = said.chain(here.connection.refused.iter().map(ToString::to_string)).chain(state.only_look_in(context));
    for sentence in said {
        lines.extend(text::wrap_to(&sentence, room.width, 3).into_iter().map(|part| Strip::of(part, Role::Warning)));
    }
    let mut title = Panel::new(text::clean(&known.place.context), lines);
    title.title.push("   meta cluster", Role::Muted);
    let operations: Vec<&OperationRow> = here.operations.iter().map(AsRef::as_ref).collect();
    let mut panels = with_clusters(glyphs, state, title.flowing(room.width), &here.clusters, room);
    panels.extend(spark::panel(glyphs, state, Of::Context(context), &here.counts, desired, room));
    panels.push(operations_panel(glyphs, state, &operations, room));
    panels
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
            text::ago(at, state.now),
            if row.reachable == Some(false) { Role::Warning } else { Role::Text },
        );
    }
    if row.production {
        third = third.fact("environment", "production", Role::Warning);
    }
    lines.push(third);
    if let Some(message) = &row.message {
        lines.extend(text::wrap_to(message, room.width, 3).into_iter().map(|part| Strip::of(part, Role::Warning)));
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
    let pools: Vec<Entry> = node.pools.iter().map(|pool| Entry::pool(pool)).collect();
    let pools = Entries::all(pools);
    let mut panels = grid::below(glyphs, facts.flowing(room.width), "Pools", &pools, room);
    panels.extend(spark::panel(glyphs, state, Of::Row(&row.uid), &node.counts, node.desired, room));
    panels.push(operations_panel(glyphs, state, &operations, room));
    panels
}

/// The facts, and where the machines are: one row for each cluster, the worst first.
fn with_clusters(glyphs: Glyphs, state: &State, facts: Panel, clusters: &[Arc<ClusterNode>], room: Room) -> Vec<Panel> {
    grid::below(glyphs, facts, "Clusters", &Entries::worst(state, clusters, room.height.max(3)), room)
}

/// Operations, the newest first, each on a line.
pub fn operations_panel(glyphs: Glyphs, state: &State, operations: &[&OperationRow], room: Room) -> Panel {
    let shown = &operations[..operations.len().min(room.height)];
    let columns = Columns::of(state, shown, room.width);
    let mut lines: Vec<Strip> = shown.iter().map(|o| operation(glyphs, state, o, &columns)).collect();
    if lines.is_empty() {
        let key = state.keymap.key(Action::Scale);
        let unread = unread(state, state.context_here()).into_iter().next();
        let how =
            unread.unwrap_or_else(|| format!("nothing has been done yet: put the cursor on a pool and press `{key}`"));
        lines.extend(text::wrap(&how, room.width).into_iter().map(|part| Strip::of(part, Role::Muted)));
    }
    let under_way = contexts::under_way(state, operations.iter().copied());
    let title = under_way.map_or_else(|| "Operations".to_owned(), |count| format!("Operations {count}"));
    Panel::new(title, lines).growing()
}

fn count(operation: &OperationRow) -> String {
    format!("{}/{}", operation.progress.succeeded, operation.progress.total)
}

/// Columns of a state, of the time that it took with the space before it, and of whoever asked for it.
const STATE: usize = 10;
const TIME: usize = 7;
const WHO: usize = 16;

/// How wide the columns of a list of operations are.
struct Columns {
    /// The row says its context.
    context: bool,
    place: usize,
    kind: usize,
    bar: usize,
    count: usize,
    all: usize,
}

impl Columns {
    /// State and time are never cut, for half a number is another number: what goes before them shares what they leave.
    fn of(state: &State, shown: &[&OperationRow], width: usize) -> Self {
        let context = state.context_here().is_none();
        let before = if context { text::width(&contexts::column(state, None)) } else { 0 };
        let count = shown.iter().map(|o| count(o).len()).max().unwrap_or(0);
        // The shape, the spaces around kind and count, and what is never cut.
        let left = width.saturating_sub(2 + before + 2 + count + 2 + STATE + TIME);
        let kind = left.saturating_sub(14).min(10);
        let bar = left.saturating_sub(14 + kind).min(if width > 90 { 16 } else { 8 });
        let place = (left - kind - bar).min((width / 3).clamp(14, 36));
        Self { context, place, kind, bar, count, all: width }
    }
}

fn operation(glyphs: Glyphs, state: &State, operation: &OperationRow, columns: &Columns) -> Strip {
    let role = role(operation.health());
    let fraction = if operation.is_final() { 1.0 } else { operation.fraction() };
    let (done, rest) = text::bar(fraction, columns.bar, glyphs.is_ascii());
    let mut strip = Strip::of(format!("{} ", glyphs.operation(operation.state, operation.paused)), role);
    if columns.context {
        strip = strip.append(contexts::named(state, operation.uid.context));
    }
    let place = format!("{}/{}", operation.cluster, operation.pool.as_deref().unwrap_or("–"));
    let place = place.replace(&format!("{0}/{0}-", operation.cluster), &format!("{}/", operation.cluster));
    strip = strip
        .add(text::left(&place, columns.place), Role::Text)
        .add(format!(" {} ", text::left(operation.type_.as_str(), columns.kind)), Role::Muted)
        .add(done, role)
        .add(rest, Role::Muted)
        .add(format!(" {} ", text::right(&count(operation), columns.count)), Role::Text)
        .add(text::left(operation.state.as_str(), STATE), role);
    let time = contexts::age_of(state, operation).map(|age| text::right(&age, TIME));
    let who = operation.by.as_deref().map(|by| format!("  {}", text::cut(by, WHO)));
    for piece in [time, who].into_iter().flatten() {
        if strip.width() + text::width(&piece) > columns.all {
            break;
        }
        strip.push(piece, Role::Muted);
    }
    if is_stale(&state.snapshot, operation.uid.context) { strip.stale(glyphs) } else { strip }
}
