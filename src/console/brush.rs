//! A backend for ratatui that says each change in as few bytes as terminals understand: a console is often at the far end of a
//! slow line.
//!
//! That of ratatui sets both colours wherever one of them changes, changes colours for blanks, and hides a cursor that is
//! hidden. This one writes what differs from the pen that the terminal has, and nothing of a pen that cannot be seen. It does
//! not know what is on screen: ratatui hands it the cells that changed.

use std::io::{self, Write};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};

/// Begins and ends what is shown in one piece (DEC private mode 2026). A terminal that does not know it ignores it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
/// Smaller frames are there at once anyway.
pub const SYNC_FROM: usize = 200;

/// What is seen of a cell without a character.
const SEEN_ON_BLANKS: Modifier = Modifier::UNDERLINED.union(Modifier::REVERSED).union(Modifier::CROSSED_OUT);

/// On and off of each modifier, as numbers of SGR. Bold and dim have one off between them.
const MODIFIERS: [(Modifier, u8, u8); 8] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// The backend. What is not about cells goes to that of ratatui.
#[derive(Debug)]
pub struct Brush<W: Write> {
    inner: CrosstermBackend<W>,
    /// `None` where somebody else may have changed it.
    cursor_is_shown: Option<bool>,
    /// Of one frame, kept for its room.
    bytes: Vec<u8>,
    /// Frames of more cells than that are shown in one piece; `None`: none are.
    synchronise: Option<usize>,
}

impl<W: Write> Brush<W> {
    pub fn new(writer: W) -> Self {
        Self {
            inner: CrosstermBackend::new(writer),
            cursor_is_shown: None,
            bytes: Vec::new(),
            synchronise: Some(SYNC_FROM),
        }
    }

    /// Which frames the terminal is asked to show in one piece: those of more cells than that, or none.
    pub fn synchronise(&mut self, from: Option<usize>) {
        self.synchronise = from;
    }

    /// Somebody else had the terminal: nothing is known of it.
    pub fn forget(&mut self) {
        self.cursor_is_shown = None;
    }
}

impl<W: Write> Write for Brush<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.inner)
    }
}

/// What characters are painted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ink {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Ink {
    const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    /// The ink that a cell needs, as near to the one at hand as it can be.
    fn of(cell: &Cell, at_hand: Self) -> Self {
        let wanted = Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
        let seen = |modifier: Modifier| modifier & SEEN_ON_BLANKS;
        let is_blank = cell.symbol() == " " && seen(cell.modifier).is_empty() && seen(at_hand.modifier).is_empty();
        if is_blank { Self { bg: cell.bg, ..at_hand } } else { wanted }
    }
}

/// Writes the cells, and leaves the terminal with plain ink.
fn paint<'a>(cells: impl Iterator<Item = (u16, u16, &'a Cell)>, out: &mut Vec<u8>) {
    let mut ink = Ink::PLAIN;
    let mut here: Option<Position> = None;
    for (x, y, cell) in cells {
        go(here, Position { x, y }, out);
        let next = Ink::of(cell, ink);
        change(ink, next, out);
        ink = next;
        out.extend_from_slice(cell.symbol().as_bytes());
        // How wide anything else is, terminals do not agree on.
        here = (unicode_width::UnicodeWidthStr::width(cell.symbol()) == 1).then_some(Position { x: x + 1, y });
    }
    change(ink, Ink::PLAIN, out);
}

/// From one place to another; in a row, forward is shorter.
fn go(from: Option<Position>, to: Position, out: &mut Vec<u8>) {
    match from {
        Some(from) if from == to => {}
        Some(from) if from.y == to.y && from.x < to.x => match to.x - from.x {
            1 => out.extend_from_slice(b"\x1b[C"),
            columns => out.extend_from_slice(format!("\x1b[{columns}C").as_bytes()),
        },
        _ if to.x == 0 => out.extend_from_slice(format!("\x1b[{}H", to.y + 1).as_bytes()),
        _ => out.extend_from_slice(format!("\x1b[{};{}H", to.y + 1, to.x + 1).as_bytes()),
    }
}

/// From one ink to another, by what differs or from plain, whatever is shorter.
fn change(from: Ink, to: Ink, out: &mut Vec<u8>) {
    if from == to {
        return;
    }
    let mut differing = Vec::new();
    let gone = from.modifier - to.modifier;
    let off = |modifier: Modifier| MODIFIERS.iter().filter(move |(m, ..)| modifier.contains(*m)).map(|(.., off)| *off);
    let mut taken: Vec<u8> = off(gone).collect();
    taken.dedup();
    differing.extend(taken.iter().map(u8::to_string));
    let stays = |m: Modifier, off: u8| from.modifier.contains(m) && !taken.contains(&off);
    let on = MODIFIERS.iter().filter(|(m, _, off)| to.modifier.contains(*m) && !stays(*m, *off));
    differing.extend(on.map(|(_, on, _)| on.to_string()));
    if from.fg != to.fg {
        differing.push(colour(to.fg, 0));
    }
    if from.bg != to.bg {
        differing.push(colour(to.bg, 10));
    }
    let mut anew = vec![String::new()];
    anew.extend(MODIFIERS.iter().filter(|(m, ..)| to.modifier.contains(*m)).map(|(_, on, _)| on.to_string()));
    anew.extend((to.fg != Color::Reset).then(|| colour(to.fg, 0)));
    anew.extend((to.bg != Color::Reset).then(|| colour(to.bg, 10)));
    let (differing, anew) = (differing.join(";"), anew.join(";"));
    let shorter = if anew.len() < differing.len() { anew } else { differing };
    out.extend_from_slice(format!("\x1b[{shorter}m").as_bytes());
}

/// As numbers of SGR; `offset` is 10 for what is behind the characters.
fn colour(colour: Color, offset: u8) -> String {
    let of_sixteen = |n: u8| if n < 8 { 30 + n + offset } else { 82 + n + offset };
    let n = match colour {
        Color::Reset => return (39 + offset).to_string(),
        Color::Rgb(r, g, b) => return format!("{};2;{r};{g};{b}", 38 + offset),
        Color::Indexed(n) if n > 15 => return format!("{};5;{n}", 38 + offset),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Indexed(n) => n,
    };
    of_sixteen(n).to_string()
}

impl<W: Write> Backend for Brush<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.bytes.clear();
        let mut cells = 0;
        paint(content.inspect(|_| cells += 1), &mut self.bytes);
        if self.synchronise.is_none_or(|from| cells <= from) {
            return self.inner.write_all(&self.bytes);
        }
        // In one write: whatever breaks leaves no half of it.
        self.bytes.splice(0..0, BEGIN.iter().copied());
        self.bytes.extend_from_slice(END);
        self.inner.write_all(&self.bytes)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_is_shown != Some(false) {
            self.inner.hide_cursor()?;
        }
        self.cursor_is_shown = Some(false);
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.cursor_is_shown != Some(true) {
            self.inner.show_cursor()?;
        }
        self.cursor_is_shown = Some(true);
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{buffer::Buffer, layout::Rect, style::Style};

    fn painted(cells: &[(u16, u16, &str, Style)]) -> String {
        let area = Rect::new(0, 0, 20, 4);
        let mut buffer = Buffer::empty(area);
        for (x, y, text, style) in cells {
            buffer.set_string(*x, *y, text, *style);
        }
        let mut out = Vec::new();
        paint(Buffer::empty(area).diff(&buffer).into_iter(), &mut out);
        String::from_utf8(out).expect("text").replace('\x1b', "^")
    }

    #[test]
    fn only_what_differs_is_written() {
        let plain = Style::new();
        let red = plain.fg(Color::Red);
        let bold = plain.add_modifier(Modifier::BOLD);
        let blue = bold.fg(Color::Rgb(1, 2, 3));
        assert_eq!(painted(&[(0, 0, "ab", plain)]), "^[1Hab");
        assert_eq!(painted(&[(2, 1, "a", red), (3, 1, "b", plain)]), "^[2;3H^[31ma^[mb");
        assert_eq!(painted(&[(0, 0, "a", red), (5, 0, "b", red)]), "^[1H^[31ma^[4Cb^[m");
        assert_eq!(painted(&[(0, 0, "a", bold), (1, 0, "b", blue)]), "^[1H^[1ma^[38;2;1;2;3mb^[m");
        // A blank takes whatever colour is at hand, but not one that shows.
        assert_eq!(
            painted(&[(0, 0, "a", red), (1, 0, " ", plain.bg(Color::Blue)), (2, 0, "b", red)]),
            "^[1H^[31ma^[44m ^[49mb^[m"
        );
        let under = red.add_modifier(Modifier::UNDERLINED);
        assert_eq!(painted(&[(0, 0, "a", under), (1, 0, "b", red)]), "^[1H^[4;31ma^[24mb^[m");
    }

    #[test]
    fn large_frames_are_shown_in_one_piece() {
        let frame = |cells: u16, synchronise: Option<usize>| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 300, 1));
            buffer.set_string(0, 0, "x".repeat(cells.into()), Style::new());
            let mut out = Vec::new();
            let mut brush = Brush::new(&mut out);
            brush.synchronise(synchronise);
            brush.draw(Buffer::empty(buffer.area).diff(&buffer).into_iter()).expect("a buffer takes it");
            drop(brush);
            (out.starts_with(BEGIN), out.ends_with(END))
        };
        assert_eq!(frame(200, Some(SYNC_FROM)), (false, false));
        assert_eq!(frame(201, Some(SYNC_FROM)), (true, true));
        assert_eq!(frame(1, Some(0)), (true, true));
        assert_eq!(frame(300, None), (false, false));
    }

    #[test]
    fn after_what_may_be_wide_the_place_is_named_again() {
        assert_eq!(painted(&[(0, 0, "日b", Style::new())]), "^[1H日^[1;3Hb");
    }
}
