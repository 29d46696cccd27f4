//! Events of the two groups are one collection, kept as `v1` and shown as `events.k8s.io/v1` where that is asked for.

use serde_json::Value;

use super::{kind::Kind, strategy::remove};

/// The same member in `v1` and in `events.k8s.io/v1`.
const RENAMED: [(&str, &str); 7] = [
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// True for the kind that is a view: what is kept has another shape.
pub fn is_view(kind: &Kind) -> bool {
    kind.group == "events.k8s.io"
}

/// From what is kept to what is shown.
pub fn outgoing(kind: &Kind, mut value: Value) -> Value {
    if is_view(kind) {
        rename(&mut value, |(kept, shown)| (kept, shown));
        for empty in ["reportingController", "reportingInstance"] {
            if value[empty] == "" {
                remove(&mut value, empty);
            }
        }
        value["apiVersion"] = kind.api_version().into();
    }
    value
}

/// From what is sent to what is kept.
pub fn incoming(kind: &Kind, mut value: Value) -> Value {
    if is_view(kind) {
        rename(&mut value, |(kept, shown)| (shown, kept));
        value["apiVersion"] = "v1".into();
    }
    value
}

fn rename(value: &mut Value, direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str)) {
    for (from, to) in RENAMED.map(direction) {
        if let Some(member) = value.get(from).cloned() {
            remove(value, from);
            value[to] = member;
        }
    }
}
