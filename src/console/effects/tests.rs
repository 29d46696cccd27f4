//! What is asked of an API server when somebody reads an object, and what never is.

mod orders;

use super::{discover::discover, read::read};
use crate::{
    api::definitions,
    console::sheet::{About, Form, Kind},
    embedded::{ApiServer, Options},
    fleet::ContextId,
};
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tower::BoxError;

/// Paths with their questions, as they were asked for.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("one thread at a time"))
    }
}

type Answer = BoxFuture<'static, Response<Body>>;

fn server(answer: impl Fn(Request<Body>) -> Answer + Clone + Send + 'static) -> (Client, Asked) {
    let asked = Asked::default();
    let heard = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        heard.0.lock().expect("one thread at a time").push(request.uri().to_string());
        let answer = answer.clone();
        async move { Ok::<_, BoxError>(answer(request).await) }
    });
    (Client::new(service, "fleet"), asked)
}

/// A server that says the same to everybody.
fn parrot(text: String) -> (Client, Asked) {
    server(move |_| std::future::ready(Response::new(Body::from(text.clone().into_bytes()))).boxed())
}

/// The real one, with a few kinds.
async fn embedded() -> (Client, Asked) {
    let server_itself = ApiServer::open(Options::default()).expect("it opens");
    server_itself.install(definitions()).await.expect("the kinds are right");
    let client = server_itself.client();
    server(move |request| {
        let client = client.clone();
        async move { client.send(request).await.expect("it is in this process") }.boxed()
    })
}

async fn said(client: &Client, kind: &str, name: &str, form: Form) -> Result<String, String> {
    let (kind, name) = (Kind::named(kind), name.to_owned());
    let about = About { context: ContextId::FIRST, kind, namespace: "fleet".into(), name };
    let reading = read(client, &about, form).await?;
    Ok(if form == Form::Log { reading.log } else { reading.objects[0].to_string() })
}

#[tokio::test]
async fn of_a_log_the_last_lines_are_asked_for_and_nothing_of_them_is_left_out_by_the_server() {
    let lines: String = (0..3_000).map(|n| format!("{n} {}\n", "x".repeat(1_000))).collect();
    let (client, asked) = parrot(lines);
    let log = said(&client, "pod", "web-0/app", Form::Log).await.expect("a log");
    assert!(log.starts_with("(only its end: the last 1,04"), "{}", &log[..100]);
    assert!(log.lines().last().is_some_and(|line| line.starts_with("2999 ")));
    let [question] = asked.take().try_into().expect("one request");
    let (path, parts) = question.split_once('?').expect("there are parameters");
    assert_eq!(path, "/api/v1/namespaces/fleet/pods/web-0/log");
    assert!(parts.contains("tailLines=5001") && parts.contains("container=app"), "{parts}");
    assert!(!parts.contains("limitBytes"), "{parts}");
}

#[tokio::test]
async fn what_is_no_name_is_not_asked_for() {
    let (client, asked) = parrot("{}".into());
    let check = async |kind: &str, name: &str, form: Form| {
        let why = said(&client, kind, name, form).await.expect_err(name);
        assert!(why.contains("is no name of an object"), "{kind} {name}: {why}");
        assert_eq!(asked.take(), [""; 0], "{kind} {name}");
    };
    for name in ["fleet/secrets/db", "..", "../secrets/db", "a?watch=1", "a%2fb"] {
        check("namespace", name, Form::Yaml).await;
        check("set", name, Form::Describe).await;
    }
    check("node", "n-1/proxy/configz", Form::Yaml).await;
    for name in ["../secrets", "web-0/", "web-0/app/x", "web-0/..", "/app"] {
        check("pod", name, Form::Log).await;
    }
}

#[tokio::test]
async fn what_says_that_it_is_a_secret_is_not_shown_whatever_was_asked_for() {
    for kind in ["Secret", "SecretList"] {
        let secret =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "db"}, "data": {"password": "aGk="}});
        let (client, asked) = parrot(secret.to_string());
        let why = said(&client, "pool", "db", Form::Yaml).await.expect_err(kind);
        assert!(why.starts_with("a Secret is not shown") && asked.take().len() == 1, "{why}");
    }
}

#[tokio::test]
async fn what_is_in_no_namespace_is_not_missed_in_one() {
    let (client, asked) = embedded().await;
    for (kind, expected) in [("ns", "there is no ns nobody"), ("cm", "there is no cm nobody in fleet")] {
        assert_eq!(said(&client, kind, "nobody", Form::Yaml).await, Err(expected.to_owned()));
    }
    asked.take();
    // What is told of it is not where the fleet is.
    said(&client, "ns", "default", Form::Describe).await.expect("it is there");
    let about_it = asked.take().into_iter().filter(|question| question.contains("/events?")).collect::<Vec<_>>();
    assert!(about_it.len() == 1 && about_it[0].starts_with("/api/v1/namespaces/default/events?"), "{about_it:?}");
}

#[tokio::test]
async fn all_groups_are_one_question() {
    let (client, asked) = embedded().await;
    let check = async |word: &str, expected: Option<&str>, questions: &[&str]| {
        let found = discover(&client, word).await.expect("it answers");
        let found = found.map(|found| format!("{} {}", found.resource.api_version, found.resource.plural));
        assert_eq!(
            (found.as_deref(), &asked.take()[..]),
            (expected, &questions.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
            "{word}"
        );
    };
    check("cm", Some("v1 configmaps"), &["/api"]).await;
    check("np", Some("quarterdeck.dev/v1alpha1 nodepools"), &["/api", "/apis"]).await;
    check("np.quarterdeck.dev", Some("quarterdeck.dev/v1alpha1 nodepools"), &["/apis"]).await;
    check("np.apps", None, &["/apis"]).await;
    check("widget", None, &["/api", "/apis"]).await;
}

/// As a server answers that does not know the aggregated form, a third of a second later.
fn old(path: &str) -> Value {
    let version = |n: usize| json!({"groupVersion": format!("g{n}.example/v1"), "version": "v1"});
    let widget =
        json!({"name": "widgets", "singularName": "", "namespaced": false, "kind": "Widget", "verbs": ["get"]});
    match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => {
            let groups = (0..60).map(|n| json!({"name": format!("g{n}.example"), "versions": [version(n)]}));
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()})
        }
        "/apis/g59.example/v1" => {
            json!({"kind": "APIResourceList", "groupVersion": "g59.example/v1", "resources": [widget]})
        }
        path => json!({"kind": "APIResourceList", "groupVersion": path.trim_start_matches("/apis/"), "resources": []}),
    }
}

#[tokio::test(start_paused = true)]
async fn groups_of_an_old_server_are_asked_for_several_at_once() {
    let (client, asked) = server(|request| {
        let text = old(request.uri().path()).to_string();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Response::new(Body::from(text.into_bytes()))
        }
        .boxed()
    });
    let begin = tokio::time::Instant::now();
    let found = discover(&client, "widget").await.expect("it answers").expect("the last group has it");
    assert_eq!((found.resource.api_version.as_str(), found.namespaced), ("g59.example/v1", false));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(asked.take().len(), 4 + 60);
}
