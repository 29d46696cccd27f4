//! The binary: reads what was typed, runs it, and says what went wrong in one sentence.

use std::{env, path::Path, process::ExitCode, time::Duration};

use clap::{CommandFactory, FromArgMatches};
use quarterdeck::commands::{self, Arguments, exit::Ended, lines};

/// Longest wait for blocking work when all else is done.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    if let Err(error) = color_eyre::config::HookBuilder::default().display_env_section(false).install() {
        eprintln!("quarterdeck: cannot install the panic hook: {error}");
    }
    let arguments = typed();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("quarterdeck: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(commands::run(arguments));
    // A blocking read or a task that does not yield must not keep a finished command from ending.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    match outcome {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

/// What was typed. As `kubectl-quarterdeck` on the PATH it is a plugin of kubectl, and names itself as people call it then.
fn typed() -> Arguments {
    let first = env::args_os().next().unwrap_or_default();
    let is_plugin = Path::new(&first).file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubectl-"));
    let command = Arguments::command();
    let command = if is_plugin { command.bin_name("kubectl quarterdeck") } else { command };
    let mut arguments = Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    arguments.globals.by_kubectl = is_plugin;
    arguments
}

/// One sentence, and below it what caused it; the exit code is the one that the error carries.
fn report(error: &color_eyre::Report) -> ExitCode {
    lines::err(&format!("quarterdeck: {error}"));
    for cause in error.chain().skip(1) {
        lines::err(&format!("  because: {cause}"));
    }
    error.chain().find_map(|e| e.downcast_ref::<Ended>()).map_or(ExitCode::FAILURE, |ended| ended.exit.into())
}
