//! The flat table of machines over every cluster: which columns it has, in which order its rows stand, and the cursor.
//!
//! Rows are kept as UIDs and looked up when they are drawn, so what a row says is always new, though its place may be a
//! moment old: a large fleet is put in order on another thread, at most once a second while only data changes.

use super::state::{List, State, View};
use crate::fleet::{Filter, MachineRow, Snapshot, Uid, sort, sort::Key};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// A fleet of at most so many machines is put in order at once.
const AT_ONCE: usize = 2_000;
/// A larger one is put in order again after so long, if only data has changed.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// Columns that there are without a word from the user.
pub const PLAIN: &[&str] = &["name", "cluster", "pool", "state", "since", "version", "message"];
/// The same and all else.
pub const WIDE: &[&str] = &[
    "name",
    "cluster",
    "pool",
    "state",
    "since",
    "phase",
    "version",
    "node",
    "address",
    "age",
    "operation",
    "message",
];

/// What the table is to show.
#[derive(Clone, Debug)]
pub struct Question {
    snapshot: Arc<Snapshot>,
    filter: String,
    problems_only: bool,
    key: Key,
    reversed: bool,
    columns: Vec<Key>,
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot) && self.is_alike(other)
    }
}

/// Which rows it has, and how wide they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Machines by UID, in their order.
    pub rows: Vec<Uid>,
    /// The widest text of each column.
    pub widths: Vec<usize>,
}

impl Question {
    fn of(state: &State) -> Self {
        let table = &state.table;
        Self {
            snapshot: state.snapshot.clone(),
            filter: state.sifter.readable().to_owned(),
            problems_only: state.problems_only,
            key: table.key.clone(),
            reversed: table.reversed,
            columns: table.columns.clone(),
        }
    }

    /// The same, of whatever data.
    fn is_alike(&self, other: &Self) -> bool {
        (&self.filter, self.problems_only, &self.key, self.reversed, &self.columns)
            == (&other.filter, other.problems_only, &other.key, other.reversed, &other.columns)
    }

    /// Looks through all machines: work for another thread if they are many.
    pub fn answer(&self) -> Answer {
        let filter = Filter::parse(&self.filter).unwrap_or_default();
        let mut rows = filter.machines(&self.snapshot);
        if self.problems_only {
            rows.retain(|machine| machine.health.is_problem());
        }
        sort::machines(&mut rows, &self.key, self.reversed);
        let widest = |key: &Key| {
            let widths = rows.iter().filter_map(|machine| shown(key, machine)).map(super::text::width);
            widths.max().unwrap_or(0)
        };
        let widths = self.columns.iter().map(widest).collect();
        Answer { rows: rows.into_iter().map(|machine| machine.uid.clone()).collect(), widths }
    }
}

/// What stands in a column, if that is a text of the machine's own.
pub fn shown<'a>(key: &Key, machine: &'a MachineRow) -> Option<&'a str> {
    let text = key.text(machine)?;
    match (key, machine.cluster.as_deref()) {
        // The cluster has a column of its own.
        (Key::Pool, Some(cluster)) => {
            Some(text.strip_prefix(cluster).and_then(|rest| rest.strip_prefix('-')).unwrap_or(text))
        }
        _ => Some(text),
    }
}

/// The table as the user has set it up, and what it shows.
#[derive(Clone, Debug)]
pub struct Table {
    pub columns: Vec<Key>,
    pub key: Key,
    pub reversed: bool,
    pub list: List,
    answer: Arc<Answer>,
    /// What was asked last.
    asked: Option<Question>,
    answered_at: Timestamp,
    /// Under way on another thread.
    pending: bool,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            columns: columns(PLAIN),
            key: Key::default(),
            reversed: false,
            list: List::default(),
            answer: Arc::default(),
            asked: None,
            answered_at: Timestamp::UNIX_EPOCH,
            pending: false,
        }
    }
}

/// The keys of names that are known to be right.
pub fn columns(names: &[&str]) -> Vec<Key> {
    names.iter().filter_map(|name| Key::named(name)).collect()
}

/// The same for columns that are there without a word from the user: where there are several contexts, theirs is the first.
pub fn built_in(names: &[&str], several: bool) -> Vec<Key> {
    several.then_some(Key::Context).into_iter().chain(columns(names)).collect()
}

/// Reads columns as they are written: names that stand side by side; a mistake is a sentence.
pub fn parse<'a>(written: impl IntoIterator<Item = &'a str>) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for name in written.into_iter().flat_map(|name| name.split(',')).filter(|name| !name.is_empty()) {
        let key = Key::named(name).filter(|key| *key != Key::Urgency).ok_or_else(|| unknown(name))?;
        if keys.contains(&key) {
            return Err(format!("column `{name}` stands there twice"));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(format!("write which columns: {}", names().join(", "))) } else { Ok(keys) }
}

fn unknown(name: &str) -> String {
    let names = names();
    let near = crate::config::nearest(name, names.iter().map(String::as_str));
    let meant = near.map_or_else(|| ".".to_owned(), |near| format!(", did you mean `{near}`?"));
    format!("there is no column `{name}`{meant} There are {}", names.join(", "))
}

/// What columns may be called.
pub fn names() -> Vec<String> {
    let common = Key::COMMON.iter().filter(|key| **key != Key::Urgency).map(Key::name);
    common.chain(["label:KEY".to_owned()]).collect()
}

impl Table {
    pub fn len(&self) -> usize {
        self.answer.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.answer.rows.is_empty()
    }

    pub fn rows(&self) -> &[Uid] {
        &self.answer.rows
    }

    /// The widest text of each column.
    pub fn widths(&self) -> &[usize] {
        &self.answer.widths
    }

    /// The order is older than the data, or is being made.
    pub fn is_behind(&self, snapshot: &Arc<Snapshot>) -> bool {
        self.pending || self.asked.as_ref().is_none_or(|asked| !Arc::ptr_eq(&asked.snapshot, snapshot))
    }

    /// When it is to be put in order again, if only because of data.
    pub fn next(&self, snapshot: &Arc<Snapshot>) -> Option<Timestamp> {
        (!self.pending && self.is_behind(snapshot)).then(|| self.answered_at + AGAIN_AFTER)
    }

    pub fn move_by(&mut self, rows: isize) {
        let last = self.len().saturating_sub(1);
        self.list.index = self.list.index.saturating_add_signed(rows).min(last);
        self.list.cursor = self.rows().get(self.list.index).cloned();
    }

    /// Puts the cursor on a machine; false if it is not there.
    pub fn go_to(&mut self, uid: &Uid) -> bool {
        let Some(index) = self.rows().iter().position(|row| row == uid) else { return false };
        self.list.index = index;
        self.list.cursor = self.rows().get(index).cloned();
        true
    }

    /// To be ordered by the next of the columns, or by the one before; from urgency to the first.
    pub fn sort_by(&mut self, forward: bool) {
        let keys: Vec<Key> = std::iter::once(Key::Urgency).chain(self.columns.iter().cloned()).collect();
        let at = keys.iter().position(|key| *key == self.key).unwrap_or(0);
        let next = if forward { at + 1 } else { at + keys.len() - 1 };
        self.key = keys[next % keys.len()].clone();
        self.reversed = false;
    }

    fn take(&mut self, answer: Answer, now: Timestamp) {
        (self.answer, self.answered_at, self.pending) = (Arc::new(answer), now, false);
        let below = self.list.index.saturating_sub(self.list.top);
        match self.list.cursor.clone() {
            Some(uid) if self.go_to(&uid) => {}
            // It is gone, or hidden: the cursor stays where it stands, on another one.
            _ => self.move_by(0),
        }
        self.list.top = self.list.index.saturating_sub(below);
    }
}

/// Puts the rows in order if they are looked at and something that decides about it has changed: at once, or by an
/// effect that ends in [`answered`].
pub fn arrange(state: &mut State) -> Option<Question> {
    if state.view != View::Machines || state.table.pending {
        return None;
    }
    let question = Question::of(state);
    let table = &mut state.table;
    if let Some(asked) = &table.asked {
        let is_large = state.snapshot.counts.total() > AT_ONCE;
        if *asked == question || (is_large && asked.is_alike(&question) && state.now < table.answered_at + AGAIN_AFTER)
        {
            return None;
        }
    }
    state.revision += 1;
    table.asked = Some(question.clone());
    if state.snapshot.counts.total() <= AT_ONCE {
        table.take(question.answer(), state.now);
        return None;
    }
    table.pending = true;
    Some(question)
}

/// The rows in their order have come.
pub fn answered(state: &mut State, answer: Answer) {
    state.table.take(answer, state.now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::testing::snapshot;

    #[test]
    fn columns_are_read_and_mistakes_are_sentences() {
        let read = |text: &str| parse(text.split_whitespace());
        assert_eq!(read("name cluster,label:rack").map(|keys| keys.len()), Ok(3));
        assert_eq!(read("name name").unwrap_err(), "column `name` stands there twice");
        assert!(read("nam").unwrap_err().starts_with("there is no column `nam`, did you mean `name`? There are name,"));
        assert!(read("urgency").unwrap_err().starts_with("there is no column `urgency`. There are name,"));
        assert!(read("").unwrap_err().starts_with("write which columns: name, context, cluster"));
    }

    #[test]
    fn every_built_in_column_is_one() {
        assert_eq!((columns(PLAIN).len(), columns(WIDE).len()), (PLAIN.len(), WIDE.len()));
    }

    #[test]
    fn rows_are_those_that_the_filter_takes_in_the_order_of_the_key() {
        let fleet = snapshot("cluster b\n pool p\n machine m-10 Ready\n machine m-2 Failed\n idle 1 z-");
        let check = |filter: &str, problems_only: bool, key: &str, reversed: bool, wanted: &str| {
            let key = Key::named(key).expect(key);
            let columns = columns(&["name", "pool"]);
            let question =
                Question { snapshot: fleet.clone(), filter: filter.into(), problems_only, key, reversed, columns };
            let answer = question.answer();
            let names: Vec<_> =
                answer.rows.iter().map(|uid| fleet.machine(uid).expect("it is there").name.to_string()).collect();
            assert_eq!(names.join(" "), wanted, "{filter}");
        };
        check("", false, "name", false, "m-2 m-10 z-1");
        check("", false, "name", true, "z-1 m-10 m-2");
        check("state=ready", false, "name", false, "m-10");
        check("", true, "name", false, "m-2");
    }
}
