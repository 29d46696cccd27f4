//! Lists and objects as tables: what `kubectl get` prints.

mod builtin;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    kind::{Cell, Column, Kind},
    path,
};

pub use builtin::columns;

/// What of an object goes along with its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    None,
    #[default]
    Metadata,
    Object,
}

/// `Table` of some objects. A watch leaves the columns out after its first event.
pub fn table(kind: &Kind, objects: &[Value], include: Include, metadata: &Value, with_columns: bool) -> Value {
    let columns: Value = match with_columns {
        true => {
            first(kind).then(name_column).into_iter().chain(kind.columns.iter().map(|c| definition(kind, c))).collect()
        }
        false => Value::Null,
    };
    let rows: Vec<Value> = objects.iter().map(|object| row(kind, object, include)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

/// Descriptions as the types of Kubernetes carry them.
const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

fn name_column() -> Value {
    json!({"name": "Name", "type": "string", "format": "name", "description": NAME, "priority": 0})
}

/// Whether the name comes before all other columns: of events it does not matter.
fn first(kind: &Kind) -> bool {
    kind.custom() || kind.kind != "Event"
}

fn definition(kind: &Kind, column: &Column) -> Value {
    // Ages of built-in kinds are worked out by the server, those of custom resources are dates to begin with.
    let age = !kind.custom() && column.kind == "date";
    json!({
        "name": column.name, "type": if age { "string" } else { &column.kind }, "format": column.format,
        "description": if age || column.description.is_empty() && column.name == "Age" { CREATED } else { &column.description }, "priority": column.priority,
    })
}

fn row(kind: &Kind, object: &Value, include: Include) -> Value {
    let now = Timestamp::now();
    let name = object["metadata"]["name"].clone();
    let cells: Vec<Value> =
        first(kind).then_some(name).into_iter().chain(kind.columns.iter().map(|c| cell(c, object, now))).collect();
    match include {
        Include::None => json!({"cells": cells, "object": null}),
        Include::Object => json!({"cells": cells, "object": object}),
        Include::Metadata => {
            let metadata = &object["metadata"];
            let partial =
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
            json!({"cells": cells, "object": partial})
        }
    }
}

fn cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    let value = match &column.cell {
        Cell::Path(path) => path::find(object, path),
        Cell::Code(code) => code(object),
    };
    match (column.kind.as_str(), value) {
        (_, value) if matches!(column.cell, Cell::Code(_)) => value,
        ("date", Value::String(at)) => age(&at, now).into(),
        ("date", _) if matches!(&column.cell, Cell::Path(path) if path.ends_with("Timestamp")) => "<unknown>".into(),
        ("integer", Value::Number(number)) => number.into(),
        ("string", value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            value.to_string().into()
        }
        (_, value) => value,
    }
}

/// How long ago something was, as kubectl words it.
pub fn age(at: &str, now: Timestamp) -> String {
    match at.parse::<Timestamp>() {
        Ok(at) => duration(now.duration_since(at).as_secs()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// A duration with two or three digits of meaning: `90s`, `5m30s`, `3h`, `2d4h`, `400d`.
fn duration(seconds: i64) -> String {
    let two = |big: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{part}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        i64::MIN..-1 => "<invalid>".to_owned(),
        -1 | 0 => "0s".to_owned(),
        1..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, expected: &str) {
        assert_eq!(duration(seconds), expected);
    }

    #[test]
    fn ages() {
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(150, "2m30s");
        check(3600, "60m");
        check(10_860, "3h1m");
        check(90_000, "25h");
        check(180_000, "2d2h");
        check(864_000, "10d");
    }
}
