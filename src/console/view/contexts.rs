//! One of several meta clusters: its branch in the tree, its page, and how its line is, in words.

use super::{
    super::{state::State, text},
    pen::{Pen, Strip},
    tree::{self, Columns},
};
use crate::{
    api::MachineState,
    config::Role,
    console::glyphs::Glyphs,
    fleet::{Connection, ContextId, Line},
};
use jiff::Timestamp;
use std::hash::{Hash, Hasher};

/// The branch: its name, its machines, and how its line is.
pub fn row(strip: &mut Strip, pen: &Pen, state: &State, context: ContextId, open: bool, columns: Columns) {
    let known = state.context(context);
    tree::name(strip, 1, pen.glyphs.branch(open), &text::clean(&known.place.context), Role::Title, columns);
    let Some(here) = state.snapshot.of(context) else { return };
    let desired: usize = here.clusters.iter().map(|c| c.desired).sum();
    // Nobody knows how many there are where nobody has answered.
    let never = here.connection.contact.last().is_none() && here.clusters.is_empty();
    let ready = if never { "?".to_owned() } else { tree::ratio(here.counts.of(MachineState::Ready), desired) };
    tree::numbers(strip, &ready, "", columns);
    let words = line(pen.glyphs, &here.connection, state.now);
    let rest = rest(state, context);
    let room = columns.state.saturating_sub(words.width());
    *strip = std::mem::take(strip).append(words);
    if rest.width() <= room {
        *strip = std::mem::take(strip).append(rest);
    }
}

/// What may not be done there.
fn rest(state: &State, context: ContextId) -> Strip {
    match state.only_look_in(context) {
        Some(_) => Strip::of(" view only", Role::Muted),
        None => Strip::new(),
    }
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
}
