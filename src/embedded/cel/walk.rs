//! Finding the rules that apply to each part of an object, together with what that part was before.

use serde_json::Value;

use super::ask;
use crate::embedded::schema::{FieldError, ListType, Structural};

/// Whether there is any rule in a schema.
pub fn has_rules(schema: &Structural) -> bool {
    schema.has_rules()
}

/// Asks every rule of an object, from the outside in.
pub fn validate(schema: &Structural, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    walk(schema, value, old, "", errors);
}

fn walk(schema: &Structural, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    if !schema.has_rules() || value.is_null() {
        return;
    }
    ask(schema, value, old, path, errors);
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let Some(field) = schema.field(name).filter(|field| field.has_rules()) else { continue };
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(field, value, old.and_then(|old| old.get(name)), &path, errors);
            }
        }
        Value::Array(items) => {
            let Some(each) = schema.items().filter(|each| each.has_rules()) else { return };
            let before = old.and_then(Value::as_array);
            for (at, item) in items.iter().enumerate() {
                let old = before.and_then(|before| counterpart(schema.list_type(), before, item));
                walk(each, item, old, &format!("{path}[{at}]"), errors);
            }
        }
        _ => {}
    }
}

/// The old item that a new one continues; items of other lists than list maps cannot be told apart.
fn counterpart<'v>(list: &ListType, before: &'v [Value], item: &Value) -> Option<&'v Value> {
    let ListType::Map(keys) = list else { return None };
    before.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
}
