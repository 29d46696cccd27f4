//! JSON merge patches (RFC 7396): what objects are changed with.

use serde_json::{Map, Value};

/// The merge patch that makes `after` of `before`; `None` if they are equal.
///
/// Nulls in `after` would take away when the patch is applied: it should have none.
pub fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|k| !new.contains_key(*k)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(last) => patch.extend(difference(last, value).map(|d| (key.clone(), d))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, patch: Option<&str>) {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(difference(&value(before), &value(after)), patch.map(value), "{before} to {after}");
    }

    #[test]
    fn only_what_differs_is_written_and_nothing_if_nothing_does() {
        check(r#"{"a":1,"b":[1]}"#, r#"{"a":1,"b":[1]}"#, None);
        check(r#"{"a":1,"b":[1]}"#, r#"{"a":2,"b":[1]}"#, Some(r#"{"a":2}"#));
        check(r#"{"a":1,"b":[1]}"#, r#"{"b":[1,2]}"#, Some(r#"{"a":null,"b":[1,2]}"#));
        check(r#"{"a":{"x":1,"y":2}}"#, r#"{"a":{"x":1,"y":3},"c":0}"#, Some(r#"{"a":{"y":3},"c":0}"#));
    }
}
