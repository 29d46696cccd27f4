//! The scale dialog. One skeleton for what is to come: what, is it there, what will happen, what the server says, why, yes.

mod preview;
mod question;

pub use question::{confirm, export};

use super::{
    super::{
        action::Action,
        input::Line,
        scale::{Field, ScaleDialog},
        state::State,
        text,
    },
    pen::{Pen, Strip, middle, row_of},
};
use crate::{config::Role, fleet::Health};
use ratatui::layout::{Position, Rect};

const LABEL: usize = 11;
/// Below this height every line counts.
const SHORT: u16 = 20;

pub fn scale(pen: &mut Pen, state: &State, dialog: &ScaleDialog, area: Rect) -> Option<Position> {
    let width = area.width.saturating_sub(2).min(96);
    let short = area.height < SHORT;
    let body = preview::lines(pen, state, dialog, usize::from(width) - 4, short);
    let said = status(pen, state, dialog, usize::from(width) - 4);
    let foot = if short { 5 } else { 6 };
    let height = (body.len() as u16 + foot + 2).min(area.height.saturating_sub(1));
    let area = middle(area, width, height);
    let title = Strip::of("Scale  ", Role::Title)
        .add(text::cut(&format!("{} / {}", dialog.pool.spec.cluster_name, dialog.short_name), 44), Role::Accent);
    let level = dialog.level();
    let production = if dialog.production { "production · " } else { "" };
    let right = Strip::of(format!("{production}level {level}"), if level > 2 { Role::Warning } else { Role::Muted });
    let inner = pen.frame(area, true, &title, &right);
    let upper = Rect { height: inner.height.saturating_sub(foot), ..inner };
    let scroll = dialog.scroll.min(body.len().saturating_sub(upper.height.into()));
    pen.strips(indent(upper), &body[scroll..]);
    let lower = Rect { y: upper.bottom(), height: foot.min(inner.height), ..inner };
    rule(pen, row_of(lower, 0), body.len().saturating_sub(scroll + usize::from(upper.height)));
    let reason = typed(
        pen,
        row_of(lower, 1),
        "reason",
        &dialog.reason,
        dialog.focus == Field::Reason,
        "recorded with the change",
    );
    let want = format!("type {}", dialog.phrase());
    let confirm = typed(pen, row_of(lower, 2), "confirm", &dialog.confirm, dialog.focus == Field::Confirm, &want);
    let rows = usize::from(foot) - 4;
    pen.strips(indent(Rect { y: lower.y + 3, height: rows as u16, ..lower }), &said[..said.len().min(rows)]);
    buttons(pen, state, dialog, row_of(lower, foot - 1));
    match dialog.focus {
        Field::Reason => Some(reason),
        Field::Confirm => Some(confirm),
        _ => None,
    }
}

fn indent(area: Rect) -> Rect {
    Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }
}

/// The line below the preview; it says how much of that is out of sight.
fn rule(pen: &mut Pen, area: Rect, hidden: usize) {
    let line = pen.glyphs.rule().repeat(area.width.into());
    pen.strip(area, &Strip::of(line, Role::Border));
    if hidden > 0 {
        let more =
            Strip::of(format!(" {} more ", text::plural(hidden, "line")), Role::Accent).add("ctrl-d ", Role::Key);
        pen.right(Rect { width: area.width - 1, ..area }, &more);
    }
}

fn label(text: &str) -> Strip {
    Strip::of(text::left(text, LABEL), Role::Muted)
}

fn typed(pen: &mut Pen, area: Rect, name: &str, line: &Line, focused: bool, hint: &str) -> Position {
    let area = indent(area);
    let room = usize::from(area.width).saturating_sub(LABEL + 34).clamp(12, 40);
    let shown = tail(line.value(), room);
    let strip = label(name)
        .add("[ ", if focused { Role::Focus } else { Role::Border })
        .add(text::left(&shown, room), if focused { Role::Input } else { Role::Text })
        .add(" ]", if focused { Role::Focus } else { Role::Border })
        .add(format!("  {hint}"), Role::Muted);
    pen.strip(area, &strip);
    let column = LABEL + 2 + line.cursor().min(room);
    Position::new(area.x + column as u16, area.y)
}

/// The end of a text that is too long for its field.
fn tail(value: &str, room: usize) -> String {
    let value = text::clean(value);
    let mut start = 0;
    while text::width(&value[start..]) > room {
        start += value[start..].chars().next().map_or(1, char::len_utf8);
    }
    value[start..].to_owned()
}

/// Why it is refused, or what happens on Enter.
fn status(pen: &Pen, state: &State, dialog: &ScaleDialog, width: usize) -> Vec<Strip> {
    let (glyph, said, role) = match (&dialog.complaint, blocked(state, dialog)) {
        _ if dialog.applying.is_some() => (pen.glyphs.health(Health::Moving), "applying …".to_owned(), Role::Moving),
        (Some(complaint), _) => (pen.glyphs.health(Health::Warning), complaint.clone(), Role::Warning),
        (None, Some(why)) => (pen.glyphs.dot(), why, Role::Muted),
        (None, None) => (pen.glyphs.health(Health::Good), "enter applies it".to_owned(), Role::Good),
    };
    let parts = text::wrap(&said, width.saturating_sub(2));
    let mark = |row: usize| if row == 0 { glyph } else { " " };
    parts.iter().enumerate().map(|(row, part)| Strip::of(format!("{} {part}", mark(row)), role)).collect()
}

/// Permission comes before all that can be mended here.
fn blocked(state: &State, dialog: &ScaleDialog) -> Option<String> {
    state.why_not(Action::Scale).or_else(|| dialog.blocked(state.is_armed()))
}

fn buttons(pen: &mut Pen, state: &State, dialog: &ScaleDialog, area: Rect) {
    let ready = blocked(state, dialog).is_none();
    // Until the name is typed, Cancel is what Enter would mean here.
    let shown_focus = match dialog.focus {
        Field::Replicas | Field::Reason => Field::Cancel,
        Field::Confirm if ready => Field::Apply,
        Field::Confirm => Field::Cancel,
        other => other,
    };
    let mut strip = Strip::of("  ", Role::Text);
    for (field, name) in [(Field::Cancel, " Cancel "), (Field::Export, " Export (ctrl-x) "), (Field::Apply, " Apply ")]
    {
        let role = match (field == shown_focus, field, ready) {
            (true, ..) => Role::Cursor,
            (false, Field::Apply, false) => Role::Muted,
            (false, ..) => Role::Text,
        };
        strip.push(name, role);
        strip.push("   ", Role::Text);
    }
    pen.strip(area, &strip);
}
