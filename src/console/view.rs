//! Draws the state. Pure: no IO, no clock, and never more rows than can be seen.

mod audit;
mod contexts;
pub mod detail;
mod dialog;
mod feed;
mod gantt;
mod header;
pub mod help;
mod hosts;
mod list;
mod nothing;
pub mod overlay;
mod pager;
mod pen;
mod table;
mod tour;
pub mod tree;
pub mod why;

pub use header::tab_at;
pub use table::column_at;

use super::{
    layout::{Class, SMALLEST},
    state::{Overlay, State, View},
    text,
};
use crate::config::{Role, Theme};
use pen::Pen;
use ratatui::{Frame, layout::Rect, text::Line};

/// Draws one frame.
pub fn view(state: &State, theme: &Theme, frame: &mut Frame) {
    let area = frame.area();
    let layout = state.layout();
    let mut pen = Pen::new(frame.buffer_mut(), theme, state.glyphs);
    pen.fill(area, Role::Text);
    if layout.class == Class::TooSmall {
        return too_small(&mut pen, state, area);
    }
    header::header(&mut pen, state, layout.header);
    if let Some(tabs) = layout.tabs {
        header::tabs(&mut pen, state, tabs);
    }
    if let Some(main) = layout.main {
        match state.view {
            View::Fleet => tree::draw(&mut pen, state, main),
            View::Operations => list::operations(&mut pen, state, main),
            View::Machines => table::draw(&mut pen, state, main),
            View::Events => list::events(&mut pen, state, main),
            View::Hosts => hosts::draw(&mut pen, state, main),
        }
    }
    if let Some(detail) = layout.detail {
        detail::draw(&mut pen, state, layout.class, detail);
    }
    if let Some(feed) = layout.feed {
        match &state.why {
            Some(page) => why::draw(&mut pen, state, page, feed),
            None => feed::draw(&mut pen, state, feed),
        }
    }
    header::hints(&mut pen, state, layout.hints);
    let cursor = match &state.overlay {
        Overlay::None => None,
        Overlay::Filter => overlay::filter(&mut pen, state, layout.hints),
        Overlay::Palette(palette) => overlay::palette(&mut pen, state, palette, area),
        Overlay::Scale(dialog) => dialog::scale(&mut pen, state, dialog, area),
        Overlay::Rollout(dialog) => dialog::rollout(&mut pen, state, dialog, area),
        Overlay::Typed(dialog) => dialog::typed(&mut pen, state, dialog, area),
        Overlay::Bookmark(purpose) => overlay::bookmarks(&mut pen, state, *purpose, area),
        Overlay::Confirm(confirmation) => dialog::confirm(&mut pen, state, confirmation, area),
        Overlay::Export(export) => dialog::export(&mut pen, export, area),
        Overlay::Audit(audit) => audit::draw(&mut pen, state, audit, area),
        Overlay::Pager(pager) => pager::draw(&mut pen, state, pager, area),
    };
    let cursor = match &state.help {
        Some(help) => help::draw(&mut pen, state, help, area),
        None => cursor,
    };
    if let Some(tour) = state.tour {
        return tour::draw(&mut pen, state, tour, area);
    }
    if let Some(position) = cursor {
        frame.set_cursor_position(position);
    }
}

/// Two sentences, wrapped, for as far as the screen goes.
fn too_small(pen: &mut Pen, state: &State, area: Rect) {
    let (width, height) = state.size;
    let sentence = format!("{width}x{height} is too small: make it {}x{} or larger.", SMALLEST.0, SMALLEST.1);
    let mut lines = text::wrap(&sentence, area.width.into());
    lines.extend(text::wrap("ctrl-c leaves.", area.width.into()));
    for (row, line) in (0..area.height).zip(lines) {
        pen.line(Rect { y: area.y + row, height: 1, ..area }, &Line::raw(line));
    }
}
