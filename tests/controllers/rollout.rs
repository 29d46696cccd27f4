//! From one revision of a pool to the next: by surge, in place, twice side by side, and machine by machine.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use quarterdeck::api::{Machine, MachineSet, MachineState, NodePool, OperationState, OperationType, labels};
use serde_json::{Value, json};

use crate::world::World;

/// Kubelet versions of the machines that are Ready.
async fn versions(world: &World) -> BTreeSet<String> {
    let machines = world.machines().await;
    let ready = machines.iter().filter_map(|m| m.status.as_ref()).filter(|s| s.state == Some(MachineState::Ready));
    ready.filter_map(|s| s.node.as_ref()?.kubelet_version.clone()).collect()
}

async fn members(world: &World) -> BTreeSet<String> {
    world.machines().await.iter().filter(|m| m.spec.claim_ref.is_some()).map(ResourceExt::name_any).collect()
}

/// Waits for the end of the rollout, and answers the fewest machines that were Ready on the way.
async fn rolled(world: &World, replicas: usize) -> usize {
    let mut fewest = usize::MAX;
    world
        .until("the pool is up to date", async || {
            fewest = fewest.min(world.count(MachineState::Ready).await);
            let pool = world.pool().await;
            let seen = pool.status.as_ref().and_then(|s| s.observed_generation) == pool.metadata.generation;
            seen && world.condition("UpToDate").await.0 == "True"
                && world.condition("RollingOut").await.0 == "False"
                && world.node_count().await == replicas
        })
        .await;
    world.settled(replicas).await;
    fewest
}

async fn cordoned(world: &World) -> usize {
    let nodes = world.nodes().list(&Default::default()).await.unwrap().items;
    nodes.iter().filter(|n| n.spec.as_ref().is_some_and(|s| s.unschedulable == Some(true))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_surges_before_anything_leaves() {
    let world = World::new(5, 3).await;
    world.start("one");
    world.settled(3).await;
    let before = members(&world).await;
    world.patch_pool(json!({ "version": "1.34.3" })).await;
    let fewest = rolled(&world, 3).await;
    assert!(fewest >= 3, "with maxUnavailable 0 never fewer than all serve: {fewest}");
    assert_eq!(versions(&world).await, BTreeSet::from(["1.34.3".to_owned()]));
    assert_eq!(world.executor.resets.lock().unwrap().len(), 3, "each old machine is reset");
    assert!(world.executor.resets.lock().unwrap().values().all(|n| *n == 1), "and once only");
    assert!(before.iter().all(|m| world.executor.resets.lock().unwrap().contains_key(m)));
    let replaced = world.operations().await.into_iter().filter(|o| o.spec.type_ == OperationType::Replace).count();
    assert_eq!(replaced, 3, "one at a time, as the deletion budget says");
    let sets: Vec<MachineSet> = world.api().list(&Default::default()).await.unwrap().items;
    assert_eq!(sets.len(), 2, "the old set stays, to go back to");
    world
        .until("the old set is empty", async || {
            let sets: Vec<MachineSet> = world.api().list(&Default::default()).await.unwrap().items;
            let mut left: Vec<_> = sets.iter().map(|s| s.spec.replicas).collect();
            left.sort_unstable();
            left == [0, 3]
        })
        .await;

    // And back: the old set is the current one again.
    world.patch_pool(json!({ "version": "1.34.2" })).await;
    rolled(&world, 3).await;
    let old = BTreeSet::from(["1.34.2".to_owned()]);
    world.until("the kubelets have said so", async || versions(&world).await == old).await;
    let sets: Vec<MachineSet> = world.api().list(&Default::default()).await.unwrap().items;
    assert_eq!(sets.len(), 2, "no third set");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_replaced_though_nothing_has_changed() {
    let world = World::new(4, 2).await;
    world.start("one");
    world.settled(2).await;
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    world.patch_pool(json!({ "rollout": { "after": now } })).await;
    rolled(&world, 2).await;
    assert_eq!(world.executor.resets.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_machine_is_replaced_and_no_other() {
    let world = World::new(4, 3).await;
    world.start("one");
    world.settled(3).await;
    let chosen = members(&world).await.into_iter().next().unwrap();
    let mark = json!({ "metadata": { "annotations": { labels::REPLACE_MACHINE: "now" } } });
    let machines: Api<Machine> = world.api();
    machines.patch(&chosen, &PatchParams::default(), &Patch::Merge(mark)).await.unwrap();
    world.until("it is free again", async || !members(&world).await.contains(&chosen)).await;
    let fewest = rolled(&world, 3).await;
    assert!(fewest >= 3, "another joins first: {fewest}");
    let reset: Vec<String> = world.executor.resets.lock().unwrap().keys().cloned().collect();
    assert!(reset.iter().eq([&chosen]), "{reset:?}");
    let freed = machines.get(&chosen).await.unwrap();
    assert!(!freed.annotations().contains_key(labels::REPLACE_MACHINE), "the mark goes with the claim");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_place_the_machines_stay() {
    let world = World::new(3, 3).await;
    world.start("one");
    world.settled(3).await;
    let before = members(&world).await;
    world.patch_pool(json!({ "version": "1.34.3", "rollout": { "strategy": { "type": "InPlace" } } })).await;
    let fewest = rolled(&world, 3).await;
    assert!(fewest >= 2, "one at a time: {fewest}");
    let new = BTreeSet::from(["1.34.3".to_owned()]);
    world.until("the kubelets have said so", async || versions(&world).await == new).await;
    assert_eq!(members(&world).await, before);
    assert!(world.executor.resets.lock().unwrap().is_empty(), "nothing is reset");
    world.until("all nodes are given back", async || cordoned(&world).await == 0).await;
    let upgrades: Vec<_> =
        world.operations().await.into_iter().filter(|o| o.spec.type_ == OperationType::Upgrade).collect();
    assert_eq!(upgrades.len(), 3);
    assert!(upgrades.iter().all(|o| o.spec.version.as_deref() == Some("1.34.3")));

    // And back, where they are: the hosts are told that it is meant.
    world.patch_pool(json!({ "version": "1.34.2" })).await;
    rolled(&world, 3).await;
    let old = BTreeSet::from(["1.34.2".to_owned()]);
    world.until("the kubelets have said so", async || versions(&world).await == old).await;
    assert_eq!(members(&world).await, before);
    assert!(world.executor.resets.lock().unwrap().is_empty(), "nothing is reset");
    let inputs: Api<ConfigMap> = world.api();
    let told = |map: &ConfigMap| map.data.iter().flatten().any(|(_, text)| text.contains("\"way_back\":\"yes\""));
    let inputs = inputs.list(&Default::default()).await.unwrap().items;
    assert_eq!(inputs.iter().filter(|m| told(m)).count(), 3, "three of the upgrades went back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_is_replaced_by_members_that_join_first() {
    let world = World::new(4, 0).await;
    let strategy = json!({ "strategy": { "type": "BlueGreen" } });
    let pools = json!([{ "name": "control-plane", "role": "ControlPlane", "replicas": 3, "rollout": strategy }]);
    world.patch_deployment(json!({ "pools": pools })).await;
    world.start("one");
    world.until("all are Ready", async || world.count(MachineState::Ready).await == 3).await;
    let before = members(&world).await;
    world.patch_deployment(json!({ "version": "1.34.3" })).await;
    world
        .until("all members are new", async || {
            assert!(world.count(MachineState::Ready).await >= 3, "the next one joins before one leaves");
            assert!(members(&world).await.len() <= 4, "one at a time, though it says blue-green");
            world.executor.resets.lock().unwrap().len() == 3
        })
        .await;
    world.until("they serve", async || versions(&world).await == BTreeSet::from(["1.34.3".to_owned()])).await;
    assert_ne!(members(&world).await, before);
    assert!(world.operations().await.iter().all(|o| o.spec.type_ != OperationType::Upgrade));
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_keeps_the_old_pool_until_the_new_one_has_soaked() {
    let world = World::new(6, 3).await;
    world.start("one");
    world.settled(3).await;
    let strategy =
        json!({ "type": "BlueGreen", "blueGreen": { "batchSize": 2, "batchSoakSeconds": 1, "poolSoakSeconds": 600 } });
    world.patch_pool(json!({ "version": "1.34.3", "rollout": { "strategy": strategy } })).await;
    let drained = async || {
        let machines = world.machines().await;
        let done =
            |m: &&Machine| m.status.as_ref().and_then(|s| s.drain.as_ref()).is_some_and(|d| d.completed_at.is_some());
        machines.iter().filter(done).count()
    };
    world
        .until("the old pool is drained and stands", async || {
            assert!(world.executor.resets.lock().unwrap().is_empty(), "nothing is reset before the pool has soaked");
            assert!(world.count(MachineState::Ready).await >= 3);
            drained().await == 3
        })
        .await;
    assert_eq!(world.node_count().await, 6, "twice side by side");
    // Long enough for whoever looks on, and now it is over.
    world.patch_pool(json!({ "rollout": { "strategy": { "blueGreen": { "poolSoakSeconds": 1 } } } })).await;
    rolled(&world, 3).await;
    assert_eq!(world.executor.resets.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_and_hold_stop_a_rollout_and_its_reverse_undoes_it() {
    let world = World::new(5, 3).await;
    world.start("one");
    world.settled(3).await;
    world.patch_pool(json!({ "version": "1.34.3", "hold": true })).await;
    world
        .until("one more stands, and none leaves", async || {
            world.count(MachineState::Ready).await == 4 && world.condition("RollingOut").await.0 == "True"
        })
        .await;
    world
        .until("it says why", async || {
            let status = world.pool().await.status.unwrap_or_default();
            status.rollout.is_some_and(|r| r.reason.as_deref() == Some("Hold") && r.updated_available == 1)
        })
        .await;
    assert!(world.operations().await.iter().all(|o| !o.spec.type_.takes_away()));
    // The way back: the new machine goes, the old ones never knew.
    world.patch_pool(json!({ "version": "1.34.2", "hold": false })).await;
    rolled(&world, 3).await;
    let old = BTreeSet::from(["1.34.2".to_owned()]);
    world.until("the kubelets have said so", async || versions(&world).await == old).await;
    assert_eq!(world.executor.resets.lock().unwrap().len(), 1, "only the surge was taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_goes_first_and_one_by_one() {
    let world = World::new(6, 2).await;
    let pools = json!([
        { "name": "pool", "replicas": 2 },
        { "name": "control-plane", "role": "ControlPlane", "replicas": 3 },
    ]);
    world.patch_deployment(json!({ "pools": pools })).await;
    world.start("one");
    world.until("all five are Ready", async || world.count(MachineState::Ready).await == 5).await;
    world.patch_deployment(json!({ "version": "1.34.3" })).await;
    let pool = async |name: &str| -> NodePool { world.api().get(name).await.unwrap() };
    let state = |pool: &NodePool| -> Value {
        let conditions = pool.status.clone().unwrap_or_default().conditions;
        conditions.into_iter().find(|c| c.type_ == "UpToDate").map_or(Value::Null, |c| json!([c.status, c.reason]))
    };
    world
        .until("the control plane is done", async || {
            let (members, workers) = (pool("blue-control-plane").await, pool("blue-pool").await);
            let of = |name: &str, machines: &[Machine]| {
                let mine = machines.iter().filter(|m| m.spec.claim_ref.as_ref().is_some_and(|c| c.pool_name == name));
                mine.map(|m| m.status.clone().unwrap_or_default()).collect::<Vec<_>>()
            };
            let machines = world.machines().await;
            let away =
                of("blue-control-plane", &machines).iter().filter(|s| s.state != Some(MachineState::Ready)).count();
            assert!(away <= 1, "one member at a time: {away}");
            let old_members = of("blue-control-plane", &machines)
                .iter()
                .filter(|s| s.node.as_ref().and_then(|n| n.kubelet_version.as_deref()) != Some("1.34.3"))
                .count();
            let new_workers = of("blue-pool", &machines)
                .iter()
                .filter(|s| s.node.as_ref().and_then(|n| n.kubelet_version.as_deref()) == Some("1.34.3"))
                .count();
            assert!(old_members == 0 || new_workers == 0, "no worker is ahead of its control plane");
            state(&members) == json!(["True", "UpToDate"]) && state(&workers)[1] != "WaitingForOtherPools"
        })
        .await;
    world
        .until("the workers follow", async || {
            state(&pool("blue-pool").await) == json!(["True", "UpToDate"])
                && versions(&world).await == BTreeSet::from(["1.34.3".to_owned()])
        })
        .await;
    let upgrades = world.operations().await;
    let upgrades: Vec<_> = upgrades.iter().filter(|o| o.spec.type_ == OperationType::Upgrade).collect();
    assert_eq!(upgrades.len(), 3, "the control plane in place, one by one");
    assert!(upgrades.iter().all(|o| o.status.as_ref().and_then(|s| s.state) == Some(OperationState::Succeeded)));
}
