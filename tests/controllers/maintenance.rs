//! A person wants one node cordoned or drained, and no longer.

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use quarterdeck::api::{Machine, MachineState, OperationState, OperationType, labels};
use serde_json::{Value, json};

use crate::world::{NAMESPACE, World};

async fn want(world: &World, machine: &str, maintenance: Value) {
    let machines: Api<Machine> = world.api();
    let patch = json!({ "spec": { "maintenance": maintenance } });
    machines.patch(machine, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
}

/// Whether the node of the machine is cordoned, and what it is signed with.
async fn cordon(world: &World, machine: &str) -> (bool, Option<String>) {
    let node = world.nodes().get(&format!("node-{machine}")).await.expect("a node");
    let is = node.spec.as_ref().is_some_and(|s| s.unschedulable == Some(true));
    (is, node.annotations().get(labels::CORDONED_BY).cloned())
}

async fn pods(world: &World) -> usize {
    world.pods().list(&Default::default()).await.expect("pods").items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_cordoned_and_given_back() {
    let world = World::new(2, 2).await;
    world.start("one");
    world.settled(2).await;
    want(&world, "m-0", json!({ "by": "alice", "since": "2026-01-01T00:00:00Z" })).await;
    world.until("it is cordoned", async || cordon(&world, "m-0").await == (true, Some("maintenance".into()))).await;
    assert!(!cordon(&world, "m-1").await.0);
    want(&world, "m-0", Value::Null).await;
    world.until("it is given back", async || cordon(&world, "m-0").await == (false, None)).await;
    assert_eq!(world.count(MachineState::Ready).await, 2, "it served all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cordon_of_somebody_else_stays() {
    let world = World::new(1, 1).await;
    world.start("one");
    world.settled(1).await;
    let by_hand = json!({ "spec": { "unschedulable": true } });
    world.nodes().patch("node-m-0", &PatchParams::default(), &Patch::Merge(by_hand)).await.unwrap();
    want(&world, "m-0", json!({ "by": "alice", "since": "2026-01-01T00:00:00Z" })).await;
    want(&world, "m-0", Value::Null).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(cordon(&world, "m-0").await, (true, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_drained_for_a_person_and_serves_again_afterwards() {
    let world = World::new(2, 2).await;
    world.start("one");
    world.settled(2).await;
    world.pod("shop", "m-0", "shop").await;
    let wish = json!({ "drain": true, "by": "alice", "reason": "disk", "since": "2026-01-01T00:00:00Z" });
    want(&world, "m-0", wish.clone()).await;
    let drains = async || {
        let all = world.operations().await;
        all.into_iter().filter(|o| o.spec.type_ == OperationType::Drain).collect::<Vec<_>>()
    };
    world
        .until("the drain is done", async || {
            drains().await.iter().any(|o| o.status.as_ref().and_then(|s| s.state) == Some(OperationState::Succeeded))
        })
        .await;
    assert_eq!(pods(&world).await, 0);
    assert!(cordon(&world, "m-0").await.0, "it stays cordoned");
    let record = drains().await.remove(0);
    assert_eq!((record.spec.requested_by.as_deref(), record.spec.reason.as_deref()), (Some("alice"), Some("disk")));
    world.until("it is Ready, and cordoned", async || world.count(MachineState::Ready).await == 2).await;
    assert!(world.executor.resets.lock().unwrap().is_empty(), "nothing is reset");

    want(&world, "m-0", Value::Null).await;
    world.until("it is given back", async || cordon(&world, "m-0").await == (false, None)).await;
    assert_eq!(drains().await.len(), 1, "one wish, one drain");
    world
        .until("the drain is forgotten", async || {
            world.machines().await.iter().all(|m| m.status.as_ref().is_some_and(|s| s.drain.is_none()))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_taken_back_ends_at_once() {
    let world = World::new(1, 1).await;
    world.start("one");
    world.settled(1).await;
    world.pod("shop", "m-0", "shop").await;
    let budget = json!({
        "metadata": { "name": "shop" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "shop" } } },
    });
    let budgets: Api<k8s_openapi::api::policy::v1::PodDisruptionBudget> =
        Api::namespaced(world.tenant.client(), NAMESPACE);
    budgets.create(&Default::default(), &serde_json::from_value(budget).unwrap()).await.expect("a budget");
    want(&world, "m-0", json!({ "drain": true, "by": "alice", "since": "2026-01-01T00:00:00Z" })).await;
    world.until("it drains", async || world.count(MachineState::Draining).await == 1).await;
    want(&world, "m-0", Value::Null).await;
    world
        .until("it serves again", async || {
            world.count(MachineState::Ready).await == 1 && cordon(&world, "m-0").await == (false, None)
        })
        .await;
    let states: Vec<_> = world.operations().await.iter().filter_map(|o| o.status.as_ref()?.state).collect();
    assert!(states.contains(&OperationState::Cancelled), "{states:?}");
    assert_eq!(pods(&world).await, 1, "the budget kept its pod");
}
