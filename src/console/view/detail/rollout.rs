//! The rollout of a pool: how far, why not faster, what it would be like to stop now, what blocks and what to do about it.

use super::{
    super::{pen::Strip, tree::role},
    Room,
};
use crate::{
    api::RolloutStatus,
    config::Role,
    console::{action::Action, glyphs::Glyphs, standing, state::State, text},
    fleet::{Health, MachineRow, PoolNode},
};

/// Blocked drains that are named.
const BLOCKED: usize = 3;

/// All that is said of it, what needs a person before what explains.
pub fn lines(glyphs: Glyphs, state: &State, node: &PoolNode, rollout: &RolloutStatus, room: Room) -> Vec<Strip> {
    let mut lines = vec![bar(glyphs, rollout, node.row.desired, room.width)];
    lines.extend(numbers(state, rollout).flow(room.width));
    let blocked: Vec<_> = node.machines.iter().filter(|m| is_blocked(m)).take(BLOCKED).collect();
    for machine in &blocked {
        lines.push(blocker(glyphs, state, machine, room.width));
    }
    if !blocked.is_empty() {
        lines.push(choices(state));
    }
    if let Some(message) = rollout.message.as_deref() {
        let sentence = format!("why not faster: {message}");
        lines.extend(wrapped(glyphs.dot(), &sentence, Role::Text, room.width, 2));
    }
    let (sentence, fine) = standing::if_stopped(node, &state.snapshot);
    let health = if fine { Health::Good } else { Health::Bad };
    let said = if fine { Role::Text } else { Role::Bad };
    lines.extend(wrapped(glyphs.health(health), &sentence, said, room.width, 2));
    lines
}

/// What an abort left behind, and how it goes on.
pub fn ended(glyphs: Glyphs, state: &State, kept: i32, width: usize) -> Vec<Strip> {
    let (replace, upgrade) = (state.keymap.key(Action::Replace), state.keymap.key(Action::Upgrade));
    let who = match kept {
        1 => "1 machine stays as it was".to_owned(),
        kept => format!("{} machines stay as they were", text::number(count(kept))),
    };
    let sentence = format!("the rollout was ended: {who}; `{replace}` or `{upgrade}` goes on");
    wrapped(glyphs.pause(), &sentence, Role::Warning, width, 2)
}

/// How far it is, from what to what.
fn bar(glyphs: Glyphs, rollout: &RolloutStatus, desired: usize, width: usize) -> Strip {
    let fraction = standing::fraction(rollout, desired);
    let (done, rest) = text::bar(fraction, (width / 3).clamp(10, 40), glyphs.is_ascii());
    let (gone, all) = standing::done(rollout, i32::try_from(desired).unwrap_or(i32::MAX));
    let to = rollout.version.as_deref().unwrap_or(&rollout.revision);
    let from: Vec<&str> = rollout.from_versions.iter().map(String::as_str).filter(|from| *from != to).collect();
    let versions = match from.as_slice() {
        [] => format!("new machines, {to}"),
        from => format!("{} {} {to}", from.join(", "), glyphs.arrow()),
    };
    Strip::of("rollout ", Role::Muted)
        .add(done, Role::Moving)
        .add(rest, Role::Muted)
        .add(format!(" {:>3.0}%  ", fraction * 100.0), Role::Moving)
        .add(format!("{gone}/{all}  "), Role::Text)
        .add(text::cut(&versions, 40), Role::Accent)
}

fn numbers(state: &State, rollout: &RolloutStatus) -> Strip {
    let mut strip = Strip::new()
        .fact("updated", text::number(count(rollout.updated)), Role::Text)
        .fact("outdated", text::number(count(rollout.outdated)), Role::Text)
        .fact("in flight", text::number(count(rollout.in_flight)), Role::Moving);
    if rollout.quarantined > 0 {
        strip = strip.fact("quarantined", text::number(count(rollout.quarantined)), Role::Warning);
    }
    if rollout.kept > 0 {
        strip = strip.fact("kept", text::number(count(rollout.kept)), Role::Text);
    }
    if let Some(at) = &rollout.started_at {
        strip = strip.fact("for", text::duration(text::seconds_between(at.0, state.now)), Role::Text);
    }
    strip
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn is_blocked(machine: &MachineRow) -> bool {
    machine.drain.as_deref().is_some_and(|d| !d.blockers.is_empty() && d.completed_at.is_none())
}

/// The pod, its budget, since when.
fn blocker(glyphs: Glyphs, state: &State, machine: &MachineRow, width: usize) -> Strip {
    let blockers = machine.drain.as_deref().map(|d| d.blockers.as_slice()).unwrap_or_default();
    let Some(first) = blockers.first() else { return Strip::new() };
    let budget = first.pdb.as_deref().map(|pdb| {
        let allows = first.disruptions_allowed.map_or_else(|| "?".to_owned(), |n| n.to_string());
        format!("  PDB {pdb} allows {allows}")
    });
    let since = first.since.as_ref().map(|at| text::duration(text::seconds_between(at.0, state.now)));
    let since = since.map(|since| format!(", since {since}")).unwrap_or_default();
    let more = if blockers.len() > 1 { format!("  and {} more", blockers.len() - 1) } else { String::new() };
    let said = budget.unwrap_or_else(|| format!("  {}", first.message));
    let line = format!("{} {}  {}{said}{since}{more}", glyphs.health(Health::Warning), machine.name, first.pod);
    Strip::of(text::cut(&line, width), role(Health::Warning))
}

/// What can be done about it, on the machine's row.
fn choices(state: &State) -> Strip {
    let mut strip = Strip::of("  on its row: ", Role::Muted);
    for action in [Action::DrainWait, Action::DrainSkip, Action::DrainHint, Action::DrainForce] {
        strip.push(state.keymap.key(action), Role::Key);
        strip.push(format!(" {}  ", action.entry().hint), Role::Muted);
    }
    strip
}

fn wrapped(mark: &str, sentence: &str, role: Role, width: usize, most: usize) -> Vec<Strip> {
    let parts = text::wrap_to(sentence, width.saturating_sub(2), most);
    let mark = |row: usize| if row == 0 { format!("{mark} ") } else { "  ".to_owned() };
    parts.into_iter().enumerate().map(|(row, part)| Strip::of(mark(row), role).add(part, role)).collect()
}
