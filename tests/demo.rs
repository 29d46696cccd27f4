//! The whole path without a screen: `quarterdeck demo --headless`, and a client that changes `replicas`. Controllers, Job
//! runner, executor, SSH, hosts and business clusters do the rest, also after SIGKILL.

#[path = "demo/process.rs"]
mod process;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use process::{Demo, state, until};
use quarterdeck::api::{Machine, MachineState, Operation, OperationState, provider_id};
use serde_json::{Value, json};

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
