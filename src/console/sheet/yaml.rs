//! Objects as YAML. Who owns which field is folded to one line, for it is longer than the rest.

use super::{super::pager::Text, age};
use crate::console::text::plural;
use jiff::Timestamp;
use serde_json::Value;

/// The documents, without and with the managed fields.
pub fn text(objects: &[Value], now: Timestamp) -> Text {
    let fold = |object: &Value| folded(object, now);
    let is_managed = objects.iter().any(|object| managed(object).is_some());
    Text { folded: joined(objects, fold), whole: is_managed.then(|| joined(objects, yaml)) }
}

fn joined(objects: &[Value], render: impl Fn(&Value) -> String) -> String {
    objects.iter().map(render).collect::<Vec<_>>().join("---\n")
}

pub fn yaml(object: &Value) -> String {
    serde_saphyr::to_string(object).unwrap_or_else(|why| format!("# this cannot be written as YAML: {why}\n"))
}

fn managed(object: &Value) -> Option<&Vec<Value>> {
    object.pointer("/metadata/managedFields")?.as_array().filter(|entries| !entries.is_empty())
}

/// Who owns how many of its fields, in one line.
pub fn managed_by(object: &Value, now: Timestamp) -> Option<String> {
    managed(object).map(|entries| format!("managedFields: {}", summary(entries, now)))
}

fn folded(object: &Value, now: Timestamp) -> String {
    let Some(said) = managed_by(object, now) else { return yaml(object) };
    let line = format!("  # {said}\n");
    let mut bare = object.clone();
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    yaml(&bare).replacen("metadata:\n", &format!("metadata:\n{line}"), 1)
}

/// `kubectl 12 fields 3h04m ago, quarterdeck (status) 1 field 42s ago`.
fn summary(entries: &[Value], now: Timestamp) -> String {
    let one = |entry: &Value| {
        let word = |key: &str| entry.get(key).and_then(Value::as_str);
        let mut said = crate::console::text::clean(word("manager").unwrap_or("somebody"));
        if let Some(subresource) = word("subresource") {
            said.push_str(&format!(" ({})", crate::console::text::clean(subresource)));
        }
        said.push_str(&format!(" {}", plural(fields(entry.get("fieldsV1").unwrap_or(&Value::Null)), "field")));
        if let Some(age) = age(word("time"), now) {
            said.push_str(&format!(" {age}"));
        }
        said
    };
    entries.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Fields at the ends of the tree: `.` stands for what is above it.
fn fields(tree: &Value) -> usize {
    let Some(map) = tree.as_object() else { return 0 };
    let below = map.iter().filter(|(key, _)| *key != ".");
    below.map(|(_, value)| fields(value).max(1)).sum()
}
