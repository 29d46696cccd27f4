//! The real API server that a test may run on, and our kinds in it.

use std::{env, path::PathBuf, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config, ResourceExt,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{conditions, wait::await_condition},
};
use quarterdeck::api::definitions;

/// For a real server to serve a new kind.
const PATIENCE: Duration = Duration::from_secs(30);

/// The kubeconfig of its administrator, if tests are to run on it.
pub fn kubeconfig() -> Option<PathBuf> {
    env::var_os("QUARTERDECK_META").filter(|meta| meta == "real")?;
    Some(env::var_os("QUARTERDECK_REAL_KUBECONFIG").expect("a real one needs QUARTERDECK_REAL_KUBECONFIG").into())
}

pub async fn client(path: PathBuf) -> Client {
    let kubeconfig = Kubeconfig::read_from(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a context")).expect("a client")
}

/// Makes sure that it serves our kinds; another test may do the same at the same time.
pub async fn install_kinds(client: &Client) {
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
}
