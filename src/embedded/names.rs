//! What names, labels and annotations may look like, worded as apimachinery does; and made-up name endings.

use rand::seq::IndexedRandom;
use serde_json::Value;

use super::{kind::Kind, object::text, refusal::Cause};

const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;
const MAX_ANNOTATIONS_BYTES: usize = 256 << 10;
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_NAME: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const WITH_PREFIX: &str = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";

/// Five letters and digits without vowels, so that they never spell a word.
pub fn suffix() -> String {
    let mut rng = rand::rng();
    (0..5).map(|_| char::from(*b"bcdfghjklmnpqrstvwxz2456789".choose(&mut rng).expect("not empty"))).collect()
}

/// Checks `metadata`.
pub fn check(kind: &Kind, value: &Value) -> Vec<Cause> {
    let metadata = &value["metadata"];
    let mut causes = Vec::new();
    check_name(kind, &metadata["name"], &mut causes);
    for (key, label) in metadata["labels"].as_object().into_iter().flatten() {
        check_label(key, label, &mut causes);
    }
    let annotations = metadata["annotations"].as_object().into_iter().flatten();
    let mut bytes = 0;
    for (key, value) in annotations {
        bytes += key.len() + text(value).len();
        // Keys of annotations may be written in capitals throughout.
        check_key("metadata.annotations", &key.to_lowercase(), key, &mut causes);
    }
    if bytes > MAX_ANNOTATIONS_BYTES {
        let message = format!("Too long: may not be more than {MAX_ANNOTATIONS_BYTES} bytes");
        causes.push(Cause::new("FieldValueTooLong", "metadata.annotations", message));
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        check_key("metadata.finalizers", text(finalizer), text(finalizer), &mut causes);
    }
    check_owners(&metadata["ownerReferences"], &mut causes);
    causes
}

fn check_owners(owners: &Value, causes: &mut Vec<Cause>) {
    const FIELD: &str = "metadata.ownerReferences";
    let owners: Vec<&Value> = owners.as_array().into_iter().flatten().collect();
    for owner in &owners {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if text(&owner[key]).is_empty() {
                causes.push(Cause::invalid(format!("{FIELD}.{key}"), &text(&owner[key]).into(), "must not be empty"));
            }
        }
        if owner["kind"] == "Event" && matches!(text(&owner["apiVersion"]), "v1" | "events.k8s.io/v1") {
            let (group, version) = text(&owner["apiVersion"]).split_once('/').unwrap_or(("", "v1"));
            let why = format!("{group}/{version}, Kind=Event is disallowed from being an owner");
            causes.push(Cause::invalid(FIELD, owner, &why));
        }
    }
    let named = |owner: &Value| format!("{}/{}", text(&owner["kind"]), text(&owner["name"]));
    let controllers: Vec<String> = owners.iter().filter(|o| o["controller"] == true).map(|o| named(o)).collect();
    if let [first, second, ..] = controllers.as_slice() {
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        causes.push(Cause::invalid(FIELD, &owners.into_iter().cloned().collect(), &why));
    }
}

fn check_name(kind: &Kind, name: &Value, causes: &mut Vec<Cause>) {
    let (valid, rule): (fn(&str) -> bool, &str) = match kind.kind.as_str() {
        "Namespace" | "Service" => (is_label, LABEL_NAME),
        _ if kind.group == "rbac.authorization.k8s.io" => (is_segment, "may not contain '/' or '%'"),
        _ => (is_subdomain, SUBDOMAIN),
    };
    let longest = if rule == LABEL_NAME { MAX_LABEL } else { MAX_NAME };
    match text(name) {
        "" => causes.push(Cause::required("metadata.name", "name or generateName is required")),
        long if long.len() > longest => {
            let why = format!("must be no more than {longest} characters");
            causes.push(Cause::invalid("metadata.name", name, &why));
        }
        text if !valid(text) => causes.push(Cause::invalid("metadata.name", name, rule)),
        _ => {}
    }
}

fn is_label(name: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= MAX_LABEL
        && bytes.first().is_some_and(|c| inner(*c))
        && bytes.last().is_some_and(|c| inner(*c))
        && bytes.iter().all(|&c| inner(c) || c == b'-')
}

fn is_subdomain(name: &str) -> bool {
    name.split('.').all(|part| !part.is_empty() && part.split('-').count() > 0 && is_part(part))
}

/// Parts of a subdomain may be longer than a label.
fn is_part(part: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(inner) && part.ends_with(inner) && part.chars().all(|c| inner(c) || c == '-')
}

fn is_segment(name: &str) -> bool {
    !name.contains(['/', '%']) && name != "." && name != ".."
}

fn check_label(key: &str, value: &Value, causes: &mut Vec<Cause>) {
    check_key("metadata.labels", key, key, causes);
    if let Some(why) = label_value(text(value)) {
        causes.push(Cause::invalid("metadata.labels", value, &why));
    }
}

/// What is wrong with the value of a label, if anything is.
pub fn label_value(text: &str) -> Option<String> {
    if text.len() > MAX_LABEL {
        return Some(format!("must be no more than {MAX_LABEL} bytes"));
    }
    (!text.is_empty() && !is_word(text)).then(|| LABEL_VALUE.to_owned())
}

fn check_key(field: &str, key: &str, shown: &str, causes: &mut Vec<Cause>) {
    if let Some(why) = qualified_name(key) {
        causes.push(Cause::invalid(field, &shown.into(), &why));
    }
}

/// What is wrong with a name that may have a prefix, such as the key of a label, if anything is.
pub fn qualified_name(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() || !is_subdomain(prefix) {
                let why = if prefix.is_empty() { "must be non-empty" } else { SUBDOMAIN };
                return Some(format!("prefix part {why}"));
            }
            *name
        }
        _ => return Some(format!("a valid label key {QUALIFIED} {WITH_PREFIX}")),
    };
    match name {
        "" => Some("name part must be non-empty".to_owned()),
        long if long.len() > MAX_LABEL => Some(format!("name part must be no more than {MAX_LABEL} bytes")),
        name => (!is_word(name)).then(|| format!("name part {QUALIFIED}")),
    }
}

fn is_word(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.len() <= MAX_LABEL
        && text.starts_with(ends)
        && text.ends_with(ends)
        && text.chars().all(|c| ends(c) || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_metadata(metadata: &Value, expected: &str) {
        let found = check(&Kind::default(), &json!({"metadata": metadata}));
        assert_eq!(found.iter().map(|c| c.field.as_str()).collect::<Vec<_>>().join(" "), expected, "{metadata}");
    }

    #[test]
    fn metadata() {
        check_metadata(&json!({"name": "a-1.b"}), "");
        check_metadata(&json!({"name": "A"}), "metadata.name");
        check_metadata(&json!({"name": "a..b"}), "metadata.name");
        check_metadata(&json!({"name": "a", "labels": {"x.io/y": "Z_1", "q": ""}}), "");
        check_metadata(&json!({"name": "a", "labels": {"x/y/z": "a"}}), "metadata.labels");
        check_metadata(&json!({"name": "a", "labels": {"x": "-a"}}), "metadata.labels");
        check_metadata(
            &json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n"}]}),
            "metadata.ownerReferences.uid",
        );
    }
}
