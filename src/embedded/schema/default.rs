//! Filling in defaults, from the outside in: a default may itself be an object with defaults.

use serde_json::Value;

use super::Structural;

/// Takes out nulls that are not allowed and that no default takes the place of, as if they had not been sent.
pub fn forget_nulls(schema: &Structural, value: &mut Value) {
    match value {
        Value::Object(object) => {
            let unwanted = |field: &Structural| {
                let anything = field.kind == super::Type::Any && !field.int_or_string;
                !field.nullable && field.default.is_none() && !anything
            };
            object.retain(|name, value| !value.is_null() || schema.field(name).is_none_or(|field| !unwanted(field)));
            for (name, value) in object {
                if let Some(field) = schema.field(name) {
                    forget_nulls(field, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| forget_nulls(schema, item));
            }
        }
        _ => {}
    }
}

/// Fills in what is absent, and what is `null` where it may not be.
pub fn fill(schema: &Structural, value: &mut Value) {
    if !schema.has_defaults {
        return;
    }
    match value {
        Value::Object(object) => {
            for (name, field) in &schema.properties {
                let absent = object.get(name).is_none_or(|v| v.is_null() && !field.nullable);
                match &field.default {
                    Some(given) if absent => drop(object.insert(name.clone(), given.clone())),
                    _ => {}
                }
            }
            for (name, value) in object {
                if let Some(field) = schema.field(name) {
                    fill(field, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| fill(schema, item));
            }
        }
        _ => {}
    }
}
