//! `quarterdeck cordon`, `uncordon` and `drain`: of our own cordons, and of somebody else's.

use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use quarterdeck::api::Machine;
use serde_json::json;

use crate::{door::Door, world::World};

async fn is_cordoned(world: &World, machine: &str) -> bool {
    let node = world.nodes().get(&format!("node-{machine}")).await.expect("a node");
    node.spec.is_some_and(|s| s.unschedulable == Some(true))
}

async fn cordon_by_hand(world: &World, machine: &str) {
    let patch = Patch::Merge(json!({ "spec": { "unschedulable": true } }));
    world.nodes().patch(&format!("node-{machine}"), &PatchParams::default(), &patch).await.expect("patched");
    let machines: kube::Api<Machine> = world.api();
    world
        .until("it is seen", async || {
            let status = machines.get(machine).await.expect("a machine").status.unwrap_or_default();
            status.node.is_some_and(|n| n.unschedulable)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_cordoned_drained_and_given_back() {
    let world = World::new(3, 2).await;
    world.start("one");
    world.settled(2).await;
    let door = Door::open(world.meta.server()).await;
    let (members, idle): (Vec<_>, Vec<_>) =
        world.machines().await.into_iter().partition(|m| m.spec.claim_ref.is_some());
    let [one, two] = [0, 1].map(|n| members[n].name_any());

    door.check(&format!("cordon {one} --dry-run"), 0, "+  maintenance:").await;
    door.check(&format!("cordon {one}"), 6, "--yes").await;
    door.check("cordon m-77", 3, "there is no machine m-77; there are m-0").await;
    door.check("drain", 2, "MACHINE").await;
    let said = format!("{0} belongs to no cluster: it has no node to drain", idle[0].name_any());
    door.check(&format!("drain {}", idle[0].name_any()), 2, &said).await;
    door.check(&format!("uncordon {one}"), 0, &format!("{one} is not cordoned")).await;
    assert!(!is_cordoned(&world, &one).await, "nothing of this changed anything");

    door.check(&format!("cordon {one} --yes --wait --timeout 30s"), 0, &format!("{one}: done")).await;
    assert!(is_cordoned(&world, &one).await);
    door.check(&format!("cordon {one} --yes"), 0, &format!("{one} is cordoned already")).await;

    world.pod("shop", &one, "shop").await;
    let (code, out, err) = door.run(&format!("drain {one} --yes --wait --timeout 30s --reason PSU -o json")).await;
    assert_eq!(code, 0, "{out}{err}");
    let printed: serde_json::Value = serde_json::from_str(&out).expect("only the machine is on standard output");
    assert_eq!(printed["spec"]["maintenance"]["reason"], "PSU", "{out}");
    assert!(world.pods().get_opt("shop").await.expect("an answer").is_none(), "it is empty");
    let (_, operations, _) = door.run("get operations").await;
    assert!(operations.contains("Drain"), "{operations}");

    door.check(&format!("uncordon {one} --yes --wait --timeout 30s"), 0, &format!("{one}: done")).await;
    assert!(!is_cordoned(&world, &one).await);

    cordon_by_hand(&world, &two).await;
    let said = format!("node-{two} was cordoned outside of Quarterdeck and is left so");
    door.check(&format!("uncordon {two} --yes"), 6, &said).await;
    door.check(&format!("cordon {two} --dry-run"), 0, "uncordon will leave it so").await;
    assert!(is_cordoned(&world, &two).await);
}
