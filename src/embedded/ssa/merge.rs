//! Merging an applied object into the live one, and taking out what is no longer applied.

use serde_json::{Map, Value};

use super::fields::{FieldSet, edge};
use crate::embedded::shape::{ListShape, Shape};

/// The live value with everything that the applied one sets. Lists keep the order of the applied one.
pub fn merge(shape: Shape<'_>, live: &Value, applied: &Value) -> Result<Value, String> {
    match applied {
        Value::Object(applied) if !shape.is_atomic_map() => {
            let mut merged = live.as_object().cloned().unwrap_or_else(Map::new);
            for (name, value) in applied {
                let before = live.get(name).unwrap_or(&Value::Null);
                merged.insert(name.clone(), merge(shape.field(name), before, value)?);
            }
            Ok(Value::Object(merged))
        }
        Value::Array(applied) if shape.list() != ListShape::Atomic => {
            let live = live.as_array().map(Vec::as_slice).unwrap_or_default();
            lists(shape, live, applied).map(Value::Array)
        }
        _ => Ok(applied.clone()),
    }
}

/// Items that both have stand where the applied list has them; others keep the place they had between those.
fn lists(shape: Shape<'_>, live: &[Value], applied: &[Value]) -> Result<Vec<Value>, String> {
    let live = keyed(shape, live)?;
    let wanted = keyed(shape, applied)?;
    let is_wanted = |edge: &String| wanted.iter().any(|(wanted, _)| wanted == edge);
    let mut rest = live.iter().peekable();
    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    for (edge, item) in &wanted {
        let before = live.iter().find(|(other, _)| other == edge).map(|(_, item)| *item);
        while let Some((_, kept)) = rest.next_if(|(edge, _)| !is_wanted(edge)) {
            merged.push((*kept).clone());
        }
        rest.next_if(|(next, _)| next == edge);
        merged.push(merge(shape.item(), before.unwrap_or(&Value::Null), item)?);
    }
    merged.extend(rest.filter(|(edge, _)| !is_wanted(edge)).map(|(_, item)| (*item).clone()));
    Ok(merged)
}

fn keyed<'v>(shape: Shape<'_>, items: &'v [Value]) -> Result<Vec<(String, &'v Value)>, String> {
    items.iter().map(|item| Ok((edge(shape, item)?, item))).collect()
}

/// Takes `dropped` out, except for what is owned, and the containers that become empty by it.
pub fn remove(shape: Shape<'_>, value: &mut Value, dropped: &FieldSet, owned: &FieldSet) {
    let nothing = FieldSet::default();
    match value {
        Value::Object(object) => {
            for (edge, part) in &dropped.below {
                let Some(name) = edge.strip_prefix("f:") else { continue };
                let Some(value) = object.get_mut(name) else { continue };
                let kept = owned.below.get(edge).unwrap_or(&nothing);
                if part.member && kept.is_empty() || emptied(shape.field(name), value, part, kept) {
                    object.remove(name);
                }
            }
        }
        Value::Array(items) => items.retain_mut(|item| {
            let Ok(edge) = edge(shape, item) else { return true };
            let Some(part) = dropped.below.get(&edge) else { return true };
            let kept = owned.below.get(&edge).unwrap_or(&nothing);
            if part.member && kept.is_empty() {
                return false;
            }
            remove(shape.item(), item, part, kept);
            true
        }),
        _ => {}
    }
}

/// Takes out below a value, and says whether nothing is left of it that anybody wants.
fn emptied(shape: Shape<'_>, value: &mut Value, dropped: &FieldSet, owned: &FieldSet) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Object(object) => object.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    let was_empty = is_empty(value);
    remove(shape, value, dropped, owned);
    !was_empty && is_empty(value) && owned.is_empty() && !matches!(shape, Shape::Known("metadata"))
}
