//! Reads an object live, with its owners and events: what is shown as text is what the server says now, not what a watch has
//! kept of it.

use super::super::{
    effects::{
        beside,
        discover::{Found, discover},
        log,
        name::{is_name, name},
        root_cause,
    },
    sheet::{About, Form, Kind, Owner, Reading, resource_named},
};
use crate::fleet::Fault;
use k8s_openapi::{api::core::v1::Event, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    core::ApiResource,
};
use serde_json::Value;

/// Owners that are followed upwards.
const OWNERS: usize = 6;
/// Events that are read; the server says which.
const EVENTS: u32 = 200;
/// Where events are about what is in no namespace.
const OF_NO_NAMESPACE: &str = "default";
const NO_SECRET: &str =
    "a Secret is not shown: what is in it would stay on the screen and in what is saved of it; kubectl shows it";

/// The object with all that the form shows of it; `Err` is a sentence.
pub async fn read(client: &Client, about: &About, form: Form) -> Result<Reading, String> {
    if form == Form::Log {
        return Ok(Reading { log: log::end(client, about).await?, ..Reading::default() });
    }
    let objects = objects(client, about).await?;
    match form {
        Form::Yaml | Form::Log => Ok(Reading { objects, ..Reading::default() }),
        Form::Diff => {
            let beside = beside::beside(client, &about.namespace, &objects[0]).await?;
            Ok(Reading { objects, beside, ..Reading::default() })
        }
        Form::Describe => {
            let owners = owners(client, &about.namespace, &objects[0]).await;
            let place = objects[0].pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(OF_NO_NAMESPACE);
            let events = events(client, place, &objects).await;
            Ok(Reading { objects, owners, events, ..Reading::default() })
        }
    }
}

/// What there is of that name, at least one.
async fn objects(client: &Client, about: &About) -> Result<Vec<Value>, String> {
    let name = name(&about.name)?;
    let known = match &about.kind {
        Kind::Other(word) => vec![resource(client, word).await?],
        own => own.resources().into_iter().map(|resource| Found { resource, namespaced: true }).collect(),
    };
    let mut objects = Vec::new();
    for found in &known {
        let namespace = Some(about.namespace.as_str()).filter(|_| found.namespaced);
        match one(client, &found.resource, namespace, name).await {
            Ok(Some(object)) if is_secret(&object) => return Err(NO_SECRET.into()),
            Ok(Some(object)) => objects.push(object),
            Ok(None) => {}
            Err(error) => return Err(sentence(&error, "get", &found.resource.plural, namespace)),
        }
    }
    if objects.is_empty() { Err(missing(about, known.iter().any(|found| found.namespaced))) } else { Ok(objects) }
}

fn missing(about: &About, namespaced: bool) -> String {
    let (kind, name) = (about.kind.as_str(), &about.name);
    match &about.kind {
        Kind::Other(_) if namespaced => format!("there is no {kind} {name} in {}", about.namespace),
        Kind::Other(_) => format!("there is no {kind} {name}"),
        _ => format!("{kind} {name} is gone: it was deleted while you were looking at it"),
    }
}

/// By what it says of itself, whatever was asked for.
fn is_secret(object: &Value) -> bool {
    matches!(object["kind"].as_str(), Some("Secret" | "SecretList"))
}

/// What a word stands for on this server.
async fn resource(client: &Client, word: &str) -> Result<Found, String> {
    match discover(client, word).await {
        Ok(Some(found)) if found.resource.kind == "Secret" => Err(NO_SECRET.into()),
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(format!("the server has no kind `{word}`: `kubectl api-resources` lists what it has")),
        Err(error) => Err(sentence(&error, "get", word, None)),
    }
}

async fn one(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    name: &str,
) -> kube::Result<Option<Value>> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    Ok(api.get_opt(name).await?.and_then(|object| serde_json::to_value(object).ok()))
}

/// Who owns it, who owns that, and so on. What is not there or not ours ends it.
async fn owners(client: &Client, namespace: &str, object: &Value) -> Vec<Owner> {
    let mut found = Vec::new();
    let mut at = object.clone();
    while found.len() < OWNERS {
        let Some(next) = controller(&at) else { break };
        let resource = resource_named(&next.kind);
        let above = match &resource {
            Some(resource) if is_name(&next.name) => {
                one(client, resource, Some(namespace), &next.name).await.ok().flatten()
            }
            _ => None,
        };
        found.push(Owner { kind: next.kind, name: next.name, is_known: above.is_some() });
        match above {
            Some(above) => at = above,
            None => break,
        }
    }
    found
}

/// The owner that controls it; the first one, if none does.
fn controller(object: &Value) -> Option<OwnerReference> {
    let owners = object.pointer("/metadata/ownerReferences")?.clone();
    let owners: Vec<OwnerReference> = serde_json::from_value(owners).ok()?;
    let at = owners.iter().position(|o| o.controller == Some(true)).unwrap_or(0);
    owners.into_iter().nth(at)
}

async fn events(client: &Client, namespace: &str, objects: &[Value]) -> Result<Vec<Event>, String> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let mut all = Vec::new();
    for uid in objects.iter().filter_map(|object| object.pointer("/metadata/uid")?.as_str()) {
        let parameters = ListParams::default().fields(&format!("involvedObject.uid={uid}")).limit(EVENTS);
        let list = api.list(&parameters).await.map_err(|error| sentence(&error, "list", "events", namespace))?;
        all.extend(list.items);
    }
    Ok(all)
}

/// Without a namespace it is about all of them.
pub(super) fn sentence<'a>(
    error: &kube::Error,
    verb: &'static str,
    plural: &str,
    namespace: impl Into<Option<&'a str>>,
) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => Fault::of(error, verb, plural, namespace.into()).to_string(),
        kube::Error::Api(status) if status.code == 401 => {
            "the API server no longer accepts your credentials: log in again, the console stays open".into()
        }
        kube::Error::Api(status) => status.message.clone(),
        other => format!("cannot reach the API server: {}", root_cause(other)),
    }
}
