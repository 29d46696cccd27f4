//! Each fault does what its name says, and a seed brings the same ones again.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU32, Ordering},
};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
};
use tokio::time::{Instant, timeout};

use super::*;
use crate::embedded::{ApiServer, Options};

fn maps(client: kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client, "default")
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(serde_json::json!({"metadata": {"name": name}})).expect("a map")
}

/// Creates a map under one fault: the code that is answered (0 is a broken connection), and whether the map is there.
async fn check(faults: Faults, code: u16, applied: bool) {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let layer = faults.layer();
    let answer = maps(layer.around(server.client())).create(&PostParams::default(), &map("a")).await;
    let found = match answer {
        Ok(_) => 201,
        Err(kube::Error::Api(status)) => status.code,
        Err(_) => 0,
    };
    assert_eq!(found, code, "{faults:?}");
    assert_eq!(maps(server.client()).get_opt("a").await.expect("an answer").is_some(), applied, "{faults:?}");
}

#[tokio::test(start_paused = true)]
async fn each_fault_answers_and_applies_as_it_says() {
    let none = Faults::none;
    check(none(), 201, true).await;
    check(Faults { conflict: 1.0, ..none() }, 409, false).await;
    check(Faults { throttled: 1.0, ..none() }, 429, false).await;
    check(Faults { failed: 1.0, ..none() }, 500, false).await;
    check(Faults { lost: 1.0, ..none() }, 504, true).await;
}

#[tokio::test(start_paused = true)]
async fn silence_lasts() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let api = maps(Faults { silent: 1.0, ..Faults::none() }.layer().around(server.client()));
    assert!(timeout(Duration::from_hours(1), api.get("a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_answer_says_how_long() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let api = maps(Faults { throttled: 1.0, ..Faults::none() }.layer().around(server.client()));
    let Err(kube::Error::Api(status)) = api.list(&ListParams::default()).await else { panic!("it is refused") };
    assert!(status.details.expect("details").retry_after_seconds > 0);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_expires_says_so_and_ends() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let api = maps(Faults { watch_expired: 1.0, ..Faults::none() }.layer().around(server.client()));
    let begun = Instant::now();
    let events: Vec<_> =
        api.watch(&WatchParams::default(), "1").await.expect("it begins").boxed().try_collect().await.expect("lines");
    assert!(matches!(events.last(), Some(WatchEvent::Error(status)) if status.code == 410), "{events:?}");
    assert!(begun.elapsed() <= Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn only_a_list_that_is_content_with_any_version_may_be_old() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let api = maps(Faults { stale: 1.0, ..Faults::none() }.layer().around(server.client()));
    let any = ListParams::default().match_any();
    assert_eq!(api.list(&ListParams::default()).await.expect("a list").items.len(), 0);
    maps(server.client()).create(&PostParams::default(), &map("a")).await.expect("created");
    assert_eq!(api.list(&any).await.expect("a list").items.len(), 0, "from before");
    assert_eq!(api.list(&ListParams::default()).await.expect("a list").items.len(), 1, "from now");
}

#[tokio::test(start_paused = true)]
async fn a_seed_brings_the_same_faults_again() {
    let fates = async |seed| {
        let layer = Faults { latency: Duration::ZERO, silent: 0.0, ..Faults::bad_day(seed) }.layer();
        let (answered, mut codes) = (Arc::new(AtomicU32::new(0)), Vec::new());
        let seen = answered.clone();
        let server = tower::service_fn(move |_: Request<Body>| {
            seen.fetch_add(1, Ordering::SeqCst);
            async move { Ok::<_, Infallible>(Response::new(Body::empty())) }
        });
        let service = layer.layer(server);
        for _ in 0..200 {
            let request = Request::post("/api/v1/namespaces/x/configmaps").body(Body::empty()).expect("a request");
            codes.push(service.clone().oneshot(request).await.map_or(0, |answer| answer.status().as_u16()));
        }
        (codes, answered.load(Ordering::SeqCst))
    };
    assert_eq!(fates(7).await, fates(7).await);
    assert_ne!(fates(7).await, fates(8).await);
}
