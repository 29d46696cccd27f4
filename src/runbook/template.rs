//! Fills in the values of one machine. An undefined value is an error, and every value is quoted for its place.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::model::plain;
use super::quote::{Place, scan};
use super::{Runbook, Step};

/// What templates can say, all of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts {
    pub machine: MachineFacts,
    pub cluster: String,
    pub operation: String,
    pub provider_id: String,
    pub state_directory: String,
    /// Variables of the runbook, the cluster and the machine, and secrets.
    pub vars: BTreeMap<String, String>,
    /// What the host said of itself.
    pub facts: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct MachineFacts {
    pub name: String,
    pub uid: String,
    pub address: String,
    pub role: String,
    pub labels: BTreeMap<String, String>,
}

impl Facts {
    /// As templates see it; made once for a machine.
    pub fn value(&self) -> Value {
        Value::from(Serde(self))
    }
}

/// The words that templates may begin with, and what follows them where that is fixed.
pub(super) const ROOTS: [(&str, &[&str]); 7] = [
    ("machine", &["name", "uid", "address", "role", "labels"]),
    ("cluster", &[]),
    ("operation", &[]),
    ("provider_id", &[]),
    ("state_directory", &[]),
    ("vars", &[]),
    ("facts", &super::wire::FACT_KEYS),
];

/// A step with its values filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub check: Option<String>,
    pub action: Action,
    pub verify: Option<String>,
    pub env: BTreeMap<String, String>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Only its check and its verification matter.
    Nothing,
    Run(String),
    File {
        path: String,
        mode: String,
        content: String,
    },
    /// A file beside the executor.
    Source {
        path: String,
        mode: String,
        source: String,
    },
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {step:?} of phase {phase:?}: {message}")]
pub struct RenderError {
    pub phase: String,
    pub step: String,
    pub message: String,
}

/// The templates of a runbook, compiled once for all machines.
pub struct Renderer {
    environment: Environment<'static>,
}

/// The texts of a step that are templates: the name of the field, the text, and whether it is shell.
pub(super) fn templates(step: &Step) -> Vec<(String, &str, bool)> {
    let mut all: Vec<(String, &str, bool)> = [("check", &step.check), ("run", &step.run), ("verify", &step.verify)]
        .into_iter()
        .filter_map(|(field, text)| Some((field.to_owned(), text.as_ref()?.value.as_str(), true)))
        .collect();
    if let Some(file) = &step.template {
        all.push(("content".into(), &file.content, false));
        all.push(("path".into(), &file.path, false));
    }
    if let Some(file) = &step.upload {
        all.push(("path".into(), &file.path, false));
    }
    all.extend(step.env.iter().map(|(key, text)| (format!("env.{key}"), text.as_str(), false)));
    all
}

/// An environment that refuses what is undefined and knows the filters of [`Place`].
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    for place in Place::ALL {
        environment.add_filter(place.filter(), move |value: String| Value::from_safe_string(place.write(&value)));
    }
    environment.add_filter("quote", |value: String| super::quote(&value));
    environment
}

impl Renderer {
    pub fn new(runbook: &Runbook) -> Result<Self, RenderError> {
        let mut environment = environment();
        for (p, phase) in runbook.phases.iter().enumerate() {
            for (s, step) in phase.steps.iter().enumerate() {
                for (field, text, shell) in templates(step) {
                    let text = if shell { scan(text).marked } else { text.to_owned() };
                    environment
                        .add_template_owned(format!("{p}/{s}/{field}"), text)
                        .map_err(|error| failure(runbook, p, s, &error))?;
                }
            }
        }
        Ok(Self { environment })
    }

    /// Variables that templates in these phases ask for and that `known` lacks.
    pub fn missing_variables(&self, known: &BTreeSet<&str>, phases: &BTreeSet<usize>) -> Vec<String> {
        let within =
            |name: &str| name.split('/').next().and_then(|p| p.parse().ok()).is_some_and(|p| phases.contains(&p));
        let mut missing: Vec<String> = self
            .environment
            .templates()
            .filter(|(name, _)| within(name))
            .flat_map(|(_, template)| template.undeclared_variables(true))
            .filter_map(|path| Some(path.strip_prefix("vars.")?.split('.').next()?.to_owned()))
            .filter(|name| !known.contains(name.as_str()))
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// One step for one machine; `None` where its condition does not hold.
    pub fn render(&self, runbook: &Runbook, p: usize, s: usize, facts: Value) -> Result<Option<Rendered>, RenderError> {
        self.fill_in(runbook, p, s, &facts).map_err(|error| failure(runbook, p, s, &error))
    }

    fn fill_in(
        &self,
        runbook: &Runbook,
        p: usize,
        s: usize,
        facts: &Value,
    ) -> Result<Option<Rendered>, minijinja::Error> {
        let step = &runbook.phases[p].steps[s];
        if let Some(when) = &step.when
            && !self.environment.compile_expression(&when.value)?.eval(facts.clone())?.is_true()
        {
            return Ok(None);
        }
        let fill = |field: &str| self.environment.get_template(&format!("{p}/{s}/{field}"))?.render(facts.clone());
        let optional = |present: bool, field: &str| present.then(|| fill(field)).transpose();
        let action = match (&step.run, &step.upload, &step.template) {
            (Some(_), _, _) => Action::Run(fill("run")?),
            (_, Some(file), _) => match &file.source {
                Some(source) => Action::Source { path: fill("path")?, mode: file.mode.clone(), source: source.clone() },
                None => Action::File {
                    path: fill("path")?,
                    mode: file.mode.clone(),
                    content: file.content.clone().unwrap_or_default(),
                },
            },
            (_, _, Some(file)) => {
                Action::File { path: fill("path")?, mode: file.mode.clone(), content: fill("content")? }
            }
            (None, None, None) => Action::Nothing,
        };
        let env = step.env.keys().map(|key| Ok((key.clone(), fill(&format!("env.{key}"))?)));
        Ok(Some(Rendered {
            check: optional(step.check.is_some(), "check")?,
            action,
            verify: optional(step.verify.is_some(), "verify")?,
            env: env.collect::<Result<_, minijinja::Error>>()?,
        }))
    }
}

fn failure(runbook: &Runbook, p: usize, s: usize, error: &minijinja::Error) -> RenderError {
    let phase = &runbook.phases[p];
    let field = error.name().and_then(|name| name.rsplit('/').next()).unwrap_or("when");
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    RenderError {
        phase: plain(phase.name()),
        step: plain(&phase.steps[s].name.value),
        message: plain(&format!("{what} (in `{field}`{line})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(step: &str, expected: &str) {
        let text = format!("name: r\nrevision: 1\nphases:\n- name: P\n  steps:\n  - {step}\n");
        let runbook = super::super::parse(&text).unwrap();
        let facts = Facts {
            vars: [("version".into(), "1.2".into()), ("odd".into(), "it's $HOME".into())].into(),
            machine: MachineFacts { name: "m-1".into(), role: "Worker".into(), ..MachineFacts::default() },
            ..Facts::default()
        };
        let said =
            Renderer::new(&runbook).and_then(|renderer| renderer.render(&runbook, 0, 0, facts.value())).map_or_else(
                |e| e.to_string(),
                |rendered| match rendered.map(|r| r.action) {
                    Some(Action::Run(script)) => script,
                    other => format!("{other:?}"),
                },
            );
        assert_eq!(said, expected);
    }

    #[test]
    fn values_are_quoted_for_their_place() {
        check("{name: s, run: 'echo {{ vars.version }}'}", "echo 1.2");
        check("{name: s, run: 'echo {{ vars.odd }}'}", r"echo 'it'\''s $HOME'");
        check("{name: s, run: 'echo \"{{ vars.odd }}\"'}", r#"echo "it's \$HOME""#);
        check("{name: s, run: 'echo {{ vars.version | upper }}-{{ machine.name }}'}", "echo 1.2-m-1");
        check(
            "{name: s, template: {content: '{{ vars.odd }}', path: '/a/{{ machine.name }}'}}",
            "Some(File { path: \"/a/m-1\", mode: \"0644\", content: \"it's $HOME\" })",
        );
    }

    #[test]
    fn undefined_is_an_error_and_when_leaves_a_step_out() {
        check(
            "{name: s, run: 'echo {{ vars.nope }}'}",
            "step \"s\" of phase \"P\": undefined value (in `run`, line 1)",
        );
        check("{name: s, run: a, when: machine.role == 'Etcd'}", "None");
        check("{name: s, run: a, when: machine.role == 'Worker'}", "a");
    }

    #[test]
    fn missing_variables_are_named() {
        let text = "name: r\nrevision: 1\nphases:\n- name: P\n  steps:\n  - {name: s, run: 'a {{ vars.b }} \"{{ vars.c }}\"'}\n";
        let runbook = super::super::parse(text).unwrap();
        let renderer = Renderer::new(&runbook).unwrap();
        assert_eq!(renderer.missing_variables(&["c"].into(), &[0].into()), ["b"]);
    }
}
