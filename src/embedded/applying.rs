//! `PATCH` with an applied object: made if it is not there, merged by ownership if it is.

use http::Method;
use serde_json::{Value, json};

use super::{
    ApiServer, admission, body, events,
    http::{Call, Reply},
    kind::Kind,
    object::text,
    patch, reading,
    refusal::{Cause, Refusal},
    ssa,
    strategy::{self, Part},
    writing::{self, Write},
};

/// How often an object that came or went in between is applied anew.
const ATTEMPTS: usize = 8;

impl From<patch::Error> for Refusal {
    fn from(error: patch::Error) -> Self {
        match error {
            patch::Error::Undecodable(_) => Self::bad_request(error.to_string()),
            patch::Error::Unfit(_) => Self::unfit_patch(),
        }
    }
}

impl From<ssa::Error> for Refusal {
    fn from(error: ssa::Error) -> Self {
        let message = error.to_string();
        match error {
            ssa::Error::ManagedFieldsGiven => Self::bad_request(message),
            ssa::Error::Untyped(_) | ssa::Error::Damaged(_) => Self::unworded(message),
            ssa::Error::Conflicts(conflicts) => {
                let cause = |(manager, path): &(String, String)| {
                    Cause::new("FieldManagerConflict", path, format!("conflict with {manager}"))
                };
                let causes: Vec<Cause> = conflicts.0.iter().map(cause).collect();
                Self::apply_conflict(message, &causes)
            }
        }
    }
}

/// Server-side apply.
pub async fn apply(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    check_options(call)?;
    let key = reading::key(kind, call)?;
    check_type(kind, &body::decode(call)?)?;
    let mut applied = body::read(kind, call)?;
    body::meet(kind, call, &mut applied)?;
    let mut warnings = Vec::new();
    check_fields(kind, &applied)?;
    let write = Write { tracked: false, ..Write::of(call) };
    if write.part == Part::Status {
        keep_status_only(&mut applied);
    }
    let (force, now) = (call.query.force == Some(true), writing::now(server));
    for _ in 0..ATTEMPTS {
        let change = |old: Option<&Value>| merged(kind, &write, old, &applied, force, &now);
        let done = match server.store().latest(&kind.collection, &key) {
            Some(_) => {
                let change = |old: &Value| change(Some(old));
                (200, writing::modify(server, kind, &key, &write, &mut warnings, change).await)
            }
            None if write.part == Part::Status => return Err(Refusal::not_found(kind, &key.name)),
            None => {
                check_absent(kind, &key.name, &applied)?;
                (201, writing::insert(server, kind, change(None)?, &write, &mut warnings).await)
            }
        };
        match done {
            (200, Err(refusal)) if refusal.reason == "NotFound" => {}
            (201, Err(refusal)) if refusal.reason == "AlreadyExists" => {}
            (code, done) => return Ok(writing::reply(kind, call, code, &*done?, warnings)),
        }
    }
    Err(Refusal::stale(kind, &key.name))
}

fn check_options(call: &Call) -> Result<(), Refusal> {
    if !call.query.field_manager.is_empty() {
        return Ok(());
    }
    let cause = Cause::required("fieldManager", "is required for apply patch");
    Err(Refusal::options(&Method::PATCH, &[cause]))
}

/// Unlike any other write, an apply refuses what it does not know, for it could not say who owns it.
fn check_fields(kind: &Kind, applied: &Value) -> Result<(), Refusal> {
    let unknown = admission::unknown(kind, &mut applied.clone());
    match unknown.first() {
        None => Ok(()),
        Some(path) => Err(untyped(kind, applied, &format!(".{path}: field not declared in schema"))),
    }
}

fn untyped(kind: &Kind, applied: &Value, why: &str) -> Refusal {
    let (name, version) = (text(&applied["metadata"]["name"]), kind.api_version());
    let version = if kind.group.is_empty() { format!("/{version}") } else { version };
    Refusal::unworded(format!("failed to create typed patch object (/{name}; {version}, Kind={}): {why}", kind.kind))
}

/// What is applied says of which kind it is.
fn check_type(kind: &Kind, applied: &Value) -> Result<(), Refusal> {
    let (version, name) = (text(&applied["apiVersion"]), text(&applied["kind"]));
    if version == kind.api_version() && name == kind.kind {
        return Ok(());
    }
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Err(Refusal::bad_request(format!("invalid object type: {group}/{version}, Kind={name}")))
}

/// An object that is meant by its identity cannot be made anew.
fn check_absent(kind: &Kind, name: &str, applied: &Value) -> Result<(), Refusal> {
    match text(&applied["metadata"]["uid"]) {
        "" => Ok(()),
        uid => {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            Err(Refusal::conflict(kind, name, &why))
        }
    }
}

/// The status is applied without labels and annotations.
fn keep_status_only(applied: &mut Value) {
    if let Some(metadata) = applied["metadata"].as_object_mut() {
        metadata.retain(|name, _| matches!(name.as_str(), "name" | "namespace" | "uid" | "resourceVersion"));
    }
}

fn merged(
    kind: &Kind,
    write: &Write<'_>,
    old: Option<&Value>,
    applied: &Value,
    force: bool,
    now: &str,
) -> Result<Value, Refusal> {
    let untouched = admission::untouched(kind, write.part, applied);
    let writer = admission::writer(kind, write, &untouched, now);
    let shown = old.map(|old| events::outgoing(kind, old.clone()));
    let applied = ssa::apply(&writer, shown.as_ref(), applied, force).map_err(|error| match error {
        ssa::Error::Untyped(why) => untyped(kind, applied, &why),
        other => other.into(),
    });
    let mut new = events::incoming(kind, applied?);
    if old.is_none() {
        strategy::remove(&mut new["metadata"], "resourceVersion");
    }
    if new["metadata"].is_null() {
        new["metadata"] = json!({});
    }
    Ok(new)
}
