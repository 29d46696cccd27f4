//! Puts a demo fleet into the meta cluster: as it would stand after months of work, so that controllers find nothing to do.
//!
//! A fleet is filled in once; a mark on the namespace says that it is complete, and until it is there everything is written
//! again. What depends on this process (ports, keys, kubeconfigs) is brought in line at each start.

mod clusters;
mod history;
mod machines;

use std::{collections::HashMap, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    inventory::Inventory,
    keys::Keyring,
    network::Place,
    tenant::{PARALLEL, Tenant, Workload},
    timing::Pace,
};
use crate::{api::labels, embedded::Listener};

/// Where the fleet lives.
pub const NAMESPACE: &str = "fleet";
/// Secret with the key that opens the hosts.
const SSH_SECRET: &str = "fleet-ssh";
/// ConfigMap with the keys of the hosts.
const KNOWN_HOSTS: &str = "known-hosts";
/// On the namespace: the fleet is complete.
const SEEDED: &str = "quarterdeck.dev/seeded";
pub(super) const MANAGER: &str = "quarterdeck-demo";

/// What a fleet is made of.
pub struct Seed {
    pub client: Client,
    pub inventory: Arc<Inventory>,
    pub tenants: Vec<Tenant>,
    pub keyring: Keyring,
    pub places: HashMap<String, Place>,
    pub listener: Listener,
    pub pace: Pace,
    /// What runs in every cluster, beside the usual.
    pub workloads: Vec<Workload>,
}

impl Seed {
    /// Makes the fleet, or brings the one that is there in line with this process; true if it is new.
    pub async fn sow(&self) -> Result<bool, kube::Error> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let complete = match namespaces.get_opt(NAMESPACE).await? {
            Some(namespace) => namespace.metadata.annotations.is_some_and(|a| a.contains_key(SEEDED)),
            None => {
                self.create(&namespaces, json!({"metadata": {"name": NAMESPACE, "labels": simulated()}})).await?;
                false
            }
        };
        self.access().await?;
        if complete {
            return self.move_machines().await.map(|()| false);
        }
        let sets = self.clusters().await?;
        let machines = self.machines(&sets).await?;
        let nodes = self.nodes(&machines).await?;
        self.statuses(&machines, &nodes).await?;
        self.history(&machines).await?;
        let mark = Patch::Merge(json!({"metadata": {"annotations": {SEEDED: "true"}}}));
        namespaces.patch(NAMESPACE, &PatchParams::default(), &mark).await.map(|_| true)
    }

    /// Keys and kubeconfigs.
    async fn access(&self) -> Result<(), kube::Error> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let key = json!({"ssh-privatekey": self.keyring.client_file()});
        self.apply(&secrets, SSH_SECRET, json!({"type": "kubernetes.io/ssh-auth", "stringData": key})).await?;
        for tenant in &self.tenants {
            let kubeconfig = self.listener.kubeconfig(&prefix(&tenant.name), &tenant.name, "default");
            let data = json!({"stringData": {"kubeconfig": kubeconfig}});
            self.apply(&secrets, &kubeconfig_secret(&tenant.name), data).await?;
        }
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
        self.apply(&maps, KNOWN_HOSTS, json!({"data": {"known_hosts": self.known_hosts()}})).await
    }

    /// The keys of all hosts, as a file of OpenSSH.
    pub fn known_hosts(&self) -> String {
        let line =
            |(name, place): (&String, &Place)| self.keyring.known_host(name, &place.address.to_string(), place.port);
        let mut lines: Vec<_> = self.places.iter().map(line).collect();
        lines.sort();
        lines.concat()
    }

    /// Creates an object of ours, or makes it say this.
    async fn apply<K>(&self, api: &Api<K>, name: &str, mut object: serde_json::Value) -> Result<(), kube::Error>
    where
        K: Clone + Serialize + DeserializeOwned + std::fmt::Debug,
    {
        match api.patch(name, &params(), &Patch::Merge(&object)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                object["metadata"] = json!({"name": name, "labels": simulated()});
                self.create(api, object).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Creates an object, or reads the one that is there.
    async fn create<K>(&self, api: &Api<K>, object: serde_json::Value) -> Result<K, kube::Error>
    where
        K: Clone + Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let object: K = serde_json::from_value(object).expect("our own objects have the shape of their kind");
        let post = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        match api.create(&post, &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => api.get(&name).await,
            other => other,
        }
    }
}

/// The path that a business cluster is served under.
pub fn prefix(cluster: &str) -> String {
    format!("/clusters/{cluster}")
}

fn kubeconfig_secret(cluster: &str) -> String {
    format!("{cluster}-kubeconfig")
}

pub(super) fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() }
}

fn simulated() -> serde_json::Value {
    json!({(labels::SIMULATED): "true"})
}

/// Carries out many writes at once, since each waits for the disk.
async fn all<T, F>(writes: impl Iterator<Item = F>) -> Result<Vec<T>, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    buffered(stream::iter(writes)).try_collect().await
}

fn buffered<T, F>(writes: impl Stream<Item = F>) -> impl Stream<Item = Result<T, kube::Error>>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    writes.buffered(PARALLEL)
}
