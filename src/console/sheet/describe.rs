//! An object the way `kubectl describe` shows it: fields in words, conditions and events as tables with ages.

use super::{Owner, Reading, age};
use crate::console::text;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde_json::Value;

/// Columns up to the values of the first lines.
const LABEL: usize = 14;
/// Nested deeper than this, the rest is one line of JSON.
const DEPTH: usize = 12;

pub fn text(reading: &Reading, now: Timestamp) -> String {
    let mut out = String::new();
    for (i, object) in reading.objects.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let owners = if i == 0 { reading.owners.as_slice() } else { &[] };
        head(object, owners, now, &mut out);
        for section in sections(object) {
            body(object.get(section), section, now, &mut out);
        }
        conditions(object, now, &mut out);
    }
    events(&reading.events, now, &mut out);
    out
}

/// What is wanted first, then how it is; then what else there is, as the data of a `ConfigMap`.
fn sections(object: &Value) -> Vec<&str> {
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let all = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    ["spec", "status"].into_iter().chain(all.filter(|name| !known.contains(name))).collect()
}

fn label(name: &str, value: &str, out: &mut String) {
    out.push_str(&format!("{}{value}\n", text::left(&format!("{name}:"), LABEL)));
}

fn head(object: &Value, owners: &[Owner], now: Timestamp, out: &mut String) {
    let word = |path: &str| object.pointer(path).and_then(Value::as_str);
    label("Name", word("/metadata/name").unwrap_or_default(), out);
    label("Namespace", word("/metadata/namespace").unwrap_or_default(), out);
    let version = word("/apiVersion").map(|v| format!(" ({v})")).unwrap_or_default();
    label("Kind", &format!("{}{version}", word("/kind").unwrap_or_default()), out);
    if let Some(at) = word("/metadata/creationTimestamp") {
        label("Created", &timed(at, now), out);
    }
    if let Some(at) = word("/metadata/deletionTimestamp") {
        label("Deleting", &timed(at, now), out);
    }
    pairs("Labels", object.pointer("/metadata/labels"), out);
    pairs("Annotations", object.pointer("/metadata/annotations"), out);
    if let Some(managed) = super::super::managed_by::of_object(object) {
        label("Managed by", &managed.to_string(), out);
    }
    if !owners.is_empty() {
        let said: Vec<String> = owners
            .iter()
            .map(|o| format!("{} {}{}", o.kind, o.name, if o.is_known { "" } else { " (not read)" }))
            .collect();
        label("Owned by", &said.join(" < "), out);
    }
}

fn pairs(name: &str, map: Option<&Value>, out: &mut String) {
    let Some(map) = map.and_then(Value::as_object).filter(|map| !map.is_empty()) else {
        return label(name, "<none>", out);
    };
    for (i, (key, value)) in map.iter().enumerate() {
        let line = format!("{key}={}", value.as_str().unwrap_or_default());
        if i == 0 {
            label(name, &one_line(&line), out);
        } else {
            out.push_str(&format!("{}{}\n", " ".repeat(LABEL), one_line(&line)));
        }
    }
}

fn body(section: Option<&Value>, name: &str, now: Timestamp, out: &mut String) {
    let Some(mut section) = section.cloned() else { return };
    // Those of the status are a table below; elsewhere it is a name like any other.
    if let Some(map) = section.as_object_mut().filter(|_| name == "status") {
        map.remove("conditions");
    }
    out.push_str(&format!("\n{}:\n", words(name)));
    tree(&section, 1, now, out);
}

/// Fields with their values beside each other, and what is nested below.
fn tree(value: &Value, depth: usize, now: Timestamp, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            let flat = |value: &Value| match value {
                Value::Object(map) => map.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => true,
            };
            let widest = map.iter().filter(|(_, v)| flat(v)).map(|(k, _)| words(k).len() + 1).max().unwrap_or(0);
            for (key, value) in map {
                let name = format!("{}:", words(key));
                if flat(value) {
                    out.push_str(&format!("{indent}{}  {}\n", text::left(&name, widest), leaf(value, now)));
                } else if depth >= DEPTH {
                    out.push_str(&format!("{indent}{name} {value}\n"));
                } else {
                    out.push_str(&format!("{indent}{name}\n"));
                    tree(value, depth + 1, now, out);
                }
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 && item.is_object() {
                    out.push_str(&format!("{indent}-\n"));
                }
                tree(item, depth, now, out);
            }
        }
        value => out.push_str(&format!("{indent}{}\n", leaf(value, now))),
    }
}

fn leaf(value: &Value, now: Timestamp) -> String {
    match value {
        Value::String(text) => timed(text, now),
        Value::Null | Value::Array(_) | Value::Object(_) => "<none>".to_owned(),
        other => other.to_string(),
    }
}

/// A time with its age; any other text as it is, on one line.
fn timed(said: &str, now: Timestamp) -> String {
    let is_time = said.len() >= 20 && said.as_bytes()[4] == b'-';
    match age(Some(said).filter(|_| is_time), now) {
        Some(age) => format!("{said} ({age})"),
        None => one_line(said),
    }
}

fn one_line(said: &str) -> String {
    said.lines().map(str::trim_end).collect::<Vec<_>>().join(" ")
}

/// `clusterName` as `Cluster Name`, as kubectl writes it; names in capitals and with dots stay.
fn words(key: &str) -> String {
    if key.contains(['.', '/', '-']) {
        return key.to_owned();
    }
    let mut out = String::new();
    let mut before = ' ';
    for c in key.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            out.push(' ');
        }
        out.extend(if before == ' ' { c.to_uppercase().next() } else { Some(c) });
        before = c;
    }
    out
}

fn conditions(object: &Value, now: Timestamp, out: &mut String) {
    let Some(conditions) = object.pointer("/status/conditions").and_then(Value::as_array) else { return };
    let word = |c: &Value, key: &str| c.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let row = |c: &Value| {
        let at = word(c, "lastTransitionTime");
        [word(c, "type"), word(c, "status"), since(at.parse().ok(), now), word(c, "reason"), word(c, "message")]
    };
    out.push_str("\nConditions:\n");
    table(&["TYPE", "STATUS", "AGE", "REASON", "MESSAGE"], conditions.iter().map(row).collect(), out);
}

fn events(events: &Result<Vec<Event>, String>, now: Timestamp, out: &mut String) {
    out.push('\n');
    let events = match events {
        Ok(events) if !events.is_empty() => events,
        Ok(_) => return label("Events", "<none>", out),
        Err(why) => return label("Events", why, out),
    };
    let mut events: Vec<_> = events.iter().map(|event| (happened(event), event)).collect();
    events.sort_by_key(|(at, _)| *at);
    let row = |(at, event): &(Option<Timestamp>, &Event)| {
        let word = |said: &Option<String>| said.clone().unwrap_or_default();
        let count = event.series.as_ref().and_then(|s| s.count).or(event.count).unwrap_or(1);
        let source = || event.source.as_ref().and_then(|s| s.component.clone());
        let from = event.reporting_component.clone().filter(|c| !c.is_empty()).or_else(source).unwrap_or_default();
        [since(*at, now), word(&event.type_), count.to_string(), word(&event.reason), from, word(&event.message)]
    };
    out.push_str("Events:\n");
    table(&["AGE", "TYPE", "COUNT", "REASON", "FROM", "MESSAGE"], events.iter().map(row).collect(), out);
}

/// When it last happened.
fn happened(event: &Event) -> Option<Timestamp> {
    let last = event.series.as_ref().and_then(|s| s.last_observed_time.as_ref()).map(|t| t.0);
    let micro = || event.event_time.as_ref().map(|t| t.0);
    let first = || event.first_timestamp.as_ref().map(|t| t.0);
    last.or(event.last_timestamp.as_ref().map(|t| t.0)).or_else(micro).or_else(first)
}

fn since(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "?".to_owned(), |at| text::duration(text::seconds_between(at, now)))
}

/// Columns as wide as their widest cell; the last one is as long as it is.
fn table<const N: usize>(titles: &[&str; N], rows: Vec<[String; N]>, out: &mut String) {
    let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| one_line(&cell))).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| text::width(&row[column]));
        let least = if titles[column] == "AGE" { 6 } else { 0 };
        cells.max().unwrap_or(0).max(titles[column].len()).max(least)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut line = |cells: [&str; N]| {
        out.push_str("  ");
        for (column, cell) in cells.into_iter().enumerate() {
            if column + 1 < N {
                out.push_str(&format!("{}  ", text::left(cell, widths[column])));
            } else {
                out.push_str(cell);
            }
        }
        out.push('\n');
    };
    line(*titles);
    for row in &rows {
        line(row.each_ref().map(String::as_str));
    }
}
