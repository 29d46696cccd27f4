//! The client of a business cluster: nodes by providerID, cordon, evict, probe.
//!
//! It decides nothing; `plan::drain` does. Every write carries the UID of what was looked at, so that a node or pod of
//! the same name that came later is never the one that is hit.

mod connect;
mod deprecated;
mod evict;
pub mod node;
mod volumes;
mod workloads;

pub use connect::{Dial, Tenants, Wrap, dial};
pub use evict::Eviction;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Longest that one call to a business cluster may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What can go wrong with a business cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the cluster has no kubeconfig: set spec.kubeconfig of its ClusterDeployment")]
    NoKubeconfig,
    #[error("secret {secret} with the kubeconfig of the cluster cannot be read")]
    Secret { secret: String, source: Box<kube::Error> },
    #[error("secret {secret} has no usable kubeconfig under key {key}: {why}")]
    Kubeconfig { secret: String, key: String, why: String },
    #[error("{count} nodes carry providerID {provider_id} ({names}): remove all but the right one")]
    Ambiguous { provider_id: String, count: usize, names: String },
    #[error("the cluster did not answer within {}s", CALL_TIMEOUT.as_secs())]
    Timeout,
    #[error("the cluster does not answer as it should")]
    Api(#[source] Box<kube::Error>),
}

impl Error {
    /// The word for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoKubeconfig => "NoKubeconfig",
            Self::Secret { .. } | Self::Kubeconfig { .. } => "KubeconfigInvalid",
            Self::Ambiguous { .. } => "DuplicateProviderID",
            Self::Api(e) if matches!(&**e, kube::Error::Api(s) if s.code == 401 || s.code == 403) => "Forbidden",
            Self::Timeout | Self::Api(_) => "ConnectionDown",
        }
    }

    /// When to try again; `None` means that a person has to look first.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoKubeconfig | Self::Ambiguous { .. } => None,
            Self::Secret { .. } | Self::Kubeconfig { .. } => Some(Duration::from_secs(30)),
            Self::Timeout | Self::Api(_) => Some(Duration::from_secs(5)),
        }
    }

    /// There is no such object, or no such kind.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(e) if matches!(&**e, kube::Error::Api(s) if s.code == 404))
    }

    /// With its causes, on one line.
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        if let Self::Secret { source, .. } | Self::Api(source) = self {
            sentence = format!("{sentence}: {}", short(source));
        }
        sentence
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// What the server said, without the debug dump that the error of the client appends.
fn short(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// One business cluster that can be talked to.
#[derive(Clone)]
pub struct Tenant {
    client: kube::Client,
    /// Two handles of one connection share it.
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The server has too much to do: whoever evicts waits until then, in whichever drain.
    not_before: Mutex<Option<Instant>>,
}

impl Tenant {
    /// Over a client that does not retry by itself: a refused eviction is an answer, not a hiccup.
    pub fn new(client: kube::Client) -> Self {
        Self { client, shared: Arc::default() }
    }

    /// The same client, and not another one for a Secret that has changed.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// How long the server has asked for nothing more of this kind.
    fn throttled(&self) -> Option<Duration> {
        let not_before = self.shared.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.map(|then| then.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn throttle(&self, wait: Duration) {
        let mut not_before = self.shared.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = not_before.max(Some(Instant::now() + wait));
    }

    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The version that the API server reports, as in `1.34.2`.
    pub async fn version(&self) -> Result<String, Error> {
        let info = bounded(self.client.apiserver_version()).await?;
        Ok(info.git_version.trim_start_matches('v').to_owned())
    }
}

/// No call waits for ever.
async fn bounded<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    Ok(tokio::time::timeout(CALL_TIMEOUT, call).await.map_err(|_| Error::Timeout)??)
}
