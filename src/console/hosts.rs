//! Hosts as the console sees them over SSH: who is asked, what they said, and the order in which that is shown.
//!
//! They are asked when somebody wants to know, and never otherwise: nothing here polls.

pub mod access;
pub mod journal;
pub mod probe;
mod sieve;
pub mod way;

use super::state::List;
use crate::fleet::{Health, Uid};
use jiff::Timestamp;
use probe::Reading;
use std::{collections::HashMap, sync::Arc};

pub use access::Access;
pub use sieve::Sieve;
pub use way::Way;

/// Most hosts that are shown at once: whoever wants others goes deeper, or filters. Asked are those that can be seen.
pub const MOST_HOSTS: usize = 5_000;
/// Most hosts that wait for their answer: whoever runs through a long list asks no more than that on the way.
const MOST_AWAITED: usize = 100;
/// A key that repeats while it is held asks no more often: each time, hosts and jump hosts are dialled anew.
const AGAIN_MILLISECONDS: i128 = 1_000;
/// An answer that is older is not taken for what is when the view is opened again.
const FRESH_SECONDS: i64 = 60;
/// One that is older says how a host was, and not how it is: it counts as not asked.
const CURRENT_SECONDS: i64 = 5 * 60;

/// The hosts of the view.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Which question the answers belong to; 0 while nothing was asked.
    pub round: u64,
    /// When they were last asked again on request.
    pub asked_again_at: Option<Timestamp>,
    /// Whose machines these are.
    pub scope: String,
    /// How many machines the scope has.
    pub of: usize,
    /// Problems first once they are known.
    pub rows: Vec<HostRow>,
    /// What is left of them, and in what order the list goes through them.
    pub sieve: Sieve,
    pub list: List,
}

/// One host.
#[derive(Clone, Debug)]
pub struct HostRow {
    pub uid: Uid,
    pub name: Arc<str>,
    /// What its context is called, where there are several.
    pub context: Option<Arc<str>>,
    /// It is to be a node: then its kubelet has to run.
    pub serves: bool,
    /// The machine has a problem that the fleet knows of.
    pub troubled: bool,
    /// Where it stood before anything was known.
    pub place: usize,
    /// The last one: while it is asked again, too.
    pub answer: Answer,
    /// When that came.
    pub at: Option<Timestamp>,
    /// It came too long ago to say how the host is.
    pub stale: bool,
    pub stage: Stage,
}

/// Whether a host is to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// As soon as it can be seen.
    #[default]
    Due,
    /// At once, wherever it stands: it was being asked when its round was given up.
    Again,
    /// It is being asked.
    Asked,
    /// It has answered, or could not be asked.
    Done,
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
    /// How it is, as far as that is known now.
    pub fn health(&self) -> Health {
        match self.verdict().filter(|_| !self.stale) {
            Some(health) => health,
            None if self.stage == Stage::Asked => Health::Moving,
            None => Health::Idle,
        }
    }

    /// What its last answer says, however old that is.
    fn verdict(&self) -> Option<Health> {
        match &self.answer {
            Answer::Awaited => None,
            Answer::Failed(_) => Some(Health::Bad),
            Answer::Read(reading) => {
                Some(reading.worries(self.serves).iter().map(|w| w.health).min().unwrap_or(Health::Good))
            }
        }
    }

    /// Something was wrong when it last said anything.
    pub fn is_suspect(&self) -> bool {
        self.verdict().is_some_and(Health::is_problem)
    }

    /// What it said, as long as that counts.
    pub fn said(&self) -> &Answer {
        static NOTHING: Answer = Answer::Awaited;
        if self.stale { &NOTHING } else { &self.answer }
    }

    fn is_older(&self, seconds: i64, now: Timestamp) -> bool {
        self.at.is_some_and(|at| now.duration_since(at).as_secs() >= seconds)
    }
}

impl Hosts {
    /// Takes an answer in and puts the row where it belongs; false if nobody waits for it any more. Problems go to the top and
    /// all else stays where it stands: a host that is well must not make room for one that nobody has looked at yet.
    pub fn take(&mut self, round: u64, uid: &Uid, answer: Answer, now: Timestamp) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| round == self.round && row.uid == *uid) else { return false };
        (row.answer, row.at, row.stale, row.stage) = (answer, Some(now), false, Stage::Done);
        self.settle();
        true
    }

    /// Time has passed: answers that are too old by now do not count any more. False if there are none.
    pub fn age(&mut self, now: Timestamp) -> bool {
        let mut is_news = false;
        for row in &mut self.rows {
            let stale = row.is_older(CURRENT_SECONDS, now);
            is_news |= stale != row.stale;
            row.stale = stale;
        }
        if is_news {
            self.settle();
        }
        is_news
    }

    /// Puts each row where it belongs: problems, then what was a problem when it was last known, then all else.
    fn settle(&mut self) {
        self.rows.sort_by_cached_key(|row| {
            let health = row.health();
            let group = if health.is_problem() { health } else { Health::Good };
            (group, group.is_problem() || !row.is_suspect(), row.place)
        });
        self.sieve.again(&self.rows);
        self.keep();
    }

    /// Takes in what is typed for a filter, and whether only problems are wanted.
    pub fn sift(&mut self, problems_only: bool) {
        self.sieve.refresh(&self.rows, self.round, problems_only);
        self.keep();
    }

    /// The cursor is on what it stands on, whatever answers change in the order from here on.
    pub fn anchor(&mut self) {
        let is_there = self.list.cursor.as_ref().is_some_and(|cursor| self.position(cursor).is_some());
        if !is_there {
            self.list.cursor = self.selected().map(|row| row.uid.clone());
        }
    }

    /// The cursor is on its host, and where that is left out, where it was.
    fn keep(&mut self) {
        if let Some(at) = self.list.cursor.as_ref().and_then(|cursor| self.position(cursor)) {
            self.list.index = at;
        }
        self.list.index = self.list.index.min(self.len().saturating_sub(1));
    }

    /// How many the list shows.
    pub fn len(&self) -> usize {
        self.sieve.len(self.rows.len())
    }

    /// It shows none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What stands at a place of the list.
    pub fn get(&self, index: usize) -> Option<&HostRow> {
        self.rows.get(self.sieve.at(index)?)
    }

    /// What the list shows, from a place on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = &HostRow> {
        (index..self.len()).filter_map(|at| self.get(at))
    }

    fn position(&self, uid: &Uid) -> Option<usize> {
        self.sieve.place(self.rows.iter().position(|row| row.uid == *uid)?)
    }

    /// Where those stand among all rows that can be seen, upwards.
    fn seen(&self, height: usize) -> Vec<usize> {
        (self.list.top..self.list.top.saturating_add(height)).map_while(|index| self.sieve.at(index)).collect()
    }

    /// Puts the cursor on a host; false if it is none of these.
    pub fn select(&mut self, uid: &Uid) -> bool {
        let Some(at) = self.position(uid) else { return false };
        (self.list.index, self.list.cursor) = (at, Some(uid.clone()));
        true
    }

    pub fn selected(&self) -> Option<&HostRow> {
        self.get(self.list.index)
    }

    /// Those that are to be asked now, of those that can be seen and those that are marked: they are asked from here on.
    pub fn due(&mut self, height: usize, is_marked: impl Fn(&Uid) -> bool) -> Vec<Uid> {
        let room = MOST_AWAITED.saturating_sub(self.awaited());
        let seen = self.seen(height);
        let rows = self.rows.iter_mut().enumerate();
        let is_seen = |at: &usize| seen.binary_search(at).is_ok();
        let due = rows.filter(|(at, row)| match row.stage {
            Stage::Due => is_seen(at) || is_marked(&row.uid),
            stage => stage == Stage::Again,
        });
        due.take(room)
            .map(|(_, row)| {
                row.stage = Stage::Asked;
                row.uid.clone()
            })
            .collect()
    }

    /// Those that can be seen, and those that are marked, are to be asked again, in a round of its own: with keys and settings
    /// as they are now. What they said before stays until then. Who was being asked is given up with the round before, and is
    /// to be asked as well: whatever became of that. Not within a second of the time before.
    pub fn ask_again(&mut self, round: u64, height: usize, now: Timestamp, is_marked: impl Fn(&Uid) -> bool) {
        let is_soon = |at: Timestamp| (0..AGAIN_MILLISECONDS).contains(&now.duration_since(at).as_millis());
        if self.asked_again_at.is_some_and(is_soon) {
            return;
        }
        let seen = self.seen(height);
        (self.round, self.asked_again_at) = (round, Some(now));
        for (at, row) in self.rows.iter_mut().enumerate() {
            match row.stage {
                Stage::Asked => row.stage = Stage::Again,
                Stage::Done if seen.binary_search(&at).is_ok() || is_marked(&row.uid) => row.stage = Stage::Due,
                _ => {}
            }
        }
    }

    /// What is still worth something of what was said before: it need not be asked again at once.
    pub fn remember(&mut self, before: &Self, now: Timestamp) {
        let known: HashMap<&Uid, &HostRow> =
            before.rows.iter().filter(|row| row.at.is_some()).map(|row| (&row.uid, row)).collect();
        for row in &mut self.rows {
            let Some(known) = known.get(&row.uid) else { continue };
            (row.answer, row.at) = (known.answer.clone(), known.at);
            row.stale = row.is_older(CURRENT_SECONDS, now);
            if !row.is_older(FRESH_SECONDS, now) {
                row.stage = Stage::Done;
            }
        }
        self.settle();
    }

    /// How many are being asked.
    pub fn awaited(&self) -> usize {
        self.rows.iter().filter(|row| row.stage == Stage::Asked).count()
    }

    /// How many have said something that counts.
    pub fn answered(&self) -> usize {
        self.rows.iter().filter(|row| row.at.is_some() && !row.stale).count()
    }

    /// How many have said something too long ago.
    pub fn stale(&self) -> usize {
        self.rows.iter().filter(|row| row.stale).count()
    }

    /// How many something is wrong with.
    pub fn troubled(&self) -> usize {
        self.rows.iter().filter(|row| row.health().is_problem()).count()
    }
}
