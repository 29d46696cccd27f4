//! The lines of a text, cleaned, and what of them is seen at a width.

use super::super::text;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Where tabs go to.
const TAB: usize = 4;

/// A text as lines that may be drawn.
#[derive(Clone, Debug, Default)]
pub struct Page {
    lines: Vec<String>,
    /// The last line is not ended yet: more may come.
    open: bool,
}

/// A row on the screen: a part of a line, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub line: usize,
    pub start: usize,
    pub end: usize,
    /// Blank columns in front of it: half of a wide character is not shown.
    pub pad: usize,
    /// The line goes on to the right of it.
    pub cut: bool,
}

impl Page {
    pub fn of(text: &str) -> Self {
        let mut page = Self::default();
        page.append(text);
        page
    }

    pub fn append(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            let line = clean(piece.trim_end_matches(['\n', '\r']));
            match self.lines.last_mut().filter(|_| self.open) {
                Some(last) => last.push_str(&line),
                None => self.lines.push(line),
            }
            self.open = !piece.ends_with('\n');
        }
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn line(&self, line: usize) -> &str {
        self.lines.get(line).map_or("", String::as_str)
    }

    pub fn width(&self, line: usize) -> usize {
        self.line(line).width()
    }

    /// Columns at which a part of a line begins and ends.
    pub fn columns(&self, line: usize, start: usize, end: usize) -> (usize, usize) {
        let line = self.line(line);
        (line[..start].width(), line[..end].width())
    }

    /// Rows that a line takes when it is wrapped; an empty line takes one.
    pub fn rows(&self, line: usize, width: usize) -> usize {
        // No character takes more columns than bytes.
        if self.line(line).len() <= width { 1 } else { Breaks::new(self.line(line), width).count() }
    }

    /// The row of a wrapped line in which a byte is.
    pub fn row_of(&self, line: usize, byte: usize, width: usize) -> usize {
        Breaks::new(self.line(line), width).position(|(_, end)| byte < end).unwrap_or(0)
    }

    /// Rows of a wrapped line, from one of them on, as many as there is room for.
    pub fn wrapped(&self, line: usize, width: usize, from: usize, most: usize) -> impl Iterator<Item = Row> {
        let row = move |(start, end)| Row { line, start, end, pad: 0, cut: false };
        Breaks::new(self.line(line), width).skip(from).take(most).map(row)
    }

    /// What is seen of a line that is not wrapped.
    pub fn window(&self, line: usize, left: usize, width: usize) -> Row {
        let text = self.line(line);
        let (mut column, mut start, mut pad) = (0, text.len(), 0);
        for (at, c) in text.char_indices() {
            if column >= left {
                (start, pad) = (at, column - left);
                break;
            }
            column += c.width().unwrap_or(0);
        }
        let (mut used, mut end) = (pad, start);
        for (at, c) in text[start..].char_indices() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width {
                return Row { line, start, end, pad, cut: true };
            }
            used += wide;
            end = start + at + c.len_utf8();
        }
        Row { line, start, end, pad, cut: false }
    }
}

/// A line with its tabs as spaces and without anything that a terminal would obey.
fn clean(line: &str) -> String {
    if !line.contains('\t') {
        return text::clean(line);
    }
    let mut out = String::with_capacity(line.len() + TAB);
    for c in line.chars() {
        match c {
            '\t' => out.extend(std::iter::repeat_n(' ', TAB - out.width() % TAB)),
            c => out.push(c),
        }
    }
    text::clean(&out)
}

/// The parts of a line that is broken where the screen ends, as bytes.
struct Breaks<'a> {
    line: &'a str,
    at: usize,
    width: usize,
    done: bool,
}

impl<'a> Breaks<'a> {
    fn new(line: &'a str, width: usize) -> Self {
        Self { line, at: 0, width, done: false }
    }
}

impl Iterator for Breaks<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        if self.done {
            return None;
        }
        let start = self.at;
        let mut used = 0;
        for (at, c) in self.line[start..].char_indices() {
            let wide = c.width().unwrap_or(0);
            if used > 0 && used + wide > self.width {
                self.at = start + at;
                return Some((start, self.at));
            }
            used += wide;
        }
        self.done = true;
        Some((start, self.line.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces_and_are_cleaned() {
        let mut page = Page::of("a\tb\n\u{1b}[31mred");
        page.append(" end\r\nnext");
        assert_eq!(page.lines, ["a   b", "·[31mred end", "next"]);
        assert_eq!(Page::of("a\n\nb\n").len(), 3);
        assert_eq!(Page::of("").len(), 0);
    }

    #[test]
    fn windows_do_not_show_halves() {
        let check = |left, width, expected: (&str, usize, bool)| {
            let page = Page::of("a日本b");
            let row = page.window(0, left, width);
            assert_eq!((&page.line(0)[row.start..row.end], row.pad, row.cut), expected, "{left} {width}");
        };
        check(0, 9, ("a日本b", 0, false));
        check(0, 4, ("a日", 0, true));
        check(2, 4, ("本b", 1, false));
        check(3, 2, ("本", 0, true));
        check(9, 4, ("", 0, false));
    }
}
