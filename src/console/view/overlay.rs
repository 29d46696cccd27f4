//! What lies over the panes and is not a dialog: help, the filter's line, the palette.

use super::{
    super::{
        input::Line,
        palette::Palette,
        places::{Location, Purpose},
        state::{State, View},
        text,
    },
    pen::{Pen, Strip, middle, row_of},
};
use crate::config::Role;
use ratatui::layout::{Position, Rect};

/// The bookmarks that there are, while a letter is awaited.
pub fn bookmarks(pen: &mut Pen, state: &State, purpose: Purpose, area: Rect) -> Option<Position> {
    let title = match purpose {
        Purpose::Set => "Set a bookmark: a letter",
        Purpose::Jump => "Go to a bookmark: its letter",
    };
    let height = (state.bookmarks.len().max(1) as u16 + 2).min(area.height.saturating_sub(4)).max(3);
    let area = middle(area, 64, height);
    let inner = pen.frame(area, true, &Strip::of(title, Role::Title), &Strip::new());
    let line = |(letter, location): (&char, &Location)| {
        Strip::of(format!(" {letter}  "), Role::Key)
            .add(format!("{:<11}", location.view.title()), Role::Muted)
            .add(text::cut(&location.title(state), 46), Role::Text)
    };
    let mut lines: Vec<Strip> = state.bookmarks.iter().map(line).collect();
    if lines.is_empty() {
        lines.push(Strip::of(" none yet", Role::Muted));
    }
    pen.strips(inner, &lines);
    None
}

/// The line on which the filter is typed.
pub fn filter(pen: &mut Pen, state: &State, area: Rect) -> Option<Position> {
    pen.clear(area);
    let line = state.line();
    let mut strip = Strip::of(" / ", Role::Key).add(text::clean(line.value()), Role::Text);
    match (state.mistake(), line.is_empty()) {
        (Some(mistake), _) => strip = mistaken(strip, mistake, area),
        (None, true) => {
            let example = match state.view {
                View::Operations => "type=ScaleUp who=alice",
                View::Events => "type=Warning pool=gpu",
                View::Hosts => "state=trouble kubelet=failed",
                View::Fleet | View::Machines => "state=failed pool!=infra",
            };
            strip.push(format!("  words, or {example}; enter keeps it, esc takes it back"), Role::Muted);
        }
        (None, false) if state.sifter.is_looking() && matches!(state.view, View::Fleet | View::Machines) => {
            strip.push("   looking", Role::Muted)
        }
        (None, false) => {
            let count = match state.view {
                View::Operations => text::plural(state.sieves.operations.len(), "operation"),
                View::Events => text::plural(state.sieves.events.len(), "event"),
                View::Hosts => text::plural(state.hosts.len(), "host"),
                View::Fleet | View::Machines => text::plural(state.sifter.matches().map_or(0, |m| m.count), "machine"),
            };
            strip.push(format!("   {count}"), Role::Muted);
        }
    }
    pen.strip(area, &strip);
    Some(at_cursor(line, area))
}

/// What is typed, and behind it what is wrong with it: cut with `…` while one types, and whole once it is entered.
pub fn mistaken(typed: Strip, mistake: &str, area: Rect) -> Strip {
    let room = usize::from(area.width).saturating_sub(typed.width() + 3);
    typed.add(format!("   {}", text::cut(mistake, room)), Role::Warning)
}

/// The cursor of a line that begins with a mark of three columns; at the edge where it would be beyond it.
pub fn at_cursor(line: &Line, area: Rect) -> Position {
    let column = area.x.saturating_add(3).saturating_add(u16::try_from(line.cursor()).unwrap_or(u16::MAX));
    Position::new(column.min(area.right().saturating_sub(1)), area.y)
}

pub fn palette(pen: &mut Pen, state: &State, palette: &Palette, area: Rect) -> Option<Position> {
    let width = area.width.saturating_sub(4).min(84);
    let complaint = palette.complaint.as_deref().unwrap_or_default();
    let complaint = text::wrap(complaint, usize::from(width).saturating_sub(6));
    let rows = if complaint.is_empty() { palette.completions.len() } else { complaint.len() }.max(1) as u16;
    let area = Rect { y: area.y + area.height / 6, ..middle(area, width, rows + 3) }.intersection(area);
    let inner = pen.frame(area, true, &Strip::of("Command", Role::Title), &Strip::of("tab completes", Role::Muted));
    pen.strip(row_of(inner, 0), &Strip::of(" : ", Role::Key).add(text::clean(palette.line.value()), Role::Text));
    if !complaint.is_empty() {
        for (row, part) in (1..inner.height).zip(complaint) {
            pen.strip(row_of(inner, row), &Strip::of(format!("   {part}"), Role::Warning));
        }
        return Some(Position::new(inner.x + 3 + palette.line.cursor() as u16, inner.y));
    }
    for (row, (index, completion)) in (1..inner.height).zip(palette.completions.iter().enumerate()) {
        let selected = index == palette.selected;
        let mark = if selected { pen.glyphs.cursor() } else { " " };
        let why_not = completion.action().and_then(|action| state.why_not(action));
        let role = if why_not.is_some() { Role::Muted } else { Role::Text };
        let help = text::cut(why_not.as_deref().unwrap_or(&completion.help), usize::from(inner.width) - 34);
        let strip = Strip::of(format!(" {mark} "), Role::Accent)
            .add(text::left(&completion.text, 30), role)
            .add(help, Role::Muted);
        pen.strip(row_of(inner, row), &strip);
        if selected {
            pen.highlight(row_of(inner, row));
        }
    }
    Some(Position::new(inner.x + 3 + palette.line.cursor() as u16, inner.y))
}
