//! Label and field selectors as they stand in a query, matched against an object's index.

use serde_json::Value;

use super::{kind::Kind, names, object::Object, refusal::Refusal};

/// Both selectors of a request. The empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldRequirement {
    field: Field,
    value: String,
    equal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    /// Position in the kind's selectable fields.
    Indexed(usize),
}

impl Selector {
    /// Parses both; the kind says which fields there are.
    pub fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, Refusal> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(kind, fields)? })
    }

    /// The one name that can match, if the selector says so.
    pub fn name(&self) -> Option<&str> {
        self.fields.iter().find(|f| f.field == Field::Name && f.equal).map(|f| f.value.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub fn matches(&self, object: &Object) -> bool {
        let label = |r: &Requirement| r.test.holds(object.index.label(&r.key));
        let field = |r: &FieldRequirement| (r.field.of(object) == r.value) == r.equal;
        self.labels.iter().all(label) && self.fields.iter().all(field)
    }
}

impl Field {
    fn of(self, object: &Object) -> &str {
        match self {
            Field::Name => &object.key.name,
            Field::Namespace => &object.key.namespace,
            Field::Indexed(position) => object.index.fields.get(position).map_or("", |value| value),
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Greater(limit) => number().is_some_and(|number| number > *limit),
            Test::Less(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

/// Whether a `LabelSelector` of an object's specification selects a stored object, of which only the index is read; none
/// selects nothing, an empty one everything.
pub fn selects(selector: &Value, object: &Object) -> bool {
    if !selector.is_object() {
        return false;
    }
    let label_of = |key: &str| object.index.label(key);
    let label = |key: &Value| key.as_str().and_then(label_of);
    let mut pairs = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = pairs.all(|(key, value)| label_of(key).is_some_and(|label| *value == *label));
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    equal
        && expressions.all(|expression| {
            let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let values = values.map(str::to_owned).collect();
            let test = match expression["operator"].as_str() {
                Some("In") => Test::In(values),
                Some("NotIn") => Test::NotIn(values),
                Some("Exists") => Test::Exists,
                Some("DoesNotExist") => Test::Absent,
                _ => return false,
            };
            test.holds(label(&expression["key"]))
        })
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Refusal> {
    let requirements = clauses(text).map(|clause| {
        let wrong = || Refusal::bad_request(format!("unable to parse requirement: {}", complaint(clause)));
        let requirement = requirement(clause).ok_or_else(wrong)?;
        check_requirement(&requirement)?;
        Ok(requirement)
    });
    requirements.collect()
}

/// What the parser of Kubernetes would have liked to see.
fn complaint(clause: &str) -> String {
    let mut words = clause.split_whitespace().skip(1);
    match words.next() {
        Some("in" | "notin") => "found '', expected: ',' or ')'".to_owned(),
        Some(word) => format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt"),
        None => format!("{clause:?} is not a label selector"),
    }
}

/// Keys and values have to be those that a label can have.
fn check_requirement(requirement: &Requirement) -> Result<(), Refusal> {
    let wrong = |field: String, text: &str, why: &str| {
        let message = format!("unable to parse requirement: {field}: Invalid value: {text:?}: {why}");
        Err(Refusal::bad_request(message))
    };
    let Requirement { key, test } = requirement;
    if let Some(why) = names::qualified_name(key) {
        return wrong("<nil>".to_owned(), key, &why);
    }
    let (Test::In(values) | Test::NotIn(values)) = test else { return Ok(()) };
    for (at, value) in values.iter().enumerate() {
        if let Some(why) = names::label_value(value) {
            return wrong(format!("values[{at}][{key}]"), value, &why);
        }
    }
    Ok(())
}

/// Splits at commas outside of parentheses.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|clause| !clause.is_empty())
}

fn requirement(clause: &str) -> Option<Requirement> {
    let some = |key: &str, test| Some(Requirement { key: key.trim().to_owned(), test });
    if let Some(key) = clause.strip_prefix('!') {
        return some(key, Test::Absent);
    }
    if let Some(inner) = clause.strip_suffix(')') {
        let (head, values) = inner.split_once('(')?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next()?, words.next()?, words.next()) {
            (key, "in", None) => some(key, Test::In(values)),
            (key, "notin", None) => some(key, Test::NotIn(values)),
            _ => None,
        };
    }
    for (sign, negative) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = clause.split_once(sign) {
            let value = value.trim().to_owned();
            let test = if negative { Test::NotIn(vec![value]) } else { Test::In(vec![value]) };
            return some(key, test);
        }
    }
    if let Some((key, limit)) = clause.split_once('>') {
        return some(key, Test::Greater(limit.trim().parse().ok()?));
    }
    if let Some((key, limit)) = clause.split_once('<') {
        return some(key, Test::Less(limit.trim().parse().ok()?));
    }
    if clause.contains(char::is_whitespace) {
        return None;
    }
    some(clause, Test::Exists)
}

fn parse_fields(kind: &Kind, text: &str) -> Result<Vec<FieldRequirement>, Refusal> {
    clauses(text).map(|clause| field_requirement(kind, text, clause)).collect()
}

fn field_requirement(kind: &Kind, text: &str, clause: &str) -> Result<FieldRequirement, Refusal> {
    let signs = [("!=", false), ("==", true), ("=", true)];
    let found =
        signs.iter().find_map(|(sign, equal)| clause.split_once(sign).map(|(path, value)| (path, value, *equal)));
    let Some((path, value, equal)) = found else {
        let why = format!("invalid selector: '{text}'; can't understand '{clause}'");
        return Err(Refusal::bad_request(why));
    };
    let path = path.trim().trim_start_matches('.');
    let field = match path {
        "metadata.name" => Field::Name,
        "metadata.namespace" if kind.namespaced => Field::Namespace,
        _ => {
            let position = kind.selectable.iter().position(|known| known.trim_start_matches('.') == path);
            let unknown = || match kind.custom() || !kind.selectable.is_empty() {
                true => Refusal::bad_request(format!("field label not supported: {path}")),
                false => Refusal::bad_request(format!(
                    "{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                )),
            };
            Field::Indexed(position.ok_or_else(unknown)?)
        }
    };
    Ok(FieldRequirement { field, value: value.trim().to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `labels ; fields` against one object: `yes`, `no` or the refusal.
    fn check(labels: &str, fields: &str, expected: &str) {
        let kind = Kind { namespaced: true, selectable: vec!["spec.nodeName".into()], ..Kind::default() };
        let metadata = json!({"name": "a", "namespace": "n", "labels": {"app": "web", "tier": "3"}});
        let object = Object::seal(json!({"metadata": metadata, "spec": {"nodeName": "w1"}}), 1, &kind.selectable);
        let found = match Selector::parse(&kind, labels, fields) {
            Ok(selector) => if selector.matches(&object) { "yes" } else { "no" }.to_owned(),
            Err(refusal) => refusal.message,
        };
        assert_eq!(found, expected, "{labels} {fields}");
    }

    #[test]
    fn labels() {
        for (selector, expected) in [
            ("", "yes"),
            ("app=web,tier==3", "yes"),
            ("app!=web", "no"),
            ("gone!=web", "yes"),
            ("app in (web, db),!gone", "yes"),
            ("app notin (web)", "no"),
            ("app", "yes"),
            ("!app", "no"),
            ("tier>2,tier<4", "yes"),
        ] {
            check(selector, "", expected);
        }
        check("a b c", "", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
    }

    #[test]
    fn fields() {
        check("", "metadata.name=a,metadata.namespace=n", "yes");
        check("", "spec.nodeName!=w1", "no");
        check("", "spec.nodeName=w1", "yes");
        check("", "spec.image=w1", "field label not supported: spec.image");
    }
}
