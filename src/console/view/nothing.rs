//! Why a list has no rows, in a sentence or two: the same ones in every list.

use super::{
    super::{contexts, state::State, text},
    pen::{Pen, Strip, row_of},
};
use crate::config::Role;
use ratatui::layout::Rect;

/// A sentence, and the role that it has.
type Said = (String, Role);

/// Says in the rows from `from` on why there are none; `none` is for where there really is nothing.
pub fn draw(pen: &mut Pen, state: &State, inner: Rect, from: u16, none: &str) {
    let mut rows = from.min(inner.height.saturating_sub(1))..inner.height;
    for (sentence, role) in why(state, none) {
        let parts = text::wrap(&sentence, usize::from(inner.width).saturating_sub(4));
        for (part, row) in parts.iter().zip(&mut rows) {
            pen.strip(row_of(inner, row), &Strip::of(format!("   {part}"), role));
        }
    }
}

fn why(state: &State, none: &str) -> Vec<Said> {
    let said = |sentence: &str| (sentence.to_owned(), Role::Muted);
    if let Some(mistake) = state.mistake() {
        return vec![
            (format!("The filter cannot be read: {mistake}."), Role::Warning),
            said("What could be read before is in force still, and nothing matches that."),
        ];
    }
    let mut sentences = if !state.line().is_empty() {
        vec![said("Nothing matches: `=` is exact, `:` begins so, `~` contains."), said("Esc clears the filter.")]
    } else if state.problems_only {
        vec![said("Nothing here has a problem."), said("The same key shows everything again.")]
    } else {
        Vec::new()
    };
    // Where not all was read, nothing is no answer.
    sentences.extend(contexts::unread(state, None).into_iter().map(|why| (why, Role::Warning)));
    if sentences.is_empty() {
        sentences.push(said(none));
    }
    sentences
}
