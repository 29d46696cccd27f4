//! `quarterdeck upgrade`, `replace` and what steers a rollout: previews, refusals, questions, and how it waits.

use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use quarterdeck::api::{ClusterDeployment, Machine, NodePool, OperationType};
use regex::Regex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{door::Door, pty::Pty, world::World};

/// Five machines, three of them in `blue/pool`.
async fn stage() -> (World, Door) {
    let world = World::new(5, 3).await;
    world.start("one");
    world.settled(3).await;
    let door = Door::open(world.meta.server()).await;
    (world, door)
}

/// What a dry run prints, without what differs from run to run.
async fn dry_run(door: &Door, words: &str) -> String {
    let (code, out, err) = door.run(&format!("{words} --dry-run")).await;
    assert!(code == 0 && err.is_empty(), "{words}: {code}\n{out}{err}");
    let out = Regex::new(r"\d{4}-\d\d-\d\dT[\d:.]+Z").expect("valid").replace_all(&out, "TIME");
    Regex::new(r"about \w+, \w+ if").expect("valid").replace_all(&out, "about T, T if").into_owned()
}

async fn kubelets(world: &World) -> Vec<String> {
    let machines = world.machines().await;
    let members = machines.iter().filter(|m| m.spec.claim_ref.is_some());
    members.filter_map(|m| m.status.as_ref()?.node.as_ref()?.kubelet_version.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_steps_and_the_diff() {
    let (world, door) = stage().await;
    // What is seen of budgets comes by itself, soon after the cluster is there; from then on the plan says what is missing.
    let clusters: kube::Api<quarterdeck::api::Cluster> = world.api();
    let is_seen = async || {
        let cluster = clusters.get_opt("blue").await.expect("an answer");
        cluster.and_then(|cluster| cluster.status).is_some_and(|status| status.disruption.is_some())
    };
    world.until("budgets were looked at", is_seen).await;
    let member = world.machines().await.into_iter().find(|m| m.spec.claim_ref.is_some()).expect("a member").name_any();
    insta::assert_snapshot!("upgrade_cluster", dry_run(&door, "upgrade blue 1.34.3").await);
    insta::assert_snapshot!("upgrade_pool", dry_run(&door, "upgrade blue/pool v1.34.3 --reason CHG-1").await);
    insta::assert_snapshot!("replace_pool", dry_run(&door, "replace blue/pool").await);
    let one = dry_run(&door, &format!("replace --machines {member}")).await;
    insta::assert_snapshot!("replace_machine", one.replace(&member, "MEMBER"));
    insta::assert_snapshot!("pause", dry_run(&door, "pause blue/pool").await);

    let (_, out, err) = door.run("upgrade blue/pool 1.34.3 --dry-run -o json").await;
    let preview: Value = serde_json::from_str(&out).expect("only the plan is on standard output");
    assert_eq!(preview["stages"][0]["to"], "1.34.3", "{out}");
    assert_eq!((&preview["machines"], &preview["confirm"]), (&json!(3), &json!("blue-pool")));
    assert!(err.contains("+  version: \"1.34.3\""), "{err}");
    let (_, yaml, _) = door.run("upgrade blue/pool 1.34.3 --dry-run -o yaml").await;
    let read: Value = serde_saphyr::from_str(&yaml).expect("yaml");
    assert_eq!(read["stages"][0]["pools"], preview["stages"][0]["pools"]);
    assert_eq!(world.pool().await.metadata.generation, Some(1), "nothing of this changed anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_has_its_sentence() {
    let (world, door) = stage().await;
    let offered = json!({ "artifacts": { "versions": ["1.34.2", "1.34.3", "1.36.0"] } });
    world.patch_deployment(offered).await;
    world
        .create::<Machine>(json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine",
            "metadata": {"name": "spare"}, "spec": {"address": "10.0.0.9"}}))
        .await;
    for (words, code, said) in [
        ("upgrade blue latest", 2, "latest is not a version such as 1.34.2"),
        ("upgrade blue 1.34.9", 2, "1.34.9 is not among the versions that are to be had"),
        ("upgrade blue/pool 1.36.0 --yes --dry-run=x", 2, "--dry-run"),
        ("upgrade bleu 1.34.3", 3, "there is no cluster bleu; there are blue"),
        ("upgrade blue/gpu 1.34.3", 3, "cluster blue has no pool gpu; it has pool"),
        ("upgrade blue/ 1.34.3", 2, "CLUSTER/POOL"),
        ("upgrade blue", 2, "VERSION"),
        ("upgrade blue 1.34.3", 6, "confirm with --yes"),
        ("replace", 2, "CLUSTER/POOL"),
        ("replace --machines m-99", 3, "there is no machine m-99; there are m-0"),
        ("replace --machines spare", 2, "spare belongs to no pool: there is nothing to replace"),
        ("replace --machines ,", 2, "name machines"),
        ("rollback blue/pool --yes", 6, "there is nothing to go back to"),
        ("retry blue/pool --yes", 6, "there is nothing to retry"),
        ("abort blue/pool --yes", 6, "no rollout of blue-pool is under way to be ended"),
        ("hold blue", 2, "CLUSTER/POOL"),
        ("resume blue", 0, "blue is not paused; pools of it may be"),
        ("pause green", 3, "there is no cluster green"),
        ("resume blue/pool", 0, "blue-pool is not paused"),
        ("upgrade blue 1.34.2", 0, "blue has that version already"),
        ("upgrade blue 1.34.3 --timeout 5m", 2, "--wait"),
    ] {
        door.check(words, code, said).await;
    }
    assert_eq!(world.pool().await.metadata.generation, Some(1), "nothing of this changed anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_cannot_be_had_are_refused() {
    let world = World::new(5, 1).await;
    let pools = json!([
        { "name": "pool", "replicas": 1 },
        { "name": "control-plane", "role": "ControlPlane", "replicas": 1 },
    ]);
    world.patch_deployment(json!({ "pools": pools })).await;
    world.start("one");
    world.until("both are Ready", async || world.count(quarterdeck::api::MachineState::Ready).await == 2).await;
    let door = Door::open(world.meta.server()).await;
    for (words, code, said) in [
        ("upgrade blue 1.33.9", 2, "1.34.2 to 1.33.9 is a downgrade"),
        ("upgrade blue 1.36.0", 2, "leads over 1.35"),
        ("upgrade blue/control-plane 1.34.3", 2, "upgrade the whole cluster"),
        ("upgrade blue/pool 1.35.0", 2, "upgrade the control plane first"),
        ("scale blue/control-plane 0 --yes", 2, "a control plane needs at least one replica"),
    ] {
        door.check(words, code, said).await;
    }
    let machines = world.machines().await;
    let of = |pool: &str| {
        let is_of = |m: &&Machine| m.spec.claim_ref.as_ref().is_some_and(|c| c.pool_name == pool);
        machines.iter().find(is_of).expect("it has one").name_any()
    };
    let (worker, member) = (of("blue-pool"), of("blue-control-plane"));
    door.check(&format!("replace --machines {worker},{member}"), 2, "replace them pool by pool").await;
    let said = format!("{member} is a machine of blue-control-plane, not of blue-pool");
    door.check(&format!("replace blue/pool --machines {member}"), 2, &said).await;
    let (_, out, _) = door.run("upgrade blue 1.35.0 --dry-run").await;
    let at = |words: &str| out.find(words).unwrap_or_else(|| panic!("{words} is missing:\n{out}"));
    assert!(at("1. control plane 1.34.2 → 1.35.0") < at("2. workers 1.34.2 → 1.35.0"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_window_is_waited_for_unless_somebody_does_not() {
    let (world, door) = stage().await;
    let opens = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(12);
    let window = json!({ "schedule": opens.strftime("%-M %-H * * *").to_string(), "durationMinutes": 60 });
    world.patch_deployment(json!({ "maintenanceWindows": [window] })).await;
    let opens = opens.strftime("%a %-d %b %H:%M UTC");

    let (_, out, err) = door.run("upgrade blue/pool 1.34.3 --dry-run -o json").await;
    let preview: Value = serde_json::from_str(&out).expect("only the plan is on standard output");
    assert_eq!((&preview["window"]["state"], &preview["window"]["isInTheWay"]), (&json!("Closed"), &json!(true)));
    assert_eq!((&preview["window"]["isOverridden"], &preview["level"]), (&json!(false), &json!(2)));
    assert!(
        err.contains("maintenance window closed: opens in 11h5") && err.contains(&format!("m, {opens}\n")),
        "{err}"
    );
    let (_, out, err) = door.run("upgrade blue/pool 1.34.3 --outside-window --dry-run -o json").await;
    let preview: Value = serde_json::from_str(&out).expect("only the plan is on standard output");
    assert_eq!((&preview["window"]["isOverridden"], &preview["level"]), (&json!(true), &json!(3)));
    assert!(err.contains(&format!("{opens}, not waited for\n")), "{err}");
    assert!(err.contains("+    quarterdeck.dev/outside-window: "), "{err}");

    door.check("upgrade blue/pool 1.34.3 --yes", 0, "quarterdeck get pools -w").await;
    let says_why = async || {
        let status = world.pool().await.status.unwrap_or_default();
        status.rollout.is_some_and(|r| r.reason.as_deref() == Some("WindowClosed"))
    };
    world.until("the controllers say what they wait for", says_why).await;
    let (code, out, err) = door.run("upgrade blue/pool 1.34.3 --yes --wait --timeout 3s").await;
    let waits = format!("why not faster: outside of the maintenance window: goes on {opens}");
    assert!(code != 0 && err.contains(&waits), "{code} {out}{err}");
    assert_eq!(kubelets(&world).await, ["1.34.2"; 3]);
    let (code, out, err) = door.run("upgrade blue/pool 1.34.3 --outside-window --yes --wait --timeout 60s").await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(kubelets(&world).await, ["1.34.3"; 3]);
    let is_used_up = async || !world.pool().await.annotations().contains_key("quarterdeck.dev/outside-window");
    world.until("the word is used up", is_used_up).await;

    // A machine that somebody names: the next one waits again.
    let chosen = world.machines().await.into_iter().find(|m| m.spec.claim_ref.is_some()).expect("a member").name_any();
    let (code, _, err) = door.run(&format!("replace --machines {chosen} --yes --wait --timeout 2s")).await;
    assert!(code != 0 && err.contains("0/1 replaced"), "{code} {err}");
    let (code, out, err) =
        door.run(&format!("replace --machines {chosen} --outside-window --yes --wait --timeout 60s")).await;
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = door.run("rollback blue/pool --outside-window --yes --wait --timeout 60s").await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(kubelets(&world).await, ["1.34.2"; 3]);
    let (code, out, err) = door.run("upgrade blue 1.34.3 --outside-window --yes").await;
    assert_eq!(code, 0, "{out}{err}");
    door.check("hold blue/pool --outside-window", 2, "unexpected argument").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_replace_and_rollback_wait_until_it_is_so() {
    let (world, door) = stage().await;
    let (code, out, err) = door.run("upgrade blue 1.34.3 --yes --wait --timeout 60s --reason CHG-7").await;
    assert!(code == 0 && out.ends_with("blue-pool: done\n"), "{code} {out}{err}");
    // What a machine is doing is said at the looks that find it doing so: between two of them it may come and go.
    assert!(err.contains("/3 updated"), "{err}");
    assert_eq!(kubelets(&world).await, ["1.34.3"; 3]);
    door.check("upgrade blue 1.34.3 --wait", 0, "blue has that version already").await;

    let chosen = world.machines().await.into_iter().find(|m| m.spec.claim_ref.is_some()).expect("a member").name_any();
    let (code, out, err) = door.run(&format!("replace --machines {chosen} --yes --wait --timeout 60s -o json")).await;
    assert_eq!(code, 0, "{out}{err}");
    let printed: Value = serde_json::from_str(&out).expect("only the machine is on standard output");
    assert_eq!((&printed["kind"], &printed["metadata"]["name"]), (&json!("Machine"), &json!(chosen)));
    assert!(err.contains("0/1 replaced") && err.contains("blue-pool: done"), "{err}");
    let replaced = world.operations().await.into_iter().filter(|o| o.spec.type_ == OperationType::Replace);
    let last = replaced.filter(|o| o.spec.machines.iter().any(|m| m.name == chosen)).count();
    assert!(last >= 1, "it was reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_held_aborted_and_rolled_back() {
    let (world, door) = stage().await;
    world.executor.held.store(true, std::sync::atomic::Ordering::SeqCst);
    door.check("upgrade blue/pool 1.34.3 --yes", 0, "quarterdeck get pools -w").await;
    world.until("it has begun", async || world.condition("RollingOut").await.0 == "True").await;
    let is_counted = async || world.pool().await.status.is_some_and(|status| status.updated_replicas == 1);
    world.until("the first one is counted", is_counted).await;
    let (code, out, _) = door.run("get pools").await;
    assert!(code == 0 && out.contains("UPDATED") && out.contains("RollingOut") && out.contains("  1/3  "), "{out}");
    door.check("upgrade blue/pool 1.34.4 --yes", 6, "is being rolled out to 1.34.3 already (3 machines left)").await;

    door.check("pause blue/pool --wait --timeout 30s", 0, "blue-pool: done").await;
    door.check("pause blue/pool", 0, "blue-pool is paused already").await;
    door.check("pause blue", 0, "blue stands still, with all of its pools").await;
    door.check("resume blue --yes", 0, "blue-pool is paused itself and stays so").await;
    door.check("upgrade blue/pool 1.34.3 --yes --wait --timeout 2s", 124, "blue-pool is not there after").await;
    door.check("resume blue/pool --yes", 0, "").await;
    door.check("hold blue/pool", 0, "takes nothing more away").await;
    world.executor.held.store(false, std::sync::atomic::Ordering::SeqCst);
    door.check("unhold blue/pool --yes --dry-run", 0, "-  hold: true").await;
    let (code, out, err) = door.run("upgrade blue/pool 1.34.3 --wait --yes --timeout 60s").await;
    assert!(code == 6 && err.contains("quarterdeck unhold blue/pool"), "{code} {out}{err}");

    door.check("abort blue/pool --yes --wait --timeout 60s", 0, "blue-pool: done").await;
    assert_eq!(world.pool().await.spec.rollout.partition, Some(3), "old machines are kept");
    door.check("unhold blue/pool --yes", 0, "").await;
    let (code, out, err) = door.run("rollback blue/pool --yes --wait --timeout 60s").await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(kubelets(&world).await, ["1.34.2"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_hears_what_failed_and_retries() {
    let (world, door) = stage().await;
    let idle = world.machines().await.into_iter().filter(|m| m.spec.claim_ref.is_none());
    world.executor.failing.lock().unwrap().extend(idle.map(|m| m.name_any()));
    let (code, out, err) = door.run("upgrade blue/pool 1.34.3 --yes --wait --timeout 60s").await;
    assert!(code == 1 && err.contains("quarterdeck retry blue/pool"), "{code} {out}{err}");
    world.executor.failing.lock().unwrap().clear();
    let (code, out, err) = door.run("retry blue/pool --yes --wait --timeout 60s").await;
    assert!(code == 0, "{code} {out}{err}");
    assert_eq!(kubelets(&world).await, ["1.34.3"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_wait_says_what_goes_on() {
    let (world, door) = stage().await;
    world.executor.held.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut child = door.start("upgrade blue/pool 1.34.3 --yes --wait");
    world.until("it has begun", async || world.condition("RollingOut").await.0 == "True").await;
    // It waits once it says how far that is.
    let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("blue-pool: ")) {
        lines.push(said.next_line().await.expect("it can be read").expect("it goes on"));
    }
    // Not INT: who starts tests in the background has it ignored, and what they start inherits that.
    let pid = child.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    while let Some(line) = said.next_line().await.expect("it can be read") {
        lines.push(line);
    }
    let (ended, said) = (child.wait().await.expect("it ends"), lines.join("\n"));
    assert_eq!(ended.code(), Some(130), "{said}");
    assert!(said.contains("blue-pool goes on without us") && said.contains("quarterdeck pause blue/pool"), "{said}");
}

/// Types an answer, after something has happened meanwhile; the exit code and the last screen.
async fn answered(door: &Door, words: &'static str, answer: &'static str, meanwhile: impl Future) -> (u32, String) {
    let kubeconfig = door.kubeconfig();
    let open = move || {
        let terminal = Pty::open(words, &kubeconfig, &[]);
        terminal.sees(" to go on:");
        terminal
    };
    let mut terminal = tokio::task::spawn_blocking(open).await.expect("it asks");
    meanwhile.await;
    let ends = move || {
        terminal.types(answer);
        (terminal.ends(), terminal.text())
    };
    tokio::task::spawn_blocking(ends).await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_typed_and_hold_only_for_what_was_shown() {
    let (world, door) = stage().await;
    let words = "upgrade blue/pool 1.34.3";
    for no in ["y\r", "\r", "blue\r", "\u{4}"] {
        let (code, screen) = answered(&door, words, no, async {}).await;
        assert!(code == 6 && screen.contains("nothing was changed"), "{no:?}: {code}\n{screen}");
    }
    let changed = world.patch_pool(json!({ "replicas": 2 }));
    let (code, screen) = answered(&door, words, "blue-pool\r", changed).await;
    assert!(code == 6 && screen.contains("was changed by somebody else"), "{code}\n{screen}");

    let moved = async {
        let patch = Patch::Merge(json!({ "status": { "unavailableReplicas": 1 } }));
        let pools: kube::Api<NodePool> = world.api();
        pools.patch_status("blue-pool", &PatchParams::default(), &patch).await.expect("patched");
    };
    let (code, screen) = answered(&door, words, "blue-pool\r", moved).await;
    assert_eq!(code, 0, "only the status has moved:\n{screen}");
    assert_eq!(world.pool().await.spec.version.as_deref(), Some("1.34.3"));
    let deployments: kube::Api<ClusterDeployment> = world.api();
    assert_eq!(deployments.get("blue").await.expect("it is there").spec.version, "1.34.2", "the pool alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_tagged_production_takes_one_level_more() {
    let (world, door) = stage().await;
    door.configure("contexts:\n- name: test\n  tags: [production]\n");
    // A script has to say why; a look, and stopping, take nothing more.
    for words in ["upgrade blue/pool 1.34.3 --yes", "replace blue/pool --yes", "scale blue/pool 4 --yes"] {
        door.check(words, 6, "context test is tagged production: say why with --reason TEXT").await;
    }
    door.check("upgrade blue/pool 1.34.3", 6, "say why with --reason").await;
    door.check("upgrade blue/pool 1.34.3 --reason CHG-1", 6, "confirm with --yes").await;
    door.check("upgrade blue/pool 1.34.3 --dry-run", 0, "context test is tagged production: one level more").await;
    assert_eq!(world.pool().await.metadata.generation, Some(1), "nothing of this changed anything");
    door.check("pause blue/pool", 0, "").await;
    door.check("resume blue/pool", 6, "confirm with --yes").await;
    door.check("resume blue/pool --yes", 0, "").await;
    door.check("scale blue/pool 4 --yes --reason CHG-2", 0, "4 replicas").await;
    let preview: Value =
        serde_json::from_str(&door.run("upgrade blue/pool 1.34.3 --dry-run -o json").await.1).expect("the plan");
    assert_eq!(preview["level"], 3);
    // Another context is none of it.
    door.configure("contexts:\n- name: other\n  tags: [production]\n");
    door.check("scale blue/pool 3 --yes", 0, "3 replicas").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_labelled_production_takes_one_level_more() {
    let (world, door) = stage().await;
    let marked = Patch::Merge(json!({ "metadata": { "labels": { "quarterdeck.dev/environment": "production" } } }));
    let deployments: kube::Api<ClusterDeployment> = world.api();
    deployments.patch("blue", &PatchParams::default(), &marked).await.expect("labelled");
    for words in ["upgrade blue/pool 1.34.3 --yes", "replace blue/pool --yes", "scale blue/pool 4 --yes"] {
        door.check(words, 6, "is labelled production: say why with --reason TEXT").await;
    }
    door.check("scale blue/pool 4 --dry-run", 0, "is labelled production: one level more to confirm").await;
    door.check("pause blue/pool", 0, "").await;
    door.check("resume blue/pool --dry-run", 0, "is labelled production: one level more to confirm").await;
    door.check("resume blue/pool --yes", 0, "").await;
    door.check("scale blue/pool 4 --yes --reason CHG-2", 0, "4 replicas").await;
}
