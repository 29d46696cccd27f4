//! Rows as they come from a watch of a large fleet, for the benchmarks that count bytes and microseconds.

use std::sync::Arc;

use quarterdeck::{
    api::{
        ClaimReference, Machine, MachineSpec, MachineState, MachineStatus, NodePool, NodePoolSpec, NodeStatus,
        PhaseState, PhaseStatus,
    },
    fleet::{Change, Interner, MachineRow, PoolRow},
};

pub const MACHINES: usize = 100_000;
pub const CLUSTERS: usize = 100;
/// For each cluster.
pub const POOLS: usize = 20;

/// All pools, without their machines.
pub fn pools(words: &mut Interner) -> Vec<Change> {
    let all = (0..CLUSTERS).flat_map(|cluster| (0..POOLS).map(move |pool| (cluster, pool)));
    all.map(|(cluster, pool)| Change::Pool(Arc::new(PoolRow::project(node_pool(cluster, pool), words)))).collect()
}

fn node_pool(cluster: usize, pool: usize) -> NodePool {
    let spec = NodePoolSpec { cluster_name: format!("eu-west-{cluster:03}"), replicas: 50, ..NodePoolSpec::default() };
    let mut resource = NodePool::new(&format!("eu-west-{cluster:03}-general-{pool:02}"), spec);
    resource.metadata.uid = Some(format!("pool-{cluster}-{pool}"));
    resource
}

/// A machine as it comes from a watch: claimed and Ready mostly, with labels and the phases that made it a node.
pub fn row(n: usize, second: usize, words: &mut Interner) -> Change {
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
                ..ClaimReference::default()
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
