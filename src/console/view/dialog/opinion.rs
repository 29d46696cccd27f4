//! What the server says to a change that was not made yet: a diff, or why it refuses.

use super::super::{
    super::{
        form::{Ask, Opinion},
        message::DryRun,
        state::State,
        text,
    },
    pen::{Pen, Strip},
};
use crate::{config::Role, fleet::Health};

/// The opinion as it stands; `short` leaves out what is not changed.
pub fn lines(pen: &Pen, state: &State, dialog: &dyn Ask, width: usize, short: bool) -> Vec<Strip> {
    let muted = |text: &str| vec![Strip::of(text, Role::Muted)];
    let Ok(order) = dialog.order() else { return muted("server dry run: asked as soon as there is a change") };
    match &dialog.form().opinion {
        _ if !state.is_armed() => muted("server dry run: not asked while read-only"),
        Opinion::NotAsked => muted("server dry run …"),
        Opinion::Waiting { .. } => muted("server dry run: asking …"),
        Opinion::Refused(message) => {
            let mut lines = vec![Strip::of(format!("server dry run {}", pen.glyphs.health(Health::Bad)), Role::Bad)];
            lines.extend(text::wrap(message, width).into_iter().map(|part| Strip::of(part, Role::Bad)));
            lines
        }
        Opinion::Given(answer) => {
            let stale = if dialog.form().is_asked(&order) { "" } else { " …" };
            given(pen, answer, stale, width, short)
        }
    }
}

fn given(pen: &Pen, answer: &DryRun, stale: &str, width: usize, short: bool) -> Vec<Strip> {
    let mut lines = vec![
        Strip::of("server dry run ", Role::Text).add(format!("{}{stale}", pen.glyphs.health(Health::Good)), Role::Good),
    ];
    lines.extend(answer.diff.iter().filter(|line| !short || line.sign != ' ').map(|line| {
        let role = match line.sign {
            '+' => Role::Added,
            '-' => Role::Removed,
            _ => Role::Muted,
        };
        Strip::of(format!("{} {}", line.sign, text::cut(&line.text, width.saturating_sub(2))), role)
    }));
    lines
}
