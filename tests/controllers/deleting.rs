//! `kubectl delete` starts a release, and cannot outrun it.

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use quarterdeck::api::{Cluster, ClusterDeployment, MachineSet, MachineState, NodePool, PoolPhase, labels};
use serde_json::json;

use crate::world::World;

async fn gone<K>(world: &World, name: &str) -> bool
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
    K::DynamicType: Default,
{
    world.api::<K>().get_opt(name).await.unwrap().is_none()
}

async fn everything_is_released(world: &World, machines: usize) {
    world.until("the pool is gone", async || gone::<NodePool>(world, "blue-pool").await).await;
    world.until("all machines are free", async || world.count(MachineState::Idle).await == machines).await;
    assert_eq!(world.node_count().await, 0);
    assert!(world.machines().await.iter().all(|m| m.spec.claim_ref.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_goes_when_its_machines_are_released() {
    for parameters in [DeleteParams::background(), DeleteParams::foreground()] {
        let world = World::new(3, 1).await;
        world.start("one");
        world.settled(1).await;
        world.patch_deployment(json!({ "pools": [] })).await;
        world.api::<NodePool>().delete("blue-pool", &parameters).await.unwrap();
        everything_is_released(&world, 3).await;
        assert_eq!(world.executor.resets.lock().unwrap().values().sum::<u32>(), 1);
        let sets: Api<MachineSet> = world.api();
        world.until("its set goes too", async || sets.list(&Default::default()).await.unwrap().items.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_budget_waits_for_a_word() {
    let world = World::new(4, 3).await;
    world.start("one");
    world.settled(3).await;
    world.patch_deployment(json!({ "pools": [] })).await;
    let pools: Api<NodePool> = world.api();
    pools.delete("blue-pool", &DeleteParams::default()).await.unwrap();
    let halted = ("False".to_owned(), "DeletionBudgetExceeded".to_owned());
    world.until("it asks", async || world.condition("ScalingDown").await == halted).await;
    let pool = world.pool().await;
    let status = pool.status.unwrap();
    assert_eq!(status.phase, Some(PoolPhase::Deleting));
    let down = status.conditions.iter().find(|c| c.type_ == "ScalingDown").unwrap();
    assert!(down.message.contains(labels::APPROVED_REPLICAS), "the way out is said: {}", down.message);
    assert_eq!(world.count(MachineState::Ready).await, 3, "nothing is taken away meanwhile");

    let word = Patch::Merge(json!({ "metadata": { "annotations": { labels::APPROVED_REPLICAS: "0" } } }));
    pools.patch("blue-pool", &PatchParams::default(), &word).await.unwrap();
    everything_is_released(&world, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_after_its_pools() {
    let world = World::new(2, 1).await;
    world.start("one");
    world.settled(1).await;
    world.api::<ClusterDeployment>().delete("blue", &DeleteParams::default()).await.unwrap();
    everything_is_released(&world, 2).await;
    world.until("it is gone itself", async || gone::<ClusterDeployment>(&world, "blue").await).await;
    world.until("and its cluster", async || gone::<Cluster>(&world, "blue").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_deleted_alone_costs_no_machine() {
    let world = World::new(2, 2).await;
    world.start("one");
    world.settled(2).await;
    let sets: Api<MachineSet> = world.api();
    let before = sets.list(&Default::default()).await.unwrap().items.remove(0);
    sets.delete(before.metadata.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    world
        .until("there is another", async || {
            let sets = sets.list(&Default::default()).await.unwrap().items;
            sets.len() == 1 && sets[0].metadata.uid != before.metadata.uid
        })
        .await;
    world.settled(2).await;
    assert!(world.executor.resets.lock().unwrap().is_empty());
}
