//! HTTP in, HTTP out: reads a request into a [`Call`], finds who answers it, and writes the answer or the refusal.

use std::convert::Infallible;

use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, Method, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use serde_json::{Value, json};

use super::{
    ApiServer, body, deletion, discovery, eviction,
    kind::Kind,
    openapi,
    options::Query,
    patching, reading,
    refusal::Refusal,
    review,
    routes::{self, Resource, Route},
    scale, watching, writing,
};

/// The largest request that is read, as in kube-apiserver.
const MAX_BODY_BYTES: usize = 3 << 20;

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request to a resource, read once.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub resource: Resource,
    pub query: Query,
    pub accept: Accept,
    pub content_type: String,
    pub user_agent: String,
    pub body: Bytes,
}

/// The shape in which an object or a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    Json,
    Table,
    PartialMetadata,
    Discovery,
}

/// An answer before it is written.
pub struct Reply {
    code: u16,
    content_type: &'static str,
    body: Body,
    /// Shown by kubectl, one line each.
    warnings: Vec<String>,
}

impl Reply {
    pub fn json(code: u16, value: &Value) -> Self {
        Self::bytes(code, serde_json::to_vec(value).expect("a JSON value serialises"))
    }

    /// What is JSON already.
    pub fn bytes(code: u16, bytes: impl Into<Bytes>) -> Self {
        Self { code, content_type: "application/json", body: full(bytes.into()), warnings: Vec::new() }
    }

    pub fn text(code: u16, text: impl Into<Bytes>) -> Self {
        Self { code, content_type: "text/plain; charset=utf-8", body: full(text.into()), warnings: Vec::new() }
    }

    pub fn stream(content_type: &'static str, stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        use futures::StreamExt;
        let frames = stream.map(|bytes| Ok(Frame::data(bytes)));
        Self { code: 200, content_type, body: BodyExt::boxed_unsync(StreamBody::new(frames)), warnings: Vec::new() }
    }

    pub fn warn(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    pub fn with_type(self, content_type: &'static str) -> Self {
        Self { content_type, ..self }
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}

/// Answers one request. Whatever goes wrong becomes a `Status`.
pub async fn serve<B>(server: &ApiServer, request: Request<B>) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let reply = match answer(server, request).await {
        Ok(reply) => reply,
        Err(refusal) => refused(&refusal),
    };
    respond(reply)
}

/// Writes an answer.
pub fn respond(reply: Reply) -> Response<Body> {
    let mut response = Response::builder().status(reply.code).header(header::CONTENT_TYPE, reply.content_type);
    for warning in &reply.warnings {
        // A quoted string: quotes and backslashes are escaped, and a line cannot end in it.
        let text: String = warning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = text.replace('\\', r"\\").replace('"', "\\\"");
        response = response.header(header::WARNING, format!("299 - \"{text}\""));
    }
    response.body(reply.body).unwrap_or_else(|_| Response::new(full(Bytes::new())))
}

/// The answer that a refusal is.
pub fn refused(refusal: &Refusal) -> Reply {
    Reply::json(refusal.code, &refusal.status())
}

async fn answer<B>(server: &ApiServer, request: Request<B>) -> Result<Reply, Refusal>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let query = Query::parse(&head.method, head.uri.query().unwrap_or_default())?;
    let accept = accept(&head.headers)?;
    match routes::parse(head.uri.path()) {
        None => Ok(nothing_here()),
        Some(Route::Resource(resource)) => {
            let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
            let body = body.map_err(|e| Refusal::new(413, "RequestEntityTooLarge", e.to_string()))?.to_bytes();
            let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            let (content_type, user_agent) = (text(header::CONTENT_TYPE), text(header::USER_AGENT));
            dispatch(server, Call { method: head.method, resource, query, accept, content_type, user_agent, body })
                .await
        }
        Some(Route::GroupVersion(..)) if head.method != Method::GET => Err(Refusal::method_not_allowed()),
        Some(route) => about(server, &route, accept).map_or_else(|| unknown(server, &route), Ok),
    }
}

/// The answer to a path that nobody serves.
fn nothing_here() -> Reply {
    Reply::text(404, "404 page not found\n")
}

/// A version of a group that is known is missed in words, anything else is not.
fn unknown(server: &ApiServer, route: &Route) -> Result<Reply, Refusal> {
    match route {
        Route::GroupVersion(group, _) if server.kinds().iter().any(|k| k.group == *group) => {
            Err(Refusal::no_resource())
        }
        _ => Ok(nothing_here()),
    }
}

/// Answers questions about the server itself.
fn about(server: &ApiServer, route: &Route, accept: Accept) -> Option<Reply> {
    let kinds = server.kinds();
    let aggregated = accept == Accept::Discovery;
    let value = match route {
        Route::Health => return Some(Reply::text(200, "ok")),
        Route::Metrics => return Some(Reply::text(200, server.metrics())),
        Route::Version => version(&server.version()),
        Route::CoreVersions | Route::Groups if aggregated => {
            let core = *route == Route::CoreVersions;
            return Some(Reply::json(200, &discovery::aggregated(&kinds, core)).with_type(discovery::AGGREGATED));
        }
        Route::CoreVersions => discovery::core_versions(),
        Route::Groups => discovery::group_list(&kinds),
        Route::Group(group) => discovery::group(&kinds, group)?,
        Route::GroupVersion(group, version) => discovery::resource_list(&kinds, group, version)?,
        Route::OpenApi => openapi::index(&kinds),
        Route::OpenApiOf(group, version) => openapi::document(&kinds, group, version)?,
        Route::Resource(_) => return None,
    };
    Some(Reply::json(200, &value))
}

fn version(version: &str) -> Value {
    let mut numbers = version.split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    json!({
        "major": major, "minor": minor, "gitVersion": format!("v{version}"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "embedded",
    })
}

async fn dispatch(server: &ApiServer, call: Call) -> Result<Reply, Refusal> {
    let Resource { group, version, plural, name, subresource, .. } = &call.resource;
    if let (Some(kind), "POST") = (review::find(group, plural), call.method.as_str()) {
        return Ok(Reply::json(201, &review::answer(&kind, body::decode(&call)?)?));
    }
    if review::find(group, plural).is_some() {
        return Err(Refusal::method_not_allowed());
    }
    let found = server.kinds().find(group, version, plural).cloned();
    let Some(kind) = found.filter(|kind| fits(kind, &call)) else {
        // Groups of custom resources know nothing of a path that names none of them.
        let built_in = |k: &Kind| !k.custom() && k.group == *group && k.version == *version;
        return match server.kinds().iter().any(|k| built_in(k)) {
            // All of a kind can be read without a namespace, so the path is known to other methods as well.
            true if call.method != Method::GET && call.resource.namespace.is_none() && name.is_none() => {
                Err(Refusal::method_not_allowed())
            }
            true => Err(Refusal::no_resource()),
            false => Ok(nothing_here()),
        };
    };
    let kind: &Kind = &kind;
    match (call.method.as_str(), name.is_some(), subresource.as_deref()) {
        (_, _, Some("status")) if !kind.status => Err(no_subresource(kind, &call)),
        (_, _, Some("scale")) if kind.scale.is_none() => Err(no_subresource(kind, &call)),
        // Of one object there is no watch but by a selector of its name.
        ("GET", false, None) if call.query.watch => watching::watch(server, kind, &call),
        ("GET", false, None) => reading::list(server, kind, &call),
        ("GET", true, None | Some("status")) => reading::one(server, kind, &call),
        ("GET", true, Some("log")) if kind.collection == "pods" => log(server, kind, &call),
        ("GET", true, Some("scale")) if let Some(paths) = &kind.scale => scale::get(server, kind, paths, &call),
        ("PUT" | "PATCH", true, Some("scale")) if let Some(paths) = &kind.scale => {
            scale::write(server, kind, paths, &call).await
        }
        ("POST", true, Some("eviction")) if kind.collection == "pods" => eviction::evict(server, kind, &call).await,
        ("POST", false, None) => writing::create(server, kind, &call).await,
        ("PUT", true, None | Some("status" | "finalize")) => writing::replace(server, kind, &call).await,
        ("PATCH", true, None | Some("status")) => patching::patch(server, kind, &call).await,
        ("DELETE", true, None) => deletion::one(server, kind, &call).await,
        ("DELETE", false, None) => deletion::many(server, kind, &call).await,
        (method, _, None | Some("status" | "scale")) if kind.custom() => {
            Err(Refusal::not_supported(kind, &method.to_lowercase()))
        }
        (_, _, None | Some("status" | "scale")) => Err(Refusal::method_not_allowed()),
        _ => Err(no_subresource(kind, &call)),
    }
}

/// Whether a kind has what the path says: a namespace, or none. Lists may be of all namespaces.
fn fits(kind: &Kind, call: &Call) -> bool {
    let of_all = call.method == Method::GET && call.resource.name.is_none();
    match &call.resource.namespace {
        Some(_) => kind.namespaced,
        None => !kind.namespaced || of_all,
    }
}

/// Of a custom resource, a subresource that it does not have is looked for as an object.
fn no_subresource(kind: &Kind, call: &Call) -> Refusal {
    match (&call.resource.name, kind.custom()) {
        (Some(name), true) => Refusal::not_found(kind, name),
        _ => Refusal::no_resource(),
    }
}

fn log(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let key = reading::key(kind, call)?;
    let pod = server.store().read(&kind.collection, &key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
    let lines = server.logs().read(&pod.index.uid, &call.query.log).map_err(Refusal::internal)?;
    Ok(Reply::stream("text/plain; charset=utf-8", lines))
}

const REPRESENTATIONS: &str = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// The first media type that can be served.
fn accept(headers: &HeaderMap) -> Result<Accept, Refusal> {
    let Some(wanted) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else {
        return Ok(Accept::Json);
    };
    wanted.split(',').find_map(media_type).ok_or_else(|| {
        let message = "only the following media types are accepted: application/json, application/yaml, \
                       application/vnd.kubernetes.protobuf";
        match wanted.split(',').any(|wanted| wanted.trim().starts_with("application/json")) {
            true => Refusal::new(406, "NotAcceptable", message),
            false => Refusal::generic(406, "NotAcceptable", REPRESENTATIONS),
        }
    })
}

/// Shapes of `meta.k8s.io` are served in their first version.
fn is_v1(text: &str) -> bool {
    text.split(';').map(str::trim).find_map(|part| part.strip_prefix("v=")).is_none_or(|version| version == "v1")
}

fn media_type(text: &str) -> Option<Accept> {
    let mut parts = text.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "*/*" | "application/*" | "text/plain" | "application/yaml") {
        return None;
    }
    let shape = parts.find_map(|part| part.strip_prefix("as="));
    match shape {
        None => Some(Accept::Json),
        Some("Table") if is_v1(text) => Some(Accept::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") if is_v1(text) => Some(Accept::PartialMetadata),
        Some("APIGroupDiscoveryList") if text.contains("v=v2;") || text.ends_with("v=v2") => Some(Accept::Discovery),
        Some(_) => None,
    }
}
