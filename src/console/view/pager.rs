//! Draws the pager: a title, as much of the text as fits, and a line of keys. No frame, so that a terminal's own selection gets
//! the text and nothing else.

use super::{
    super::{
        here,
        pager::{Hit, Look, Pager, Row},
        state::State,
        text,
    },
    pen::{Pen, Strip, row_of},
};
use crate::config::Role;
use ratatui::layout::{Position, Rect};

pub fn draw(pen: &mut Pen, state: &State, pager: &Pager, area: Rect) -> Option<Position> {
    pen.clear(area);
    title(pen, pager, row_of(area, 0));
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    match &pager.failed {
        Some(why) => {
            let parts = text::wrap(why, usize::from(area.width).saturating_sub(2));
            let lines: Vec<Strip> = parts.into_iter().map(|p| Strip::of(format!(" {p}"), Role::Warning)).collect();
            pen.strips(body, &lines);
        }
        None if pager.page.len() == 0 && pager.waiting.is_some() => {
            let said = if pager.is_running() { " Nothing is printed yet." } else { " Reading …" };
            pen.strip(row_of(body, 0), &Strip::of(said, Role::Muted));
        }
        None if pager.page.len() == 0 => {
            pen.strip(row_of(body, 0), &Strip::of(" There is nothing in it.", Role::Muted))
        }
        None => {
            for (row, part) in (0..body.height).zip(pager.visible()) {
                line(pen, pager, part, row_of(body, row));
            }
        }
    }
    foot(pen, state, pager, row_of(area, area.height.saturating_sub(1)))
}

fn title(pen: &mut Pen, pager: &Pager, area: Rect) {
    let lines = pager.page.len();
    let last = pager.visible().last().map_or(0, |row| row.line + 1);
    let mut right = Strip::new();
    if pager.waiting.is_some() {
        right.push(if pager.is_running() { "running …  " } else { "reading …  " }, Role::Moving);
    }
    if let Some((how, good)) = &pager.ended {
        right.push(format!("{}  ", text::cut(how, 60)), if *good { Role::Good } else { Role::Warning });
    }
    if pager.search.is_on() {
        right.push(format!("{}  ", pager.search.count()), Role::Accent);
    }
    let first = (pager.top.line + 1).min(lines);
    right.push(
        format!("{}-{} of {} ", text::number(first), text::number(last), text::plural(lines, "line")),
        Role::Muted,
    );
    let room = usize::from(area.width).saturating_sub(right.width() + 2);
    pen.strip(area, &Strip::of(format!(" {}", text::cut(&pager.title, room)), Role::Title));
    pen.right(area, &right);
}

/// A row of the text: its look first, what was searched for on top.
fn line(pen: &mut Pen, pager: &Pager, row: Row, area: Rect) {
    let whole = pager.page.line(row.line);
    let mut strip = Strip::of(" ".repeat(row.pad), Role::Text);
    let current = pager.search.current();
    let mut at = row.start;
    for hit in pager.search.of_line(row.line) {
        let (start, end) = (hit.start.clamp(at, row.end), hit.end.clamp(at, row.end));
        plain(&mut strip, pager.look, whole, at, start);
        let role = if current == Some(*hit) { Role::Cursor } else { Role::Selection };
        strip.push(&whole[start..end], role);
        at = end;
    }
    plain(&mut strip, pager.look, whole, at, row.end);
    pen.strip(area, &strip);
    mark_hits(pen, pager, row, area);
    if row.cut && area.width > 0 {
        let edge = if pen.glyphs.is_ascii() { ">" } else { "›" };
        pen.strip(Rect { x: area.right() - 1, width: 1, ..area }, &Strip::of(edge, Role::Accent));
    }
}

/// A hit is seen without any colour too: the theme `none` has reversed ink for the cursor.
fn mark_hits(pen: &mut Pen, pager: &Pager, row: Row, area: Rect) {
    let Some(Hit { line, start, end }) = pager.search.current() else { return };
    if line != row.line || end <= row.start || start >= row.end {
        return;
    }
    let (begin, _) = pager.page.columns(line, row.start, row.start);
    let (from, to) = pager.page.columns(line, start.max(row.start), end.min(row.end));
    let x = area.x + (row.pad + from - begin) as u16;
    let width = ((to - from) as u16).min(area.right().saturating_sub(x));
    pen.highlight(Rect { x, width, ..area });
}

/// Text from `start` to `end` of a line, coloured by its look.
fn plain(strip: &mut Strip, look: Look, line: &str, start: usize, end: usize) {
    if start >= end {
        return;
    }
    let (head, role) = head(look, line);
    let middle = head.clamp(start, end);
    if start < middle {
        strip.push(&line[start..middle], role);
    }
    if middle < end {
        strip.push(&line[middle..end], if role == Role::Muted && head >= line.len() { role } else { Role::Text });
    }
}

/// How far the first part of a line goes, and its role.
fn head(look: Look, line: &str) -> (usize, Role) {
    match look {
        Look::Plain => (0, Role::Text),
        Look::Diff => match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => (4, Role::Title),
            Some(b'#') => (line.len(), Role::Muted),
            Some(b'-') => (line.len(), Role::Removed),
            Some(b'+') => (line.len(), Role::Added),
            _ => (0, Role::Text),
        },
        Look::Yaml if line.trim_start().starts_with('#') => (line.len(), Role::Muted),
        Look::Yaml => {
            let end = line.find(": ").or_else(|| line.strip_suffix(':').map(str::len));
            let is_key = |key: &str| !key.trim_start().trim_start_matches("- ").contains(['"', '\'', ' ']);
            (end.filter(|end| is_key(&line[..*end])).map_or(0, |end| end + 1), Role::Accent)
        }
        Look::Labels => {
            let end = line.find(':').filter(|end| line[*end + 1..].is_empty() || line[*end + 1..].starts_with(' '));
            let role = if line.starts_with(' ') { Role::Accent } else { Role::Title };
            (end.map_or(0, |end| end + 1), role)
        }
    }
}

/// The line at the bottom: what is typed, what there is to say, or the keys.
fn foot(pen: &mut Pen, state: &State, pager: &Pager, area: Rect) -> Option<Position> {
    if pager.search.typing {
        let typed = text::clean(pager.search.line.value());
        pen.strip(area, &Strip::of(" / ", Role::Key).add(typed, Role::Text));
        let column = 3 + pager.search.line.cursor() as u16;
        return Some(Position::new((area.x + column).min(area.right().saturating_sub(1)), area.y));
    }
    if let Some(notice) = &state.notice {
        super::header::say(pen, notice, area);
        return None;
    }
    let mut strip = Strip::of(" ", Role::Text);
    for hint in here::pager(pager).first {
        let key = hint.keys(state).join(" ");
        let next = Strip::of(key, Role::Key).add(format!(" {}   ", hint.hint()), Role::Muted);
        if strip.width() + next.width() <= usize::from(area.width) + 3 {
            strip = strip.append(next);
        }
    }
    pen.strip(area, &strip);
    None
}
