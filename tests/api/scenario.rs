//! The notation of scenarios.
//!
//! ```text
//! # a title, which is also the name of the step
//! PATCH /api/v1/namespaces/$ns/configmaps/a as=merge
//! {data: {k: null}}
//! > rv = metadata.resourceVersion
//! ```
//!
//! Steps are divided by blank lines. After the path stand words such as `as=apply` (the content type of the body),
//! `accept=table`, `until=404` (asked again until that code comes, in bounded time), `until=status.phase=Active`,
//! `events=3` (a watch: read that many), `only=status,reason` (what of the answer is recorded) and `raw` (the body is sent
//! as it stands; otherwise it is YAML, sent as JSON). `> name = path` keeps a value of the answer as `$name`. `$ns` is the
//! scenario's own namespace, `$id` makes names of cluster-wide things its own.

use serde_json::Value;

/// One request and what is to be done with its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub title: String,
    pub method: String,
    pub path: String,
    pub words: Vec<(String, String)>,
    pub body: Option<Body>,
    /// Names, and the paths of the answer that they keep.
    pub keep: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Data(Value),
    Raw(String),
}

impl Step {
    pub fn word(&self, name: &str) -> Option<&str> {
        self.words.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a scenario; panics with the title where it cannot be read.
pub fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let step = step(block);
        assert!(steps.iter().all(|other| other.title != step.title), "two steps are called {:?}", step.title);
        steps.push(step);
    }
    steps
}

fn step(block: &str) -> Step {
    let mut lines = block.lines().peekable();
    let mut title = Vec::new();
    while let Some(line) = lines.next_if(|line| line.starts_with('#')) {
        title.push(line.trim_start_matches('#').trim());
    }
    let title = title.join(" ");
    assert!(!title.is_empty() && !title.contains('|'), "a step needs a title without bars: {block}");
    let mut words = lines.next().unwrap_or_else(|| panic!("{title}: no request")).split_whitespace();
    let (method, path) = (words.next().expect("a method").to_owned(), words.next().expect("a path").to_owned());
    let words: Vec<(String, String)> = words
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (kept, body): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("> "));
    let keep = kept.iter().map(|line| keep(&title, line)).collect();
    let raw = words.iter().any(|(name, _)| name == "raw");
    let body = body.join("\n");
    let body = (!body.is_empty()).then(|| match raw {
        true => Body::Raw(body.clone()),
        false => Body::Data(yaml(&body).unwrap_or_else(|e| panic!("{title}: {e}"))),
    });
    Step { title, method, path, words, body, keep }
}

/// `y` and `n` are texts here.
fn yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
}

fn keep(title: &str, line: &str) -> (String, String) {
    let (name, path) = line.trim_start_matches("> ").split_once(" = ").unwrap_or_else(|| panic!("{title}: {line}"));
    (name.trim().to_owned(), path.trim().to_owned())
}

#[test]
fn reads_a_step() {
    let found = parse("# one\n# line\nPOST /a/$ns as=merge raw-ish\n{a: 1}\n> b = c.d\n\n# two\nGET /b events=2");
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].title.as_str(), found[0].method.as_str(), found[0].path.as_str()),
        ("one line", "POST", "/a/$ns")
    );
    assert_eq!(found[0].word("as"), Some("merge"));
    assert_eq!(found[0].body, Some(Body::Data(serde_json::json!({"a": 1}))));
    assert_eq!(found[0].keep, [("b".to_owned(), "c.d".to_owned())]);
    assert_eq!(found[1].word("events"), Some("2"));
    assert_eq!(found[1].body, None);
}
