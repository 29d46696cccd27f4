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
    let bytes: usize = annotations.map(|(key, value)| key.len() + text(value).len()).sum();
    if bytes > MAX_ANNOTATIONS_BYTES {
        let message = format!("Too long: may not be more than {MAX_ANNOTATIONS_BYTES} bytes");
        causes.push(Cause::new("FieldValueTooLong", "metadata.annotations", message));
    }
    for (at, owner) in metadata["ownerReferences"].as_array().into_iter().flatten().enumerate() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if text(&owner[key]).is_empty() {
                let field = format!("metadata.ownerReferences[{at}].{key}");
                causes.push(Cause::invalid(field, &owner[key], "must not be empty"));
            }
        }
    }
    causes
}

fn check_name(kind: &Kind, name: &Value, causes: &mut Vec<Cause>) {
    let (valid, rule): (fn(&str) -> bool, &str) = match kind.kind.as_str() {
        "Namespace" | "Service" => (is_label, LABEL_NAME),
        _ if kind.group == "rbac.authorization.k8s.io" => (is_segment, "may not contain '/' or '%'"),
        _ => (is_subdomain, SUBDOMAIN),
    };
    match text(name) {
        "" => causes.push(Cause::required("metadata.name", "name or generateName is required")),
        long if long.len() > MAX_NAME => {
            causes.push(Cause::invalid("metadata.name", name, "must be no more than 253 characters"));
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
    let word = |text: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        text.len() <= MAX_LABEL
            && text.starts_with(ends)
            && text.ends_with(ends)
            && text.chars().all(|c| ends(c) || "-_.".contains(c))
    };
    let key_valid = match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && word(name),
        None => word(key),
    };
    if !key_valid {
        let value = Value::String(key.to_owned());
        causes.push(Cause::invalid("metadata.labels", &value, "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"));
    }
    let text = text(value);
    if text.len() > MAX_LABEL {
        causes.push(Cause::invalid("metadata.labels", value, "must be no more than 63 characters"));
    } else if !text.is_empty() && !word(text) {
        causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE));
    }
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
            "metadata.ownerReferences[0].uid",
        );
    }
}
