//! Machines that fall ill by themselves are replaced, one at a time, and not while it would make matters worse.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use quarterdeck::{
    api::{Machine, MachineState, OperationType, labels},
    controllers::Name,
};
use serde_json::json;

use crate::world::World;

async fn patch_status(world: &World, machine: &str, status: serde_json::Value) {
    let patch = Patch::Merge(json!({ "status": status }));
    world.api::<Machine>().patch_status(machine, &PatchParams::default(), &patch).await.expect("patched");
}

/// The kubelet of its node says so.
async fn node_says(world: &World, machine: &str, ready: &str) {
    let status = json!({ "conditions": [{ "type": "Ready", "status": ready, "reason": "KubeletNotReady" }] });
    let patch = Patch::Merge(json!({ "status": status }));
    let node = format!("node-{machine}");
    world.nodes().patch_status(&node, &PatchParams::default(), &patch).await.expect("patched");
}

/// Its node has not been Ready for an hour.
async fn fall_ill(world: &World, machine: &str) {
    node_says(world, machine, "False").await;
    world
        .until("the machine knows", async || {
            let status = world.api::<Machine>().get(machine).await.unwrap().status.unwrap_or_default();
            status.state == Some(MachineState::NotReady) && status.node.is_some_and(|n| n.ready == "False")
        })
        .await;
    let since = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - 3600).unwrap();
    patch_status(world, machine, json!({ "node": { "since": since } })).await;
}

async fn members(world: &World) -> BTreeSet<String> {
    world.machines().await.iter().filter(|m| m.spec.claim_ref.is_some()).map(ResourceExt::name_any).collect()
}

async fn is_untouched(world: &World) -> bool {
    world.machines().await.iter().all(|m| !m.annotations().contains_key(labels::REPLACE_MACHINE))
        && world.operations().await.iter().all(|o| !o.spec.type_.takes_away())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ill_machine_is_replaced_and_no_other() {
    let world = World::new(5, 4).await;
    world.start("one");
    world.settled(4).await;
    world.patch_pool(json!({ "remediation": { "timeoutSeconds": 600 } })).await;
    fall_ill(&world, "m-1").await;
    world.until("it is free again", async || !members(&world).await.contains("m-1")).await;
    world.settled(4).await;
    let reset: Vec<String> = world.executor.resets.lock().unwrap().keys().cloned().collect();
    assert_eq!(reset, ["m-1"]);
    let operations = world.operations().await;
    let replaced = operations.iter().find(|o| o.spec.type_ == OperationType::Replace).expect("it is on record");
    assert_eq!(replaced.spec.requested_by.as_deref(), Some("remediation"));
    assert!(replaced.spec.reason.as_deref().is_some_and(|r| r.contains("has not been Ready")), "{:?}", replaced.spec);
    let joined = operations.iter().filter(|o| o.spec.type_ == OperationType::ScaleUp).nth(1).expect("another joined");
    assert!(joined.metadata.creation_timestamp <= replaced.metadata.creation_timestamp, "another joins first");
    world
        .until("it is over", async || world.condition("Remediating").await == ("False".into(), "NotRemediating".into()))
        .await;
    let freed = world.api::<Machine>().get("m-1").await.unwrap();
    assert!(freed.annotations().is_empty(), "the marks go with the claim: {:?}", freed.annotations());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ill_machines_are_left_to_a_person() {
    let world = World::new(6, 4).await;
    world.start("one");
    world.settled(4).await;
    for machine in ["m-1", "m-2"] {
        fall_ill(&world, machine).await;
    }
    world.patch_pool(json!({ "remediation": {} })).await;
    let stopped = ("False".to_owned(), "TooManyUnhealthy".to_owned());
    world.until("it says why", async || world.condition("Remediating").await == stopped).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(is_untouched(&world).await);
    // One comes back by itself: the other is no outage any more.
    node_says(&world, "m-2", "True").await;
    world.until("the other is replaced", async || !members(&world).await.contains("m-1")).await;
    world.settled(4).await;
    assert!(members(&world).await.contains("m-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_replaced_that_cannot_be_asked() {
    let world = World::new(5, 4).await;
    let all = Name::all();
    let (cancel, running) = world.start_some("one", all.clone());
    world.settled(4).await;
    cancel.cancel();
    running.await.unwrap();
    // A word from before: the node has been Ready again for long, and nobody told the machine.
    let without: BTreeSet<Name> = all.into_iter().filter(|n| *n != Name::NodeHealth).collect();
    let long_ago = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - 3600).unwrap();
    patch_status(&world, "m-1", json!({ "node": { "ready": "False", "since": long_ago } })).await;
    world.start_some("one", without);
    world.patch_pool(json!({ "remediation": {} })).await;
    world
        .until("it is looked at", async || {
            world.pool().await.status.is_some_and(|s| s.remediation.is_some_and(|r| r.unhealthy == 1))
        })
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(is_untouched(&world).await, "the cluster itself was asked");
    // And while it does not answer, nothing is done either.
    node_says(&world, "m-1", "False").await;
    world.offline.store(true, Ordering::SeqCst);
    world.patch_pool(json!({ "remediation": { "timeoutSeconds": 60 } })).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(is_untouched(&world).await);
    world.offline.store(false, Ordering::SeqCst);
    world.patch_pool(json!({ "remediation": { "timeoutSeconds": 61 } })).await;
    world.until("now it is marked", async || !is_untouched(&world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_control_plane_is_replaced_and_not_upgraded_in_place() {
    let world = World::new(4, 0).await;
    let pools = json!([{ "name": "control-plane", "role": "ControlPlane", "replicas": 3, "remediation": {} }]);
    world.patch_deployment(json!({ "pools": pools })).await;
    world.start("one");
    world.until("all are Ready", async || world.count(MachineState::Ready).await == 3).await;
    let ill = members(&world).await.into_iter().next().unwrap();
    fall_ill(&world, &ill).await;
    world
        .until("it is free again", async || {
            let leaving = world.machines().await;
            let well = leaving.iter().filter(|m| m.status.as_ref().and_then(|s| s.state) == Some(MachineState::Ready));
            assert!(well.count() >= 2, "the others stay");
            !members(&world).await.contains(&ill)
        })
        .await;
    world.until("three serve", async || world.count(MachineState::Ready).await == 3).await;
    let operations = world.operations().await;
    assert!(operations.iter().all(|o| o.spec.type_ != OperationType::Upgrade), "nothing is upgraded");
    assert_eq!(operations.iter().filter(|o| o.spec.type_ == OperationType::Replace).count(), 1);
}
