//! The search of the pager: what is typed, where it stands, and which of those places is looked at.

use super::{super::input::Line, Page, Spot};

/// Places that are found; there may be more.
pub const MOST_HITS: usize = 10_000;

/// A place where it stands, in bytes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub line: usize,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Search {
    pub line: Line,
    pub typing: bool,
    /// Where the text was when the search began: Esc goes back there.
    pub began: Spot,
    hits: Vec<Hit>,
    at: usize,
}

impl Search {
    pub fn open(&mut self, top: Spot) {
        *self = Self { typing: true, began: top, ..Self::default() };
    }

    pub fn is_on(&self) -> bool {
        self.typing || !self.line.is_empty()
    }

    /// Finds all places anew. Capital letters are minded as soon as one is typed.
    pub fn look(&mut self, page: &Page) {
        self.hits.clear();
        let wanted = self.line.value();
        if wanted.is_empty() {
            return;
        }
        let minds_case = wanted.chars().any(|c| c.is_ascii_uppercase());
        let lower = |text: &str| if minds_case { text.to_owned() } else { text.to_ascii_lowercase() };
        let wanted = lower(wanted);
        for line in 0..page.len() {
            let text = lower(page.line(line));
            let found = text.match_indices(&wanted).map(|(at, m)| Hit { line, start: at, end: at + m.len() });
            self.hits.extend(found.take(MOST_HITS - self.hits.len()));
            if self.hits.len() == MOST_HITS {
                break;
            }
        }
        self.at = self.at.min(self.hits.len().saturating_sub(1));
    }

    /// The first hit that is not above a line; the first of all if there is none.
    pub fn begin_at(&mut self, line: usize) {
        self.at = self.hits.iter().position(|hit| hit.line >= line).unwrap_or(0);
    }

    pub fn step(&mut self, forward: bool) {
        let len = self.hits.len().max(1);
        self.at = (self.at + if forward { 1 } else { len - 1 }) % len;
    }

    pub fn current(&self) -> Option<Hit> {
        self.hits.get(self.at).copied()
    }

    /// Hits of one line.
    pub fn of_line(&self, line: usize) -> &[Hit] {
        let from = self.hits.partition_point(|hit| hit.line < line);
        let to = self.hits.partition_point(|hit| hit.line <= line);
        &self.hits[from..to]
    }

    /// `3/17`.
    pub fn count(&self) -> String {
        let more = if self.hits.len() == MOST_HITS { "+" } else { "" };
        let at = if self.hits.is_empty() { 0 } else { self.at + 1 };
        format!("{at}/{}{more}", self.hits.len())
    }
}
