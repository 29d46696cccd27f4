//! The arrows between top-level modules are those of `ARCHITECTURE.md`, and nothing else: no circles, no shortcuts.

use std::{collections::BTreeSet, fs, path::Path};

/// Module, and what it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("plan", &["api"]),
    ("runbook", &["api"]),
    ("ssh", &[]),
    ("executor", &["runbook", "ssh", "api"]),
    ("tenant", &["api"]),
    ("controllers", &["plan", "tenant", "runbook", "api"]),
    ("fleet", &["api"]),
    ("install", &["api"]),
    ("config", &[]),
    ("tape", &[]),
    ("console", &["fleet", "plan", "ssh", "api", "config"]),
    ("embedded", &["api", "runbook"]),
    (
        "commands",
        &[
            "api",
            "plan",
            "runbook",
            "ssh",
            "executor",
            "tenant",
            "controllers",
            "fleet",
            "install",
            "config",
            "tape",
            "console",
            "embedded",
        ],
    ),
];

fn sources(path: &Path, into: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a readable folder") {
            sources(&entry.expect("an entry").path(), into);
        }
    } else if path.extension().is_some_and(|e| e == "rs") && !is_test(path) {
        into.push(fs::read_to_string(path).expect("a readable file"));
    }
}

/// A file of unit tests: it is not in the program, and may stand on the embedded server.
fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| {
        let stem = stem.to_string_lossy();
        stem == "tests" || stem.ends_with("_tests")
    }) || path.parent().is_some_and(|folder| folder.iter().any(|name| name == "tests"))
}

/// The top-level modules that a source names after `crate::`, comments and strings aside; `use crate::{a, b::c}` too.
fn used(source: &str) -> BTreeSet<String> {
    let code: String = source.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend(first_word(&std::mem::take(&mut word))),
                    _ => {}
                }
                if depth == 0 && c != ',' {
                    word.push(c);
                }
            }
            found.extend(first_word(&word));
        } else {
            found.extend(first_word(rest));
        }
    }
    found
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let declared = fs::read_to_string(src.join("lib.rs")).expect("lib.rs");
    for line in declared.lines().filter_map(|l| l.strip_prefix("pub mod ")) {
        assert!(modules.contains(line.trim_end_matches(';')), "{line} is not in the table of tests/layers.rs");
    }
    let mut wrong = vec![];
    for (module, may_use) in MAY_USE {
        let mut files = vec![fs::read_to_string(src.join(format!("{module}.rs"))).expect("the module's file")];
        if src.join(module).is_dir() {
            sources(&src.join(module), &mut files);
        }
        for word in files.iter().flat_map(|f| used(f)).collect::<BTreeSet<_>>() {
            if word != *module && modules.contains(word.as_str()) && !may_use.contains(&word.as_str()) {
                wrong.push(format!("{module} -> {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows against the table: {wrong:?}");
}

#[test]
fn the_reader_of_arrows_reads() {
    let check = |source: &str, expected: &[&str]| {
        assert_eq!(used(source), expected.iter().map(ToString::to_string).collect(), "{source}");
    };
    check("use crate::api::Machine;", &["api"]);
    check("use crate::{api::{A, B}, plan, ssh::Target};", &["api", "plan", "ssh"]);
    check("// use crate::embedded;", &[]);
    check("let x = crate::fleet::Row::new();", &["fleet"]);
}
