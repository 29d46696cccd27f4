//! From the Secret of a `ClusterDeployment` to a client, and no more often than the Secret changes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::Mutex;

use crate::api::ClusterDeployment;

use super::{Error, Tenant, bounded};

const DEFAULT_KEY: &str = "kubeconfig";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Puts a layer around a client; the controllers fence theirs.
pub type Wrap = Arc<dyn Fn(Client) -> Client + Send + Sync>;

/// Makes a client of a kubeconfig, without any retry of its own; says why not, if it cannot.
pub type Dial = Arc<dyn Fn(Kubeconfig) -> BoxFuture<'static, Result<Client, String>> + Send + Sync>;

/// Clients of business clusters, kept as long as their Secret stays what it is.
#[derive(Clone)]
pub struct Tenants {
    meta: Client,
    wrap: Wrap,
    dial: Dial,
    known: Arc<Mutex<HashMap<Key, Known>>>,
}

/// Namespace, Secret, key in it.
type Key = (String, String, String);

struct Known {
    /// UID and resourceVersion of the Secret that the client was made from.
    version: (Option<String>, Option<String>),
    tenant: Tenant,
}

impl Tenants {
    pub fn new(meta: Client, wrap: Wrap, dial: Dial) -> Self {
        Self { meta, wrap, dial, known: Arc::default() }
    }

    /// The cluster of a deployment. Reads the Secret each time, makes a client only if it has changed.
    pub async fn connect(&self, deployment: &ClusterDeployment) -> Result<Tenant, Error> {
        let namespace = deployment.metadata.namespace.clone().unwrap_or_default();
        let reference = deployment.spec.kubeconfig.as_ref().ok_or(Error::NoKubeconfig)?;
        let key = reference.key.clone().unwrap_or_else(|| DEFAULT_KEY.to_owned());
        let secrets: Api<Secret> = Api::namespaced(self.meta.clone(), &namespace);
        let secret = bounded(secrets.get(&reference.name)).await.map_err(|error| match error {
            Error::Api(source) => Error::Secret { secret: reference.name.clone(), source },
            other => other,
        })?;
        let version = (secret.metadata.uid.clone(), secret.metadata.resource_version.clone());
        let place = (namespace, reference.name.clone(), key.clone());
        if let Some(known) = self.known.lock().await.get(&place).filter(|k| k.version == version) {
            return Ok(known.tenant.clone());
        }
        let failed = |why| Error::Kubeconfig { secret: reference.name.clone(), key: key.clone(), why };
        let kubeconfig = kubeconfig(&secret, &key).map_err(failed)?;
        let client = (self.dial)(kubeconfig).await.map_err(failed)?;
        let tenant = Tenant::new((self.wrap)(client));
        self.known.lock().await.insert(place, Known { version, tenant: tenant.clone() });
        Ok(tenant)
    }
}

fn kubeconfig(secret: &Secret, key: &str) -> Result<Kubeconfig, String> {
    let bytes = secret.data.as_ref().and_then(|d| d.get(key)).ok_or("there is no such key")?;
    let text = std::str::from_utf8(&bytes.0).map_err(|_| "it is not text")?;
    Kubeconfig::from_yaml(text).map_err(|e| e.to_string())
}

/// The way over the network.
pub fn dial() -> Dial {
    Arc::new(|kubeconfig| over_the_network(kubeconfig).boxed())
}

async fn over_the_network(kubeconfig: Kubeconfig) -> Result<Client, String> {
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| e.to_string())?;
    // By default kube retries 429 and 503 on every verb, fifteen times: an eviction that a budget refuses would be
    // stuck in the client instead of being shown as a blocker.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    Client::try_from(config).map_err(|e| e.to_string())
}
