//! The fleet tree: one line for each row that can be seen.

use super::{
    super::{
        contexts::{as_of, is_stale, is_unknown},
        glyphs::Glyphs,
        standing,
        state::{Pane, State},
        text,
        tree::Row,
    },
    contexts,
    pen::{Pen, Strip, row_of},
};
use crate::{
    api::MachineState,
    config::Role,
    fleet::{ClusterNode, ContextId, Health, MachineRow, PoolNode, StateCounts},
};
use jiff::Timestamp;
use ratatui::layout::Rect;
use std::hash::{Hash, Hasher};

/// Widths of the columns.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub name: usize,
    ready: usize,
    version: usize,
    pub state: usize,
}

impl Columns {
    /// The columns of a pane; numbers get the room that the largest of them takes.
    fn of(width: usize, state: &State) -> Self {
        let desired: usize = state.snapshot.clusters.iter().map(|c| c.desired).sum();
        let total = state.snapshot.counts.of(MachineState::Ready).max(state.snapshot.idle_count());
        let ready = text::width(&ratio(total, desired)).clamp(7, 15);
        let version = if width < 64 { 8 } else { 9 };
        let state = (width * 3 / 10).clamp(12, 34);
        Self { name: width.saturating_sub(1 + ready + version + state + 3), ready, version, state }
    }
}

pub fn draw(pen: &mut Pen, state: &State, area: Rect) {
    let focused = state.pane == Pane::Main;
    let title = Strip::of("Fleet", Role::Title).append(super::header::compact(state));
    let inner = pen.frame(area, focused, &title, &right_title(state));
    if inner.height == 0 {
        return;
    }
    let columns = Columns::of(inner.width.into(), state);
    let head = Strip::of(
        format!(
            "   {} {} {} {}",
            text::left("NAME", columns.name - 2),
            text::right("READY", columns.ready),
            text::left("VERSION", columns.version),
            "STATE"
        ),
        Role::Muted,
    );
    pen.strip(row_of(inner, 0), &head);
    let rows = state.layout().list_height();
    for offset in 0..rows {
        let index = state.tree.top + offset;
        let Some(row) = state.tree.row(&state.snapshot, index) else { break };
        let here = row_of(inner, offset as u16 + 1);
        let selected = index == state.tree.index();
        pen.strip(here, &strip(pen, state, row, columns, selected));
        if selected {
            pen.highlight(here);
        }
    }
    if state.tree.len() <= 1 {
        empty(pen, state, inner);
    }
}

fn right_title(state: &State) -> Strip {
    let snapshot = &state.snapshot;
    if let Some(matches) = state.sifter.matches() {
        return Strip::of(
            format!("{} of {} match", text::number(matches.count), text::number(snapshot.counts.total())),
            Role::Accent,
        );
    }
    let what = if state.problems_only { "only problems" } else { "problems first" };
    Strip::of(format!("{} · {what}", text::plural(snapshot.clusters.len(), "cluster")), Role::Muted)
}

fn empty(pen: &mut Pen, state: &State, inner: Rect) {
    let none = "There are no clusters in this namespace yet. Create a ClusterDeployment, or try `quarterdeck demo`.";
    super::nothing::draw(pen, state, inner, 3, none);
}

/// What can be seen of a row: two rows of one digest look the same.
pub fn fingerprint(state: &State, row: Option<Row>, hash: &mut impl Hasher) {
    let Some(row) = row else { return };
    let counts = |counts: &StateCounts, hash: &mut _| {
        Health::ALL.map(|health| counts.health(health)).hash(hash);
        counts.of(MachineState::Ready).hash(hash);
    };
    match row {
        Row::Meta { .. } => {
            contexts::out_of_reach(state.glyphs, &state.snapshot).hash(hash);
            let beyond = beyond_machines(state.glyphs, &state.snapshot.clusters, &state.snapshot.counts);
            beyond.map(|(words, _)| words).hash(hash);
        }
        Row::Context { context, .. } => contexts::fingerprint(state, context, hash),
        Row::Cluster { node, .. } => {
            (&node.row.name, &node.row.version, node.health, node.desired).hash(hash);
            (node.row.paused, node.row.reachable, &node.row.message).hash(hash);
            counts(&node.counts, hash);
        }
        Row::Clusters { nodes, .. } => {
            (nodes.len(), &nodes[0].row.name).hash(hash);
            nodes.iter().for_each(|node| counts(&node.counts, hash));
        }
        Row::Pool { node, .. } => {
            (&node.row.name, &node.row.version, node.health, node.row.desired).hash(hash);
            (node.row.paused, node.row.hold, &node.row.message).hash(hash);
            standing::rollout(node.row.resource.as_ref()).map(|r| r.from_versions.first()).hash(hash);
            counts(&node.counts, hash);
        }
        Row::Machines { node, .. } => counts(&node.counts, hash),
        Row::Idle { machines, .. } => machines.len().hash(hash),
        Row::Machine { machine, .. } => {
            (&machine.uid, machine.state as u8, machine.health, &machine.phase, &machine.message).hash(hash);
            (machine.version(), machine.phase_since, machine.state_since).hash(hash);
            (machine.node.as_ref().map(|node| node.unschedulable), machine.maintenance.is_some()).hash(hash);
        }
    }
}

fn strip(pen: &Pen, state: &State, row: Row, columns: Columns, selected: bool) -> Strip {
    let glyphs = pen.glyphs;
    let mut strip = Strip::of(if selected { glyphs.cursor() } else { " " }, Role::Accent);
    let branch = |open: bool| glyphs.branch(open);
    let deep = deep(state);
    let stale = context_of(row).is_some_and(|context| is_stale(&state.snapshot, context));
    match row {
        Row::Meta { open } => {
            let counts = &state.snapshot.counts;
            let desired: usize = state.snapshot.clusters.iter().map(|c| c.desired).sum();
            name(&mut strip, 0, branch(open), &state.title(), Role::Title, columns);
            let ready = match is_unknown(&state.snapshot, None) {
                true => "?".to_owned(),
                false => ratio(counts.of(MachineState::Ready), desired),
            };
            numbers(&mut strip, &ready, "", columns);
            match contexts::out_of_reach(glyphs, &state.snapshot) {
                // Where not all have answered, nothing wrong is not all well.
                Some(words) if Health::ALL.iter().all(|h| !h.is_problem() || counts.health(*h) == 0) => {
                    strip.push(text::cut(&words, columns.state), Role::Warning);
                }
                _ => match beyond_machines(pen.glyphs, &state.snapshot.clusters, counts) {
                    Some((words, health)) => strip.push(text::cut(&words, columns.state), role(health)),
                    None => summary(&mut strip, pen, counts, columns),
                },
            }
        }
        Row::Context { context, open } => contexts::row(&mut strip, pen, state, context, open, columns),
        Row::Cluster { node, open } => cluster(&mut strip, pen, (node, 1 + deep), open, columns),
        Row::Clusters { nodes, open } => clusters(&mut strip, pen, (nodes, 1 + deep), open, columns),
        Row::Pool { node, open } => pool(&mut strip, pen, state, node, open, columns),
        Row::Machines { node, from, open } => {
            let count = node.machines.len() - from;
            let first = node.machines.at(from).map_or("", |m| &m.name);
            let last = node.machines.at(node.machines.len() - 1).map_or("", |m| &m.name);
            let label = format!("{first} {} {}", glyphs.ellipsis(), tail(first, last));
            name(&mut strip, 3 + deep, branch(open), &label, Role::Muted, columns);
            numbers(&mut strip, &text::number(count), node.row.version.as_deref().unwrap_or_default(), columns);
            strip.push(format!("{} same", glyphs.health(Health::Good)), Role::Good);
        }
        Row::Idle { machines, open, .. } => {
            name(&mut strip, 1 + deep, branch(open), "idle machines", Role::Text, columns);
            numbers(&mut strip, &text::number(machines.len()), "", columns);
            strip.push(format!("{} free", glyphs.health(Health::Idle)), Role::Idle);
        }
        Row::Machine { machine, depth } => {
            if state.marks.contains(&machine.uid) {
                strip = Strip::of("*", Role::Accent);
            }
            self::machine(&mut strip, pen, state, machine, depth, columns);
        }
    }
    if stale { strip.stale(glyphs) } else { strip }
}

/// The context that a row is of; its own branch says how its line is.
fn context_of(row: Row) -> Option<ContextId> {
    match row {
        Row::Meta { .. } | Row::Context { .. } => None,
        Row::Cluster { node, .. } => Some(node.row.uid.context),
        Row::Clusters { nodes, .. } => nodes.first().map(|node| node.row.uid.context),
        Row::Pool { node, .. } | Row::Machines { node, .. } => Some(node.row.uid.context),
        Row::Idle { context, .. } => Some(context),
        Row::Machine { machine, .. } => Some(machine.uid.context),
    }
}

/// Clusters stand one deeper where each context has a branch.
fn deep(state: &State) -> usize {
    usize::from(state.snapshot.is_of_several())
}

pub(super) fn name(strip: &mut Strip, depth: usize, mark: &str, label: &str, role: Role, columns: Columns) {
    let indent = depth * 2;
    // In the colour of what follows: a colour that changes is bytes for each cursor key.
    strip.push(format!("{}{mark} ", " ".repeat(indent)), role);
    strip.push(text::left(label, columns.name.saturating_sub(indent + 2)), role);
    strip.push(" ", Role::Text);
}

pub(super) fn numbers(strip: &mut Strip, ready: &str, version: &str, columns: Columns) {
    strip.push(text::right(ready, columns.ready), Role::Text);
    strip.push(" ", Role::Text);
    strip.push(text::left(version, columns.version), Role::Muted);
    strip.push(" ", Role::Text);
}

pub(super) fn ratio(ready: usize, desired: usize) -> String {
    format!("{}/{}", text::number(ready), text::number(desired))
}

/// The end of the last name that differs from the first: `m-0001 … 0412`.
fn tail<'a>(first: &str, last: &'a str) -> &'a str {
    let common = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    let cut = last[..floor(last, common)].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    &last[floor(last, cut)..]
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// How many of what needs attention; a tick if nothing does.
fn summary(strip: &mut Strip, pen: &Pen, counts: &StateCounts, columns: Columns) {
    let mut used = 0;
    for health in [Health::Bad, Health::Warning, Health::Moving] {
        let count = counts.health(health);
        let piece = format!("{} {} ", pen.glyphs.health(health), text::number(count));
        if count > 0 && used + text::width(&piece) <= columns.state {
            used += text::width(&piece);
            strip.push(piece, role(health));
        }
    }
    if used == 0 {
        strip.push(pen.glyphs.health(Health::Good), Role::Good);
    }
}

/// How many clusters are worse off than any of their machines, and how bad that is: a pool that is blocked for want of
/// machines has none that is ill.
pub(super) fn beyond_machines(
    glyphs: Glyphs,
    clusters: &[std::sync::Arc<ClusterNode>],
    counts: &StateCounts,
) -> Option<(String, Health)> {
    let worst = clusters.iter().map(|cluster| cluster.health).min()?;
    if worst > Health::Moving || counts.worst() <= worst {
        return None;
    }
    let count = clusters.iter().filter(|cluster| cluster.health == worst).count();
    Some((format!("{} {}", glyphs.health(worst), text::plural(count, "cluster")), worst))
}

fn cluster(strip: &mut Strip, pen: &Pen, (node, depth): (&ClusterNode, usize), open: bool, columns: Columns) {
    let row = &node.row;
    name(strip, depth, pen.glyphs.branch(open), &row.name, Role::Text, columns);
    let version = row.version.as_deref().or(row.wanted_version.as_deref()).unwrap_or_default();
    numbers(strip, &ratio(node.ready(), node.desired), version, columns);
    if row.reachable == Some(false) {
        strip.push(text::cut(&format!("{} out of reach", pen.glyphs.connection(false)), columns.state), Role::Warning);
    } else if row.paused {
        strip.push(format!("{} paused", pen.glyphs.pause()), Role::Warning);
    } else if node.health < Health::Moving && node.counts.worst() >= Health::Moving {
        let why = row.message.as_deref().unwrap_or("degraded");
        strip.push(text::cut(&format!("{} {why}", pen.glyphs.health(node.health)), columns.state), role(node.health));
    } else {
        summary(strip, pen, &node.counts, columns);
        if node.counts.worst() == Health::Good && node.health == Health::Moving {
            strip.push(" scaling", Role::Moving);
        }
    }
}

fn clusters(
    strip: &mut Strip,
    pen: &Pen,
    (nodes, depth): (&[std::sync::Arc<ClusterNode>], usize),
    open: bool,
    columns: Columns,
) {
    let (first, last) = (&nodes[0].row, &nodes[nodes.len() - 1].row);
    let label = format!("{} {} {} ({})", first.name, pen.glyphs.ellipsis(), tail(&first.name, &last.name), nodes.len());
    name(strip, depth, pen.glyphs.branch(open), &label, Role::Text, columns);
    let ready = nodes.iter().map(|n| n.ready()).sum();
    let desired = nodes.iter().map(|n| n.desired).sum();
    numbers(strip, &ratio(ready, desired), first.version.as_deref().unwrap_or_default(), columns);
    strip.push(format!("{} same", pen.glyphs.health(Health::Good)), Role::Good);
}

fn pool(strip: &mut Strip, pen: &Pen, state: &State, node: &PoolNode, open: bool, columns: Columns) {
    let row = &node.row;
    name(strip, 2 + deep(state), pen.glyphs.branch(open), &row.short_name, Role::Text, columns);
    let rollout = standing::rollout(row.resource.as_ref());
    let from = rollout.and_then(|r| r.from_versions.first());
    let version = way(from.map(String::as_str), row.version.as_deref().unwrap_or_default(), pen.glyphs.arrow());
    numbers(strip, &ratio(node.ready(), row.desired), &version, columns);
    if row.paused || row.hold {
        let word = if row.paused { "paused" } else { "hold" };
        strip.push(format!("{} {word}", pen.glyphs.pause()), Role::Warning);
        return;
    }
    let rolling = rollout.map(|r| standing::fraction(r, row.desired));
    let working = state.snapshot.operations_of(row).next().filter(|o| !o.is_final());
    if let Some(fraction) = rolling.or(working.map(|o| o.fraction())).filter(|_| node.health >= Health::Moving) {
        let room = columns.state.saturating_sub(7).min(12);
        let (done, rest) = text::bar(fraction, room, pen.glyphs.is_ascii());
        strip.push(format!("{} ", pen.glyphs.health(Health::Moving)), Role::Moving);
        strip.push(done, Role::Moving);
        strip.push(rest, Role::Muted);
        strip.push(format!(" {:>3.0}%", fraction * 100.0), Role::Moving);
        return;
    }
    if node.health < Health::Moving && node.counts.worst() >= Health::Moving {
        let why = row.message.as_deref().unwrap_or("blocked");
        strip.push(text::cut(&format!("{} {why}", pen.glyphs.health(node.health)), columns.state), role(node.health));
        return;
    }
    summary(strip, pen, &node.counts, columns);
    if node.counts.worst() == Health::Good && node.health == Health::Moving {
        strip.push(" scaling", Role::Moving);
    }
}

/// The version of a pool, and which one it comes from while it is rolled out, in a narrow column: `34→35.0`, `34.2→.5`.
fn way(from: Option<&str>, to: &str, arrow: &str) -> String {
    let numbers = |version: &'_ str| {
        let mut parts = version.trim_start_matches('v').splitn(3, '.').map(ToOwned::to_owned);
        Some((parts.next()?, parts.next()?, parts.next()?))
    };
    let Some((old, new)) = from.filter(|from| *from != to).and_then(numbers).zip(numbers(to)) else {
        return to.to_owned();
    };
    match (old.0 == new.0, old.1 == new.1) {
        (true, true) => format!("{}.{}{arrow}.{}", old.1, old.2, new.2),
        (true, false) => format!("{}{arrow}{}.{}", old.1, new.1, new.2),
        _ => to.to_owned(),
    }
}

fn machine(strip: &mut Strip, pen: &Pen, state: &State, machine: &MachineRow, depth: usize, columns: Columns) {
    let glyph = pen.glyphs.health(machine.health);
    let role = role(machine.health);
    let indent = depth * 2;
    strip.push(" ".repeat(indent), Role::Text);
    strip.push(format!("{glyph} "), role);
    strip.push(text::left(&machine.name, columns.name.saturating_sub(indent + 2)), Role::Text);
    strip.push(" ", Role::Text);
    let since = machine.phase_since.filter(|_| machine.state.is_moving()).or_else(|| since_of(machine));
    let moving = machine.state.is_moving() || machine.health.is_problem();
    let now = as_of(state, machine.uid.context);
    let elapsed = since.filter(|_| moving).map(|at| text::duration(text::seconds_between(at, now)));
    numbers(strip, &elapsed.unwrap_or_default(), machine.version().unwrap_or_default(), columns);
    let mut word = match (&machine.phase, machine.state) {
        (Some(phase), s) if s.is_moving() => format!("{} {phase}", s.as_str()),
        (Some(phase), MachineState::Failed) => format!("Failed {phase}"),
        (_, s) => s.as_str().to_owned(),
    };
    if machine.state == MachineState::Provisioning
        && let Some(phase) = &machine.phase
    {
        word = phase.to_string();
    }
    if is_cordoned(machine) {
        let by = machine.maintenance.as_ref().and_then(|care| care.by.as_deref());
        word = by.map_or_else(|| "cordoned".to_owned(), |by| format!("cordoned by {by}"));
    }
    let works = matches!(machine.state, MachineState::Provisioning | MachineState::Updating | MachineState::Releasing);
    if let Some(message) = machine.message.as_deref().filter(|_| works || machine.health.is_problem()) {
        word = format!("{word}: {message}");
    }
    strip.push(text::cut(&word, columns.state), role);
}

/// Nothing is wrong with it but that it takes no pods.
pub fn is_cordoned(machine: &MachineRow) -> bool {
    machine.state == MachineState::Ready && machine.node.as_ref().is_some_and(|node| node.unschedulable)
}

/// Since when it is in its state; a cordon has a time of its own where it was asked for from here, and else none.
pub fn since_of(machine: &MachineRow) -> Option<Timestamp> {
    match is_cordoned(machine) {
        true => machine.maintenance.as_ref()?.since.as_ref().map(|since| since.0),
        false => machine.state_since,
    }
}

/// The role of a health.
pub fn role(health: Health) -> Role {
    match health {
        Health::Bad => Role::Bad,
        Health::Warning => Role::Warning,
        Health::Moving => Role::Moving,
        Health::Good => Role::Good,
        Health::Idle => Role::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cordon_has_its_own_time() {
        let fleet = "cluster a\npool p\nmachine m-1 Ready cordoned maintained\nmachine m-2 Draining maintained";
        let snapshot = crate::fleet::testing::snapshot(fleet);
        let check = |name: &str, since: Option<Timestamp>, expected| {
            let uid = crate::fleet::testing::uid(name);
            let mut row = MachineRow::clone(snapshot.machine(&uid).expect("it is there"));
            row.maintenance.as_mut().expect("it is maintained").since = since.map(Into::into);
            assert_eq!((is_cordoned(&row), since_of(&row)), expected, "{name} {since:?}");
        };
        let (now, before) =
            (crate::fleet::testing::NOW, crate::fleet::testing::NOW - jiff::SignedDuration::from_mins(1));
        check("m-1", Some(now), (true, Some(now)));
        check("m-1", None, (true, None));
        check("m-2", Some(now), (false, Some(before)));
    }

    #[test]
    fn a_pool_says_where_it_comes_from_while_it_is_on_its_way() {
        assert_eq!(way(None, "1.35.0", "→"), "1.35.0");
        assert_eq!(way(Some("1.35.0"), "1.35.0", "→"), "1.35.0");
        assert_eq!(way(Some("1.34.2"), "1.35.0", "→"), "34→35.0");
        assert_eq!(way(Some("1.34.2"), "1.34.5", "→"), "34.2→.5");
        assert_eq!(way(Some("2.1.0"), "1.34.5", "→"), "1.34.5");
        assert_eq!(way(Some("odd"), "1.34.5", "->"), "1.34.5");
    }
}
