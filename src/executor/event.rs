//! What happens, as one JSON object a line: the log of the pod, which the console follows.
//!
//! Lines are numbered without gaps. Whoever folds them from the first to the last knows all that there is to know.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::Summary;
use super::listen::shorten;
use super::redact::Redactor;
use crate::api::{Failure, FailureClass, PhaseState};
use crate::runbook::wire::{Outcome, Start};

/// Takes lines, without their line breaks.
pub type LineSink = Arc<dyn Fn(String) + Send + Sync>;

/// One line. Fields that say nothing are left out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<&'a str>,
    pub event: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
    /// Of `step-finished`: whether the host is another than before; a step that failed may have changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of `phase-finished`: how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PhaseState>,
    /// Of `planned`: the phases of the machine and their steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Planned<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<usize>,
    /// Of `machine-finished` and `operation-finished`: how many steps changed something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<usize>,
}

/// A phase that is ahead of a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Planned<'a> {
    pub name: &'a str,
    pub steps: Vec<&'a str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    #[default]
    Planned,
    Connecting,
    Connected,
    Disconnected,
    PhaseStarted,
    PhaseFinished,
    StepStarted,
    StepSkipped,
    StepRetrying,
    StepFinished,
    Output,
    MachineFinished,
    OperationFinished,
}

/// Numbers events, redacts them and writes them out, one after the other.
pub struct Events {
    operation: String,
    redactor: Redactor,
    sink: LineSink,
    sequence: Mutex<u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    seq: u64,
    operation: &'a str,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

impl Events {
    pub fn new(operation: String, redactor: Redactor, sink: LineSink) -> Self {
        Self { operation, redactor, sink, sequence: Mutex::new(0) }
    }

    /// Writes one event; its line and its message are redacted here.
    pub fn write(&self, mut event: Event<'_>) {
        for text in [&mut event.line, &mut event.message].into_iter().flatten() {
            *text = shorten(self.redactor.line(text));
        }
        // Held while writing, so that numbers come out in order.
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *sequence += 1;
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        let line = Line { at, seq: *sequence, operation: &self.operation, event: &event };
        (self.sink)(serde_json::to_string(&line).expect("strings and numbers serialise"));
    }

    pub fn redact(&self, text: &str) -> String {
        self.redactor.line(text)
    }

    pub fn machine_finished(&self, machine: &str, failure: Option<&Failure>, changes: usize) {
        self.write(Event {
            machine: Some(machine),
            phase: failure.and_then(|f| f.phase.as_deref()),
            step: failure.and_then(|f| f.step.as_deref()),
            event: Kind::MachineFinished,
            outcome: Some(if failure.is_some() { Outcome::Failed } else { Outcome::Done }),
            class: failure.map(|f| f.class),
            message: Some(failure.map_or_else(|| changed(changes), |f| f.message.clone())),
            changes: Some(changes),
            ..Event::default()
        });
    }

    pub fn refused(&self, message: String) {
        let (event, outcome) = (Kind::OperationFinished, Some(Outcome::Failed));
        self.write(Event { event, outcome, message: Some(message), ..Event::default() });
    }

    pub fn finished(&self, summary: Summary) {
        let cancelled = || "cancelled before all machines were through".to_owned();
        self.write(Event {
            event: Kind::OperationFinished,
            outcome: Some(if summary.exit_code() == 0 { Outcome::Done } else { Outcome::Failed }),
            succeeded: Some(summary.succeeded),
            failed: Some(summary.failed),
            changes: Some(summary.changes),
            message: Some(if summary.cancelled { cancelled() } else { changed(summary.changes) }),
            ..Event::default()
        });
    }
}

/// A number of changes in words.
fn changed(changes: usize) -> String {
    match changes {
        0 => "nothing was changed".to_owned(),
        1 => "1 step changed something".to_owned(),
        many => format!("{many} steps changed something"),
    }
}
