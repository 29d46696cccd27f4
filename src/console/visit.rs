//! A session on a host, or a program of the user's: another one has the terminal until it ends.

use super::run::{Said, Signals};
use rustix::process::{Pid, Signal};
use std::{
    io::{self, Write},
    time::Duration,
};
use tokio::process::{Child, Command};

/// How long a program may take to end when we are to end ourselves.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Runs the program on our terminal. Its exit code, or why there is none; nothing if we are to end ourselves, and then it
/// has ended as well.
pub(super) async fn run(
    words: &[String],
    subject: &str,
    advice: &str,
    signals: &mut Signals,
) -> Option<Result<i32, String>> {
    let (program, arguments) = words.split_first()?;
    // Whoever waits for a slow connection sees to whom, and what was asked for.
    let _ = writeln!(io::stdout(), "quarterdeck: {subject}: {}", words.join(" "));
    let mut child = match Command::new(program).args(arguments).kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(error) => return Some(Err(not_started(program, advice, &error))),
    };
    loop {
        tokio::select! {
            status = child.wait() => {
                return Some(status.map(code).map_err(|error| format!("nobody knows how `{program}` ended: {error}")));
            }
            said = signals.next() => match said {
                Said::End => {
                    end(&mut child).await;
                    return None;
                }
                // A key that was pressed for the session, and a stop that was for both of us.
                Said::Interrupt | Said::Continue | Said::Resized => {}
            }
        }
    }
}

/// Ends the program as it is asked to, so that it leaves the terminal in order; else at once.
async fn end(child: &mut Child) {
    let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    // It may be over already.
    let asked = id.is_some_and(|id| rustix::process::kill_process(id, Signal::TERM).is_ok());
    if !asked || tokio::time::timeout(END_WITHIN, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// What to do where the program of sessions is missing.
pub(super) const SSH_IS_MISSING: &str =
    "install OpenSSH's client, or name another one in QUARTERDECK_SSH or as `ssh.command` in config.yaml";

fn not_started(program: &str, advice: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no program `{program}` here: {advice}"),
        _ => format!("`{program}` cannot be started: {error}"),
    }
}

/// As a shell counts: 128 and the signal for a program that a signal ended.
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
