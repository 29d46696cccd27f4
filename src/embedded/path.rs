//! JSON paths as definitions of custom resources write them: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::Value;

/// Finds what a path names; null where there is nothing. Of several matches, the first.
pub fn find(value: &Value, path: &str) -> Value {
    let mut found = vec![value];
    for step in steps(path) {
        found = found.into_iter().flat_map(|value| take(value, &step)).collect();
    }
    found.first().map_or(Value::Null, |value| (*value).clone())
}

#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Position(usize),
    Every,
    /// Elements whose member at a path is a text.
    Where(String, String),
}

fn take<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    let elements = || value.as_array().into_iter().flatten();
    match step {
        Step::Member(name) => value.get(name).into_iter().collect(),
        Step::Position(at) => value.get(at).into_iter().collect(),
        Step::Every => elements().collect(),
        Step::Where(path, wanted) => {
            let scalar = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            elements().filter(|element| scalar(find(element, path)) == *wanted).collect()
        }
    }
}

fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => {
                let end = closing(inner);
                (bracket(&inner[..end]), inner.get(end + 1..).unwrap_or_default())
            }
            None => member(rest.strip_prefix('.').unwrap_or(rest)),
        };
        steps.extend(step);
        rest = after;
    }
    steps
}

/// The end of a bracket, not counting those in quotes or parentheses.
fn closing(text: &str) -> usize {
    let (mut quote, mut depth) = (None, 0_i32);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, ']') if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn bracket(inner: &str) -> Option<Step> {
    let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    if inner == "*" {
        return Some(Step::Every);
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|filter| filter.strip_suffix(')')) {
        let (path, wanted) = filter.split_once("==")?;
        return Some(Step::Where(path.trim().trim_start_matches('@').to_owned(), unquoted(wanted)));
    }
    match inner.parse() {
        Ok(position) => Some(Step::Position(position)),
        Err(_) => Some(Step::Member(unquoted(inner).replace("\\.", "."))),
    }
}

/// A member up to the next dot or bracket; a backslash keeps the dot after it.
fn member(text: &str) -> (Option<Step>, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (Some(Step::Member(name)).filter(|_| at > 0), &text[at..]),
            c => name.push(c),
        }
    }
    (Some(Step::Member(name)).filter(|_| !text.is_empty()), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(path: &str, expected: &Value) {
        let conditions = json!([{"type": "A", "status": "x"}, {"type": "Ready", "status": "True"}]);
        let value = json!({"spec": {"replicas": 3, "a.b/c": 1}, "status": {"conditions": conditions}});
        assert_eq!(find(&value, path), *expected, "{path}");
    }

    #[test]
    fn paths() {
        check(".spec.replicas", &json!(3));
        check(".spec.gone.on", &Value::Null);
        check(".status.conditions[1].type", &json!("Ready"));
        check(".status.conditions[?(@.type==\"Ready\")].status", &json!("True"));
        check(".status.conditions[?(@.type=='None')].status", &Value::Null);
        check(".status.conditions[*].type", &json!("A"));
        check(".spec['a.b/c']", &json!(1));
        check(".spec.a\\.b/c", &json!(1));
    }
}
