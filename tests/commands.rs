//! `quarterdeck scale` and `quarterdeck logs`: the real binary against the embedded API server, over loopback TLS.

#[path = "controllers/world.rs"]
#[expect(dead_code, reason = "the tests of controllers use more of it")]
mod world;

use std::{net::SocketAddr, path::PathBuf, process::Output, sync::Arc, time::Duration};

use futures::FutureExt;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use quarterdeck::{
    api::{MachineState, Operation, labels},
    embedded::{ApiServer, Identity, Listener, jobs},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use world::World;

/// A way in from outside.
struct Door {
    _listener: Listener,
    directory: tempfile::TempDir,
}

impl Door {
    async fn open(server: &ApiServer) -> Self {
        let identity = Identity::open(None).expect("an identity");
        let listener = Listener::start(SocketAddr::from(([127, 0, 0, 1], 0)), identity).await.expect("a port");
        listener.mount("", server.clone());
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("kubeconfig"), listener.kubeconfig("", "test", "default"))
            .expect("written");
        Self { _listener: listener, directory }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// Runs the binary; nobody can be asked.
    async fn run(&self, words: &str) -> (i32, String, String) {
        let output: Output = tokio::process::Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
            .args(words.split_whitespace())
            .env("KUBECONFIG", self.kubeconfig())
            .env("USER", "alice")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    async fn check(&self, words: &str, code: i32, said: &str) {
        let (ended, out, err) = self.run(words).await;
        assert!(ended == code && (out.contains(said) || err.contains(said)), "{words}: {ended}\n{out}\n{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_previews_asks_refuses_and_waits() {
    let world = World::new(4, 1).await;
    world.start("one");
    world.settled(1).await;
    let door = Door::open(&world.meta).await;

    door.check("scale blue/pool 3 --dry-run", 0, "claim 2 machines of 3 idle: m-1, m-2").await;
    door.check("scale blue/pool 3 --dry-run", 0, "+  replicas: 3").await;
    door.check("scale blue/pool 3", 6, "--yes").await;
    door.check("scale blue/pool 9 --yes", 6, "can have 4 replicas now, not 9").await;
    door.check("scale blue/gpu 3", 3, "cluster blue has no pool gpu; it has pool").await;
    door.check("scale blue 3", 2, "CLUSTER/POOL").await;
    door.check("scale blue/pool -1", 2, "").await;
    assert_eq!(world.pool().await.spec.replicas, 1, "nothing of this changed anything");

    door.check("scale blue/pool 4 --yes --wait --reason launch", 0, "4 of 4 machines are Ready").await;
    let operations = world.operations().await;
    let last = operations.iter().find(|o| o.spec.reason.is_some()).expect("it is on record");
    assert_eq!((last.spec.reason.as_deref(), last.spec.requested_by.as_deref()), (Some("launch"), Some("alice")));

    door.check("scale blue/pool 1 --dry-run", 0, "held up: 3 machines would leave, and 1 may without approval").await;
    let (code, out, err) = door.run("scale blue/pool 1 --yes --wait -o json").await;
    assert_eq!(code, 0, "{out}{err}");
    let printed: serde_json::Value = serde_json::from_str(&out).expect("only the pool is on standard output");
    assert_eq!(printed["metadata"]["annotations"][labels::APPROVED_REPLICAS], "1");
    world.until("all others are free", async || world.count(MachineState::Idle).await == 3).await;
    assert!(err.contains("Released"), "plain lines where there is no terminal: {err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_says_what_failed() {
    let world = World::new(2, 0).await;
    world.executor.failing.lock().unwrap().insert("m-0".to_owned());
    world.start("one");
    world
        .until("the pool is there", async || {
            world.api::<quarterdeck::api::NodePool>().get_opt("blue-pool").await.unwrap().is_some()
        })
        .await;
    let door = Door::open(&world.meta).await;
    door.check("scale blue/pool 1 --yes --wait", 1, "quarterdeck logs blue-pool-up-").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_read_from_pod_to_pod() {
    let server = ApiServer::open(quarterdeck::embedded::Options::default()).expect("it opens");
    server.install(quarterdeck::api::definitions()).await.expect("installed");
    let stop = CancellationToken::new();
    let pod: jobs::RunPod = Arc::new(|run| {
        async move {
            run.log.line(r#"{"at":"2026-11-21T12:00:01.204Z","seq":1,"operation":"o1","event":"output","machine":"m-1","phase":"Join","step":"s","line":"hello"}"#);
            tokio::time::sleep(Duration::from_millis(200)).await;
            run.log.line("not json");
            0
        }
        .boxed()
    });
    let running = tokio::spawn(jobs::run(server.clone(), pod, stop.clone()));
    let client = server.client();
    let operations: Api<Operation> = Api::namespaced(client.clone(), "default");
    let door = Door::open(&server).await;
    door.check("logs o1", 3, "there is no operation o1").await;

    let operation = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Operation", "metadata": {"name": "o1"},
        "spec": {"type": "ScaleUp", "clusterName": "blue", "machines": [], "runbook": "node-join"}});
    operations.create(&Default::default(), &serde_json::from_value(operation).unwrap()).await.expect("created");
    door.check("logs o1", 3, "no log yet").await;
    let state = |state: &str| {
        Patch::Merge(json!({"status": {"state": state, "run": 1, "jobName": "op-o1-1", "message": "all well"}}))
    };
    operations.patch_status("o1", &PatchParams::default(), &state("Running")).await.expect("patched");
    let following = door.run("logs o1 --follow");
    let jobs_api: Api<Job> = Api::namespaced(client, "default");
    let job = json!({"metadata": {"name": "op-o1-1"}, "spec": {"template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "executor", "image": "i", "args": ["executor"]}]}}}});
    let finishing = async {
        jobs_api.create(&Default::default(), &serde_json::from_value(job).unwrap()).await.expect("created");
        loop {
            let jobs = jobs_api.list(&ListParams::default()).await.expect("jobs").items;
            if jobs.iter().any(|j| j.status.as_ref().is_some_and(|s| s.succeeded == Some(1))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        operations.patch_status("o1", &PatchParams::default(), &state("Succeeded")).await.expect("patched");
    };
    let ((code, out, err), ()) = tokio::join!(following, finishing);
    assert_eq!((code, out.as_str()), (0, "12:00:01  m-1 / Join / s  | hello\nnot json\n"), "{err}");
    assert!(err.contains("o1 Succeeded: all well"), "{err}");
    let (code, out, _) = door.run("logs o1 -o json").await;
    assert!(code == 0 && out.starts_with("{\"at\""), "{out}");
    stop.cancel();
    running.await.unwrap();
}
