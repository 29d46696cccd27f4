//! The shape of a runbook file, and reading it. Names and scripts keep the line that they stand on.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::api::Role;

/// A runbook file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Runbook {
    pub name: Spanned<String>,
    /// Goes up with each change, for people who read logs.
    pub revision: u32,
    #[serde(default)]
    pub description: String,
    /// What `vars.NAME` may say, beside the variables of the cluster.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    pub phases: Vec<Phase>,
}

/// A variable that a runbook declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    /// Its value where nobody sets it; without a default it has to be set.
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub description: String,
    /// It comes from the file of this name beside the SSH key, and is redacted wherever it shows up.
    #[serde(default)]
    pub secret: bool,
}

/// Steps that belong together. A machine begins a phase when it is through with the one before.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Phase {
    pub name: Spanned<String>,
    /// Machines of these roles; all when empty.
    #[serde(default)]
    pub roles: Vec<Role>,
    #[serde(default)]
    pub strategy: Strategy,
    /// At most this many machines in the phase at once, where the strategy is `parallel`.
    #[serde(default)]
    pub batch: Option<u32>,
    pub steps: Vec<Step>,
}

/// How a phase goes over the machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    #[default]
    Parallel,
    /// One machine after the other.
    Serial,
    /// The first machine does it, and the others wait for it; they do not do it themselves.
    First,
}

/// One thing to do on a host.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    pub name: Spanned<String>,
    /// Ends with 0 if there is nothing to do.
    #[serde(default)]
    pub check: Option<Spanned<String>>,
    #[serde(default)]
    pub run: Option<Spanned<String>>,
    #[serde(default)]
    pub upload: Option<Upload>,
    #[serde(default)]
    pub template: Option<TemplateFile>,
    /// Ends with 0 if it worked.
    #[serde(default)]
    pub verify: Option<Spanned<String>>,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
    /// How often it is tried again.
    #[serde(default)]
    pub retries: u32,
    /// The first pause before it is tried again; doubles each time.
    #[serde(default = "default_backoff")]
    pub backoff_seconds: f64,
    /// An expression: the step is left out where it is false.
    #[serde(default)]
    pub when: Option<Spanned<String>>,
    /// It must not be carried out again while nobody knows how the last time ended.
    #[serde(default)]
    pub once: bool,
    /// Neither its output nor its script is ever shown or kept.
    #[serde(default)]
    pub secret: bool,
    /// As root; as the access to the hosts says, where it is left out.
    #[serde(default, alias = "become")]
    pub sudo: Option<bool>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A file to put on the host as it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upload {
    #[serde(default)]
    pub content: Option<String>,
    /// A file beside the executor, at most 1 MiB.
    #[serde(default)]
    pub source: Option<String>,
    pub path: String,
    #[serde(default = "default_mode")]
    pub mode: String,
}

/// A file to put on the host, with the values of templates filled in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateFile {
    pub content: String,
    pub path: String,
    #[serde(default = "default_mode")]
    pub mode: String,
}

fn default_timeout() -> u32 {
    300
}

fn default_backoff() -> f64 {
    2.0
}

fn default_mode() -> String {
    "0644".into()
}

/// Why a file is not a runbook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", line.map(|l| format!("line {l}: ")).unwrap_or_default())]
pub struct Error {
    pub line: Option<u64>,
    pub message: String,
}

/// Reads a runbook.
pub fn parse(text: &str) -> Result<Runbook, Error> {
    serde_saphyr::from_str(text).map_err(|error| explain(error.without_snippet()))
}

fn explain(error: &serde_saphyr::Error) -> Error {
    let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
    let message = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected),
        serde_saphyr::Error::SerdeMissingField { field, .. } => format!("`{field}` is missing"),
        // The location is a field of its own.
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    Error { line, message: plain(&message) }
}

/// Longest sentence about a file: what it repeats of the file may be as long as the file.
const LONGEST: usize = 400;

/// What is said of a file, without anything of it that a terminal would obey, and no longer than people read.
pub(super) fn plain(message: &str) -> String {
    let shown: String = message.chars().map(|c| if c.is_control() { '·' } else { c }).take(LONGEST).collect();
    if shown.chars().count() < LONGEST { shown } else { shown + "…" }
}

fn unknown_key(field: &str, expected: &[&str]) -> String {
    match nearest(field, expected) {
        Some(meant) => format!("unknown key `{field}`: did you mean `{meant}`?"),
        None => format!("unknown key `{field}`; there are {}", expected.join(", ")),
    }
}

/// The word that was probably meant: one that begins so, or is at most two typing errors away.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() >= 4
        && let Some(longer) = known.iter().find(|candidate| candidate.starts_with(word))
    {
        return Some(longer);
    }
    let near = |candidate: &&&str| distance(&word.to_lowercase(), &candidate.to_lowercase());
    let best = known.iter().min_by_key(near)?;
    (near(&best) <= 2.min(word.len() / 2 + 1)).then_some(*best)
}

/// Levenshtein distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let said = parse(text).map_or_else(|e| e.to_string(), |r| format!("{} phases", r.phases.len()));
        assert!(said.contains(expected), "{said:?} should contain {expected:?}");
    }

    #[test]
    fn mistakes_name_their_line_and_the_way_out() {
        check("name: a\nrevision: 1\nphases: []\n", "0 phases");
        check("name: a\nrevison: 1\nphases: []\n", "line 2: unknown key `revison`: did you mean `revision`?");
        check("name: a\nrevision: one\nphases: []\n", "line 2: ");
        check("name: a\nrevision: 1\n", "`phases` is missing");
        check(
            "name: a\nrevision: 1\nphases: [{name: P, steps: [{name: s, cmd: x}]}]",
            "unknown key `cmd`; there are name",
        );
        check("name: a\nrevision: 1\nphases:\n- name: P\n  strategy: one\n  steps: []\n", "line 5");
        check("name: [\n", "line ");
    }
}
