//! Several meta clusters as one fleet: their snapshots side by side, each in its own state.
//!
//! Every context has watches, an index and a line of its own, so that one that is slow, broken or not there keeps no other
//! one waiting. [`merge`] puts the newest of each beside each other; it costs as much as there are clusters, and nothing
//! for each machine. What a row belongs to is part of its [`Uid`](super::Uid).

use std::{
    cmp::Reverse,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::{Notify, watch as latest},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    backoff::Backoff,
    connection::{Connection, Line},
    counts::StateCounts,
    newest,
    rows::OperationRow,
    snapshot::Snapshot,
    uid::ContextId,
    watch::{FRAME, Feed, watch_as},
};

/// One of several meta clusters, in a snapshot of all of them.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// What the context is called.
    pub name: Arc<str>,
    pub snapshot: Arc<Snapshot>,
    /// `None`: it has never answered.
    pub welcome: Option<Arc<Welcome>>,
}

/// What was learned of a meta cluster when it first answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// To work in.
    pub namespace: String,
    /// Why nothing is written there, whoever we are.
    pub only_look: Option<String>,
}

/// Tries to reach a meta cluster, once; what is wrong is one sentence.
pub type Open = Arc<dyn Fn() -> BoxFuture<'static, Result<(Client, Welcome), String>> + Send + Sync>;

/// The clients of the contexts, as soon as there are any.
#[derive(Clone)]
pub struct Clients(Arc<[OnceLock<Client>]>);

impl Clients {
    pub fn of_one(client: Client) -> Self {
        Self(Arc::new([OnceLock::from(client)]))
    }

    /// `None`: that meta cluster has not answered yet.
    pub fn of(&self, context: ContextId) -> Option<Client> {
        self.0.get(context.index())?.get().cloned()
    }
}

/// Snapshots of several meta clusters, as they come. Dropping it ends all watches.
pub struct Feeds {
    snapshots: latest::Receiver<Arc<Snapshot>>,
    clients: Clients,
    retry: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Feeds {
    /// Begins to reach each of them, by name; must be called within a tokio runtime.
    ///
    /// # Panics
    /// With more than [`ContextId::MOST`], or none.
    pub fn open(contexts: Vec<(String, Open)>) -> Self {
        assert!(!contexts.is_empty(), "there is something to look at");
        let clients = Clients((0..contexts.len()).map(|_| OnceLock::new()).collect());
        let named = |(at, (name, _)): (usize, &(String, Open))| Part {
            name: name.as_str().into(),
            snapshot: Arc::new(Snapshot { context: ContextId::at(at), ..Snapshot::default() }),
            welcome: None,
        };
        let parts: Vec<Part> = contexts.iter().enumerate().map(named).collect();
        let first = Arc::new(merge(parts.clone().into(), &Snapshot::default()));
        let board = Arc::new(Board { parts: Mutex::new(parts), news: Notify::new() });
        let (retry, mut tasks) = (Arc::new(Notify::new()), JoinSet::new());
        for (at, (_, open)) in contexts.into_iter().enumerate() {
            let keeper = Keeper {
                context: ContextId::at(at),
                open,
                board: board.clone(),
                clients: clients.clone(),
                retry: retry.clone(),
            };
            tasks.spawn(keeper.keep());
        }
        let (sender, mut snapshots) = latest::channel(first);
        // The names of the contexts are there before any of them has answered.
        snapshots.mark_changed();
        tasks.spawn(publish(board, sender));
        Self { snapshots, clients, retry, _tasks: tasks }
    }

    pub fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Waits for a newer snapshot than the last one that this returned, and returns it. Cancel safe.
    pub async fn changed(&mut self) -> Arc<Snapshot> {
        newest::changed(&mut self.snapshots).await
    }

    /// Waits for a snapshot that fulfils `condition`; it may be the present one.
    pub async fn wait_for(&mut self, condition: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        newest::wait_for(&mut self.snapshots, condition).await
    }

    /// Tries what is broken again now.
    pub fn retry_now(&self) {
        self.retry.notify_waiters();
    }
}

/// The newest of each context.
struct Board {
    parts: Mutex<Vec<Part>>,
    news: Notify,
}

impl Board {
    fn put(&self, context: ContextId, change: impl FnOnce(&mut Part)) {
        change(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner)[context.index()]);
        self.news.notify_one();
    }
}

/// Whoever keeps the line to one meta cluster.
struct Keeper {
    context: ContextId,
    open: Open,
    board: Arc<Board>,
    clients: Clients,
    retry: Arc<Notify>,
}

impl Keeper {
    /// Tries until there is an answer, then watches for ever.
    async fn keep(self) {
        let (mut backoff, mut since) = (Backoff::default(), None);
        let (client, welcome) = loop {
            match (self.open)().await {
                Ok(opened) => break opened,
                Err(error) => {
                    let wait = backoff.next(rand::random());
                    self.say(&error, *since.get_or_insert_with(Timestamp::now), backoff.attempt(), wait);
                    let _ = timeout(wait, self.retry.notified()).await;
                }
            }
        };
        let mut feed = watch_as(self.context, &client, &welcome.namespace);
        let _ = self.clients.0[self.context.index()].set(client);
        self.board.put(self.context, |part| part.welcome = Some(Arc::new(welcome)));
        loop {
            tokio::select! {
                snapshot = Feed::changed(&mut feed) => self.board.put(self.context, |part| part.snapshot = snapshot),
                () = self.retry.notified() => feed.retry_now(),
            }
        }
    }

    fn say(&self, error: &str, since: Timestamp, attempt: u32, wait: Duration) {
        let next = Timestamp::now().checked_add(wait).unwrap_or(since);
        let line = Line::Offline { since, attempt, next, error: error.into() };
        let connection = Connection { line, ..Connection::default() };
        let snapshot = Snapshot { context: self.context, connection, ..Snapshot::default() };
        self.board.put(self.context, |part| part.snapshot = Arc::new(snapshot));
    }
}

/// Merges what there is whenever some of it is new, at most once in a [`FRAME`].
async fn publish(board: Arc<Board>, snapshots: latest::Sender<Arc<Snapshot>>) {
    let mut last = snapshots.borrow().clone();
    loop {
        board.news.notified().await;
        let parts: Arc<[Part]> = board.parts.lock().unwrap_or_else(PoisonError::into_inner).clone().into();
        let begun = Instant::now();
        last = Arc::new(merge(parts, &last));
        snapshots.send_replace(last.clone());
        tokio::time::sleep_until(begun + FRAME).await;
    }
}

/// The fleet of all of them. `before` is the last outcome: lists whose parts are the same are taken over from it.
pub fn merge(parts: Arc<[Part]>, before: &Snapshot) -> Snapshot {
    let each = || parts.iter().map(|part| &*part.snapshot);
    let mut counts = StateCounts::default();
    each().for_each(|s| counts.merge(&s.counts));
    let unchanged = |same: fn(&Snapshot, &Snapshot) -> bool| {
        before.parts.len() == parts.len() && before.parts.iter().zip(each()).all(|(old, new)| same(&old.snapshot, new))
    };
    let operations = if unchanged(|a, b| Arc::ptr_eq(&a.operations, &b.operations)) {
        before.operations.clone()
    } else {
        operations(each())
    };
    let events = if unchanged(|a, b| Arc::ptr_eq(&a.events, &b.events)) {
        before.events.clone()
    } else {
        let mut all: Vec<_> = each().flat_map(|s| s.events.iter().cloned()).collect();
        all.sort_by(|a, b| (Reverse(a.at), &a.uid).cmp(&(Reverse(b.at), &b.uid)));
        all.into()
    };
    Snapshot {
        generation: before.generation + 1,
        complete: each().all(|s| s.complete || s.connection.line.error().is_some()),
        connection: worst(each()),
        clusters: each().flat_map(|s| s.clusters.iter().cloned()).collect(),
        counts,
        operations,
        events,
        changes_seen: each().map(|s| s.changes_seen).sum(),
        parts: parts.clone(),
        ..Snapshot::default()
    }
}

/// In list order. Each context has bounded its own, so that a busy one pushes nothing of a quiet one out.
fn operations<'a>(each: impl Iterator<Item = &'a Snapshot>) -> Arc<[Arc<OperationRow>]> {
    let mut all: Vec<_> = each.flat_map(|s| s.operations.iter().cloned()).collect();
    // Runs that are in order already: sorting them is merging them.
    all.sort_by_cached_key(|o| (o.rank(), o.uid.context));
    all.into()
}

/// The line that is worst off: what is shown of the whole is no better than that.
fn worst<'a>(each: impl Iterator<Item = &'a Snapshot>) -> Connection {
    let urgency = |line: &Line| match line {
        Line::Live => 0,
        Line::Connecting => 1,
        Line::Reconnecting { .. } => 2,
        Line::Offline { .. } => 3,
    };
    each.map(|s| &s.connection).max_by_key(|c| urgency(&c.line)).cloned().unwrap_or_default()
}
