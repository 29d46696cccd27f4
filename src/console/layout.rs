//! Where the panes are, from the size of the terminal and what is asked for. Pure arithmetic.

use super::state::{Pane, State, View};
use ratatui::layout::Rect;

/// Below this only a sentence is shown.
pub const SMALLEST: (u16, u16) = (60, 15);

/// How much there is to work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    TooSmall,
    /// One pane at a time.
    Compact,
    /// The list, and a short pane below it.
    Medium,
    /// List and detail side by side, events below.
    Wide,
    /// The same, with room for grid and gantt together.
    Full,
}

/// The panes; those that have no room are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub class: Class,
    pub header: Rect,
    pub tabs: Option<Rect>,
    pub main: Option<Rect>,
    pub detail: Option<Rect>,
    pub feed: Option<Rect>,
    pub hints: Rect,
}

impl Layout {
    /// Rows of the main list that can be seen: without the frame and the line of column titles.
    pub fn list_height(&self) -> usize {
        self.main.map_or(0, |area| area.height.saturating_sub(3)).into()
    }

    /// Lines of the feed that can be seen.
    pub fn feed_height(&self) -> usize {
        self.feed.map_or(0, |area| area.height.saturating_sub(2)).into()
    }
}

/// The class of a size.
pub fn class(width: u16, height: u16) -> Class {
    match (width, height) {
        (w, h) if w < SMALLEST.0 || h < SMALLEST.1 => Class::TooSmall,
        (w, h) if w < 76 || h < 20 => Class::Compact,
        (w, _) if w < 120 => Class::Medium,
        (w, h) if w < 160 || h < 40 => Class::Wide,
        _ => Class::Full,
    }
}

/// Arranges the panes.
pub fn layout(state: &State) -> Layout {
    let (width, height) = state.size;
    let class = class(width, height);
    let tabs_height = u16::from(class > Class::Compact);
    let header = Rect::new(0, 0, width, 1.min(height));
    let tabs = (tabs_height > 0).then(|| Rect::new(0, 1, width, 1));
    let hints = Rect::new(0, height.saturating_sub(1), width, 1.min(height));
    let body = Rect::new(0, 1 + tabs_height, width, height.saturating_sub(2 + tabs_height));
    let empty = Layout { class, header, tabs, main: None, detail: None, feed: None, hints };
    if class == Class::TooSmall {
        return empty;
    }
    if state.why.is_some() {
        return Layout { feed: Some(body), ..empty };
    }
    if state.zoom || class == Class::Compact {
        return alone(empty, state.pane, body);
    }
    // A flat table wants all the width that there is.
    if class == Class::Medium || matches!(state.view, View::Machines | View::Hosts) {
        return stacked(empty, state, body);
    }
    side_by_side(empty, state, body)
}

fn alone(layout: Layout, pane: Pane, body: Rect) -> Layout {
    match pane {
        Pane::Main => Layout { main: Some(body), ..layout },
        Pane::Detail => Layout { detail: Some(body), ..layout },
        Pane::Feed => Layout { feed: Some(body), ..layout },
    }
}

/// The list above; below it the detail, or the feed while that is looked at or a log is open.
fn stacked(layout: Layout, state: &State, body: Rect) -> Layout {
    let below_is_feed = state.pane == Pane::Feed || (state.log.is_some() && state.pane != Pane::Detail);
    if state.view == View::Events {
        return Layout { main: Some(body), ..layout };
    }
    let lower = match (state.pane, below_is_feed) {
        // What the list leaves over is for the detail.
        (Pane::Main, false) => {
            let rows = match state.view {
                View::Operations => state.sieves.operations.len(),
                View::Machines => state.table.len(),
                View::Hosts => state.hosts.len(),
                View::Fleet | View::Events => state.tree.len(),
            };
            let list = u16::try_from(rows.saturating_add(4)).unwrap_or(u16::MAX);
            let least = (body.height / 4).clamp(5, 9);
            body.height.saturating_sub(list).clamp(least, (body.height / 2).max(least))
        }
        _ => (body.height / 2).clamp(7, 20),
    };
    let (main, below) = split_rows(body, lower);
    if below_is_feed {
        Layout { main: Some(main), feed: Some(below), ..layout }
    } else {
        Layout { main: Some(main), detail: Some(below), ..layout }
    }
}

fn side_by_side(layout: Layout, state: &State, body: Rect) -> Layout {
    if state.view == View::Events && state.log.is_none() {
        return Layout { main: Some(body), ..layout };
    }
    let feed_height = match (state.log.is_some() || state.pane == Pane::Feed, body.height) {
        (true, h) => (h * 2 / 5).max(7),
        (false, h) if h < 30 => 6,
        (false, _) => 9,
    };
    let (upper, feed) = split_rows(body, feed_height);
    let left = (upper.width * 42 / 100).clamp(57, 78);
    let main = Rect { width: left, ..upper };
    let detail = Rect { x: upper.x + left, width: upper.width - left, ..upper };
    Layout { main: Some(main), detail: Some(detail), feed: Some(feed), ..layout }
}

fn split_rows(area: Rect, lower: u16) -> (Rect, Rect) {
    let lower = lower.min(area.height);
    let upper = area.height - lower;
    (Rect { height: upper, ..area }, Rect { y: area.y + upper, height: lower, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::{glyphs::Glyphs, keys::Keymap, state::Place};
    use jiff::Timestamp;

    #[test]
    fn no_pane_leaves_the_screen_and_none_overlap() {
        for (width, height) in (0..220).step_by(7).flat_map(|w| (0..70).step_by(3).map(move |h| (w, h))) {
            for pane in [Pane::Main, Pane::Detail, Pane::Feed] {
                for zoom in [false, true] {
                    let mut state = State::new(
                        Place::default(),
                        Keymap::default(),
                        Glyphs::Ascii,
                        (width, height),
                        Timestamp::UNIX_EPOCH,
                    );
                    (state.pane, state.zoom) = (pane, zoom);
                    check(&state.layout(), Rect::new(0, 0, width, height));
                }
            }
        }
    }

    fn check(layout: &Layout, screen: Rect) {
        let panes: Vec<Rect> = [layout.main, layout.detail, layout.feed, layout.tabs].into_iter().flatten().collect();
        for (i, a) in panes.iter().enumerate() {
            assert_eq!(a.intersection(screen), *a, "{layout:?}");
            assert!(panes[i + 1..].iter().all(|b| a.intersection(*b).area() == 0), "{layout:?}");
        }
    }
}
