//! What a rollout does to nodes beside draining them: a taint while they are to give way, and a cordon of a whole old pool.

use k8s_openapi::api::core::v1::Node;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use quarterdeck::api::{Cluster, MachineState, labels};
use serde_json::json;

use crate::world::World;

async fn nodes(world: &World) -> Vec<Node> {
    world.nodes().list(&Default::default()).await.expect("nodes").items
}

async fn tainted(world: &World) -> usize {
    let ours = |n: &&Node| {
        let taints = n.spec.iter().flat_map(|s| s.taints.iter().flatten());
        taints.into_iter().any(|t| t.key == labels::OUTDATED_TAINT && t.effect == "PreferNoSchedule")
    };
    nodes(world).await.iter().filter(ours).count()
}

/// Cordoned nodes, and those of them that we signed.
async fn cordoned(world: &World) -> (usize, usize) {
    let all = nodes(world).await;
    let closed: Vec<_> =
        all.iter().filter(|n| n.spec.as_ref().is_some_and(|s| s.unschedulable == Some(true))).collect();
    (closed.len(), closed.iter().filter(|n| n.annotations().contains_key(labels::CORDONED_BY)).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_to_give_way_are_tainted_and_no_longer_than_that() {
    let world = World::new(5, 3).await;
    world.start("one");
    world.settled(3).await;
    let other = json!({ "spec": { "taints": [{ "key": "gpu", "effect": "NoSchedule", "value": "yes" }] } });
    world.nodes().patch("node-m-0", &PatchParams::default(), &Patch::Merge(other)).await.expect("patched");
    world.patch_pool(json!({ "version": "1.34.3", "hold": true })).await;
    world.until("all old ones are tainted", async || tainted(&world).await == 3).await;
    world.until("one more stands", async || world.node_count().await == 4).await;
    assert_eq!(tainted(&world).await, 3, "the new one is not");
    // Given up: old ones are kept, and nothing leaves them any more.
    world.patch_pool(json!({ "rollout": { "partition": 3 } })).await;
    world.until("no more after an abort", async || tainted(&world).await == 0).await;
    world.patch_pool(json!({ "rollout": { "partition": 0 } })).await;
    world.until("it goes on", async || tainted(&world).await == 3).await;
    world.patch_pool(json!({ "version": "1.34.2" })).await;
    let only_new = async || {
        let all = nodes(&world).await;
        let is_new = |n: &&Node| {
            n.status.as_ref().and_then(|s| s.node_info.as_ref()).is_some_and(|i| i.kubelet_version == "v1.34.3")
        };
        let new: Vec<_> = all.iter().filter(is_new).cloned().collect();
        new.len() == 1 && tainted(&world).await == 1 && new[0].spec.as_ref().is_some_and(|s| s.taints.is_some())
    };
    world.until("back again, it is the new one that gives way", only_new).await;
    let first = world.nodes().get("node-m-0").await.unwrap().spec.unwrap().taints.unwrap_or_default();
    assert_eq!(first.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), ["gpu"], "that of others stays");
    world.patch_pool(json!({ "hold": false })).await;
    world.settled(3).await;
    world.until("none is left", async || tainted(&world).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_old_pool_is_cordoned_first_and_given_back_on_the_way_back() {
    let world = World::new(6, 3).await;
    world.start("one");
    world.settled(3).await;
    let by_hand = json!({ "spec": { "unschedulable": true } });
    world.nodes().patch("node-m-0", &PatchParams::default(), &Patch::Merge(by_hand)).await.expect("patched");
    let strategy = json!({ "type": "BlueGreen", "blueGreen": { "batchSize": 1, "batchSoakSeconds": 3600, "poolSoakSeconds": 3600 } });
    world.patch_pool(json!({ "version": "1.34.3", "rollout": { "strategy": strategy } })).await;
    world.until("twice as many stand", async || world.count(MachineState::Ready).await == 6).await;
    // The batches soak for an hour: the time is not awaited, only what is done before the first.
    let quick = json!({ "blueGreen": { "batchSoakSeconds": 1 } });
    world.patch_pool(json!({ "rollout": { "strategy": quick } })).await;
    world
        .until("one is drained", async || {
            let machines = world.machines().await;
            let draining = machines.iter().any(|m| m.status.as_ref().is_some_and(|s| s.drain.is_some()));
            assert!(!draining || cordoned(&world).await.0 == 3, "all of them are cordoned before");
            draining
        })
        .await;
    world.patch_pool(json!({ "hold": true })).await;
    let (all, ours) = cordoned(&world).await;
    assert_eq!((all, ours), (3, 2), "that of a person is not signed");
    // Back, while the old pool still stands.
    world.patch_pool(json!({ "version": "1.34.2", "hold": false })).await;
    let operations: kube::Api<quarterdeck::api::Operation> = world.api();
    for operation in world.operations().await.iter().filter(|o| o.spec.type_.takes_away()) {
        let cancel = Patch::Merge(json!({ "spec": { "cancelled": true } }));
        let _ = operations.patch(&operation.name_any(), &PatchParams::default(), &cancel).await;
    }
    let open = async || {
        let all = nodes(&world).await;
        let old = all.iter().filter(|n| ["node-m-0", "node-m-1", "node-m-2"].contains(&n.name_any().as_str()));
        let closed: Vec<_> = old
            .filter(|n| n.spec.as_ref().is_some_and(|s| s.unschedulable == Some(true)))
            .map(ResourceExt::name_any)
            .collect();
        closed == ["node-m-0"]
    };
    world.until("ours are given back, and no other", open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_a_cluster_follows_its_control_plane() {
    let world = World::new(2, 2).await;
    *world.version.lock().unwrap() = Some("1.34.2".to_owned());
    world.start("one");
    world.settled(2).await;
    let known = async || {
        let cluster: Cluster = world.api().get("blue").await.expect("the cluster");
        cluster.status.and_then(|s| s.version)
    };
    world.until("it is known", async || known().await.as_deref() == Some("1.34.2")).await;
    // The connection stays; what answers is another version, and so is the kubelet beside it.
    *world.version.lock().unwrap() = Some("1.34.3".to_owned());
    let info = json!({ "status": { "nodeInfo": { "kubeletVersion": "v1.34.3" } } });
    world.nodes().patch_status("node-m-0", &PatchParams::default(), &Patch::Merge(info)).await.expect("patched");
    let begun = std::time::Instant::now();
    world.until("it follows", async || known().await.as_deref() == Some("1.34.3")).await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "and does not wait for the next probe");
}
