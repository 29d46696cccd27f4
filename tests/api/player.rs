//! Plays a scenario on a server: each step is one request as it goes over the wire, so that codes and bodies are seen.

use std::{collections::BTreeMap, fs, time::Duration};

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use kube::client::Body as ClientBody;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{
    folder,
    normal::Names,
    scenario::{self, Body, Step},
    server::Server,
    transcript,
};

/// For what a server does in its own time: controllers, new kinds.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// For one answer, and for each event of a watch.
const ANSWER: Duration = Duration::from_secs(30);

/// An answer as it came.
struct Answer {
    code: u16,
    body: Value,
    warnings: Vec<String>,
}

struct Player<'s> {
    server: &'s Server,
    /// `$name` and what it stands for; longer names first.
    variables: Vec<(String, String)>,
    names: Names,
}

/// Plays a scenario in a namespace of its own, which is given up afterwards.
pub async fn play(server: &Server, name: &str) -> Vec<transcript::Step> {
    let id = format!("x{:05x}", rand::random::<u32>() & 0xf_ffff);
    let namespace = format!("{}-{id}", name.replace('_', "-"));
    let mut player = Player {
        server,
        variables: vec![("ns".to_owned(), namespace.clone()), ("id".to_owned(), id.clone())],
        names: Names::new(&[(&namespace, "$ns"), (&id, "$id")]),
    };
    player.prepare(&namespace).await;
    let path = folder().join("scenarios").join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut steps = Vec::new();
    for step in scenario::parse(&text) {
        steps.push(player.step(&step).await);
    }
    player.ask("DELETE", &format!("/api/v1/namespaces/{namespace}"), &Step::default()).await;
    steps
}

impl Player<'_> {
    /// The namespace, and the kind that all scenarios may use.
    async fn prepare(&mut self, namespace: &str) {
        let text = fs::read_to_string(folder().join("widgets.yaml")).expect("the definition is there");
        let definition: Value = serde_saphyr::from_str(&text).expect("it is YAML");
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let made = self.post(definitions, definition).await;
        assert!(matches!(made, 201 | 409), "the definition of widgets: {made}");
        let made = self.post("/api/v1/namespaces", json!({"metadata": {"name": namespace}})).await;
        assert_eq!(made, 201, "the namespace");
        let served = Step { words: vec![("until".to_owned(), "200".to_owned())], ..Step::default() };
        self.settled("GET", "/apis/test.quarterdeck.dev/v1/widgets", &served).await;
    }

    async fn post(&self, path: &str, body: Value) -> u16 {
        let step = Step { body: Some(Body::Data(body)), ..Step::default() };
        self.ask("POST", path, &step).await.code
    }

    async fn step(&mut self, step: &Step) -> transcript::Step {
        let path = self.filled(&step.path);
        assert!(!path.contains('$'), "{}: {path} names what is not known", step.title);
        let answer = self.settled(&step.method, &path, step).await;
        for (name, path) in &step.keep {
            let kept = at(&answer.body, path);
            assert!(!kept.is_empty(), "{}: nothing at {path} of {:#}", step.title, answer.body);
            self.variables.retain(|(known, _)| known != name);
            self.variables.push((name.clone(), kept));
            self.variables.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        }
        let mut body = self.names.normalise(answer.body);
        if !answer.warnings.is_empty() {
            let warnings: Vec<Value> = answer.warnings.iter().map(|w| w.as_str().into()).collect();
            body["(warnings)"] = self.names.normalise(warnings.into());
        }
        let words: Vec<String> = step.words.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let request = format!("{} {}{}", step.method, step.path, words.concat());
        let body = only(transcript::flatten(&body), step.word("only"));
        transcript::Step { title: step.title.clone(), request, code: answer.code, body }
    }

    /// Asks, and where the step says so again until the answer is the one that is waited for.
    async fn settled(&self, method: &str, path: &str, step: &Step) -> Answer {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(method, path, step).await;
            if step.word("until").is_none_or(|wanted| is_it(&answer, &self.filled(wanted))) || Instant::now() > give_up
            {
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self, method: &str, path: &str, step: &Step) -> Answer {
        let body = match &step.body {
            None => String::new(),
            Some(Body::Raw(text)) => self.filled(text),
            Some(Body::Data(value)) => self.filled(&value.to_string()),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.prefix))
            .header(header::USER_AGENT, "suite/1.0")
            .header(header::ACCEPT, accept(step.word("accept").unwrap_or("json")))
            .header(header::CONTENT_TYPE, content_type(step.word("as").unwrap_or("json")));
        let request = request.body(ClientBody::from(body.into_bytes())).expect("a valid request");
        let response = timeout(ANSWER, self.server.client.send(request)).await;
        let response =
            response.unwrap_or_else(|_| panic!("{method} {path} is not answered")).expect("the server answers");
        read(response, step.word("events").map(|n| n.parse().expect("a number"))).await
    }

    fn filled(&self, text: &str) -> String {
        self.variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
    }
}

async fn read(response: Response<ClientBody>, events: Option<usize>) -> Answer {
    let code = response.status().as_u16();
    let warnings = response.headers().get_all(header::WARNING).iter();
    let warnings = warnings.filter_map(|w| w.to_str().ok()).map(str::to_owned).collect();
    let body = match events.filter(|_| code == 200) {
        Some(events) => watched(response, events).await,
        None => {
            let bytes = timeout(ANSWER, response.into_body().collect()).await.expect("the answer ends");
            let bytes = bytes.expect("a whole answer").to_bytes();
            serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into())
        }
    };
    Answer { code, body, warnings }
}

/// As many events as are asked for, or those that come before the end. Bookmarks in between come when the server likes.
async fn watched(response: Response<ClientBody>, events: usize) -> Value {
    let stream = response.into_body().into_data_stream().map_err(std::io::Error::other);
    let mut lines = stream.into_async_read().lines();
    let mut seen = Vec::new();
    while seen.len() < events {
        let Ok(Some(line)) = timeout(ANSWER, lines.next()).await else { break };
        let event: Value = serde_json::from_str(&line.expect("a whole line")).expect("an event is JSON");
        let ends_initial = !event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"].is_null();
        if event["type"] != "BOOKMARK" || ends_initial {
            seen.push(event);
        }
    }
    seen.into()
}

/// A code such as `404`, or `path=value` of the answer.
fn is_it(answer: &Answer, wanted: &str) -> bool {
    match wanted.split_once('=') {
        None => answer.code.to_string() == wanted,
        Some((path, value)) => at(&answer.body, path) == value,
    }
}

/// The scalar at a dotted path; numbers are positions in lists, `length` is that of a list.
fn at(value: &Value, path: &str) -> String {
    if let Some(path) = path.strip_suffix(".length") {
        return follow(value, path).as_array().map_or(0, Vec::len).to_string();
    }
    match follow(value, path) {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn follow<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, part| match part.parse::<usize>() {
        Ok(position) if value.is_array() => &value[position],
        _ => &value[part],
    })
}

fn only(body: BTreeMap<String, String>, prefixes: Option<&str>) -> BTreeMap<String, String> {
    let Some(prefixes) = prefixes else { return body };
    let wanted = |path: &str| prefixes.split(',').any(|prefix| path.starts_with(&format!(".{prefix}")));
    body.into_iter().filter(|(path, _)| wanted(path)).collect()
}

fn content_type(word: &str) -> &str {
    match word {
        "json" => "application/json",
        "yaml" => "application/yaml",
        "apply" => "application/apply-patch+yaml",
        "merge" => "application/merge-patch+json",
        "json-patch" => "application/json-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        other => other,
    }
}

fn accept(word: &str) -> &str {
    match word {
        "json" => "application/json",
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
        "partial" => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        "partial-list" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        other => other,
    }
}
