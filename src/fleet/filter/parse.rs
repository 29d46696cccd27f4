//! Reading a filter, with the column of what cannot be read.

use super::{
    Field, Health, Term, Test,
    columns::{self, Column},
    fields, word,
};
use crate::api::MachineState;

/// Why a filter cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct FilterError {
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong and what may stand there.
    pub message: String,
}

/// Longer ones first: `!=` is not `!` and `=`.
const TESTS: &[(&str, Test)] = &[
    ("!=", Test::NotEqual),
    ("!~", Test::ContainsNot),
    ("=", Test::Equal),
    ("~", Test::Contains),
    (":", Test::Begins),
];

pub(super) fn terms(text: &str) -> Result<Vec<Term>, FilterError> {
    read(text, None)
}

/// Where only these may be named; they become [`Field::Label`] with the name of the column.
pub(super) fn terms_of(text: &str, columns: &'static [Column]) -> Result<Vec<Term>, FilterError> {
    read(text, Some(columns))
}

fn read(text: &str, columns: Option<&'static [Column]>) -> Result<Vec<Term>, FilterError> {
    split(text)?.into_iter().map(|(column, part)| term(column, &part, columns)).collect()
}

/// Parts between spaces, with their columns; quotes hold a part together and are dropped.
fn split(text: &str) -> Result<Vec<(usize, String)>, FilterError> {
    let mut parts: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut quote = None;
    for (at, c) in text.chars().enumerate() {
        match (c, quote) {
            ('"', None) => {
                quote = Some(at + 1);
                open.get_or_insert_with(|| (at + 1, String::new()));
            }
            ('"', Some(_)) => quote = None,
            (c, None) if c.is_whitespace() => parts.extend(open.take()),
            (c, _) => open.get_or_insert_with(|| (at + 1, String::new())).1.push(c),
        }
    }
    if let Some(column) = quote {
        return Err(FilterError { column, message: "this quote is not closed".to_owned() });
    }
    parts.extend(open);
    Ok(parts)
}

fn term(column: usize, part: &str, columns: Option<&'static [Column]>) -> Result<Term, FilterError> {
    if part == "!" {
        return Ok(Term::Problems);
    }
    let first = part.char_indices().find_map(|(at, _)| {
        let rest = &part[at..];
        TESTS.iter().find(|(sign, _)| rest.starts_with(sign)).map(|(sign, test)| (at, *sign, *test))
    });
    let Some((at, sign, test)) = first else { return Ok(Term::Word(word(part))) };
    let (key, value) = (&part[..at], &part[at + sign.len()..]);
    let error =
        |offset: usize, message: String| Err(FilterError { column: column + part[..offset].chars().count(), message });
    if key.is_empty() {
        return error(at, format!("a key is missing before `{sign}`, as in state{sign}ready"));
    }
    if value.is_empty() {
        return error(at + sign.len(), format!("a value is missing behind `{key}{sign}`"));
    }
    let named = match columns.map(|columns| columns::column(columns, key)).transpose() {
        Ok(named) => named,
        Err(message) => return error(0, message),
    };
    let field = named.map_or_else(|| Field::named(key), |column| Field::Label(column.name.to_owned()));
    let values: Vec<String> = match test {
        Test::Equal | Test::NotEqual => value.split(',').filter(|v| !v.is_empty()).map(str::to_owned).collect(),
        _ => vec![value.to_owned()],
    };
    if matches!(test, Test::Equal | Test::NotEqual)
        && let Some(message) =
            values.iter().find_map(|v| named.map_or_else(|| unknown(&field, v), |column| columns::unknown(column, v)))
    {
        return error(at + sign.len(), message);
    }
    Ok(Term::Field { field, test, values })
}

/// What is wrong with a value, where there are only so many.
fn unknown(field: &Field, value: &str) -> Option<String> {
    let states = || {
        let machines = MachineState::ALL.iter().map(|s| s.as_str());
        let pools = ["ScalingUp", "ScalingDown", "Blocked", "Degraded", "Paused", "Deleting"];
        let operations = ["Pending", "Running", "Succeeded", "Cancelled"];
        machines.chain(pools).chain(operations).chain(["Unreachable"]).collect::<Vec<_>>()
    };
    let allowed = match field {
        Field::State => states(),
        Field::Health => Health::ALL.map(fields::health).to_vec(),
        Field::Role => vec!["Worker", "ControlPlane", "Etcd"],
        Field::Ready => vec!["true", "false", "unknown"],
        _ => return None,
    };
    let known = allowed.iter().any(|a| a.eq_ignore_ascii_case(value));
    (!known).then(|| format!("there is no `{value}` here; there is {}", allowed.join(", ")))
}
