//! The real program, carrying an operation out: what it is given, what it says, how it ends.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use quarterdeck::runbook::job::{INPUT_KEY, JobInput};
use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_quarterdeck");

/// Writes what the program is given into a folder; what was in there before does not count.
pub fn write_job(folder: &Path, input: &JobInput, secrets: &BTreeMap<&str, String>) {
    for name in ["input", "secrets"] {
        fs::remove_dir_all(folder.join(name)).ok();
        fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    let json = serde_json::to_string(input).expect("it serialises");
    fs::write(folder.join("input").join(INPUT_KEY), json).expect("a file");
    for (name, secret) in secrets {
        fs::write(folder.join("secrets").join(name), secret).expect("a file");
    }
}

/// The program under way.
pub struct Executor {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
    deadline: Instant,
}

/// How it ended, and all that it said.
pub struct Ended {
    pub code: Option<i32>,
    pub events: Vec<Value>,
}

impl Executor {
    /// Starts the program, as `command` begins it, with what is in the folder; it has to end within a time.
    pub fn start(mut command: Command, folder: &Path, reconnect_seconds: u32, patience: Duration) -> Self {
        let mut child = command
            .args(["executor", "--no-status", "--reconnect-seconds", &reconnect_seconds.to_string(), "--input"])
            .arg(folder.join("input").join(INPUT_KEY))
            .arg("--secrets")
            .arg(folder.join("secrets"))
            .env_remove("KUBECONFIG")
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a line of JSON: {line}"));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Self { child, events, seen: Vec::new(), deadline: Instant::now() + patience }
    }

    /// Reads until an event is this one; `false` if the program ended before.
    pub fn saw(&mut self, is: impl Fn(&Value) -> bool) -> bool {
        loop {
            match self.events.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    self.seen.push(event);
                    if is(self.seen.last().expect("just pushed")) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("it takes too long: {:#?}", self.seen.last()),
            }
        }
    }

    /// Whether an event that was read is this one, or one that is still to come; `false` if the program ended before.
    pub fn has_said(&mut self, is: impl Fn(&Value) -> bool) -> bool {
        self.seen.iter().any(&is) || self.saw(is)
    }

    /// The event that was read last.
    pub fn last(&self) -> &Value {
        self.seen.last().expect("something was read")
    }

    pub fn finish(mut self) -> Ended {
        self.saw(|_| false);
        let code = self.child.wait().expect("it was started").code();
        Ended { code, events: std::mem::take(&mut self.seen) }
    }

    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it was started");
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Ended {
    /// How a machine ended: its event of that name.
    pub fn machine(&self, name: &str) -> &Value {
        let is = |event: &&Value| event["event"] == "machine-finished" && event["machine"] == name;
        self.events.iter().find(is).unwrap_or_else(|| panic!("{name} never ended"))
    }

    /// Machines that failed: exactly this one, for this reason.
    pub fn assert_failed_alone(&self, name: &str, class: &str, words: &[&str]) {
        assert_eq!(self.code, Some(1));
        for event in self.events.iter().filter(|event| event["event"] == "machine-finished") {
            assert_eq!(event["outcome"] == "failed", event["machine"] == name, "{event:#}");
        }
        self.assert_failed(name, class, words);
    }

    /// This machine failed, for this reason and in these words.
    pub fn assert_failed(&self, name: &str, class: &str, words: &[&str]) {
        let event = self.machine(name);
        assert_eq!((&event["outcome"], &event["class"]), (&"failed".into(), &class.into()), "{event:#}");
        for word in words {
            let is_said = event["message"].as_str().is_some_and(|message| message.contains(word));
            assert!(is_said, "{word} in {event:#}, which said {:#?}", self.lines(name));
        }
    }

    /// What the steps of a machine said.
    pub fn lines(&self, machine: &str) -> Vec<&str> {
        let of = self.events.iter().filter(|event| event["event"] == "output" && event["machine"] == machine);
        of.filter_map(|event| event["line"].as_str()).collect()
    }

    /// How many steps ran, as opposed to those whose receipt spoke.
    pub fn ran(&self) -> usize {
        let finished = self.events.iter().filter(|event| event["event"] == "step-finished");
        finished.filter(|event| event["replayed"] == false).count()
    }
}
