//! The small dialogs: yes or no, and a change as text.

use super::{
    super::{
        super::{
            confirm::{Confirmation, Deed},
            export::{ExportDialog, Form},
            state::State,
            text,
        },
        contexts,
        pen::{Pen, Strip, middle, row_of},
    },
    indent,
};
use crate::config::Role;
use ratatui::layout::{Position, Rect};

pub fn confirm(pen: &mut Pen, state: &State, confirmation: &Confirmation, area: Rect) -> Option<Position> {
    let width = area.width.saturating_sub(4).min(72);
    let place = match &confirmation.deed {
        Deed::Change(order) => contexts::of_order(state, order),
        Deed::Run(_) => String::new(),
    };
    let meaning = text::wrap(&confirmation.meaning, usize::from(width) - 4);
    let area = middle(area, width, meaning.len() as u16 + 5);
    let inner =
        pen.frame(area, true, &Strip::of("Confirm", Role::Title), &Strip::of(format!("level 1{place}"), Role::Muted));
    let inner = indent(inner);
    pen.strip(row_of(inner, 0), &Strip::of(text::clean(&confirmation.question), Role::Text));
    for (row, part) in (1..).zip(&meaning) {
        pen.strip(row_of(inner, row), &Strip::of(part.as_str(), Role::Muted));
    }
    let role = |focused: bool| if focused { Role::Cursor } else { Role::Text };
    let buttons = Strip::new()
        .add(" No (n) ", role(!confirmation.yes))
        .add("   ", Role::Text)
        .add(" Yes (y) ", role(confirmation.yes));
    let buttons = match confirmation.deed {
        Deed::Change(_) => buttons.add("    x", Role::Key).add(" export instead", Role::Muted),
        Deed::Run(_) => buttons,
    };
    pen.strip(row_of(inner, meaning.len() as u16 + 2), &buttons);
    None
}

pub fn export(pen: &mut Pen, export: &ExportDialog, area: Rect) -> Option<Position> {
    let text = export.text();
    let width = area.width.saturating_sub(4).min(110);
    let lines: Vec<String> = text.lines().flat_map(|line| text::hard_wrap(line, usize::from(width) - 4)).collect();
    let area = middle(area, width, (lines.len() as u16 + 6).min(area.height.saturating_sub(2)));
    let inner = pen.frame(
        area,
        true,
        &Strip::of("Export instead of applying", Role::Title),
        &Strip::of("esc closes", Role::Muted),
    );
    let inner = indent(inner);
    let mut tabs = Strip::new();
    for (i, form) in Form::ALL.into_iter().enumerate() {
        tabs.push(format!("{} ", i + 1), Role::Key);
        tabs.push(format!(" {} ", form.title()), if form == export.form { Role::Cursor } else { Role::Text });
        tabs.push("   ", Role::Text);
    }
    pen.strip(row_of(inner, 0), &tabs);
    for (row, line) in (2..inner.height.saturating_sub(2)).zip(&lines) {
        pen.strip(row_of(inner, row), &Strip::of(text::clean(line), Role::Text));
    }
    let keys = Strip::of("w", Role::Key)
        .add(format!(" write {}   ", export.file_name()), Role::Muted)
        .add("y", Role::Key)
        .add(" copy   ", Role::Muted)
        .add("tab", Role::Key)
        .add(" next form", Role::Muted);
    pen.strip(row_of(inner, inner.height.saturating_sub(1)), &keys);
    None
}
