use super::*;
use proptest::prelude::*;

fn object() -> Value {
    json!({
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {
            "name": "gpu", "namespace": "fleet", "uid": "u-1", "resourceVersion": "7", "generation": 3,
            "labels": {"team": "ml"}, "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"replicas": 3, "template": {"version": "1.30", "taints": ["a", "b"]}},
        "status": {"replicas": 3},
    })
}

fn draft() -> Draft {
    Draft::new(ContextId::FIRST, Kind::NodePool, &object())
}

/// What a text with `from` in place of `to` comes to: a patch without the note of who asked, `=`, or the complaint.
fn check(from: &str, to: &str, expected: &str) {
    let draft = draft();
    let text = draft.text.replace(from, to);
    assert!(from.is_empty() || text != draft.text, "{from:?} stands in {}", draft.text);
    let came = match draft.read(&text, "ada") {
        Edited::Unchanged => "=".to_owned(),
        Edited::Changed(order) => {
            let mut patch = order.changes[0].patch.clone();
            let notes = patch["metadata"]["annotations"].as_object_mut().expect("who asked");
            assert_eq!(notes.remove(labels::REQUESTED_BY), Some("ada".into()));
            notes.retain(|name, value| name != labels::REASON || !value.is_null());
            let metadata = patch["metadata"].as_object_mut().expect("an object");
            metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
            let patch = patch.as_object_mut().expect("an object");
            patch.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
            serde_json::to_string(patch).expect("JSON")
        }
        Edited::Again(again) => {
            let body =
                |text: &str| text.lines().skip_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
            assert_eq!(body(&again.text), body(&text), "what was typed is kept");
            assert_eq!(again.text.lines().count(), text.lines().count(), "and stays where it was");
            again.text.lines().nth(HEADER.lines().count()).expect("a complaint").to_owned()
        }
    };
    assert!(
        came == expected || expected.strip_suffix('…').is_some_and(|begin| came.starts_with(begin)),
        "{to}: {came}"
    );
}

#[test]
fn what_was_changed_is_what_is_sent() {
    check("", "", "=");
    check("replicas: 3", "replicas: 5", r#"{"spec":{"replicas":5}}"#);
    check("  replicas: 3\n", "", r#"{"spec":{"replicas":null}}"#);
    check("replicas: 3", "replicas: null", r#"{"spec":{"replicas":null}}"#);
    check("replicas: 3", "replicas: 3\n  minutes: null", "=");
    check("replicas: 3", "replicas: 3 # as many as there are", "=");
    check("team: ml", "team: web\n    more: \"yes\"", r#"{"metadata":{"labels":{"more":"yes","team":"web"}}}"#);
    check("  labels:\n    team: ml\n", "", r#"{"metadata":{"labels":null}}"#);
    check("name: gpu\n", "name: gpu\n  annotations: {a: b}\n", r#"{"metadata":{"annotations":{"a":"b"}}}"#);
}

#[test]
fn what_cannot_be_changed_is_said_above_the_same_text() {
    let only = "cannot be changed here: only spec, labels and annotations are written";
    check("name: gpu", "name: cpu", &format!("# metadata.name {only}"));
    check("kind: NodePool", "kind: Machine", &format!("# kind {only}"));
    check("name: gpu", "name: gpu\n  finalizers: [x]", &format!("# metadata.finalizers {only}"));
    check("spec:", "status: {replicas: 9}\nspec:", &format!("# status {only}"));
    check("replicas: 3", "replicas: [3", "# …");
}

#[test]
fn an_empty_text_and_one_of_comments_change_nothing() {
    for text in ["", "\n", "# nothing\n\n", HEADER] {
        assert_eq!(draft().read(text, "ada"), Edited::Unchanged, "{text:?}");
    }
}

#[test]
fn a_complaint_takes_the_place_of_the_one_before() {
    let first = draft();
    let read = |draft: &Draft, text: &str| match draft.read(text, "ada") {
        Edited::Again(again) => *again,
        other => panic!("{other:?}"),
    };
    let wrong = first.text.replace("name: gpu", "name: cpu");
    let second = read(&first, &wrong);
    assert_eq!(second.read(&second.text, "ada"), Edited::Unchanged, "who leaves it at that gives up");
    let third = read(&second, &second.text.replace("kind: NodePool", "kind: Machine"));
    assert_eq!(third.text.matches("cannot be changed here").count(), 1, "{}", third.text);
    let mended = third.text.replace("kind: Machine", "kind: NodePool").replace("name: cpu", "name: gpu");
    assert_eq!(third.read(&mended, "ada"), Edited::Unchanged);
}

#[test]
fn it_is_bound_to_what_was_read_and_the_reason_before_does_not_count() {
    let draft = draft();
    let Edited::Changed(order) = draft.read(&draft.text.replace("replicas: 3", "replicas: 4"), "ada") else { panic!() };
    let body = order.changes[0].body();
    assert_eq!((&body["metadata"]["uid"], &body["metadata"]["resourceVersion"]), (&"u-1".into(), &"7".into()));
    let notes = json!({labels::REQUESTED_BY: "ada", labels::REASON: null});
    assert_eq!((&body["metadata"]["annotations"], order.done.as_str()), (&notes, "NodePool gpu is changed"));
    // Unless it is what was written.
    let text = draft.text.replace("name: gpu", &format!("name: gpu\n  annotations: {{{}: mine}}", labels::REASON));
    let Edited::Changed(order) = draft.read(&text, "ada") else { panic!() };
    assert_eq!(order.changes[0].patch["metadata"]["annotations"][labels::REASON], "mine");
}

#[test]
fn annotations_that_are_all_taken_away_go_whatever_is_noted_beside_them() {
    let mut object = object();
    object["metadata"]["annotations"] = json!({"a": "b", "c": "d"});
    let draft = Draft::new(ContextId::FIRST, Kind::NodePool, &object);
    let text = draft.text.replace("  annotations:\n    a: b\n    c: d\n", "");
    assert_ne!(text, draft.text);
    let Edited::Changed(order) = draft.read(&text, "ada") else { panic!() };
    let mut patch = order.changes[0].patch.clone();
    // As the dialog adds a reason.
    json_patch::merge(&mut patch, &json!({"metadata": {"annotations": {labels::REASON: "CHG-1"}}}));
    let notes = json!({"a": null, "c": null, labels::REQUESTED_BY: "ada", labels::REASON: "CHG-1"});
    assert_eq!(patch["metadata"]["annotations"], notes);
}

#[test]
fn the_name_of_its_file_has_no_folders() {
    let mut object = object();
    object["metadata"]["name"] = "../a b".into();
    assert_eq!(Draft::new(ContextId::FIRST, Kind::NodePool, &object).file_name(), "nodepool-.._a_b.yaml");
}

/// Values that YAML could take for something else.
fn value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "1.30",
            "yes",
            "null",
            "~",
            "0x1f",
            "1e3",
            "2026-11-22",
            "- a",
            "a: b",
            "#x",
            " lead",
            "trail ",
            "",
            "true",
            "a\nb\n",
            "a\n\nb",
            "\ttab",
            "'",
            "\"",
            "&a",
            "*a",
            "!x",
            "%y",
            "@z",
            "|",
            ">",
            "{",
            "[",
            "? q",
            "é 漢",
            ".5",
            "-",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,120}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever is in an object: touched and not changed, it is not written.
    #[test]
    fn a_text_that_says_the_same_changes_nothing(spec in value()) {
        let mut object = object();
        object["spec"] = json!({"any": without_nulls(spec)});
        let draft = Draft::new(ContextId::FIRST, Kind::NodePool, &object);
        prop_assert_eq!(draft.read(&format!("{}# a line more\n", draft.text), "ada"), Edited::Unchanged, "{}", draft.text);
    }
}
