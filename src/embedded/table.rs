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
    let columns: Vec<Value> = match with_columns {
        true => std::iter::once(name_column()).chain(kind.columns.iter().map(definition)).collect(),
        false => Vec::new(),
    };
    let rows: Vec<Value> = objects.iter().map(|object| row(kind, object, include)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

fn name_column() -> Value {
    let description = "Name must be unique within a namespace.";
    json!({"name": "Name", "type": "string", "format": "name", "description": description, "priority": 0})
}

fn definition(column: &Column) -> Value {
    json!({
        "name": column.name, "type": column.kind, "format": column.format, "description": column.description,
        "priority": column.priority,
    })
}

fn row(kind: &Kind, object: &Value, include: Include) -> Value {
    let now = Timestamp::now();
    let name = object["metadata"]["name"].clone();
    let cells: Vec<Value> =
        std::iter::once(name).chain(kind.columns.iter().map(|column| cell(column, object, now))).collect();
    match include {
        Include::None => json!({"cells": cells}),
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
