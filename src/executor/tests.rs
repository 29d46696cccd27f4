//! The executor against the real shell of this host: what is claimed of steps is claimed of what runs here.

mod stopping;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::report::{StatusSink, WriteError};
use super::transport::local::LocalTransport;
use super::{Context, Limits, LineSink, Secrets, Summary, run};
use crate::api::Role;
use crate::runbook::job::{InventoryMachine, JobInput, SshAccess};

/// A host state, a folder for traces of what ran, and an input to change.
struct Bench {
    directory: tempfile::TempDir,
    input: JobInput,
    secrets: Vec<(String, String)>,
    transport: LocalTransport,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Bench {
    /// `steps` is the YAML list of the steps of one phase; `$T` is the folder for traces.
    fn new(steps: &str) -> Self {
        Self::with_phases(&format!("- name: P\n  steps:\n{}", indent(steps)))
    }

    fn with_phases(phases: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().to_str().unwrap();
        let phases = phases.replace("$T", &format!("{folder}/trace"));
        let input = JobInput {
            namespace: "n".into(),
            operation: "op-1".into(),
            run: 1,
            fence: 3,
            cluster: "east".into(),
            runbook: format!("name: test\nrevision: 1\nvariables: {{who: {{default: world}}}}\nphases:\n{phases}"),
            phases: vec![],
            parallelism: 4,
            variables: [].into(),
            machines: vec![machine("m-1")],
            ssh: SshAccess {
                user: "root".into(),
                sudo: false,
                host_key_policy: crate::api::HostKeyPolicy::Strict,
                known_hosts: String::new(),
                jump_hosts: vec![],
                keepalive_seconds: 15,
                max_handshakes: 8,
                state_directory: format!("{folder}/state"),
            },
        };
        Self { directory, input, secrets: vec![], transport: LocalTransport::default(), log: Arc::default() }
    }

    fn context(&self) -> Context {
        let log = Arc::clone(&self.log);
        let events: LineSink = Arc::new(move |line| log.lock().unwrap().push(serde_json::from_str(&line).unwrap()));
        let limits = Limits { reconnect: Duration::from_secs(2), ..Limits::default() };
        Context {
            input: self.input.clone(),
            secrets: Secrets::new(self.secrets.clone()),
            transport: Arc::new(self.transport.clone()),
            status: None,
            events,
            cancel: CancellationToken::new(),
            limits,
        }
    }

    async fn run(&self) -> Summary {
        self.log.lock().unwrap().clear();
        let summary = run(self.context()).await.unwrap();
        self.check_order();
        summary
    }

    fn check_order(&self) {
        let log = self.log.lock().unwrap();
        let numbers: Vec<u64> = log.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    }

    /// The events of one kind, as the values of one field.
    fn said(&self, kind: &str, field: &str) -> String {
        let log = self.log.lock().unwrap();
        let of_kind = log.iter().filter(|event| event["event"] == kind);
        let words = of_kind.map(|event| match &event[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        words.collect::<Vec<_>>().join("|")
    }

    /// What the steps left behind in the file of traces.
    fn trace(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("trace")).unwrap_or_default()
    }

    async fn until_trace(&self, expected: &str) {
        for _ in 0..500 {
            if self.trace() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the trace is {:?}, not {expected:?}", self.trace());
    }

    fn step_directory(&self) -> PathBuf {
        self.directory.path().join("state/operations/op-1/m-1/P/s")
    }

    /// The process of the newest job.
    fn job(&self) -> String {
        let claims = (1..).map(|g| self.step_directory().join(format!("claim.{g}")));
        let newest = claims.take_while(|claim| claim.is_symlink()).last().unwrap();
        newest.read_link().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned()
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn machine(name: &str) -> InventoryMachine {
    InventoryMachine {
        name: name.into(),
        uid: format!("uid-{name}"),
        address: "127.0.0.1".into(),
        port: 22,
        user: None,
        role: Role::Worker,
        labels: [].into(),
        variables: [].into(),
        host_key: None,
    }
}

fn files_with(directory: &Path, needle: &str) -> Vec<PathBuf> {
    let found = Command::new("grep").args(["-rlF", needle]).arg(directory).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(PathBuf::from).collect()
}

const APPEND: &str = "- {name: s, once: true, run: 'echo ran >> $T; echo hello {{ vars.who }}; echo to stderr >&2'}";

#[tokio::test(flavor = "multi_thread")]
async fn a_step_runs_and_its_output_is_heard() {
    let bench = Bench::new(APPEND);
    assert_eq!(bench.run().await.exit_code(), 0, "{:?}", bench.log);
    assert_eq!(bench.said("output", "line"), "hello world|to stderr");
    assert_eq!(bench.said("step-finished", "outcome"), "done");
    assert_eq!(bench.said("step-started", "start"), "fresh");
    assert_eq!(bench.trace(), "ran\n");
    let receipt: Value =
        serde_json::from_str(&std::fs::read_to_string(bench.step_directory().join("receipt")).unwrap()).unwrap();
    assert_eq!((receipt["operation"].as_str(), receipt["outcome"].as_str()), (Some("op-1"), Some("done")));
    assert_eq!(receipt["digest"].as_str().unwrap().len(), 64);
    assert!(receipt["startedAt"].is_string() && receipt["finishedAt"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_replayed_and_not_run_again() {
    let mut bench = Bench::new(APPEND);
    bench.run().await;
    assert_eq!(bench.run().await.exit_code(), 0);
    assert_eq!(bench.said("step-finished", "replayed"), "true");
    bench.input.run = 2;
    bench.input.fence = 4;
    bench.run().await;
    assert_eq!((bench.said("step-started", "start"), bench.trace()), ("receipt".into(), "ran\n".into()));
    // Another input is another step.
    bench.input.variables = [("who".to_owned(), "all".to_owned())].into();
    bench.run().await;
    assert_eq!((bench.said("output", "line").as_str(), bench.trace().as_str()), ("hello all|to stderr", "ran\nran\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_looks_again_each_time_it_is_asked() {
    let mut bench = Bench::new("- {name: s, verify: 'echo looked >> $T; [ ! -e $T.wrong ]'}");
    assert_eq!(bench.run().await.exit_code(), 0);
    let wrong = bench.directory.path().join("trace.wrong");
    std::fs::write(&wrong, "").unwrap();
    // The pod died and is back, and then a person asked again: what was right then is not what is right now.
    for run in [1, 2] {
        bench.input.run = run;
        assert_eq!(bench.run().await.exit_code(), 1);
        assert_eq!(
            (bench.said("step-started", "start"), bench.said("step-finished", "replayed")),
            ("fresh".into(), "false".into())
        );
    }
    std::fs::remove_file(wrong).unwrap();
    assert_eq!(bench.run().await.exit_code(), 0);
    assert_eq!(bench.trace(), "looked\n".repeat(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_lost_its_connection_is_picked_up() {
    let bench = Bench::new("- {name: s, verify: 'echo looked >> $T; echo one; sleep 3; echo two'}");
    let (_, summary) = tokio::join!(
        async {
            bench.until_trace("looked\n").await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            bench.transport.cut();
        },
        bench.run()
    );
    assert_eq!((summary.exit_code(), bench.said("output", "line")), (0, "one|two".into()));
    assert_eq!((bench.said("step-started", "start"), bench.trace()), ("fresh|attached".into(), "looked\n".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_skip_and_verifications_fail() {
    let bench = Bench::new("- {name: s, check: 'true', run: 'echo ran >> $T'}");
    bench.run().await;
    assert_eq!((bench.said("step-finished", "outcome"), bench.trace()), ("skipped".into(), String::new()));
    let bench = Bench::new(
        "- {name: s, once: true, run: 'echo ran >> $T', verify: 'echo not there; false'}\n- {name: t, verify: 'true'}",
    );
    assert_eq!(bench.run().await.exit_code(), 1);
    assert_eq!(
        (bench.said("step-finished", "outcome"), bench.said("step-finished", "class")),
        ("unverified".into(), "Verify".into())
    );
    assert_eq!(bench.said("machine-finished", "message"), "it ran, and its verification did not hold: not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_tried_again_and_end_where_they_have_to() {
    let steps = "- name: s\n  retries: 2\n  backoffSeconds: 0.01\n  check: 'false'\n  run: |\n    echo x >> $T\n    \
                 [ \"$(wc -l < $T)\" = 2 ]";
    let bench = Bench::new(steps);
    assert_eq!(bench.run().await.exit_code(), 0);
    assert_eq!(bench.said("step-finished", "outcome"), "failed|done");
    assert_eq!(bench.trace(), "x\nx\n");
    // `set -e` holds, a syntax error is only a failure, and no later step runs.
    for script in ["false; echo ran >> $T", "echo $NO_SUCH_VARIABLE; echo ran >> $T", "if then (\""] {
        let script = script.replace('"', "\\\"");
        let bench =
            Bench::new(&format!("- {{name: s, once: true, run: \"{script}\"}}\n- {{name: t, verify: 'echo t >> $T'}}"));
        assert_eq!(bench.run().await.exit_code(), 1, "{script}");
        assert_eq!(
            (bench.said("step-finished", "outcome"), bench.trace()),
            ("failed".into(), String::new()),
            "{script}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_takes_too_long_is_ended_with_all_that_it_started() {
    let bench = Bench::new("- {name: s, once: true, timeoutSeconds: 1, run: 'sleep 77 & echo $! >> $T; sleep 77'}");
    assert_eq!(bench.run().await.exit_code(), 1);
    assert_eq!(
        (bench.said("step-finished", "outcome"), bench.said("step-finished", "class")),
        ("timedOut".into(), "Timeout".into())
    );
    let child = bench.trace().trim().to_owned();
    let command = std::fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
    assert!(!command.contains("77"), "{child} lives: {command}");
}

const SLOW: &str = "- {name: s, once: true, run: 'echo begun >> $T; echo one; sleep 3; echo two; echo ended >> $T'}";

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_picked_up_where_it_was() {
    let bench = Bench::new(SLOW);
    let (_, summary) = tokio::join!(
        async {
            bench.until_trace("begun\n").await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            bench.transport.cut();
        },
        bench.run()
    );
    assert_eq!(summary.exit_code(), 0);
    assert_eq!(bench.said("output", "line"), "one|two");
    assert_eq!(bench.said("step-started", "start"), "fresh|attached");
    assert_eq!(bench.said("disconnected", "step"), "s");
    assert_eq!(bench.trace(), "begun\nended\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_dies_leaves_the_step_running_and_the_next_one_attaches() {
    let bench = Bench::new(SLOW);
    // It may say a last word while it dies; that is not for the log of the second.
    let first = tokio::spawn(run(Context { events: Arc::new(|_| {}), ..bench.context() }));
    bench.until_trace("begun\n").await;
    first.abort();
    first.await.ok();
    assert_eq!(bench.run().await.exit_code(), 0);
    assert_eq!(bench.said("step-started", "start"), "attached");
    assert_eq!((bench.said("output", "line"), bench.trace()), ("one|two".into(), "begun\nended\n".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_executors_at_once_run_it_once() {
    let bench = Bench::new(SLOW);
    let all = futures::future::join_all((0..6).map(|_| tokio::spawn(run(bench.context())))).await;
    assert!(all.into_iter().all(|summary| summary.unwrap().unwrap().exit_code() == 0));
    assert_eq!(bench.trace(), "begun\nended\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_job_is_unknown_for_once_steps_until_a_person_asks_again() {
    let mut bench = Bench::new(SLOW);
    let (_, summary) = tokio::join!(
        async {
            bench.until_trace("begun\n").await;
            Command::new("kill").args(["-9", &bench.job()]).status().unwrap();
        },
        bench.run()
    );
    assert_eq!(summary.exit_code(), 1);
    assert_eq!(
        (bench.said("step-finished", "outcome"), bench.said("machine-finished", "class")),
        ("unknown".into(), "Unknown".into())
    );
    // What the job had started was waited for, not doubled.
    assert_eq!(bench.trace(), "begun\nended\n");
    assert_eq!(bench.run().await.exit_code(), 1);
    assert_eq!(bench.trace(), "begun\nended\n");
    bench.input.run = 2;
    assert_eq!(bench.run().await.exit_code(), 0);
    assert_eq!(bench.trace(), "begun\nended\nbegun\nended\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_job_of_a_repeatable_step_looks_first_and_goes_on() {
    let steps = "- {name: s, check: 'grep -q ended $T', run: 'echo begun >> $T; sleep 2; echo ended >> $T'}";
    let bench = Bench::new(steps);
    let (_, summary) = tokio::join!(
        async {
            bench.until_trace("begun\n").await;
            Command::new("kill").args(["-9", &bench.job()]).status().unwrap();
        },
        bench.run()
    );
    assert_eq!(summary.exit_code(), 0);
    assert_eq!((bench.said("step-finished", "outcome"), bench.trace()), ("skipped".into(), "begun\nended\n".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_controller_is_refused() {
    let mut bench = Bench::new(APPEND);
    std::fs::create_dir_all(bench.directory.path().join("state/fence/east/12")).unwrap();
    bench.input.fence = 9;
    assert_eq!(bench.run().await.exit_code(), 1);
    assert_eq!((bench.said("machine-finished", "class"), bench.trace()), ("Fenced".into(), String::new()));
    bench.input.fence = 13;
    assert_eq!(bench.run().await.exit_code(), 0);
    assert!(!bench.directory.path().join("state/fence/east/12").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_neither_shown_nor_left_behind() {
    let steps = "- name: s\n  once: true\n  env: {KEY: '{{ vars.token }}'}\n  run: |\n    \
                 tr '\\0' '\\n' < /proc/$$/cmdline >> $T\n    echo \"token: $KEY\"; printf %s \"$KEY\" | base64\n    \
                 tr '\\0' '\\n' < /proc/$PPID/cmdline >> $T\n- {name: t, once: true, secret: true, run: 'echo {{ vars.token }}'}";
    let mut bench = Bench::new(steps);
    bench.secrets = vec![("token".into(), "swordfish-1234\n".into())];
    assert_eq!(bench.run().await.exit_code(), 0);
    assert_eq!(bench.said("output", "line"), "token: [redacted]|[redacted]");
    assert!(!format!("{:?}", bench.log).contains("swordfish"));
    assert!(!bench.trace().contains("swordfish"));
    // The first step printed it, so its output on the host has it; nothing else does.
    let left = files_with(bench.directory.path(), "swordfish");
    assert_eq!(left, [bench.step_directory().join("output.1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_put_there_once() {
    let steps = "- {name: s, template: {path: '$T.conf', mode: '0600', content: \"it's {{ vars.who }}\\n\"}}\n\
                 - {name: t, upload: {path: '$T.bin', content: 'plain {{ x }}'}}";
    let mut bench = Bench::new(steps);
    assert_eq!(bench.run().await.exit_code(), 0, "{:?}", bench.log);
    let read = |name: &str| std::fs::read_to_string(bench.directory.path().join(name)).unwrap();
    assert_eq!((read("trace.conf").as_str(), read("trace.bin").as_str()), ("it's world\n", "plain {{ x }}"));
    bench.input.operation = "op-2".into();
    bench.run().await;
    assert_eq!(bench.said("step-finished", "outcome"), "skipped|skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_stops_alone() {
    let mut bench =
        Bench::new("- {name: s, once: true, run: '[ {{ machine.name }} != m-2 ]'}\n- {name: t, verify: 'true'}");
    bench.input.machines = ["m-1", "m-2", "m-3", "m-4"].map(machine).into();
    bench.transport.down = vec!["m-4".into()];
    let summary = bench.run().await;
    assert_eq!((summary.succeeded, summary.failed, summary.exit_code()), (2, 2, 1));
    let classes: BTreeSet<String> = bench.said("machine-finished", "class").split('|').map(str::to_owned).collect();
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), ["Exit", "Transport", "null"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn serial_phases_and_first_phases_are_kept() {
    let phases = "- name: A\n  strategy: serial\n  steps:\n  - {name: s, once: true, run: 'echo in >> $T; sleep 0.1; echo out >> $T'}\n\
                  - name: B\n  strategy: first\n  steps:\n  - {name: s, once: true, run: 'echo {{ machine.name }} >> $T'}\n";
    let mut bench = Bench::with_phases(phases);
    bench.input.machines = ["m-1", "m-2", "m-3"].map(machine).into();
    assert_eq!(bench.run().await.exit_code(), 0);
    assert_eq!(bench.trace().replace("m-1\n", ""), "in\nout\n".repeat(3));
    assert_eq!(bench.trace().matches("m-").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_holds_in_busybox() {
    if Command::new("busybox").arg("true").status().is_err() {
        eprintln!("left out: there is no busybox");
        return;
    }
    let mut bench = Bench::new(SLOW);
    let folder = bench.directory.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    Command::new("busybox").args(["--install", "-s"]).arg(&folder).status().unwrap();
    bench.transport.path = Some(folder.to_str().unwrap().into());
    let (_, summary) = tokio::join!(
        async {
            bench.until_trace("begun\n").await;
            bench.transport.cut();
        },
        bench.run()
    );
    assert_eq!(summary.exit_code(), 0, "{:?}", bench.log);
    assert_eq!((bench.said("output", "line"), bench.trace()), ("one|two".into(), "begun\nended\n".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_said_before_any_machine_is_touched() {
    let check = async |bench: &Bench, expected: &str| {
        let error = run(bench.context()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&Bench::new("- {name: s, verify: 'a {{ vars.version }}'}"), "needs variables that have no value: version")
        .await;
    check(&Bench::new("- {name: s, veriffy: a}"), "line 7: unknown key `veriffy`: did you mean `verify`?").await;
    let mut bench = Bench::new("- {name: s, verify: a}");
    bench.input.phases = vec!["Q".into()];
    check(&bench, "has no phase \"Q\"; it has P").await;
    bench.input.phases.clear();
    bench.input.machines.clear();
    check(&bench, "the inventory is empty").await;
}

/// Keeps what the first phase of a machine said.
#[derive(Default)]
struct Heard(Mutex<BTreeSet<String>>);

impl StatusSink for Heard {
    fn machine<'a>(&'a self, _: &'a str, _: &'a str, status: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        let phase = &status["phases"][0];
        let said = format!("{} {}", phase["state"].as_str().unwrap_or_default(), phase["message"]);
        self.0.lock().unwrap().insert(said);
        Box::pin(async { Ok(()) })
    }

    fn operation<'a>(&'a self, _: &'a str, _: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async { Ok(()) })
    }

    fn paused<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async { None })
    }
}

#[tokio::test]
async fn a_host_that_is_not_reached_is_said_long_before_it_is_given_up() {
    let mut bench = Bench::new("- {name: A, run: echo hello}");
    bench.transport.down = vec!["m-1".into()];
    let heard = Arc::new(Heard::default());
    // Long enough for the word in between to be written on a machine that has other things to do.
    let limits = Limits { reconnect: Duration::from_secs(6), ..Limits::default() };
    let summary = run(Context { status: Some(heard.clone()), limits, ..bench.context() }).await.unwrap();
    assert_eq!((summary.succeeded, summary.failed), (0, 1));
    let said = heard.0.lock().unwrap().clone();
    assert!(said.contains("Pending \"is not reached: cannot reach m-1\""), "{said:?}");
    assert!(said.contains("Failed \"cannot reach m-1\""), "{said:?}");
}
