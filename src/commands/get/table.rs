//! A table whose columns are as wide as what is in them.

use std::io::{self, Write};

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::{
    Listed,
    row::{Row, columns, is_number, is_state, longest, spare},
};
use crate::fleet::{Health, Rank};

/// No cell pushes the others further away than this.
const WIDEST: usize = 60;
/// Between two columns.
const GAP: &str = "  ";

pub(super) struct Table {
    columns: Vec<&'static str>,
    /// Columns that may give way, and the columns of the terminal; `None`: all are shown, however wide that is.
    spare: &'static [&'static str],
    room: Option<usize>,
    hidden: Vec<&'static str>,
    widths: Vec<usize>,
    rows: Vec<(Option<Rank>, Health, Vec<String>)>,
    namespaces: bool,
    colours: bool,
    headed: bool,
}

impl Table {
    /// `room` is the width of the terminal, if there is one: `wide` takes what it needs.
    pub(super) fn new(resource: Listed, wide: bool, namespaces: bool, colours: bool, room: Option<usize>) -> Self {
        let (narrow, more) = columns(resource);
        let mut all: Vec<_> = if namespaces { vec!["NAMESPACE"] } else { Vec::new() };
        all.extend(narrow);
        if wide {
            all.extend(more);
        }
        let widths = all.iter().map(|c| c.width()).collect();
        Self {
            columns: all,
            spare: spare(resource),
            room: room.filter(|_| !wide),
            hidden: Vec::new(),
            widths,
            rows: Vec::new(),
            namespaces,
            colours,
            headed: false,
        }
    }

    /// Leaves room for the longest words that a watch may bring, so that rows stay below their head.
    pub(super) fn reserve(mut self) -> Self {
        for (column, width) in self.columns.iter().zip(&mut self.widths) {
            *width = (*width).max(longest(column));
        }
        self
    }

    fn cells(&self, row: &Row, now: Timestamp) -> Vec<String> {
        let mut cells = row.cells(now);
        if self.namespaces {
            cells.insert(0, row.namespace.clone());
        }
        cells.truncate(self.columns.len());
        cells
    }

    /// All that the row says, its age aside: what has the same face need not be printed again.
    pub(super) fn face(&self, row: &Row) -> String {
        self.cells(row, Timestamp::UNIX_EPOCH).join("\t")
    }

    /// Keeps a row for [`print`](Self::print).
    pub(super) fn push(&mut self, row: &Row) {
        let mut cells = self.cells(row, Timestamp::now());
        for (width, cell) in self.widths.iter_mut().zip(&mut cells) {
            // What a cluster says may contain anything; a terminal obeys control characters.
            cell.retain(|c| !c.is_control());
            *width = (*width).max(cell.width().min(WIDEST));
        }
        self.rows.push((row.rank(), row.health(), cells));
    }

    /// Prints the rows that were kept, below a head if there was none yet.
    pub(super) fn print(&mut self, out: &mut impl Write) -> io::Result<()> {
        if !self.headed && !self.rows.is_empty() {
            self.headed = true;
            self.make_room();
            let head: Vec<_> = self.columns.iter().map(|c| (*c).to_owned()).collect();
            self.line(None, &head, out)?;
        }
        let mut rows = std::mem::take(&mut self.rows);
        // What has no rank stays as the server lists it.
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, health, cells) in rows {
            self.line(Some(health), &cells, out)?;
        }
        Ok(())
    }

    /// Hides as many columns as it takes to fit. Once the head is printed, columns stay.
    fn make_room(&mut self) {
        let Some(room) = self.room else { return };
        for column in self.spare {
            let shown = self.columns.iter().zip(&self.widths).filter(|(c, _)| !self.hidden.contains(*c));
            let width: usize = shown.map(|(_, width)| width + GAP.len()).sum();
            if width <= room + GAP.len() {
                return;
            }
            self.hidden.push(column);
        }
    }

    fn line(&self, health: Option<Health>, cells: &[String], out: &mut impl Write) -> io::Result<()> {
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let column = self.columns[at];
            if self.hidden.contains(&column) {
                continue;
            }
            let fill = " ".repeat(self.widths[at].saturating_sub(cell.width()));
            let painted = self.colours && (is_state(column) || column == "PHASE" && !self.columns.contains(&"STATE"));
            let text = match health.filter(|_| painted) {
                Some(health) => format!("\x1b[{}m{cell}\x1b[0m", code(health)),
                None => cell.clone(),
            };
            if is_number(column) {
                line.extend([fill, text]);
            } else {
                line.extend([text, fill]);
            }
            line.push_str(GAP);
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// The attribute of the terminal for a health.
fn code(health: Health) -> &'static str {
    match health {
        Health::Bad => "1;31",
        Health::Warning => "33",
        Health::Moving => "34",
        Health::Good => "32",
        Health::Idle => "2",
    }
}
