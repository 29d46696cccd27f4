//! One watch for each kind, and the task that turns what they say into snapshots.
//!
//! Objects are projected to rows as they come and dropped; a new list is merged into what is known and only what it
//! lacks is taken out at its end, so a fleet never flashes empty. Nothing here gives up: a line that breaks is tried
//! again, at growing distances, for as long as the [`Feed`] lives.

use std::{collections::HashSet, fmt::Debug, sync::Arc, time::Duration};

use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event as CoreEvent;
use kube::{
    Api, Client, Resource,
    api::ListParams,
    runtime::watcher::{self, Event},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::watch as latest,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    backoff::Backoff,
    fault::Fault,
    inbox::Inbox,
    index::{Change, Index, Kind},
    intern::Interner,
    newest,
    rows::{EventRow, MachineRow, OperationRow, PoolRow},
    snapshot::Snapshot,
    uid::{ContextId, Uid},
};
use crate::api::{Cluster, ClusterDeployment, Machine, NodePool, Operation};

mod switchboard;

use switchboard::{Source, Switchboard};

/// Snapshots are at least this far apart: nobody sees more than 30 frames a second.
pub(super) const FRAME: Duration = Duration::from_millis(33);
/// How often the line is tested, and how long the answer may take. A half-dead connection is silent otherwise.
const PROBE: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// A kind that we may not see is asked for this often: permissions change.
const REFUSED: Duration = Duration::from_mins(1);
/// A failure that is this long ago does not make the next wait longer.
const FORGIVEN: Duration = Duration::from_mins(1);
/// Objects in a page of a list.
const PAGE: u32 = 500;

/// Snapshots of one fleet, as they come. Dropping it ends the watches.
#[derive(Debug)]
pub struct Feed {
    snapshots: latest::Receiver<Arc<Snapshot>>,
    switchboard: Arc<Switchboard>,
    _tasks: JoinSet<()>,
}

impl Feed {
    /// The newest snapshot; empty at first.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Waits for a newer snapshot than the last one that this returned, and returns it. Cancel safe.
    pub async fn changed(&mut self) -> Arc<Snapshot> {
        newest::changed(&mut self.snapshots).await
    }

    /// Waits for a snapshot that fulfils `condition`; it may be the present one.
    pub async fn wait_for(&mut self, condition: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        newest::wait_for(&mut self.snapshots, condition).await
    }

    /// Tries what is broken again now, not when its wait is over.
    pub fn retry_now(&self) {
        self.switchboard.retry_now();
    }
}

/// Watches all of our kinds, and events about them, in one namespace. Must be called within a tokio runtime.
pub fn watch(client: &Client, namespace: &str) -> Feed {
    watch_as(ContextId::FIRST, client, namespace)
}

/// The same for one of several meta clusters.
pub fn watch_as(context: ContextId, client: &Client, namespace: &str) -> Feed {
    let inbox = Arc::new(Inbox::default());
    let switchboard = Arc::new(Switchboard::new(inbox.clone(), context, namespace));
    let mut tasks = JoinSet::new();
    let line = || (inbox.clone(), switchboard.clone());

    let strip = |o: &mut kube::api::ObjectMeta| o.managed_fields = None;
    let project = move |mut d: ClusterDeployment, _: &mut Interner| {
        strip(&mut d.metadata);
        Some(Change::Deployment(Arc::new(d)))
    };
    tasks.spawn(follow(Kind::Deployment, Api::namespaced(client.clone(), namespace), line(), project));
    let project = move |mut c: Cluster, _: &mut Interner| {
        strip(&mut c.metadata);
        Some(Change::Cluster(Arc::new(c)))
    };
    tasks.spawn(follow(Kind::Cluster, Api::namespaced(client.clone(), namespace), line(), project));
    let project = |p: NodePool, words: &mut Interner| Some(Change::Pool(Arc::new(PoolRow::project(p, words))));
    tasks.spawn(follow(Kind::Pool, Api::namespaced(client.clone(), namespace), line(), project));
    let project = |m: Machine, words: &mut Interner| Some(Change::Machine(Arc::new(MachineRow::project(m, words))));
    tasks.spawn(follow(Kind::Machine, Api::namespaced(client.clone(), namespace), line(), project));
    let project =
        |o: Operation, words: &mut Interner| Some(Change::Operation(Arc::new(OperationRow::project(o, words))));
    tasks.spawn(follow(Kind::Operation, Api::namespaced(client.clone(), namespace), line(), project));
    let project = |e: CoreEvent, words: &mut Interner| EventRow::project(e, words).map(|e| Change::Event(Arc::new(e)));
    tasks.spawn(follow(Kind::Event, Api::namespaced(client.clone(), namespace), line(), project));

    tasks.spawn(probe(client.clone(), switchboard.clone()));
    let (sender, snapshots) = latest::channel(Arc::default());
    tasks.spawn(publish(context, inbox, sender));
    Feed { snapshots, switchboard, _tasks: tasks }
}

/// Follows one kind for ever.
async fn follow<K, P>(kind: Kind, api: Api<K>, (inbox, switchboard): (Arc<Inbox>, Arc<Switchboard>), mut project: P)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    P: FnMut(K, &mut Interner) -> Option<Change> + Send,
{
    let mut follower =
        Follower { kind, known: HashSet::new(), listed: None, words: Interner::of(switchboard.context()) };
    let (mut backoff, mut last_failure) = (Backoff::default(), None);
    loop {
        let restarted = switchboard.restarted();
        pin_mut!(restarted);
        let stream = watcher::watcher(api.clone(), watcher::Config::default().page_size(PAGE));
        pin_mut!(stream);
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = &mut restarted => break,
            };
            match event {
                // The stream does not end by itself; a new one puts it right if it ever does.
                None => break,
                Some(Ok(event)) => {
                    backoff.reset();
                    switchboard.up(Source::Kind(kind)).await;
                    follower.take(event, &inbox, &mut project).await;
                }
                Some(Err(error)) => {
                    tracing::debug!(kind = kind.plural(), %error, "watch broke");
                    let fault = Fault::of_watch(&error, kind.plural(), Some(switchboard.namespace()));
                    if last_failure.is_some_and(|at: Instant| at.elapsed() > FORGIVEN) {
                        backoff.reset();
                    }
                    recover(kind, fault, &api, (&inbox, &switchboard), &mut backoff).await;
                    last_failure = Some(Instant::now());
                }
            }
        }
    }
}

/// Says what is wrong, waits until it is worth another try, and goes on when the server answers for this kind again: a
/// watch that begins says nothing until something changes.
async fn recover<K>(
    kind: Kind,
    mut fault: Fault,
    api: &Api<K>,
    (inbox, switchboard): (&Inbox, &Switchboard),
    backoff: &mut Backoff,
) where
    K: Clone + DeserializeOwned + Debug,
{
    if fault == Fault::Expired {
        // Everybody who watched expires at the same moment.
        return sleep(backoff.next(rand::random()).min(Duration::from_secs(1))).await;
    }
    loop {
        let wait = match fault {
            Fault::Forbidden { .. } => {
                inbox.put(Change::Complete(kind)).await;
                REFUSED
            }
            _ => backoff.next(rand::random()),
        };
        switchboard.down(Source::Kind(kind), fault, backoff.attempt(), wait).await;
        switchboard.wait(wait).await;
        fault = match timeout(PROBE_TIMEOUT, api.list(&ListParams::default().limit(1))).await {
            Ok(Ok(_)) => return switchboard.up(Source::Kind(kind)).await,
            Ok(Err(error)) => Fault::of(&error, "list", kind.plural(), Some(switchboard.namespace())),
            Err(_) => late(),
        };
    }
}

fn late() -> Fault {
    Fault::Unreachable { detail: format!("no answer within {} s", PROBE_TIMEOUT.as_secs()) }
}

/// What one watch knows of its kind.
struct Follower {
    kind: Kind,
    /// Every object that was told to the index.
    known: HashSet<Uid>,
    /// Those that the list under way has shown so far.
    listed: Option<HashSet<Uid>>,
    words: Interner,
}

impl Follower {
    async fn take<K, P>(&mut self, event: Event<K>, inbox: &Inbox, project: &mut P)
    where
        K: Resource,
        P: FnMut(K, &mut Interner) -> Option<Change>,
    {
        match event {
            Event::Init => self.listed = Some(HashSet::with_capacity(self.known.len())),
            Event::Apply(object) | Event::InitApply(object) => {
                let uid = self.words.uid(object.meta().uid.as_deref());
                let Some(change) = project(object, &mut self.words) else { return };
                if let Some(listed) = &mut self.listed {
                    listed.insert(uid.clone());
                }
                self.known.insert(uid);
                inbox.put(change).await;
            }
            Event::Delete(object) => {
                let uid = self.words.uid(object.meta().uid.as_deref());
                if self.known.remove(&uid) {
                    inbox.put(Change::Gone(self.kind, uid)).await;
                }
            }
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let gone: Vec<_> = self.known.difference(&listed).cloned().collect();
                self.known = listed;
                for uid in gone {
                    inbox.put(Change::Gone(self.kind, uid)).await;
                }
                inbox.put(Change::Complete(self.kind)).await;
            }
        }
    }
}

/// Asks the server now and then whether it is there: a watch over a dead connection is silent for minutes.
async fn probe(client: Client, switchboard: Arc<Switchboard>) {
    let mut backoff = Backoff::default();
    let mut was_down = false;
    loop {
        let fault = match timeout(PROBE_TIMEOUT, client.apiserver_version()).await {
            Ok(Ok(_)) => None,
            // Any answer shows that the line works; what it says is for the watches to find out.
            Ok(Err(kube::Error::Api(status))) if status.code != 401 => None,
            Ok(Err(error)) => Some(Fault::of(&error, "get", "version", None)),
            Err(_) => Some(late()),
        };
        if let Some(fault) = fault {
            was_down |= backoff.attempt() > 0;
            let wait = backoff.next(rand::random());
            switchboard.down(Source::Probe, fault, backoff.attempt(), wait).await;
            switchboard.wait(wait).await;
        } else {
            backoff.reset();
            switchboard.up(Source::Probe).await;
            if std::mem::take(&mut was_down) {
                switchboard.restart();
            }
            sleep(PROBE).await;
        }
    }
}

/// Applies what comes in and publishes, at most once in a [`FRAME`].
async fn publish(context: ContextId, inbox: Arc<Inbox>, snapshots: latest::Sender<Arc<Snapshot>>) {
    let mut index = Index::of(context);
    let mut next = Instant::now();
    loop {
        for change in inbox.take().await {
            index.apply(change);
        }
        tokio::time::sleep_until(next).await;
        snapshots.send_replace(index.publish());
        next = Instant::now() + FRAME;
    }
}

fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests;
