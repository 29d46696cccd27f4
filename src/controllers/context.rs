//! What every controller has at hand, and how it fails.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ListParams,
    core::NamespaceResourceScope,
    runtime::{
        Controller,
        controller::{self, Action},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::tenant::{self, Tenants};

use super::{
    Config, Name,
    disruption::Drains,
    events::Events,
    fence::{Fence, Refused},
    metrics::Metrics,
    patience,
};

/// Most objects of one kind that are reconciled at once; some of them only gather.
const CONCURRENCY: u16 = 64;

/// How long a controller that sums up others gathers their changes before it looks. Whatever happens meanwhile is seen by
/// that look or causes the next one, so that a thousand events cost a few looks, and a steady stream delays none. (The
/// debounce of kube starts anew with every event and would starve.)
const GATHER: Duration = Duration::from_millis(50);

/// What every controller has at hand.
pub struct Context {
    /// Shut for writes while the Lease is not held.
    pub client: Client,
    pub tenants: Tenants,
    pub events: Events,
    pub fence: Fence,
    pub metrics: Arc<Metrics>,
    /// Where nodes are being emptied.
    pub drains: Drains,
    /// The image of Jobs whose deployment names none.
    pub executor_image: Option<String>,
    namespace: Option<String>,
    clock: fn() -> Timestamp,
}

/// What makes a reconcile end early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}", said(.0))]
    Api(#[source] Box<kube::Error>),
    #[error("{}", .0.sentence())]
    Tenant(#[from] tenant::Error),
    #[error("runbook {0} is neither compiled in nor in a ConfigMap runbook-{0}")]
    NoRunbook(String),
    #[error("{0}")]
    Missing(String),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

impl Error {
    /// Somebody else wrote first: look again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(e) if matches!(&**e, kube::Error::Api(s) if s.code == 409))
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(e) if matches!(&**e, kube::Error::Api(s) if s.code == 404))
    }

    fn is_fenced(&self) -> bool {
        matches!(self, Self::Api(e) if matches!(&**e, kube::Error::Service(s) if s.is::<Refused>()))
    }

    /// When to try again. Nothing is given up: what only a person can mend is looked at once a minute.
    fn retry_after(&self) -> Duration {
        match self {
            _ if self.is_conflict() => Duration::from_millis(50),
            Self::Api(error) => asked_to_wait(error).unwrap_or(Duration::from_secs(3)),
            Self::Tenant(error) => error.retry_after().unwrap_or(Duration::from_mins(1)),
            Self::NoRunbook(_) | Self::Missing(_) => Duration::from_mins(1),
        }
    }
}

/// How long a server that has too much to do wants to be left alone; no longer than we would wait for a person.
fn asked_to_wait(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else { return None };
    let seconds = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
    (seconds > 0).then(|| Duration::from_secs(seconds.into()).min(Duration::from_mins(1)))
}

/// What the server said, without the debug dump that the client's error appends.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

impl Context {
    /// For one namespace, or for all.
    pub fn new(config: &Config, fence: &Fence, namespace: Option<&str>) -> Self {
        let client = fence.wrap(patience::bound(config.client.clone(), patience::META));
        let (wrap, dial) = (fence.clone(), config.dial.clone());
        let wrap = Arc::new(move |client| wrap.wrap(patience::bound(client, patience::TENANT)));
        Self {
            tenants: Tenants::new(client.clone(), wrap, dial),
            events: Events::new(client.clone(), &config.identity),
            fence: fence.clone(),
            metrics: config.metrics.clone(),
            drains: Drains::default(),
            executor_image: config.executor_image.clone(),
            namespace: namespace.map(str::to_owned),
            clock: config.clock,
            client,
        }
    }

    /// Objects of one namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// What the server has now under these labels; no cache is asked.
    pub async fn live<K>(&self, namespace: &str, selector: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        Ok(self.api::<K>(namespace).list(&ListParams::default().labels(selector)).await?.items)
    }

    /// All objects that we look after.
    pub fn all<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Waits a moment for more of what has just begun to happen.
    pub async fn gather(&self) {
        tokio::time::sleep(GATHER).await;
    }

    /// Now, in whole seconds: that is what the API keeps, and a status must compare equal to what was stored.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_second((self.clock)().as_second()).expect("the present is within the range of timestamps")
    }

    /// A controller of `K` with our bounds.
    pub fn controller<K>(&self) -> Controller<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
    {
        Controller::new(self.all(), watcher::Config::default())
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
    }
}

/// Runs a controller until cancelled. Failures are logged, never fatal.
///
/// Before its first list a controller of kube has begun nothing, but waits for that list for ever when it is told to end
/// (its runner delays all work until the store is ready, which a stopped watch never makes it): it is dropped then.
pub async fn drive<K, F>(
    controller: Controller<K>,
    mut reconcile: impl FnMut(Arc<K>, Arc<Context>) -> F,
    name: Name,
    context: Arc<Context>,
    cancel: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    F: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let retry = |object: Arc<K>, error: &Error, _: Arc<Context>| {
        if error.is_conflict() || error.is_fenced() {
            tracing::debug!(kind = %K::kind(&()), name = %object.name_any(), %error, "looks again");
        } else {
            tracing::warn!(kind = %K::kind(&()), name = %object.name_any(), %error, "tries again");
        }
        Action::requeue(error.retry_after())
    };
    let measured =
        move |object: Arc<K>, context: Arc<Context>| context.metrics.clone().measured(name, reconcile(object, context));
    let store = controller.store();
    let never_listed = async {
        cancel.cancelled().await;
        if !matches!(store.wait_until_ready().now_or_never(), Some(Ok(()))) {
            return;
        }
        std::future::pending().await
    };
    let ended = controller
        .graceful_shutdown_on(cancel.clone().cancelled_owned())
        .run(measured, retry, context)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(kind = %K::kind(&()), %error, "reconcile");
            }
        });
    tokio::select! {
        () = ended => {}
        () = never_listed => {}
    }
}

/// How everything is watched.
pub fn watched() -> watcher::Config {
    watcher::Config::default()
}
