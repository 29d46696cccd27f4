//! Transcripts: for each step its title, the request, the code, and one line for each scalar of the answer.

use std::collections::BTreeMap;

use serde_json::Value;

/// One request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub title: String,
    pub request: String,
    pub code: u16,
    /// Path, and the scalar there as JSON.
    pub body: BTreeMap<String, String>,
}

pub fn write(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        out.push_str(&format!("# {}\n{}\n{}\n", step.title, step.request, step.code));
        for (path, value) in &step.body {
            out.push_str(&format!("{path} {value}\n"));
        }
        out.push('\n');
    }
    out
}

pub fn parse(text: &str) -> Vec<Step> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(step).collect()
}

fn step(block: &str) -> Step {
    let mut lines = block.lines();
    let mut next = || lines.next().unwrap_or_else(|| panic!("a step ends too early: {block}")).to_owned();
    let title = next().trim_start_matches("# ").to_owned();
    let (request, code) = (next(), next());
    let code = code.parse().unwrap_or_else(|_| panic!("{title}: {code} is no status code"));
    let pair = |line: &str| line.split_once(' ').map(|(path, value)| (path.to_owned(), value.to_owned()));
    let body = lines.map(|line| pair(line).unwrap_or_else(|| panic!("{title}: {line}"))).collect();
    Step { title, request, code, body }
}

/// A value as paths and scalars. Sets of owned fields stay in one line each: they are compared as a whole.
pub fn flatten(value: &Value) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    walk(value, "", &mut out);
    out
}

fn walk(value: &Value, path: &str, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !path.ends_with(".fieldsV1") => {
            for (name, field) in fields {
                let simple = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
                let below = if simple { format!("{path}.{name}") } else { format!("{path}[{}]", spaceless(name)) };
                walk(field, &below, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, item)| walk(item, &format!("{path}[{at}]"), out));
        }
        scalar => drop(out.insert(if path.is_empty() { ".".to_owned() } else { path.to_owned() }, scalar.to_string())),
    }
}

fn spaceless(name: &str) -> String {
    format!("{name:?}").replace(' ', "\\u0020")
}

#[test]
fn what_is_written_can_be_read() {
    let value =
        serde_json::json!({"a": {"b.c/d": [1, "x y"]}, "e": {}, "f": [], "managedFields": [{"fieldsV1": {"f:a": {}}}]});
    let body = flatten(&value);
    let paths: Vec<&str> = body.keys().map(String::as_str).collect();
    assert_eq!(paths, [".a[\"b.c/d\"][0]", ".a[\"b.c/d\"][1]", ".e", ".f", ".managedFields[0].fieldsV1"]);
    let steps = vec![Step { title: "t".into(), request: "GET /a b=c".into(), code: 200, body }];
    assert_eq!(parse(&write(&steps)), steps);
}
