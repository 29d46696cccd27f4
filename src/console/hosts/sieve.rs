//! The filter of the hosts: by what they are called, and by what they said.

use super::{Answer, HostRow, probe::Unit};
use crate::{
    console::input::Line,
    fleet::{
        Filter,
        filter::{Column, Row, Scratch},
    },
};

const UNITS: &[&str] = &["up", "pod", "starts", "off", "failed", "absent", "unknown"];

/// What hosts are filtered by.
pub const COLUMNS: &[Column] = &[
    Column::of("name", &["host", "machine"]),
    // Who has not answered, or too long ago, is in none of them.
    Column::of("state", &[]).with(&["well", "trouble", "unreachable"]),
    Column::of("kubelet", &[]).with(UNITS),
    Column::of("containerd", &["contd"]).with(UNITS),
    Column::of("etcd", &[]).with(UNITS),
    Column::of("what", &["message"]),
    Column::of("context", &[]),
];

/// What is typed, and which hosts that leaves.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    pub line: Line,
    read: String,
    filter: Filter,
    mistake: Option<String>,
    problems_only: bool,
    /// Which question the rows belonged to.
    round: u64,
    /// Where those that it takes stand among the rows; `None`: all of them.
    taken: Option<Vec<usize>>,
}

impl Sieve {
    /// After anything that decides which rows there are. Costs nothing where nothing has changed.
    pub fn refresh(&mut self, rows: &[HostRow], round: u64, problems_only: bool) {
        let is_same = (self.line.value(), round, problems_only) == (self.read.as_str(), self.round, self.problems_only);
        if is_same {
            return;
        }
        if self.line.value() != self.read {
            self.line.value().clone_into(&mut self.read);
            // One that cannot be read (yet) leaves the last one in place: it is being typed.
            match Filter::parse_for(&self.read, COLUMNS) {
                Ok(filter) => (self.filter, self.mistake) = (filter, None),
                Err(mistake) => self.mistake = Some(mistake.to_string()),
            }
        }
        (self.round, self.problems_only) = (round, problems_only);
        self.again(rows);
    }

    /// After an answer.
    pub fn again(&mut self, rows: &[HostRow]) {
        let problems_only = self.problems_only;
        let is_on = problems_only || !self.filter.is_empty();
        let mut scratch = Scratch::default();
        let mut takes = |host: &HostRow| {
            let said = Said::by(host);
            (!problems_only || said.is_problem()) && self.filter.row(&said, &mut scratch)
        };
        self.taken = is_on.then(|| rows.iter().enumerate().filter(|(_, host)| takes(host)).map(|(at, _)| at).collect());
    }

    /// Something may be left out.
    pub fn is_on(&self) -> bool {
        self.taken.is_some()
    }

    /// Why the filter cannot be read: the one before is in force.
    pub fn mistake(&self) -> Option<&str> {
        self.mistake.as_deref()
    }

    /// How many of so many it leaves.
    pub fn len(&self, of: usize) -> usize {
        self.taken.as_ref().map_or(of, Vec::len)
    }

    /// Where the row of a place in the list stands among all.
    pub fn at(&self, index: usize) -> Option<usize> {
        self.taken.as_ref().map_or(Some(index), |taken| taken.get(index).copied())
    }

    /// Where a row stands in the list, if it is left.
    pub fn place(&self, at: usize) -> Option<usize> {
        self.taken.as_ref().map_or(Some(at), |taken| taken.binary_search(&at).ok())
    }
}

/// A host and what it said, in words.
struct Said<'a> {
    host: &'a HostRow,
    worries: Vec<String>,
}

impl<'a> Said<'a> {
    fn by(host: &'a HostRow) -> Self {
        let worries = match host.said() {
            Answer::Read(reading) => reading.worries(host.serves).into_iter().map(|worry| worry.text).collect(),
            Answer::Failed(why) => vec![why.clone()],
            Answer::Awaited => Vec::new(),
        };
        Self { host, worries }
    }

    fn state(&self) -> Option<&'static str> {
        match self.host.said() {
            Answer::Awaited => None,
            Answer::Failed(_) => Some("unreachable"),
            Answer::Read(_) if self.host.health().is_problem() => Some("trouble"),
            Answer::Read(_) => Some("well"),
        }
    }

    fn unit(&self, unit: impl Fn(&super::probe::Seen) -> Unit) -> Vec<&str> {
        let Answer::Read(reading) = self.host.said() else { return Vec::new() };
        vec![match unit(&reading.seen) {
            Unit::Unknown => "unknown",
            Unit::Absent => "absent",
            known => known.word(),
        }]
    }
}

impl Row for Said<'_> {
    /// Of the host, or of its machine: nobody knows of one that was not asked. What was a problem when it was last known is not
    /// out of the list because time has passed.
    fn is_problem(&self) -> bool {
        self.host.troubled || self.host.is_suspect()
    }

    fn words(&self) -> Vec<&str> {
        let said = self.worries.iter().map(String::as_str).chain(self.host.context.as_deref());
        std::iter::once(&*self.host.name).chain(said).collect()
    }

    fn column(&self, name: &str) -> Vec<&str> {
        match name {
            "name" => vec![&self.host.name],
            "state" => self.state().into_iter().collect(),
            "kubelet" => self.unit(|seen| seen.kubelet),
            "containerd" => self.unit(|seen| seen.containerd),
            "etcd" => self.unit(|seen| seen.etcd),
            "context" => self.host.context.as_deref().into_iter().collect(),
            _ => self.worries.iter().map(String::as_str).collect(),
        }
    }
}
