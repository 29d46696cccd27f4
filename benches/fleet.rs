//! The read model with 100,000 machines: memory for each machine, cost of changes, of snapshots and of filters.
//!
//! `cargo bench --bench fleet` prints one line for each figure.

use std::{
    fs,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use quarterdeck::{
    api::{
        ClaimReference, Machine, MachineSpec, MachineState, MachineStatus, NodePool, NodePoolSpec, NodeStatus,
        PhaseState, PhaseStatus,
    },
    fleet::{Change, Filter, Index, Interner, MachineRow, PoolRow},
};

const MACHINES: usize = 100_000;
const CLUSTERS: usize = 100;
const POOLS: usize = 20;
/// As many events as there are in a second, and as many snapshots as there are frames in one.
const EVENTS: usize = 3_000;
const FRAMES: usize = 30;
const SECONDS: usize = 10;

fn main() {
    let before = resident_bytes();
    let mut words = Interner::default();
    let mut index = Index::default();
    for cluster in 0..CLUSTERS {
        for pool in 0..POOLS {
            index.apply(Change::Pool(Arc::new(PoolRow::project(node_pool(cluster, pool), &mut words))));
        }
    }
    let started = Instant::now();
    for n in 0..MACHINES {
        index.apply(row(n, 0, &mut words));
    }
    let loaded = started.elapsed();
    let mut held = index.publish();
    let after = resident_bytes();
    println!("machines                 {MACHINES} in {} pools", CLUSTERS * POOLS);
    println!("load (project + apply)   {:.1} us a machine", micros(loaded) / MACHINES as f64);
    println!("resident memory          {} bytes a machine", (after - before) / MACHINES);

    let (mut apply, mut publish) = (Duration::ZERO, Vec::new());
    let mut next = 0;
    for second in 1..=SECONDS {
        for _ in 0..FRAMES {
            // Projected beforehand: that is the watch's work, measured above.
            let changes: Vec<_> = (0..EVENTS / FRAMES)
                .map(|_| {
                    next = (next + 7_919) % MACHINES;
                    row(next, second, &mut words)
                })
                .collect();
            let started = Instant::now();
            for change in changes {
                index.apply(change);
            }
            apply += started.elapsed();
            let started = Instant::now();
            // The console holds the last snapshot and drops it for the next.
            held = index.publish();
            publish.push(started.elapsed());
        }
    }
    publish.sort();
    let p95 = publish[publish.len() * 95 / 100];
    let total: Duration = publish.iter().sum();
    println!("apply                    {:.1} us an event", micros(apply) / (EVENTS * SECONDS) as f64);
    println!("publish, p95             {:.0} us  ({FRAMES} a second, {} events between)", micros(p95), EVENTS / FRAMES);
    let share = (apply + total).as_secs_f64() / SECONDS as f64 * 100.0;
    println!("{EVENTS} events a second    {share:.1} % of one core");

    for text in ["state=failed", "rack=r12 state!=ready", "general", "m-04217", "!"] {
        let filter = Filter::parse(text).expect("a good filter");
        let started = Instant::now();
        let found = black_box(filter.machines(&held)).len();
        println!("filter {text:<24}  {:.1} ms, {found} machines", micros(started.elapsed()) / 1000.0);
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).expect("a number of pages");
    pages * 4096
}

fn node_pool(cluster: usize, pool: usize) -> NodePool {
    let spec = NodePoolSpec { cluster_name: format!("eu-west-{cluster:03}"), replicas: 50, ..NodePoolSpec::default() };
    let mut resource = NodePool::new(&format!("eu-west-{cluster:03}-general-{pool:02}"), spec);
    resource.metadata.uid = Some(format!("pool-{cluster}-{pool}"));
    resource
}

/// A machine as it comes from a watch: claimed and Ready mostly, with labels and the phases that made it a node.
fn row(n: usize, second: usize, words: &mut Interner) -> Change {
    let pool = n % (CLUSTERS * POOLS);
    let cluster = format!("eu-west-{:03}", pool / POOLS);
    let pool_name = format!("{cluster}-general-{:02}", pool % POOLS);
    let state = match (n + second * 13) % 100 {
        0 => MachineState::Failed,
        1 => MachineState::NotReady,
        2 | 3 => MachineState::Provisioning,
        _ => MachineState::Ready,
    };
    let phase = |name: &str| PhaseStatus {
        name: name.to_owned(),
        state: PhaseState::Succeeded,
        steps: 6,
        steps_done: 6,
        ..PhaseStatus::default()
    };
    let mut machine = Machine::new(
        &format!("m-{n:05}"),
        MachineSpec {
            address: format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255),
            claim_ref: Some(ClaimReference {
                name: format!("{pool_name}-5d8f7"),
                uid: format!("7c1f0d5e-0000-4000-8000-{pool:012}"),
                cluster_name: cluster,
                pool_name,
                claimed_at: None,
            }),
            ..MachineSpec::default()
        },
    );
    machine.metadata.uid = Some(format!("0b9e6c1a-1111-4000-8000-{n:012}"));
    machine.metadata.namespace = Some("fleet".to_owned());
    machine.metadata.resource_version = Some((n + second * MACHINES).to_string());
    let labels = [("rack", format!("r{}", n % 400)), ("zone", format!("z{}", n % 5)), ("slot", format!("u{}", n % 42))];
    machine.metadata.labels = Some(labels.into_iter().map(|(k, v)| (format!("topology.example.com/{k}"), v)).collect());
    machine.status = Some(MachineStatus {
        state: Some(state),
        operation: Some(format!("scale-{}", pool / 7)),
        phases: ["Preflight", "BootstrapOS", "ContainerRuntime", "Artifacts", "Kubelet", "Join", "Verify"]
            .map(phase)
            .to_vec(),
        node: Some(NodeStatus {
            name: Some(format!("node-{n:05}")),
            uid: Some(format!("5e2d4c3b-2222-4000-8000-{n:012}")),
            ready: "True".to_owned(),
            kubelet_version: Some("v1.34.2".to_owned()),
            ..NodeStatus::default()
        }),
        ..MachineStatus::default()
    });
    Change::Machine(Arc::new(MachineRow::project(machine, words)))
}
