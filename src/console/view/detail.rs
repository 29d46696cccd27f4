//! The detail pane: what is known of whatever the cursor is on, a few panels from top to bottom.

mod alike;
mod grid;
mod machine;
mod operation;
mod pool;
mod rollout;
mod scope;
mod spark;

use super::{
    super::{
        contexts::staleness,
        glyphs::Glyphs,
        layout::Class,
        state::{Pane, State, Subject, View},
        text,
        tree::Row,
    },
    pen::{Pen, Strip},
};
use crate::{config::Role, fleet::Health};
use ratatui::layout::Rect;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// A titled part of the detail.
pub struct Panel {
    pub title: Strip,
    pub right: Strip,
    pub lines: Vec<Strip>,
    /// It takes the height that is left.
    pub grows: bool,
}

impl Panel {
    pub fn new(title: impl Into<String>, lines: Vec<Strip>) -> Self {
        Self { title: Strip::of(title, Role::Title), right: Strip::new(), lines, grows: false }
    }

    /// A frame around `columns` shows both.
    fn has_room(title: &str, right: &Strip, columns: usize) -> bool {
        super::pen::has_room(super::super::text::width(title), right, columns + 2)
    }

    pub fn right(self, right: Strip) -> Self {
        Self { right, ..self }
    }

    /// No fact is cut: each line is broken between two of them where it is too long.
    pub fn flowing(self, columns: usize) -> Self {
        Self { lines: self.lines.into_iter().flat_map(|line| line.flow(columns)).collect(), ..self }
    }

    pub fn growing(self) -> Self {
        Self { grows: true, ..self }
    }
}

/// What panels are made for.
#[derive(Clone, Copy)]
pub struct Room {
    pub width: usize,
    pub height: usize,
    /// Everything in one frame: every line counts.
    pub tight: bool,
}

/// What can be seen of the subject.
pub fn fingerprint(state: &State, hash: &mut impl Hasher) {
    match state.subject() {
        Subject::Fleet | Subject::Context(_) | Subject::Idle(_) | Subject::Clusters(_) => {
            // The totals may stay as they are while machines of one cluster fall ill and those of another get well.
            for node in &state.snapshot.clusters {
                (node.health, node.ready(), node.desired, Health::ALL.map(|health| node.counts.health(health)))
                    .hash(hash);
            }
            (Arc::as_ptr(&state.snapshot.operations).cast::<()>() as usize, state.snapshot.idle_count()).hash(hash);
        }
        Subject::Cluster(node) => (Arc::as_ptr(node) as usize).hash(hash),
        Subject::Pool(node) => {
            (Arc::as_ptr(node) as usize).hash(hash);
            (Arc::as_ptr(&state.snapshot.operations).cast::<()>() as usize).hash(hash);
        }
        Subject::Machine(machine) => (Arc::as_ptr(machine) as usize).hash(hash),
        Subject::Operation(operation) => (Arc::as_ptr(operation) as usize).hash(hash),
    }
}

pub fn draw(pen: &mut Pen, state: &State, class: Class, area: Rect) {
    let room = room(state, class, area);
    let panels = panels(state, pen.glyphs, room);
    let focused = state.pane == Pane::Detail;
    if room.tight {
        return one_frame(pen, state, panels, focused, area);
    }
    stack(pen, state, panels, focused, area);
}

fn room(state: &State, class: Class, area: Rect) -> Room {
    Room {
        width: usize::from(area.width).saturating_sub(4),
        height: usize::from(area.height).saturating_sub(2),
        tight: class <= Class::Medium && !(state.zoom && area.height > 30),
    }
}

fn panels(state: &State, glyphs: Glyphs, room: Room) -> Vec<Panel> {
    let host = (state.view == View::Hosts).then(|| super::hosts::panel(state, room.width)).flatten();
    let panels = match state.subject() {
        Subject::Fleet => scope::fleet(glyphs, state, room),
        Subject::Clusters(at) => match state.tree.row(&state.snapshot, at) {
            Some(Row::Clusters { nodes, .. }) => scope::clusters(glyphs, state, nodes, room),
            _ => scope::fleet(glyphs, state, room),
        },
        Subject::Context(context) => scope::context(glyphs, state, context, room),
        Subject::Idle(context) => scope::idle(state, context),
        Subject::Cluster(node) => scope::cluster(glyphs, state, node, room),
        Subject::Pool(node) => pool::panels(glyphs, state, node, room),
        Subject::Machine(machine) => machine::panels(glyphs, state, machine, room),
        Subject::Operation(operation) => operation::panels(glyphs, state, operation, room),
    };
    host.into_iter().chain(aged(state, glyphs, panels)).filter(|panel| !panel.lines.is_empty() || panel.grows).collect()
}

/// The page of something whose context is not reached says so first.
fn aged(state: &State, glyphs: Glyphs, mut panels: Vec<Panel>) -> Vec<Panel> {
    let is_whole = matches!(state.subject(), Subject::Fleet | Subject::Clusters(_) | Subject::Context(_));
    let said = state.context_here().filter(|_| !is_whole).and_then(|context| staleness(state, context));
    if let Some((said, first)) = said.zip(panels.first_mut()) {
        first.lines.insert(0, Strip::of(text::clean(&said), Role::Warning));
        first.right = std::mem::take(&mut first.right).stale(glyphs);
    }
    panels
}

/// Lines that can be scrolled away: as many as are out of sight below.
pub fn farthest(state: &State) -> usize {
    let layout = state.layout();
    let Some(area) = layout.detail else { return 0 };
    let room = room(state, layout.class, area);
    let panels = panels(state, state.glyphs, room);
    if room.tight {
        return lines_of(&panels).len().saturating_sub(room.height);
    }
    let above: usize = panels.iter().rev().skip(1).map(|panel| panel.lines.len() + 2).sum();
    let last = panels.last().map_or(0, |panel| panel.lines.len() + 2);
    last.saturating_sub(usize::from(area.height).saturating_sub(above))
}

/// All panels one below the other, a title between them.
fn lines_of(panels: &[Panel]) -> Vec<Strip> {
    let mut lines = Vec::new();
    for (i, panel) in panels.iter().enumerate() {
        if i > 0 && !panel.lines.is_empty() {
            lines.push(panel.title.clone());
        }
        lines.extend(panel.lines.iter().cloned());
    }
    lines
}

/// All panels in one frame, scrolled.
fn one_frame(pen: &mut Pen, state: &State, panels: Vec<Panel>, focused: bool, area: Rect) {
    let Some(first) = panels.first() else { return };
    let inner = pen.frame(area, focused, &first.title, &first.right);
    let mut lines = lines_of(&panels);
    let scroll = state.detail_scroll.min(lines.len().saturating_sub(inner.height.into()));
    let inner = inset(inner);
    pen.strips(inner, &Strip::first(lines.split_off(scroll), inner.width.into(), inner.height.into()));
}

/// Each panel in a frame of its own; those that grow share what is left.
fn stack(pen: &mut Pen, state: &State, panels: Vec<Panel>, focused: bool, area: Rect) {
    let last = panels.len().saturating_sub(1);
    let mut rest = area;
    for (i, panel) in panels.into_iter().enumerate() {
        let wanted = panel.lines.len() as u16 + 2;
        let height = if i == last { rest.height } else { wanted.min(rest.height) };
        if height < 3 {
            break;
        }
        let here = Rect { height, ..rest };
        rest = Rect { y: rest.y + height, height: rest.height - height, ..rest };
        let inner = pen.frame(here, focused, &panel.title, &panel.right);
        let scroll =
            if i == last { state.detail_scroll.min(panel.lines.len().saturating_sub(inner.height.into())) } else { 0 };
        pen.strips(inset(inner), &panel.lines[scroll..]);
    }
}

fn inset(area: Rect) -> Rect {
    Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }
}
