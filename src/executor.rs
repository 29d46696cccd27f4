//! Carries a runbook out on many machines: parallel up to a limit, each machine phase by phase, each step at most once.
//!
//! What happened is on the hosts (receipts), not in here: an executor that dies at any point is started again, asks for
//! the same steps, and is told what was done. Progress goes to a status sink (machines and the operation, at most once a
//! second each) and, event by event, to a line sink, which is the log of the pod.
//!
//! Deliberately absent: deciding what should be done (a controller wrote the operation) and undoing it.

mod attempt;
mod backoff;
mod board;
mod clock;
mod event;
mod gate;
mod inventory;
mod kubernetes;
pub mod listen;
mod machine;
mod quote;
mod redact;
mod report;
mod script;
mod step;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::runbook::job::{EXIT_CANCELLED, EXIT_MACHINES_FAILED, JobInput};

pub use event::LineSink;
pub use inventory::{BadInput, Secrets};
pub use kubernetes::KubernetesStatus;
pub use report::{StatusSink, WriteError};
pub use transport::{Answer, Session, SshTransport, Transport, Unreachable};

/// How long things may take that are not steps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time without a connection to a machine before its failure is `Transport`.
    pub reconnect: Duration,
    /// Between two writes of one object's status.
    pub status_interval: Duration,
    /// How often the operation is asked whether it is paused.
    pub pause_interval: Duration,
    /// Longest time that the last status writes may take.
    pub flush: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reconnect: Duration::from_mins(5),
            status_interval: Duration::from_secs(1),
            pause_interval: Duration::from_secs(2),
            flush: Duration::from_secs(30),
        }
    }
}

/// All that a run needs.
pub struct Context {
    pub input: JobInput,
    pub secrets: Secrets,
    /// How machines are reached; [`SshTransport`] but in tests.
    pub transport: Arc<dyn Transport>,
    /// Where status goes, if anywhere.
    pub status: Option<Arc<dyn StatusSink>>,
    /// Takes each event as one line of JSON, without its line break.
    pub events: LineSink,
    pub cancel: CancellationToken,
    pub limits: Limits,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub succeeded: usize,
    pub failed: usize,
    /// It was cancelled before all machines were through.
    pub cancelled: bool,
    /// Steps that changed something, on all machines.
    pub changes: usize,
}

impl Summary {
    /// 0: all is well; 1: some machine failed; 143: it was ended before it was through, and may be started again.
    pub fn exit_code(self) -> i32 {
        match self {
            Self { cancelled: true, .. } => EXIT_CANCELLED,
            Self { failed: 0, .. } => 0,
            _ => EXIT_MACHINES_FAILED,
        }
    }
}

/// Carries it out. Bad input touches no machine.
pub async fn run(context: Context) -> Result<Summary, BadInput> {
    let Context { input, secrets, transport, status, events, cancel, limits } = context;
    let plan = inventory::plan(input, &secrets)?;
    let redactor = redact::Redactor::new(secrets.values());
    let events = event::Events::new(plan.input.operation.clone(), redactor, events);
    let board = Arc::new(board::Board::new(&plan));
    // Where there is somebody to ask, machines wait for the first answer.
    let (paused, pauses) = watch::channel(status.is_some());
    let reporter = report::Reporter::start(Arc::clone(&board), status, paused, limits);
    let run = Arc::new(machine::Run {
        gates: gate::Gates::new(&plan),
        plan,
        secrets,
        transport,
        events,
        board,
        reporter: reporter.handle(),
        pauses,
        cancel,
        limits,
    });
    run.announce();
    let width = run.plan.input.parallelism.max(1) as usize;
    let mut machines = JoinSet::new();
    for index in 0..run.plan.machines.len() {
        while machines.len() >= width {
            machines.join_next().await;
        }
        machines.spawn(machine::carry_out(Arc::clone(&run), index));
    }
    while machines.join_next().await.is_some() {}
    let summary = run.board.summary(run.cancel.is_cancelled());
    run.events.finished(summary);
    reporter.finish().await;
    Ok(summary)
}

/// Says in the log why an operation was not begun.
pub fn refuse(operation: String, error: &BadInput, sink: LineSink) {
    event::Events::new(operation, redact::Redactor::default(), sink).refused(error.to_string());
}

#[cfg(test)]
mod tests;
