//! The demo as a person meets it: from the start of the process to the ready line, and from a change of `replicas` to all
//! machines Ready. Prints figures; judges nothing.
//!
//! `cargo bench --bench demo`

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use quarterdeck::api::NodePool;
use serde_json::{Value, json};

const STARTS: usize = 5;
const POOL: &str = "eu-west-1-general";
const MORE: i32 = 20;
const PATIENCE: Duration = Duration::from_mins(5);

fn main() {
    for machines in ["60", "1000"] {
        let mut times: Vec<_> = (0..STARTS).map(|_| start(&["--machines", machines]).2).collect();
        times.sort();
        let (median, worst) = (times[STARTS / 2], times[STARTS - 1]);
        println!(
            "start to ready line, 3 clusters, {machines} machines: median {median:.0?}, worst {worst:.0?} of {STARTS}"
        );
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(scale());
}

/// A demo, what it said, and how long that took.
fn start(arguments: &[&str]) -> (Process, Value, Duration) {
    let begin = Instant::now();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
        .args(["demo", "--headless"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(demo.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let took = begin.elapsed();
    (Process(demo), serde_json::from_str(&line).expect("one line of JSON"), took)
}

/// Told to end, and waited for.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

async fn scale() {
    let (_demo, ready, _) = start(&["--machines", "60", "--speed", "20"]);
    let path = ready["kubeconfig"].as_str().expect("a path");
    let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    let pools: Api<NodePool> = Api::namespaced(Client::try_from(config).expect("a client"), "fleet");
    let wanted = pools.get(POOL).await.expect("the pool").spec.replicas + MORE;
    let begin = Instant::now();
    let patch = Patch::Merge(json!({"spec": {"replicas": wanted}}));
    pools.patch(POOL, &PatchParams::default(), &patch).await.expect("it can be scaled");
    loop {
        let status = pools.get(POOL).await.expect("the pool").status.unwrap_or_default();
        if status.ready_replicas == wanted {
            println!("{MORE} machines more, at --speed 20: all Ready after {:.1?}", begin.elapsed());
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{} of {wanted} after {PATIENCE:?}", status.ready_replicas);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
