//! An object in the user's own editor: as text, and what they changed of it as one change.
//!
//! What is in the editor was read from the server just before, and the change is bound to that version: nothing here goes by
//! what a watch has kept. It is asked about like any other change, with the server's dry run, before it is sent.

use super::{
    message::{Change, Kind, Order, Target},
    sheet, text,
};
use crate::{
    api::{labels, merge_patch},
    fleet::ContextId,
};
use serde_json::{Map, Value, json};

/// Of `metadata`, what may be changed; the rest of it is there to be read.
const OF_METADATA: [&str; 2] = ["labels", "annotations"];
/// What is said above each text; a line for a complaint follows.
const HEADER: &str = "\
# Only spec, labels and annotations are written, and only after you have seen
# the difference and said yes. Lines that begin with # are not read. Left as it
# is, or empty, it changes nothing.
";

/// What is given to the editor.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// At the version that was read.
    pub target: Target,
    /// The part of it that is shown, as the server has it.
    before: Value,
    pub text: String,
}

/// What came out of the editor.
#[derive(Clone, Debug, PartialEq)]
pub enum Edited {
    Unchanged,
    Changed(Order),
    /// It cannot be taken as it is: the same text once more, and above it why.
    Again(Box<Draft>),
}

impl Draft {
    /// Of an object as it was read.
    pub fn new(context: ContextId, kind: Kind, object: &Value) -> Self {
        let metadata = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let target = Target {
            context,
            kind,
            namespace: metadata("namespace"),
            name: metadata("name"),
            uid: metadata("uid"),
            resource_version: metadata("resourceVersion"),
            generation: object["metadata"]["generation"].as_i64(),
        };
        let before = shown(object);
        let text = format!("{HEADER}#\n{}", sheet::yaml(&before));
        Self { target, before, text }
    }

    /// Kind and name, as a person says them.
    pub fn what(&self) -> String {
        format!("{} {}", self.target.kind.as_str(), self.target.name)
    }

    /// A name for its file, without folders.
    pub fn file_name(&self) -> String {
        let name = format!("{}-{}", self.target.kind.as_str().to_lowercase(), self.target.name);
        format!("{}.yaml", text::plain(&name))
    }

    /// What the text has become, and what that comes to for this user.
    pub fn read(&self, text: &str, user: &str) -> Edited {
        let is_nothing = |text: &str| text.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
        if text == self.text || is_nothing(text) {
            return Edited::Unchanged;
        }
        match self.patch(text) {
            Ok(None) => Edited::Unchanged,
            Ok(Some(patch)) => Edited::Changed(self.order(patch, user)),
            Err(why) => Edited::Again(Box::new(self.again(text, &why))),
        }
    }

    /// The merge patch that makes the text of what was read; a sentence where that cannot be done.
    fn patch(&self, text: &str) -> Result<Option<Value>, String> {
        let after: Value = serde_saphyr::from_str(text).map_err(|why| why.to_string())?;
        if !after.is_object() {
            return Err("this is no object: kind, metadata and spec are wanted".into());
        }
        let mut rest = after.clone();
        let mut fixed = self.before.clone();
        for whole in [&mut rest, &mut fixed] {
            take_changeable(whole);
        }
        if let Some(other) = first_difference("", &fixed, &rest) {
            return Err(format!("{other} cannot be changed here: only spec, labels and annotations are written"));
        }
        let (before, mut after) = (without_nulls(self.before.clone()), without_nulls(after));
        // Annotations go one by one: who asked, and why, is written among them, where a null would be lost.
        if before["metadata"]["annotations"].is_object() && after["metadata"]["annotations"].is_null() {
            after["metadata"]["annotations"] = json!({});
        }
        Ok(merge_patch::difference(&before, &after))
    }

    fn order(&self, mut patch: Value, user: &str) -> Order {
        if self.target.kind != Kind::Operation {
            let notes = &mut patch["metadata"]["annotations"];
            notes[labels::REQUESTED_BY] = user.into();
            // A reason that is there belongs to the change before, unless it is what was written.
            if notes.get(labels::REASON).is_none() {
                notes[labels::REASON] = Value::Null;
            }
        }
        let change = Change { target: self.target.clone(), patch };
        Order::one(change, format!("{} is changed", self.what()))
    }

    /// The complaint has a line of its own, so that all others stay where they were.
    fn again(&self, text: &str, why: &str) -> Self {
        let why: Vec<&str> = why.split_whitespace().collect();
        let body = text.lines().skip_while(|line| line.starts_with('#')).map(|line| format!("{line}\n"));
        let text = format!("{HEADER}# {}\n{}", why.join(" "), body.collect::<String>());
        Self { text, ..self.clone() }
    }
}

/// The object without what the server keeps for itself.
fn shown(object: &Value) -> Value {
    let mut metadata = Map::new();
    for name in ["name", "namespace"].into_iter().chain(OF_METADATA) {
        metadata.extend(object["metadata"].get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let mut shown = Map::new();
    for name in ["apiVersion", "kind"] {
        shown.extend(object.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    shown.insert("metadata".to_owned(), Value::Object(metadata));
    shown.extend(object.get("spec").map(|spec| ("spec".to_owned(), spec.clone())));
    Value::Object(shown)
}

fn take_changeable(object: &mut Value) {
    if let Some(object) = object.as_object_mut() {
        object.remove("spec");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        OF_METADATA.iter().for_each(|name| drop(metadata.remove(*name)));
    }
}

/// Where two values differ first, as a path.
fn first_difference(at: &str, before: &Value, after: &Value) -> Option<String> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| at.to_owned());
    };
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    names.into_iter().find_map(|name| {
        let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => first_difference(&at, old, new),
            _ => Some(at),
        }
    })
}

/// In a merge patch a null takes away, and an object that has one is one that does not have it.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
