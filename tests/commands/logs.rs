//! `quarterdeck logs`: from pod to pod and from run to run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use quarterdeck::{
    api::Operation,
    embedded::{ApiServer, Options, jobs},
};
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::door::Door;

/// A meta cluster with the Job runner, and one operation `o1` that the test moves on itself.
struct Scene {
    door: Door,
    operations: Api<Operation>,
    jobs: Api<Job>,
    _stop: DropGuard,
}

impl Scene {
    /// `pod` prints, and answers the exit code, of the pods of each Job: `(job, which of its pods, log)`.
    async fn new(pod: impl Fn(&str, usize, &jobs::LogSink) -> i32 + Send + Sync + 'static) -> Self {
        let server = ApiServer::open(Options::default()).expect("it opens");
        server.install(quarterdeck::api::definitions()).await.expect("installed");
        let (pod, pods) = (Arc::new(pod), Arc::new(Mutex::new(BTreeMap::<String, usize>::new())));
        let run: jobs::RunPod = Arc::new(move |run| {
            let (pod, pods) = (pod.clone(), pods.clone());
            async move {
                let at = {
                    let mut pods = pods.lock().unwrap();
                    let count = pods.entry(run.job.clone()).or_default();
                    *count += 1;
                    *count
                };
                let code = pod(&run.job, at, &run.log);
                tokio::time::sleep(Duration::from_millis(300)).await;
                run.log.line(&format!("{} pod {at} ends", run.job));
                code
            }
            .boxed()
        });
        let stop = CancellationToken::new();
        tokio::spawn(jobs::run(server.clone(), run, stop.clone()));
        let client = server.client();
        let scene = Self {
            door: Door::open(&server).await,
            operations: Api::namespaced(client.clone(), "default"),
            jobs: Api::namespaced(client, "default"),
            _stop: stop.drop_guard(),
        };
        scene.door.check("logs o1", 3, "there is no operation o1").await;
        let operation = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Operation",
            "metadata": {"name": "o1"},
            "spec": {"type": "ScaleUp", "clusterName": "blue", "machines": [], "runbook": "node-join"}});
        let operation = serde_json::from_value(operation).expect("an operation");
        scene.operations.create(&Default::default(), &operation).await.expect("created");
        scene
    }

    async fn state(&self, state: &str, run: i32) {
        let status = json!({"status": {"state": state, "run": run, "message": "all well"}});
        self.operations.patch_status("o1", &PatchParams::default(), &Patch::Merge(status)).await.expect("patched");
    }

    /// Creates the Job of a run and waits until it is over.
    async fn work(&self, run: i32, backoff_limit: i32) {
        let name = format!("op-o1-{run}");
        let pod = json!({"spec": {"restartPolicy": "Never",
            "containers": [{"name": "executor", "image": "i", "args": ["executor"]}]}});
        let job = json!({"metadata": {"name": &name}, "spec": {"backoffLimit": backoff_limit, "template": pod}});
        self.jobs.create(&Default::default(), &serde_json::from_value(job).expect("a Job")).await.expect("created");
        let over = async {
            while self.jobs.get(&name).await.expect("the Job").status.and_then(|s| s.conditions).is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(40), over).await.expect("the Job ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_as_sentences_and_other_lines_as_they_are() {
    let event = r#"{"at":"2026-11-21T12:00:01.204Z","seq":1,"operation":"o1","event":"output","machine":"m-1","phase":"Join","step":"s","line":"hello"}"#;
    let scene = Scene::new(move |_, _, log| {
        log.line(event);
        log.line(&event.replace("m-1", "m-2"));
        0
    })
    .await;
    scene.door.check("logs o1", 3, "o1 has no log yet: wait for it with -f").await;
    scene.state("Running", 1).await;
    scene.door.check("logs o1", 3, "o1 has no log yet (all well): wait for it with -f").await;
    let finishing = async {
        scene.work(1, 0).await;
        scene.state("Succeeded", 1).await;
    };
    let ((code, out, err), ()) = tokio::join!(scene.door.run("logs o1 --follow"), finishing);
    let text = "12:00:01  m-1 / Join / s  | hello\n12:00:01  m-2 / Join / s  | hello\nop-o1-1 pod 1 ends\n";
    assert_eq!((code, out.as_str()), (0, text), "{err}");
    assert!(err.contains("o1 Succeeded: all well"), "{err}");
    let (code, out, _) = scene.door.run("logs o1 -o json").await;
    assert!(code == 0 && out.lines().next() == Some(event), "{out}");
    let (_, out, _) = scene.door.run("logs o1 --machine m-2").await;
    assert!(out.contains("m-2") && !out.contains("m-1"), "{out}");
}

/// What two pods of the first run and one of the second print.
const ALL: &str =
    "op-o1-1 pod 1\nop-o1-1 pod 1 ends\nop-o1-1 pod 2\nop-o1-1 pod 2 ends\nop-o1-2 pod 1\nop-o1-2 pod 1 ends\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_log_goes_on_over_a_pod_that_is_replaced_and_a_run_that_is_tried_again() {
    let scene = Scene::new(|job, at, log| {
        log.line(&format!("{job} pod {at}"));
        i32::from(job == "op-o1-1")
    })
    .await;
    scene.state("Running", 1).await;
    let working = async {
        scene.work(1, 1).await;
        scene.state("Pending", 2).await;
        scene.work(2, 1).await;
        scene.state("Succeeded", 2).await;
    };
    let ((code, out, err), ()) = tokio::join!(scene.door.run("logs o1 -f"), working);
    assert_eq!((code, out.as_str()), (0, ALL), "each line once, in order: {err}");
    let (code, out, err) = scene.door.run("logs o1").await;
    assert_eq!((code, out.as_str()), (0, ALL), "the same afterwards: {err}");

    let mut child = scene.door.start("logs o1");
    drop(child.stdout.take());
    let ended = child.wait_with_output().await.expect("it ends");
    assert!(ended.status.success() && ended.stderr.is_empty(), "no reader, no panic: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_what_the_log_and_the_operation_say() {
    let scene = Scene::new(|_, _, log| {
        log.line(r#"{"at":"2026-11-21T12:00:02Z","event":"phase-started","machine":"m-1","phase":"Join"}"#);
        log.line(r#"{"at":"2026-11-21T12:01:02Z","event":"phase-finished","machine":"m-1","phase":"Join","state":"Succeeded","milliseconds":60000}"#);
        log.line(r#"{"at":"2026-11-21T12:01:03Z","event":"machine-finished","machine":"m-1","outcome":"done","message":"3 steps changed something"}"#);
        0
    })
    .await;
    scene.door.check("report nobody", 3, "there is no operation nobody").await;
    scene.work(1, 0).await;
    scene.state("Succeeded", 1).await;
    let (code, out, err) = scene.door.run("report o1").await;
    assert_eq!(code, 0, "{err}");
    for part in ["# ScaleUp of blue", "**Succeeded: all well**", "is done: 3 steps changed", "| m-1 | Join 1m00s |"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (code, out, _) = scene.door.run("report o1 -o html").await;
    assert!(code == 0 && out.starts_with("<!doctype html>") && out.trim_end().ends_with("</html>"), "{out}");
}
