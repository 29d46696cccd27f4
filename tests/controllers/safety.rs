//! What must hold whatever happens: crashes, two leaders, pauses, slips of the finger.

use std::{sync::atomic::Ordering, time::Duration};

use k8s_openapi::api::{batch::v1::Job, coordination::v1::Lease};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use quarterdeck::api::{ClusterDeployment, Machine, MachineState, NodePool, Operation, OperationState, labels};
use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_budget_stops_and_asks_and_an_approval_is_used_up() {
    let world = World::new(5, 5).await;
    world.start("one");
    world.settled(5).await;
    world.scale(2, json!({})).await;
    let stopped = ("False".to_owned(), "DeletionBudgetExceeded".to_owned());
    world.until("it stops", async || world.condition("ScalingDown").await == stopped).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.count(MachineState::Ready).await, 5);

    world.scale(2, json!({ labels::APPROVED_REPLICAS: "2" })).await;
    world.settled(2).await;
    world
        .until("the approval is used up", async || {
            !world.pool().await.metadata.annotations.unwrap_or_default().contains_key(labels::APPROVED_REPLICAS)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_that_die_again_and_again_do_everything_once() {
    let world = World::new(8, 0).await;
    let (cancel, running) = world.start("one");
    world
        .until("the pool is there", async || world.api::<NodePool>().get_opt("blue-pool").await.unwrap().is_some())
        .await;
    cancel.cancel();
    running.await.unwrap();
    let mut replicas = [6, 6, 6, 5, 5, 4, 4].into_iter();
    for round in 0..14u64 {
        if round % 2 == 0
            && let Some(next) = replicas.next()
        {
            world.scale(next, json!({ labels::APPROVED_REPLICAS: next.to_string() })).await;
        }
        // The same identity: as a process that is started again.
        let (_, running) = world.start("one");
        tokio::time::sleep(Duration::from_millis(40 + 35 * round)).await;
        // Not a graceful end: wherever it is.
        running.abort();
        let _ = running.await;
    }
    world.start("one");
    world.settled(4).await;
    world.until("all others are free", async || world.count(MachineState::Idle).await == 4).await;

    let mut joined: Vec<String> = Vec::new();
    for operation in world.operations().await {
        joined.extend(operation.spec.machines.iter().map(|m| format!("{:?} {}", operation.spec.type_, m.name)));
    }
    let all = joined.len();
    joined.sort();
    joined.dedup();
    assert_eq!(joined.len(), all, "no machine was joined or released twice: {joined:?}");
    let resets = world.executor.resets.lock().unwrap().clone();
    assert!(resets.values().all(|n| *n == 1), "{resets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_everything_at_once_and_what_was_asked_happens_afterwards() {
    let world = World::new(3, 1).await;
    world.start("one");
    world.settled(1).await;
    let deployments: Api<ClusterDeployment> = world.api();
    let pause = |paused: bool| Patch::Merge(json!({"spec": {"paused": paused}}));
    deployments.patch("blue", &PatchParams::default(), &pause(true)).await.unwrap();
    world.until("it is seen", async || world.condition("Paused").await.0 == "True").await;
    world.scale(3, json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.count(MachineState::Ready).await, 1);
    assert_eq!(world.count(MachineState::Idle).await, 2);
    deployments.patch("blue", &PatchParams::default(), &pause(false)).await.unwrap();
    world.settled(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_reaches_an_operation_that_runs() {
    let world = World::new(1, 0).await;
    world.start("one");
    world
        .until("the pool is there", async || world.api::<NodePool>().get_opt("blue-pool").await.unwrap().is_some())
        .await;
    world.executor.held.store(true, Ordering::SeqCst);
    world.scale(1, json!({})).await;
    world
        .until("a job runs", async || !world.api::<Job>().list(&ListParams::default()).await.unwrap().items.is_empty())
        .await;
    world.patch_pool(json!({"paused": true})).await;
    world.until("the operation is paused", async || world.operations().await[0].spec.paused).await;
    world.patch_pool(json!({"paused": false})).await;
    world.until("and goes on", async || !world.operations().await[0].spec.paused).await;
    world.executor.held.store(false, Ordering::SeqCst);
    world.settled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_takes_nothing_away_and_still_adds() {
    let world = World::new(3, 2).await;
    world.start("one");
    world.settled(2).await;
    world.patch_pool(json!({"hold": true})).await;
    world.scale(1, json!({})).await;
    world
        .until("it says so", async || world.condition("ScalingDown").await == ("False".to_owned(), "Hold".to_owned()))
        .await;
    assert_eq!(world.count(MachineState::Ready).await, 2);
    world.scale(3, json!({})).await;
    world.settled(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_controller_waits_for_the_first_and_then_goes_on() {
    let world = World::new(2, 1).await;
    let (cancel, running) = world.start("one");
    world.settled(1).await;
    let (_, second) = world.start("two");
    world.scale(2, json!({})).await;
    world.settled(2).await;
    let leases: Api<Lease> = world.api();
    let holder = async || leases.get("quarterdeck-controller").await.unwrap().spec.unwrap().holder_identity;
    assert_eq!(holder().await.as_deref(), Some("one"));
    cancel.cancel();
    running.await.unwrap();
    world.until("two takes over", async || holder().await.as_deref() == Some("two")).await;
    world.scale(1, json!({})).await;
    world.settled(1).await;
    assert!(!second.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_that_are_ended_while_they_start_do_end() {
    let world = World::new(2, 1).await;
    for pause in [0, 1, 2, 4, 8, 16] {
        let (cancel, running) = world.start("hasty");
        tokio::time::sleep(Duration::from_millis(pause)).await;
        cancel.cancel();
        // A bound on a wait that would have no end.
        tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_up_that_is_taken_back_ends_where_it_was_asked_to() {
    let world = World::new(6, 1).await;
    world.start("one");
    world.settled(1).await;
    world.executor.held.store(true, Ordering::SeqCst);
    world.scale(5, json!({})).await;
    world.until("a job runs", async || world.count(MachineState::Claimed).await == 4).await;
    world.scale(2, json!({ labels::APPROVED_REPLICAS: "2" })).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.executor.held.store(false, Ordering::SeqCst);
    world.settled(2).await;
    world.until("all others are free", async || world.count(MachineState::Idle).await == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_follow_the_claim_and_a_wrong_one_costs_nothing() {
    let world = World::new(4, 2).await;
    world.start("one");
    world.settled(2).await;
    let machines: Api<Machine> = world.api();
    let claimed = world.machines().await.into_iter().find(|m| m.spec.claim_ref.is_some()).expect("one is claimed");
    let name = claimed.metadata.name.expect("a name");
    for wrong in [json!(null), json!("another")] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { labels::POOL: wrong } } }));
        machines.patch(&name, &PatchParams::default(), &patch).await.unwrap();
        world
            .until("it is put right", async || {
                machines.get(&name).await.unwrap().labels().get(labels::POOL).is_some_and(|l| l == "blue-pool")
            })
            .await;
        world.settled(2).await;
    }
    assert_eq!(world.machines().await.iter().filter(|m| m.spec.claim_ref.is_some()).count(), 2);
    assert_eq!(world.operations().await.len(), 1, "nothing was joined or released for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_somebody_deletes_is_made_again() {
    let world = World::new(1, 0).await;
    world.start("one");
    world
        .until("the pool is there", async || world.api::<NodePool>().get_opt("blue-pool").await.unwrap().is_some())
        .await;
    world.executor.held.store(true, Ordering::SeqCst);
    world.scale(1, json!({})).await;
    let jobs: Api<Job> = world.api();
    world.until("a job runs", async || !jobs.list(&ListParams::default()).await.unwrap().items.is_empty()).await;
    let name = jobs.list(&ListParams::default()).await.unwrap().items[0].metadata.name.clone().unwrap();
    world
        .until("it is followed", async || {
            world.operations().await[0].status.as_ref().is_some_and(|s| s.job_name.is_some())
        })
        .await;
    jobs.delete(&name, &DeleteParams::background()).await.unwrap();
    world.executor.held.store(false, Ordering::SeqCst);
    world.settled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pools_never_get_the_same_machine() {
    let world = World::new(4, 0).await;
    world.start("one");
    world
        .until("the pool is there", async || world.api::<NodePool>().get_opt("blue-pool").await.unwrap().is_some())
        .await;
    let other = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": "other"},
        "spec": {"clusterName": "blue", "replicas": 2}});
    let pools: Api<NodePool> = world.api();
    let other = serde_json::from_value(other).unwrap();
    let parameters = PostParams::default();
    let ((), made) = tokio::join!(world.scale(2, json!({})), pools.create(&parameters, &other));
    made.unwrap();
    world.until("all are Ready", async || world.count(MachineState::Ready).await == 4).await;
    let machines: Vec<Machine> = world.machines().await;
    for pool in ["blue-pool", "other"] {
        let members = machines.iter().filter(|m| m.spec.claim_ref.as_ref().is_some_and(|c| c.pool_name == pool));
        assert_eq!(members.count(), 2, "{pool}");
    }
}

/// Whoever made the Job died, or was refused, before the operation said so; the pod has begun meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_not_written_down_is_followed_all_the_same() {
    let world = World::new(1, 1).await;
    world.executor.held.store(true, Ordering::SeqCst);
    let (first, running) = world.start("one");
    let state = async || world.operations().await.first().and_then(|o| o.status.clone()?.state);
    world.until("there is a Job", async || state().await == Some(OperationState::Running)).await;
    first.cancel();
    running.await.expect("it ends");
    let operations: Api<Operation> = world.api();
    let name = world.operations().await.remove(0).name_any();
    let before = json!({ "status": { "state": "Pending", "jobName": null, "startedAt": null, "progress": null } });
    operations.patch_status(&name, &PatchParams::default(), &Patch::Merge(before)).await.expect("patched");
    world.executor.held.store(false, Ordering::SeqCst);
    let begun = |m: &Machine| m.status.as_ref().is_some_and(|s| !s.phases.is_empty());
    world.until("its pod works", async || world.machines().await.iter().any(begun)).await;
    world.start("two");
    world.settled(1).await;
    assert_eq!(world.operations().await.len(), 1, "it is the same operation");
}
