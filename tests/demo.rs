//! The whole path without a screen: `quarterdeck demo --headless`, and a client that changes `replicas`. Controllers, Job
//! runner, executor, SSH, hosts and business clusters do the rest, also after SIGKILL.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use quarterdeck::api::{Machine, MachineState, NodePool, Operation, OperationState, provider_id};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(90);

/// A demo in a process of its own.
struct Demo {
    process: Child,
    ready: Value,
    client: Client,
}

impl Demo {
    async fn start(arguments: &[&str]) -> Self {
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

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), "fleet")
    }

    async fn scale(&self, pool: &str, replicas: i32) {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.api::<NodePool>().patch(pool, &PatchParams::default(), &patch).await.expect("the pool can be scaled");
    }

    async fn pool(&self, pool: &str) -> (i32, i32) {
        let status = self.api::<NodePool>().get(pool).await.expect("the pool").status.unwrap_or_default();
        (status.replicas, status.ready_replicas)
    }

    async fn machines(&self) -> Vec<Machine> {
        self.api::<Machine>().list(&ListParams::default()).await.expect("machines").items
    }

    async fn count(&self, wanted: MachineState) -> usize {
        self.machines().await.iter().filter(|m| state(m) == wanted).count()
    }

    /// A client of a business cluster, through the kubeconfig that the fleet knows.
    async fn tenant(&self, cluster: &str) -> Client {
        let secrets: Api<k8s_openapi::api::core::v1::Secret> = self.api();
        let secret = secrets.get(&format!("{cluster}-kubeconfig")).await.expect("the secret").data.expect("data");
        let text = String::from_utf8(secret["kubeconfig"].0.clone()).expect("text");
        of(Kubeconfig::from_yaml(&text).expect("a kubeconfig")).await
    }

    /// SIGTERM, and a good end.
    fn end(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        assert!(self.process.wait().expect("it ends").success(), "a demo that is told to end ends well");
    }

    fn kill(mut self) {
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
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    Client::try_from(config).expect("a client")
}

fn state(machine: &Machine) -> MachineState {
    machine.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_grows_and_shrinks_on_the_real_path() {
    let demo = Demo::start(&["--clusters", "1", "--machines", "30", "--speed", "60"]).await;
    assert_eq!((&demo.ready["clusters"], &demo.ready["machines"]), (&json!(1), &json!(30)));
    let pool = "eu-west-1-general";
    until("the fleet is settled", || async { demo.pool(pool).await == (10, 10) }).await;
    let idle = demo.count(MachineState::Idle).await;

    demo.scale(pool, 14).await;
    until("14 machines are Ready", || async { demo.pool(pool).await == (14, 14) }).await;
    assert_eq!(demo.count(MachineState::Idle).await, idle - 4);
    let tenant = demo.tenant("eu-west-1").await;
    let nodes: Api<Node> = Api::all(tenant.clone());
    for machine in demo.machines().await.iter().filter(|m| state(m) == MachineState::Ready) {
        let node = nodes.get(&machine.name_any()).await.expect("its node");
        let found = node.spec.and_then(|s| s.provider_id).unwrap_or_default();
        assert_eq!(found, provider_id(&machine.uid().unwrap_or_default()), "{}", machine.name_any());
    }

    demo.scale(pool, 13).await;
    until("13 machines are left", || async { demo.pool(pool).await == (13, 13) }).await;
    until("the machine is idle again", || async { demo.count(MachineState::Idle).await == idle - 3 }).await;
    let left = nodes.list(&ListParams::default()).await.expect("nodes").items.len();
    assert_eq!(left, 21, "3 of the control plane, 13 general, 5 with accelerators");
    let web: Api<Pod> = Api::namespaced(tenant, "shop");
    until("evicted pods run elsewhere", || async {
        let pods = web.list(&ListParams::default().labels("app=web")).await.expect("pods").items;
        pods.len() == 10 && pods.iter().all(|p| p.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running"))
    })
    .await;
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_goes_on_and_no_step_runs_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path").to_owned();
    let arguments = ["--clusters", "1", "--machines", "20", "--speed", "12", "--data", &data];
    let demo = Demo::start(&arguments).await;
    let pool = "eu-west-1-general";
    let before = demo.pool(pool).await.0;
    demo.scale(pool, before + 4).await;
    kill_in(demo, "ContainerRuntime").await;
    kill_in(Demo::start(&arguments).await, "Join").await;
    let demo = Demo::start(&arguments).await;
    until("all are Ready", || async { demo.pool(pool).await == (before + 4, before + 4) }).await;
    until("the operation has succeeded", || async {
        let operations = demo.api::<Operation>().list(&ListParams::default()).await.expect("operations").items;
        operations.iter().all(|o| o.status.as_ref().and_then(|s| s.state) == Some(OperationState::Succeeded))
    })
    .await;
    demo.end();
    let begun = begun(&folder.path().join("hosts.jsonl"));
    assert!(begun.len() >= 4 * 8, "{begun:?}");
    let twice: Vec<_> = begun.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "steps that ran twice: {twice:?}");
}

/// Waits until a machine is in a phase, and kills the demo there.
async fn kill_in(demo: Demo, phase: &str) {
    until(phase, || async {
        let current = |m: &Machine| m.status.as_ref().and_then(|s| s.current_phase.clone());
        demo.machines().await.iter().any(|m| current(m).as_deref() == Some(phase))
    })
    .await;
    demo.kill();
}

/// How often each step was begun on each simulated host, from its journal. What only looks is left out: it looks again
/// for each process that asks.
fn begun(journal: &Path) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    let mut looks = BTreeSet::new();
    for line in std::fs::read_to_string(journal).expect("the journal").lines() {
        let line: Value = serde_json::from_str(line).expect("a record");
        let host = line["host"].as_str().expect("a host");
        let attempts = line["record"]["memory"]["attempts"].as_array().into_iter().flatten();
        for attempt in attempts.chain([&line["record"]["begin"]]).filter(|attempt| attempt["asked"].is_string()) {
            let word = |key: &str| attempt[key].as_str().unwrap_or_default();
            looks.insert(format!("{host} {}/{}", word("phase"), word("step")));
        }
        for (step, n) in line["record"]["memory"]["begun"].as_object().into_iter().flatten() {
            *all.entry(format!("{host} {step}")).or_default() += n.as_u64().unwrap_or_default();
        }
        if let Some(begin) = line["record"]["begin"].as_object() {
            let word = |key: &str| begin[key].as_str().unwrap_or_default().to_owned();
            *all.entry(format!("{host} {}/{}", word("phase"), word("step"))).or_default() += 1;
        }
    }
    all.retain(|step, _| !looks.contains(step));
    all
}
