//! Applies the filter to the fleet and remembers the outcome: a pool is looked through again only if it has changed.

use super::tree::{Kept, Matches};
use crate::fleet::{Filter, MachineRow, PoolNode, Snapshot, Uid, filter::Scratch};
use std::{collections::HashMap, sync::Arc};

/// The filter's outcome for the newest snapshot.
#[derive(Clone, Debug, Default)]
pub struct Sifter {
    text: String,
    filter: Filter,
    matches: Option<Arc<Matches>>,
    /// What was found in each pool, and in which version of it.
    seen: HashMap<Uid, (Arc<PoolNode>, Option<Kept>)>,
    mistake: Option<String>,
}

impl Sifter {
    /// What is left; `None` without a filter.
    pub fn matches(&self) -> Option<&Matches> {
        self.matches.as_deref()
    }

    /// Why the filter cannot be read.
    pub fn mistake(&self) -> Option<&str> {
        self.mistake.as_deref()
    }

    /// Looks through what has changed since the last time; through everything if the filter has.
    pub fn refresh(&mut self, text: &str, snapshot: &Snapshot) {
        if text != self.text {
            text.clone_into(&mut self.text);
            self.seen.clear();
            // A filter that cannot be read (yet) leaves the last one in place: it is being typed.
            match Filter::parse(text) {
                Ok(filter) => (self.filter, self.mistake) = (filter, None),
                Err(mistake) => self.mistake = Some(mistake.to_string()),
            }
        }
        if text.trim().is_empty() || self.filter.is_empty() {
            (self.matches, self.filter) = (None, Filter::default());
            self.seen.clear();
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
        for context in snapshot.contexts() {
            let Some(idle) = snapshot.idle(context) else { continue };
            let idle = positions(idle.iter(), |m| self.filter.machine(m, None, &mut scratch));
            found.count += idle.len();
            found.idle.insert(context, idle.into());
        }
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
