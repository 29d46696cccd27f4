//! Named situations that a demo can start in: what is seeded beside the usual, what happens to which hosts and when, and
//! what somebody has asked for. All of it is data, in `config/scenarios.yaml`; this is how it comes about.

mod play;

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::{
    inventory::{Inventory, MachinePlan},
    plight::Plight,
    tenant::{Broken, Workload},
};

use crate::api::DeprecatedApi;
pub use play::Stage;

static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("../../../config/scenarios.yaml")).expect("a test reads what is compiled in")
});

/// A situation to start in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// What the situation is, in a sentence.
    pub about: String,
    /// What the person is meant to do.
    pub task: String,
    pub clusters: usize,
    pub machines: usize,
    /// The share of attempts that something goes wrong with.
    #[serde(default)]
    pub fault: f64,
    #[serde(default)]
    pub workloads: Vec<Workload>,
    #[serde(default)]
    pub broken: Option<Broken>,
    /// What somebody in its clusters still asks for.
    #[serde(default)]
    pub deprecated: Vec<DeprecatedApi>,
    #[serde(default)]
    hosts: Vec<Blow>,
    #[serde(default)]
    patches: Vec<Wish>,
}

/// What happens to some hosts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Blow {
    /// Simulated seconds after the start.
    #[serde(default)]
    after: u32,
    pick: Pick,
    plight: Plight,
}

/// Which hosts; those that all of it is true of.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Pick {
    cluster: Option<String>,
    pool: Option<String>,
    rack: Option<String>,
    idle: Option<bool>,
    /// Of these the first, the one after so many, and so on.
    every: Option<usize>,
    /// Only so many.
    first: Option<usize>,
}

/// What somebody asks of the meta cluster.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    after: u32,
    kind: Kind,
    name: String,
    /// A merge patch; `NOW` in it is the moment, `SOON` a cron schedule that comes ten minutes after it.
    #[serde(default)]
    merge: Value,
    /// So many replicas more.
    #[serde(default)]
    grow: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Kind {
    ClusterDeployment,
    NodePool,
}

impl Scenario {
    /// All that there are, in the order of the file.
    pub fn all() -> &'static [Scenario] {
        &ALL
    }

    pub fn named(name: &str) -> Option<&'static Scenario> {
        Self::all().iter().find(|scenario| scenario.name == name)
    }
}

impl Pick {
    /// The names of the hosts.
    fn from(&self, inventory: &Inventory) -> Vec<String> {
        let every = self.every.unwrap_or(1).max(1);
        let all = inventory.machines.iter().filter(|machine| self.is(inventory, machine));
        let some = all.step_by(every).take(self.first.unwrap_or(usize::MAX));
        some.map(|machine| machine.name.clone()).collect()
    }

    fn is(&self, inventory: &Inventory, machine: &MachinePlan) -> bool {
        let member = machine.member.map(|(cluster, pool)| {
            let of = &inventory.clusters[cluster];
            (of.name.as_str(), of.pools[pool].name.as_str())
        });
        let same = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        same(&self.cluster, member.map(|m| m.0))
            && same(&self.pool, member.map(|m| m.1))
            && same(&self.rack, machine.labels.get("rack").map(String::as_str))
            && self.idle.is_none_or(|idle| idle == member.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be_read_and_finds_its_hosts_pools_and_clusters() {
        let names: std::collections::BTreeSet<_> = Scenario::all().iter().map(|s| &s.name).collect();
        assert_eq!(names.len(), Scenario::all().len());
        for scenario in Scenario::all() {
            let inventory = Inventory::lay_out(scenario.clusters, scenario.machines, 1);
            for blow in &scenario.hosts {
                assert!(!blow.pick.from(&inventory).is_empty(), "{}: {:?}", scenario.name, blow.pick);
            }
            for wish in &scenario.patches {
                let pools = |c: &super::super::inventory::ClusterPlan| {
                    c.pools.iter().map(|p| format!("{}-{}", c.name, p.name)).collect::<Vec<_>>()
                };
                let known: Vec<String> = match wish.kind {
                    Kind::ClusterDeployment => inventory.clusters.iter().map(|c| c.name.clone()).collect(),
                    Kind::NodePool => inventory.clusters.iter().flat_map(pools).collect(),
                };
                assert!(known.contains(&wish.name), "{}: {}", scenario.name, wish.name);
                assert!(wish.grow != 0 || wish.merge.is_object(), "{}: {wish:?}", scenario.name);
            }
            assert!(scenario.about.ends_with('.') && scenario.task.ends_with('.'), "{}", scenario.name);
        }
    }

    #[test]
    fn the_documentation_has_a_line_for_each() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scenarios.md");
        let page = std::fs::read_to_string(path).expect("the page is there");
        for scenario in Scenario::all() {
            let line = page.lines().find(|line| line.starts_with(&format!("| `{}` |", scenario.name)));
            assert!(line.is_some_and(|line| line.contains(&scenario.about)), "{}", scenario.name);
        }
    }

    #[test]
    fn hosts_are_picked_by_where_they_are() {
        let inventory = Inventory::lay_out(1, 24, 1);
        let check = |pick: &str, expected: &str| {
            let pick: Pick = serde_saphyr::from_str(pick).unwrap();
            assert_eq!(pick.from(&inventory).join(" "), expected);
        };
        check("{pool: control-plane}", "m-0001 m-0002 m-0003");
        check("{pool: control-plane, first: 1}", "m-0001");
        check("{idle: true, every: 4}", "m-0016 m-0020 m-0024");
        check("{idle: false, every: 9}", "m-0001 m-0010");
        check("{cluster: elsewhere}", "");
        check("{rack: r02, cluster: eu-west-1}", "m-0013 m-0014 m-0015");
    }
}
