//! The last events of one collection. A watcher takes what comes after its revision, or learns that it came too late.

use std::{collections::VecDeque, sync::Arc};

use crate::embedded::object::Object;

/// Bounds of a ring: a watcher that is further behind has to list again.
const MAX_EVENTS: usize = 16_384;
const MAX_BYTES: usize = 32 << 20;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    Added,
    Modified,
    Deleted,
}

/// One committed change.
#[derive(Debug)]
pub struct Event {
    pub happening: Happening,
    /// Its state after the change; for a deletion the last one, with the revision of the deletion.
    pub object: Arc<Object>,
    /// Its state before, so that a selector can tell what left its view.
    pub previous: Option<Arc<Object>>,
}

/// Events between the asked revision and the oldest remembered one are gone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    pub asked: u64,
    pub oldest: u64,
}

#[derive(Debug)]
pub struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Everything after this revision is in `events`.
    floor: u64,
}

impl Ring {
    pub fn starting_at(floor: u64) -> Self {
        Self { events: VecDeque::new(), bytes: 0, floor }
    }

    pub fn push(&mut self, event: Event) {
        self.bytes += event.object.bytes.len();
        self.events.push_back(Arc::new(event));
        while self.events.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events.len() > 1) {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.object.bytes.len();
            self.floor = oldest.object.revision;
        }
    }

    pub fn after(&self, revision: u64, limit: usize) -> Result<Vec<Arc<Event>>, Expired> {
        if revision < self.floor {
            return Err(Expired { asked: revision, oldest: self.floor });
        }
        let start = self.events.partition_point(|event| event.object.revision <= revision);
        Ok(self.events.iter().skip(start).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ring(revisions: std::ops::RangeInclusive<u64>) -> Ring {
        let mut ring = Ring::starting_at(0);
        for revision in revisions {
            let object = Arc::new(Object::seal(json!({"metadata": {}}), revision, &[]));
            ring.push(Event { happening: Happening::Added, object, previous: None });
        }
        ring
    }

    fn check(ring: &Ring, after: u64, expected: &str) {
        let found = match ring.after(after, 2) {
            Ok(events) => events.iter().map(|e| e.object.revision.to_string()).collect::<Vec<_>>().join(" "),
            Err(expired) => expired.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn answers_what_follows_or_that_it_is_gone() {
        check(&ring(1..=3), 0, "1 2");
        check(&ring(1..=3), 2, "3");
        check(&ring(1..=3), 3, "");
        let long = ring(1..=20_000);
        check(&long, 10, "too old resource version: 10 (3616)");
        check(&long, 3616, "3617 3618");
    }
}
