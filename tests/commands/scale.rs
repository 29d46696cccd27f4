//! `quarterdeck scale`: previews, questions, refusals, and how it waits.

use std::{sync::atomic::Ordering, time::Duration};

use kube::ResourceExt;
use quarterdeck::api::{MachineState, labels};

use crate::{door::Door, pty::Pty, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn scale_previews_asks_refuses_and_waits() {
    let world = World::new(4, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(world.meta.server()).await;

    door.check("scale blue/pool 3 --dry-run", 0, "claim 2 machines of 3 idle: m-1, m-2").await;
    door.check("scale blue/pool 3 --dry-run", 0, "+  replicas: 3").await;
    door.check("scale blue/pool 3", 6, "--yes").await;
    door.check("scale blue/pool 9 --yes", 6, "can have 4 replicas now, not 9").await;
    door.check("scale blue/gpu 3", 3, "cluster blue has no pool gpu; it has pool").await;
    door.check("scale blue 3", 2, "CLUSTER/POOL").await;
    door.check("scale blue/pool -1", 2, "").await;
    assert_eq!(world.pool().await.spec.replicas, 1, "nothing of this changed anything");

    door.check("scale blue/pool 4 --yes --wait --reason launch", 0, "4 of 4 machines are Ready").await;
    let operations = world.operations().await;
    let last = operations.iter().find(|o| o.spec.reason.is_some()).expect("it is on record");
    assert_eq!((last.spec.reason.as_deref(), last.spec.requested_by.as_deref()), (Some("launch"), Some("alice")));

    door.check("scale blue/pool 1 --dry-run", 0, "held up: 3 machines would leave, and 1 may without approval").await;
    let (code, out, err) = door.run("scale blue/pool 1 --yes --wait -o json").await;
    assert_eq!(code, 0, "{out}{err}");
    let printed: serde_json::Value = serde_json::from_str(&out).expect("only the pool is on standard output");
    assert_eq!(printed["metadata"]["annotations"][labels::APPROVED_REPLICAS], "1");
    world.until("all others are free", async || world.count(MachineState::Idle).await == 3).await;
    assert!(err.contains("Released"), "plain lines where there is no terminal: {err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_says_what_failed() {
    let world = World::new(2, 0).await;
    world.executor.failing.lock().unwrap().insert("m-0".to_owned());
    world.start("one");
    world
        .until("the pool is there", async || {
            world.api::<quarterdeck::api::NodePool>().get_opt("blue-pool").await.unwrap().is_some()
        })
        .await;
    let door = Door::open(world.meta.server()).await;
    door.check("scale blue/pool 1 --yes --wait", 1, "quarterdeck logs blue-pool-up-").await;
    // Whoever waits again does not wait for something that nobody works on.
    let (code, _, err) = door.run("scale blue/pool 1 --wait --timeout 30s").await;
    assert!(code == 1 && err.contains("m-0 failed: "), "{code} {err}");

    let (_, retry) = err.split_once("retry with  kubectl annotate operation ").expect("the way out");
    let [operation, annotation, _] = retry.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{retry}") };
    let (key, value) = annotation.split_once('=').expect("an annotation");
    world.executor.failing.lock().unwrap().clear();
    let operations: kube::Api<quarterdeck::api::Operation> = world.api();
    let patch = kube::api::Patch::Merge(serde_json::json!({"metadata": {"annotations": {key: value}}}));
    operations.patch(operation, &Default::default(), &patch).await.expect("annotated");
    door.check("scale blue/pool 1 --wait --timeout 30s", 0, "1 of 1 machines are Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_waits_no_longer_than_it_was_told_and_says_what_goes_on() {
    let world = World::new(3, 1).await;
    world.start("one");
    world.settled(1).await;
    world.executor.held.store(true, Ordering::SeqCst);
    let door = Door::open(world.meta.server()).await;
    door.check("scale blue/pool 3 --yes", 0, "is asked for 3 replicas").await;
    let is_begun = async || {
        world.operations().await.iter().any(|o| o.name_any().starts_with("blue-pool-up-") && o.spec.machines.len() == 2)
    };
    world.until("two machines are being made ready", is_begun).await;
    let (code, out, err) = door.run("scale blue/pool 3 --yes --wait --timeout 2s").await;
    assert_eq!(code, 124, "{out}{err}");
    let last = err.lines().last().unwrap_or_default();
    assert!(last.contains("blue-pool is not there after 2 s: 1 of 3 machines are Ready, 3 are wanted; "), "{err}");
    assert!(last.contains("blue-pool-up-") && last.contains("goes on without us"), "{err}");
    door.check("scale blue/pool 3 --timeout 5s", 2, "--wait").await;
    door.check("scale blue/pool 3 --wait --timeout soon", 2, "such as 90s").await;

    world.executor.held.store(false, Ordering::SeqCst);
    door.check("scale blue/pool 3 --wait --timeout 60", 0, "3 of 3 machines are Ready").await;
}

/// The terminal is driven from a thread where waiting is allowed.
async fn at_the_terminal<T: Send + 'static>(drive: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(drive).await.expect("what was expected on the screen")
}

/// Answers the question of a scale command; the exit code and the last screen.
async fn answered(door: &Door, words: &'static str, question: &'static str, answer: &'static str) -> (u32, String) {
    let kubeconfig = door.kubeconfig();
    at_the_terminal(move || {
        let mut terminal = Pty::open(words, &kubeconfig, &[]);
        terminal.sees(question);
        terminal.types(answer);
        (terminal.ends(), terminal.text())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_asks_at_a_terminal_and_shows_bars() {
    let world = World::new(4, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(world.meta.server()).await;
    for no in ["n\r", "\r", "blue-pool\r", "\u{4}"] {
        let (code, screen) = answered(&door, "scale blue/pool 3", "Scale blue-pool to 3? [y/N]", no).await;
        assert!(code == 6 && screen.contains("nothing was changed"), "{no:?}: {code}\n{screen}");
    }
    assert_eq!(world.pool().await.spec.replicas, 1);

    world.executor.held.store(true, Ordering::SeqCst);
    let (kubeconfig, held) = (door.kubeconfig(), world.executor.held.clone());
    let (code, screen) = at_the_terminal(move || {
        let mut terminal = Pty::open("scale blue/pool 3 --wait", &kubeconfig, &[]);
        terminal.sees("[y/N]");
        terminal.types("y\r");
        let screen = terminal.sees("] 1/3 Ready");
        assert!(screen.contains("blue-pool [=") && !screen.contains("Released"), "{screen}");
        terminal.sees("m-2  Claimed");
        held.store(false, Ordering::SeqCst);
        (terminal.ends(), terminal.text())
    })
    .await;
    assert!(code == 0 && screen.contains("] 3/3 Ready") && screen.contains("3 of 3 machines are Ready"), "{screen}");
    assert!(!screen.contains("m-2  "), "lines of machines go when they are through:\n{screen}");
    assert_eq!(world.pool().await.spec.replicas, 3);

    let (code, screen) = answered(&door, "scale blue/pool 2", "Type blue-pool to scale it to 2:", "y\r").await;
    assert!(code == 6 && world.pool().await.spec.replicas == 3, "a letter is not enough:\n{screen}");
    let (code, screen) = answered(&door, "scale blue/pool 2 --wait", "Type blue-pool", "blue-pool\r").await;
    assert!(code == 0 && screen.contains("] 1/1 released") && world.pool().await.spec.replicas == 2, "{screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_goes_on_when_nobody_reads_what_it_says() {
    let world = World::new(3, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(world.meta.server()).await;
    let mut child = door.start("scale blue/pool 3 --yes --wait");
    drop((child.stdout.take(), child.stderr.take()));
    let status = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("in time").expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert_eq!(world.count(MachineState::Ready).await, 3);
}
