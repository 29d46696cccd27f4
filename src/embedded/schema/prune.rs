//! Removing what a schema does not know.

use serde_json::Value;

use super::Structural;

/// Prunes in place. `root` says that the value is a whole object, whose `apiVersion`, `kind` and `metadata` are known.
pub fn prune(schema: &Structural, value: &mut Value, path: &str, root: bool, unknown: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            let whole = root || schema.embedded;
            object.retain(|name, value| {
                if whole && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    return true;
                }
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match schema.field(name) {
                    Some(field) => prune(field, value, &path, false, unknown),
                    None if schema.preserve_unknown => {}
                    None => {
                        unknown.push(path);
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for (at, item) in items.iter_mut().enumerate() {
                prune(schema, item, &format!("{path}[{at}]"), false, unknown);
            }
        }
        _ => {}
    }
}
