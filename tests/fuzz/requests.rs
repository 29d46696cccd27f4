//! Requests to the embedded server: the scenarios of the API suite, played with some of their steps broken.
//!
//! Whatever is asked, the answer has a status that HTTP knows and that is no 500, a refusal says so in a `Status`, and
//! afterwards every list is what single reads say.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::LazyLock, time::Duration};

use http::{Request, header};
use http_body_util::BodyExt;
use kube::{Client, client::Body as ClientBody};
use proptest::{collection::vec, prelude::*, sample::Index};
use quarterdeck::embedded::{ApiServer, Options};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::timeout};

use super::{
    bench::{guarded, run},
    mutation::{Mutation, apply, mutations},
    scenario::{Body, Step, parse},
};

/// What a real server answers with 500 as well: see the transcripts of the suite.
const AS_A_REAL_ONE: [&str; 4] = [
    "failed to create typed patch",
    "strconv.ParseUint",
    "resourceVersion should not be set",
    "more than one PodDisruptionBudget",
];
/// One scenario costs about as much as so many texts.
const COST: u32 = 12;
/// No answer takes longer; of a watch only the beginning is looked at.
const ANSWER: Duration = Duration::from_secs(20);
const BEGINNING: Duration = Duration::from_millis(20);

static SCENARIOS: LazyLock<Vec<(String, Vec<Step>)>> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api/scenarios");
    let mut files: Vec<_> = fs::read_dir(folder).expect("the scenarios").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let read = |path: &PathBuf| fs::read_to_string(path).expect("it can be read");
    files.iter().map(|path| (path.display().to_string(), parse(&read(path)))).collect()
});

/// Bodies as they are sent, to be spliced into others.
static BODIES: LazyLock<Vec<String>> =
    LazyLock::new(|| SCENARIOS.iter().flat_map(|(_, s)| s).filter_map(body).collect());

static WIDGETS: LazyLock<Value> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api/widgets.yaml");
    serde_saphyr::from_str(&fs::read_to_string(path).expect("the definition")).expect("it is YAML")
});

fn body(step: &Step) -> Option<String> {
    step.body.as_ref().map(|body| match body {
        Body::Raw(text) => text.clone(),
        Body::Data(value) => value.to_string(),
    })
}

/// What is done to one step of a scenario.
#[derive(Clone, Debug)]
struct Damage {
    step: Index,
    what: Part,
}

#[derive(Clone, Debug)]
enum Part {
    Path(Vec<Mutation>),
    Query(Index, Index),
    Method(Index),
    ContentType(Index),
    Accept(Index),
    Bytes(Vec<Mutation>),
    /// At one place of the body stands something of another shape.
    Tree(Index, Index),
    /// The body of another step.
    Other(Index),
}

#[derive(Clone, Debug)]
struct Play {
    scenario: Index,
    damages: Vec<Damage>,
}

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "WATCH", "x"];
const TYPES: &[&str] = &[
    "",
    "application/json",
    "application/json; charset=utf-8",
    "application/yaml",
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+cbor",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "multipart/form-data; boundary=",
    ";",
];
const ACCEPTS: &[&str] = &[
    "",
    "*/*",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=Table;v=v9",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/html",
    ",;,",
    "application/json;as=",
    "application/vnd.kubernetes.protobuf,application/json",
];
const KEYS: &[&str] = &[
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "labelSelector",
    "fieldSelector",
    "watch",
    "timeoutSeconds",
    "sendInitialEvents",
    "allowWatchBookmarks",
    "dryRun",
    "fieldManager",
    "force",
    "fieldValidation",
    "propagationPolicy",
    "gracePeriodSeconds",
    "pretty",
    "orphanDependents",
    "tailLines",
    "sinceSeconds",
    "sinceTime",
    "limitBytes",
    "container",
    "previous",
    "%ff",
];
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "18446744073709551616",
    "true",
    "false",
    "All",
    "Strict",
    "Orphan",
    "Foreground",
    "NotOlderThan",
    "Exact",
    "a=b",
    "a in (b,c",
    "a in ()",
    "!a",
    "a>9223372036854775808",
    "metadata.name=a",
    "metadata.name",
    "=",
    ",,,",
    "eyJ2IjoibWV0YSJ9",
    "e30",
    "W10",
    "WzEsIiIsIiJd",
    "Wzk5OTk5OTk5OTk5LCJhIiwiYiJd",
    "%00",
    "%ff%fe",
    "%",
    "%zz",
    "+",
    "2026-07-01T00:00:00Z",
    "a%3Db,c!%3Dd",
    "(((((((((",
    "a%00b",
];

fn shapes() -> &'static [Value] {
    static SHAPES: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        let deep_object = (0..100).fold(json!({}), |inner, _| json!({"a": inner}));
        vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1e300),
            json!(0.5),
            json!(""),
            json!("a"),
            json!("\u{0}"),
            json!("../x"),
            json!("x".repeat(70_000)),
            json!([]),
            json!([null]),
            json!(["a", "a"]),
            json!([{"name": "a"}, {"name": "a"}]),
            json!({}),
            json!({"": ""}),
            json!({"a": null}),
            json!("2026-02-30T25:61:61Z"),
            json!("50%"),
            json!("-5%"),
            json!("99999999999%"),
            json!("self.all(x, x == self)"),
            json!("("),
            json!("(".repeat(2_000)),
            json!("a".repeat(300) + "?"),
            json!("(a*)*{1000}"),
            json!("[a-z"),
            json!("!".repeat(5_000) + "true"),
            json!("1+".repeat(2_000) + "1"),
            json!("[".repeat(2_000)),
            json!("object"),
            json!("array"),
            json!("string"),
            json!("integer"),
            json!(["quarterdeck.dev/x", "foregroundDeletion", "orphan"]),
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            json!({"f:metadata": {"f:labels": {".": {}, "k:{\"a\":1": {}, "v:": {}, "i:x": {}}}}),
            json!("add"),
            json!("/metadata/labels/~2"),
            json!("/a/-/-/0"),
            json!("/spec/containers/18446744073709551616"),
            json!("replace"),
            json!("$patch"),
            json!("delete"),
            json!("merge"),
            deep,
            deep_object,
        ]
    });
    &SHAPES
}

fn play() -> impl Strategy<Value = Play> {
    let index = any::<Index>;
    let part = prop_oneof![
        2 => mutations(3).prop_map(Part::Path),
        2 => (index(), index()).prop_map(|(key, value)| Part::Query(key, value)),
        1 => index().prop_map(Part::Method),
        1 => index().prop_map(Part::ContentType),
        1 => index().prop_map(Part::Accept),
        2 => mutations(4).prop_map(Part::Bytes),
        6 => (index(), index()).prop_map(|(place, shape)| Part::Tree(place, shape)),
        1 => index().prop_map(Part::Other),
    ];
    let damage = (index(), part).prop_map(|(step, what)| Damage { step, what });
    (index(), vec(damage, 0..12)).prop_map(|(scenario, damages)| Play { scenario, damages })
}

/// A request before it is sent.
#[derive(Clone, Debug)]
struct Ask {
    method: String,
    path: Vec<u8>,
    content_type: String,
    accept: String,
    body: Vec<u8>,
}

impl Ask {
    fn of(step: &Step, names: &BTreeMap<String, String>) -> Self {
        let filled = |text: &str| {
            // Longer names first: `$name` is not `$names`.
            names.iter().rev().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
        };
        let content_type = match step.word("as").unwrap_or("json") {
            "yaml" => "application/yaml",
            "apply" => "application/apply-patch+yaml",
            "merge" => "application/merge-patch+json",
            "json-patch" => "application/json-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            _ => "application/json",
        };
        Self {
            method: step.method.clone(),
            path: filled(&step.path).into_bytes(),
            content_type: content_type.to_owned(),
            accept: "application/json".to_owned(),
            body: filled(&body(step).unwrap_or_default()).into_bytes(),
        }
    }

    fn damage(&mut self, part: &Part) {
        let pick = |list: &[&'static str], index: &Index| list[index.index(list.len())];
        match part {
            Part::Path(mutations) => {
                self.path = apply(mutations, &self.path, &["/api/v1/namespaces/default/pods/a/log"])
            }
            Part::Query(key, value) => {
                let sign = if self.path.contains(&b'?') { '&' } else { '?' };
                self.path.extend(format!("{sign}{}={}", pick(KEYS, key), pick(VALUES, value)).bytes());
            }
            Part::Method(method) => pick(METHODS, method).clone_into(&mut self.method),
            Part::ContentType(kind) => pick(TYPES, kind).clone_into(&mut self.content_type),
            Part::Accept(accept) => pick(ACCEPTS, accept).clone_into(&mut self.accept),
            Part::Bytes(mutations) => self.body = apply(mutations, &self.body, &BODIES),
            Part::Other(other) => self.body = BODIES[other.index(BODIES.len())].clone().into_bytes(),
            Part::Tree(place, shape) => {
                let Ok(mut tree) = serde_json::from_slice::<Value>(&self.body) else { return };
                let count = nodes(&tree);
                put(&mut tree, &mut place.index(count), &shapes()[shape.index(shapes().len())]);
                self.body = tree.to_string().into_bytes();
            }
        }
    }

    /// Bytes that cannot stand in a path go as `%XX`; nothing is a path without its slash.
    fn uri(&self) -> String {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/?&=%:@!$'()*+,;".contains(byte);
        let path: String = self
            .path
            .iter()
            .take(30_000)
            .map(|byte| if allowed(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        format!("/{}", path.trim_start_matches('/'))
    }

    fn is_endless(&self) -> bool {
        let uri = self.uri();
        uri.contains("watch") || uri.contains("follow")
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(nodes).sum(),
        Value::Array(items) => items.iter().map(nodes).sum(),
        _ => 0,
    }
}

/// Puts a shape where the n-th node is.
fn put(value: &mut Value, nth: &mut usize, shape: &Value) -> bool {
    if *nth == 0 {
        value.clone_from(shape);
        return true;
    }
    *nth -= 1;
    match value {
        Value::Object(fields) => fields.values_mut().any(|field| put(field, nth, shape)),
        Value::Array(items) => items.iter_mut().any(|item| put(item, nth, shape)),
        _ => false,
    }
}

struct Answer {
    code: u16,
    is_json: bool,
    /// `None` of what does not end.
    body: Option<Vec<u8>>,
}

impl Answer {
    fn value(&self) -> Value {
        self.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
    }

    /// What is wrong with it, whatever was asked.
    fn judge(&self, head: bool) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.body.as_deref().unwrap_or_default());
        let value = self.value();
        match self.code {
            200..=299 if self.body.is_none() || head => Ok(()),
            200..=299 if self.is_json && value.is_null() => Err(format!("no JSON: {text}")),
            200..=299 => Ok(()),
            500 if AS_A_REAL_ONE.iter().any(|why| value["message"].as_str().is_some_and(|said| said.contains(why))) => {
                Ok(())
            }
            404..=406 if !self.is_json => Ok(()),
            400..=499 | 503 | 504 => {
                let says = |key: &str| value[key].as_str().is_some_and(|text| !text.is_empty());
                let whole =
                    value["kind"] == "Status" && value["status"] == "Failure" && says("message") && says("reason");
                match whole && value["code"] == self.code {
                    true => Ok(()),
                    false => Err(format!("{} without a Status: {text}", self.code)),
                }
            }
            other => Err(format!("the status is {other}: {text}")),
        }
    }
}

async fn send(client: &Client, ask: &Ask) -> Option<Answer> {
    let request = Request::builder()
        .method(ask.method.as_str())
        .uri(ask.uri())
        .header(header::USER_AGENT, "fuzz/1.0")
        .header(header::ACCEPT, &ask.accept)
        .header(header::CONTENT_TYPE, &ask.content_type)
        .body(ClientBody::from(ask.body.clone()))
        // What HTTP itself cannot say is no request.
        .ok()?;
    let response = timeout(ANSWER, client.send(request)).await.expect("an answer in time").expect("an answer");
    let code = response.status().as_u16();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let body = match ask.is_endless() {
        true => timeout(BEGINNING, response.into_body().collect()).await.ok(),
        false => Some(timeout(ANSWER, response.into_body().collect()).await.expect("an answer that ends")),
    };
    let body = body.map(|body| body.expect("a whole answer").to_bytes().to_vec());
    Some(Answer { code, is_json, body })
}

async fn get(client: &Client, path: &str) -> Answer {
    let ask = Ask {
        method: "GET".into(),
        path: path.as_bytes().to_vec(),
        content_type: String::new(),
        accept: "application/json".into(),
        body: Vec::new(),
    };
    send(client, &ask).await.expect("a request")
}

async fn carry_out(play: &Play) -> Result<(), String> {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let client = server.client();
    let definition: Ask = Ask {
        method: "POST".into(),
        path: b"/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_vec(),
        content_type: "application/json".into(),
        accept: "application/json".into(),
        body: WIDGETS.to_string().into_bytes(),
    };
    let made = send(&client, &definition).await.expect("a request");
    assert_eq!(made.code, 201);
    let (_, steps) = &SCENARIOS[play.scenario.index(SCENARIOS.len())];
    let mut names: BTreeMap<String, String> =
        [("ns", "default"), ("id", "x1")].map(|(n, v)| (n.into(), v.into())).into();
    for (at, step) in steps.iter().enumerate() {
        let mut ask = Ask::of(step, &names);
        for damage in play.damages.iter().filter(|damage| damage.step.index(steps.len()) == at) {
            ask.damage(&damage.what);
        }
        let Some(answer) = send(&client, &ask).await else { continue };
        answer.judge(ask.method == "HEAD").map_err(|why| format!("{} {}: {why}", ask.method, ask.uri()))?;
        for (name, path) in &step.keep {
            let value = path.split('.').fold(answer.value(), |value, part| match part.parse::<usize>() {
                Ok(at) if value.is_array() => value[at].clone(),
                _ => value[part].clone(),
            });
            names.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    consistent(&client).await
}

/// Every list is what single reads say. Controllers of the server may be at work, so what differs is asked again.
async fn consistent(client: &Client) -> Result<(), String> {
    for collection in collections(client).await {
        let mut last = String::new();
        for _ in 0..20 {
            last = match differs(client, &collection).await? {
                None => {
                    last.clear();
                    break;
                }
                Some(why) => why,
            };
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !last.is_empty() {
            return Err(last);
        }
    }
    Ok(())
}

/// Paths of all that can be listed, and whether it is in namespaces.
async fn collections(client: &Client) -> Vec<(String, String, bool)> {
    let mut versions = vec!["/api/v1".to_owned()];
    for group in get(client, "/apis").await.value()["groups"].as_array().into_iter().flatten() {
        let of = group["versions"].as_array().into_iter().flatten();
        versions.extend(of.filter_map(|v| Some(format!("/apis/{}", v["groupVersion"].as_str()?))));
    }
    let mut collections = Vec::new();
    for version in versions {
        for resource in get(client, &version).await.value()["resources"].as_array().into_iter().flatten() {
            let lists = resource["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|verb| verb == "list"));
            if let (Some(name), true) = (resource["name"].as_str(), lists) {
                collections.push((version.clone(), name.to_owned(), resource["namespaced"] == true));
            }
        }
    }
    collections
}

async fn differs(
    client: &Client,
    (version, plural, namespaced): &(String, String, bool),
) -> Result<Option<String>, String> {
    let answer = get(client, &format!("{version}/{plural}")).await;
    let list = answer.value();
    let Some(items) = list["items"].as_array().filter(|_| answer.code == 200) else {
        return Ok(Some(format!("{version}/{plural} is {}", answer.code)));
    };
    for item in items {
        let text = |key: &str| item["metadata"][key].as_str().unwrap_or_default();
        let place = if *namespaced { format!("/namespaces/{}", text("namespace")) } else { String::new() };
        let path = format!("{version}{place}/{plural}/{}", text("name"));
        let one = get(client, &path).await.value();
        if one["metadata"] != item["metadata"] || one["spec"] != item["spec"] || one["status"] != item["status"] {
            return Ok(Some(format!("{path} is {one}, and in its list {item}")));
        }
    }
    Ok(None)
}

/// It was answered with a panic.
#[tokio::test]
async fn a_review_that_is_no_object_is_refused() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    for body in ["true", "3", "\"a\"", "[]", "null"] {
        let ask = Ask {
            method: "POST".into(),
            path: b"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_vec(),
            content_type: "application/json".into(),
            accept: "application/json".into(),
            body: body.as_bytes().to_vec(),
        };
        let answer = send(&server.client(), &ask).await.expect("a request");
        assert_eq!(answer.code, 400, "{body}");
        answer.judge(false).expect("a refusal");
    }
}

#[test]
fn answers() {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    run("request", COST, play(), |case: &Play| {
        let show = || format!("{case:#?}\n{}", SCENARIOS[case.scenario.index(SCENARIOS.len())].0);
        guarded("request", &|| runtime.block_on(carry_out(case)), &show)
    });
}
