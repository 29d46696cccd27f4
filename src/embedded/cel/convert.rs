//! From JSON to what rules see.

use std::{collections::HashMap, sync::Arc};

use kube_cel::cel::{Program, Value as Cel, objects::Key};
use serde_json::Value;

use super::FUNCTIONS;
use crate::embedded::schema::Structural;

/// Words that cannot be the name of a field in a rule.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Converts a value. Of a whole object, rules may see `apiVersion`, `kind` and the name only, besides its own fields.
pub fn value(schema: &Structural, value: &Value, root: bool) -> Cel {
    let converted = convert(Some(schema), value);
    match (root, converted) {
        (true, Cel::Map(map)) => {
            let mut fields = HashMap::clone(&map.map);
            for key in ["apiVersion", "kind"] {
                if let Some(text) = value[key].as_str() {
                    fields.insert(Key::from(key), Cel::from(text));
                }
            }
            let names = ["name", "generateName"].into_iter();
            let metadata: HashMap<Key, Cel> =
                names.filter_map(|key| Some((Key::from(key), Cel::from(value["metadata"][key].as_str()?)))).collect();
            fields.insert(Key::from("metadata"), Cel::from(metadata));
            Cel::from(fields)
        }
        (_, converted) => converted,
    }
}

fn convert(schema: Option<&Structural>, value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(n) => match n.as_i64().filter(|_| !schema.is_some_and(Structural::is_number)) {
            Some(whole) => Cel::Int(whole),
            None => Cel::Float(n.as_f64().unwrap_or_default()),
        },
        Value::String(text) => string(schema, text),
        Value::Array(items) => {
            let each = schema.and_then(Structural::items);
            Cel::List(Arc::new(items.iter().map(|item| convert(each, item)).collect()))
        }
        Value::Object(object) => {
            let fields = object.iter().map(|(name, value)| {
                let declared = schema.is_some_and(|schema| schema.declares(name));
                let key = if declared { escape(name) } else { name.clone() };
                (Key::from(key), convert(schema.and_then(|schema| schema.field(name)), value))
            });
            Cel::from(fields.collect::<HashMap<Key, Cel>>())
        }
    }
}

/// Times and durations are values of their own type in rules.
fn string(schema: Option<&Structural>, text: &str) -> Cel {
    let plain = || Cel::from(text);
    let parse = match schema.map(Structural::format) {
        Some("date-time") => "timestamp(text)",
        Some("duration") => "duration(text)",
        _ => return plain(),
    };
    // The conversion functions of the language itself, so that there is one reading of such strings.
    let Ok(program) = Program::compile(parse) else { return plain() };
    FUNCTIONS.with(|functions| {
        let mut context = functions.new_inner_scope();
        context.add_variable_from_value("text", text);
        program.execute(&context).unwrap_or_else(|_| plain())
    })
}

/// A field name as rules have to write it.
fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    if !name.contains(['_', '.', '-', '/']) {
        return name.to_owned();
    }
    // A single underscore is an ordinary character; two are the beginning of an escape.
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}
