//! All objects of one server: collections, one rising revision, compare-and-swap, and who is told when.
//!
//! Writers see what was accepted, readers only what is committed. A write is accepted under the lock (it gets its revision
//! there), goes to the disk together with everything else that waits, and is then, in the order of revisions, made visible to
//! readers, published to watchers and acknowledged. So nothing that anybody has seen can be lost. Without a directory the
//! commit happens at once. The rings of events are not stored: after a restart older revisions are expired.

mod disk;
mod ring;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{oneshot, watch};

pub use ring::{Event, Expired, Happening};

use super::object::{Key, Object};
use disk::Disk;
use ring::Ring;

/// Why a write was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the object has been modified")]
    Stale,
    #[error("the data directory: {0}")]
    Disk(String),
}

/// What a writer believes to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Absent,
    Revision(u64),
}

/// The collections of one server.
#[derive(Debug)]
pub struct Store {
    state: Arc<Mutex<State>>,
    /// Taken out when the store is closed.
    disk: Mutex<Option<Disk>>,
    durable: bool,
}

#[derive(Debug, Default)]
struct State {
    /// The revision that was given out last.
    accepted: u64,
    /// The revision up to which everything is visible.
    committed: u64,
    collections: HashMap<String, Collection>,
    /// Accepted, not yet taken by the disk thread. Each waits for its acknowledgement, so callers bound the length.
    queue: Vec<Accepted>,
    /// The disk failed: nothing is accepted any more.
    failed: Option<String>,
    /// The last committed revision that may have left garbage: something went, is going, or came with an owner.
    garbage: watch::Sender<u64>,
}

#[derive(Debug)]
struct Collection {
    objects: BTreeMap<Key, Arc<Object>>,
    /// What is accepted and not yet committed, by key; `None` is a deletion.
    pending: HashMap<Key, (u64, Option<Arc<Object>>)>,
    ring: Ring,
    /// The last committed revision of this collection; watchers wait on it.
    news: watch::Sender<u64>,
}

#[derive(Debug)]
struct Accepted {
    collection: String,
    key: Key,
    /// With the revision of this change, also where it is a deletion.
    object: Arc<Object>,
    deleted: bool,
    done: Option<oneshot::Sender<Result<(), String>>>,
}

impl Store {
    /// Nothing is kept beyond the process.
    pub fn in_memory() -> Self {
        Self { state: Arc::default(), disk: Mutex::new(None), durable: false }
    }

    /// Opens or makes the store in a directory. What is read has no selectable fields yet: see [`Store::reindex`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let state = Arc::new(Mutex::new(State::default()));
        let (disk, revision, rows) = Disk::open(directory, state.clone()).map_err(Error::Disk)?;
        let mut guard = lock(&state);
        (guard.accepted, guard.committed) = (revision, revision);
        for row in rows {
            let object = row.object().map_err(Error::Disk)?;
            guard.collection(&row.collection).objects.insert(object.key.clone(), Arc::new(object));
        }
        drop(guard);
        Ok(Self { state, disk: Mutex::new(Some(disk)), durable: true })
    }

    /// Reads the selectable fields of what a collection holds anew, where they are not the ones that were read before.
    pub fn reindex(&self, collection: &str, selectable: &[String]) {
        let mut state = lock(&self.state);
        for object in state.collection(collection).objects.values_mut() {
            if object.index.fields.len() != selectable.len() {
                *object = Arc::new(object.reindexed(selectable));
            }
        }
    }

    /// Puts other bytes in the place of objects, of the same revision: what a new definition makes of what is kept.
    pub fn revise(&self, collection: &str, revised: impl Fn(&Object) -> Option<Object>) {
        let mut state = lock(&self.state);
        for object in state.collection(collection).objects.values_mut() {
            if let Some(other) = revised(object) {
                *object = Arc::new(other);
            }
        }
    }

    /// The committed object.
    pub fn read(&self, collection: &str, key: &Key) -> Option<Arc<Object>> {
        lock(&self.state).collections.get(collection)?.objects.get(key).cloned()
    }

    /// The accepted object, which a write has to build on.
    pub fn latest(&self, collection: &str, key: &Key) -> Option<Arc<Object>> {
        lock(&self.state).collections.get(collection)?.latest(key).cloned()
    }

    /// Committed objects in order of namespace and name, after `after` if there is one, and the revision of that view.
    pub fn list(&self, collection: &str, namespace: Option<&str>, after: Option<&Key>) -> (Vec<Arc<Object>>, u64) {
        let state = lock(&self.state);
        let Some(found) = state.collections.get(collection) else { return (Vec::new(), state.committed) };
        let first = Key::new(namespace.unwrap_or_default(), "");
        let start = match after {
            Some(after) if *after >= first => Bound::Excluded(after),
            _ => Bound::Included(&first),
        };
        let range = found.objects.range((start, Bound::Unbounded));
        let within = range.take_while(|(key, _)| namespace.is_none_or(|namespace| *key.namespace == *namespace));
        (within.map(|(_, object)| object.clone()).collect(), state.committed)
    }

    /// The revision up to which everything is visible.
    pub fn revision(&self) -> u64 {
        lock(&self.state).committed
    }

    /// Writes an object that `make` builds for the revision it gets; returns once it is committed and published.
    pub async fn put(
        &self,
        collection: &str,
        key: Key,
        expected: Expected,
        make: impl FnOnce(u64) -> Object,
    ) -> Result<Arc<Object>, Error> {
        self.write(collection, key, expected, false, make).await
    }

    /// Removes an object; `make` builds its last state, which watchers are told.
    pub async fn delete(
        &self,
        collection: &str,
        key: Key,
        expected: Expected,
        make: impl FnOnce(u64) -> Object,
    ) -> Result<Arc<Object>, Error> {
        self.write(collection, key, expected, true, make).await
    }

    async fn write(
        &self,
        collection: &str,
        key: Key,
        expected: Expected,
        deleted: bool,
        make: impl FnOnce(u64) -> Object,
    ) -> Result<Arc<Object>, Error> {
        let (object, waiting) = {
            let mut state = lock(&self.state);
            if let Some(error) = &state.failed {
                return Err(Error::Disk(error.clone()));
            }
            let revision = state.accepted + 1;
            let home = state.collection(collection);
            let found = home.latest(&key).map_or(Expected::Absent, |object| Expected::Revision(object.revision));
            if found != expected {
                return Err(Error::Stale);
            }
            let object = Arc::new(make(revision));
            let change = |done| Accepted {
                collection: collection.to_owned(),
                key: key.clone(),
                object: object.clone(),
                deleted,
                done,
            };
            state.accepted = revision;
            let waiting = if self.durable {
                let pending = (!deleted).then(|| object.clone());
                state.collection(collection).pending.insert(key.clone(), (revision, pending));
                let (done, waiting) = oneshot::channel();
                state.queue.push(change(Some(done)));
                Some(waiting)
            } else {
                state.commit(vec![change(None)]);
                None
            };
            (object, waiting)
        };
        if let Some(waiting) = waiting {
            if let Some(disk) = &*self.disk.lock().unwrap_or_else(PoisonError::into_inner) {
                disk.wake();
            }
            let gone = |_| Error::Disk("the store is closed".to_owned());
            waiting.await.map_err(gone)?.map_err(Error::Disk)?;
        }
        Ok(object)
    }

    /// Finishes what was accepted and lets the file go. Later writes are refused.
    pub fn close(&self) {
        if self.durable {
            lock(&self.state).failed = Some("the store is closed".to_owned());
            drop(self.disk.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// Takes the events after a revision, at most `limit`, and the revision up to which that is everything there is.
    pub fn events(&self, collection: &str, after: u64, limit: usize) -> Result<(Vec<Arc<Event>>, u64), Expired> {
        let mut state = lock(&self.state);
        let committed = state.committed;
        let events = state.collection(collection).ring.after(after, limit)?;
        let complete =
            if events.len() < limit { committed } else { events.last().map_or(after, |e| e.object.revision) };
        Ok((events, complete))
    }

    /// A signal that changes whenever something may have become garbage, in any collection.
    pub fn garbage(&self) -> watch::Receiver<u64> {
        lock(&self.state).garbage.subscribe()
    }

    /// A signal that changes whenever something is committed in the collection.
    pub fn news(&self, collection: &str) -> watch::Receiver<u64> {
        lock(&self.state).collection(collection).news.subscribe()
    }
}

impl State {
    /// Whether a change can make something garbage.
    fn litters(&self, change: &Accepted) -> bool {
        let index = &change.object.index;
        let is_new = || self.collections.get(&change.collection).is_none_or(|c| !c.objects.contains_key(&change.key));
        change.deleted || index.deleting || !index.owners.is_empty() && is_new()
    }

    fn collection(&mut self, name: &str) -> &mut Collection {
        let floor = self.committed;
        if !self.collections.contains_key(name) {
            self.collections.insert(name.to_owned(), Collection::new(floor));
        }
        self.collections.get_mut(name).expect("it was just put there")
    }

    /// Makes changes visible, in their order, and tells the watchers.
    fn commit(&mut self, changes: Vec<Accepted>) {
        let mut touched: HashMap<String, u64> = HashMap::new();
        let mut done = Vec::with_capacity(changes.len());
        let mut litter = None;
        for change in changes {
            if self.litters(&change) {
                litter = Some(change.object.revision);
            }
            let revision = change.object.revision;
            self.committed = revision;
            match touched.get_mut(&change.collection) {
                Some(last) => *last = revision,
                None => drop(touched.insert(change.collection.clone(), revision)),
            }
            self.collection(&change.collection).apply(change.key, change.object, change.deleted);
            done.extend(change.done);
        }
        for (name, revision) in touched {
            self.collection(&name).news.send_replace(revision);
        }
        if let Some(revision) = litter {
            self.garbage.send_replace(revision);
        }
        for done in done {
            // A caller that stopped waiting has no use for the answer.
            let _ = done.send(Ok(()));
        }
    }
}

impl Collection {
    fn new(floor: u64) -> Self {
        let (news, _) = watch::channel(floor);
        Self { objects: BTreeMap::new(), pending: HashMap::new(), ring: Ring::starting_at(floor), news }
    }

    fn latest(&self, key: &Key) -> Option<&Arc<Object>> {
        match self.pending.get(key) {
            Some((_, pending)) => pending.as_ref(),
            None => self.objects.get(key),
        }
    }

    fn apply(&mut self, key: Key, object: Arc<Object>, deleted: bool) {
        if self.pending.get(&key).is_some_and(|(revision, _)| *revision == object.revision) {
            self.pending.remove(&key);
        }
        let previous = match deleted {
            true => self.objects.remove(&key),
            false => self.objects.insert(key, object.clone()),
        };
        let happening = match (&previous, deleted) {
            (_, true) => Happening::Deleted,
            (None, false) => Happening::Added,
            (Some(_), false) => Happening::Modified,
        };
        self.ring.push(Event { happening, object, previous });
    }
}

/// A panic elsewhere cannot leave the state half written: every change to it is a few moves under the lock.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
