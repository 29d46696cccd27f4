//! The meta cluster of a test: embedded, or with `QUARTERDECK_META=real` a namespace of the one that
//! `QUARTERDECK_REAL_KUBECONFIG` names (`tests/run --real` runs these tests on both).

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::PostParams};
use quarterdeck::{
    api::definitions,
    embedded::{ApiServer, Options},
};
use serde_json::json;

use crate::world::NAMESPACE;

#[path = "../needs/real.rs"]
mod real;

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
        if let Some(path) = real::kubeconfig() {
            return Self::real(path).await;
        }
        let server = ApiServer::open(Options::default()).expect("it opens");
        server.install(definitions()).await.expect("the kinds are valid");
        Self { client: server.client(), namespace: NAMESPACE.to_owned(), limited: None, embedded: Some(server) }
    }

    pub async fn real(path: PathBuf) -> Self {
        let client = real::client(path).await;
        let namespace = format!("controllers-{:08x}", rand::random::<u32>());
        let made: Namespace = serde_json::from_value(json!({"metadata": {"name": namespace}})).expect("a namespace");
        Api::all(client.clone()).create(&PostParams::default(), &made).await.expect("created");
        real::install_kinds(&client).await;
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
