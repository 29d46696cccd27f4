//! What lies over the panes and is not a dialog: help, the filter's line, the palette.

use super::{
    super::{
        action::{ACTIONS, Group},
        palette::Palette,
        state::State,
        text,
        theme::Role,
    },
    pen::{Pen, Strip, middle, row_of},
};
use ratatui::layout::{Position, Rect};

/// The help page, made from the table of actions and the keymap.
pub fn help(pen: &mut Pen, state: &State, scroll: usize, area: Rect) -> Option<Position> {
    let mut lines = Vec::new();
    for group in Group::ALL {
        lines.push(Strip::of(format!(" {}", group.title()), Role::Title));
        for entry in ACTIONS.iter().filter(|e| e.group == group) {
            let keys: Vec<String> = state.keymap.keys(entry.action).iter().map(ToString::to_string).collect();
            let writes = if entry.writes { "  (writes: W first)" } else { "" };
            lines.push(
                Strip::of(format!("  {} ", text::left(&keys.join(" "), 20)), Role::Key)
                    .add(text::left(entry.name, 16), Role::Accent)
                    .add(entry.help, Role::Text)
                    .add(writes, Role::Muted),
            );
        }
        lines.push(Strip::new());
    }
    lines.extend(legend(pen));
    let height = (lines.len() as u16 + 2).min(area.height.saturating_sub(2));
    let area = middle(area, 104, height);
    let right = Strip::of("j k scroll · esc closes", Role::Muted);
    let inner = pen.frame(area, true, &Strip::of("Help", Role::Title), &right);
    let scroll = scroll.min(lines.len().saturating_sub(inner.height.into()));
    pen.strips(inner, &lines[scroll..]);
    None
}

fn legend(pen: &Pen) -> Vec<Strip> {
    use crate::fleet::Health;
    let words = [
        (Health::Good, "well"),
        (Health::Moving, "work under way"),
        (Health::Warning, "blocked, or not known"),
        (Health::Bad, "failed"),
        (Health::Idle, "idle"),
    ];
    let mut line = Strip::of("  ", Role::Text);
    for (health, word) in words {
        line.push(format!("{} ", pen.glyphs.health(health)), super::tree::role(health));
        line.push(format!("{word}   "), Role::Text);
    }
    vec![
        Strip::of(" Shapes", Role::Title),
        line,
        Strip::new(),
        Strip::of(" Filter", Role::Title),
        Strip::of(
            "  words match anywhere, in order or not: gpu eu        fields are exact: state=failed pool!=infra",
            Role::Text,
        ),
        Strip::new(),
        Strip::of(" Levels of confirmation", Role::Title),
        Strip::of(
            "  0 at once   1 yes or no   2 preview, dry run, typed name   3 the same with number and reason",
            Role::Text,
        ),
    ]
}

/// The line on which the filter is typed.
pub fn filter(pen: &mut Pen, state: &State, area: Rect) -> Option<Position> {
    pen.clear(area);
    let mut strip = Strip::of(" / ", Role::Key).add(text::clean(state.filter.value()), Role::Text);
    let start = 3;
    match (state.sifter.mistake(), state.filter.is_empty()) {
        (Some(mistake), _) => strip.push(format!("   {mistake}"), Role::Warning),
        (None, true) => {
            strip.push("  words, or state=failed pool!=infra; enter keeps it, esc takes it back", Role::Muted)
        }
        (None, false) => {
            let count = state.sifter.matches().map_or(0, |m| m.count);
            strip.push(format!("   {}", text::plural(count, "machine")), Role::Muted);
        }
    }
    pen.strip(area, &strip);
    let column = start + state.filter.cursor() as u16;
    Some(Position::new((area.x + column).min(area.right().saturating_sub(1)), area.y))
}

pub fn palette(pen: &mut Pen, palette: &Palette, area: Rect) -> Option<Position> {
    let rows = palette.completions.len().max(1) as u16;
    let width = area.width.saturating_sub(4).min(84);
    let area = Rect { y: area.y + area.height / 6, ..middle(area, width, rows + 3) }.intersection(area);
    let inner = pen.frame(area, true, &Strip::of("Command", Role::Title), &Strip::of("tab completes", Role::Muted));
    pen.strip(row_of(inner, 0), &Strip::of(" : ", Role::Key).add(text::clean(palette.line.value()), Role::Text));
    if let Some(complaint) = &palette.complaint {
        pen.strip(row_of(inner, 1), &Strip::of(format!("   {complaint}"), Role::Warning));
        return Some(Position::new(inner.x + 3 + palette.line.cursor() as u16, inner.y));
    }
    for (row, (index, completion)) in (1..inner.height).zip(palette.completions.iter().enumerate()) {
        let selected = index == palette.selected;
        let mark = if selected { pen.glyphs.cursor() } else { " " };
        let strip = Strip::of(format!(" {mark} "), Role::Accent)
            .add(text::left(&completion.text, 30), Role::Text)
            .add(completion.help, Role::Muted);
        pen.strip(row_of(inner, row), &strip);
        if selected {
            pen.highlight(row_of(inner, row));
        }
    }
    Some(Position::new(inner.x + 3 + palette.line.cursor() as u16, inner.y))
}
