//! A node that cannot be emptied in time is left, and returned to last.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use quarterdeck::api::MachineState;
use serde_json::json;

use crate::world::{NAMESPACE, World};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_quarantine_comes_last_and_the_pool_is_not_done_before() {
    let world = World::new(5, 3).await;
    world.start("one");
    world.settled(3).await;
    world.drain_policy(json!({"timeoutSeconds": 1})).await;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(world.tenant.client(), NAMESPACE);
    let budget = json!({"metadata": {"name": "shop"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "shop"}}}});
    budgets.create(&PostParams::default(), &serde_json::from_value(budget).unwrap()).await.expect("created");
    world.pod("shop-0", "m-2", "shop").await;
    world.patch_pool(json!({ "version": "1.34.3" })).await;
    let rollout = async || world.pool().await.status.unwrap_or_default().rollout.unwrap_or_default();
    world
        .until("all others are replaced", async || {
            let now = rollout().await;
            let reset = world.executor.resets.lock().unwrap().len();
            now.updated_available == 3 && now.outdated == 0 && now.quarantined == 1 && reset == 2
        })
        .await;
    assert_eq!(world.condition("UpToDate").await.0, "False", "it is not done");
    assert_eq!(world.condition("RollingOut").await.0, "True");
    let reset: Vec<String> = world.executor.resets.lock().unwrap().keys().cloned().collect();
    assert!(!reset.contains(&"m-2".to_owned()), "the others went on without it: {reset:?}");
    // It comes up again by itself, and nobody has to ask.
    budgets.delete("shop", &DeleteParams::default()).await.expect("deleted");
    world.settled(3).await;
    world.until("it is over", async || world.condition("UpToDate").await.0 == "True").await;
    world.until("it is free", async || world.count(MachineState::Idle).await == 2).await;
    world.until("and it says so", async || world.condition("RollingOut").await.0 == "False").await;
    assert!(world.executor.resets.lock().unwrap().values().all(|n| *n == 1));
}
