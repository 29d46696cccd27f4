//! `quarterdeck completions SHELL`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Arg, Command, CommandFactory, ValueHint, builder::PossibleValuesParser};
use clap_complete::Shell;

use super::demo;

/// Print a script that completes commands and options in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "  quarterdeck completions bash > /etc/bash_completion.d/quarterdeck
  quarterdeck completions zsh > \"${fpath[1]}/_quarterdeck\"
  quarterdeck completions fish > ~/.config/fish/completions/quarterdeck.fish")]
pub struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> color_eyre::Result<ExitCode> {
    match io::stdout().write_all(&script(args.shell)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut hinted(super::Arguments::command()), "quarterdeck", &mut script);
    script
}

/// Files are offered only for what is a path: names of contexts, pools and machines are not in the folder one is in.
fn hinted(command: Command) -> Command {
    command.mut_args(hint).mut_subcommands(hinted)
}

fn hint(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "scenario" => arg.value_parser(PossibleValuesParser::new(demo::scenarios())),
        _ if arg.get_action().takes_values() && arg.get_value_hint() == ValueHint::Unknown => {
            arg.value_hint(ValueHint::Other)
        }
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(script(shell)).unwrap();
            assert!(script.contains("scale") && script.contains("machines"), "{shell}");
            assert!(script.contains("lost-rack"), "{shell}");
        }
    }

    #[test]
    fn files_are_offered_for_paths_alone() {
        let command = hinted(super::super::Arguments::command());
        let check = |path: &[&str], id: &str, expected: ValueHint| {
            let named = path.iter().fold(&command, |at, name| at.find_subcommand(name).expect("a subcommand"));
            let arg = named.get_arguments().find(|arg| arg.get_id() == id).expect("an argument");
            assert_eq!(arg.get_value_hint(), expected, "{path:?} {id}");
        };
        check(&[], "kubeconfig", ValueHint::FilePath);
        check(&[], "contexts", ValueHint::Other);
        check(&[], "namespace", ValueHint::Other);
        check(&["get"], "terms", ValueHint::Other);
        check(&["scale"], "pool", ValueHint::Other);
        check(&["logs"], "operation", ValueHint::Other);
        check(&["demo"], "data", ValueHint::DirPath);
        check(&["man"], "into", ValueHint::DirPath);
        check(&["replay"], "file", ValueHint::AnyPath);
        check(&["runbook", "lint"], "files", ValueHint::AnyPath);
    }
}
