//! DELETE: at once, or marked until finalizers and grace are over.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    ApiServer,
    http::{Accept, Call, Reply},
    kind::Kind,
    object::{Key, Object, text},
    options::{DeleteOptions, Propagation},
    reading,
    refusal::Refusal,
    store::{self, Expected},
    strategy,
};

const ATTEMPTS: usize = 64;
/// Namespaces without which a cluster is none.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// What became of an object.
pub enum Outcome {
    Gone(Arc<Object>),
    /// Marked, and waiting for somebody.
    Going(Arc<Object>),
}

/// Deletes one object.
pub async fn one(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let key = reading::key(kind, call)?;
    let options = options(call)?;
    if kind.collection == "namespaces" && IMMORTAL.contains(&&*key.name) {
        return Err(Refusal::forbidden(kind, &key.name, "this namespace may not be deleted"));
    }
    Ok(match delete(server, kind, &key, &options).await? {
        Outcome::Gone(object) if kind.kind != "Pod" => Reply::json(200, &success(kind, &object)),
        Outcome::Gone(object) | Outcome::Going(object) => {
            Reply::bytes(200, reading::shown(kind, Accept::Json, &object))
        }
    })
}

/// Deletes whatever a list would show, and answers with that list.
pub async fn many(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let options = options(call)?;
    let page = reading::page(server, kind, call)?;
    for object in &page.items {
        match delete(server, kind, &object.key, &options).await {
            Err(refusal) if refusal.code != 404 => return Err(refusal),
            _ => {}
        }
    }
    let items: Vec<Value> = page.items.iter().map(|object| object.value()).collect();
    let list =
        json!({"kind": kind.list_kind, "apiVersion": kind.api_version(), "metadata": page.metadata, "items": items});
    Ok(Reply::json(200, &list))
}

fn options(call: &Call) -> Result<DeleteOptions, Refusal> {
    let body = match call.body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&call.body).map_err(|e| Refusal::bad_request(format!("DeleteOptions: {e}")))?,
    };
    DeleteOptions::parse(&body, &call.query)
}

fn success(kind: &Kind, object: &Object) -> Value {
    let mut details = json!({"name": object.key.name, "kind": kind.plural, "uid": object.index.uid});
    if !kind.group.is_empty() {
        details["group"] = kind.group.as_str().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Deletes an object, or marks it.
pub async fn delete(server: &ApiServer, kind: &Kind, key: &Key, options: &DeleteOptions) -> Result<Outcome, Refusal> {
    for _ in 0..ATTEMPTS {
        let latest = server.store().latest(&kind.collection, key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let old = latest.value();
        check_preconditions(kind, key, &old, options)?;
        let marked = marked(kind, &old, options, server.now());
        let finished = strategy::is_finished(&marked);
        if options.is_dry_run() {
            let object = Arc::new(Object::unsaved(marked));
            return Ok(if finished { Outcome::Gone(object) } else { Outcome::Going(object) });
        }
        if !finished && marked == old {
            return Ok(Outcome::Going(latest));
        }
        let expected = Expected::Revision(latest.revision);
        let done = if finished {
            // Its last state is the one before the mark, as kube-apiserver tells it; of a pod it is the mark.
            let last = if kind.kind == "Pod" { marked } else { old };
            let seal = |revision| Object::seal(last, revision, &kind.selectable);
            server.store().delete(&kind.collection, key.clone(), expected, seal).await.map(Outcome::Gone)
        } else {
            let seal = |revision| Object::seal(marked, revision, &kind.selectable);
            server.store().put(&kind.collection, key.clone(), expected, seal).await.map(Outcome::Going)
        };
        match done {
            Ok(outcome) => {
                if let (Outcome::Gone(object), "pods") = (&outcome, kind.collection.as_str()) {
                    server.logs().remove(&object.index.uid);
                }
                return Ok(outcome);
            }
            Err(store::Error::Stale) => {}
            Err(error) => return Err(Refusal::internal(error)),
        }
    }
    Err(Refusal::stale(kind, &key.name))
}

fn check_preconditions(kind: &Kind, key: &Key, old: &Value, options: &DeleteOptions) -> Result<(), Refusal> {
    let metadata = &old["metadata"];
    let wanted = &options.preconditions;
    for (what, wanted, found, guess) in [
        ("UID", &wanted.uid, text(&metadata["uid"]), "deleted and then recreated"),
        ("ResourceVersion", &wanted.resource_version, text(&metadata["resourceVersion"]), "modified"),
    ] {
        if wanted.as_deref().is_some_and(|wanted| wanted != found) {
            let wanted = wanted.as_deref().unwrap_or_default();
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). \
                 The object might have been {guess}"
            );
            // Named by kind here, and by resource everywhere else.
            let named = Kind { plural: kind.kind.clone(), ..kind.clone() };
            return Err(Refusal::conflict(&named, &key.name, &why));
        }
    }
    Ok(())
}

/// The object as it is once its deletion was asked for.
fn marked(kind: &Kind, old: &Value, options: &DeleteOptions, now: Timestamp) -> Value {
    let mut new = old.clone();
    let grace = grace(kind, old, options);
    let metadata = &mut new["metadata"];
    let mut finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let before = finalizers.clone();
    let wanted = match options.propagation_policy {
        Some(Propagation::Foreground) => Some("foregroundDeletion"),
        Some(Propagation::Orphan) => Some("orphan"),
        Some(Propagation::Background) => None,
        None => before.iter().find_map(|f| f.as_str().filter(|f| *f == "foregroundDeletion" || *f == "orphan")),
    };
    finalizers.retain(|f| f != "foregroundDeletion" && f != "orphan" || Some(text(f)) == wanted);
    if let Some(wanted) = wanted.filter(|wanted| finalizers.iter().all(|f| f != wanted)) {
        finalizers.push(wanted.into());
    }
    if finalizers != before {
        metadata["finalizers"] = finalizers.into();
    }
    let left = metadata["deletionGracePeriodSeconds"].as_i64();
    if !metadata["deletionTimestamp"].is_string() || left.is_some_and(|left| grace < left) {
        let end = now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(now);
        metadata["deletionTimestamp"] = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        metadata["deletionGracePeriodSeconds"] = grace.into();
        if kind.generation && left.is_none() {
            metadata["generation"] = (metadata["generation"].as_i64().unwrap_or_default() + 1).into();
        }
        if kind.kind == "Namespace" {
            new["status"]["phase"] = "Terminating".into();
        }
    }
    new
}

/// Seconds that a pod on a node is given; nothing else has any.
fn grace(kind: &Kind, old: &Value, options: &DeleteOptions) -> i64 {
    let running = !text(&old["spec"]["nodeName"]).is_empty();
    let over = matches!(text(&old["status"]["phase"]), "Succeeded" | "Failed");
    if kind.kind != "Pod" || !running || over {
        return 0;
    }
    let default = old["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    options.grace_period_seconds.unwrap_or(default).max(0)
}
