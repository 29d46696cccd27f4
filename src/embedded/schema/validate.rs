//! Checking a value against a schema, worded as kube-apiserver words it.

use serde_json::{Value, json};

use super::{FieldError, Limits, ListType, Structural, Type, format};
use crate::embedded::cel;

/// Checks a whole object. Rules are asked only if what they may rely on, types and required fields, holds.
pub fn validate(schema: &Structural, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    node(schema, object, "", true, &mut errors);
    if errors.iter().any(blocks_rules) {
        if cel::has_rules(schema) {
            let why = "some validation rules were not checked because the object was invalid; \
                       correct the existing errors to complete validation";
            errors.push(FieldError::invalid("<nil>", &Value::Null, why));
        }
        return errors;
    }
    cel::validate(schema, object, old, &mut errors);
    errors
}

fn blocks_rules(error: &FieldError) -> bool {
    matches!(
        error.reason.as_str(),
        "FieldValueRequired"
            | "FieldValueTooLong"
            | "FieldValueTooMany"
            | "FieldValueTypeInvalid"
            | "FieldValueNotSupported"
    )
}

fn node(schema: &Structural, value: &Value, path: &str, root: bool, errors: &mut Vec<FieldError>) {
    if value.is_null() && schema.nullable {
        return;
    }
    if let Some(expected) = wrong_type(schema, value) {
        errors.push(type_error(path, expected, value));
        return;
    }
    enumeration(&schema.limits, value, path, errors);
    match value {
        Value::Object(object) => {
            count(&schema.limits, object.len(), path, errors);
            for name in schema.limits.required.iter().filter(|name| !object.contains_key(*name)) {
                errors.push(FieldError::new(&join(path, name), "FieldValueRequired", "Required value"));
            }
            for (name, value) in object {
                let known = root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
                if let Some(field) = schema.field(name).filter(|_| !known) {
                    node(field, value, &join(path, name), false, errors);
                }
            }
        }
        Value::Array(items) => {
            length(schema, items, path, errors);
            let each = schema.items.as_deref();
            for (at, item) in items.iter().enumerate() {
                each.into_iter().for_each(|schema| node(schema, item, &format!("{path}[{at}]"), false, errors));
            }
        }
        Value::String(text) => string(&schema.limits, text, path, errors),
        Value::Number(_) => number(&schema.limits, value, path, errors),
        Value::Bool(_) | Value::Null => {}
    }
    branches(schema, value, path, root, errors);
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The name of the type that was wanted, if the value is of another one.
fn wrong_type(schema: &Structural, value: &Value) -> Option<&'static str> {
    let integer = |v: &Value| v.is_i64() || v.is_u64() || v.as_f64().is_some_and(|f| f.fract() == 0.0);
    let (fits, name) = match schema.kind {
        _ if schema.int_or_string => (integer(value) || value.is_string(), "integer,string"),
        Type::Any => (true, ""),
        Type::Object => (value.is_object(), "object"),
        Type::Array => (value.is_array(), "array"),
        Type::String => (value.is_string(), "string"),
        Type::Integer => (integer(value), "integer"),
        Type::Number => (value.is_number(), "number"),
        Type::Boolean => (value.is_boolean(), "boolean"),
    };
    (!fits).then_some(name)
}

fn type_error(path: &str, expected: &str, value: &Value) -> FieldError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let why = format!("Invalid value: {found:?}: {path} in body must be of type {expected}: {found:?}");
    FieldError::new(path, "FieldValueTypeInvalid", why)
}

fn enumeration(limits: &Limits, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if limits.enumeration.is_empty() || limits.enumeration.contains(value) {
        return;
    }
    let supported: Vec<String> = limits.enumeration.iter().filter(|v| !v.is_null()).map(ToString::to_string).collect();
    let why = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
    errors.push(FieldError::new(path, "FieldValueNotSupported", why));
}

fn count(limits: &Limits, found: usize, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(least) = limits.min_properties.filter(|least| found < *least) {
        let why = format!("{path} in body should have at least {least} properties");
        errors.push(FieldError::invalid(path, &json!(found), &why));
    }
    if let Some(most) = limits.max_properties.filter(|most| found > *most) {
        errors.push(too_many(path, found, most));
    }
}

fn too_many(path: &str, found: usize, most: usize) -> FieldError {
    FieldError::new(path, "FieldValueTooMany", format!("Too many: {found}: must have at most {most} items"))
}

fn length(schema: &Structural, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let limits = &schema.limits;
    if let Some(least) = limits.min_items.filter(|least| items.len() < *least) {
        let why = format!("{path} in body should have at least {least} items");
        errors.push(FieldError::invalid(path, &json!(items.len()), &why));
    }
    if let Some(most) = limits.max_items.filter(|most| items.len() > *most) {
        errors.push(too_many(path, items.len(), most));
    }
    let identities: Vec<Value> = match &schema.list {
        ListType::Map(keys) => items.iter().map(|item| identity(schema, item, keys)).collect(),
        ListType::Set => items.to_vec(),
        ListType::Atomic if limits.unique_items => items.to_vec(),
        ListType::Atomic => return,
    };
    let mut seen = std::collections::HashSet::new();
    for (at, identity) in identities.iter().enumerate() {
        let text = identity.to_string();
        if !seen.insert(text.clone()) {
            let why = format!("Duplicate value: {text}");
            errors.push(FieldError::new(&format!("{path}[{at}]"), "FieldValueDuplicate", why));
        }
    }
}

/// The keys of an item of a list map, with their defaults.
fn identity(schema: &Structural, item: &Value, keys: &[String]) -> Value {
    let default = |key: &String| schema.items()?.field(key)?.default.clone();
    keys.iter().filter_map(|key| Some((key.clone(), item.get(key).cloned().or_else(|| default(key))?))).collect()
}

fn string(limits: &Limits, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let value = Value::from(text);
    let length = text.chars().count();
    if let Some(most) = limits.max_length.filter(|most| length > *most) {
        let unit = if most == 1 { "byte" } else { "bytes" };
        let why = format!("Too long: may not be more than {most} {unit}");
        errors.push(FieldError::new(path, "FieldValueTooLong", why));
    } else if let Some(least) = limits.min_length.filter(|least| length < *least) {
        let why = format!("{path} in body should be at least {least} chars long");
        errors.push(FieldError::invalid(path, &value, &why));
    } else if let Some(pattern) = limits.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        let why = format!("{path} in body should match '{pattern}'");
        errors.push(FieldError::invalid(path, &value, &why));
    }
    if !format::fits(&limits.format, text) {
        let why = format!("Invalid value: {value}: {path} in body must be of type {}: {value}", limits.format);
        errors.push(FieldError::new(path, "FieldValueTypeInvalid", why));
    }
}

fn number(limits: &Limits, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(number) = value.as_f64() else { return };
    let mut refuse = |why: String| errors.push(FieldError::invalid(path, value, &format!("{path} in body {why}")));
    if let Some(least) = limits.minimum {
        match limits.exclusive_minimum {
            true if number <= least => refuse(format!("should be greater than {least}")),
            false if number < least => refuse(format!("should be greater than or equal to {least}")),
            _ => {}
        }
    }
    if let Some(most) = limits.maximum {
        match limits.exclusive_maximum {
            true if number >= most => refuse(format!("should be less than {most}")),
            false if number > most => refuse(format!("should be less than or equal to {most}")),
            _ => {}
        }
    }
    if let Some(step) = limits.multiple_of.filter(|step| (number / step).fract() != 0.0) {
        refuse(format!("should be a multiple of {step}"));
    }
    if limits.format == "int32" && (number > f64::from(i32::MAX) || number < f64::from(i32::MIN)) {
        refuse("should be a value of type int32".to_owned());
    }
}

fn branches(schema: &Structural, value: &Value, path: &str, root: bool, errors: &mut Vec<FieldError>) {
    let tried = |branch: &Structural| {
        let mut found = Vec::new();
        node(branch, value, path, root, &mut found);
        found
    };
    let mut refuse = |why: &str| errors.push(FieldError::invalid(path, value, &format!("{path} in body {why}")));
    let holds = |branch: &&Structural| tried(branch).is_empty();
    if !schema.any_of.is_empty() && !schema.any_of.iter().any(|branch| holds(&branch)) {
        refuse("must validate at least one schema (anyOf)");
    }
    if !schema.one_of.is_empty() && schema.one_of.iter().filter(holds).count() != 1 {
        refuse("must validate one and only one schema (oneOf)");
    }
    if schema.not.as_deref().is_some_and(|branch| holds(&branch)) {
        refuse("must not validate the schema (not)");
    }
    schema.all_of.iter().for_each(|branch| errors.extend(tried(branch)));
}
