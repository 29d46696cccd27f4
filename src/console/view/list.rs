//! The plain lists: operations, and events.

use super::{
    super::{
        action::Action,
        contexts::is_stale,
        sieve::Sieve,
        state::{Pane, State},
        text,
    },
    contexts,
    header::compact,
    nothing,
    pen::{Pen, Strip, row_of},
    tree::role,
};
use crate::config::Role;
use crate::fleet::{EventRow, OperationRow};
use ratatui::layout::Rect;

pub fn operations(pen: &mut Pen, state: &State, area: Rect) {
    let operations = &state.sieves.operations;
    let under_way = contexts::under_way(state, state.snapshot.operations.iter().map(AsRef::as_ref));
    let under_way = under_way.unwrap_or_else(|| "0 under way".to_owned());
    let all = format!("{under_way} · {} known", text::number(operations.of_all()));
    let right = of_all(operations).unwrap_or_else(|| Strip::of(all, Role::Muted));
    let inner =
        pen.frame(area, state.pane == Pane::Main, &Strip::of("Operations", Role::Title).append(compact(state)), &right);
    if inner.height == 0 {
        return;
    }
    let context = contexts::column(state, None);
    let rows = state.layout().list_height();
    let shown: Vec<_> = operations.from(state.operations.top).take(rows).collect();
    let widths = Widths::of(inner.width.into(), text::width(&context), shown.iter().map(|row| done(row).len()).max());
    let head = format!(
        "   {context}{} {} {} {} AGE",
        text::left("NAME", widths.name),
        text::left("TYPE", widths.kind),
        text::right("DONE", widths.done),
        text::left("STATE", widths.word)
    );
    pen.strip(row_of(inner, 0), &Strip::of(head, Role::Muted));
    if operations.len() == 0 {
        let none = "Nothing has been done yet: scale a pool, and the operation is here.";
        nothing::draw(pen, state, inner, 2, none);
    }
    for (offset, operation) in shown.into_iter().enumerate() {
        let here = row_of(inner, offset as u16 + 1);
        let selected = state.operations.top + offset == state.operations.index;
        pen.strip(here, &operation_row(pen, state, operation, &widths, selected));
        if selected {
            pen.highlight(here);
        }
    }
}

/// How many of how many, where something is left out.
fn of_all<T>(sieve: &Sieve<T>) -> Option<Strip> {
    let said = || format!("{} of {} match", text::number(sieve.len()), text::number(sieve.of_all()));
    sieve.is_on().then(|| Strip::of(said(), Role::Accent))
}

/// The columns of the list of operations, and `all` of a row.
struct Widths {
    name: usize,
    kind: usize,
    done: usize,
    word: usize,
    all: usize,
}

/// Columns in which names that begin alike can be told apart.
const NAME: usize = 20;

impl Widths {
    /// The age is never cut, for half a number is another number: the state gives way before the type does, that before the name.
    fn of(all: usize, context: usize, done: Option<usize>) -> Self {
        let done = done.unwrap_or(0).clamp(4, 9);
        // The cursor, the shape, the spaces between them, and an age of six.
        let left = all.saturating_sub(3 + context + 1 + 1 + done + 1 + 1 + 6);
        let kind = left.saturating_sub(NAME + 9).clamp(7, 10);
        let word = left.saturating_sub(NAME + kind).clamp(9, 14);
        Self { name: left.saturating_sub(kind + word).max(6), kind, done, word, all }
    }
}

fn done(operation: &OperationRow) -> String {
    format!("{}/{}", operation.progress.succeeded, operation.progress.total)
}

fn operation_row(pen: &Pen, state: &State, operation: &OperationRow, widths: &Widths, selected: bool) -> Strip {
    let role = role(operation.health());
    let state_word = if operation.paused && !operation.is_final() { "paused" } else { operation.state.as_str() };
    let strip = Strip::of(if selected { pen.glyphs.cursor() } else { " " }, Role::Accent)
        .add(format!("{} ", pen.glyphs.operation(operation.state, operation.paused)), role)
        .append(contexts::named(state, operation.uid.context))
        .add(text::left(&text::middle(&operation.name, widths.name), widths.name), Role::Text)
        .add(format!(" {} ", text::left(operation.type_.as_str(), widths.kind)), Role::Muted)
        .add(text::right(&done(operation), widths.done), Role::Text)
        .add(format!(" {} ", text::left(state_word, widths.word)), role);
    let age = contexts::age_of(state, operation).filter(|age| strip.width() + age.len() <= widths.all);
    let strip = strip.add(age.unwrap_or_default(), Role::Muted);
    if is_stale(&state.snapshot, operation.uid.context) { strip.stale(pen.glyphs) } else { strip }
}

pub fn events(pen: &mut Pen, state: &State, area: Rect) {
    let events = &state.sieves.events;
    let all = format!("{} · newest first", text::plural(events.of_all(), "event"));
    let mut right = of_all(events).unwrap_or_else(|| Strip::of(all, Role::Muted));
    if state.events.top > 0 {
        let newer = newer(state, state.events.top);
        right = if events.is_on() { right.add(" · ", Role::Muted).append(newer) } else { newer };
    }
    let inner =
        pen.frame(area, state.pane == Pane::Main, &Strip::of("Events", Role::Title).append(compact(state)), &right);
    if inner.height == 0 {
        return;
    }
    pen.strip(
        row_of(inner, 0),
        &Strip::of(
            format!(
                " {}{}{} WHAT",
                text::left("TIME", 11),
                contexts::column(state, None),
                text::left("ABOUT", about_width(inner.width.into()))
            ),
            Role::Muted,
        ),
    );
    if events.len() == 0 {
        nothing::draw(pen, state, inner, 2, "Nothing has happened yet.");
    }
    let rows = state.layout().list_height();
    for (offset, event) in events.from(state.events.top).take(rows).enumerate() {
        let here = row_of(inner, offset as u16 + 1);
        let selected = state.events.top + offset == state.events.index;
        let mark = Strip::of(if selected { pen.glyphs.cursor() } else { " " }, Role::Accent);
        pen.strip(here, &event_row(pen, state, mark, event, inner.width.into()));
        if selected {
            pen.highlight(here);
        }
    }
}

/// How many events are newer than those that are seen, and the key to them.
pub fn newer(state: &State, count: usize) -> Strip {
    let key = state.keymap.key(Action::Follow);
    Strip::of(format!("{} newer · {key} follow", text::number(count)), Role::Accent)
}

fn about_width(width: usize) -> usize {
    (width / 4).clamp(16, 30)
}

/// Time, shape, what it is about, the word for what happened, what is said of it, how often.
pub fn event_row(pen: &Pen, state: &State, strip: Strip, event: &EventRow, width: usize) -> Strip {
    let glyphs = pen.glyphs;
    let (glyph, role) = match (event.warning, &*event.reason) {
        (true, reason) if reason.contains("Fail") => (glyphs.health(crate::fleet::Health::Bad), Role::Bad),
        (true, _) => (glyphs.health(crate::fleet::Health::Warning), Role::Warning),
        (false, _) => (glyphs.dot(), Role::Muted),
    };
    let times = if event.count > 1 { format!("  (×{})", event.count) } else { String::new() };
    let times = if glyphs.is_ascii() { times.replace('×', "x") } else { times };
    let about = about_width(width);
    let strip = strip
        .add(format!("{} ", text::left(&text::when_short(event.at, state.now), 8)), Role::Muted)
        .add(format!("{glyph} "), role)
        .append(contexts::named(state, event.uid.context))
        .add(text::left(&event.name, about), Role::Text)
        .add(" ", Role::Text);
    let room = width.saturating_sub(strip.width() + text::width(&times) + 1);
    let reason = text::cut(&event.reason, room.min(24));
    let gap = if reason.is_empty() { "" } else { "  " };
    let room = room.saturating_sub(text::width(&reason) + gap.len());
    let strip = strip.add(format!("{reason}{gap}"), if event.warning { role } else { Role::Muted });
    strip.add(text::cut(&event.message, room), if event.warning { role } else { Role::Text }).add(times, Role::Muted)
}
