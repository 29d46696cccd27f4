//! What survives: a server that is dropped, and one whose process is killed in the middle of writes.

use std::{path::Path, process::Stdio, time::Duration};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{ApiServer, Options, tests::machine};
use crate::api::{Machine, definitions};

/// Names the directory in which the child process writes until it is killed.
const CHILD: &str = "QUARTERDECK_TEST_WRITER";

fn open(directory: &Path) -> ApiServer {
    let directory = Some(directory.to_owned());
    // The file is let go a moment after the last client.
    for _ in 0..1000 {
        match ApiServer::open(Options { directory: directory.clone(), ..Options::default() }) {
            Ok(server) => return server,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    panic!("the store does not open")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_start_finds_everything_and_goes_on_counting() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = {
        let server = open(directory.path());
        server.install(definitions()).await.expect("valid");
        let api: Api<Machine> = Api::namespaced(server.client(), "default");
        for name in ["a", "b"] {
            api.create(&PostParams::default(), &machine(name)).await.expect("created");
        }
        api.delete("b", &DeleteParams::default()).await.expect("deleted");
        api.list(&ListParams::default()).await.expect("listed")
    };
    let server = open(directory.path());
    let api: Api<Machine> = Api::namespaced(server.client(), "default");
    let after = api.list(&ListParams::default()).await.expect("listed: the definition is served");
    assert_eq!(after.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["a"]);
    assert_eq!(after.items[0].resource_version(), before.items[0].resource_version());
    let revision = |list: &kube::core::ListMeta| list.resource_version.as_ref().and_then(|r| r.parse::<u64>().ok());
    assert!(revision(&after.metadata) >= revision(&before.metadata));
    let new = api.create(&PostParams::default(), &machine("c")).await.expect("created");
    assert!(new.resource_version().and_then(|r| r.parse().ok()) > revision(&before.metadata));

    let mut old = Box::pin(api.watch(&WatchParams::default(), "3").await.expect("watching"));
    match old.try_next().await {
        Ok(Some(WatchEvent::Error(status))) => assert_eq!(status.code, 410, "events from before the start are gone"),
        other => panic!("{other:?}"),
    }
}

/// Not a test by itself: the child of the next one. Writes without end and names what was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn writer() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let server = open(Path::new(&directory));
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let write = |at: usize| {
        let api = api.clone();
        async move {
            let map = json!({"metadata": {"name": format!("m{at}")}, "data": {"text": "x".repeat(500)}});
            let map: ConfigMap = serde_json::from_value(map).expect("valid");
            let made = api.create(&PostParams::default(), &map).await.expect("created");
            println!("acknowledged {} {}", made.name_any(), made.resource_version().unwrap_or_default());
        }
    };
    let writes = futures::stream::iter(0..1_000_000).map(write).buffer_unordered(32);
    writes.for_each(|()| async {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "embedded::durability_tests::writer", "--nocapture"])
        .env(CHILD, directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    while let Some(line) = lines.next_line().await.expect("readable") {
        let mut words = line.split_whitespace().skip_while(|word| *word != "acknowledged").skip(1);
        if let (Some(name), Some(revision)) = (words.next(), words.next().and_then(|r| r.parse().ok())) {
            acknowledged.push((name.to_owned(), revision));
        }
        if acknowledged.len() == 300 {
            child.start_kill().expect("killed");
        }
    }
    child.wait().await.expect("it is over");
    assert!(acknowledged.len() >= 300);
    let server = open(directory.path());
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let list = api.list(&ListParams::default()).await.expect("listed");
    for (name, revision) in &acknowledged {
        let found = list.iter().find(|map| map.name_any() == *name).unwrap_or_else(|| panic!("{name} is lost"));
        assert_eq!(found.resource_version(), Some(revision.to_string()));
    }
    let last = list.metadata.resource_version.and_then(|r| r.parse::<u64>().ok()).expect("a revision");
    assert!(last >= acknowledged.iter().map(|(_, revision)| *revision).max().unwrap_or_default());
}
