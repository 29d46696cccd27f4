//! What the executor and a host say to each other about one step.
//!
//! The executor opens one exec channel for a step and sends a POSIX shell script on its standard input. The first line
//! is a comment that carries a [`StepHeader`]; a real host ignores it, a simulated one acts on it. The host answers on
//! standard output: one start line, the output of the step, one end line. Control lines begin with a nonce that the
//! output cannot know, so that no output can pass for one. A host may put one line break of its own before the end line,
//! so that it stands at the start of a line whatever the output ended with; it is not part of the output.
//!
//! Before its first step on a host the executor asks for facts: a script whose first line is [`FACTS_LINE`], answered by
//! lines of `key=value` ([`FACT_KEYS`]) and exit status 0.

use serde::{Deserialize, Serialize};

const MARK: &str = "# quarterdeck-step ";

/// The first line of the script that asks for facts.
pub const FACTS_LINE: &str = "# quarterdeck-facts\n";
/// What it is answered with, as far as the host knows: `os=Debian GNU/Linux 13`, `bootId=…`.
pub const FACT_KEYS: [&str; 5] = ["os", "kernel", "arch", "bootId", CLOCK_OFFSET_FACT];
/// One more line of the answer: the host's Unix time, as `date +%s.%N` prints it, with or without the fraction.
pub const CLOCK_ANSWER: &str = "clock";
/// What the executor makes of it: whole seconds that the host's clock is ahead of its own, negative if it is behind.
pub const CLOCK_OFFSET_FACT: &str = "clockOffset";

/// One attempt at one step on one machine: its identity, and what a resumed attempt has seen already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepHeader {
    pub operation: String,
    /// How often the operation was started; receipts are looked up over all runs, attempts within one.
    pub run: i32,
    /// Name and UID of the machine.
    pub machine: String,
    pub machine_uid: String,
    pub cluster: String,
    pub phase: String,
    pub step: String,
    /// Digest of the rendered step: the same input, or another one?
    pub digest: String,
    /// 1 and up.
    pub attempt: i32,
    /// The controller's term: a host refuses a lower one than it has seen.
    pub fence: i64,
    /// Must not run again while its outcome is unknown.
    pub once: bool,
    /// It only looks, and changes nothing. The world may be another since it last looked, so no earlier answer counts:
    /// whoever asks under another nonce gets a new one.
    #[serde(default)]
    pub looks: bool,
    pub timeout_seconds: u32,
    /// Begins each control line.
    pub nonce: String,
    /// Bytes of output that were received before the connection was lost.
    pub offset: u64,
}

/// What the host found when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// It begins now.
    Fresh,
    /// It runs already: the output goes on from `offset`.
    Attached,
    /// It is done: the receipt speaks.
    Receipt,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It ran and, if it has a verification, that held.
    Done,
    /// Its check said that there is nothing to do.
    Skipped,
    /// `run` ended with a status other than zero.
    Failed,
    /// `run` ended well, `verify` did not.
    Unverified,
    TimedOut,
    /// It began, it is gone, and nothing says how it ended.
    Unknown,
    /// The host has seen a newer controller.
    Fenced,
}

/// The end line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    pub outcome: Outcome,
    /// Exit status of what decided.
    pub status: i32,
    /// It came from a receipt or a result that stood on the host already: nothing ran now.
    #[serde(default)]
    pub replayed: bool,
}

/// A control line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    Start(Start),
    End(End),
}

impl StepHeader {
    /// The first line of the script.
    pub fn line(&self) -> String {
        let json = serde_json::to_string(self).expect("a header of strings and numbers serialises");
        format!("{MARK}{json}\n")
    }

    /// Reads the first line of a script; `None` if it is not one of ours.
    pub fn parse(script: &str) -> Option<Self> {
        serde_json::from_str(script.lines().next()?.strip_prefix(MARK)?).ok()
    }
}

impl Control {
    /// The line as a host prints it, with its line break.
    pub fn line(&self, nonce: &str) -> String {
        match self {
            Self::Start(start) => format!("@{nonce} start {}\n", serde_json::to_string(start).expect("a unit variant")),
            Self::End(end) => format!("@{nonce} end {}\n", serde_json::to_string(end).expect("words and numbers")),
        }
    }

    /// Reads a line of output; `None` if it is not a control line of this attempt.
    pub fn parse(line: &str, nonce: &str) -> Option<Self> {
        let (verb, json) = line.strip_prefix('@')?.strip_prefix(nonce)?.strip_prefix(' ')?.split_once(' ')?;
        match verb {
            "start" => serde_json::from_str(json).ok().map(Self::Start),
            "end" => serde_json::from_str(json).ok().map(Self::End),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_lines_are_read_back_and_need_the_nonce() {
        let end = Control::End(End { outcome: Outcome::Skipped, status: 0, replayed: true });
        assert_eq!(end.line("n1"), "@n1 end {\"outcome\":\"skipped\",\"status\":0,\"replayed\":true}\n");
        for control in [end, Control::Start(Start::Attached)] {
            let line = control.line("n1");
            assert_eq!(Control::parse(line.trim_end(), "n1"), Some(control));
            assert_eq!(Control::parse(line.trim_end(), "n2"), None);
        }
        assert_eq!(Control::parse("@n1 end", "n1"), None);
    }
}
