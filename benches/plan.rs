//! Planning an upgrade of a whole fleet: 500 clusters of 200 machines, from what the controllers keep to what a dialog
//! or `--dry-run` shows: stages, batches, skew and quorum after each batch.
//!
//! `cargo bench --bench plan` prints one line for each figure.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use quarterdeck::{
    api::{ClusterDeployment, Machine, NodePool},
    plan::lifecycle::{Scene, Wish, preview},
};
use serde_json::{Value, json};

const CLUSTERS: usize = 500;
/// Machines of each cluster: its pools, their role and size.
const POOLS: [(&str, &str, usize); 4] =
    [("cp", "ControlPlane", 3), ("general", "Worker", 120), ("gpu", "Worker", 27), ("edge", "Worker", 50)];
const IDLE: usize = 10;
const ROUNDS: usize = 15;
const FROM: &str = "1.33.6";
const TO: &str = "1.35.0";

struct Kept {
    deployment: ClusterDeployment,
    pools: Vec<NodePool>,
    machines: Vec<Machine>,
}

fn main() {
    let now = Timestamp::from_second(1_800_000_000).expect("a second");
    let fleet: Vec<Kept> = (0..CLUSTERS).map(kept).collect();
    let machines: usize = fleet.iter().map(|c| c.machines.len() - IDLE).sum();
    let wish = Wish::Upgrade { pool: None, version: TO.to_owned(), outside_window: false };
    let (mut rounds, mut batches) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        batches = fleet.iter().map(|cluster| planned(cluster, &wish, now)).sum();
        rounds.push(started.elapsed());
    }
    rounds.sort();
    println!("machines                 {machines} in {CLUSTERS} clusters, {} pools each", POOLS.len());
    println!("plan                     {FROM} to {TO}: {batches} batches");
    println!("plan of the fleet        p50 {:.1} ms, max {:.1} ms", ms(rounds[ROUNDS / 2]), ms(rounds[ROUNDS - 1]));
    println!("plan of one cluster      {:.0} us", ms(rounds[ROUNDS / 2]) * 1_000.0 / CLUSTERS as f64);
}

/// Plans one cluster; answers the batches that it will take.
fn planned(cluster: &Kept, wish: &Wish, now: Timestamp) -> usize {
    let scene = Scene {
        deployment: &cluster.deployment,
        cluster: None,
        pools: &cluster.pools,
        machines: &cluster.machines,
        operations: &[],
        now,
    };
    let preview = preview(black_box(&scene), wish).expect("nothing is in the way");
    black_box(preview.stages).iter().flat_map(|s| &s.pools).map(|p| p.batches.len()).sum()
}

fn kept(number: usize) -> Kept {
    let name = format!("cluster-{number}");
    let deployment = object(
        "ClusterDeployment",
        &name,
        json!({"spec": {"version": FROM, "artifacts": {"versions": [FROM, "1.34.2", TO]}}}),
    );
    let pools = POOLS.map(|(pool, role, replicas)| {
        let spec = json!({"clusterName": name, "role": role, "replicas": replicas});
        object("NodePool", &format!("{name}-{pool}"), json!({"spec": spec, "status": {"version": FROM}}))
    });
    let members = POOLS.iter().flat_map(|(pool, _, size)| (0..*size).map(move |n| (pool, n)));
    let claimed = members.map(|(pool, n)| {
        let claim = json!({"name": format!("{name}-{pool}-1"), "uid": "set", "clusterName": name,
            "poolName": format!("{name}-{pool}"), "revision": FROM, "version": FROM, "claimedAt": "2026-01-01T00:00:00Z"});
        machine(&format!("{name}-{pool}-{n}"), json!({"spec": {"address": "192.0.2.1", "claimRef": claim}, "status": {
            "state": "Ready",
            "node": {"name": "n", "uid": "n", "ready": "True", "kubeletVersion": format!("v{FROM}")},
        }}))
    });
    let idle = (0..IDLE).map(|n| {
        machine(&format!("{name}-idle-{n}"), json!({"spec": {"address": "192.0.2.1"}, "status": {"state": "Idle"}}))
    });
    let machines = claimed.chain(idle).collect();
    Kept { deployment: read(deployment), pools: pools.map(read).into(), machines }
}

fn machine(name: &str, rest: Value) -> Machine {
    read(object("Machine", name, rest))
}

fn object(kind: &str, name: &str, mut rest: Value) -> Value {
    rest["apiVersion"] = json!("quarterdeck.dev/v1alpha1");
    rest["kind"] = json!(kind);
    rest["metadata"] = json!({"name": name, "namespace": "fleet", "uid": name, "resourceVersion": "1"});
    rest
}

fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("a valid object")
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
