//! A demo without a screen, in a process of its own, and clients of its clusters.

#![allow(dead_code)] // each suite uses what it needs

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kube::{
    Api, Client, Config,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use quarterdeck::api::{Machine, MachineState, NodePool};
use serde_json::{Value, json};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(90);

/// A demo in a process of its own.
pub struct Demo {
    process: Child,
    /// What it said when it was ready.
    pub ready: Value,
    client: Client,
}

impl Demo {
    pub async fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
            .args(["demo", "--headless"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        let client = client(ready["kubeconfig"].as_str().expect("a path")).await;
        Self { process, ready, client }
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), "fleet")
    }

    pub async fn scale(&self, pool: &str, replicas: i32) {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.api::<NodePool>().patch(pool, &PatchParams::default(), &patch).await.expect("the pool can be scaled");
    }

    pub async fn pool(&self, pool: &str) -> (i32, i32) {
        let status = self.api::<NodePool>().get(pool).await.expect("the pool").status.unwrap_or_default();
        (status.replicas, status.ready_replicas)
    }

    pub async fn machines(&self) -> Vec<Machine> {
        self.api::<Machine>().list(&ListParams::default()).await.expect("machines").items
    }

    pub async fn count(&self, wanted: MachineState) -> usize {
        self.machines().await.iter().filter(|m| state(m) == wanted).count()
    }

    /// A client of a business cluster, through the kubeconfig that the fleet knows.
    pub async fn tenant(&self, cluster: &str) -> Client {
        let secrets: Api<k8s_openapi::api::core::v1::Secret> = self.api();
        let secret = secrets.get(&format!("{cluster}-kubeconfig")).await.expect("the secret").data.expect("data");
        let text = String::from_utf8(secret["kubeconfig"].0.clone()).expect("text");
        of(Kubeconfig::from_yaml(&text).expect("a kubeconfig")).await
    }

    /// SIGTERM, and a good end.
    pub fn end(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        assert!(self.process.wait().expect("it ends").success(), "a demo that is told to end ends well");
    }

    pub fn kill(mut self) {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn client(kubeconfig: &str) -> Client {
    of(Kubeconfig::read_from(kubeconfig).expect("a kubeconfig")).await
}

async fn of(kubeconfig: Kubeconfig) -> Client {
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    // A refused eviction is an answer.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

pub fn state(machine: &Machine) -> MachineState {
    machine.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

pub async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
