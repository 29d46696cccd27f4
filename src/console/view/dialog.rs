//! The dialogs that ask for a change. One skeleton for all: what, is it there, what will happen, what the server says, why,
//! yes.

mod drains;
mod opinion;
mod preview;
mod question;
mod rollout;

pub use question::{confirm, export};

use super::{
    super::{
        form::{Ask, Field},
        input::Line,
        rollout::RolloutDialog,
        scale::ScaleDialog,
        state::State,
        text,
        typed::TypedDialog,
    },
    contexts,
    pen::{Pen, Strip, middle, row_of},
};
use crate::{config::Role, fleet::Health};
use ratatui::layout::{Position, Rect};

const LABEL: usize = 11;
/// Below this height every line counts.
const SHORT: u16 = 20;

pub fn scale(pen: &mut Pen, state: &State, dialog: &ScaleDialog, area: Rect) -> Option<Position> {
    let subject = format!("{} / {}", dialog.pool.spec.cluster_name, dialog.short_name);
    let title = Strip::of("Scale  ", Role::Title).add(text::cut(&subject, 44), Role::Accent);
    let (width, short) = room(area);
    let body = preview::lines(pen, state, dialog, width, short);
    let production = dialog.production || dialog.form.stakes.production.is_some();
    sheet(pen, state, dialog, &title, production, &body, area)
}

pub fn rollout(pen: &mut Pen, state: &State, dialog: &RolloutDialog, area: Rect) -> Option<Position> {
    let title = Strip::of(format!("{}  ", dialog.about.verb.title()), Role::Title)
        .add(text::cut(&dialog.subject(), 44), Role::Accent);
    let (width, short) = room(area);
    let body = rollout::lines(pen, state, dialog, width, short);
    let production = dialog.is_production(&state.snapshot) || dialog.form.stakes.production.is_some();
    sheet(pen, state, dialog, &title, production, &body, area)
}

pub fn typed(pen: &mut Pen, state: &State, dialog: &TypedDialog, area: Rect) -> Option<Position> {
    let title = Strip::of(text::cut(&dialog.title, 56), Role::Title);
    let (width, short) = room(area);
    let mut body = Vec::new();
    for sentence in &dialog.meaning {
        body.extend(rollout::marked(pen, Health::Warning, sentence, width));
    }
    body.push(Strip::of(pen.glyphs.rule().repeat(width), Role::Border));
    body.extend(opinion::lines(pen, state, dialog, width, short));
    let production = dialog.form.stakes.production.is_some();
    sheet(pen, state, dialog, &title, production, &body, area)
}

/// Columns for the body, and whether every line counts.
fn room(area: Rect) -> (usize, bool) {
    (usize::from(area.width.saturating_sub(2).min(96)).saturating_sub(4), area.height < SHORT)
}

/// A dialog: its body, which may be longer than the screen is high, above what all of them ask for.
fn sheet(
    pen: &mut Pen,
    state: &State,
    dialog: &dyn Ask,
    title: &Strip,
    production: bool,
    body: &[Strip],
    area: Rect,
) -> Option<Position> {
    let width = area.width.saturating_sub(2).min(96);
    let form = dialog.form();
    let said = status(pen, state, dialog, usize::from(width) - 4);
    let why = why(pen, dialog, usize::from(width) - 4);
    let body = &[why.as_slice(), body].concat();
    let body = &[managed(pen, state, dialog, usize::from(width) - 4).as_slice(), body].concat();
    let foot = if area.height < SHORT { 5 } else { 6 };
    let height = (body.len() as u16 + foot + 2).min(area.height.saturating_sub(1));
    let area = middle(area, width, height);
    let level = dialog.level();
    // A narrow frame leaves out the last of them first: what it takes is said wherever there is room for anything.
    let production = if production { " · production" } else { "" };
    let place = dialog.order().ok().map(|order| contexts::of_order(state, &order)).unwrap_or_default();
    let right =
        Strip::of(format!("level {level}{production}{place}"), if level > 2 { Role::Warning } else { Role::Muted });
    let inner = pen.frame(area, true, title, &right);
    let upper = Rect { height: inner.height.saturating_sub(foot), ..inner };
    let scroll = form.scroll.min(body.len().saturating_sub(upper.height.into()));
    let upper_inner = indent(upper);
    let shown: Vec<Strip> = body[scroll..].iter().map(|line| line.clone().cut(upper_inner.width.into())).collect();
    pen.strips(upper_inner, &shown);
    let lower = Rect { y: upper.bottom(), height: foot.min(inner.height), ..inner };
    rule(pen, row_of(lower, 0), body.len().saturating_sub(scroll + usize::from(upper.height)));
    let focused = |field| form.focus == field;
    let needed = if level >= 3 { "needed, and recorded" } else { "recorded with the change" };
    let reason = typed_line(pen, row_of(lower, 1), "reason", &form.reason, focused(Field::Reason), needed);
    let phrase = dialog.phrase();
    let want = if phrase.is_empty() { String::new() } else { format!("type {phrase}") };
    let confirm = typed_line(pen, row_of(lower, 2), "confirm", &form.confirm, focused(Field::Confirm), &want);
    let rows = usize::from(foot) - 4;
    pen.strips(indent(Rect { y: lower.y + 3, height: rows as u16, ..lower }), &said[..said.len().min(rows)]);
    buttons(pen, state, dialog, row_of(lower, foot - 1));
    match form.focus {
        Field::Reason => Some(reason),
        Field::Confirm => Some(confirm),
        _ => None,
    }
}

/// Whoever else writes what is changed here.
fn managed(pen: &Pen, state: &State, dialog: &dyn Ask, width: usize) -> Vec<Strip> {
    let warning = dialog.order().ok().and_then(|order| state.managed_by(&order, Some("ctrl-x")));
    let parts = warning.map_or_else(Vec::new, |warning| text::wrap(&warning, width.saturating_sub(2)));
    let mark = |row: usize| if row == 0 { pen.glyphs.health(Health::Warning) } else { " " };
    let line = |(row, part): (usize, &String)| Strip::of(format!("{} {part}", mark(row)), Role::Warning);
    parts.iter().enumerate().map(line).collect()
}

/// Why it is harder to confirm than it is elsewhere.
fn why(pen: &Pen, dialog: &dyn Ask, width: usize) -> Vec<Strip> {
    let reasons = dialog.form().stakes.why();
    if reasons.is_empty() {
        return Vec::new();
    }
    let sentence = format!("level {}: {}", dialog.level(), reasons.join("; "));
    rollout::marked(pen, Health::Warning, &sentence, width)
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

fn typed_line(pen: &mut Pen, area: Rect, name: &str, line: &Line, focused: bool, hint: &str) -> Position {
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
fn status(pen: &Pen, state: &State, dialog: &dyn Ask, width: usize) -> Vec<Strip> {
    let (glyph, said, role) = match (&dialog.form().complaint, blocked(state, dialog)) {
        _ if dialog.form().applying.is_some() => {
            (pen.glyphs.health(Health::Moving), "applying …".to_owned(), Role::Moving)
        }
        (Some(complaint), _) => (pen.glyphs.health(Health::Warning), complaint.clone(), Role::Warning),
        (None, Some(why)) => (pen.glyphs.dot(), why, Role::Muted),
        (None, None) => (pen.glyphs.health(Health::Good), "enter applies it".to_owned(), Role::Good),
    };
    let parts = text::wrap(&said, width.saturating_sub(2));
    let mark = |row: usize| if row == 0 { glyph } else { " " };
    parts.iter().enumerate().map(|(row, part)| Strip::of(format!("{} {part}", mark(row)), role)).collect()
}

/// Permission comes before all that can be mended here.
fn blocked(state: &State, dialog: &dyn Ask) -> Option<String> {
    let lacks = dialog.order().ok().and_then(|order| state.lacks_for(&order));
    lacks.or_else(|| dialog.blocked(state.is_armed()))
}

fn buttons(pen: &mut Pen, state: &State, dialog: &dyn Ask, area: Rect) {
    let ready = blocked(state, dialog).is_none();
    // Until the name is right nothing but Cancel is offered: Enter goes from field to field.
    let shown_focus = match dialog.form().focus {
        Field::Value | Field::Reason => Field::Cancel,
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
