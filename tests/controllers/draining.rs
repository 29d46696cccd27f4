//! Emptying nodes: cordons, budgets, deadlines, and who may be uncordoned.

use std::{sync::atomic::Ordering, time::Duration};

use k8s_openapi::api::{core::v1::Node, policy::v1::PodDisruptionBudget};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use quarterdeck::api::{DrainStatus, Machine, MachineState, OperationState, labels};
use serde_json::json;

use crate::world::{NAMESPACE, World};

async fn drain(world: &World, machine: &str) -> Option<DrainStatus> {
    world.api::<Machine>().get(machine).await.expect("the machine").status.and_then(|s| s.drain)
}

async fn node(world: &World, machine: &str) -> Node {
    world.nodes().get(&format!("node-{machine}")).await.expect("the node")
}

async fn protect(world: &World, app: &str) {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(world.tenant.client(), NAMESPACE);
    let budget =
        json!({"metadata": {"name": app}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}}});
    budgets.create(&PostParams::default(), &serde_json::from_value(budget).unwrap()).await.expect("created");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_named_and_respected_until_it_gives_way() {
    let world = World::new(2, 2).await;
    world.start("one");
    world.settled(2).await;
    protect(&world, "shop").await;
    world.pod("shop-0", "m-1", "shop").await;
    world.pod("free-0", "m-1", "free").await;
    world.scale(1, json!({})).await;

    world
        .until("the blocker is named, and all others are gone", async || {
            let named = |d: &DrainStatus| d.blockers.first().is_some_and(|b| b.pdb.as_deref() == Some("default/shop"));
            drain(&world, "m-1").await.is_some_and(|d| named(&d) && d.pods_left == 1)
        })
        .await;
    let status = drain(&world, "m-1").await.unwrap();
    assert_eq!((status.pods_left, status.completed_at.is_some()), (1, false), "{status:?}");
    assert_eq!(status.blockers[0].pod, "default/shop-0");
    let node = node(&world, "m-1").await;
    assert!(node.metadata.annotations.unwrap().contains_key(labels::CORDONED_BY));
    assert!(world.executor.resets.lock().unwrap().is_empty(), "nothing is reset while a pod is there");

    world.pods().delete("shop-0", &DeleteParams::default()).await.expect("deleted");
    world.settled(1).await;
    world.until("it is free", async || world.count(MachineState::Idle).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_the_node_goes_into_quarantine_and_a_retry_brings_it_home() {
    let world = World::new(2, 2).await;
    world.start("one");
    world.settled(2).await;
    let deployments: Api<quarterdeck::api::ClusterDeployment> = world.api();
    let patch = json!({"spec": {"pools": [{"name": "pool", "replicas": 2, "drain": {"timeoutSeconds": 1}}]}});
    deployments.patch("blue", &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
    world.until("the pool knows", async || world.pool().await.spec.drain.timeout_seconds == Some(1)).await;
    protect(&world, "shop").await;
    world.pod("shop-0", "m-1", "shop").await;
    world.scale(1, json!({})).await;

    world
        .until("it is given up", async || {
            let operations = world.operations().await;
            operations.iter().any(|o| o.status.as_ref().and_then(|s| s.state) == Some(OperationState::Failed))
        })
        .await;
    assert!(drain(&world, "m-1").await.unwrap().skipped_at.is_some());
    assert!(node(&world, "m-1").await.spec.unwrap().unschedulable.unwrap(), "still cordoned");
    assert!(world.executor.resets.lock().unwrap().is_empty());
    let failed = world.operations().await.into_iter().find(|o| o.spec.to_replicas == Some(1)).unwrap();
    let failures = failed.status.unwrap().failures;
    assert!(failures[0].message.contains("default/shop-0"), "{failures:?}");

    world.pods().delete("shop-0", &DeleteParams::default()).await.expect("deleted");
    world.until("it has ended", async || world.pods().get_opt("shop-0").await.unwrap().is_none()).await;
    let operations: Api<quarterdeck::api::Operation> = world.api();
    let patch = json!({"metadata": {"annotations": { labels::RETRY: "1" }}});
    operations.patch(&failed.metadata.name.unwrap(), &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    world.settled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_a_person_uncordons_is_emptied_again() {
    let world = World::new(1, 1).await;
    world.start("one");
    world.settled(1).await;
    protect(&world, "shop").await;
    world.pod("shop-0", "m-0", "shop").await;
    world.scale(0, json!({})).await;
    world.until("cordoned", async || node(&world, "m-0").await.spec.unwrap().unschedulable == Some(true)).await;
    let patch = Patch::Merge(json!({"spec": {"unschedulable": null}}));
    world.nodes().patch("node-m-0", &PatchParams::default(), &patch).await.expect("uncordoned");
    world.until("cordoned again", async || node(&world, "m-0").await.spec.unwrap().unschedulable == Some(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cordon_of_somebody_else_is_not_signed_by_us() {
    let world = World::new(1, 1).await;
    world.start("one");
    world.settled(1).await;
    let patch = Patch::Merge(json!({"spec": {"unschedulable": true}}));
    world.nodes().patch("node-m-0", &PatchParams::default(), &patch).await.expect("cordoned");
    protect(&world, "shop").await;
    world.pod("shop-0", "m-0", "shop").await;
    world.scale(0, json!({})).await;
    world.until("it drains", async || drain(&world, "m-0").await.is_some_and(|d| !d.blockers.is_empty())).await;
    let annotations = node(&world, "m-0").await.metadata.annotations.unwrap_or_default();
    assert!(!annotations.contains_key(labels::CORDONED_BY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_asked_is_unknown_and_loses_nothing() {
    let world = World::new(2, 2).await;
    let (cancel, running) = world.start("one");
    world.settled(2).await;
    // A new start connects anew, and finds nobody.
    cancel.cancel();
    running.await.unwrap();
    world.offline.store(true, Ordering::SeqCst);
    world.start("two");
    world
        .until("unknown", async || {
            let machines = world.machines().await;
            machines
                .iter()
                .all(|m| m.status.as_ref().and_then(|s| s.node.as_ref()).is_some_and(|n| n.ready == "Unknown"))
        })
        .await;
    world.scale(1, json!({})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.executor.resets.lock().unwrap().is_empty(), "silence is not an empty node");
    assert_eq!(world.machines().await.iter().filter(|m| m.spec.claim_ref.is_some()).count(), 2);
    world.offline.store(false, Ordering::SeqCst);
    world.settled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_one_provider_id_are_an_error_and_not_a_choice() {
    let world = World::new(1, 1).await;
    world.start("one");
    world.settled(1).await;
    let twin = node(&world, "m-0").await.spec.unwrap().provider_id;
    let twin = json!({"metadata": {"name": "twin"}, "spec": {"providerID": twin}});
    world.nodes().create(&PostParams::default(), &serde_json::from_value(twin).unwrap()).await.unwrap();
    world.scale(0, json!({})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.node_count().await, 2, "none of them is touched");
    assert!(world.executor.resets.lock().unwrap().is_empty());
    world.nodes().delete("twin", &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_called_off_takes_back_our_cordon_and_no_other() {
    let world = World::new(2, 2).await;
    world.start("one");
    world.settled(2).await;
    for machine in ["m-0", "m-1"] {
        protect(&world, machine).await;
        world.pod(&format!("{machine}-pod"), machine, machine).await;
    }
    let patch = Patch::Merge(json!({"spec": {"unschedulable": true}}));
    world.nodes().patch("node-m-0", &PatchParams::default(), &patch).await.expect("cordoned by a person");
    world.scale(0, json!({ labels::APPROVED_REPLICAS: "0" })).await;
    world
        .until("both drain", async || {
            drain(&world, "m-0").await.is_some() && node(&world, "m-1").await.spec.unwrap().unschedulable == Some(true)
        })
        .await;
    world.scale(2, json!({})).await;
    let operations: Api<quarterdeck::api::Operation> = world.api();
    let down = world.operations().await.into_iter().find(|o| o.spec.to_replicas == Some(0)).unwrap();
    operations.delete(&down.metadata.name.unwrap(), &DeleteParams::default()).await.expect("called off");
    world
        .until("both serve again", async || {
            drain(&world, "m-0").await.is_none() && drain(&world, "m-1").await.is_none()
        })
        .await;
    assert_eq!(node(&world, "m-1").await.spec.unwrap().unschedulable, None, "ours is gone");
    assert_eq!(node(&world, "m-0").await.spec.unwrap().unschedulable, Some(true), "theirs stays");
    world.until("both say so", async || world.count(MachineState::Ready).await == 2).await;
}
