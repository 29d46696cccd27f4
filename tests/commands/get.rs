//! `quarterdeck get`: colours, widths, watches, namespaces, and readers that go away.

use std::{process::Stdio, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

use crate::{door::Door, pty::Pty, world::World};

const PATIENCE: Duration = Duration::from_secs(60);

async fn in_a_terminal(door: &Door, words: &'static str, environment: &'static [(&str, &str)]) -> (String, String) {
    let kubeconfig = door.kubeconfig();
    let drive = move || {
        let mut terminal = Pty::open(words, &kubeconfig, environment);
        assert_eq!(terminal.ends(), 0, "{}", terminal.text());
        (terminal.text(), terminal.raw())
    };
    tokio::task::spawn_blocking(drive).await.expect("it ends well")
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_the_terminal_and_colours_can_be_had_without() {
    let world = World::new(2, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(world.meta.server()).await;

    let (_, raw) = in_a_terminal(&door, "get machines", &[]).await;
    assert!(raw.contains("\u{1b}[32mReady\u{1b}[0m"), "{raw:?}");
    let (_, raw) = in_a_terminal(&door, "get machines", &[("NO_COLOR", "1")]).await;
    assert!(raw.contains("Ready") && !raw.contains('\u{1b}'), "{raw:?}");
    let (_, raw) = in_a_terminal(&door, "get machines", &[("NO_COLOR", "")]).await;
    assert!(raw.contains('\u{1b}'), "an empty NO_COLOR is none: {raw:?}");
    let (code, out, _) = door.run("get machines").await;
    assert!(code == 0 && !out.contains('\u{1b}'), "{out:?}");

    for words in ["get clusters", "get pools", "get machines", "get operations", "get machines -A"] {
        let (_, raw) = in_a_terminal(&door, words, &[("NO_COLOR", "1")]).await;
        assert!(raw.lines().all(|l| l.trim_end().len() <= 80), "{words} is too wide:\n{raw}");
        assert!(raw.starts_with("NAME"), "{raw}");
    }
    let (_, narrow) = in_a_terminal(&door, "get operations", &[("NO_COLOR", "1")]).await;
    let (_, piped, _) = door.run("get operations").await;
    assert!(!narrow.contains("CLUSTER") && piped.contains("CLUSTER"), "only a terminal is narrow:\n{narrow}\n{piped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_shows_the_version_of_its_nodes() {
    let world = World::new(2, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(world.meta.server()).await;
    let (_, out, _) = door.run("get pools").await;
    assert!(out.lines().nth(1).is_some_and(|l| l.contains("  1.34.2  ")), "that of its cluster: {out}");
    door.check("get pools version:1.34 -o name", 0, "pool/blue-pool").await;
    let deployments: kube::Api<quarterdeck::api::ClusterDeployment> = world.api();
    world.executor.held.store(true, std::sync::atomic::Ordering::SeqCst);
    let newer = kube::api::Patch::Merge(json!({"spec": {"version": "1.35.0"}}));
    deployments.patch("blue", &kube::api::PatchParams::default(), &newer).await.expect("patched");
    world.until("it is being rolled out", async || world.condition("RollingOut").await.0 == "True").await;
    let (_, out, _) = door.run("get pools").await;
    let row = out.lines().nth(1).unwrap_or_default();
    assert!(row.contains("  1.35.0  ") && row.contains("  RollingOut  "), "that of its newest machines: {out}");
}

/// A watch that prints to us.
fn watching(door: &Door, words: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = door.start(words);
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    (child, lines)
}

/// Reads on to a line that has all the words.
async fn reads(lines: &mut Lines<BufReader<ChildStdout>>, words: &[&str]) -> String {
    let reading = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
        panic!("it ended before {words:?} came")
    };
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{words:?} does not come"))
}

/// Its exit code and what it said on standard error.
async fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    let ending = async { (stderr.read_to_string(&mut said).await, child.wait().await.expect("it ends").code()) };
    let (_, code) = timeout(PATIENCE, ending).await.expect("it ends in time");
    (code, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_changes_until_it_is_ended() {
    let world = World::new(2, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(world.meta.server()).await;
    let (child, mut lines) = watching(&door, "get machines -w");
    let head = reads(&mut lines, &["NAME", "STATE"]).await;
    reads(&mut lines, &["m-1", "Idle"]).await;
    let (events, mut json_lines) = watching(&door, "get pools -w -o json");
    reads(&mut json_lines, &["\"type\":\"ADDED\"", "blue-pool"]).await;

    world.scale(2, json!({})).await;
    let mut last = reads(&mut lines, &["m-1", "Claimed"]).await;
    while !last.contains("Ready") {
        assert_eq!(last.find("blue "), head.find("CLUSTER"), "columns stay where they are:\n{head}\n{last}");
        let next = reads(&mut lines, &["m-1"]).await;
        let words = |line: &str| line.split_whitespace().rev().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_ne!(words(&next), words(&last), "what looks the same is not printed again");
        last = next;
    }
    let event = reads(&mut json_lines, &["\"type\":\"MODIFIED\"", "\"readyReplicas\":2"]).await;
    let event: serde_json::Value = serde_json::from_str(&event).expect("one event, one line");
    assert_eq!(event["object"]["kind"], "NodePool");

    for child in [child, events] {
        // Not INT: who starts tests in the background has it ignored, and what they start inherits that.
        let pid = child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        let (code, said) = ended(child).await;
        assert!(code.is_none_or(|c| c == 143) && said.is_empty(), "{code:?} {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_go_away_end_it_without_a_word() {
    let world = World::new(40, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(world.meta.server()).await;
    for words in ["get machines", "get machines -o json", "get machines -o yaml", "get machines -o name", "crds"] {
        let mut child = door.start(words);
        drop(child.stdout.take());
        let (code, said) = ended(child).await;
        assert_eq!((code, said.as_str()), (Some(0), ""), "{words}");
    }
    let shell = format!("{} get machines | head -n 1", crate::door::BINARY);
    let piped = tokio::process::Command::new("sh")
        .args(["-c", &shell])
        .env("KUBECONFIG", door.kubeconfig())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("sh");
    let (out, err) = (String::from_utf8_lossy(&piped.stdout), String::from_utf8_lossy(&piped.stderr));
    assert!(out.starts_with("NAME") && out.lines().count() == 1 && err.is_empty(), "{out}{err}");

    let (child, mut lines) = watching(&door, "get machines -w");
    reads(&mut lines, &["m-39"]).await;
    drop(lines);
    world.scale(2, json!({})).await;
    assert_eq!(ended(child).await, (Some(0), String::new()), "at the next news nobody is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_named_and_missing_ones_are_said() {
    let world = World::new(1, 0).await;
    let door = Door::open(world.meta.server()).await;
    let missing = "the namespace nope does not exist: choose one with --namespace";
    for words in ["get machines -n nope", "scale blue/pool 1 -n nope", "logs x -n nope"] {
        door.check(words, 3, missing).await;
    }
    let other = json!({"metadata": {"name": "other"}});
    let namespaces = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(world.meta.client());
    namespaces.create(&Default::default(), &serde_json::from_value(other).unwrap()).await.expect("created");
    let machine = json!({"metadata": {"name": "elsewhere"}, "spec": {"address": "10.0.0.1"}});
    let machines = kube::Api::<quarterdeck::api::Machine>::namespaced(world.meta.client(), "other");
    let machine = quarterdeck::api::Machine::new(
        "elsewhere",
        serde_json::from_value(machine["spec"].clone()).expect("a machine"),
    );
    machines.create(&Default::default(), &machine).await.expect("created");

    let (code, out, _) = door.run("get machines -A").await;
    let rows: Vec<Vec<_>> = out.lines().map(|l| l.split_whitespace().take(2).collect()).collect();
    assert_eq!(code, 0, "{out}");
    assert_eq!(rows, [["NAMESPACE", "NAME"], ["default", "m-0"], ["other", "elsewhere"]], "{out}");
    let (_, out, _) = door.run("get machines -n other -o name").await;
    assert_eq!(out, "machine/elsewhere\n");
    door.check("get operations -n other", 0, "There are no operations in namespace other.").await;
    door.check("get machines state=failed", 0, "There are no machines in namespace default that match.").await;
    door.check("get machines nope", 3, "there is no machine nope in namespace default").await;
}

/// kubectl finds its plugins by their names.
#[test]
fn as_a_plugin_it_calls_itself_as_people_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("kubectl-quarterdeck");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_quarterdeck"), &plugin).expect("a link");
    let help = std::process::Command::new(&plugin).arg("--help").output().expect("it runs");
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success() && text.contains("Usage: kubectl quarterdeck [OPTIONS]"), "{text}");
}
