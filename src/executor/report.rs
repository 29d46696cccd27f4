//! Writes status out: each object at most once an interval, the newest state only, and the last state always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, timeout};

use super::Limits;
use super::board::Board;

/// Writes under way at once.
const WRITERS: usize = 16;

/// Takes status, and knows whether the operation is paused.
pub trait StatusSink: Send + Sync {
    /// Merges into the status of a machine, if it still has this UID.
    fn machine<'a>(&'a self, name: &'a str, uid: &'a str, status: Value) -> BoxFuture<'a, Result<(), WriteError>>;
    /// Merges into the status of an operation.
    fn operation<'a>(&'a self, name: &'a str, status: Value) -> BoxFuture<'a, Result<(), WriteError>>;
    /// Whether no new machine may begin; `None` if nobody can say now.
    fn paused<'a>(&'a self, operation: &'a str) -> BoxFuture<'a, Option<bool>>;
}

/// Why a status was not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// Trying again may help.
    #[error("{0}")]
    Passing(String),
    #[error("{0}")]
    Final(String),
}

/// What a status is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Operation,
    Machine(usize),
}

/// Says that something changed; costs nothing where there is no sink.
#[derive(Clone)]
pub struct Handle(Option<Arc<Dirty>>);

#[derive(Default)]
struct Dirty {
    subjects: Mutex<BTreeSet<Subject>>,
    changed: Notify,
}

impl Handle {
    pub fn changed(&self, machine: usize) {
        if let Some(dirty) = &self.0 {
            dirty.add([Subject::Operation, Subject::Machine(machine)]);
            dirty.changed.notify_one();
        }
    }
}

impl Dirty {
    fn add(&self, subjects: impl IntoIterator<Item = Subject>) {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner).extend(subjects);
    }

    /// Takes out what may be written now; says when the next may be, if there is more.
    fn due(&self, written: &BTreeMap<Subject, Instant>, interval: Duration) -> (Vec<Subject>, Option<Instant>) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let ready = |subject: &Subject| written.get(subject).map_or(now, |at| *at + interval);
        let next = subjects.iter().map(ready).filter(|at| *at > now).min();
        let due = subjects.extract_if(.., |subject| ready(subject) <= now).collect();
        (due, next)
    }
}

/// The task that writes.
pub struct Reporter {
    handle: Handle,
    tasks: JoinSet<()>,
    closing: watch::Sender<bool>,
    flush: Duration,
}

impl Reporter {
    pub fn start(
        board: Arc<Board>,
        sink: Option<Arc<dyn StatusSink>>,
        paused: watch::Sender<bool>,
        limits: Limits,
    ) -> Self {
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let handle = Handle(sink.as_ref().map(|_| Arc::default()));
        if let (Some(sink), Some(dirty)) = (sink, &handle.0) {
            let operation = board.operation_status().0;
            tasks.spawn(follow_pause(Arc::clone(&sink), operation, paused, closed.clone(), limits.pause_interval));
            tasks.spawn(write_all(board, sink, Arc::clone(dirty), closed, limits.status_interval));
        }
        Self { handle, tasks, closing, flush: limits.flush }
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes what is left, for a bounded time.
    pub async fn finish(mut self) {
        self.closing.send_replace(true);
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(self.flush, rest).await.is_err() {
            tracing::warn!("not all status could be written before the end");
        }
    }
}

async fn follow_pause(
    sink: Arc<dyn StatusSink>,
    operation: String,
    paused: watch::Sender<bool>,
    mut closed: watch::Receiver<bool>,
    interval: Duration,
) {
    let mut asked = false;
    let follow = async {
        loop {
            // Until the first answer no machine begins; if there is none, the operation goes on as it was ordered.
            let answer = sink.paused(&operation).await;
            if let Some(now) = answer.or((!asked).then_some(false)) {
                paused.send_if_modified(|before| std::mem::replace(before, now) != now);
            }
            asked = true;
            tokio::time::sleep(interval).await;
        }
    };
    // The end of the run waits for no answer.
    tokio::select! {
        () = follow => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

async fn write_all(
    board: Arc<Board>,
    sink: Arc<dyn StatusSink>,
    dirty: Arc<Dirty>,
    mut closed: watch::Receiver<bool>,
    interval: Duration,
) {
    let mut written = BTreeMap::new();
    loop {
        let closing = *closed.borrow_and_update();
        let (due, next) = dirty.due(&written, interval);
        if due.is_empty() {
            let Some(next) = next else {
                if closing {
                    return;
                }
                tokio::select! {
                    () = dirty.changed.notified() => {}
                    _ = closed.changed() => {}
                }
                continue;
            };
            tokio::time::sleep_until(next).await;
            continue;
        }
        let failed: Vec<Subject> = futures::stream::iter(due.iter().copied())
            .map(|subject| write(&board, sink.as_ref(), subject))
            .buffer_unordered(WRITERS)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let now = Instant::now();
        written.extend(due.into_iter().map(|subject| (subject, now)));
        dirty.add(failed);
    }
}

/// Writes one status; the subject again if it has to be tried again.
async fn write(board: &Board, sink: &dyn StatusSink, subject: Subject) -> Option<Subject> {
    let outcome = match subject {
        Subject::Operation => {
            let (name, status) = board.operation_status();
            sink.operation(&name, status).await
        }
        Subject::Machine(index) => {
            let (name, uid, status) = board.machine_status(index);
            sink.machine(&name, &uid, status).await
        }
    };
    match outcome {
        Ok(()) => None,
        Err(WriteError::Passing(reason)) => {
            tracing::debug!(?subject, reason, "status not written, trying again");
            Some(subject)
        }
        Err(WriteError::Final(reason)) => {
            tracing::warn!(?subject, reason, "status refused");
            None
        }
    }
}

#[cfg(test)]
mod tests;
