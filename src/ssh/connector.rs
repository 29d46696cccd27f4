//! One connection for each route, shared by all who ask, and shared while it is still being made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use russh::keys::PublicKey;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Connection, Endpoint, Error, Options, Target,
    dial::{self, Destination},
    host_keys::{self, KnownHosts},
    identities::{self, Identity},
};

/// Opens connections, and keeps those that are open. Clones share them.
#[derive(Clone)]
pub struct Connector {
    context: Arc<Context>,
    pool: Arc<Mutex<HashMap<Route, Slot>>>,
}

type Slot = Shared<BoxFuture<'static, Result<Connection, Error>>>;

/// A host, and the hosts that lead to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Route {
    jumps: Vec<Endpoint>,
    endpoint: Endpoint,
}

impl Route {
    fn to(target: &Target) -> Self {
        Self { jumps: target.jumps.clone(), endpoint: target.endpoint.clone() }
    }

    /// The way to the last jump host.
    fn parent(&self) -> Option<Route> {
        let (last, before) = self.jumps.split_last()?;
        Some(Route { jumps: before.to_vec(), endpoint: last.clone() })
    }

    /// Names the server, whoever logs in: the same address behind another jump host may be another machine.
    fn server(&self) -> String {
        let hops: Vec<String> = self.jumps.iter().chain([&self.endpoint]).map(Endpoint::to_string).collect();
        hops.join(">")
    }
}

impl Connector {
    pub fn new(options: Options) -> Self {
        let known_hosts = KnownHosts::parse(&options.host_keys.known_hosts);
        let context = Context {
            options,
            known_hosts,
            identities: OnceCell::new(),
            accepted: Mutex::default(),
            handshakes: Mutex::default(),
        };
        Self { context: Arc::new(context), pool: Arc::default() }
    }

    /// The connection to this host: the one that is open, or a new one.
    pub async fn connect(&self, target: &Target) -> Result<Connection, Error> {
        let pinned = pinned_key(target)?;
        let connection = self.slot(&Route::to(target), &target.name, pinned.as_ref()).await?;
        if let Some(pinned) = pinned {
            // It may have been opened for somebody who pinned no key, or another one.
            let presented = PublicKey::from_openssh(connection.host_key()).map_err(|_| unreadable(target))?;
            if presented.key_data() != pinned.key_data() {
                return Err(Error::ChangedHostKey {
                    host: target.name.clone(),
                    known: host_keys::words(&pinned),
                    presented: host_keys::words(&presented),
                });
            }
        }
        Ok(connection)
    }

    /// A connection to this host for whoever asks, and for nobody else: it is theirs to close. Those to jump hosts are shared.
    pub async fn connect_alone(&self, target: &Target) -> Result<Connection, Error> {
        let (route, pinned) = (Route::to(target), pinned_key(target)?);
        let (destination, via) = self.destination(&route, &target.name, pinned.as_ref());
        slot(Arc::clone(&self.context), destination, via).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        let slots: Vec<Slot> = lock(&self.pool).drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            if let Some(Ok(connection)) = slot.peek() {
                connection.close().await;
            }
        }
    }

    fn slot(&self, route: &Route, name: &str, pinned: Option<&PublicKey>) -> Slot {
        if let Some(slot) = lock(&self.pool).get(route).filter(|slot| is_usable(slot)) {
            return slot.clone();
        }
        let (destination, via) = self.destination(route, name, pinned);
        let context = Arc::clone(&self.context);
        let mut pool = lock(&self.pool);
        pool.retain(|_, slot| is_usable(slot));
        // Somebody may have been quicker while the lock was open.
        pool.entry(route.clone()).or_insert_with(|| slot(context, destination, via)).clone()
    }

    /// Where a route ends, and the last jump host on it.
    fn destination(&self, route: &Route, name: &str, pinned: Option<&PublicKey>) -> (Destination, Option<Slot>) {
        let via = route.parent().map(|parent| self.slot(&parent, &parent.endpoint.to_string(), None));
        let (endpoint, pinned) = (route.endpoint.clone(), pinned.cloned());
        (Destination { name: name.to_owned(), server: route.server(), endpoint, pinned }, via)
    }
}

/// The key that the host has to present, if one is stated.
fn pinned_key(target: &Target) -> Result<Option<PublicKey>, Error> {
    target.pinned_key.as_deref().map(PublicKey::from_openssh).transpose().map_err(|_| unreadable(target))
}

fn unreadable(target: &Target) -> Error {
    Error::PinnedKey { host: target.name.clone() }
}

/// Dials in a task of its own, so that a caller who gives up leaves nobody with half a handshake.
fn slot(context: Arc<Context>, destination: Destination, via: Option<Slot>) -> Slot {
    let host = destination.name.clone();
    let dialing = async move { dial::dial(&context, destination, via).await };
    let task = AbortOnDropHandle::new(tokio::spawn(dialing));
    async move { task.await.unwrap_or_else(|error| Err(Error::Lost { host, reason: error.to_string() })) }
        .boxed()
        .shared()
}

fn is_usable(slot: &Slot) -> bool {
    match slot.peek() {
        None => true,
        Some(Ok(connection)) => !connection.is_closed(),
        Some(Err(_)) => false,
    }
}

/// What all handshakes of one connector share.
pub(super) struct Context {
    pub(super) options: Options,
    pub(super) known_hosts: KnownHosts,
    identities: OnceCell<Vec<Identity>>,
    /// Keys that were new and taken, by server.
    accepted: Mutex<HashMap<String, PublicKey>>,
    handshakes: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Context {
    pub(super) async fn identities(&self) -> Result<&[Identity], Error> {
        let load = || async {
            let credentials = self.options.credentials.clone();
            let loaded = tokio::task::spawn_blocking(move || identities::load(&credentials)).await;
            loaded.unwrap_or_else(|error| {
                Err(Error::PrivateKey { key: "that was given".to_owned(), reason: error.to_string() })
            })
        };
        self.identities.get_or_try_init(load).await.map(Vec::as_slice)
    }

    /// Waits until this server may see one more unauthenticated handshake.
    pub(super) async fn handshake(&self, server: &str) -> OwnedSemaphorePermit {
        let semaphore = {
            let mut handshakes = lock(&self.handshakes);
            handshakes.retain(|name, semaphore| name == server || Arc::strong_count(semaphore) > 1);
            let most = self.options.max_handshakes.max(1);
            let fresh = || Arc::new(Semaphore::new(most));
            Arc::clone(handshakes.entry(server.to_owned()).or_insert_with(fresh))
        };
        semaphore.acquire_owned().await.expect("these semaphores are never closed")
    }

    pub(super) fn accepted(&self, server: &str) -> Option<PublicKey> {
        lock(&self.accepted).get(server).cloned()
    }

    /// Takes a new key, unless another one was taken meanwhile; returns the one that counts.
    pub(super) fn accept(&self, server: &str, key: &PublicKey) -> PublicKey {
        lock(&self.accepted).entry(server.to_owned()).or_insert_with(|| key.clone()).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
