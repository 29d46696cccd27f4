//! What differs from run to run, replaced by names: uids, revisions, times, made-up suffixes.
//!
//! A uid or an object's revision gets a number when it is first seen in a scenario, so that a transcript also says where
//! two are the same and where they are not.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("it compiles"));
static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("it compiles"));
/// Revisions in sentences; a scenario uses no numbers of so many digits itself.
static REVISION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)(resource version: |resourceVersion: |in record \()\d+").expect("it compiles"));
static LATEST: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(<revision> \()\d+").expect("it compiles"));
/// Those of objects that stand in sentences.
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(\\?"resourceVersion\\?":\\?")(\d+)"#).expect("it compiles"));
static SUFFIX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[bcdfghjklmnpqrstvwxz2456789]{5}$").expect("it compiles"));
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d+[smhdy])+$").expect("it compiles"));

/// What has been seen in one scenario.
#[derive(Debug, Default)]
pub struct Names {
    uids: Vec<String>,
    revisions: Vec<String>,
    /// Texts that are replaced wherever they stand, such as the name of the namespace.
    replaced: Vec<(String, String)>,
}

impl Names {
    pub fn new(replaced: &[(&str, &str)]) -> Self {
        let replaced = replaced.iter().map(|&(text, name)| (text.to_owned(), name.to_owned())).collect();
        Self { replaced, ..Self::default() }
    }

    /// An answer with names in it.
    pub fn normalise(&mut self, mut value: Value) -> Value {
        self.learn(&value);
        self.walk(&mut value, "");
        value
    }

    /// Notes made-up names before anything is replaced, for they may stand anywhere.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => {
                let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
                let (prefix, name) = (text("generateName"), text("name"));
                if !prefix.is_empty() && name.strip_prefix(prefix).is_some_and(|suffix| SUFFIX.is_match(suffix)) {
                    self.replaced.push((name.to_owned(), format!("{prefix}<random>")));
                }
                fields.values().for_each(|field| self.learn(field));
            }
            _ => {}
        }
    }

    fn walk(&mut self, value: &mut Value, key: &str) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, key)),
            Value::Object(fields) => {
                ages(fields);
                causes(fields);
                managers(fields);
                if fields.contains_key("fieldsV1") {
                    self.owned(&mut fields["fieldsV1"]);
                }
                let listed = ["items", "rows", "columnDefinitions"].iter().any(|list| fields.contains_key(*list));
                let bookmark = fields.get("type").is_some_and(|kind| kind == "BOOKMARK");
                for (name, field) in fields.iter_mut() {
                    match name.as_str() {
                        "metadata" if listed => revision_of_a_list(field),
                        "object" if bookmark => revision_of_a_list(&mut field["metadata"]),
                        _ => {}
                    }
                    self.walk(field, name);
                }
            }
            Value::String(text) => *text = self.text(key, text),
            _ => {}
        }
    }

    /// A set of owned fields: uids stand in its keys.
    fn owned(&mut self, set: &mut Value) {
        if let Value::Object(fields) = set {
            let keys = std::mem::take(fields).into_iter().map(|(key, mut below)| {
                self.owned(&mut below);
                (self.text("", &key), below)
            });
            *fields = keys.collect();
        }
    }

    fn text(&mut self, key: &str, text: &str) -> String {
        match key {
            "resourceVersion" if text.parse::<u64>().is_ok_and(|revision| revision > 0) => {
                return format!("rv-{}", number(&mut self.revisions, text));
            }
            "continue" if !text.is_empty() => return "<continue>".to_owned(),
            "storageVersionHash" => return "<hash>".to_owned(),
            _ => {}
        }
        let mut text = UID
            .replace_all(text, |found: &regex::Captures<'_>| format!("uid-{}", number(&mut self.uids, &found[0])))
            .into_owned();
        text = TIME.replace_all(&text, "<time>").into_owned();
        text = REVISION.replace_all(&text, "$1<revision>").into_owned();
        text = LATEST.replace_all(&text, "$1<revision>").into_owned();
        text = QUOTED
            .replace_all(&text, |found: &regex::Captures<'_>| {
                format!("{}rv-{}", &found[1], number(&mut self.revisions, &found[2]))
            })
            .into_owned();
        for (found, name) in &self.replaced {
            text = text.replace(found, name);
        }
        text
    }
}

/// Several causes come in the order of a hash table, in the sentence too.
fn causes(fields: &mut serde_json::Map<String, Value>) {
    let Some(causes) = fields.get_mut("details").and_then(|d| d.get_mut("causes")?.as_array_mut()) else { return };
    causes.sort_by_key(|cause| (cause["field"].to_string(), cause["message"].to_string()));
    let several = causes.len() > 1;
    if let Some(Value::String(message)) = fields.get_mut("message")
        && let Some(at) = message.find(" is invalid: [").filter(|_| several)
    {
        message.truncate(at);
        message.push_str(" is invalid: [the causes]");
    }
}

/// Managers come in the order of the second in which they wrote.
fn managers(fields: &mut serde_json::Map<String, Value>) {
    if let Some(managers) = fields.get_mut("managedFields").and_then(Value::as_array_mut) {
        let of = |manager: &Value| ["operation", "manager", "subresource"].map(|key| manager[key].to_string());
        managers.sort_by_key(of);
    }
}

/// The place of a text among those that were seen, from one.
fn number(seen: &mut Vec<String>, text: &str) -> usize {
    let place = seen.iter().position(|other| other == text).unwrap_or_else(|| {
        seen.push(text.to_owned());
        seen.len() - 1
    });
    place + 1
}

/// That of a list is the server's, and moves with whatever else goes on there.
fn revision_of_a_list(metadata: &mut Value) {
    if metadata["resourceVersion"].as_str().is_some_and(|revision| !revision.is_empty()) {
        metadata["resourceVersion"] = "<revision>".into();
    }
}

/// Ages in the cells of a table.
fn ages(fields: &mut serde_json::Map<String, Value>) {
    for cell in fields.get_mut("cells").and_then(Value::as_array_mut).into_iter().flatten() {
        if cell.as_str().is_some_and(|text| AGE.is_match(text)) {
            *cell = "<age>".into();
        }
    }
}

#[test]
fn names_are_given_in_order() {
    use serde_json::json;
    let mut names = Names::new(&[("ns-1f", "$ns")]);
    let uid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let metadata =
        json!({"uid": uid, "resourceVersion": "17", "generateName": "x-", "name": "x-bcdfg", "namespace": "ns-1f"});
    let found =
        names.normalise(json!({"metadata": metadata, "message": format!("{uid} of x-bcdfg, 2026-11-21T10:00:00Z")}));
    let expected = json!({"uid": "uid-1", "resourceVersion": "rv-1", "generateName": "x-", "name": "x-<random>", "namespace": "$ns"});
    assert_eq!(found, json!({"metadata": expected, "message": "uid-1 of x-<random>, <time>"}));
    let list = names
        .normalise(json!({"metadata": {"resourceVersion": "20"}, "items": [{"metadata": {"resourceVersion": "18"}}]}));
    assert_eq!(list["metadata"]["resourceVersion"], "<revision>");
    assert_eq!(list["items"][0]["metadata"]["resourceVersion"], "rv-2");
}
