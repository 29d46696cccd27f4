//! Hosts as the console sees them over SSH: who is asked, what they said, and the order in which that is shown.
//!
//! They are asked when somebody wants to know, and never otherwise: nothing here polls.

pub mod access;
pub mod journal;
pub mod probe;
pub mod way;

use super::state::List;
use crate::fleet::{Health, Uid, natural};
use probe::Reading;
use std::sync::Arc;

pub use access::Access;
pub use way::Way;

/// Most hosts that are asked and shown at once: whoever wants others goes deeper, or filters.
pub const MOST_HOSTS: usize = 100;

/// The hosts of the view.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Which question the answers belong to; 0 while nothing was asked.
    pub round: u64,
    /// Whose machines these are.
    pub scope: String,
    /// How many machines the scope has.
    pub of: usize,
    /// Problems first once they are known.
    pub rows: Vec<HostRow>,
    pub list: List,
}

/// One host.
#[derive(Clone, Debug)]
pub struct HostRow {
    pub uid: Uid,
    pub name: Arc<str>,
    /// It is to be a node: then its kubelet has to run.
    pub serves: bool,
    pub answer: Answer,
}

/// What came of asking a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Answer {
    #[default]
    Awaited,
    Read(Reading),
    /// Why it cannot be asked, in a sentence.
    Failed(String),
}

impl HostRow {
    pub fn health(&self) -> Health {
        match &self.answer {
            Answer::Awaited => Health::Moving,
            Answer::Failed(_) => Health::Bad,
            Answer::Read(reading) => {
                reading.worries(self.serves).iter().map(|w| w.health).min().unwrap_or(Health::Good)
            }
        }
    }
}

impl Hosts {
    /// Takes an answer in and puts the row where it belongs; false if nobody waits for it any more.
    pub fn take(&mut self, round: u64, uid: &Uid, answer: Answer) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| round == self.round && row.uid == *uid) else { return false };
        row.answer = answer;
        self.rows.sort_by(|a, b| a.health().cmp(&b.health()).then_with(|| natural(&a.name, &b.name)));
        if let Some(cursor) = &self.list.cursor {
            self.list.index = self.rows.iter().position(|row| row.uid == *cursor).unwrap_or(0);
        }
        true
    }

    /// Puts the cursor on a host; false if it is none of these.
    pub fn select(&mut self, uid: &Uid) -> bool {
        let Some(at) = self.rows.iter().position(|row| row.uid == *uid) else { return false };
        (self.list.index, self.list.cursor) = (at, Some(self.rows[at].uid.clone()));
        true
    }

    pub fn selected(&self) -> Option<&HostRow> {
        self.rows.get(self.list.index)
    }

    /// How many have not answered yet.
    pub fn awaited(&self) -> usize {
        self.rows.iter().filter(|row| row.answer == Answer::Awaited).count()
    }

    /// How many something is wrong with.
    pub fn troubled(&self) -> usize {
        self.rows.iter().filter(|row| row.health().is_problem()).count()
    }
}
