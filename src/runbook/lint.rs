//! What is wrong with a runbook before any host sees it.

use std::collections::BTreeSet;
use std::fmt;

use super::model::{nearest, plain};
use super::quote::scan;
use super::template::{ROOTS, environment, templates};
use super::{Phase, Runbook, Step, parse};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line of the file, where it is known.
    pub line: Option<u64>,
    pub level: Level,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It cannot be run.
    Error,
    /// It can be run, and should not be.
    Warning,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.level == Level::Error { "error" } else { "warning" };
        match self.line {
            Some(line) => write!(f, "{line}: {level}: {}", self.message),
            None => write!(f, " {level}: {}", self.message),
        }
    }
}

/// Everything that is wrong with the text of a runbook, from top to bottom.
pub fn lint(text: &str) -> Vec<Finding> {
    match parse(text) {
        Err(error) => vec![Finding { line: error.line, level: Level::Error, message: error.message }],
        Ok(runbook) => {
            let mut report = Report { lines: text.lines().collect(), findings: Vec::new() };
            report.runbook(&runbook);
            report.findings.sort_by_key(|finding| finding.line);
            report.findings
        }
    }
}

struct Report<'a> {
    lines: Vec<&'a str>,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn say(&mut self, level: Level, line: u64, message: String) {
        self.findings.push(Finding { line: (line > 0).then_some(line), level, message: plain(&message) });
    }

    fn runbook(&mut self, runbook: &Runbook) {
        if runbook.phases.is_empty() {
            self.say(Level::Error, runbook.name.referenced.line(), "a runbook needs at least one phase".into());
        }
        let mut names = BTreeSet::new();
        for phase in &runbook.phases {
            let line = phase.name.referenced.line();
            if !names.insert(phase.name()) {
                self.say(Level::Error, line, format!("there are two phases with the name {:?}", phase.name()));
            }
            if phase.steps.is_empty() {
                self.say(Level::Error, line, format!("phase {:?} has no steps", phase.name()));
            }
            if phase.batch == Some(0) {
                self.say(Level::Error, line, "a batch of 0 machines never ends: leave it out or say at least 1".into());
            }
            self.phase(runbook, phase);
        }
    }

    fn phase(&mut self, runbook: &Runbook, phase: &Phase) {
        let mut names = BTreeSet::new();
        for step in &phase.steps {
            let line = step.name.referenced.line();
            if !names.insert(&step.name.value) {
                let message = format!("phase {:?} has two steps with the name {:?}", phase.name(), step.name.value);
                self.say(Level::Error, line, message);
            }
            self.shape(step, line);
            self.variables(runbook, step);
            self.quotes(step);
        }
    }

    fn shape(&mut self, step: &Step, line: u64) {
        let name = &step.name.value;
        let actions = [step.run.is_some(), step.upload.is_some(), step.template.is_some()];
        match actions.iter().filter(|there| **there).count() {
            0 if step.check.is_none() && step.verify.is_none() => {
                self.say(Level::Error, line, format!("step {name:?} does nothing: give it run, upload or template"));
            }
            0 | 1 => {}
            _ => self.say(
                Level::Error,
                line,
                format!("step {name:?} may have one of run, upload and template, not more"),
            ),
        }
        if step.run.is_some() && step.check.is_none() && !step.once {
            let message = format!("step {name:?} has neither `check` nor `once: true`: done twice, what happens?");
            self.say(Level::Error, line, message);
        }
        if step.timeout_seconds == 0 {
            self.say(Level::Error, line, format!("step {name:?} has a timeout of 0 seconds"));
        }
        if let Some(file) = &step.upload
            && file.content.is_some() == file.source.is_some()
        {
            self.say(Level::Error, line, format!("the upload of step {name:?} needs either content or source"));
        }
        let modes = [step.upload.as_ref().map(|f| &f.mode), step.template.as_ref().map(|f| &f.mode)];
        for mode in modes.into_iter().flatten() {
            if !(3..=4).contains(&mode.len()) || !mode.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
                self.say(Level::Error, line, format!("mode {mode:?} of step {name:?} is not octal, as in \"0644\""));
            }
        }
    }

    fn variables(&mut self, runbook: &Runbook, step: &Step) {
        let line = step.name.referenced.line();
        let environment = environment();
        let when = step.when.as_ref().map(|when| format!("{{{{ {} }}}}", when.value));
        let texts = templates(step).into_iter().map(|(field, text, _)| (field, text.to_owned()));
        for (field, text) in texts.chain(when.map(|text| ("when".to_owned(), text))) {
            match environment.template_from_str(&text) {
                Err(error) => {
                    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                    self.say(Level::Error, line, format!("`{field}` of step {:?}: {what}", step.name.value));
                }
                Ok(template) => {
                    let mut paths: Vec<String> = template.undeclared_variables(true).into_iter().collect();
                    paths.sort();
                    for path in paths {
                        if let Some(message) = unknown(runbook, &path) {
                            self.say(Level::Error, self.line_of(&path, line), message);
                        }
                    }
                }
            }
        }
    }

    /// The first line at or after `from` that mentions a variable.
    fn line_of(&self, path: &str, from: u64) -> u64 {
        let after = self.lines.iter().enumerate().skip(from.saturating_sub(1) as usize);
        after.into_iter().find(|(_, text)| text.contains(path)).map_or(from, |(at, _)| at as u64 + 1)
    }

    fn quotes(&mut self, step: &Step) {
        for script in [&step.check, &step.run, &step.verify].into_iter().flatten() {
            let first = script.referenced.line();
            for (at, name) in scan(&script.value).unquoted {
                let line = first + at as u64;
                if !self.is_meant(line) {
                    let message = format!("${name} is not quoted: the shell splits its value into words");
                    self.say(Level::Warning, line, message);
                }
            }
        }
    }

    /// Whether the line, or the one before it, says that splitting is meant, in the way that shellcheck knows.
    fn is_meant(&self, line: u64) -> bool {
        let around = [line.checked_sub(1), line.checked_sub(2)];
        around
            .into_iter()
            .flatten()
            .filter_map(|at| self.lines.get(at as usize))
            .any(|text| text.contains("disable=SC2086"))
    }
}

/// Why a path of a template is not known, if it is not.
fn unknown(runbook: &Runbook, path: &str) -> Option<String> {
    let mut parts = path.split('.');
    let (root, key) = (parts.next().unwrap_or_default(), parts.next());
    let Some((_, keys)) = ROOTS.iter().find(|(known, _)| *known == root) else {
        let roots: Vec<&str> = ROOTS.iter().map(|(root, _)| *root).collect();
        let declared = runbook.variables.contains_key(root);
        return Some(match nearest(root, &roots) {
            _ if declared => format!("unknown variable `{path}`: did you mean `vars.{path}`?"),
            Some(meant) => format!("unknown variable `{path}`: did you mean `{meant}`?"),
            None => format!("unknown variable `{path}`; there are {}", roots.join(", ")),
        });
    };
    let key = key?;
    if root == "vars" && !runbook.variables.contains_key(key) {
        let declared: Vec<&str> = runbook.variables.keys().map(String::as_str).collect();
        return Some(match nearest(key, &declared) {
            Some(meant) => format!("unknown variable `{path}`: did you mean `vars.{meant}`?"),
            None => format!("unknown variable `{path}`: declare `{key}` under `variables`"),
        });
    }
    let fixed = !keys.is_empty() && !keys.contains(&key);
    fixed.then(|| format!("unknown variable `{path}`; `{root}` has {}", keys.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(steps: &str, expected: &str) {
        let text = format!(
            "name: r\nrevision: 1\nvariables: {{version: {{default: '1'}}}}\nphases:\n- name: P\n  steps:\n{steps}"
        );
        let said: Vec<String> = lint(&text).iter().map(ToString::to_string).collect();
        assert_eq!(said.join("\n"), expected);
    }

    #[test]
    fn each_mistake_is_found_on_its_line() {
        check("  - {name: s, check: a, run: b}\n", "");
        check("  - {name: s, run: b, once: true}\n", "");
        check(
            "  - {name: s, run: b}\n",
            "7: error: step \"s\" has neither `check` nor `once: true`: done twice, what happens?",
        );
        check("  - {name: s, once: true}\n", "7: error: step \"s\" does nothing: give it run, upload or template");
        check(
            "  - {name: s, verify: a}\n  - {name: s, verify: b}\n",
            "8: error: phase \"P\" has two steps with the name \"s\"",
        );
        check(
            "  - name: s\n    once: true\n    run: |\n      a\n      b {{ vars.verson }}\n",
            "11: error: unknown variable `vars.verson`: did you mean `vars.version`?",
        );
        check(
            "  - {name: s, verify: 'a {{ version }}'}\n",
            "7: error: unknown variable `version`: did you mean `vars.version`?",
        );
        check(
            "  - {name: s, verify: a, when: machine.rol == 'x'}\n",
            "7: error: unknown variable `machine.rol`; `machine` has name, uid, address, role, labels",
        );
        check(
            "  - {name: s, verify: a, timeout: 3}\n",
            "7: error: unknown key `timeout`: did you mean `timeoutSeconds`?",
        );
        check(
            "  - {name: s, template: {content: a, path: /b, mode: rw}}\n",
            "7: error: mode \"rw\" of step \"s\" is not octal, as in \"0644\"",
        );
        check(
            "  - {name: s, verify: 'a {{ b'}\n",
            "7: error: `verify` of step \"s\": unexpected end of input, expected end of variable block",
        );
    }

    #[test]
    fn unquoted_variables_are_warned_of_unless_meant() {
        let expected = "10: warning: $x is not quoted: the shell splits its value into words";
        check("  - name: s\n    verify: |\n      x=1\n      test $x\n", expected);
        check("  - name: s\n    verify: |\n      # shellcheck disable=SC2086\n      test $x\n", "");
    }

    #[test]
    fn empty_phases_and_runbooks_are_found() {
        assert_eq!(
            lint("name: r\nrevision: 1\nphases: []\n")[0].to_string(),
            "1: error: a runbook needs at least one phase"
        );
        let twice = lint("name: r\nrevision: 1\nphases:\n- {name: P, steps: []}\n- {name: P, steps: []}\n");
        assert_eq!(twice.len(), 3);
    }
}
