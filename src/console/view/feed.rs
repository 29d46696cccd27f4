//! The lower pane: events as they come, or the log that is followed.

use super::{
    super::{
        log::{Line, Tone},
        state::{LogPane, Pane, State},
        text,
        theme::Role,
    },
    list::event_row,
    pen::{Pen, Strip, row_of},
};
use ratatui::layout::Rect;

pub fn draw(pen: &mut Pen, state: &State, area: Rect) {
    match &state.log {
        Some(log) => self::log(pen, state, log, area),
        None => events(pen, state, area),
    }
}

fn events(pen: &mut Pen, state: &State, area: Rect) {
    let events = &state.snapshot.events;
    let right = if state.events.top > 0 {
        format!("{} newer · f follow", text::number(state.events.top))
    } else {
        format!("{} changes seen", text::number(state.snapshot.changes_seen as usize))
    };
    let right = if state.size.0 >= 100 && state.events.top > 0 { right } else { right.replace(" changes seen", "") };
    let right = if state.events.top > 0 { Strip::of(right, Role::Accent) } else { Strip::new() };
    let inner = pen.frame(area, state.pane == Pane::Feed, &Strip::of("Events", Role::Title), &right);
    if events.is_empty() {
        pen.strip(row_of(inner, 0), &Strip::of(" Nothing has happened yet.", Role::Muted));
    }
    for (row, event) in (0..inner.height).zip(events.iter().skip(state.events.top)) {
        pen.strip(row_of(inner, row), &event_row(pen, Strip::of(" ", Role::Text), event, inner.width.into()));
    }
}

fn log(pen: &mut Pen, state: &State, log: &LogPane, area: Rect) {
    let mut title = Strip::of("Log ", Role::Title).add(text::cut(&log.operation.name, 40), Role::Accent);
    if let Some(machine) = &log.machine {
        title.push(format!(" · only {}", text::cut(machine, 24)), Role::Muted);
    }
    let right = match (&log.ended, log.following) {
        (Some(Some(why)), _) => Strip::of(text::cut(why, 40), Role::Warning),
        (Some(None), true) => Strip::of("ended", Role::Muted),
        (_, true) => Strip::of(format!("follow {}", pen.glyphs.connection(true)), Role::Good),
        (_, false) => Strip::of(format!("held, {} below · f follow", text::number(log.scroll)), Role::Warning),
    };
    let inner = pen.frame(area, state.pane == Pane::Feed, &title, &right);
    let height = usize::from(inner.height);
    let mut lines: Vec<&Line> = log.ring.matching(log.machine.as_deref()).rev().skip(log.scroll).take(height).collect();
    lines.reverse();
    if log.ring.is_empty() {
        let said = if log.ended.is_some() { " There is nothing in it." } else { " Waiting for the first line …" };
        pen.strip(row_of(inner, 0), &Strip::of(said, Role::Muted));
    }
    let with_machine = log.machine.is_none();
    for (row, line) in (0..inner.height).zip(lines) {
        pen.strip(row_of(inner, row), &log_row(line, with_machine, inner.width.into()));
    }
}

fn log_row(line: &Line, with_machine: bool, width: usize) -> Strip {
    let role = match line.tone {
        Tone::Plain => Role::Text,
        Tone::Output => Role::Muted,
        Tone::Good => Role::Good,
        Tone::Attention => Role::Warning,
        Tone::Bad => Role::Bad,
    };
    let mut strip = Strip::of(format!(" {} ", text::left(&line.time, 8)), Role::Muted);
    if with_machine {
        strip.push(format!("{} ", text::left(&line.machine, (width / 6).clamp(10, 20))), Role::Text);
    }
    strip.push(format!("{} ", text::left(&line.phase, 16.min(width / 5))), Role::Accent);
    if line.tone == Tone::Output {
        strip.push("  ", Role::Text);
    }
    let room = width.saturating_sub(strip.width() + 1);
    strip.push(text::cut(&line.text, room), role);
    strip
}
