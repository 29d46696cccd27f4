//! The server as a client sees it: kube-rs, unmodified, in process.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::watcher,
};
use serde_json::{Value, json};

use super::{ApiServer, Options};
use crate::api::{Machine, NodePool, definitions};

pub async fn server() -> ApiServer {
    let server = ApiServer::open(Options::default()).expect("it opens");
    server.install(definitions()).await.expect("the kinds are valid");
    server
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the test object is valid")
}

pub fn machine(name: &str) -> Machine {
    typed(json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine", "metadata": {"name": name},
        "spec": {"address": "127.0.0.1"},
    }))
}

fn machines(client: &Client) -> Api<Machine> {
    Api::namespaced(client.clone(), "default")
}

/// Code and reason of a refusal.
fn refusal<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> String {
    match result {
        Err(kube::Error::Api(status)) => format!("{} {}", status.code, status.reason),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn creates_reads_patches_and_deletes() {
    let client = server().await.client();
    let api = machines(&client);
    let made = api.create(&PostParams::default(), &machine("a")).await.expect("created");
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(refusal(api.create(&PostParams::default(), &machine("a")).await), "409 AlreadyExists");

    let patch = Patch::Merge(json!({"spec": {"paused": true}, "status": {"state": "Idle"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.expect("patched");
    assert!(patched.spec.paused && patched.status.is_none(), "the status has a writer of its own");
    assert_eq!(patched.metadata.generation, Some(2));

    let patch = Patch::Merge(json!({"spec": {"paused": false}, "status": {"currentPhase": "Join"}}));
    let patched = api.patch_status("a", &PatchParams::default(), &patch).await.expect("patched");
    assert!(patched.spec.paused && patched.metadata.generation == Some(2));
    assert_eq!(patched.status.and_then(|s| s.current_phase).as_deref(), Some("Join"));

    assert_eq!(refusal(api.replace("a", &PostParams::default(), &made).await), "409 Conflict");
    api.delete("a", &DeleteParams::default()).await.expect("deleted").right().expect("it is gone at once");
    assert_eq!(refusal(api.get("a").await), "404 NotFound");
}

#[tokio::test]
async fn a_patch_that_changes_nothing_is_no_write() {
    let client = server().await.client();
    let api = machines(&client);
    let made = api.create(&PostParams::default(), &machine("a")).await.expect("created");
    let same = Patch::Merge(json!({"spec": {"address": "127.0.0.1"}}));
    let after = api.patch("a", &PatchParams::default(), &same).await.expect("patched");
    assert_eq!(after.resource_version(), made.resource_version());
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace() {
    let client = server().await.client();
    let api = machines(&client);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&dry, &machine("a")).await.expect("would be created");
    assert_eq!(refusal(api.get("a").await), "404 NotFound");
}

#[tokio::test]
async fn lists_in_pages_and_by_selector() {
    let client = server().await.client();
    let api = machines(&client);
    for at in 0..5 {
        let mut machine = machine(&format!("m{at}"));
        machine.labels_mut().insert("parity".to_owned(), ["even", "odd"][at % 2].to_owned());
        api.create(&PostParams::default(), &machine).await.expect("created");
    }
    let page = api.list(&ListParams::default().limit(2)).await.expect("listed");
    assert_eq!((page.items.len(), page.metadata.remaining_item_count), (2, Some(3)));
    let token = page.metadata.continue_.expect("there is more");
    let rest = api.list(&ListParams::default().limit(9).continue_token(&token)).await.expect("listed");
    assert_eq!(rest.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["m2", "m3", "m4"]);
    let odd = api.list(&ListParams::default().labels("parity=odd")).await.expect("listed");
    assert_eq!(odd.items.len(), 2);
    let one = api.list(&ListParams::default().fields("metadata.name=m3")).await.expect("listed");
    assert_eq!(one.items.len(), 1);
    assert_eq!(refusal(api.list(&ListParams::default().fields("spec.nonsense=1")).await), "400 BadRequest");
}

#[tokio::test]
async fn a_watch_goes_on_where_the_list_ended() {
    let client = server().await.client();
    let api = machines(&client);
    let list = api.list(&ListParams::default()).await.expect("listed");
    let from = list.metadata.resource_version.expect("a list has one");
    let params = WatchParams::default().labels("app=x").timeout(10);
    let mut stream = api.watch(&params, &from).await.expect("watching").boxed();
    let mut labelled = machine("a");
    labelled.labels_mut().insert("app".to_owned(), "x".to_owned());
    api.create(&PostParams::default(), &machine("other")).await.expect("created");
    api.create(&PostParams::default(), &labelled).await.expect("created");
    let leave = Patch::Merge(json!({"metadata": {"labels": {"app": "y"}}}));
    api.patch("a", &PatchParams::default(), &leave).await.expect("patched");
    let mut seen = Vec::new();
    while let Some(event) = stream.try_next().await.expect("no error") {
        match event {
            WatchEvent::Added(m) => seen.push(format!("+{}", m.name_any())),
            WatchEvent::Deleted(m) => seen.push(format!("-{}", m.name_any())),
            WatchEvent::Bookmark(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["+a", "-a"]);
}

#[tokio::test]
async fn a_watch_from_the_future_is_expired() {
    let client = server().await.client();
    let mut stream = machines(&client).watch(&WatchParams::default(), "4000").await.expect("watching").boxed();
    match stream.try_next().await {
        Ok(Some(WatchEvent::Error(status))) => assert_eq!(status.code, 410),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn watchers_see_the_initial_state_and_what_follows() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let client = server().await.client();
        let api = machines(&client);
        api.create(&PostParams::default(), &machine("a")).await.expect("created");
        let mut stream = watcher(api.clone(), config).boxed();
        let mut seen = Vec::new();
        while seen.len() < 4 {
            let event = tokio::time::timeout(Duration::from_secs(5), stream.try_next()).await.expect("in time");
            match event.expect("no error").expect("it goes on") {
                watcher::Event::Init => seen.push("init".to_owned()),
                watcher::Event::InitApply(m) => seen.push(format!("({})", m.name_any())),
                watcher::Event::InitDone => {
                    seen.push("done".to_owned());
                    api.create(&PostParams::default(), &machine("b")).await.expect("created");
                }
                watcher::Event::Apply(m) => seen.push(m.name_any()),
                watcher::Event::Delete(m) => seen.push(format!("-{}", m.name_any())),
            }
        }
        assert_eq!(seen, ["init", "(a)", "done", "b"]);
    }
}

#[tokio::test]
async fn finalizers_hold_an_object_and_their_end_lets_it_go() {
    let client = server().await.client();
    let api = machines(&client);
    let mut held = machine("a");
    held.finalizers_mut().push("quarterdeck.dev/test".to_owned());
    api.create(&PostParams::default(), &held).await.expect("created");
    let going = api.delete("a", &DeleteParams::default()).await.expect("marked").left().expect("still there");
    assert!(going.metadata.deletion_timestamp.is_some());
    let more = Patch::Merge(json!({"metadata": {"finalizers": ["quarterdeck.dev/test", "x.io/y"]}}));
    assert_eq!(refusal(api.patch("a", &PatchParams::default(), &more).await), "422 Invalid");
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("a", &PatchParams::default(), &none).await.expect("patched");
    assert_eq!(refusal(api.get("a").await), "404 NotFound");
}

#[tokio::test]
async fn preconditions_bind_a_deletion_to_what_was_seen() {
    let client = server().await.client();
    let api = machines(&client);
    let made = api.create(&PostParams::default(), &machine("a")).await.expect("created");
    let other = DeleteParams::default()
        .preconditions(kube::api::Preconditions { uid: Some("other".to_owned()), resource_version: None });
    assert_eq!(refusal(api.delete("a", &other).await), "409 Conflict");
    let same = DeleteParams::default()
        .preconditions(kube::api::Preconditions { uid: made.uid(), resource_version: made.resource_version() });
    api.delete("a", &same).await.expect("deleted");
}

#[tokio::test]
async fn a_namespace_takes_its_content_along() {
    let server = server().await;
    let client = server.client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "n");
    let map: ConfigMap = typed(json!({"metadata": {"name": "c"}}));
    assert_eq!(refusal(maps.create(&PostParams::default(), &map).await), "404 NotFound");
    namespaces.create(&PostParams::default(), &typed(json!({"metadata": {"name": "n"}}))).await.expect("created");
    maps.create(&PostParams::default(), &map).await.expect("created");
    namespaces.delete("n", &DeleteParams::default()).await.expect("marked");
    for _ in 0..1000 {
        if namespaces.get_opt("n").await.expect("read").is_none() {
            return assert!(maps.get_opt("c").await.expect("read").is_none());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the namespace is still there");
}

#[tokio::test]
async fn a_pod_on_a_node_is_given_its_grace() {
    let client = server().await.client();
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let pod: Pod = typed(
        json!({"metadata": {"name": "p"}, "spec": {"nodeName": "w", "containers": [{"name": "c", "image": "i"}]}}),
    );
    pods.create(&PostParams::default(), &pod).await.expect("created");
    let going = pods.delete("p", &DeleteParams::default()).await.expect("marked").left().expect("still there");
    assert_eq!(going.metadata.deletion_grace_period_seconds, Some(30));
    pods.delete("p", &DeleteParams::default().grace_period(0)).await.expect("deleted");
    assert!(pods.get_opt("p").await.expect("read").is_none());
}

#[tokio::test]
async fn names_are_made_up_and_bad_ones_refused() {
    let client = server().await.client();
    let api: Api<NodePool> = Api::namespaced(client.clone(), "default");
    assert_eq!(refusal(api.get("x").await), "404 NotFound");
    let mut made = machine("x");
    made.metadata = typed(json!({"generateName": "m-"}));
    let made = machines(&client).create(&PostParams::default(), &made).await.expect("created");
    assert_eq!(made.name_any().len(), 7);
    assert_eq!(refusal(machines(&client).create(&PostParams::default(), &machine("Bad_")).await), "422 Invalid");
}
