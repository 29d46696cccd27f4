//! The lower pane: events as they come, or the log that is followed.

use super::{
    super::{
        action::Action,
        contexts,
        log::{Line, Tone},
        state::{LogPane, Pane, State},
        text,
    },
    list::{event_row, newer},
    pen::{Pen, Strip, row_of},
};
use crate::config::Role;
use ratatui::layout::Rect;

pub fn draw(pen: &mut Pen, state: &State, area: Rect) {
    match &state.log {
        Some(log) => self::log(pen, state, log, area),
        None => events(pen, state, area),
    }
}

fn events(pen: &mut Pen, state: &State, area: Rect) {
    let events = &state.snapshot.events;
    let right = match state.feed_top {
        0 => Strip::new(),
        count => newer(state, count),
    };
    let inner = pen.frame(area, state.pane == Pane::Feed, &Strip::of("Events", Role::Title), &right);
    if events.is_empty() {
        let unread = contexts::unread(state, None).into_iter().next();
        let said = unread.unwrap_or_else(|| "Nothing has happened yet.".to_owned());
        let said = text::cut(&said, usize::from(inner.width).saturating_sub(2));
        pen.strip(row_of(inner, 0), &Strip::of(format!(" {said}"), Role::Muted));
    }
    for (row, event) in (0..inner.height).zip(events.iter().skip(state.feed_top)) {
        pen.strip(row_of(inner, row), &event_row(pen, state, Strip::of(" ", Role::Text), event, inner.width.into()));
    }
}

fn log(pen: &mut Pen, state: &State, log: &LogPane, area: Rect) {
    let of = match log.operations.as_slice() {
        [one] => text::cut(&one.name, 40),
        several if log.left_out > 0 => {
            format!("{} of {} operations", several.len(), several.len() + log.left_out)
        }
        several => text::plural(several.len(), "operation"),
    };
    let mut title = Strip::of("Log ", Role::Title).add(of, Role::Accent);
    if let Some(machine) = &log.machine {
        title.push(format!(" · only {}", text::cut(machine, 24)), Role::Muted);
    }
    let right = match (&log.ended, log.following) {
        (Some(Some(why)), _) => Strip::of(text::cut(why, 40), Role::Warning),
        (Some(None), true) => Strip::of("ended", Role::Muted),
        (_, true) => Strip::of(format!("follow {}", pen.glyphs.connection(true)), Role::Good),
        (_, false) => {
            let said = format!("held, {} below · {} follow", text::number(log.scroll), follow_key(state));
            Strip::of(said, Role::Warning)
        }
    };
    let inner = pen.frame(area, state.pane == Pane::Feed, &title, &right);
    let height = usize::from(inner.height);
    let (width, with_machine) = (usize::from(inner.width), log.machine.is_none());
    let mut rows: Vec<Strip> = Vec::with_capacity(height);
    for line in log.ring.matching(log.machine.as_deref()).rev().skip(log.scroll) {
        let operation = log.operation_of(line.source).map(|key| key.name.as_str());
        let broken = log_rows(line, operation, with_machine, width, state.log_wraps);
        rows.extend(broken.into_iter().rev());
        if rows.len() >= height {
            break;
        }
    }
    rows.truncate(height);
    rows.reverse();
    if log.ring.is_empty() {
        let said = if log.ended.is_some() { " There is nothing in it." } else { " Waiting for the first line …" };
        pen.strip(row_of(inner, 0), &Strip::of(said, Role::Muted));
    }
    pen.strips(inner, &rows);
}

/// The end of a name says more of an operation than its beginning, which is that of its pool.
fn end_of(name: &str, columns: usize) -> String {
    let name = text::clean(name);
    let beyond = name.chars().count().saturating_sub(columns);
    if beyond == 0 {
        return text::left(&name, columns);
    }
    text::left(&format!("…{}", name.chars().skip(beyond + 1).collect::<String>()), columns)
}

fn follow_key(state: &State) -> String {
    state.keymap.key(Action::Follow)
}

/// A line of the log: cut where the pane ends, or broken with what follows below where it began.
pub fn log_rows(line: &Line, operation: Option<&str>, with_machine: bool, width: usize, wraps: bool) -> Vec<Strip> {
    let role = match line.tone {
        Tone::Plain => Role::Text,
        Tone::Output => Role::Muted,
        Tone::Good => Role::Good,
        Tone::Attention => Role::Warning,
        Tone::Bad => Role::Bad,
    };
    let mut strip = Strip::of(format!(" {} ", text::left(&line.time, 8)), Role::Muted);
    if let Some(operation) = operation {
        strip.push(format!("{} ", end_of(operation, (width / 6).clamp(10, 24))), Role::Muted);
    }
    if with_machine {
        strip.push(format!("{} ", text::left(&line.machine, (width / 6).clamp(10, 20))), Role::Text);
    }
    strip.push(format!("{} ", text::left(&line.phase, 16.min(width / 4))), Role::Accent);
    if line.tone == Tone::Output {
        strip.push("  ", Role::Text);
    }
    let (begin, room) = (strip.width(), width.saturating_sub(strip.width() + 1));
    if !wraps || text::width(&line.text) <= room {
        return vec![strip.add(text::cut(&line.text, room), role)];
    }
    let mut parts = text::wrap(&line.text, room.max(8)).into_iter();
    let first = strip.add(parts.next().unwrap_or_default(), role);
    std::iter::once(first).chain(parts.map(|part| Strip::new().tab(begin).add(part, role))).collect()
}
