//! A text on the whole screen: scrolled, searched, wrapped, copied, saved, read anew.
//!
//! It knows nothing of what the text says. What is drawn is cleaned line by line and only what is visible is laid out; what
//! is copied or saved is the text as it came.

mod page;
mod search;

pub use page::{Page, Row};
pub use search::{Hit, Search};

use super::sheet::{About, Form};

/// Columns that one step to the side goes.
const SIDEWAYS: usize = 8;

/// Where the text came from, and whether it can be had anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Object {
        about: About,
        form: Form,
    },
    /// What a command prints; `Some` while it runs.
    Command {
        running: Option<u64>,
    },
    /// The console itself.
    Messages,
    /// A log or journals that the console follows: what is kept of them by now.
    Kept,
}

/// How lines are coloured; colour says nothing that is not in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Plain,
    Yaml,
    /// Labels at the left edge.
    Labels,
    /// What a line begins with says which side it is of.
    Diff,
}

/// The text with, and without, what was folded to one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub folded: String,
    /// `None`: nothing was folded.
    pub whole: Option<String>,
}

/// A place in the text: a line, and a row of it where it is wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub line: usize,
    pub row: usize,
}

/// The pager.
#[derive(Clone, Debug)]
pub struct Pager {
    pub title: String,
    /// The name that it is saved under.
    pub file: String,
    pub source: Source,
    pub look: Look,
    text: Text,
    pub unfolded: bool,
    pub page: Page,
    /// What is waited for.
    pub waiting: Option<u64>,
    /// How the program that printed it ended, and whether that is well.
    pub ended: Option<(String, bool)>,
    /// Why there is nothing to see.
    pub failed: Option<String>,
    pub top: Spot,
    /// Columns that are scrolled away to the left.
    pub left: usize,
    pub wraps: bool,
    pub search: Search,
    /// Columns and rows of text.
    room: (usize, usize),
}

impl Pager {
    pub fn new(title: String, file: String, source: Source, look: Look, size: (u16, u16)) -> Self {
        Self {
            title,
            file,
            source,
            look,
            text: Text::default(),
            unfolded: false,
            page: Page::default(),
            waiting: None,
            ended: None,
            failed: None,
            top: Spot::default(),
            left: 0,
            wraps: false,
            search: Search::default(),
            room: room(size),
        }
    }

    /// The text as it came, as far as it is shown.
    pub fn text(&self) -> &str {
        match &self.text.whole {
            Some(whole) if self.unfolded => whole,
            _ => &self.text.folded,
        }
    }

    pub fn can_unfold(&self) -> bool {
        self.text.whole.is_some()
    }

    /// Takes a text in, in place of the one before. The place stays, as far as there is one.
    pub fn take(&mut self, text: Text) {
        self.text = text;
        (self.waiting, self.failed) = (None, None);
        self.lay_out();
    }

    pub fn is_running(&self) -> bool {
        matches!(self.source, Source::Command { running: Some(_) })
    }

    /// More of the same text.
    pub fn append(&mut self, more: &str) {
        self.text.folded.push_str(more);
        self.page.append(more);
        self.search.look(&self.page);
    }

    pub fn toggle_fold(&mut self) {
        self.unfolded = !self.unfolded && self.can_unfold();
        self.lay_out();
    }

    fn lay_out(&mut self) {
        self.page = Page::of(self.text());
        self.search.look(&self.page);
        self.settle();
    }

    pub fn resize(&mut self, size: (u16, u16)) {
        self.room = room(size);
        self.settle();
    }

    pub fn width(&self) -> usize {
        self.room.0
    }

    pub fn height(&self) -> usize {
        self.room.1
    }

    pub fn toggle_wrap(&mut self) {
        self.wraps = !self.wraps;
        (self.top.row, self.left) = (0, 0);
        self.settle();
    }

    fn rows(&self, line: usize) -> usize {
        if self.wraps { self.page.rows(line, self.width()) } else { 1 }
    }

    /// The last place from which the screen is full.
    fn farthest(&self) -> Spot {
        let mut left = self.height();
        for line in (0..self.page.len()).rev() {
            let rows = self.rows(line);
            if rows >= left {
                return Spot { line, row: rows - left };
            }
            left -= rows;
        }
        Spot::default()
    }

    fn settle(&mut self) {
        let rows = self.rows(self.top.line.min(self.page.len().saturating_sub(1)));
        self.top.row = self.top.row.min(rows.saturating_sub(1));
        self.top = self.top.min(self.farthest());
        if self.wraps {
            self.left = 0;
        }
    }

    /// The last line is on screen.
    pub fn is_at_end(&self) -> bool {
        self.top >= self.farthest()
    }

    /// So many rows down, or up if negative.
    pub fn scroll(&mut self, rows: isize) {
        let mut spot = self.top;
        for _ in 0..rows.unsigned_abs().min(self.page.len() + self.height()) {
            let next = if rows > 0 { self.below(spot) } else { self.above(spot) };
            let Some(next) = next else { break };
            spot = next;
        }
        self.top = spot;
        self.settle();
    }

    fn below(&self, spot: Spot) -> Option<Spot> {
        if spot.row + 1 < self.rows(spot.line) {
            return Some(Spot { row: spot.row + 1, ..spot });
        }
        (spot.line + 1 < self.page.len()).then_some(Spot { line: spot.line + 1, row: 0 })
    }

    fn above(&self, spot: Spot) -> Option<Spot> {
        if spot.row > 0 {
            return Some(Spot { row: spot.row - 1, ..spot });
        }
        let line = spot.line.checked_sub(1)?;
        Some(Spot { line, row: self.rows(line).saturating_sub(1) })
    }

    pub fn go_to_begin(&mut self) {
        (self.top, self.left) = (Spot::default(), 0);
    }

    pub fn go_to_end(&mut self) {
        self.top = self.farthest();
    }

    /// To the side; not farther than the longest line that is on screen.
    pub fn sideways(&mut self, right: bool) {
        if self.wraps {
            return;
        }
        let longest = (self.top.line..self.page.len()).take(self.height()).map(|line| self.page.width(line)).max();
        let farthest = longest.unwrap_or(0).saturating_sub(self.width());
        self.left = if right { (self.left + SIDEWAYS).min(farthest) } else { self.left.saturating_sub(SIDEWAYS) };
    }

    /// The rows that can be seen.
    pub fn visible(&self) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.height());
        let mut line = self.top.line;
        let mut skip = self.top.row;
        while rows.len() < self.height() && line < self.page.len() {
            if self.wraps {
                let parts = self.page.wrapped(line, self.width(), skip, self.height() - rows.len());
                rows.extend(parts);
            } else {
                rows.push(self.page.window(line, self.left, self.width()));
            }
            skip = 0;
            line += 1;
        }
        rows
    }

    /// Looks for what stands on the line of the search, from where the search began.
    pub fn search_again(&mut self) {
        self.search.look(&self.page);
        self.search.begin_at(self.search.began.line);
        self.top = self.search.began;
        self.show_hit();
    }

    pub fn next_hit(&mut self, forward: bool) {
        self.search.step(forward);
        self.show_hit();
    }

    /// Scrolls so that the hit can be seen, and not more than it takes.
    fn show_hit(&mut self) {
        let Some(hit) = self.search.current() else { return };
        let row = if self.wraps { self.page.row_of(hit.line, hit.start, self.width()) } else { 0 };
        let spot = Spot { line: hit.line, row };
        let mut below = self.top;
        let is_seen = (0..self.height()).any(|_| {
            let seen = below == spot;
            below = self.below(below).unwrap_or(below);
            seen
        });
        if !is_seen {
            self.top = spot;
            self.scroll(-isize::try_from(self.height() / 3).unwrap_or(0));
        }
        if !self.wraps {
            let (begin, end) = self.page.columns(hit.line, hit.start, hit.end);
            if begin < self.left || end > self.left + self.width() {
                self.left = if end <= self.width() { 0 } else { begin.saturating_sub(self.width() / 3) };
            }
        }
    }
}

/// A line above and one below are the pager's own.
fn room((width, height): (u16, u16)) -> (usize, usize) {
    (usize::from(width).max(1), usize::from(height).saturating_sub(2).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(text: &str, size: (u16, u16)) -> Pager {
        let source = Source::Command { running: None };
        let mut pager = Pager::new("t".into(), "t.txt".into(), source, Look::Plain, size);
        pager.take(Text { folded: text.into(), whole: None });
        pager
    }

    fn shown(pager: &Pager) -> String {
        let rows = pager.visible();
        rows.iter().map(|row| pager.page.line(row.line)[row.start..row.end].to_owned()).collect::<Vec<_>>().join("|")
    }

    fn check(text: &str, size: (u16, u16), moves: impl Fn(&mut Pager), expected: &str) {
        let mut pager = pager(text, size);
        moves(&mut pager);
        assert_eq!(shown(&pager), expected, "{text:?}");
    }

    const LINES: &str = "one\ntwo\nthree\nfour\nfive\n";

    #[test]
    fn scrolls_to_a_full_screen_and_no_farther() {
        check(LINES, (10, 4), |_| {}, "one|two");
        check(LINES, (10, 4), |p| p.scroll(1), "two|three");
        check(LINES, (10, 4), |p| p.scroll(90), "four|five");
        check(LINES, (10, 4), Pager::go_to_end, "four|five");
        check(LINES, (10, 4), |p| (p.go_to_end(), p.scroll(-1)).1, "three|four");
        check(LINES, (10, 4), |p| (p.go_to_end(), p.scroll(-90)).1, "one|two");
        check("", (10, 4), |p| p.scroll(3), "");
        check(LINES, (10, 30), |p| p.scroll(3), "one|two|three|four|five");
    }

    #[test]
    fn long_lines_are_cut_or_wrapped() {
        check("abcdefgh\nxy\n", (4, 4), |_| {}, "abcd|xy");
        check("abcdefgh\nxy\n", (4, 4), |p| p.sideways(true), "efgh|");
        check("abcdefgh\nxy\n", (4, 4), Pager::toggle_wrap, "abcd|efgh");
        check("abcdefgh\nxy\n", (4, 4), |p| (p.toggle_wrap(), p.scroll(1)).1, "efgh|xy");
        check("abcdefgh\nxy\n", (4, 4), |p| (p.toggle_wrap(), p.go_to_end()).1, "efgh|xy");
        check("日本語\n", (4, 4), Pager::toggle_wrap, "日本|語");
    }

    #[test]
    fn a_text_that_is_read_anew_stays_where_it_was() {
        let mut pager = pager(LINES, (10, 4));
        pager.scroll(2);
        pager.take(Text { folded: LINES.replace("four", "FOUR"), whole: None });
        assert_eq!(shown(&pager), "three|FOUR");
        pager.take(Text { folded: "one\n".into(), whole: None });
        assert_eq!(shown(&pager), "one");
    }

    #[test]
    fn hits_are_counted_and_scrolled_to() {
        let search = |keys: &str, steps: &[bool]| {
            let mut pager = pager("a1\nb\nA2\nc\nd\na3 a4\n", (10, 4));
            pager.search.open(pager.top);
            pager.search.line.paste(keys);
            pager.search_again();
            steps.iter().for_each(|forward| pager.next_hit(*forward));
            format!("{} {}", pager.search.count(), shown(&pager))
        };
        assert_eq!(search("a", &[]), "1/4 a1|b");
        assert_eq!(search("a", &[true]), "2/4 A2|c");
        assert_eq!(search("A", &[]), "1/1 A2|c");
        assert_eq!(search("a", &[true, true, true]), "4/4 d|a3 a4");
        assert_eq!(search("a", &[true, true, true, true]), "1/4 a1|b");
        assert_eq!(search("a", &[false]), "4/4 d|a3 a4");
        assert_eq!(search("zz", &[true]), "0/0 a1|b");
    }
}
