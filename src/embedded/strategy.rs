//! What becomes of an object on its way into the store: identity, generation, who may write what. Pure functions.

use serde_json::{Value, json};

use super::{
    builtin, definition,
    kind::Kind,
    object::text,
    refusal::{Cause, Refusal},
};

/// Which part of an object a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Main,
    Status,
}

/// Gives a new object its identity. A status that clients send along is dropped where status is a subresource; only
/// kubelets register nodes, and bring a status with them.
pub fn create(kind: &Kind, value: &mut Value, uid: &str, now: &str) {
    if kind.status && !matches!(kind.kind.as_str(), "Pod" | "Node") {
        remove(value, "status");
    }
    let metadata = &mut value["metadata"];
    metadata["uid"] = uid.into();
    metadata["creationTimestamp"] = now.into();
    for key in ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        remove(metadata, key);
    }
    if kind.generation {
        metadata["generation"] = json!(1);
    }
    if kind.kind == "Pod" && kind.group.is_empty() {
        pod_status(value);
    }
    complete(kind, value, now);
    if kind.collection == definition::COLLECTION && value["metadata"]["finalizers"].is_null() {
        value["metadata"]["finalizers"] = json!([definition::CLEANUP_FINALIZER]);
    }
}

fn pod_status(value: &mut Value) {
    if value["status"]["phase"].is_null() {
        value["status"]["phase"] = json!("Pending");
    }
}

fn complete(kind: &Kind, value: &mut Value, now: &str) {
    if kind.custom() {
        return;
    }
    builtin::default(kind, value);
    if kind.kind == "CustomResourceDefinition" {
        definition::establish(value, now);
    }
}

/// Takes empty lists and maps out of metadata: they are written as if they were not there.
pub fn tidy(metadata: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    for key in ["labels", "annotations", "finalizers", "ownerReferences"] {
        if metadata.get(key).is_some_and(is_empty) {
            remove(metadata, key);
        }
    }
}

/// Merges what a request may write into what is there: the other parts stay as they are.
pub fn update(kind: &Kind, old: &Value, new: &mut Value, part: Part, now: &str) {
    match part {
        Part::Main if kind.status => copy(old, new, "status"),
        Part::Main => {}
        Part::Status => keep_all_but_status(kind, old, new),
    }
    let metadata = &mut new["metadata"];
    for key in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"]
    {
        copy(&old["metadata"], metadata, key);
    }
    if part == Part::Main {
        complete(kind, new, now);
    }
    if kind.generation && part == Part::Main && specification(kind, old) != specification(kind, new) {
        new["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or_default() + 1).into();
    }
}

/// A write of the status takes the status only; of built-in kinds also labels and annotations.
fn keep_all_but_status(kind: &Kind, old: &Value, new: &mut Value) {
    let mut kept = old.clone();
    remove(&mut kept, "status");
    copy(new, &mut kept, "status");
    let mut taken = vec!["managedFields", "resourceVersion"];
    if !kind.custom() {
        taken.extend(["labels", "annotations", "finalizers"]);
    }
    for key in taken {
        copy(&new["metadata"], &mut kept["metadata"], key);
    }
    *new = kept;
}

/// Everything whose change counts as a new generation.
fn specification<'v>(kind: &Kind, value: &'v Value) -> Vec<(&'v String, &'v Value)> {
    let counted = |key: &str| key != "metadata" && !(kind.status && key == "status");
    value.as_object().into_iter().flatten().filter(|(key, _)| counted(key)).collect()
}

/// True when a write would change nothing, not even who owns what, so that it need not happen.
pub fn unchanged(old: &Value, new: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        remove(&mut value["metadata"], "resourceVersion");
        value
    };
    bare(old) == bare(new)
}

/// An object that is being deleted goes when its last finalizer does; for a pod the grace has to be over too.
pub fn is_finished(value: &Value) -> bool {
    let metadata = &value["metadata"];
    let list_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    metadata["deletionTimestamp"].is_string()
        && list_empty(&metadata["finalizers"])
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0
        && (value["kind"] != "Namespace" || list_empty(&value["spec"]["finalizers"]))
}

/// Refuses finalizers that are added while the object is being deleted.
pub fn no_new_finalizers(kind: &Kind, old: &Value, new: &Value) -> Result<(), Refusal> {
    let list = |value: &Value| value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let before = list(old);
    let added: Vec<String> =
        list(new).iter().filter(|f| !before.contains(f)).map(|f| format!("{:?}", text(f))).collect();
    if added.is_empty() || !old["metadata"]["deletionTimestamp"].is_string() {
        return Ok(());
    }
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    let name = text(&new["metadata"]["name"]);
    let cause = Cause::forbidden("metadata.finalizers", &why);
    // Once for the change of metadata, once for that of the whole object.
    Err(Refusal::invalid(kind, name, &[cause.clone(), cause]))
}

/// Copies a member; where there is none it is removed.
pub fn copy(from: &Value, to: &mut Value, key: &str) {
    match from.get(key) {
        Some(value) => to[key] = value.clone(),
        None => remove(to, key),
    }
}

pub fn remove(value: &mut Value, key: &str) {
    if let Some(object) = value.as_object_mut() {
        object.remove(key);
    }
}
