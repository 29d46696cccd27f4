//! What a demo fleet consists of: clusters, pools, machines and who is where. Pure: the same numbers and the same seed
//! give the same fleet.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::dice::Dice;
use crate::api::{NodeTemplate, PoolSpec, Role, Taint};

/// Names of clusters, in order; more of them carry a number.
const REGIONS: [&str; 12] = [
    "eu-west-1",
    "us-east-1",
    "ap-south-1",
    "eu-central-1",
    "us-west-2",
    "ap-northeast-1",
    "sa-east-1",
    "ca-central-1",
    "eu-north-1",
    "ap-southeast-2",
    "af-south-1",
    "me-central-1",
];
/// Versions of the clusters, in turn.
const VERSIONS: [&str; 3] = ["1.34.2", "1.33.6", "1.32.9"];
/// Versions that are to be had in each of them.
pub const OFFERED: [&str; 4] = ["1.32.9", "1.33.6", "1.34.2", "1.35.0"];
/// Label on machines that pools select by.
pub const CLASS: &str = "class";
/// The taint of nodes with accelerators.
pub const GPU_TAINT: &str = "nvidia.com/gpu";
/// Of all machines, the share that waits idle.
const STANDBY: f64 = 0.4;
/// Machines that a cluster has at least: a control plane, a worker, a standby.
pub const MACHINES_PER_CLUSTER: usize = 3;

/// The whole fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    pub clusters: Vec<ClusterPlan>,
    pub machines: Vec<MachinePlan>,
}

/// One cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterPlan {
    pub name: String,
    pub version: &'static str,
    pub environment: &'static str,
    pub pools: Vec<PoolSpec>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MachinePlan {
    pub name: String,
    pub address: Ipv4Addr,
    pub class: Class,
    pub labels: BTreeMap<String, String>,
    /// Index of its cluster, and of the pool in it; nothing for a standby.
    pub member: Option<(usize, usize)>,
}

/// What kind of hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Standard,
    Gpu,
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Gpu => "gpu",
        }
    }
}

impl Inventory {
    /// Lays out a fleet; `clusters` and `machines` are at least 1 and `clusters * MACHINES_PER_CLUSTER`.
    pub fn lay_out(clusters: usize, machines: usize, seed: u64) -> Self {
        let standby = ((machines as f64 * STANDBY) as usize).clamp(clusters, machines - clusters * 2);
        let deployed = machines - standby;
        let mut fleet = Self { clusters: Vec::with_capacity(clusters), machines: Vec::with_capacity(machines) };
        for index in 0..clusters {
            let share = deployed / clusters + usize::from(index < deployed % clusters);
            let cluster = cluster(index, share);
            for (pool, spec) in cluster.pools.iter().enumerate() {
                for _ in 0..spec.replicas {
                    let class = if spec.name == "gpu" { Class::Gpu } else { Class::Standard };
                    fleet.add(class, Some((index, pool)), seed);
                }
            }
            fleet.clusters.push(cluster);
        }
        let accelerated = standby / 6;
        for index in 0..standby {
            let class = if index < accelerated { Class::Gpu } else { Class::Standard };
            fleet.add(class, None, seed);
        }
        fleet
    }

    /// Names and addresses, as hosts are made from.
    pub fn addresses(&self) -> Vec<(String, Ipv4Addr)> {
        self.machines.iter().map(|m| (m.name.clone(), m.address)).collect()
    }

    fn add(&mut self, class: Class, member: Option<(usize, usize)>, seed: u64) {
        let index = self.machines.len();
        let name = format!("m-{:04}", index + 1);
        let mut dice = Dice::new(seed, &["place", &name]);
        let labels = [
            (CLASS, class.as_str().to_owned()),
            ("rack", format!("r{:02}", index / 12 + 1)),
            ("zone", (*dice.pick(&["a", "b", "c"])).to_owned()),
        ];
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.machines.push(MachinePlan { name, address: address(index), class, labels, member });
    }
}

/// 127.64.0.1 and up, leaving out what ends in 0 or 255.
fn address(index: usize) -> Ipv4Addr {
    let (block, last) = (index / 254, (index % 254) as u8 + 1);
    Ipv4Addr::new(127, 64 + (block / 256) as u8, (block % 256) as u8, last)
}

fn cluster(index: usize, machines: usize) -> ClusterPlan {
    let region = REGIONS[index % REGIONS.len()];
    let name = match index / REGIONS.len() {
        0 => region.to_owned(),
        round => format!("{region}-{}", (b'a' + (round % 26) as u8) as char),
    };
    ClusterPlan {
        name,
        version: VERSIONS[index % VERSIONS.len()],
        environment: if index % 3 == 2 { "staging" } else { "production" },
        pools: pools(machines),
    }
}

fn pools(machines: usize) -> Vec<PoolSpec> {
    let control_plane = if machines >= 6 { 3 } else { 1 };
    let workers = machines - control_plane;
    let accelerated = if machines >= 9 { workers / 3 } else { 0 };
    let mut pools = vec![pool("control-plane", Role::ControlPlane, control_plane, Class::Standard)];
    pools.push(pool("general", Role::Worker, workers - accelerated, Class::Standard));
    if accelerated > 0 {
        pools.push(pool("gpu", Role::Worker, accelerated, Class::Gpu));
    }
    pools
}

fn pool(name: &str, role: Role, replicas: usize, class: Class) -> PoolSpec {
    let taint = |key: &str| Taint { key: key.to_owned(), value: None, effect: "NoSchedule".to_owned() };
    let (label, taints) = match (role, class) {
        (Role::ControlPlane, _) => {
            ("node-role.kubernetes.io/control-plane", vec![taint("node-role.kubernetes.io/control-plane")])
        }
        (_, Class::Gpu) => ("node-role.kubernetes.io/gpu", vec![taint(GPU_TAINT)]),
        _ => ("node-role.kubernetes.io/worker", vec![]),
    };
    PoolSpec {
        name: name.to_owned(),
        role,
        replicas: replicas as i32,
        machine_selector: [(CLASS.to_owned(), class.as_str().to_owned())].into(),
        template: NodeTemplate { labels: [(label.to_owned(), String::new())].into(), taints },
        ..PoolSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(fleet: &Inventory, cluster: usize, pool: usize) -> usize {
        fleet.machines.iter().filter(|m| m.member == Some((cluster, pool))).count()
    }

    /// `cluster: pool=n pool=n | …; standby standard gpu`
    fn check(clusters: usize, machines: usize, expected: &str) {
        let fleet = Inventory::lay_out(clusters, machines, 1);
        assert_eq!(fleet.machines.len(), machines);
        let mut said: Vec<_> = fleet
            .clusters
            .iter()
            .enumerate()
            .map(|(c, cluster)| {
                let pools: Vec<_> = cluster
                    .pools
                    .iter()
                    .enumerate()
                    .map(|(p, s)| format!("{}={}", s.name, members(&fleet, c, p)))
                    .collect();
                format!("{}: {}", cluster.name, pools.join(" "))
            })
            .collect();
        let idle = |class| fleet.machines.iter().filter(|m| m.member.is_none() && m.class == class).count();
        said.push(format!("standby {} {}", idle(Class::Standard), idle(Class::Gpu)));
        assert_eq!(said.join("; "), expected);
    }

    #[test]
    fn fleets() {
        let of_twelve = "control-plane=3 general=6 gpu=3";
        check(3, 60, &format!("eu-west-1: {of_twelve}; us-east-1: {of_twelve}; ap-south-1: {of_twelve}; standby 20 4"));
        check(1, 3, "eu-west-1: control-plane=1 general=1; standby 1 0");
        check(1, 10, "eu-west-1: control-plane=3 general=3; standby 4 0");
        let many = Inventory::lay_out(40, 10_000, 1);
        let addresses: std::collections::BTreeSet<_> = many.machines.iter().map(|m| m.address).collect();
        let names: std::collections::BTreeSet<_> = many.clusters.iter().map(|c| &c.name).collect();
        assert_eq!((addresses.len(), names.len()), (10_000, 40));
    }

    #[test]
    fn the_seed_decides_where_machines_stand() {
        assert_eq!(Inventory::lay_out(2, 20, 1), Inventory::lay_out(2, 20, 1));
        assert_ne!(Inventory::lay_out(2, 20, 1), Inventory::lay_out(2, 20, 2));
    }
}
