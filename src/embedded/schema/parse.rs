//! From JSON to a schema.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Error, Limits, ListType, Structural, Type};
use crate::embedded::cel::Rule;

/// Reads a whole schema.
pub fn parse(schema: &Value) -> Result<Structural, Error> {
    node(schema, "")
}

/// Paths of what lacks a type: properties, items and values of maps have one, unless anything or a number or text is allowed.
pub fn untyped(schema: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    find_untyped(schema, "", &mut paths);
    paths
}

fn find_untyped(schema: &Value, path: &str, paths: &mut Vec<String>) {
    let free =
        ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"].iter().any(|k| schema[*k] == true);
    if schema.is_object() && !schema["type"].is_string() && !free {
        paths.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        find_untyped(field, &below(path, &format!("properties[{name}]")), paths);
    }
    for part in ["items", "additionalProperties"].iter().filter(|part| schema[**part].is_object()) {
        find_untyped(&schema[*part], &below(path, part), paths);
    }
}

fn node(schema: &Value, path: &str) -> Result<Structural, Error> {
    let fail = |why: String| Error { path: if path.is_empty() { "<root>".into() } else { path.into() }, why };
    if !schema.is_object() {
        return Err(fail("a schema has to be an object".into()));
    }
    if schema.get("$ref").is_some() {
        return Err(fail("$ref is not allowed in a structural schema".into()));
    }
    let flag = |key: &str| schema[key] == true;
    let properties = properties(schema, path)?;
    let items = child(schema, "items", path)?;
    let additional = match &schema["additionalProperties"] {
        Value::Object(_) => child(schema, "additionalProperties", path)?,
        Value::Bool(true) => Some(Box::new(Structural { preserve_unknown: true, ..Structural::default() })),
        _ => None,
    };
    let default = schema.get("default").filter(|v| !v.is_null()).cloned();
    let all_of = branches(schema, "allOf", path)?;
    let rules = rules(schema).map_err(fail)?;
    let below = || properties.values().chain(items.as_deref()).chain(additional.as_deref());
    let has_defaults = default.is_some() || below().any(|part| part.has_defaults);
    let has_rules = !rules.is_empty() || below().chain(&all_of).any(|part| part.has_rules);
    Ok(Structural {
        kind: kind(&schema["type"]).map_err(fail)?,
        nullable: flag("nullable"),
        int_or_string: flag("x-kubernetes-int-or-string"),
        preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
        embedded: flag("x-kubernetes-embedded-resource"),
        atomic_map: schema["x-kubernetes-map-type"] == "atomic",
        list: list_type(schema).map_err(fail)?,
        limits: limits(schema).map_err(fail)?,
        rules,
        all_of,
        any_of: branches(schema, "anyOf", path)?,
        one_of: branches(schema, "oneOf", path)?,
        not: child(schema, "not", path)?,
        default,
        properties,
        items,
        additional,
        has_defaults,
        has_rules,
    })
}

fn properties(schema: &Value, path: &str) -> Result<BTreeMap<String, Structural>, Error> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.map(|(name, field)| Ok((name.clone(), node(field, &below(path, &format!("properties[{name}]")))?))).collect()
}

fn child(schema: &Value, key: &str, path: &str) -> Result<Option<Box<Structural>>, Error> {
    schema.get(key).map(|part| node(part, &below(path, key)).map(Box::new)).transpose()
}

fn branches(schema: &Value, key: &str, path: &str) -> Result<Vec<Structural>, Error> {
    let branches = schema[key].as_array().into_iter().flatten().enumerate();
    branches.map(|(at, branch)| node(branch, &below(path, &format!("{key}[{at}]")))).collect()
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn kind(name: &Value) -> Result<Type, String> {
    Ok(match name.as_str() {
        None if name.is_null() => Type::Any,
        Some("object") => Type::Object,
        Some("array") => Type::Array,
        Some("string") => Type::String,
        Some("integer") => Type::Integer,
        Some("number") => Type::Number,
        Some("boolean") => Type::Boolean,
        _ => return Err(format!("type {name} is not known")),
    })
}

fn list_type(schema: &Value) -> Result<ListType, String> {
    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
    let keys: Vec<String> = keys.filter_map(Value::as_str).map(str::to_owned).collect();
    match schema["x-kubernetes-list-type"].as_str() {
        None | Some("atomic") => Ok(ListType::Atomic),
        Some("set") => Ok(ListType::Set),
        Some("map") if keys.is_empty() => Err("a list of type map needs x-kubernetes-list-map-keys".into()),
        Some("map") => Ok(ListType::Map(keys)),
        Some(other) => Err(format!("x-kubernetes-list-type {other:?} is not known")),
    }
}

fn limits(schema: &Value) -> Result<Limits, String> {
    let count = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let words = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let pattern = schema["pattern"].as_str().map(regex::Regex::new).transpose();
    Ok(Limits {
        required: words.map(str::to_owned).collect(),
        enumeration: schema["enum"].as_array().cloned().unwrap_or_default(),
        pattern: pattern.map_err(|error| format!("pattern does not compile: {error}"))?,
        format: schema["format"].as_str().unwrap_or_default().to_owned(),
        minimum: schema["minimum"].as_f64(),
        maximum: schema["maximum"].as_f64(),
        exclusive_minimum: schema["exclusiveMinimum"] == true,
        exclusive_maximum: schema["exclusiveMaximum"] == true,
        multiple_of: schema["multipleOf"].as_f64(),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        unique_items: schema["uniqueItems"] == true,
    })
}

fn rules(schema: &Value) -> Result<Vec<Rule>, String> {
    schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(Rule::parse).collect()
}
