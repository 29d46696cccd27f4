//! Where the answers of two servers differ, and which of that is known, with a reason.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::transcript::Step;

/// One value that is not the same. Of a step that one side lacks, and of status codes, the path is `code`.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub step: String,
    pub path: String,
    pub expected: Option<String>,
    pub found: Option<String>,
}

/// Compares step by step, value by value.
pub fn between(expected: &[Step], found: &[Step]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for step in expected {
        let other = found.iter().find(|other| other.title == step.title);
        match other {
            Some(other) => compare(step, other, &mut differences),
            None => differences.push(lacking(step, true)),
        }
    }
    let news = found.iter().filter(|step| expected.iter().all(|other| other.title != step.title));
    differences.extend(news.map(|step| lacking(step, false)));
    differences
}

fn lacking(step: &Step, recorded: bool) -> Difference {
    let there = Some(format!("{} {}", step.code, step.request));
    let (expected, found) = if recorded { (there, None) } else { (None, there) };
    Difference { step: step.title.clone(), path: "code".to_owned(), expected, found }
}

fn compare(expected: &Step, found: &Step, differences: &mut Vec<Difference>) {
    let mut differ = |path: &str, expected_value: Option<String>, found_value: Option<String>| {
        if expected_value != found_value {
            let (step, path) = (expected.title.clone(), path.to_owned());
            differences.push(Difference { step, path, expected: expected_value, found: found_value });
        }
    };
    differ("request", Some(expected.request.clone()), Some(found.request.clone()));
    differ("code", Some(expected.code.to_string()), Some(found.code.to_string()));
    let paths: BTreeSet<&String> = expected.body.keys().chain(found.body.keys()).collect();
    for path in paths {
        differ(path, expected.body.get(path).cloned(), found.body.get(path).cloned());
    }
}

/// For a person.
pub fn report(scenario: &str, differences: &[&Difference]) -> String {
    let absent = || "(nothing)".to_owned();
    let line = |d: &&Difference| {
        let (expected, found) = (d.expected.clone().unwrap_or_else(absent), d.found.clone().unwrap_or_else(absent));
        format!("| {scenario} | {} | `{}` |\n    expected {expected}\n    found    {found}\n", d.step, d.path)
    };
    differences.iter().map(line).collect()
}

/// A row of the list: where two servers may differ. `*` in a step or a path stands for anything.
#[derive(Clone, Debug)]
pub struct Row {
    pub scenario: String,
    pub step: String,
    pub path: String,
}

/// The list in `tests/real/differences.md`.
pub struct Allowed(Vec<Row>);

impl Allowed {
    pub fn read() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/real/differences.md");
        Self::parse(&fs::read_to_string(path).expect("the list is there"))
    }

    /// Rows are `| scenario | step | path | reason |`; the head of a table is told by its rule.
    fn parse(text: &str) -> Self {
        let mut rows = Vec::new();
        let mut in_table = false;
        for line in text.lines() {
            match line.trim() {
                rule if rule.starts_with("|--") || rule.starts_with("| --") => in_table = true,
                row if row.starts_with('|') && in_table => rows.push(Self::row(row)),
                row => in_table &= row.starts_with('|'),
            }
        }
        Self(rows)
    }

    fn row(line: &str) -> Row {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [scenario, step, path, reason] = cells.as_slice() else { panic!("not four cells: {line}") };
        assert!(!reason.is_empty(), "a difference needs a reason: {line}");
        let owned = |text: &str| text.trim_matches('`').to_owned();
        Row { scenario: owned(scenario), step: owned(step), path: owned(path) }
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.iter()
    }

    pub fn covers(&self, scenario: &str, difference: &Difference) -> bool {
        self.0.iter().any(|row| row.covers(scenario, difference))
    }

    /// Rows of a scenario that no difference bears out any more.
    pub fn unused(&self, scenario: &str, differences: &[Difference]) -> Vec<String> {
        let rows = self.0.iter().filter(|row| row.scenario == scenario);
        let unused = rows.filter(|row| !differences.iter().any(|d| row.covers(scenario, d)));
        unused.map(|row| format!("{} | {} | {}", row.scenario, row.step, row.path)).collect()
    }
}

impl Row {
    /// Status codes and requests are never covered.
    fn covers(&self, scenario: &str, difference: &Difference) -> bool {
        let in_body = difference.path.starts_with('.') || difference.path.starts_with('[');
        in_body && self.scenario == scenario && fits(&self.step, &difference.step) && fits(&self.path, &difference.path)
    }
}

/// Whether a text is of a pattern in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((beginning, rest)) => text
            .strip_prefix(beginning)
            .is_some_and(|after| (0..=after.len()).any(|at| after.is_char_boundary(at) && fits(rest, &after[at..]))),
    }
}

#[test]
fn only_what_is_listed_is_covered_and_what_is_listed_has_to_be_there() {
    let text = "| a | b | c | d |\n|---|---|---|---|\n| s | one | `.a*` | for some reason |\n\nnot a row\n";
    let allowed = Allowed::parse(text);
    let difference =
        |step: &str, path: &str| Difference { step: step.into(), path: path.into(), expected: None, found: None };
    let check =
        |step, path, expected| assert_eq!(allowed.covers("s", &difference(step, path)), expected, "{step} {path}");
    check("one", ".a.b", true);
    check("one", ".b", false);
    check("two", ".a.b", false);
    check("one", "code", false);
    assert!(fits(".items[*].kind", ".items[12].kind") && !fits(".items[*].kind", ".items[1].kinds"));
    assert_eq!(allowed.unused("s", &[difference("one", ".b")]), ["s | one | .a*"]);
    assert!(allowed.unused("s", &[difference("one", ".ab")]).is_empty());
    assert!(allowed.unused("t", &[]).is_empty());
}
