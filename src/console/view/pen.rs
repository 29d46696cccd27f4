//! Paints lines and frames into the buffer by role.

use super::super::{glyphs::Glyphs, text};
use crate::{
    config::{Role, Theme},
    fleet::Health,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

/// Between two facts.
const GAP: &str = "   ";

/// Columns that a title keeps whatever stands beside it.
const LEAST_TITLE: usize = 20;

/// A buffer with the roles to paint it.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
    pub glyphs: Glyphs,
    /// Where titles of frames stand: in ASCII a line of the frame and a character of a title may look the same.
    titles: Vec<Rect>,
}

/// A line that is put together of pieces, each of one role.
#[derive(Clone, Debug, Default)]
pub struct Strip {
    pieces: Vec<(String, Role)>,
    width: usize,
}

impl Strip {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn of(text: impl Into<String>, role: Role) -> Self {
        Self::new().add(text, role)
    }

    /// Adds text that is known to be clean.
    pub fn add(mut self, text: impl Into<String>, role: Role) -> Self {
        self.push(text, role);
        self
    }

    pub fn push(&mut self, text: impl Into<String>, role: Role) {
        let text = text.into();
        self.width += text::width(&text);
        self.pieces.push((text, role));
    }

    /// A label and its value, and a gap before the next one.
    pub fn fact(mut self, label: &str, value: impl AsRef<str>, role: Role) -> Self {
        if self.width > 0 {
            self.push(GAP, Role::Text);
        }
        self.push(format!("{label} "), Role::Muted);
        self.push(text::clean(value.as_ref()), role);
        self
    }

    /// Broken between facts, so that each line fits.
    pub fn flow(self, columns: usize) -> Vec<Self> {
        let mut lines = vec![Self::new()];
        for fact in self.pieces.split(|(text, _)| text == GAP) {
            let width: usize = fact.iter().map(|(text, _)| text::width(text)).sum();
            let line = lines.last_mut().expect("it has begun with one");
            if line.width > 0 && line.width + GAP.len() + width > columns {
                lines.push(Self::new());
            } else if line.width > 0 {
                line.push(GAP, Role::Text);
            }
            let line = lines.last_mut().expect("it has begun with one");
            fact.iter().for_each(|(text, role)| line.push(text.clone(), *role));
        }
        lines
    }

    /// Another strip after this one.
    pub fn append(mut self, other: Self) -> Self {
        self.width += other.width;
        self.pieces.extend(other.pieces);
        self
    }

    /// Spaces up to a column.
    pub fn tab(mut self, column: usize) -> Self {
        if self.width < column {
            self.push(" ".repeat(column - self.width), Role::Text);
        }
        self
    }

    pub fn width(&self) -> usize {
        self.width
    }

    /// The same in at most so many columns, with `…` where something is missing.
    pub fn cut(self, columns: usize) -> Self {
        if self.width <= columns {
            return self;
        }
        let mut short = Self::new();
        for (text, role) in self.pieces {
            let left = columns - short.width;
            if text::width(&text) < left {
                short.push(text, role);
            } else {
                return short.add(text::cut(&format!("{text}  "), left), role);
            }
        }
        short
    }

    /// As many of these lines as there are rows; the last one ends in `…` where others come after it.
    pub fn first(mut lines: Vec<Self>, columns: usize, rows: usize) -> Vec<Self> {
        let is_cut = lines.len() > rows;
        lines.truncate(rows);
        if let Some(last) = lines.last_mut().filter(|_| is_cut) {
            *last = std::mem::take(last).add(" …", Role::Muted).cut(columns);
        }
        lines
    }

    /// The same without its last part: what stands behind the last `·` or comma.
    fn shorter(&self) -> Option<Self> {
        let said: String = self.pieces.iter().map(|(text, _)| text.as_str()).collect();
        let mut left = [" · ", ", "].into_iter().filter_map(|gap| said.rfind(gap)).max().filter(|at| *at > 0)?;
        let mut short = Self::new();
        for (text, role) in &self.pieces {
            let part = &text[..left.min(text.len())];
            left -= part.len();
            short.push(part, *role);
        }
        Some(short)
    }

    /// As it looks when nobody knows whether it is still so: what is wrong keeps its colour, and a lost line is the shape of
    /// what was well.
    pub fn stale(mut self, glyphs: Glyphs) -> Self {
        for (text, role) in &mut self.pieces {
            let shape = match role {
                Role::Good => Some(Health::Good),
                Role::Moving => Some(Health::Moving),
                Role::Idle => Some(Health::Idle),
                Role::Text | Role::Title => None,
                _ => continue,
            };
            let rest = shape.and_then(|health| text.strip_prefix(glyphs.health(health)));
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
                *text = format!("{}{rest}", glyphs.connection(false));
            }
            *role = Role::Muted;
        }
        self
    }

    /// Some of it has that role.
    pub fn has(&self, role: Role) -> bool {
        self.pieces.iter().any(|(text, of)| *of == role && !text.is_empty())
    }

    /// What it says, whatever the colour.
    #[cfg(test)]
    pub fn text(&self) -> String {
        self.pieces.iter().map(|(text, _)| text.as_str()).collect()
    }
}

impl<'a> Pen<'a> {
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme, glyphs: Glyphs) -> Self {
        Self { buffer, theme, glyphs, titles: Vec::new() }
    }

    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    pub fn fill(&mut self, area: Rect, role: Role) {
        let style = self.style(role);
        self.buffer.set_style(area, style);
    }

    /// Empties an area for something that lies over it.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let style = self.style(Role::Text);
        for position in area.positions() {
            self.buffer[position].reset();
            self.buffer[position].set_style(style);
        }
    }

    pub fn line(&mut self, area: Rect, line: &Line) {
        if area.height > 0 {
            self.buffer.set_line(area.x, area.y, line, area.width);
        }
    }

    pub fn strip(&mut self, area: Rect, strip: &Strip) {
        let shown = |text: &'_ str| if self.glyphs.is_ascii() { text::ascii(text) } else { text.to_owned() };
        let spans: Vec<Span> =
            strip.pieces.iter().map(|(text, role)| Span::styled(shown(text), self.style(*role))).collect();
        self.line(area, &Line::from(spans));
    }

    /// Strips from top to bottom, as many as fit.
    pub fn strips(&mut self, area: Rect, strips: &[Strip]) {
        for (row, strip) in (0..area.height).zip(strips) {
            self.strip(row_of(area, row), strip);
        }
    }

    /// A strip that ends at the right edge.
    pub fn right(&mut self, area: Rect, strip: &Strip) {
        let width = (strip.width() as u16).min(area.width);
        self.strip(Rect { x: area.x + area.width - width, width, ..area }, strip);
    }

    /// A frame with a title on the left and one on the right; hands back what is inside.
    pub fn frame(&mut self, area: Rect, focused: bool, title: &Strip, right: &Strip) -> Rect {
        if area.width < 4 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        self.clear(area);
        let style = self.style(if focused { Role::Focus } else { Role::Border });
        let (h, v, corners) = if self.glyphs.is_ascii() {
            ("-", "|", ["+", "+", "+", "+"])
        } else {
            ("─", "│", ["╭", "╮", "╰", "╯"])
        };
        let (left, top, wide, bottom) = (area.x, area.y, area.right() - 1, area.bottom() - 1);
        for x in left..=wide {
            self.buffer[(x, top)].set_symbol(h).set_style(style);
            self.buffer[(x, bottom)].set_symbol(h).set_style(style);
        }
        for y in top..=bottom {
            self.buffer[(left, y)].set_symbol(v).set_style(style);
            self.buffer[(wide, y)].set_symbol(v).set_style(style);
        }
        for ((x, y), corner) in [(left, top), (wide, top), (left, bottom), (wide, bottom)].into_iter().zip(corners) {
            self.buffer[(x, y)].set_symbol(corner).set_style(style);
        }
        let room = Rect { x: left + 1, width: area.width - 2, height: 1, ..area };
        let (title, right) = beside(title, right, room.width.into());
        if title.width() > 0 {
            let title = Strip { pieces: padded(&title), width: title.width + 2 };
            let place = Rect { x: room.x + 1, width: room.width.saturating_sub(2), ..room };
            self.strip(place, &title);
            self.titles.push(Rect { width: place.width.min(title.width as u16), ..place });
        }
        if right.width() > 0 {
            let right = Strip { pieces: padded(&right), width: right.width + 2 };
            let place = Rect { width: room.width - 1, ..room };
            self.right(place, &right);
            let width = place.width.min(right.width as u16);
            self.titles.push(Rect { x: place.right() - width, width, ..place });
        }
        Rect { x: left + 1, y: top + 1, width: area.width - 2, height: area.height - 2 }
    }

    /// Takes the light from all that is not in the region.
    pub fn mute_around(&mut self, area: Rect, region: Rect) {
        let style = self.style(Role::Muted);
        for position in area.intersection(self.buffer.area).positions().filter(|at| !region.contains(*at)) {
            self.buffer[position].set_style(style);
        }
    }

    /// Draws the frame that is there once more, with two lines; titles in it stay, and so do frames inside of it.
    pub fn frame_twice(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let (style, is_ascii) = (self.style(Role::Accent), self.glyphs.is_ascii());
        for at in area.positions().filter(|at| !self.titles.iter().any(|title| title.contains(*at))) {
            let is_side = at.x == area.x || at.x + 1 == area.right();
            let is_end = at.y == area.y || at.y + 1 == area.bottom();
            let cell = &mut self.buffer[at];
            let twice = match (cell.symbol(), is_side, is_end) {
                ("─", _, true) => "═",
                ("│", true, _) => "║",
                ("╭", true, true) => "╔",
                ("╮", true, true) => "╗",
                ("╰", true, true) => "╚",
                ("╯", true, true) => "╝",
                ("-", _, true) | ("|", true, _) | ("+", true, true) if is_ascii => "#",
                _ => continue,
            };
            cell.set_symbol(twice).set_style(style);
        }
    }

    /// Lays the cursor's style over a row.
    pub fn highlight(&mut self, area: Rect) {
        let style = self.style(Role::Cursor);
        self.buffer.set_style(area, style);
    }
}

fn padded(strip: &Strip) -> Vec<(String, Role)> {
    let space = || (" ".to_owned(), Role::Text);
    std::iter::once(space()).chain(strip.pieces.iter().cloned()).chain(std::iter::once(space())).collect()
}

/// A title and what stands on the right of it, in a frame of so many columns: the title is cut first, for the right side is what
/// is so now; then that loses its parts, the last one first.
fn beside(title: &Strip, right: &Strip, columns: usize) -> (Strip, Strip) {
    let mut right = right.clone();
    while right.width() > 0 {
        if has_room(title.width().min(LEAST_TITLE), &right, columns) {
            return (title.clone().cut(columns.saturating_sub(right.width() + 9)), right);
        }
        right = right.shorter().unwrap_or_default();
    }
    (title.clone(), right)
}

/// Within a frame of so many columns what is on the right is shown beside a title of that width.
pub fn has_room(title: usize, right: &Strip, columns: usize) -> bool {
    title + right.width() + 8 < columns
}

/// One row of an area.
pub fn row_of(area: Rect, row: u16) -> Rect {
    Rect { y: area.y + row, height: 1.min(area.height), ..area }
}

/// An area of at most that size in the middle of another.
pub fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_so_now_is_said_before_the_title_is_said_in_whole() {
        let check = |columns: usize, wanted: &str| {
            let title =
                Strip::of("Journals ", Role::Title).add("runbook 139 · kubelet 43 · containerd 32", Role::Muted);
            let right = Strip::of("held, 0 below", Role::Warning).add(" · f follow", Role::Muted);
            let (title, right) = beside(&title, &right, columns);
            assert_eq!(format!("{}|{}", title.text(), right.text()), wanted, "{columns}");
            assert!(right.width() == 0 || title.width() + right.width() + 8 < columns, "{columns}");
        };
        check(90, "Journals runbook 139 · kubelet 43 · containerd 32|held, 0 below · f follow");
        check(78, "Journals runbook 139 · kubelet 43 · containe…|held, 0 below · f follow");
        check(58, "Journals runbook 139 · k…|held, 0 below · f follow");
        check(50, "Journals runbook 139 · kube…|held, 0 below");
        check(36, "Journals runbook 139 ·…|held");
        check(30, "Journals runbook 139 · kubelet 43 · containerd 32|");
    }
}
