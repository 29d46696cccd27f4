//! The queue between the watches and the index: bounded, and one entry for each object however often it changes.

use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;
use tokio::sync::Notify;

use super::{
    index::{Change, Kind},
    uid::{ContextId, Uid},
};

/// Objects with an unseen change; beyond this the watches wait, and TCP makes the server wait.
const CAPACITY: usize = 16_384;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Object(Kind, Uid),
    Complete(Kind),
    Connection,
}

/// Changes that the index has not seen yet, the last one for each object.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Mutex<IndexMap<Key, Change>>,
    ready: Notify,
    room: Notify,
}

impl Inbox {
    /// Puts a change in, in the place of an older one of the same object; waits while the queue is full.
    pub(super) async fn put(&self, change: Change) {
        let (key, change) = (key(&change), change);
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.len() < CAPACITY || waiting.contains_key(&key) || matches!(key, Key::Connection) {
                    waiting.insert(key, change);
                    break;
                }
            }
            room.await;
        }
        self.ready.notify_one();
    }

    /// Everything that waits; waits for something if there is nothing.
    pub(super) async fn take(&self) -> Vec<Change> {
        loop {
            let taken = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                self.room.notify_waiters();
                return taken.into_values().collect();
            }
            self.ready.notified().await;
        }
    }
}

fn key(change: &Change) -> Key {
    // An inbox is that of one context.
    let uid = |uid: Option<&String>| Uid::new(ContextId::FIRST, uid.map_or("", String::as_str));
    match change {
        Change::Deployment(d) => Key::Object(Kind::Deployment, uid(d.metadata.uid.as_ref())),
        Change::Cluster(c) => Key::Object(Kind::Cluster, uid(c.metadata.uid.as_ref())),
        Change::Pool(p) => Key::Object(Kind::Pool, p.uid.clone()),
        Change::Machine(m) => Key::Object(Kind::Machine, m.uid.clone()),
        Change::Operation(o) => Key::Object(Kind::Operation, o.uid.clone()),
        Change::Event(e) => Key::Object(Kind::Event, e.uid.clone()),
        Change::Gone(kind, uid) => Key::Object(*kind, uid.clone()),
        Change::Complete(kind) => Key::Complete(*kind),
        Change::Connection(_) => Key::Connection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn gone(kind: Kind, name: &str) -> Change {
        Change::Gone(kind, Uid::new(ContextId::FIRST, name))
    }

    #[tokio::test]
    async fn one_entry_for_each_object_and_the_last_word_wins() {
        let inbox = Inbox::default();
        inbox.put(gone(Kind::Machine, "a")).await;
        inbox.put(gone(Kind::Pool, "a")).await;
        inbox.put(Change::Complete(Kind::Pool)).await;
        inbox.put(gone(Kind::Machine, "a")).await;
        assert_eq!(inbox.take().await.len(), 3);
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_watch_wait() {
        let inbox = Arc::new(Inbox::default());
        for n in 0..CAPACITY {
            inbox.put(gone(Kind::Machine, &n.to_string())).await;
        }
        inbox.put(gone(Kind::Machine, "7")).await;
        let other = inbox.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { other.put(gone(Kind::Machine, "one more")).await });
        tokio::task::yield_now().await;
        assert!(tasks.try_join_next().is_none());
        assert_eq!(inbox.take().await.len(), CAPACITY);
        tasks.join_next().await;
        assert_eq!(inbox.take().await.len(), 1);
    }
}
