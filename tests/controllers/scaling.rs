//! The main path: a pool grows, shrinks, and says what stands in the way.

use std::sync::atomic::Ordering;

use quarterdeck::api::{Cluster, MachineState, OperationState, labels};
use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_grows_and_shrinks() {
    let world = World::new(5, 2).await;
    world.start("one");
    world.settled(2).await;
    assert_eq!(world.count(MachineState::Idle).await, 3);

    world.scale(4, json!({ labels::REASON: "more load", labels::REQUESTED_BY: "alice" })).await;
    world.settled(4).await;
    let operations = world.operations().await;
    assert_eq!(operations.len(), 2, "one operation for each step");
    let last = operations.iter().find(|o| o.spec.reason.is_some()).expect("the reason is on record");
    assert_eq!(last.spec.requested_by.as_deref(), Some("alice"));
    assert_eq!(last.spec.machines.len(), 2);

    world.scale(3, json!({})).await;
    world.settled(3).await;
    world.until("the machine is idle again", async || world.count(MachineState::Idle).await == 2).await;
    let freed: Vec<_> = world.machines().await.into_iter().filter(|m| m.spec.claim_ref.is_none()).collect();
    assert_eq!(freed.len(), 2);
    for machine in freed {
        let status = machine.status.expect("a status");
        assert!(status.phases.is_empty() && status.drain.is_none() && status.operation.is_none(), "{status:?}");
        assert!(machine.metadata.labels.unwrap_or_default().keys().all(|k| !k.starts_with("quarterdeck.dev/")));
    }
    assert_eq!(world.executor.resets.lock().unwrap().values().sum::<u32>(), 1);
    world.until("the pool is Ready", async || world.condition("Ready").await.0 == "True").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_is_claims_what_there_is_and_goes_on_when_machines_appear() {
    let world = World::new(2, 3).await;
    world.start("one");
    world.settled(2).await;
    let blocked = ("False".to_owned(), "NotEnoughMachines".to_owned());
    world.until("it says so", async || world.condition("ScalingUp").await == blocked).await;
    world
        .create::<quarterdeck::api::Machine>(json!({
            "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine", "metadata": {"name": "late"},
            "spec": {"address": "127.0.0.9"},
        }))
        .await;
    world.settled(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_nothing_is_written() {
    let world = World::new(3, 2).await;
    world.start("one");
    world.settled(2).await;
    world.until("the pool is Ready", async || world.condition("Ready").await.0 == "True").await;
    let counted = async || {
        let cluster: Option<Cluster> = world.api().get_opt("blue").await.expect("an answer");
        cluster.and_then(|c| c.status).is_some_and(|s| s.disruption.is_some())
    };
    world.until("its budgets are counted", counted).await;
    // Who writes last is chance; once it is quiet it has to stay so.
    let for_a_while = async |seconds: u64| {
        let before = world.writes.load(Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        world.writes.load(Ordering::SeqCst) == before
    };
    world.until("it comes to rest", async || for_a_while(2).await).await;
    let before = world.writes.load(Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(world.writes.load(Ordering::SeqCst), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_machine_is_tried_again_when_a_person_asks() {
    let world = World::new(2, 2).await;
    world.executor.failing.lock().unwrap().insert("m-1".to_owned());
    world.start("one");
    world
        .until("one has failed", async || {
            world.count(MachineState::Failed).await == 1 && world.count(MachineState::Ready).await == 1
        })
        .await;
    world
        .until("the operation has failed", async || {
            world.operations().await[0].status.as_ref().and_then(|s| s.state) == Some(OperationState::Failed)
        })
        .await;
    world.executor.failing.lock().unwrap().clear();
    let operations: kube::Api<quarterdeck::api::Operation> = world.api();
    let name = world.operations().await[0].metadata.name.clone().unwrap();
    let patch = json!({"metadata": {"annotations": { labels::RETRY: "1" }}});
    operations.patch(&name, &kube::api::PatchParams::default(), &kube::api::Patch::Merge(patch)).await.unwrap();
    world.settled(2).await;
    let jobs = world.executor.jobs.lock().unwrap().clone();
    assert_eq!(jobs[&format!("{name}/1")].len(), 2);
    assert_eq!(jobs[&format!("{name}/2")], ["m-1"], "only what had failed");
}
