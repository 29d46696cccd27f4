//! Reads an object live, with its owners and events: what is shown as text is what the server says now, not what a watch has
//! kept of it.

use super::super::{
    effects::root_cause,
    sheet::{About, Form, Owner, Reading, resource_named},
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

/// The object with all that the form shows of it; `Err` is a sentence.
pub async fn read(client: &Client, about: &About, form: Form) -> Result<Reading, String> {
    let mut objects = Vec::new();
    for resource in about.kind.resources() {
        match one(client, &resource, &about.namespace, &about.name).await {
            Ok(Some(object)) => objects.push(object),
            Ok(None) => {}
            Err(error) => return Err(sentence(&error, "get", &resource.plural, &about.namespace)),
        }
    }
    if objects.is_empty() {
        return Err(format!(
            "{} {} is gone: it was deleted while you were looking at it",
            about.kind.as_str(),
            about.name
        ));
    }
    if form == Form::Yaml {
        return Ok(Reading { objects, owners: Vec::new(), events: Ok(Vec::new()) });
    }
    let owners = owners(client, &about.namespace, &objects[0]).await;
    let events = events(client, &about.namespace, &objects).await;
    Ok(Reading { objects, owners, events })
}

async fn one(client: &Client, resource: &ApiResource, namespace: &str, name: &str) -> kube::Result<Option<Value>> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
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
            Some(resource) => one(client, resource, namespace, &next.name).await.ok().flatten(),
            None => None,
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

fn sentence(error: &kube::Error, verb: &'static str, plural: &str, namespace: &str) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => Fault::of(error, verb, plural, Some(namespace)).to_string(),
        kube::Error::Api(status) if status.code == 401 => {
            "the API server no longer accepts your credentials: log in again, the console stays open".into()
        }
        kube::Error::Api(status) => status.message.clone(),
        other => format!("cannot reach the API server: {}", root_cause(other)),
    }
}
