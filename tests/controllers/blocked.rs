//! Drains that meet with something: consent, order, volumes, two budgets, a person's choice; and what is foretold of them.

use k8s_openapi::api::{
    core::v1::{Namespace, Pod},
    policy::v1::PodDisruptionBudget,
    storage::v1::VolumeAttachment,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use quarterdeck::{
    api::{
        BlockerKind, Cluster, Disruption, DrainPolicy, DrainStatus, DrainTimeoutAction, LossKind, Machine,
        MachineState, labels,
    },
    plan::forecast::{FindingKind, forecast},
};
use serde_json::json;

use crate::world::{NAMESPACE, World};

async fn drain(world: &World, machine: &str) -> Option<DrainStatus> {
    world.api::<Machine>().get(machine).await.expect("the machine").status.and_then(|s| s.drain)
}

/// One cluster of one machine that is about to leave.
async fn one() -> World {
    let world = World::new(1, 1).await;
    world.start("one");
    world.settled(1).await;
    world
}

async fn protect(world: &World, name: &str, app: &str) {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(world.tenant.client(), NAMESPACE);
    let budget =
        json!({"metadata": {"name": name}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}}});
    budgets.create(&PostParams::default(), &serde_json::from_value(budget).unwrap()).await.expect("created");
}

async fn blocked_by(world: &World, kind: BlockerKind) -> DrainStatus {
    world
        .until(&format!("blocked by {kind:?}"), async || {
            drain(world, "m-0").await.is_some_and(|d| d.blockers.iter().any(|b| b.kind == kind))
        })
        .await;
    drain(world, "m-0").await.expect("a drain")
}

async fn is_there(world: &World, pod: &str) -> bool {
    let pod = world.pods().get_opt(pod).await.expect("an answer");
    pod.is_some_and(|p| p.metadata.deletion_timestamp.is_none())
}

async fn idle(world: &World) {
    world.until("it is free", async || world.count(MachineState::Idle).await == 1).await;
}

async fn choose(world: &World, value: &str) {
    let annotations = json!({ labels::DRAIN_CHOICE: value, labels::REQUESTED_BY: "ada" });
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    world.api::<Machine>().patch("m-0", &PatchParams::default(), &patch).await.expect("written");
}

async fn choice_is_taken(world: &World) {
    world
        .until("the choice is taken off", async || {
            let machine = world.api::<Machine>().get("m-0").await.expect("the machine");
            !machine.annotations().contains_key(labels::DRAIN_CHOICE)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_forces_one_drain_and_no_other() {
    let world = one().await;
    protect(&world, "shop", "shop").await;
    world.pod("shop-0", "m-0", "shop").await;
    world.scale(0, json!({})).await;
    let blocked = blocked_by(&world, BlockerKind::NeverSatisfiable).await;
    let blocker = &blocked.blockers[0];
    assert_eq!((blocker.pdb.as_deref(), blocker.disruptions_allowed), (Some("default/shop"), Some(0)));
    assert!(blocker.refused > 0 && blocker.last_refused_at.is_some() && blocker.pod_uid.is_some(), "{blocker:?}");
    assert_eq!(blocked.losses[0].kind, LossKind::Pod, "it is said before that nothing makes it anew");

    choose(&world, "another=force").await;
    choice_is_taken(&world).await;
    let after = drain(&world, "m-0").await.expect("a drain");
    assert!(after.choice.is_none() && is_there(&world, "shop-0").await, "{after:?}");

    choose(&world, &format!("{}=force", after.operation)).await;
    world
        .until("it is recorded", async || {
            let decided = drain(&world, "m-0").await.and_then(|d| d.choice);
            decided.is_some_and(|c| c.choice == DrainTimeoutAction::Force && c.by.as_deref() == Some("ada"))
        })
        .await;
    idle(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_leaves_a_node_in_quarantine_before_its_deadline() {
    let world = one().await;
    protect(&world, "shop", "shop").await;
    world.pod("shop-0", "m-0", "shop").await;
    world.scale(0, json!({})).await;
    let blocked = blocked_by(&world, BlockerKind::NeverSatisfiable).await;
    choose(&world, &format!("{}=skip", blocked.operation)).await;
    world.until("it is skipped", async || drain(&world, "m-0").await.is_some_and(|d| d.skipped_at.is_some())).await;
    assert_eq!(drain(&world, "m-0").await.unwrap().choice.unwrap().by.as_deref(), Some("ada"));
    assert!(is_there(&world, "shop-0").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_force_the_node_is_empty_at_the_deadline() {
    let world = one().await;
    world.drain_policy(json!({"timeoutSeconds": 8, "onTimeout": "Force"})).await;
    protect(&world, "shop", "shop").await;
    world.pod("shop-0", "m-0", "shop").await;
    world.scale(0, json!({})).await;
    let blocked = blocked_by(&world, BlockerKind::NeverSatisfiable).await;
    assert!(is_there(&world, "shop-0").await, "the first half of the time belongs to the budget: {blocked:?}");
    idle(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_without_consent() {
    let world = one().await;
    world.drain_policy(json!({"unmanagedPods": "Block", "emptyDirData": "Block"})).await;
    world.pod("solo", "m-0", "solo").await;
    world.pod("done", "m-0", "done").await;
    world.pod_is("done", "Succeeded").await;
    world.scale(0, json!({})).await;
    let blocked = blocked_by(&world, BlockerKind::Unmanaged).await;
    assert_eq!(blocked.blockers[0].refused, 0, "it was not even asked");
    world.until("what is over may go", async || !is_there(&world, "done").await).await;
    assert!(is_there(&world, "solo").await);
    world.drain_policy(json!({"unmanagedPods": "Evict", "emptyDirData": "Delete"})).await;
    idle(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_say_whether_and_in_which_order_they_go() {
    let world = one().await;
    protect(&world, "first", "first").await;
    let word = |key: &str, value: &str| json!({"annotations": {key: value}});
    world.pod_with("late", "m-0", "late", word(labels::DRAIN_ORDER, "5"), json!({})).await;
    world.pod_with("stays", "m-0", "stays", word(labels::DRAIN, "skip"), json!({})).await;
    world.pod_with("works", "m-0", "works", word(labels::DRAIN, "wait-completed"), json!({})).await;
    world.pod("first-0", "m-0", "first").await;
    world.scale(0, json!({})).await;
    let blocked = blocked_by(&world, BlockerKind::WaitCompleted).await;
    assert_eq!((blocked.pods_total, blocked.pods_left), (3, 3), "{blocked:?}");
    for pod in ["late", "works", "first-0"] {
        assert!(is_there(&world, pod).await, "{pod}");
    }
    world.pods().delete("first-0", &DeleteParams::default()).await.expect("deleted");
    world.pod_is("works", "Succeeded").await;
    idle(&world).await;
    assert!(is_there(&world, "stays").await && !is_there(&world, "late").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_budgets_on_a_pod_are_named() {
    let world = one().await;
    protect(&world, "a", "shop").await;
    protect(&world, "b", "shop").await;
    world.pod("shop-0", "m-0", "shop").await;
    world.scale(0, json!({})).await;
    let blocked = blocked_by(&world, BlockerKind::ManyBudgets).await;
    assert!(blocked.blockers[0].message.contains("default/a and default/b"), "{:?}", blocked.blockers);
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(world.tenant.client(), NAMESPACE);
    for name in ["a", "b"] {
        budgets.delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    idle(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_not_done_before_its_volumes_are_detached() {
    let world = one().await;
    let volumes: Api<VolumeAttachment> = Api::all(world.tenant.client());
    let attached = json!({"metadata": {"name": "csi-1"},
        "spec": {"attacher": "csi.example.com", "nodeName": "node-m-0", "source": {"persistentVolumeName": "pv-1"}}});
    volumes.create(&PostParams::default(), &serde_json::from_value(attached).unwrap()).await.expect("created");
    world.scale(0, json!({})).await;
    let blocked = blocked_by(&world, BlockerKind::VolumeAttached).await;
    assert_eq!((blocked.blockers[0].pod.as_str(), blocked.pods_left), ("volume/pv-1", 0));
    assert!(blocked.emptied_at.is_some() && blocked.completed_at.is_none(), "{blocked:?}");
    volumes.delete("csi-1", &DeleteParams::default()).await.expect("deleted");
    idle(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_is_not_waited_for() {
    let world = one().await;
    // No kubelet of the test ends pods of this namespace.
    let namespaces: Api<Namespace> = Api::all(world.tenant.client());
    let dark = serde_json::from_value(json!({"metadata": {"name": "dark"}})).unwrap();
    namespaces.create(&PostParams::default(), &dark).await.expect("created");
    let pods: Api<Pod> = Api::namespaced(world.tenant.client(), "dark");
    let pod = json!({"metadata": {"name": "lost"}, "spec": {"nodeName": "node-m-0", "containers": [{"name": "c", "image": "i"}]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.expect("created");
    let silent =
        json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}});
    world.nodes().patch_status("node-m-0", &PatchParams::default(), &Patch::Merge(silent)).await.expect("silent");
    world.scale(0, json!({})).await;
    idle(&world).await;
    let left = pods.get("lost").await.expect("nobody could confirm that it has ended");
    assert!(left.metadata.deletion_timestamp.is_some());
    assert_eq!(left.metadata.deletion_grace_period_seconds, Some(1));
}

async fn disruption(world: &World) -> Option<Disruption> {
    world.api::<Cluster>().get_opt("blue").await.expect("an answer").and_then(|c| c.status).and_then(|s| s.disruption)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_told_what_a_drain_would_meet() {
    let world = World::new(2, 2).await;
    protect(&world, "shop", "shop").await;
    world.start("one");
    world.settled(2).await;
    world.until("budgets are published", async || disruption(&world).await.is_some_and(|d| d.budgets_total == 1)).await;
    let quiet = disruption(&world).await.unwrap();
    assert!(quiet.pods_counted_at.is_none() && quiet.nodes.is_empty(), "pods are counted for who asks: {quiet:?}");

    world.pod("shop-0", "m-0", "shop").await;
    world.pod("free-0", "m-1", "free").await;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(world.tenant.client(), NAMESPACE);
    world
        .until("the budget knows its pod", async || {
            budgets.get("shop").await.expect("it").status.is_some_and(|s| s.current_healthy == 1)
        })
        .await;
    let now = jiff::Timestamp::now().to_string();
    let ask = Patch::Merge(json!({"metadata": {"annotations": {labels::FORECAST_REQUESTED_AT: now}}}));
    let begun = tokio::time::Instant::now();
    world.api::<Cluster>().patch("blue", &PatchParams::default(), &ask).await.expect("asked");
    world
        .until("pods are counted", async || disruption(&world).await.is_some_and(|d| d.pods_counted_at.is_some()))
        .await;
    assert!(begun.elapsed().as_secs() < 10, "a dialog waits for it: {:?}", begun.elapsed());
    let seen = disruption(&world).await.unwrap();
    let nodes = ["node-m-0".to_owned(), "node-m-1".to_owned()];
    let told = forecast(&seen, &nodes, 2, &DrainPolicy::default());
    assert!(told.complete && told.is_blocked(), "{told:#?}");
    let kinds: Vec<_> = told.findings.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [FindingKind::NeverSatisfiable, FindingKind::Unmanaged]);
}
