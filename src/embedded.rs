//! The embedded meta cluster: an API server in this process, its Job runner, simulated machines and business clusters.
//!
//! [`ApiServer`] is usable by [`kube::Client`] without any network, and by `kubectl` through a [`Listener`]. It is one
//! program for the demo, for the tests and for day zero. It deliberately does without a second copy of Kubernetes: no
//! scheduler, no admission webhooks, no access control, no protobuf, no conversion between versions.

mod admission;
mod applying;
mod body;
mod budget;
mod builtin;
mod cel;
mod definition;
mod deletion;
mod discovery;
mod events;
mod eviction;
pub mod faults;
mod gc;
mod http;
pub mod jobs;
mod kind;
mod kubeconfig;
mod lifecycle;
mod listener;
mod logs;
mod names;
mod object;
mod openapi;
mod options;
pub mod patch;
mod patching;
mod path;
mod reading;
mod refusal;
mod review;
mod routes;
mod scale;
pub mod schema;
mod selector;
mod shape;
pub mod simulation;
pub mod ssa;
mod store;
pub mod strategic;
mod strategy;
mod table;
mod typed;
mod validity;
mod watching;
mod writing;

#[cfg(test)]
mod durability_tests;
#[cfg(test)]
mod listener_tests;
#[cfg(test)]
mod ownership_tests;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api::DeprecatedApi;
use futures::FutureExt;
use kind::{Kind, Kinds};
use logs::Logs;
use store::Store;

pub use listener::{Error as ListenerError, Identity, Listener, write_private};
pub use refusal::{Cause, Refusal};

/// Why a server could not be opened or set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open the data directory: {0}")]
    Store(#[from] store::Error),
    #[error("cannot install {name}: {refusal}")]
    Install { name: String, refusal: Refusal },
}

/// The version of Kubernetes whose behaviour the server follows.
const VERSION: &str = "1.36.0+quarterdeck";

/// Where a server keeps its objects, and what it is called in messages.
#[derive(Clone, Debug)]
pub struct Options {
    /// `None` keeps everything in memory.
    pub directory: Option<PathBuf>,
    pub name: String,
    /// The Kubernetes version that it says it is, as in `1.34.2`; its own when left out.
    pub version: Option<String>,
    /// What time it is. A test whose clock leaps has one of its own.
    pub clock: fn() -> Timestamp,
}

impl Default for Options {
    fn default() -> Self {
        Self { directory: None, name: String::new(), version: None, clock: Timestamp::now }
    }
}

/// One API server. Clones are the same server; it ends when the last clone and the last client are gone.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
    /// Background tasks hold a server without this, and stop when the last one goes.
    _life: Option<Arc<DropGuard>>,
}

struct Shared {
    name: String,
    version: ArcSwap<String>,
    /// As kube-apiserver counts them; told, because none of these is served here.
    deprecated: ArcSwap<Vec<DeprecatedApi>>,
    clock: fn() -> Timestamp,
    store: Store,
    kinds: ArcSwap<Kinds>,
    logs: Logs,
    /// Evictions are decided one after the other, so that a budget is not spent twice.
    evictions: tokio::sync::Mutex<()>,
}

impl ApiServer {
    /// Opens a server. Has to be called within a tokio runtime: it starts its background tasks there.
    pub fn open(options: Options) -> Result<Self, Error> {
        let kinds = Kinds::new(builtin::kinds());
        let store = match &options.directory {
            None => Store::in_memory(),
            Some(directory) => Store::open(directory)?,
        };
        let shared = Shared {
            name: options.name,
            clock: options.clock,
            version: ArcSwap::from_pointee(options.version.unwrap_or_else(|| VERSION.to_owned())),
            deprecated: ArcSwap::default(),
            store,
            kinds: ArcSwap::from_pointee(kinds),
            logs: Logs::new(options.directory),
            evictions: tokio::sync::Mutex::default(),
        };
        let inner = Self { shared: Arc::new(shared), _life: None };
        inner.restore();
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(lifecycle::run(inner.clone())));
        tokio::spawn(stop.clone().run_until_cancelled_owned(gc::run(inner.clone())));
        tokio::spawn(stop.clone().run_until_cancelled_owned(budget::run(inner.clone())));
        Ok(Self { _life: Some(Arc::new(stop.drop_guard())), ..inner })
    }

    /// What it was called when it was opened.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The Kubernetes version that it says it is, without the `v`.
    pub fn version(&self) -> Arc<String> {
        self.shared.version.load_full()
    }

    /// From now on it says that it is this version, without the `v`: its control plane was upgraded. Like any API server
    /// that starts anew it has not been asked for anything yet.
    pub fn set_version(&self, version: &str) {
        self.shared.version.store(Arc::new(version.to_owned()));
        self.shared.deprecated.store(Arc::default());
    }

    /// From now on its metrics say that these were asked for.
    pub fn set_deprecated(&self, apis: Vec<DeprecatedApi>) {
        self.shared.deprecated.store(Arc::new(apis));
    }

    /// Its metrics, in the text format of Prometheus.
    fn metrics(&self) -> String {
        let mut text = "# TYPE apiserver_requested_deprecated_apis gauge\n".to_owned();
        for api in self.shared.deprecated.load().iter() {
            let (group, version) = api.api_version.rsplit_once('/').unwrap_or(("", &api.api_version));
            let (release, resource) = (&api.removed_in, &api.resource);
            text += &format!(
                "apiserver_requested_deprecated_apis{{group=\"{group}\",removed_release=\"{release}\",resource=\"{resource}\",subresource=\"\",version=\"{version}\"}} 1\n"
            );
        }
        text
    }

    /// A client that calls this server directly: no HTTP, no TLS, no retries.
    pub fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(http::serve(&server, request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// Creates definitions, or replaces those that are there; their kinds are served when this returns.
    pub async fn install(&self, definitions: Vec<CustomResourceDefinition>) -> Result<(), Error> {
        for definition in definitions {
            let name = definition.metadata.name.clone().unwrap_or_default();
            let value = json!(definition);
            writing::install(self, value).await.map_err(|refusal| Error::Install { name, refusal })?;
        }
        Ok(())
    }

    /// Ends a server that keeps its objects in a directory: what was accepted is stored, and the file is let go, so that
    /// it can be opened again at once. Clients that still exist can read, not write.
    pub fn close(&self) {
        self.store().close();
    }

    fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    fn store(&self) -> &Store {
        &self.shared.store
    }

    fn logs(&self) -> &Logs {
        &self.shared.logs
    }

    fn kinds(&self) -> arc_swap::Guard<Arc<Kinds>> {
        self.shared.kinds.load()
    }

    /// Serves the kind of a stored definition, or stops to.
    fn register(&self, definition: &Value) {
        let Some(kind) = definition::kind(definition) else { return };
        self.store().reindex(&kind.collection, &kind.selectable);
        if let Some(schema) = kind.schema.as_ref().filter(|schema| schema.has_defaults()) {
            // What is kept is read with the defaults of today, as kube-apiserver does.
            self.store().revise(&kind.collection, |object| {
                let mut value = object.value();
                schema.fill_defaults(&mut value);
                (value != object.value()).then(|| object::Object::seal(value, object.revision, &kind.selectable))
            });
        }
        self.shared.kinds.rcu(|kinds| {
            let mut kinds = Kinds::clone(kinds);
            kinds.insert(kind.clone());
            kinds
        });
    }

    fn unregister(&self, group: &str, plural: &str) {
        self.shared.kinds.rcu(|kinds| {
            let mut kinds = Kinds::clone(kinds);
            kinds.remove(group, plural);
            kinds
        });
    }

    /// Serves the kinds whose definitions were stored, and makes sure of the first namespaces.
    fn restore(&self) {
        let kinds: Vec<Arc<Kind>> = self.kinds().collections().cloned().collect();
        for kind in kinds {
            self.store().reindex(&kind.collection, &kind.selectable);
        }
        let (definitions, _) = self.store().list(definition::COLLECTION, None, None);
        for definition in definitions {
            self.register(&definition.value());
        }
        for name in builtin::NAMESPACES {
            // Accepted at once; that it is stored need not be waited for, since the next start would do it again.
            let _ = writing::namespace(self, name).now_or_never();
        }
    }
}
