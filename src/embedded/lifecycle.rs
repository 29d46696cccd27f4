//! What empties namespaces and definitions that are being deleted, and lets them go when nothing is left.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    ApiServer,
    definition::{self, CLEANUP_FINALIZER},
    deletion,
    kind::Kind,
    object::{Key, text},
    options::DeleteOptions,
    refusal::Refusal,
    writing::{self, Write},
};

/// How long an event is kept after it last happened, and how often old ones are looked for.
const EVENT_AGE: SignedDuration = SignedDuration::from_hours(1);
const EVENT_SWEEP: Duration = Duration::from_mins(1);
/// How often something that is still not empty is looked at.
const RETRY: Duration = Duration::from_millis(200);

/// Runs until it is dropped.
pub async fn run(server: ApiServer) {
    let mut namespaces = server.store().news("namespaces");
    let mut definitions = server.store().news(definition::COLLECTION);
    let mut old_events = tokio::time::interval(EVENT_SWEEP);
    loop {
        namespaces.borrow_and_update();
        definitions.borrow_and_update();
        let waiting = sweep(&server).await;
        let again = async {
            match waiting {
                true => tokio::time::sleep(RETRY).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = namespaces.changed() => {}
            _ = definitions.changed() => {}
            () = again => {}
            _ = old_events.tick() => forget_events(&server).await,
        }
    }
}

/// Deletes events that last happened long ago, as kube-apiserver does.
async fn forget_events(server: &ApiServer) {
    let kinds = server.kinds().clone();
    let kind = kinds.find("", "v1", "events").expect("it is built in");
    let limit = server.now() - EVENT_AGE;
    for object in server.store().list(&kind.collection, None, None).0 {
        let value = object.value();
        let moments =
            [&value["series"]["lastObservedTime"], &value["lastTimestamp"], &value["metadata"]["creationTimestamp"]];
        let last = moments.into_iter().find_map(|at| at.as_str()?.parse::<Timestamp>().ok());
        if last.is_some_and(|last| last < limit)
            && let Err(refusal) = deletion::delete(server, kind, &object.key, &DeleteOptions::default()).await
        {
            tracing::debug!(%refusal, "cannot delete an old event");
        }
    }
}

/// Empties what is going; true if something is left to do.
async fn sweep(server: &ApiServer) -> bool {
    let mut waiting = false;
    let kinds = server.kinds().clone();
    for (group, plural) in [("", "namespaces"), ("apiextensions.k8s.io", "customresourcedefinitions")] {
        let kind = kinds.find(group, "v1", plural).expect("it is built in");
        let (all, _) = server.store().list(&kind.collection, None, None);
        for object in all.iter().filter(|object| object.index.deleting) {
            let empty = match plural {
                "namespaces" => empty_namespace(server, &object.key.name).await,
                _ => empty_collection(server, &object.value()).await,
            };
            waiting |= !empty || release(server, kind, &object.key).await.is_err();
        }
    }
    waiting
}

async fn empty_namespace(server: &ApiServer, name: &str) -> bool {
    let kinds: Vec<Arc<Kind>> = server.kinds().collections().filter(|kind| kind.namespaced).cloned().collect();
    let mut empty = true;
    for kind in kinds {
        empty &= empty_kind(server, &kind, Some(name)).await;
    }
    empty
}

async fn empty_collection(server: &ApiServer, definition: &Value) -> bool {
    let spec = &definition["spec"];
    let collection = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    let kind = server.kinds().collections().find(|kind| kind.collection == collection).cloned();
    match kind {
        Some(kind) => empty_kind(server, &kind, None).await,
        None => true,
    }
}

/// Deletes all objects of a kind; true if none is left.
async fn empty_kind(server: &ApiServer, kind: &Kind, namespace: Option<&str>) -> bool {
    let (all, _) = server.store().list(&kind.collection, namespace, None);
    let options = DeleteOptions::default();
    for object in all.iter().filter(|object| !object.index.deleting) {
        if let Err(refusal) = deletion::delete(server, kind, &object.key, &options).await {
            tracing::debug!(%refusal, "cannot delete the content of what is being deleted");
        }
    }
    server.store().list(&kind.collection, namespace, None).0.is_empty()
}

/// Takes our finalizer away, with which the object goes.
async fn release(server: &ApiServer, kind: &Kind, key: &Key) -> Result<(), Refusal> {
    let write = Write::internal();
    let change = |old: &Value| {
        let mut new = old.clone();
        if kind.plural == "namespaces" {
            new["spec"]["finalizers"] = json!([]);
        } else if let Some(finalizers) = new["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|finalizer| finalizer != CLEANUP_FINALIZER);
        }
        Ok(new)
    };
    match writing::modify(server, kind, key, &write, &mut Vec::new(), change).await {
        Err(refusal) if refusal.code != 404 => Err(refusal),
        _ => Ok(()),
    }
}
