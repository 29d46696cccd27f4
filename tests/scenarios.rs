//! Each scenario of the demo, started without a screen: the fault that it promises is there, as seen through the API.

#[path = "demo/process.rs"]
mod process;

use std::collections::BTreeSet;

use k8s_openapi::api::{
    core::v1::{Event, Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{EvictParams, ListParams, Patch},
};
use process::{Demo, state, until};
use quarterdeck::api::{Cluster, ClusterDeployment, Machine, MachineState, NodePool, Operation, OperationType, labels};

const POOL: &str = "eu-west-1-general";

async fn start(scenario: &str) -> Demo {
    start_at(scenario, "40").await
}

/// Slower, where something holds only for a while.
async fn start_at(scenario: &str, speed: &str) -> Demo {
    let demo = Demo::start(&["--scenario", scenario, "--speed", speed]).await;
    assert_eq!(demo.ready["scenario"]["name"], scenario);
    until("it is announced among the events", || async {
        let events = demo.api::<Event>().list(&ListParams::default()).await.expect("events").items;
        events.iter().any(|e| {
            e.reason.as_deref() == Some("Scenario") && e.message.as_ref().is_some_and(|m| m.starts_with(scenario))
        })
    })
    .await;
    demo
}

/// `healthy/needed allows N` of a budget.
async fn budget(tenant: &Client, namespace: &str, name: &str) -> String {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(tenant.clone(), namespace);
    let status = budgets.get(name).await.expect("the budget").status.unwrap_or_default();
    format!("{}/{} allows {}", status.current_healthy, status.desired_healthy, status.disruptions_allowed)
}

/// The status code with which the eviction of the pods of an app is answered.
async fn evicted(tenant: &Client, namespace: &str, app: &str) -> BTreeSet<u16> {
    let pods: Api<Pod> = Api::namespaced(tenant.clone(), namespace);
    let dry = EvictParams {
        post_options: kube::api::PostParams { dry_run: true, ..Default::default() },
        ..Default::default()
    };
    let mut codes = BTreeSet::new();
    for pod in pods.list(&ListParams::default().labels(&format!("app={app}"))).await.expect("pods").items {
        codes.insert(match pods.evict(&pod.name_any(), &dry).await {
            Ok(_) => 201,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        });
    }
    codes
}

async fn pool(demo: &Demo) -> NodePool {
    demo.api::<NodePool>().get(POOL).await.expect("the pool")
}

async fn unready(tenant: &Client) -> BTreeSet<String> {
    let nodes: Api<Node> = Api::all(tenant.clone());
    let is_ready = |node: &Node| {
        let conditions = node.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
    };
    let nodes = nodes.list(&ListParams::default()).await.expect("nodes").items;
    nodes.into_iter().filter(|n| !is_ready(n)).map(|n| n.name_any()).collect()
}

fn failure(machine: &Machine) -> String {
    serde_json::to_string(&machine.status).expect("a status")
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_drain() {
    let demo = start("blocked-drain").await;
    let tenant = demo.tenant("eu-west-1").await;
    for (name, says) in [("billing", "1/1 allows 0"), ("queue", "3/3 allows 0"), ("search", "2/1 allows 1")] {
        until(name, || async { budget(&tenant, "legacy", name).await == says }).await;
    }
    assert_eq!(evicted(&tenant, "legacy", "billing").await, [429].into());
    assert_eq!(evicted(&tenant, "legacy", "queue").await, [429].into());
    assert_eq!(evicted(&tenant, "legacy", "search").await, [500].into(), "two budgets are one too many");
    until("the pool is to be replaced", || async { pool(&demo).await.spec.rollout.after.is_some() }).await;
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn temporarily_blocked() {
    let demo = start_at("temporarily-blocked", "15").await;
    let tenant = demo.tenant("eu-west-1").await;
    until("one of eight is not ready", || async { budget(&tenant, "shop", "cart").await == "7/7 allows 0" }).await;
    until("the pool is to be replaced", || async { pool(&demo).await.spec.rollout.after.is_some() }).await;
    until("it passes", || async { budget(&tenant, "shop", "cart").await == "8/7 allows 1" }).await;
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_rack() {
    let demo = start("lost-rack").await;
    let tenant = demo.tenant("eu-west-1").await;
    let rack = |m: &Machine| m.labels().get("rack").is_some_and(|rack| rack == "r02");
    let lost: BTreeSet<String> = demo.machines().await.iter().filter(|m| rack(m)).map(ResourceExt::name_any).collect();
    assert_eq!(lost.len(), 12);
    until("their nodes are silent", || async { unready(&tenant).await == lost }).await;
    until("their machines are NotReady, and no others", || async {
        let machines = demo.machines().await;
        machines.iter().all(|m| (state(m) == MachineState::NotReady) == lost.contains(&m.name_any()))
    })
    .await;
    let machine = demo.api::<Machine>().get(lost.first().expect("one")).await.expect("the machine");
    let at = (machine.spec.address.as_str(), machine.spec.port());
    let stream = tokio::net::TcpStream::connect(at).await.expect("the socket is shared");
    let said = tokio::time::timeout(std::time::Duration::from_millis(500), stream.readable()).await;
    assert!(said.is_err(), "a lost host says nothing");
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_version() {
    let demo = start("bad-version").await;
    let deployments = demo.api::<ClusterDeployment>();
    until("the cluster is to go to 1.35.0", || async {
        let spec = deployments.get("eu-west-1").await.expect("the deployment").spec;
        spec.version == "1.35.0" && spec.artifacts.versions.contains(&"1.35.0".to_owned())
    })
    .await;
    let tenant = demo.tenant("eu-west-1").await;
    let nodes: Api<Node> = Api::all(tenant.clone());
    for (name, version) in [("works", "v1.34.2"), ("breaks", "v1.35.0")] {
        let node = serde_json::json!({"metadata": {"name": name}});
        nodes.create(&Default::default(), &serde_json::from_value(node).expect("a node")).await.expect("created");
        let status = serde_json::json!({"status": {"nodeInfo": {
            "kubeletVersion": version, "kubeProxyVersion": version, "architecture": "amd64", "bootID": "b",
            "containerRuntimeVersion": "c", "kernelVersion": "k", "machineID": "m", "operatingSystem": "linux",
            "osImage": "o", "systemUUID": "s",
        }}});
        nodes.patch_status(name, &Default::default(), &kube::api::Patch::Merge(status)).await.expect("patched");
    }
    until("a node of another version becomes ready", || async { !unready(&tenant).await.contains("works") }).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(unready(&tenant).await.contains("breaks"), "and one of that version does not");
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_window() {
    let demo = start("closed-window").await;
    let members = || async { demo.api::<NodePool>().get("eu-west-1-control-plane").await.expect("the pool") };
    until("the control plane waits for the window", || async {
        let status = members().await.status.unwrap_or_default();
        status
            .rollout
            .is_some_and(|r| r.reason.as_deref() == Some("WindowClosed") && r.version.as_deref() == Some("1.35.0"))
    })
    .await;
    // Others were done long ago.
    let is_upgrade = |o: &Operation| {
        o.spec.type_ == OperationType::Upgrade && o.status.as_ref().is_none_or(|s| s.finished_at.is_none())
    };
    let begun = || async { demo.api::<Operation>().list(&ListParams::default()).await.expect("operations").items };
    assert!(!begun().await.iter().any(is_upgrade), "nothing has begun");
    let revision = members().await.status.and_then(|s| s.rollout).expect("it is being rolled out").revision;
    let word = serde_json::json!({"metadata": {"annotations": {(labels::OUTSIDE_WINDOW): revision}}});
    let pools = demo.api::<NodePool>();
    pools.patch("eu-west-1-control-plane", &Default::default(), &Patch::Merge(word)).await.expect("said");
    until("it begins for who does not wait", || async { begun().await.iter().any(is_upgrade) }).await;
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn quorum_risk() {
    let demo = start("quorum-risk").await;
    let tenant = demo.tenant("eu-west-1").await;
    let first = BTreeSet::from(["m-0001".to_owned()]);
    until("one member is silent", || async { unready(&tenant).await == first }).await;
    until("its machine is NotReady", || async { demo.count(MachineState::NotReady).await == 1 }).await;
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_host() {
    let demo = start("slow-host").await;
    let before = demo.pool(POOL).await.0;
    until("the pool grows by six", || async { pool(&demo).await.spec.replicas == before + 6 }).await;
    until("all are there", || async { demo.pool(POOL).await == (before + 6, before + 6) }).await;
    let took = |m: &Machine| -> f64 {
        let phases = m.status.iter().flat_map(|s| &s.phases);
        let spans = phases.filter_map(|p| {
            let (from, to) = (p.started_at.as_ref()?, p.finished_at.as_ref()?);
            Some(to.0.duration_since(from.0).as_secs_f64())
        });
        spans.sum()
    };
    let mut times: Vec<f64> = demo.machines().await.iter().map(took).filter(|t| *t > 0.0).collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(times.len(), 6, "{times:?}");
    // What everything takes on this machine is in both of them.
    assert!(times[5] - times[0] > 4.0, "some take much longer than others: {times:?}");
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_cut() {
    let demo = start("ssh-cut").await;
    let before = demo.pool(POOL).await.0;
    until("all are there in the end", || async { demo.pool(POOL).await == (before + 4, before + 4) }).await;
    let operations = demo.api::<Operation>().list(&ListParams::default()).await.expect("operations").items;
    let run = operations.iter().find(|o| o.name_any().contains("-up-")).expect("the one that grew the pool");
    let pods: Api<Pod> = demo.api();
    let label = format!("quarterdeck.dev/operation={}", run.name_any());
    let pod = pods.list(&ListParams::default().labels(&label)).await.expect("pods").items.remove(0);
    let log = pods.logs(&pod.name_any(), &Default::default()).await.expect("its log");
    let cut = log.lines().filter(|l| l.contains("\"event\":\"disconnected\"")).count();
    assert!(cut >= 4 * 5, "each step lost its connection: {cut}");
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn host_key_changed() {
    let demo = start("host-key-changed").await;
    until("a machine with another key is refused", || async {
        demo.machines().await.iter().any(|m| failure(m).to_lowercase().contains("host key"))
    })
    .await;
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn full_fleet() {
    let demo = start("full-fleet").await;
    assert_eq!(demo.machines().await.len(), 400);
    until("one member of a control plane and a rack are silent", || async {
        demo.count(MachineState::NotReady).await >= 5
    })
    .await;
    until("a pool grows", || async { demo.count(MachineState::Provisioning).await > 0 }).await;
    let spec = demo.api::<ClusterDeployment>().get("ap-south-1").await.expect("the deployment").spec;
    assert_eq!(spec.version, "1.33.6");
    demo.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_api() {
    let demo = start("removed-api").await;
    let metrics = http::Request::get("/metrics").body(Vec::new()).expect("a request");
    let text = demo.tenant("eu-west-1").await.request_text(metrics).await.expect("its metrics");
    assert!(text.contains(r#"removed_release="1.35",resource="volumeattributesclasses""#), "{text}");
    // Somebody looks at a plan.
    let clusters = demo.api::<Cluster>();
    let asked = serde_json::json!({"metadata": {"annotations": {
        labels::FORECAST_REQUESTED_AT: jiff::Timestamp::now().to_string(),
    }}});
    clusters.patch("eu-west-1", &Default::default(), &Patch::Merge(asked)).await.expect("the question");
    until("the plan knows of it", || async {
        let status = clusters.get("eu-west-1").await.expect("the cluster").status.unwrap_or_default();
        status.deprecated_apis.is_some_and(|all| all.iter().any(|api| api.removed_in == "1.35"))
    })
    .await;
    demo.end();
}
