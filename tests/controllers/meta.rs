//! The meta cluster of a test: embedded, or with `QUARTERDECK_META=real` a namespace of the one that
//! `QUARTERDECK_REAL_KUBECONFIG` names (`tests/run --real` runs these tests on both).

use std::{env, path::PathBuf, time::Duration};

use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{conditions, wait::await_condition},
};
use quarterdeck::{
    api::definitions,
    embedded::{ApiServer, Options},
};
use serde_json::json;

use crate::world::NAMESPACE;

/// For a real server to serve a new kind.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Meta {
    client: Client,
    pub namespace: String,
    /// Of the controllers, where they are not to be administrators; its namespace has the Lease.
    pub limited: Option<Client>,
    /// Kept for as long as it is asked.
    embedded: Option<ApiServer>,
}

impl Meta {
    /// With our kinds, and nothing else that a test could see.
    pub async fn open() -> Self {
        if env::var_os("QUARTERDECK_META").is_some_and(|meta| meta == "real") {
            let path =
                env::var_os("QUARTERDECK_REAL_KUBECONFIG").expect("a real one needs QUARTERDECK_REAL_KUBECONFIG");
            return Self::real(path.into()).await;
        }
        let server = ApiServer::open(Options::default()).expect("it opens");
        server.install(definitions()).await.expect("the kinds are valid");
        Self { client: server.client(), namespace: NAMESPACE.to_owned(), limited: None, embedded: Some(server) }
    }

    pub async fn real(path: PathBuf) -> Self {
        let kubeconfig = Kubeconfig::read_from(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a context")).expect("a client");
        let namespace = format!("controllers-{:08x}", rand::random::<u32>());
        let made: Namespace = serde_json::from_value(json!({"metadata": {"name": namespace}})).expect("a namespace");
        Api::all(client.clone()).create(&PostParams::default(), &made).await.expect("created");
        let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in definitions() {
            match kinds.create(&PostParams::default(), &definition).await {
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                made => drop(made.expect("a valid definition")),
            }
            let name = definition.name_any();
            let served = await_condition(kinds.clone(), &name, conditions::is_crd_established());
            tokio::time::timeout(PATIENCE, served).await.expect("in time").expect("served");
        }
        Self { client, namespace, limited: None, embedded: None }
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The client of the controllers, and the namespace of their Lease.
    pub fn controllers(&self) -> (Client, String) {
        let limited = self.limited.clone().map(|c| (c.clone(), c.default_namespace().to_owned()));
        limited.unwrap_or_else(|| (self.client(), self.namespace.clone()))
    }

    /// The embedded server, for tests that are of that one only.
    pub fn server(&self) -> &ApiServer {
        self.embedded.as_ref().expect("these tests do not run on a real server")
    }

    /// The namespace that controllers have to keep to, so that they do not see what other tests do.
    pub fn confined(&self) -> Option<String> {
        self.embedded.is_none().then(|| self.namespace.clone())
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client(), &self.namespace)
    }
}
