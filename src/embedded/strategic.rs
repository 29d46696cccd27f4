//! Strategic merge patches, as `kubectl` sends them for built-in kinds: lists of known fields merge by key.
//!
//! Known are metadata, conditions, what is in a pod, and addresses; taints, tolerations and all others are replaced as a
//! whole. The directives `$patch`, `$retainKeys`, `$deleteFromPrimitiveList` and `$setElementOrder` are understood.

use serde_json::{Map, Value};

use super::shape::{ListShape, Shape};

/// Applies a patch to an object of a built-in kind.
pub fn merge(live: &mut Value, patch: &Value) -> Result<(), super::patch::Error> {
    let Value::Object(patch) = patch else {
        return Err(super::patch::Error::Undecodable("a strategic merge patch has to be an object".to_owned()));
    };
    map(Shape::Known(""), live, patch);
    Ok(())
}

fn map(shape: Shape<'_>, live: &mut Value, patch: &Map<String, Value>) {
    if !live.is_object() || patch.get("$patch") == Some(&"replace".into()) {
        *live = Value::Object(Map::new());
    }
    let Value::Object(object) = live else { return };
    if patch.get("$patch") == Some(&"delete".into()) {
        return object.clear();
    }
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        object.retain(|name, _| retained.contains(&Value::from(name.as_str())));
    }
    for (name, value) in patch {
        if let Some(directive) = name.strip_prefix('$') {
            if let Some(field) = directive.strip_prefix("deleteFromPrimitiveList/") {
                remove_scalars(object, field, value);
            }
            continue;
        }
        if value.is_null() {
            object.remove(name);
            continue;
        }
        // There is nothing that could be replaced, and so nothing is done.
        if !object.contains_key(name) && value.get("$patch") == Some(&"replace".into()) {
            continue;
        }
        let entry = object.entry(name.clone()).or_insert(Value::Null);
        field(shape.field(name), entry, value);
    }
    for (name, order) in patch {
        if let Some(field) = name.strip_prefix("$setElementOrder/") {
            reorder(shape.field(field), object, field, order);
        }
    }
}

fn field(shape: Shape<'_>, live: &mut Value, patch: &Value) {
    match (shape.list(), patch) {
        (_, Value::Object(patch)) => map(shape, live, patch),
        (ListShape::Known(keys), Value::Array(items)) => list(shape, keys[0], live, items),
        (ListShape::Set, Value::Array(items)) => {
            let known = live.as_array().cloned().unwrap_or_default();
            let news = items.iter().filter(|item| !known.contains(item)).cloned();
            // Without an order that is asked for, what is new comes first.
            *live = news.chain(known.iter().cloned()).collect();
        }
        _ => *live = patch.clone(),
    }
}

/// Merges a list by its first key, which is what strategic merge goes by even where apply looks at two.
fn list(shape: Shape<'_>, key: &str, live: &mut Value, patch: &[Value]) {
    let mut items = live.as_array().cloned().unwrap_or_default();
    if patch.iter().any(|item| item["$patch"] == "replace") {
        items.clear();
    }
    for wanted in patch {
        let at = items.iter().position(|item| item.get(key).is_some() && item.get(key) == wanted.get(key));
        match (at, wanted) {
            (at, wanted) if wanted["$patch"] == "delete" => drop(at.map(|at| items.remove(at))),
            (_, wanted) if wanted["$patch"] == "replace" => {}
            (Some(at), Value::Object(wanted)) => map(shape.item(), &mut items[at], wanted),
            (None, Value::Object(wanted)) => {
                let mut item = Value::Object(Map::new());
                map(shape.item(), &mut item, wanted);
                items.push(item);
            }
            _ => items.push(wanted.clone()),
        }
    }
    *live = Value::Array(items);
}

fn remove_scalars(object: &mut Map<String, Value>, field: &str, gone: &Value) {
    let gone = gone.as_array().cloned().unwrap_or_default();
    if let Some(Value::Array(items)) = object.get_mut(field) {
        items.retain(|item| !gone.contains(item));
    }
}

/// Brings the named items into the order that the patch asks for; others keep their place behind them.
fn reorder(shape: Shape<'_>, object: &mut Map<String, Value>, field: &str, order: &Value) {
    let Some(order) = order.as_array() else { return };
    let Some(Value::Array(items)) = object.get_mut(field) else { return };
    let key = shape.list().keys().first().map(|key| (*key).to_owned());
    let place = |item: &Value| {
        order.iter().position(|wanted| match &key {
            Some(key) => wanted.get(key) == item.get(key),
            None => wanted == item,
        })
    };
    items.sort_by_key(|item| place(item).unwrap_or(usize::MAX));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[track_caller]
    fn check(mut live: Value, patch: &Value, expected: &Value) {
        super::merge(&mut live, patch).expect("it is an object");
        assert_eq!(&live, expected);
    }

    #[test]
    fn conditions_and_containers_merge_by_key() {
        check(
            json!({"status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Other", "status": "True"}]}}),
            &json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
            &json!({"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "True"}]}}),
        );
        check(
            json!({"spec": {"containers": [{"name": "a", "image": "x:1", "args": ["1", "2"]}]}}),
            &json!({"spec": {"containers": [{"name": "b", "image": "y"}, {"name": "a", "args": ["3"]}]}}),
            &json!({"spec": {"containers": [{"name": "a", "image": "x:1", "args": ["3"]}, {"name": "b", "image": "y"}]}}),
        );
    }

    #[test]
    fn taints_are_replaced_as_a_whole() {
        check(
            json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "unschedulable": true}}),
            &json!({"spec": {"taints": [{"key": "b", "effect": "NoExecute"}], "unschedulable": null}}),
            &json!({"spec": {"taints": [{"key": "b", "effect": "NoExecute"}]}}),
        );
    }

    #[test]
    fn directives() {
        check(
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}),
            &json!({"metadata": {"finalizers": ["c", "b"]}}),
        );
        check(
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
            &json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}),
            &json!({"spec": {"containers": [{"name": "b"}]}}),
        );
        check(
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
            &json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}),
            &json!({"spec": {"containers": [{"name": "b"}, {"name": "a"}]}}),
        );
        check(json!({"a": {"x": 1}}), &json!({"a": {"$patch": "replace", "y": 2}}), &json!({"a": {"y": 2}}));
    }
}
