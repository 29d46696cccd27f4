//! One of several meta clusters: its branch in the tree, its page, and how its line is, in words.

use super::{
    super::{
        contexts::{Context, as_of, is_live, is_stale, is_unknown},
        message::Order,
        state::State,
        text,
    },
    pen::{Pen, Strip},
    tree::{self, Columns},
};
use crate::{
    api::MachineState,
    config::{Accent, Role},
    console::glyphs::Glyphs,
    fleet::{Connection, ContextId, Health, Line, OperationRow, Snapshot, StateCounts},
};
use jiff::Timestamp;
use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
};

/// What is shown, for the header: the context that the cursor is in, as the block that it is marked with.
pub fn title(glyphs: Glyphs, state: &State, width: usize) -> Strip {
    match state.context_here() {
        Some(context) => block(glyphs, state, context, width),
        None => Strip::of(text::cut(&state.title(), width), Role::Title),
    }
}

/// The name of a context on the colour that it is marked with. Production is a word, and not only a colour.
fn block(glyphs: Glyphs, state: &State, context: ContextId, width: usize) -> Strip {
    let known = state.context(context);
    let word = if known.production { "PROD " } else { "" };
    let name = text::cut(&known.place.context, width.saturating_sub(text::width(word) + 1).max(6));
    match known.accent.or(known.production.then_some(Accent::Red)) {
        Some(accent) => Strip::of(format!("{}{word}{name} ", glyphs.cursor()), accent.role()),
        None => Strip::of(text::cut(&known.place.context, width), Role::Title),
    }
}

/// How many contexts are there of how many, and how old the oldest of the rest is.
pub fn lines(glyphs: Glyphs, state: &State) -> Strip {
    let snapshot = &state.snapshot;
    let all: Vec<&Connection> = snapshot.contexts().filter_map(|context| snapshot.connection_of(context)).collect();
    let live = all.iter().filter(|connection| connection.line.is_live()).count();
    let role = if live == all.len() { Role::Good } else { Role::Warning };
    let strip = Strip::of(format!("{} {live}/{} live", glyphs.connection(live == all.len()), all.len()), role);
    let old = all.iter().filter(|c| !c.line.is_live()).filter_map(|c| c.contact.age(state.now)).max();
    match old {
        Some(age) => strip.add(format!(", {} old", text::duration(age.as_secs() as i64)), Role::Muted),
        None => strip,
    }
}

/// What is wrong with the line; of several, that of the context that the cursor is in before that of another.
pub fn error(state: &State) -> Option<String> {
    let snapshot = &state.snapshot;
    if !state.has_several_contexts() {
        return snapshot.connection.line.error().map(ToOwned::to_owned);
    }
    let contexts = state.context_here().into_iter().chain(snapshot.contexts());
    let said = |context: ContextId| {
        let error = snapshot.connection_of(context)?.line.error()?;
        Some(format!("{}: {error}", state.context(context).place.context))
    };
    contexts.into_iter().find_map(said)
}

/// Where an order goes, for the dialog that asks for it; nothing where there is one context.
pub fn of_order(state: &State, order: &Order) -> String {
    if !state.has_several_contexts() {
        return String::new();
    }
    let name = |context| format!(" · {}", text::cut(&state.context(context).place.context, 24));
    order.contexts().into_iter().map(name).collect()
}

/// The column that says which context a row of a list is of, where there are several: empty where there is one.
pub fn column(state: &State, context: Option<ContextId>) -> String {
    if !state.has_several_contexts() {
        return String::new();
    }
    let longest = state.contexts.iter().map(|c| text::width(&marked(c))).max().unwrap_or(0).clamp(7, 16);
    let name = context.map_or("CONTEXT".into(), |context| marked(state.context(context)));
    format!("{} ", text::left(&name, longest))
}

/// What a context is called where it is a cell: `!` before the name is production, whatever the colours and shapes.
pub fn marked(context: &Context) -> Cow<'_, str> {
    let name = &context.place.context;
    if context.production { format!("!{name}").into() } else { name.into() }
}

/// The name of a context in a list of several, on the colour that it is marked with.
pub fn cell(state: &State, context: ContextId, width: usize) -> Strip {
    let known = state.context(context);
    let accent = known.accent.or(known.production.then_some(Accent::Red));
    let name = text::cut(&marked(known), width);
    let begin = Strip::of(name, accent.map_or(Role::Muted, Accent::role));
    begin.tab(width)
}

/// The same for a list whose title has [`column`]; nothing where there is one context.
pub fn named(state: &State, context: ContextId) -> Strip {
    match text::width(&column(state, None)) {
        0 => Strip::new(),
        width => cell(state, context, width - 1).add(" ", Role::Muted),
    }
}

/// The branch: its name, its machines, and how its line is.
pub fn row(strip: &mut Strip, pen: &Pen, state: &State, context: ContextId, open: bool, columns: Columns) {
    let (glyphs, begin) = (pen.glyphs, strip.width());
    strip.push(format!("  {} ", glyphs.branch(open)), Role::Title);
    *strip = std::mem::take(strip).append(block(glyphs, state, context, columns.name.saturating_sub(4)));
    *strip = std::mem::take(strip).tab(begin + columns.name + 1);
    let Some(here) = state.snapshot.of(context) else { return };
    let desired: usize = here.clusters.iter().map(|c| c.desired).sum();
    // Nobody knows how many there are where nobody has answered.
    let ready = if is_unknown(&state.snapshot, Some(context)) {
        "?".to_owned()
    } else {
        tree::ratio(here.counts.of(MachineState::Ready), desired)
    };
    tree::numbers(strip, &ready, "", columns);
    let mut words = line(glyphs, &here.connection, state.now);
    let attention = match tree::beyond_machines(glyphs, &here.clusters, &here.counts) {
        Some((words, health)) => Strip::of(format!(" {words}"), tree::role(health)),
        None => needs_attention(glyphs, &here.counts),
    };
    for piece in [rest(state, context), attention] {
        if words.width() + piece.width() <= columns.state {
            words = words.append(piece);
        }
    }
    *strip = std::mem::take(strip).append(words);
}

/// How many of the contexts do not answer, in words; `None` where all do.
pub fn out_of_reach(glyphs: Glyphs, snapshot: &Snapshot) -> Option<String> {
    let all = snapshot.contexts().count();
    let away = snapshot.contexts().filter(|context| !is_live(snapshot, *context)).count();
    let offline = glyphs.connection(false);
    match (away, all) {
        (0, _) => None,
        (_, 1) => Some(format!("{offline} offline")),
        (away, all) => Some(format!("{offline} {away} of {all} offline")),
    }
}

/// How many operations are under way, if any is: of those of a context that is not reached nobody knows whether they still are.
pub fn under_way<'a>(state: &State, operations: impl Iterator<Item = &'a OperationRow>) -> Option<String> {
    let working = operations.filter(|operation| !operation.is_final());
    let (old, now): (Vec<_>, Vec<_>) = working.partition(|o| is_stale(&state.snapshot, o.uid.context));
    match (now.len(), old.len()) {
        (0, 0) => None,
        (now, 0) => Some(format!("{now} under way")),
        (0, old) => Some(format!("{old} under way when last seen")),
        (now, old) => Some(format!("{now} under way, {old} when last seen")),
    }
}

/// How long ago an operation ended, or how long it has been at work: as far as that was seen.
pub fn age_of(state: &State, operation: &OperationRow) -> Option<String> {
    let at = operation.finished_at.or(operation.started_at).or(operation.created_at)?;
    let now = if operation.is_final() { state.now } else { as_of(state, operation.uid.context) };
    Some(text::duration(text::seconds_between(at, now)))
}

/// What may not be done there.
fn rest(state: &State, context: ContextId) -> Strip {
    match (&state.context(context).locked, state.only_look_in(context)) {
        (Some(_), _) => Strip::of(" read-only", Role::Muted),
        (None, Some(_)) => Strip::of(" view only", Role::Muted),
        (None, None) => Strip::new(),
    }
}

fn needs_attention(glyphs: Glyphs, counts: &StateCounts) -> Strip {
    let some = [Health::Bad, Health::Warning].into_iter().filter(|health| counts.health(*health) > 0);
    some.fold(Strip::new(), |strip, health| {
        let count = text::number(counts.health(health));
        strip.add(format!(" {} {count}", glyphs.health(health)), tree::role(health))
    })
}

/// The dot, and how old what is shown is while the line is down.
pub fn line(glyphs: Glyphs, connection: &Connection, now: Timestamp) -> Strip {
    let dot = glyphs.connection(connection.line.is_live());
    let age = || connection.contact.age(now).map(|age| text::duration(age.as_secs() as i64));
    match &connection.line {
        Line::Live => Strip::of(format!("{dot} live"), Role::Good),
        Line::Connecting => Strip::of(format!("{dot} connecting"), Role::Moving),
        Line::Reconnecting { .. } => Strip::of(format!("{dot} stale {}", age().unwrap_or_default()), Role::Warning),
        Line::Offline { .. } => {
            let age = age().map(|age| format!(" {age}")).unwrap_or_default();
            Strip::of(format!("{dot} offline{age}"), Role::Warning)
        }
    }
}

/// What can be seen of a branch.
pub fn fingerprint(state: &State, context: ContextId, hash: &mut impl Hasher) {
    let Some(here) = state.snapshot.of(context) else { return };
    (here.connection.line.is_live(), here.connection.line.error(), here.clusters.len()).hash(hash);
    state.only_look_in(context).hash(hash);
    tree::beyond_machines(state.glyphs, &here.clusters, &here.counts).map(|(words, _)| words).hash(hash);
    (Health::ALL.map(|health| here.counts.health(health)), here.counts.of(MachineState::Ready)).hash(hash);
}
