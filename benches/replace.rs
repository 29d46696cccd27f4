//! A pool of 100 simulated machines is replaced, five of which hold pods whose budget allows no eviction: how long until
//! all others are new and these five stand in quarantine, what is said of them, and how long until they are new as well
//! once the budget allows it. Prints figures; judges nothing.
//!
//! `cargo bench --bench replace`

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Namespace, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Config,
    api::{ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use quarterdeck::api::{Machine, NodePool};
use serde_json::{Value, json};

const FLEET: &str = "fleet";
const CLUSTER: &str = "eu-west-1";
const POOL: &str = "eu-west-1-general";
/// So many that the pool has a hundred.
const MACHINES: &str = "255";
const SPEED: &str = "20";
const BLOCKERS: usize = 5;
const SURGE: usize = 10;
const DRAIN_SECS: i64 = 30;
const PATIENCE: Duration = Duration::from_mins(20);

#[tokio::main]
async fn main() {
    let (_demo, meta) = demo().await;
    let tenant = business_cluster(&meta).await;
    pin(&tenant).await;
    let pools: Api<NodePool> = Api::namespaced(meta.clone(), FLEET);
    let size = pools.get(POOL).await.expect("the pool").spec.replicas;
    let begin = Instant::now();
    let spec = json!({
        "drain": {"timeoutSeconds": DRAIN_SECS},
        "rollout": {"after": jiff::Timestamp::now(), "strategy": {"rollingUpdate": {"maxSurge": SURGE}}},
    });
    pools.patch(POOL, &PatchParams::default(), &Patch::Merge(json!({"spec": spec}))).await.expect("patched");
    println!("{size} machines, {BLOCKERS} of them with a pod that may not go, surge {SURGE}, --speed {SPEED}");

    let others = size - BLOCKERS as i32;
    let least = until(&pools, begin, others).await;
    println!("{others} replaced after {:.0?}; never fewer than {least} of {size} served", begin.elapsed());
    for line in blockers(&meta).await {
        println!("  {line}");
    }

    let budgets: Api<PodDisruptionBudget> = Api::namespaced(tenant, "legacy");
    let relaxed = Patch::Merge(json!({"spec": {"maxUnavailable": 1}}));
    budgets.patch("pinned", &PatchParams::default(), &relaxed).await.expect("relaxed");
    let relaxed = Instant::now();
    let least = until(&pools, relaxed, size).await;
    println!("the budget allows it: {size} replaced {:.0?} later; never fewer than {least} served", relaxed.elapsed());
}

/// Waits until so many are new; answers how few served meanwhile.
async fn until(pools: &Api<NodePool>, begin: Instant, updated: i32) -> i32 {
    let mut least = i32::MAX;
    loop {
        let status = pools.get(POOL).await.expect("the pool").status.unwrap_or_default();
        least = least.min(status.ready_replicas);
        let rollout = status.rollout.unwrap_or_default();
        if rollout.updated_available >= updated {
            return least;
        }
        assert!(begin.elapsed() < PATIENCE, "{rollout:?} after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What is said of the machines that could not be emptied.
async fn blockers(meta: &Client) -> BTreeSet<String> {
    let machines: Api<Machine> = Api::namespaced(meta.clone(), FLEET);
    let all = machines.list(&ListParams::default()).await.expect("machines").items;
    let drains = all.iter().filter_map(|m| m.status.as_ref()?.drain.as_ref());
    drains
        .flat_map(|d| &d.blockers)
        .map(|b| format!("{}: {} ({})", b.pod, b.message, b.pdb.as_deref().unwrap_or("no budget")))
        .collect()
}

/// Pods that may not be evicted, on machines of their own.
async fn pin(tenant: &Client) {
    let namespaces: Api<Namespace> = Api::all(tenant.clone());
    create(&namespaces, json!({"metadata": {"name": "legacy"}})).await;
    let budget = json!({"metadata": {"name": "pinned"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "pinned"}}}});
    create(&Api::<PodDisruptionBudget>::namespaced(tenant.clone(), "legacy"), budget).await;
    let template = json!({"metadata": {"labels": {"app": "pinned"}},
        "spec": {"containers": [{"name": "main", "image": "registry.example.net/pinned:1.0.0"}]}});
    let selector = json!({"matchLabels": {"app": "pinned"}});
    let spec = json!({"replicas": BLOCKERS, "selector": selector, "serviceName": "pinned", "template": template});
    let sets = Api::<StatefulSet>::namespaced(tenant.clone(), "legacy");
    create(&sets, json!({"metadata": {"name": "pinned"}, "spec": spec})).await;
    let pods = Api::<Pod>::namespaced(tenant.clone(), "legacy");
    let ready = |pod: &Pod| {
        let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
        conditions.filter(|c| c.type_ == "Ready" && c.status == "True").count() > 0
    };
    let begin = Instant::now();
    loop {
        let pods = pods.list(&ListParams::default().labels("app=pinned")).await.expect("pods").items;
        let nodes: BTreeSet<_> =
            pods.iter().filter(|p| ready(p)).filter_map(|p| p.spec.as_ref()?.node_name.clone()).collect();
        if nodes.len() == BLOCKERS {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{} of {BLOCKERS} nodes have one: {pods:?}", nodes.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn create<K>(api: &Api<K>, object: Value)
where
    K: Clone + serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let object = serde_json::from_value(object).expect("a valid object");
    api.create(&PostParams::default(), &object).await.expect("created");
}

async fn business_cluster(meta: &Client) -> Client {
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(meta.clone(), FLEET);
    let secret = secrets.get(&format!("{CLUSTER}-kubeconfig")).await.expect("its kubeconfig");
    let data = secret.data.and_then(|mut d| d.remove("kubeconfig")).expect("a kubeconfig");
    let text = String::from_utf8(data.0).expect("YAML");
    client(Kubeconfig::from_yaml(&text).expect("a kubeconfig")).await
}

async fn client(kubeconfig: Kubeconfig) -> Client {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    Client::try_from(config).expect("a client")
}

async fn demo() -> (Process, Client) {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
        .args(["demo", "--headless", "--clusters", "1", "--machines", MACHINES, "--speed", SPEED])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(demo.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
    let kubeconfig = Kubeconfig::read_from(ready["kubeconfig"].as_str().expect("a path")).expect("a kubeconfig");
    (Process(demo), client(kubeconfig).await)
}

/// Told to end, and waited for.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}
