//! What stands between a request and the store: unknown fields, defaults, validation, and who owns which field.
//!
//! Custom resources have a schema and get the whole of it. Built-in kinds are taken as their clients write them.

use serde_json::Value;

use super::{
    builtin,
    kind::{Kind, Scale},
    names,
    object::{scalar, text},
    options::FieldValidation,
    path,
    refusal::{Cause, Refusal},
    schema::{FieldError, Structural},
    ssa,
    strategy::{self, Part},
    typed, validity,
    writing::Write,
};

/// What clients may write into the metadata of a custom resource.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

impl From<FieldError> for Cause {
    fn from(error: FieldError) -> Self {
        Self { reason: error.reason, message: error.message, field: error.field }
    }
}

/// Removes what the schema does not know; that is refused, told or ignored as the request asks.
pub fn prune(
    kind: &Kind,
    value: &mut Value,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    let unknown = unknown(kind, value).into_iter().map(|path| format!("unknown field \"{path}\""));
    match validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            warnings.extend(unknown);
            Ok(())
        }
        FieldValidation::Strict => match unknown.collect::<Vec<String>>() {
            all if all.is_empty() => Ok(()),
            all => Err(typed::strict(kind, &all)),
        },
    }
}

/// Removes what the kind does not know, and tells the paths of that.
pub fn unknown(kind: &Kind, value: &mut Value) -> Vec<String> {
    match &kind.schema {
        Some(schema) => prune_custom(schema, value),
        None => typed::prune(kind, value),
    }
}

fn prune_custom(schema: &Structural, value: &mut Value) -> Vec<String> {
    let mut unknown = schema.prune(value);
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.retain(|name, _| {
            let known = METADATA.contains(&name.as_str());
            if !known {
                unknown.push(format!("metadata.{name}"));
            }
            known
        });
    }
    unknown
}

/// Brings an object into the shape that is kept: pruned, and with its defaults.
pub fn complete(
    kind: &Kind,
    value: &mut Value,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    prune(kind, value, validation, warnings)?;
    strategy::tidy(&mut value["metadata"]);
    if let Some(schema) = &kind.schema {
        schema.fill_defaults(value);
    }
    Ok(())
}

/// Validates what is about to be stored, and writes down who wrote which fields.
pub fn admit(kind: &Kind, value: &mut Value, old: Option<&Value>, write: &Write<'_>, now: &str) -> Result<(), Refusal> {
    let mut causes = names::check(kind, value);
    match &kind.schema {
        Some(schema) => {
            causes.extend(other_kind(kind, value));
            causes.extend(kind.scale.as_ref().into_iter().flat_map(|paths| scale_causes(paths, value)));
            causes.extend(schema.validate(value, old).into_iter().map(Cause::from));
        }
        None => causes.extend(validity::check(kind, value, old)),
    }
    if !causes.is_empty() {
        // A refusal calls an object what it calls itself.
        let called = Kind { kind: text(&value["kind"]).to_owned(), ..kind.clone() };
        return Err(Refusal::invalid(&called, text(&value["metadata"]["name"]), &causes));
    }
    if write.tracked {
        // What a write of the status does not touch is as it was by now, so there is nothing of it to own.
        let untouched: &[&str] = match kind.kind.as_str() {
            // Its finalizers are those of the server.
            "Namespace" => &["status", "spec"],
            _ if write.part == Part::Main && kind.status => &["status"],
            _ => &[],
        };
        ssa::track(&writer(kind, write, untouched, now), old, value);
    }
    if !kind.custom() {
        builtin::always(kind, value);
    }
    Ok(())
}

/// What the scale of a custom resource is read from has to be a number that a scale can have.
fn scale_causes(paths: &Scale, value: &Value) -> Vec<Cause> {
    let cause = |place: &String| match path::find(value, place) {
        Value::Null => None,
        Value::Number(number) if number.as_i64().is_some_and(|n| n >= 0) => None,
        Value::Number(number) => Some(Cause::invalid(place, &number.into(), "should be a non-negative integer")),
        other => {
            let (shown, kind) = (scalar(&other), if other.is_string() { "string" } else { "another type" });
            let why = format!("{place} accessor error: {shown} is of the type {kind}, expected int64");
            Some(Cause::invalid(place, &Value::from(0), &why))
        }
    };
    [&paths.spec_replicas, &paths.status_replicas].into_iter().filter_map(cause).collect()
}

/// A custom resource is of its kind.
fn other_kind(kind: &Kind, value: &Value) -> Option<Cause> {
    let why = format!("must be {}", kind.kind);
    (value["kind"] != kind.kind).then(|| Cause::invalid("kind", &value["kind"], &why))
}

/// A write as the record of owners sees it.
pub fn writer<'w>(kind: &'w Kind, write: &Write<'w>, untouched: &'w [&'w str], now: &'w str) -> ssa::Writer<'w> {
    let (subresource, now) = match write.part {
        Part::Status => ("status", now),
        // As it happens, Kubernetes notes no time for those.
        Part::Main if write.scaling => ("scale", if kind.custom() { "" } else { now }),
        Part::Main => ("", now),
    };
    ssa::Writer { manager: write.manager, subresource, schema: kind.schema.as_deref(), untouched, now }
}

/// The top-level fields that a write of this part cannot touch.
pub fn untouched<'v>(kind: &Kind, part: Part, value: &'v Value) -> Vec<&'v str> {
    let names = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    match part {
        Part::Main if kind.status => vec!["status"],
        Part::Main => Vec::new(),
        Part::Status => names.filter(|n| !matches!(*n, "apiVersion" | "kind" | "metadata" | "status")).collect(),
    }
}
