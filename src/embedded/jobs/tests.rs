//! Jobs through the API, as the operation controller uses them.

use std::{sync::Mutex, time::Duration};

use futures::{FutureExt, io::AsyncBufReadExt, stream::TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, LogParams};
use serde_json::json;

use super::*;
use crate::embedded::Options;

fn job(name: &str, args: &[&str], backoff_limit: i32) -> Job {
    let container = json!({
        "name": "main", "image": "quarterdeck", "args": args,
        "volumeMounts": [{"name": "input", "mountPath": "/etc/input"}],
    });
    let volumes = json!([{"name": "input", "projected": {"sources": [
        {"configMap": {"name": "input"}}, {"secret": {"name": "none", "optional": true}},
    ]}}]);
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [container], "volumes": volumes}});
    serde_json::from_value(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "default"},
        "spec": {"backoffLimit": backoff_limit, "template": pod},
    }))
    .expect("the test object is valid")
}

/// `echo` writes its files and succeeds, `fail` exits with 3, `wait` until it is cancelled.
fn actor(cancelled: Arc<Mutex<Vec<String>>>) -> RunPod {
    Arc::new(move |run: PodRun| {
        let cancelled = cancelled.clone();
        async move {
            match run.args[0].as_str() {
                "echo" => {
                    for (path, bytes) in &run.files {
                        run.log.line(&format!("{path} {}", String::from_utf8_lossy(bytes)));
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    0
                }
                "fail" => 3,
                _ => {
                    run.cancel.cancelled().await;
                    cancelled.lock().expect("not poisoned").push(run.job);
                    1
                }
            }
        }
        .boxed()
    })
}

async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(found) = probe().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come");
}

async fn outcome(api: &Api<Job>, name: &str) -> String {
    until(name, async || {
        let job = api.get(name).await.expect("it is there");
        let conditions = job.status?.conditions?;
        conditions.iter().find(|c| c.type_ == "Complete" || c.type_ == "Failed").map(|c| c.type_.clone())
    })
    .await
}

#[tokio::test]
async fn runs_jobs_to_their_end() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let (client, stop) = (server.client(), CancellationToken::new());
    let cancelled = Arc::default();
    let runner = tokio::spawn(run(server.clone(), actor(Arc::clone(&cancelled)), stop.clone()));
    let jobs: Api<Job> = Api::namespaced(client.clone(), "default");
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    jobs.create(&PostParams::default(), &job("echo", &["echo"], 0)).await.expect("created");
    let pod = until("a pod", async || pods.list(&ListParams::default()).await.expect("listed").items.pop()).await;
    let follow = LogParams { follow: true, ..LogParams::default() };
    let lines = pods.log_stream(&pod.name_any(), &follow).await.expect("followed").lines();

    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let map = serde_json::from_value(json!({"metadata": {"name": "input"}, "data": {"a": "1", "b": "2"}}));
    maps.create(&PostParams::default(), &map.expect("valid")).await.expect("created");
    assert_eq!(outcome(&jobs, "echo").await, "Complete");
    assert_eq!(lines.try_collect::<Vec<_>>().await.expect("read"), ["/etc/input/a 1", "/etc/input/b 2"]);

    jobs.create(&PostParams::default(), &job("fail", &["fail"], 1)).await.expect("created");
    assert_eq!(outcome(&jobs, "fail").await, "Failed");
    let failed = pods.list(&ListParams::default().labels("job-name=fail")).await.expect("listed");
    assert_eq!(failed.items.len(), 2, "one try and one more");

    jobs.create(&PostParams::default(), &job("wait", &["wait"], 0)).await.expect("created");
    until("the pod", async || {
        let found = pods.list(&ListParams::default().labels("job-name=wait").fields("status.phase=Running")).await;
        (!found.expect("listed").items.is_empty()).then_some(())
    })
    .await;
    jobs.delete("wait", &DeleteParams::background()).await.expect("deleted");
    until("the cancellation", async || (!cancelled.lock().expect("not poisoned").is_empty()).then_some(())).await;
    stop.cancel();
    runner.await.expect("it ends");
}
