//! Exit codes: a script can tell what happened without reading a sentence.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success = 0,
    /// It was tried and did not work out.
    Failed = 1,
    /// What was typed, or a file that it names, is not right.
    BadInput = 2,
    /// The cluster, pool, machine or operation does not exist.
    NotFound = 3,
    /// The API server refused for lack of permission.
    Forbidden = 4,
    /// The API server could not be reached, does not have our kinds, or is too old for them.
    Unreachable = 5,
    /// Nobody confirmed it, or something stands in the way; nothing was changed.
    Declined = 6,
    TimedOut = 124,
    /// Somebody ended the wait; what was asked for goes on.
    Interrupted = 130,
}

/// Printed below `--help`.
pub const HELP: &str = "Exit codes:
  0  done
  1  it was tried and failed
  2  bad input: arguments, or a file that they name
  3  the cluster, pool, machine or operation does not exist
  4  no permission
  5  the meta cluster cannot be reached, lacks Quarterdeck's kinds, or is too old
  6  declined or blocked; nothing was changed
  124  timed out
  130  the wait was interrupted; what was asked for goes on";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code; any other ends with [`Exit::Failed`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Ended {
    pub exit: Exit,
    /// One sentence with the way out.
    pub message: String,
}

impl Ended {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}
