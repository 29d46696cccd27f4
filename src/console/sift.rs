//! Applies the filter to the fleet and remembers the outcome: a pool is looked through again only if it has changed.

use super::tree::{Kept, Matches};
use crate::fleet::{Filter, MachineRow, PoolNode, Snapshot, Uid, filter::Scratch};
use std::{collections::HashMap, sync::Arc};

/// Machines of a fleet in which a new filter is applied while its letters are typed; in a larger one that is done beside the
/// screen, and what was found before stays there meanwhile.
const AT_ONCE: usize = 5_000;

/// The filter's outcome for the newest snapshot.
#[derive(Clone, Debug, Default)]
pub struct Sifter {
    text: String,
    /// The last of what was typed that could be read.
    readable: String,
    found: Found,
    mistake: Option<String>,
    /// A filter that is to be applied beside the screen.
    wanted: Option<(String, Filter)>,
    /// One is being applied.
    is_asked: bool,
}

/// A filter and what it leaves.
#[derive(Clone, Debug, Default)]
struct Found {
    filter: Filter,
    matches: Option<Arc<Matches>>,
    /// What was found in each pool, and in which version of it.
    seen: HashMap<Uid, (Arc<PoolNode>, Option<Kept>)>,
    /// What was found in each part of the lists of idle machines, by where it is in memory; the part is kept, so that no other
    /// comes to stand there.
    seen_idle: HashMap<usize, (Chunk, Vec<u32>)>,
}

type Chunk = Arc<Vec<Arc<MachineRow>>>;

/// A filter, and the fleet that it is to be applied to.
#[derive(Clone, Debug)]
pub struct Question {
    text: String,
    filter: Filter,
    snapshot: Arc<Snapshot>,
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }
}

impl Question {
    /// Looks through the whole fleet.
    pub fn answer(self) -> Answer {
        let mut found = Found { filter: self.filter, ..Found::default() };
        found.refresh(&self.snapshot);
        Answer { text: self.text, found }
    }
}

/// What a filter leaves of a fleet.
#[derive(Clone, Debug)]
pub struct Answer {
    text: String,
    found: Found,
}

impl Sifter {
    /// What is left; `None` without a filter.
    pub fn matches(&self) -> Option<&Matches> {
        self.found.matches.as_deref()
    }

    /// Why the filter cannot be read.
    pub fn mistake(&self) -> Option<&str> {
        self.mistake.as_deref()
    }

    /// The filter that is in force, or will be as soon as it is applied: the last one that could be read.
    pub fn readable(&self) -> &str {
        &self.readable
    }

    /// What is on screen is still that of the filter before.
    pub fn is_looking(&self) -> bool {
        self.wanted.is_some()
    }

    /// Takes a filter as it is typed. One that cannot be read (yet) leaves the last one in place.
    pub fn type_in(&mut self, text: &str, snapshot: &Snapshot) {
        if text.trim().is_empty() || text == self.text || snapshot.counts.total() <= AT_ONCE {
            return self.apply(text, snapshot);
        }
        match Filter::parse(text) {
            Ok(filter) => {
                text.clone_into(&mut self.readable);
                (self.wanted, self.mistake) = (Some((text.to_owned(), filter)), None);
            }
            Err(mistake) => (self.wanted, self.mistake) = (None, Some(mistake.to_string())),
        }
    }

    /// Looks through everything for a filter now, whatever that takes.
    pub fn apply(&mut self, text: &str, snapshot: &Snapshot) {
        self.wanted = None;
        // A mistake may be of a text that was typed and taken back.
        if text != self.text || self.mistake.is_some() {
            text.clone_into(&mut self.text);
            self.found.seen.clear();
            self.found.seen_idle.clear();
            match Filter::parse(text) {
                Ok(filter) => {
                    text.clone_into(&mut self.readable);
                    (self.found.filter, self.mistake) = (filter, None);
                }
                Err(mistake) => self.mistake = Some(mistake.to_string()),
            }
        }
        if text.trim().is_empty() {
            self.readable.clear();
            self.found = Found::default();
        }
        self.found.refresh(snapshot);
    }

    /// Looks through what has changed since the last time.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        self.found.refresh(snapshot);
    }

    /// What is to be looked for beside the screen; one at a time.
    pub fn question(&mut self, snapshot: &Arc<Snapshot>) -> Option<Question> {
        if self.is_asked {
            return None;
        }
        let (text, filter) = self.wanted.clone()?;
        self.is_asked = true;
        Some(Question { text, filter, snapshot: snapshot.clone() })
    }

    /// Takes what was found, if it is still what is wanted, and what has changed since.
    pub fn answered(&mut self, answer: Answer, snapshot: &Snapshot) {
        self.is_asked = false;
        if self.wanted.as_ref().is_some_and(|(text, _)| *text == answer.text) {
            (self.wanted, self.text, self.found) = (None, answer.text, answer.found);
            self.found.refresh(snapshot);
        }
    }
}

impl Found {
    fn refresh(&mut self, snapshot: &Snapshot) {
        if self.filter.is_empty() {
            self.matches = None;
            self.seen.clear();
            self.seen_idle.clear();
            return;
        }
        self.matches = Some(Arc::new(self.look(snapshot)));
    }

    fn look(&mut self, snapshot: &Snapshot) -> Matches {
        let mut found = Matches::default();
        let mut scratch = Scratch::of(snapshot);
        let mut seen = HashMap::with_capacity(self.seen.len());
        for cluster in &snapshot.clusters {
            if self.filter.cluster(&cluster.row, cluster.health, &mut scratch) {
                found.clusters.insert(cluster.row.uid.clone());
            }
            for pool in &cluster.pools {
                let kept = match self.seen.remove(&pool.row.uid) {
                    Some((before, kept)) if Arc::ptr_eq(&before, pool) => kept,
                    _ => self.pool(pool, &mut scratch),
                };
                if let Some(kept) = &kept {
                    found.count += match kept {
                        Kept::Pool => pool.machines.len(),
                        Kept::Machines(at) => at.len(),
                    };
                    found.pools.insert(pool.row.uid.clone(), kept.clone());
                }
                seen.insert(pool.row.uid.clone(), (pool.clone(), kept));
            }
        }
        self.seen = seen;
        let mut seen_idle = HashMap::with_capacity(self.seen_idle.len());
        for context in snapshot.contexts() {
            let Some(machines) = snapshot.idle(context) else { continue };
            let (mut idle, mut from) = (Vec::new(), 0);
            for chunk in machines.chunks() {
                let place = Arc::as_ptr(chunk) as usize;
                let kept = match self.seen_idle.remove(&place) {
                    Some((_, kept)) => kept,
                    None => positions(chunk.iter(), |m| self.filter.machine(m, None, &mut scratch)),
                };
                idle.extend(kept.iter().map(|at| from + at));
                from += chunk.len() as u32;
                seen_idle.insert(place, (chunk.clone(), kept));
            }
            found.count += idle.len();
            found.idle.insert(context, idle.into());
        }
        self.seen_idle = seen_idle;
        found
    }

    fn pool(&self, pool: &PoolNode, scratch: &mut Scratch) -> Option<Kept> {
        if self.filter.pool(pool, scratch) {
            return Some(Kept::Pool);
        }
        let at = positions(pool.machines.iter(), |m| self.filter.machine(m, Some(&pool.row), scratch));
        (!at.is_empty()).then(|| Kept::Machines(at.into()))
    }
}

fn positions<'a>(
    machines: impl Iterator<Item = &'a Arc<MachineRow>>,
    mut takes: impl FnMut(&MachineRow) -> bool,
) -> Vec<u32> {
    machines.enumerate().filter(|(_, m)| takes(m)).map(|(at, _)| at as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::testing;

    fn fleet(machines: usize) -> Arc<Snapshot> {
        testing::snapshot(&format!("cluster a\npool p\nmachine m-1 Ready\nidle {machines} spare-"))
    }

    fn count(sifter: &Sifter) -> Option<usize> {
        sifter.matches().map(|matches| matches.count)
    }

    #[test]
    fn a_small_fleet_is_looked_through_at_once() {
        let (mut sifter, fleet) = (Sifter::default(), fleet(10));
        sifter.type_in("spare", &fleet);
        assert_eq!((count(&sifter), sifter.question(&fleet)), (Some(10), None));
        sifter.type_in("state=", &fleet);
        assert!(sifter.mistake().is_some() && count(&sifter) == Some(10), "the last one stays");
        sifter.type_in("", &fleet);
        assert_eq!((count(&sifter), sifter.mistake()), (None, None));
    }

    #[test]
    fn idle_machines_are_found_where_they_are_whatever_has_changed() {
        let mut sifter = Sifter::default();
        let names = |sifter: &Sifter, fleet: &Snapshot| -> Vec<String> {
            let (context, matches) = (crate::fleet::ContextId::FIRST, sifter.matches().expect("a filter"));
            let idle = fleet.idle(context).expect("machines");
            matches.idle[&context].iter().map(|at| idle.at(*at as usize).expect("one").name.to_string()).collect()
        };
        let before = fleet(300);
        sifter.type_in("7", &before);
        let wanted = |most: usize| -> Vec<String> {
            (1..=most).map(|n| format!("spare-{n}")).filter(|name| name.contains('7')).collect()
        };
        assert_eq!(names(&sifter, &before), wanted(300));
        sifter.refresh(&before);
        assert_eq!(names(&sifter, &before), wanted(300), "nothing has changed");
        let after = fleet(420);
        sifter.refresh(&after);
        assert_eq!(names(&sifter, &after), wanted(420));
    }

    #[test]
    fn a_large_one_beside_the_screen_and_the_last_letter_counts() {
        let (mut sifter, fleet) = (Sifter::default(), fleet(AT_ONCE + 10));
        sifter.type_in("m", &fleet);
        assert!(count(&sifter).is_none() && sifter.is_looking());
        let first = sifter.question(&fleet).expect("it is large");
        sifter.type_in("m-1", &fleet);
        assert_eq!(sifter.question(&fleet), None, "one at a time");
        sifter.answered(first.answer(), &fleet);
        assert_eq!(count(&sifter), None, "not what is wanted any more");
        let second = sifter.question(&fleet).expect("it is wanted");
        sifter.answered(second.answer(), &fleet);
        assert_eq!((count(&sifter), sifter.is_looking()), (Some(1), false));
        sifter.type_in("spare", &fleet);
        assert_eq!(count(&sifter), Some(1), "what was found before stays meanwhile");
        sifter.type_in("", &fleet);
        assert_eq!((count(&sifter), sifter.question(&fleet)), (None, None));
        // A mistake that is taken back is none any more.
        sifter.type_in("state=", &fleet);
        assert!(sifter.mistake().is_some());
        sifter.type_in("", &fleet);
        assert_eq!(sifter.mistake(), None);
    }

    #[test]
    fn what_changed_meanwhile_is_looked_through_as_well() {
        let (mut sifter, before) = (Sifter::default(), fleet(AT_ONCE + 10));
        sifter.type_in("state=ready", &before);
        let question = sifter.question(&before).expect("it is large");
        let after =
            testing::snapshot(&format!("cluster a\npool p\nmachine m-1 Ready\nmachine m-2 Ready\nidle {AT_ONCE} x-"));
        sifter.answered(question.answer(), &after);
        assert_eq!(count(&sifter), Some(2));
    }
}
