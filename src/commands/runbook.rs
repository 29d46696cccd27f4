//! `quarterdeck runbook`: lists, shows and checks runbooks.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{
    exit::{Ended, Exit},
    lines,
};
use crate::runbook::{Finding, builtin, builtin_names, lint, parse};

/// Lists, shows and checks runbooks.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Finds what is wrong: unknown keys and variables, steps that cannot be repeated, unquoted values.
    ///
    /// Exit codes: 0 nothing was found, 1 something was, 2 a file cannot be read.
    Lint {
        /// Files to check.
        #[arg(value_name = "FILE", required_unless_present = "builtin")]
        files: Vec<PathBuf>,
        /// Check the runbooks that are compiled in.
        #[arg(long)]
        builtin: bool,
    },
    /// Lists the runbooks that are compiled in.
    List,
    /// Prints a runbook that is compiled in, to start one's own from.
    Show { name: String },
}

pub fn run(args: &Args) -> color_eyre::Result<ExitCode> {
    match &args.verb {
        Verb::Lint { files, builtin } => check(files, *builtin),
        Verb::List => {
            lines::out(&list())?;
            Ok(Exit::Success.into())
        }
        Verb::Show { name } => {
            let known = || builtin_names().collect::<Vec<_>>().join(", ");
            let text = builtin(name).ok_or_else(|| {
                Ended::new(Exit::NotFound, format!("there is no runbook {name:?} compiled in; there are {}", known()))
            })?;
            lines::out(text)?;
            Ok(Exit::Success.into())
        }
    }
}

fn check(files: &[PathBuf], compiled_in: bool) -> color_eyre::Result<ExitCode> {
    // All are read before any is checked: half a report is none.
    let mut texts = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Ended::new(Exit::BadInput, format!("cannot read {}: {error}", file.display())))?;
        texts.push((file.display().to_string(), text));
    }
    if compiled_in {
        texts.extend(builtin_names().map(|name| (format!("<{name}>"), builtin(name).unwrap_or_default().to_owned())));
    }
    let mut count = 0;
    for (name, text) in &texts {
        let findings = lint(text);
        count += findings.len();
        for finding in &findings {
            lines::out(&format!("{}\n", line(name, finding)))?;
        }
    }
    lines::err(&format!("{} checked, {} found", plural(texts.len(), "runbook"), plural(count, "mistake")));
    Ok(if count == 0 { Exit::Success } else { Exit::Failed }.into())
}

/// `file:line: level: message`, as editors understand it.
fn line(name: &str, finding: &Finding) -> String {
    format!("{name}:{finding}")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn list() -> String {
    let runbooks = builtin_names().filter_map(|name| parse(builtin(name)?).ok());
    let rows = runbooks.map(|runbook| {
        let phases: Vec<&str> = runbook.phases.iter().map(crate::runbook::Phase::name).collect();
        let steps: usize = runbook.phases.iter().map(|phase| phase.steps.len()).sum();
        let head = format!("{:<12} revision {}  {steps:>2} steps  ", runbook.name(), runbook.revision);
        format!("{head}{}\n{:>14}{}\n", runbook.description, "", phases.join(" > "))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_all_with_their_phases() {
        let list = list();
        assert!(list.contains("node-join    revision 2"), "{list}");
        assert!(list.contains("Preflight > BootstrapOS > ContainerRuntime > Artifacts > Kubelet > Join > Verify"));
    }

    #[test]
    fn findings_are_printed_as_editors_read_them() {
        let finding = lint("name: a\nrevison: 1\nphases: []\n").remove(0);
        assert_eq!(line("x.yaml", &finding), "x.yaml:2: error: unknown key `revison`: did you mean `revision`?");
    }
}
