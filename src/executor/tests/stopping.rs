//! A run that is paused, and one that is cancelled: what goes on, and what a new run finds.

use std::sync::atomic::{AtomicU8, Ordering};

use futures::future::BoxFuture;
use serde_json::Value;

use super::*;
use crate::executor::{StatusSink, WriteError};

/// Says whether the operation is paused, and forgets all status.
struct Switch(AtomicU8);

const GOES_ON: u8 = 0;
const PAUSED: u8 = 1;
const SILENT: u8 = 2;

impl StatusSink for Switch {
    fn machine<'a>(&'a self, _: &'a str, _: &'a str, _: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async { Ok(()) })
    }

    fn operation<'a>(&'a self, _: &'a str, _: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async { Ok(()) })
    }

    fn paused<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async {
            match self.0.load(Ordering::SeqCst) {
                SILENT => None,
                state => Some(state == PAUSED),
            }
        })
    }
}

/// A run whose operation is paused, or not; statuses and pauses are looked at often.
fn watched(bench: &Bench, state: u8) -> (Arc<Switch>, Context) {
    let switch = Arc::new(Switch(AtomicU8::new(state)));
    let often = Duration::from_millis(20);
    let limits = Limits { status_interval: often, pause_interval: often, ..Limits::default() };
    (Arc::clone(&switch), Context { status: Some(switch), limits, ..bench.context() })
}

async fn soon() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_operation_begins_no_machine_until_it_goes_on() {
    let bench = Bench::new("- {name: s, once: true, run: 'echo ran >> $T'}");
    let (switch, context) = watched(&bench, PAUSED);
    let running = tokio::spawn(run(context));
    soon().await;
    // Silence changes nothing.
    switch.0.store(SILENT, Ordering::SeqCst);
    soon().await;
    assert_eq!((bench.said("connecting", "machine"), bench.trace()), (String::new(), String::new()));
    switch.0.store(GOES_ON, Ordering::SeqCst);
    assert_eq!(running.await.unwrap().unwrap().exit_code(), 0);
    assert_eq!(bench.trace(), "ran\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_lets_machines_end_that_have_begun() {
    let mut bench = Bench::new(
        "- {name: s, once: true, run: 'echo {{ machine.name }} >> $T; sleep 0.5'}\n- {name: t, once: true, run: 'echo on >> $T'}",
    );
    bench.input.machines = ["m-1", "m-2"].map(machine).into();
    bench.input.parallelism = 1;
    let (switch, context) = watched(&bench, SILENT);
    let running = tokio::spawn(run(context));
    bench.until_trace("m-1\n").await;
    switch.0.store(PAUSED, Ordering::SeqCst);
    bench.until_trace("m-1\non\n").await;
    soon().await;
    assert_eq!(bench.trace(), "m-1\non\n", "the second machine has not begun");
    switch.0.store(GOES_ON, Ordering::SeqCst);
    assert_eq!(running.await.unwrap().unwrap().succeeded, 2);
}

/// Cancels a run when its trace says so; its summary.
async fn cancelled(bench: &Bench, at: &str) -> Summary {
    let context = bench.context();
    let cancel = context.cancel.clone();
    let running = tokio::spawn(run(context));
    bench.until_trace(at).await;
    cancel.cancel();
    running.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_lets_the_step_end_on_the_host_and_the_next_run_takes_it_up() {
    // Cut off in the middle; taken up by the pod that comes next, or by a retry that a person asked for.
    for (later, start) in [(false, "attached"), (true, "receipt")] {
        let mut bench = Bench::new(SLOW);
        let summary = cancelled(&bench, "begun\n").await;
        assert_eq!((summary.exit_code(), summary.cancelled, summary.failed), (143, true, 0));
        assert_eq!(bench.said("operation-finished", "message"), "cancelled before all machines were through");
        assert_eq!(bench.said("machine-finished", "machine"), "", "it has not failed, and it is not done");
        if later {
            bench.until_trace("begun\nended\n").await;
            // Its receipt is written after that, on whatever machine this is.
            for _ in 0..5 {
                soon().await;
            }
            bench.input.run = 2;
        }
        assert_eq!(bench.run().await.exit_code(), 0);
        assert_eq!((bench.said("step-started", "start").as_str(), bench.trace().as_str()), (start, "begun\nended\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_begins_nothing_more() {
    let mut bench = Bench::new(&format!("{SLOW}\n- {{name: t, once: true, run: 'echo more >> $T'}}"));
    bench.input.machines = ["m-1", "m-2", "m-3"].map(machine).into();
    bench.input.parallelism = 1;
    let summary = cancelled(&bench, "begun\n").await;
    assert_eq!((summary.exit_code(), summary.succeeded), (143, 0));
    bench.until_trace("begun\nended\n").await;
    soon().await;
    assert_eq!(bench.trace(), "begun\nended\n", "neither the next step nor the next machine");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_too_late_or_early_to_cancel() {
    let bench = Bench::new(APPEND);
    let context = bench.context();
    context.cancel.cancel();
    assert_eq!(run(context).await.unwrap().exit_code(), 143);
    assert_eq!((bench.said("connecting", "machine"), bench.trace()), (String::new(), String::new()));
    // What all machines are through with has succeeded, whoever cancelled it at the last moment.
    let context = bench.context();
    let (cancel, inner) = (context.cancel.clone(), Arc::clone(&context.events));
    let events: LineSink = Arc::new(move |line: String| {
        if line.contains("machine-finished") {
            cancel.cancel();
        }
        inner(line);
    });
    bench.log.lock().unwrap().clear();
    assert_eq!(run(Context { events, ..context }).await.unwrap().exit_code(), 0);
}
