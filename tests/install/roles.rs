//! Each account does all of its work with exactly its exported role, on a real server: nothing is refused, and of the
//! controllers and the executor every permission that is granted is used. So no verb is missing and none is too many.

use std::{process::Command, sync::Arc, time::Duration};

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event, policy::v1::PodDisruptionBudget};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use quarterdeck::{
    api::{ClusterDeployment, Operation, OperationState, labels},
    executor::{self, KubernetesStatus, Limits, Secrets, SshTransport},
    fleet,
    install::{self, CONTROLLER, CONTROLLER_ROLE, EXECUTOR_ROLE, OPERATOR_ROLE, Options, VIEWER_ROLE},
    runbook::job::{INPUT_KEY, JobInput},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    meta::Meta,
    real::{self, Real},
    record::{Record, granted},
    world::World,
};

const BINARY: &str = env!("CARGO_BIN_EXE_quarterdeck");

/// A fleet namespace whose controllers run elsewhere, under their own account.
async fn world(real: &Real, record: &Record, machines: usize, replicas: i32) -> (World, Options) {
    let mut meta = Meta::real(real.kubeconfig.clone()).await;
    let options = Options {
        namespace: meta.namespace.replace("controllers", "system"),
        watched: vec![meta.namespace.clone()],
        ..Options::default()
    };
    real.grant(&options).await;
    meta.limited = Some(record.of(real.client_of(&options.namespace, CONTROLLER).await));
    (World::on(meta, machines, replicas).await, options)
}

/// Some operation is in this state.
async fn reached(world: &World, state: OperationState) -> bool {
    world.operations().await.iter().any(|o| o.status.as_ref().and_then(|s| s.state) == Some(state))
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_real_api_server_whose_controllers_use_all_that_they_may_and_no_more() {
    let Some(real) = real::open("needs_real_api_server_whose_controllers_use_all_that_they_may_and_no_more").await
    else {
        return;
    };
    let record = Record::default();
    let (world, options) = world(&real, &record, 4, 2).await;
    let (first, running) = world.start("one");
    world.settled(2).await;

    // A second waits, takes over, and goes on.
    world.start("two");
    tokio::time::sleep(Duration::from_secs(3)).await;
    first.cancel();
    running.await.expect("it ends");
    world.scale(3, json!({})).await;
    world.settled(3).await;
    pause_while_it_runs(&world).await;
    world.settled(4).await;
    drain_against_a_budget(&world).await;
    world.settled(3).await;
    the_same_happens_again(&world).await;
    revisions_come_and_go(&world).await;
    clean_up_after(&world).await;
    delete_everything(&world).await;

    record.nothing_was_refused();
    let granted = granted(&install::objects(&options), &[CONTROLLER_ROLE, "quarterdeck-lease"]);
    let used = record.used();
    let (idle, extra): (Vec<_>, Vec<_>) = (granted.difference(&used).collect(), used.difference(&granted).collect());
    assert!(idle.is_empty() && extra.is_empty(), "granted and not used: {idle:#?}\nused and not granted: {extra:#?}");
    eprintln!("{} permissions, each of them used", granted.len());
}

/// A few revisions that no machine follows: sets of the oldest are let go.
async fn revisions_come_and_go(world: &World) {
    let sets: Api<quarterdeck::api::MachineSet> = world.api();
    let current = async || world.pool().await.status.and_then(|s| s.current_machine_set).unwrap_or_default();
    let mut seen = std::collections::BTreeSet::from([current().await]);
    for patch in 3..8 {
        let strategy = json!({ "strategy": { "type": "OnDelete" } });
        world.patch_pool(json!({ "version": format!("1.34.{patch}"), "rollout": strategy })).await;
        world.until("there is a set for it", async || seen.insert(current().await)).await;
    }
    world
        .until("the oldest empty one is let go", async || {
            sets.list(&ListParams::default()).await.expect("sets").items.len() == 5
        })
        .await;
}

/// The pause reaches the operation, and is taken back from it.
async fn pause_while_it_runs(world: &World) {
    world.executor.held.store(true, std::sync::atomic::Ordering::SeqCst);
    world.scale(4, json!({})).await;
    world.until("it runs", async || reached(world, OperationState::Running).await).await;
    world.patch_pool(json!({ "paused": true })).await;
    world.until("it is paused", async || world.operations().await.iter().any(|o| o.spec.paused)).await;
    world.patch_pool(json!({ "paused": false })).await;
    world.until("it goes on", async || world.operations().await.iter().all(|o| !o.spec.paused)).await;
    world.executor.held.store(false, std::sync::atomic::Ordering::SeqCst);
}

/// Until the budget gives way somebody stands in the way, which is an event.
async fn drain_against_a_budget(world: &World) {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(world.tenant.client(), "default");
    let budget = json!({"metadata": {"name": "shop"}, "spec": {"minAvailable": 4, "selector": {"matchLabels": {"app": "shop"}}}});
    let budget = serde_json::from_value(budget).expect("a budget");
    budgets.create(&PostParams::default(), &budget).await.expect("created");
    for machine in ["m-0", "m-1", "m-2", "m-3"] {
        world.pod(&format!("shop-{machine}"), machine, "shop").await;
    }
    world.scale(3, json!({})).await;
    world
        .until("it is blocked", async || {
            let blocked = |m: &quarterdeck::api::Machine| {
                m.status.as_ref().and_then(|s| s.drain.as_ref()).is_some_and(|d| !d.blockers.is_empty())
            };
            world.machines().await.iter().any(blocked)
        })
        .await;
    budgets.delete("shop", &DeleteParams::default()).await.expect("deleted");
}

/// A pool gets where it was before: the event that says so is counted on, which is the one use of `patch`.
async fn the_same_happens_again(world: &World) {
    world.scale(4, json!({})).await;
    world.settled(4).await;
    let events: Api<Event> = world.api();
    world
        .until("what was said before is counted", async || {
            let all = events.list(&ListParams::default()).await.expect("events").items;
            all.iter().any(|event| event.series.as_ref().is_some_and(|series| series.count > 1))
        })
        .await;
    world.scale(3, json!({})).await;
    world.settled(3).await;
}

/// Six hours later Job and log go.
async fn clean_up_after(world: &World) {
    let operations: Api<Operation> = world.api();
    let maps: Api<ConfigMap> = world.api();
    let operation = world.operations().await.remove(0);
    let (name, job) =
        (operation.metadata.name.expect("a name"), operation.status.and_then(|s| s.job_name).expect("a Job"));
    maps.get(&job).await.expect("its input is kept for now");
    let long_ago = json!({ "status": { "finishedAt": "2026-01-01T00:00:00Z" } });
    operations.patch_status(&name, &PatchParams::default(), &Patch::Merge(long_ago)).await.expect("patched");
    world.until("its input is gone", async || maps.get_opt(&job).await.expect("an answer").is_none()).await;
}

async fn delete_everything(world: &World) {
    let deployments: Api<ClusterDeployment> = world.api();
    deployments.delete("blue", &DeleteParams::default()).await.expect("deleted");
    let pools: Api<quarterdeck::api::NodePool> = world.api();
    world
        .until("the pool is being deleted", async || {
            pools.get_opt("blue-pool").await.expect("an answer").is_none_or(|p| p.metadata.deletion_timestamp.is_some())
        })
        .await;
    let word = Patch::Merge(json!({ "metadata": { "annotations": { labels::APPROVED_REPLICAS: "0" } } }));
    pools.patch("blue-pool", &PatchParams::default(), &word).await.expect("approved");
    world.until("all is gone", async || deployments.get_opt("blue").await.expect("an answer").is_none()).await;
    world.until("all are free", async || world.machines().await.iter().all(|m| m.spec.claim_ref.is_none())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_real_api_server_whose_executor_uses_all_that_it_may_and_no_more() {
    let Some(real) = real::open("needs_real_api_server_whose_executor_uses_all_that_it_may_and_no_more").await else {
        return;
    };
    let (of_controllers, record) = (Record::default(), Record::default());
    let (world, options) = world(&real, &of_controllers, 1, 1).await;
    world.executor.held.store(true, std::sync::atomic::Ordering::SeqCst);
    world.start("one");
    world.until("it runs", async || reached(&world, OperationState::Running).await).await;
    let operation = world.operations().await.remove(0);
    let job = operation.status.and_then(|s| s.job_name).expect("a Job");
    let map: ConfigMap = world.api().get(&job).await.expect("its input");
    // Nobody answers at that port, which is a story to report like any other.
    let mut input: JobInput = serde_json::from_str(&map.data.expect("data")[INPUT_KEY]).expect("an input");
    input.machines[0].port = 1;
    let client = record.of(real.client_of(&options.watched[0], EXECUTOR_ROLE).await);
    let (secrets, machine) = (Secrets::default(), input.machines[0].name.clone());
    let summary = executor::run(executor::Context {
        transport: Arc::new(SshTransport::new(&input, &secrets)),
        status: Some(Arc::new(KubernetesStatus::new(client, &input.namespace))),
        events: Arc::new(|_| ()),
        cancel: CancellationToken::new(),
        limits: Limits { reconnect: Duration::from_secs(1), ..Limits::default() },
        secrets,
        input,
    })
    .await
    .expect("the input is right");
    assert_eq!(summary.failed, 1);
    let machines = world.machines().await;
    let written = machines.iter().find(|m| m.metadata.name.as_ref() == Some(&machine)).expect("the machine");
    assert!(!written.status.as_ref().expect("a status").phases.is_empty(), "it was written");

    record.nothing_was_refused();
    of_controllers.nothing_was_refused();
    assert_eq!(record.used(), granted(&install::objects(&options), &[EXECUTOR_ROLE]));
}

/// Runs the binary as a person.
fn run(kubeconfig: &str, words: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig).expect("written");
    let output =
        Command::new(BINARY).args(words.split_whitespace()).env("KUBECONFIG", &path).output().expect("it starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_real_api_server_where_viewers_look_and_operators_act() {
    let Some(real) = real::open("needs_real_api_server_where_viewers_look_and_operators_act").await else { return };
    let record = Record::default();
    let (world, options) = world(&real, &Record::default(), 3, 1).await;
    let fleet = options.watched[0].clone();
    world.start("one");
    world.settled(1).await;
    real.person("viewer", VIEWER_ROLE, &fleet).await;
    real.person("operator", OPERATOR_ROLE, &fleet).await;

    // The console's read model, complete and without a complaint.
    let viewer = real.client_of(&fleet, "viewer").await;
    let its_pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(viewer.clone(), &fleet);
    // The server hears of a binding as everybody does: a moment later.
    world.until("the role counts", async || its_pods.list(&ListParams::default()).await.is_ok()).await;
    let watching = record.of(viewer);
    let mut feed = fleet::watch(&watching, &fleet);
    let complete = feed.wait_for(|snapshot| snapshot.complete && snapshot.clusters.len() == 1);
    tokio::time::timeout(Duration::from_secs(60), complete).await.expect("it sees everything");
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(watching, &fleet);
    pods.list(&ListParams::default()).await.expect("pods of Jobs, for their logs");
    let missing = pods.logs("not-there", &kube::api::LogParams::default()).await.expect_err("there is none");
    assert!(matches!(&missing, kube::Error::Api(s) if s.code == 404), "{missing}");
    record.nothing_was_refused();

    let (viewer, operator) = (real.kubeconfig_of(&fleet, "viewer").await, real.kubeconfig_of(&fleet, "operator").await);
    for kind in ["clusters", "pools", "machines", "operations"] {
        let (code, said) = run(&viewer, &format!("get {kind} -n {fleet}"));
        assert_eq!(code, Some(0), "{kind}: {said}");
    }
    let (code, said) = run(&viewer, "scale blue/pool 2 --yes");
    assert_eq!(code, Some(4), "a viewer only looks: {said}");
    let (code, said) = run(&operator, "scale blue/pool 2 --yes --reason test");
    assert_eq!(code, Some(0), "{said}");
    world.settled(2).await;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(real.client_of(&fleet, "operator").await, &fleet);
    let refused = secrets.get("blue-kubeconfig").await.expect_err("no business of an operator");
    assert!(matches!(&refused, kube::Error::Api(s) if s.code == 403), "{refused}");
}
