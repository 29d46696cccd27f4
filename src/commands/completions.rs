//! `quarterdeck completions SHELL`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::CommandFactory;
use clap_complete::Shell;

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
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Arguments::command(), "quarterdeck", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut super::super::Arguments::command(), "quarterdeck", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("scale") && script.contains("machines"), "{shell}");
        }
    }
}
