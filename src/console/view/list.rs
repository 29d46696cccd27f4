//! The plain lists: operations, and events.

use super::{
    super::{
        state::{Pane, State},
        text,
    },
    contexts,
    pen::{Pen, Strip, row_of},
    tree::role,
};
use crate::config::Role;
use crate::fleet::{EventRow, OperationRow};
use ratatui::layout::Rect;

pub fn operations(pen: &mut Pen, state: &State, area: Rect) {
    let operations = &state.snapshot.operations;
    let under_way = operations.iter().filter(|o| !o.is_final()).count();
    let right = Strip::of(format!("{under_way} under way · {} known", text::number(operations.len())), Role::Muted);
    let inner = pen.frame(area, state.pane == Pane::Main, &Strip::of("Operations", Role::Title), &right);
    if inner.height == 0 {
        return;
    }
    let context = contexts::column(state, None);
    let name = usize::from(inner.width).saturating_sub(46 + text::width(&context)).max(12);
    let head = format!(
        "   {context}{} {} {} {} AGE",
        text::left("NAME", name),
        text::left("TYPE", 10),
        text::right("DONE", 9),
        text::left("STATE", 14)
    );
    pen.strip(row_of(inner, 0), &Strip::of(head, Role::Muted));
    if operations.is_empty() {
        let nothing = "   Nothing has been done yet: scale a pool, and the operation is here.";
        pen.strip(row_of(inner, inner.height.min(3) - 1), &Strip::of(nothing, Role::Muted));
    }
    let rows = state.layout().list_height();
    for (offset, operation) in operations.iter().skip(state.operations.top).take(rows).enumerate() {
        let here = row_of(inner, offset as u16 + 1);
        let selected = state.operations.top + offset == state.operations.index;
        pen.strip(here, &operation_row(pen, state, operation, name, selected));
        if selected {
            pen.highlight(here);
        }
    }
}

fn operation_row(pen: &Pen, state: &State, operation: &OperationRow, name: usize, selected: bool) -> Strip {
    let role = role(operation.health());
    let progress = &operation.progress;
    let age = operation.finished_at.or(operation.started_at).or(operation.created_at);
    let state_word = if operation.paused && !operation.is_final() { "paused" } else { operation.state.as_str() };
    Strip::of(if selected { pen.glyphs.cursor() } else { " " }, Role::Accent)
        .add(format!("{} ", pen.glyphs.operation(operation.state, operation.paused)), role)
        .add(contexts::column(state, Some(operation.uid.context)), Role::Muted)
        .add(text::left(&operation.name, name), Role::Text)
        .add(format!(" {} ", text::left(operation.type_.as_str(), 10)), Role::Muted)
        .add(text::right(&format!("{}/{}", progress.succeeded, progress.total), 9), Role::Text)
        .add(format!(" {} ", text::left(state_word, 14)), role)
        .add(age.map(|at| text::duration(text::seconds_between(at, state.now))).unwrap_or_default(), Role::Muted)
}

pub fn events(pen: &mut Pen, state: &State, area: Rect) {
    let events = &state.snapshot.events;
    let right = Strip::of(format!("{} · newest first", text::plural(events.len(), "event")), Role::Muted);
    let inner = pen.frame(area, state.pane == Pane::Main, &Strip::of("Events", Role::Title), &right);
    if inner.height == 0 {
        return;
    }
    pen.strip(
        row_of(inner, 0),
        &Strip::of(
            format!("   {}  {}{} WHAT", text::left("TIME", 8), contexts::column(state, None), text::left("ABOUT", 30)),
            Role::Muted,
        ),
    );
    let rows = state.layout().list_height();
    for (offset, event) in events.iter().skip(state.events.top).take(rows).enumerate() {
        let here = row_of(inner, offset as u16 + 1);
        let selected = state.events.top + offset == state.events.index;
        let mark = Strip::of(if selected { pen.glyphs.cursor() } else { " " }, Role::Accent);
        pen.strip(here, &event_row(pen, state, mark, event, inner.width.into()));
        if selected {
            pen.highlight(here);
        }
    }
}

/// Time, shape, what it is about, what happened, how often.
pub fn event_row(pen: &Pen, state: &State, strip: Strip, event: &EventRow, width: usize) -> Strip {
    let glyphs = pen.glyphs;
    let (glyph, role) = match (event.warning, &*event.reason) {
        (true, reason) if reason.contains("Fail") => (glyphs.health(crate::fleet::Health::Bad), Role::Bad),
        (true, _) => (glyphs.health(crate::fleet::Health::Warning), Role::Warning),
        (false, _) => (glyphs.dot(), Role::Muted),
    };
    let times = if event.count > 1 { format!("  (×{})", event.count) } else { String::new() };
    let times = if glyphs.is_ascii() { times.replace('×', "x") } else { times };
    let about = (width / 4).clamp(16, 30);
    let strip = strip
        .add(format!("{} ", text::clock(event.at)), Role::Muted)
        .add(format!("{glyph} "), role)
        .add(contexts::column(state, Some(event.uid.context)), Role::Muted)
        .add(text::left(&event.name, about), Role::Text)
        .add(" ", Role::Text);
    let room = width.saturating_sub(strip.width() + text::width(&times) + 1);
    strip.add(text::cut(&event.message, room), if event.warning { role } else { Role::Text }).add(times, Role::Muted)
}
