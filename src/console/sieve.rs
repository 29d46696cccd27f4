//! The filter of a list: what is typed, what it takes, and why it cannot be read. Each list has one of its own.

use super::{
    columns::{self, In},
    input::Line,
};
use crate::fleet::{
    EventRow, Filter, OperationRow, Snapshot,
    filter::{Column, Row},
};
use std::sync::Arc;

/// A list and what its filter leaves of it.
#[derive(Clone, Debug)]
pub struct Sieve<T> {
    pub line: Line,
    columns: &'static [Column],
    /// What was read last, and what of it could be.
    read: String,
    filter: Filter,
    mistake: Option<String>,
    problems_only: bool,
    /// It asks where something belongs: that changes without the row.
    asks_places: bool,
    rows: Arc<[Arc<T>]>,
    /// Where those that it takes stand in `rows`; `None`: all of them.
    taken: Option<Vec<usize>>,
}

/// The lists of the console that have filters of their own.
#[derive(Clone, Debug)]
pub struct Sieves {
    pub operations: Sieve<OperationRow>,
    pub events: Sieve<EventRow>,
}

impl Default for Sieves {
    fn default() -> Self {
        Self { operations: Sieve::of(columns::OPERATIONS), events: Sieve::of(columns::EVENTS) }
    }
}

impl Sieves {
    /// After news, and after anything that decides which rows there are. Costs nothing where nothing has changed.
    pub fn refresh(&mut self, snapshot: &Snapshot, problems_only: bool) {
        self.operations.refresh(&snapshot.operations, snapshot, problems_only);
        self.events.refresh(&snapshot.events, snapshot, problems_only);
    }
}

impl<T> Sieve<T> {
    fn of(columns: &'static [Column]) -> Self {
        Self {
            line: Line::default(),
            columns,
            read: String::new(),
            filter: Filter::default(),
            mistake: None,
            problems_only: false,
            asks_places: false,
            rows: Arc::from(Vec::new()),
            taken: None,
        }
    }

    /// How many rows it leaves.
    pub fn len(&self) -> usize {
        self.taken.as_ref().map_or(self.rows.len(), Vec::len)
    }

    /// How many there are.
    pub fn of_all(&self) -> usize {
        self.rows.len()
    }

    /// Something may be left out.
    pub fn is_on(&self) -> bool {
        self.taken.is_some()
    }

    /// Why the filter cannot be read: the one before is in force.
    pub fn mistake(&self) -> Option<&str> {
        self.mistake.as_deref()
    }

    pub fn get(&self, index: usize) -> Option<&Arc<T>> {
        match &self.taken {
            Some(taken) => self.rows.get(*taken.get(index)?),
            None => self.rows.get(index),
        }
    }

    /// The rows that are left, from one of them on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = &Arc<T>> {
        (index..self.len()).filter_map(|at| self.get(at))
    }

    /// Where the first row stands that is meant, if it is left.
    pub fn position(&self, is_it: impl Fn(&T) -> bool) -> Option<usize> {
        self.from(0).position(|row| is_it(row))
    }

    fn refresh<'a>(&mut self, rows: &'a Arc<[Arc<T>]>, snapshot: &'a Snapshot, problems_only: bool)
    where
        T: 'a,
        In<'a, T>: Row,
    {
        let is_same = !self.asks_places
            && Arc::ptr_eq(rows, &self.rows)
            && (self.line.value(), problems_only) == (self.read.as_str(), self.problems_only);
        if is_same {
            return;
        }
        if self.line.value() != self.read {
            self.line.value().clone_into(&mut self.read);
            // One that cannot be read (yet) leaves the last one in place: it is being typed.
            match Filter::parse_for(&self.read, self.columns) {
                Ok(filter) => {
                    self.asks_places = filter.asks_for(columns::PLACES);
                    (self.filter, self.mistake) = (filter, None);
                }
                Err(mistake) => self.mistake = Some(mistake.to_string()),
            }
        }
        (self.rows, self.problems_only) = (rows.clone(), problems_only);
        let is_on = problems_only || !self.filter.is_empty();
        self.taken = is_on.then(|| columns::taken(&self.filter, rows, snapshot, problems_only));
    }
}
