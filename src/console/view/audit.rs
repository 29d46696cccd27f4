//! Draws the audit: a table over the whole screen.

use super::{
    super::{
        audit::{Audit, Entry, Scope},
        contexts::unread,
        here,
        state::State,
        text,
    },
    contexts,
    overlay::{at_cursor, mistaken},
    pen::{Pen, Strip, row_of},
};
use crate::{config::Role, fleet::Health};
use ratatui::layout::{Position, Rect};

pub fn draw(pen: &mut Pen, state: &State, audit: &Audit, area: Rect) -> Option<Position> {
    pen.clear(area);
    let title = Strip::of("Who did what", Role::Title).add(format!("  {}", text::cut(&audit.title, 40)), Role::Accent);
    let right = match (audit.filter.is_empty(), audit.rows.len()) {
        (false, left) => {
            let said = format!("{} of {} match", text::number(left), text::number(audit.of_all));
            Strip::of(said, Role::Accent)
        }
        (true, 1) => Strip::of("1 entry · newest first", Role::Muted),
        (true, many) => Strip::of(format!("{} entries · newest first", text::number(many)), Role::Muted),
    };
    let frame = Rect { height: area.height.saturating_sub(1), ..area };
    let inner = pen.frame(frame, true, &title, &right);
    let widths = Widths::of(inner.width.into());
    let head = format!(" {}{}", text::left("WHEN", widths.when), text::left("WHO", widths.who));
    let head = Strip::of(head + &contexts::column(state, None), Role::Muted)
        .add(text::left("ABOUT", widths.about), Role::Muted)
        .add("WHAT, AND WHY", Role::Muted);
    pen.strip(row_of(inner, 0), &head);
    if audit.rows.is_empty() {
        let said = match (audit.filter.is_empty(), &audit.scope) {
            (false, _) => "Nothing matches: `=` is exact, `:` begins so, `~` contains. Esc clears the filter.",
            (true, Scope::All) => "Nobody has changed anything, as far as events and operations are still there.",
            (true, _) => "Nobody has changed anything here, as far as is known; `a` shows the whole fleet.",
        };
        let unread = unread(state, None).into_iter().next().filter(|_| audit.filter.is_empty());
        let said = unread.unwrap_or_else(|| said.to_owned());
        let parts = text::wrap(&said, usize::from(inner.width).saturating_sub(2));
        for (row, part) in (2..inner.height).zip(parts) {
            pen.strip(row_of(inner, row), &Strip::of(format!(" {part}"), Role::Muted));
        }
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    for (offset, entry) in audit.rows.iter().skip(audit.top).take(rows).enumerate() {
        let here = row_of(inner, offset as u16 + 1);
        let selected = audit.top + offset == audit.index;
        pen.strip(here, &row(pen, state, entry, &widths, selected, inner.width.into()));
        if selected {
            pen.highlight(here);
        }
    }
    let last = row_of(area, area.height.saturating_sub(1));
    match &state.notice {
        Some(notice) if !audit.typing => {
            let said = text::cut(&notice.text, usize::from(area.width).saturating_sub(4));
            pen.strip(last, &Strip::of(format!(" {} {said}", pen.glyphs.health(Health::Warning)), Role::Warning));
            None
        }
        _ => foot(pen, state, audit, last),
    }
}

struct Widths {
    when: usize,
    who: usize,
    about: usize,
}

impl Widths {
    fn of(width: usize) -> Self {
        Self { when: 12, who: (width / 8).clamp(8, 16), about: (width / 5).clamp(12, 34) }
    }
}

fn row(pen: &Pen, state: &State, entry: &Entry, widths: &Widths, selected: bool, width: usize) -> Strip {
    let mut strip = Strip::of(if selected { pen.glyphs.cursor() } else { " " }, Role::Accent)
        .add(text::left(&text::when(entry.at, state.now), widths.when), Role::Muted)
        .add(text::left(&text::cut(&entry.who, widths.who - 1), widths.who), Role::Title)
        .add(contexts::column(state, Some(entry.uid.context)), Role::Muted)
        .add(text::left(&text::cut(&entry.name, widths.about - 1), widths.about), Role::Text);
    let room = width.saturating_sub(strip.width());
    let what = text::cut(&entry.what, room);
    let rest = room.saturating_sub(text::width(&what));
    strip.push(what, Role::Text);
    if let Some(why) = entry.why.as_deref().filter(|_| rest > 6) {
        strip.push(text::cut(&format!("  {} {why}", pen.glyphs.dot()), rest), Role::Accent);
    }
    strip
}

fn foot(pen: &mut Pen, state: &State, audit: &Audit, area: Rect) -> Option<Position> {
    if audit.typing || !audit.filter.is_empty() {
        let mut strip = Strip::of(" / ", Role::Key).add(text::clean(audit.filter.value()), Role::Input);
        match &audit.mistake {
            Some(mistake) => strip = mistaken(strip, mistake, area),
            None if audit.filter.is_empty() => {
                strip.push("  words, or who=alice what=scales; enter keeps it, esc takes it back", Role::Muted);
            }
            None => {}
        }
        pen.strip(area, &strip);
        return audit.typing.then(|| at_cursor(&audit.filter, area));
    }
    let mut strip = Strip::of(" ", Role::Text);
    for hint in here::audit().first {
        strip.push(hint.keys(state).into_iter().next().unwrap_or_default(), Role::Key);
        strip.push(format!(" {}  ", hint.hint()), Role::Muted);
    }
    pen.strip(area, &strip);
    None
}
