use serde_json::{Value, json};

use super::{Error, Writer, apply, track};
use crate::embedded::schema::Structural;

fn schema() -> Structural {
    let text = json!({"type": "string"});
    let pool = json!({"type": "object", "properties": {"name": text, "size": {"type": "integer"}, "zone": text}});
    Structural::parse(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer"},
            "labels": {"type": "object", "additionalProperties": text},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
            "args": {"type": "array", "items": text},
            "pools": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": pool},
        }},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}))
    .expect("the schema is good")
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": "example.dev/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec})
}

/// Plays writes in order: who, and the spec that is applied, or updated after `!`, or applied with force after `+`.
fn play(writes: &[(&str, Value)]) -> Result<Value, Error> {
    let schema = schema();
    let mut live: Option<Value> = None;
    for (at, (who, spec)) in writes.iter().enumerate() {
        let now = format!("2026-11-21T12:00:{at:02}Z");
        let manager = who.trim_end_matches(['!', '+']);
        let writer = Writer { manager, subresource: "", schema: Some(&schema), untouched: &["status"], now: &now };
        live = Some(if who.ends_with('!') {
            let mut new = live.clone().unwrap_or_else(|| object(&json!({})));
            new["spec"] = spec.clone();
            track(&writer, live.as_ref(), &mut new);
            new
        } else {
            apply(&writer, live.as_ref(), &object(spec), who.ends_with('+'))?
        });
    }
    Ok(live.unwrap_or_default())
}

#[track_caller]
fn check(writes: &[(&str, Value)], spec: &Value) -> Value {
    let live = play(writes).expect("no conflict");
    assert_eq!(&live["spec"], spec);
    live
}

#[track_caller]
fn check_conflict(writes: &[(&str, Value)], message: &str) {
    assert_eq!(play(writes).expect_err("a conflict").to_string(), message);
}

/// What a manager owns, as `fieldsV1`.
fn owned(live: &Value, manager: &str) -> Value {
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.filter(|e| e["manager"] == manager).map(|e| e["fieldsV1"].clone()).next().unwrap_or_default()
}

#[test]
fn fields_no_longer_applied_are_removed() {
    let first = ("a", json!({"replicas": 1, "labels": {"x": "1", "y": "2"}}));
    let live = check(&[first, ("a", json!({"labels": {"y": "2"}}))], &json!({"labels": {"y": "2"}}));
    assert_eq!(owned(&live, "a"), json!({"f:spec": {"f:labels": {"f:y": {}}}}));
    check(&[("a", json!({"labels": {"x": "1"}})), ("a", json!({"replicas": 1}))], &json!({"replicas": 1}));
}

#[test]
fn fields_that_others_own_too_stay() {
    let shared = [("a", json!({"replicas": 1})), ("b", json!({"replicas": 1})), ("a", json!({"labels": {"x": "1"}}))];
    check(&shared, &json!({"replicas": 1, "labels": {"x": "1"}}));
}

#[test]
fn changing_what_another_owns_is_a_conflict() {
    let message = r#"Apply failed with 1 conflict: conflict with "a": .spec.replicas"#;
    check_conflict(&[("a", json!({"replicas": 1})), ("b", json!({"replicas": 2}))], message);
    let by_update = [("e!", json!({"replicas": 1})), ("b", json!({"replicas": 2}))];
    let message = r#"Apply failed with 1 conflict: conflict with "e" using example.dev/v1: .spec.replicas"#;
    check_conflict(&by_update, message);
    let first = json!({"replicas": 1, "pools": [{"name": "p", "size": 1}]});
    let second = json!({"replicas": 2, "pools": [{"name": "p", "size": 2}]});
    let message =
        "Apply failed with 2 conflicts: conflicts with \"a\":\n- .spec.pools[name=\"p\"].size\n- .spec.replicas";
    check_conflict(&[("a", first), ("b", second)], message);
}

#[test]
fn force_and_updates_transfer_ownership() {
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let live = check(&[("a", json!({"replicas": 1})), ("b+", json!({"replicas": 2}))], &json!({"replicas": 2}));
    assert_eq!((owned(&live, "a"), owned(&live, "b")), (Value::Null, replicas.clone()));
    let live = check(&[("a", json!({"replicas": 1})), ("e!", json!({"replicas": 3}))], &json!({"replicas": 3}));
    assert_eq!((owned(&live, "a"), owned(&live, "e")), (Value::Null, replicas));
}

#[test]
fn items_of_list_maps_merge_by_key() {
    let mut writes = vec![
        ("a", json!({"pools": [{"name": "p", "size": 1}]})),
        ("b", json!({"pools": [{"name": "q", "size": 2}, {"name": "p", "zone": "z"}]})),
    ];
    let live = check(&writes, &json!({"pools": [{"name": "q", "size": 2}, {"name": "p", "size": 1, "zone": "z"}]}));
    let expected = json!({"f:spec": {"f:pools": {"k:{\"name\":\"p\"}": {".": {}, "f:name": {}, "f:size": {}}}}});
    assert_eq!(owned(&live, "a"), expected);
    writes.push(("a", json!({"replicas": 1})));
    check(&writes, &json!({"replicas": 1, "pools": [{"name": "q", "size": 2}, {"name": "p", "zone": "z"}]}));
    writes.push(("b", json!({})));
    check(&writes, &json!({"replicas": 1}));
}

#[test]
fn sets_merge_and_plain_lists_are_replaced() {
    let two = [("a", json!({"tags": ["x"], "args": ["1"]})), ("b", json!({"tags": ["y"]}))];
    let live = play(&two).expect("no conflict");
    let mut tags: Vec<&str> = live["spec"]["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["x", "y"]);
    let message = r#"Apply failed with 1 conflict: conflict with "a": .spec.args"#;
    check_conflict(&[("a", json!({"args": ["1"]})), ("b", json!({"args": ["1", "2"]}))], message);
}

#[test]
fn an_item_without_its_key_is_refused() {
    let error = play(&[("a", json!({"pools": [{"size": 1}]}))]).expect_err("no key");
    assert!(error.to_string().contains(".spec.pools: element 0: associative list"), "{error}");
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let once = play(&[("a", json!({"replicas": 1}))]).expect("no conflict");
    let twice = play(&[("a", json!({"replicas": 1})), ("a", json!({"replicas": 1}))]).expect("no conflict");
    assert_eq!(once, twice);
}

#[test]
fn many_updaters_become_ancient() {
    let names: Vec<String> = (0..15).map(|n| format!("m{n:02}!")).collect();
    let mut spec = json!({"labels": {}});
    let mut writes = Vec::new();
    for name in &names {
        spec["labels"][name.trim_end_matches('!')] = "x".into();
        writes.push((name.as_str(), spec.clone()));
    }
    let live = play(&writes).expect("no conflict");
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let managers: Vec<&str> = entries.filter_map(|entry| entry["manager"].as_str()).collect();
    assert!(managers.len() <= 10 && managers.contains(&"ancient-changes") && managers.contains(&"m14"), "{managers:?}");
}
