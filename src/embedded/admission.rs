//! What stands between a request and the store: unknown fields, defaults, validation, and who owns which field.
//!
//! Custom resources have a schema and get the whole of it. Built-in kinds are taken as their clients write them.

use serde_json::Value;

use super::{
    definition,
    kind::Kind,
    names,
    object::text,
    options::FieldValidation,
    refusal::{Cause, Refusal},
    schema::{FieldError, Structural},
    ssa,
    strategy::Part,
    writing::{self, Write},
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
    let Some(schema) = &kind.schema else { return Ok(()) };
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
    let unknown = unknown.into_iter().map(|path| format!("unknown field \"{path}\""));
    match validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            warnings.extend(unknown);
            Ok(())
        }
        FieldValidation::Strict => {
            let all: Vec<String> = unknown.collect();
            if all.is_empty() {
                return Ok(());
            }
            let (name, version) = (&kind.kind, &kind.version);
            Err(Refusal::bad_request(format!(
                "{name} in version \"{version}\" cannot be handled as a {name}: strict decoding error: {}",
                all.join(", ")
            )))
        }
    }
}

/// Brings an object into the shape that is kept: pruned, and with its defaults.
pub fn complete(
    kind: &Kind,
    value: &mut Value,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    prune(kind, value, validation, warnings)?;
    if let Some(schema) = &kind.schema {
        schema.fill_defaults(value);
    }
    Ok(())
}

/// Validates what is about to be stored, and writes down who wrote which fields.
pub fn admit(kind: &Kind, value: &mut Value, old: Option<&Value>, write: &Write<'_>) -> Result<(), Refusal> {
    let mut causes = names::check(kind, value);
    if let Some(schema) = &kind.schema {
        causes.extend(schema.validate(value, old).into_iter().map(Cause::from));
    }
    if kind.collection == definition::COLLECTION {
        causes.extend(definition_causes(value));
    }
    if !causes.is_empty() {
        return Err(Refusal::invalid(kind, text(&value["metadata"]["name"]), &causes));
    }
    if write.tracked {
        let now = writing::now();
        // What a write of the status does not touch is as it was by now, so there is nothing of it to own.
        let untouched: &[&str] = if write.part == Part::Main && kind.status { &["status"] } else { &[] };
        ssa::track(&writer(kind, write, untouched, &now), old, value);
    }
    Ok(())
}

/// The schemas of a definition have to be structural, and their rules have to compile.
fn definition_causes(definition: &Value) -> Vec<Cause> {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten().enumerate();
    let parse = |version: &Value| Structural::parse(&version["schema"]["openAPIV3Schema"]).err();
    versions
        .filter_map(|(at, version)| {
            let error = parse(version)?;
            let field = format!("spec.versions[{at}].schema.openAPIV3Schema.{}", error.path);
            Some(Cause::new("FieldValueInvalid", field, format!("Invalid value: {}", error.why)))
        })
        .collect()
}

/// A write as the record of owners sees it.
pub fn writer<'w>(kind: &'w Kind, write: &Write<'w>, untouched: &'w [&'w str], now: &'w str) -> ssa::Writer<'w> {
    let subresource = if write.part == Part::Status { "status" } else { "" };
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
