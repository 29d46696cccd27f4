//! Draws the tour: a box beside what it speaks of, which has a double frame, or is turned round where it is one line.

use super::{
    super::{
        state::State,
        text,
        tour::{self, SCREENS, Screen, Tour},
    },
    pen::{Pen, Strip},
};
use crate::config::Role;
use ratatui::layout::Rect;

const WIDTH: u16 = 66;
/// Columns for what a line is about.
const HEAD: usize = 9;

pub fn draw(pen: &mut Pen, state: &State, tour: Tour, area: Rect) {
    let screen = tour::screen(state, tour.screen);
    let width = area.width.saturating_sub(2).min(WIDTH);
    let lines = lines(&screen, width.saturating_sub(4).into());
    let height = (lines.len() as u16 + 3).min(area.height.saturating_sub(2));
    let place = beside(screen.region, (width, height), area);
    pen.mute_around(area, screen.region);
    if screen.region.height > 2 {
        pen.frame_twice(screen.region);
    } else {
        pen.highlight(screen.region);
    }
    let number = Strip::of(format!("{} of {SCREENS}", tour.screen + 1), Role::Accent);
    let inner = pen.frame(place, true, &Strip::of(screen.title, Role::Title), &number);
    pen.strips(Rect { height: inner.height.saturating_sub(1), ..inner }, &lines);
    let last = Rect { y: inner.bottom().saturating_sub(1), height: 1.min(inner.height), ..inner };
    pen.strip(last, &keys(pen, tour));
}

/// What the keys do.
fn keys(pen: &Pen, tour: Tour) -> Strip {
    let next = if tour.is_last() { "end" } else { "next" };
    let mut strip = Strip::of(" ", Role::Text).add(format!("enter {}", pen.glyphs.key("right")), Role::Key);
    strip.push(format!(" {next}   "), Role::Muted);
    if tour.screen > 0 {
        strip = strip.add(pen.glyphs.key("left"), Role::Key).add(" before   ", Role::Muted);
    }
    if !tour.is_last() {
        strip = strip.add("esc", Role::Key).add(" skip the tour", Role::Muted);
    }
    strip
}

fn lines(screen: &Screen, width: usize) -> Vec<Strip> {
    let mut lines = Vec::new();
    for (head, says) in &screen.lines {
        // A head that is longer than its column takes room from what it says.
        let head_width = HEAD.max(text::width(head));
        let parts = text::wrap(says, width.saturating_sub(head_width + 1).max(20));
        for (row, part) in parts.into_iter().enumerate() {
            let head = if row == 0 { head } else { "" };
            lines.push(Strip::of(format!(" {} ", text::left(head, head_width)), Role::Key).add(part, Role::Text));
        }
    }
    lines
}

/// Where a box of that size hides least of a region, and stands nearest to it.
fn beside(region: Rect, (width, height): (u16, u16), area: Rect) -> Rect {
    let (right, bottom) = (area.right().saturating_sub(width), area.bottom().saturating_sub(height));
    let columns = [area.x + right.saturating_sub(area.x) / 2, area.x, right];
    // Not over the line at the top or that at the bottom, where there is room.
    let (first, last) = ((area.y + 1).min(bottom), bottom.saturating_sub(1).max(area.y));
    let rows = [u16::midpoint(first, last), first, last, region.bottom().clamp(first, last.max(first))];
    let middle = |r: Rect| (i32::from(r.x) * 2 + i32::from(r.width), i32::from(r.y) * 2 + i32::from(r.height));
    let cost = |r: &Rect| {
        let ((ax, ay), (bx, by)) = (middle(*r), middle(region));
        (r.intersection(region).area(), (ax - bx).abs() + (ay - by).abs() * 2)
    };
    let all = columns.into_iter().flat_map(|x| rows.into_iter().map(move |y| Rect { x, y, width, height }));
    all.min_by_key(cost).unwrap_or(Rect { width, height, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(region: Rect, hidden: u32) {
        let area = Rect::new(0, 0, 120, 40);
        let place = beside(region, (66, 10), area);
        assert_eq!(place.intersection(area), place);
        assert_eq!(place.intersection(region).area(), hidden, "{region:?}: {place:?}");
    }

    #[test]
    fn it_stands_beside_what_it_speaks_of() {
        check(Rect::new(0, 0, 120, 1), 0);
        check(Rect::new(0, 2, 57, 30), 3 * 3);
        check(Rect::new(57, 2, 63, 30), 9 * 3);
        check(Rect::new(0, 30, 120, 9), 0);
        check(Rect::new(0, 0, 120, 40), 660);
    }
}
