//! One resource as cells of a table, from the rows of the read model: the console shows the same.

use std::sync::Arc;

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;

use super::Listed;
use crate::{
    api::{Cluster, Machine, NodePool, Operation, labels as names},
    fleet::{
        ClusterRow, Filter, Health, Interner, MachineRow, OperationRow, PoolRow, Rank, StateCounts, filter::Scratch,
    },
};

pub(super) struct Row {
    pub namespace: String,
    pub name: String,
    created: Option<Timestamp>,
    of: Of,
}

enum Of {
    Cluster(Box<ClusterRow>),
    Pool(Box<PoolRow>),
    Machine(Box<MachineRow>),
    Operation(Box<OperationRow>),
}

/// The columns of a table; those behind the bar are shown by `wide` only.
pub(super) fn columns(resource: Listed) -> (&'static [&'static str], &'static [&'static str]) {
    match resource {
        Listed::Clusters => (&["NAME", "PHASE", "VERSION", "NODES", "READY", "AGE"], &["ENDPOINT", "MESSAGE"]),
        Listed::Pools => (
            &["NAME", "CLUSTER", "ROLE", "DESIRED", "REPLICAS", "READY", "UPDATED", "PHASE", "VERSION", "AGE"],
            &["SELECTOR", "MESSAGE"],
        ),
        Listed::Machines => (
            &["NAME", "STATE", "PHASE", "CLUSTER", "POOL", "NODE", "VERSION", "AGE"],
            &["ADDRESS", "OPERATION", "LABELS", "MESSAGE"],
        ),
        Listed::Operations => (
            &["NAME", "TYPE", "CLUSTER", "POOL", "STATE", "DONE", "FAILED", "BY", "AGE"],
            &["SKIPPED", "RUN", "VERSION", "REASON", "MESSAGE"],
        ),
    }
}

/// Columns that give way, the first one first, where a terminal is too narrow for all: what they say is in the name too, or
/// matters least.
pub(super) fn spare(resource: Listed) -> &'static [&'static str] {
    match resource {
        Listed::Clusters => &["AGE"],
        Listed::Pools => &["REPLICAS", "CLUSTER", "AGE", "VERSION"],
        Listed::Machines => &["CLUSTER", "NODE", "VERSION", "AGE"],
        Listed::Operations => &["CLUSTER", "POOL", "BY", "AGE"],
    }
}

/// Columns of numbers, which are aligned to the right.
pub(super) fn is_number(column: &str) -> bool {
    matches!(
        column,
        "READY" | "NODES" | "DESIRED" | "REPLICAS" | "DONE" | "FAILED" | "SKIPPED" | "UPDATED" | "AGE" | "RUN"
    )
}

/// The column that is painted.
pub(super) fn is_state(column: &str) -> bool {
    matches!(column, "STATE")
}

/// The width of the longest word that a column is likely to have, where it changes while one looks on.
pub(super) fn longest(column: &str) -> usize {
    match column {
        "STATE" => "Provisioning".len(),
        "PHASE" => "ContainerRuntime".len(),
        "DONE" | "UPDATED" => "100/100".len(),
        _ => 0,
    }
}

fn typed<K: DeserializeOwned>(object: &DynamicObject) -> Result<K, serde_json::Error> {
    let mut value = object.data.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("metadata".to_owned(), serde_json::to_value(&object.metadata)?);
    }
    serde_json::from_value(value)
}

impl Row {
    pub(super) fn read(
        object: &DynamicObject,
        resource: Listed,
        words: &mut Interner,
    ) -> Result<Self, serde_json::Error> {
        let of = match resource {
            Listed::Clusters => {
                let cluster = typed::<Cluster>(object)?;
                let name = cluster.metadata.name.as_deref().unwrap_or_default().into();
                Of::Cluster(Box::new(ClusterRow::combine(
                    crate::fleet::ContextId::FIRST,
                    &name,
                    None,
                    Some(Arc::new(cluster)),
                )))
            }
            Listed::Pools => Of::Pool(Box::new(PoolRow::project(typed::<NodePool>(object)?, words))),
            Listed::Machines => Of::Machine(Box::new(MachineRow::project(typed::<Machine>(object)?, words))),
            Listed::Operations => Of::Operation(Box::new(OperationRow::project(typed::<Operation>(object)?, words))),
        };
        Ok(Self {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
            created: object.metadata.creation_timestamp.as_ref().map(|t| t.0),
            of,
        })
    }

    pub(super) fn is_taken(&self, filter: &Filter, pools: &[PoolRow], scratch: &mut Scratch) -> bool {
        if filter.is_empty() {
            return true;
        }
        match &self.of {
            Of::Cluster(cluster) => filter.cluster(cluster, self.health(), scratch),
            Of::Pool(pool) => filter.pool_row(pool, self.health(), scratch),
            Of::Machine(machine) => {
                let pool = machine.pool.as_ref().and_then(|name| pools.iter().find(|p| p.name == *name));
                filter.machine(machine, pool, scratch)
            }
            Of::Operation(operation) => filter.operation(operation, scratch),
        }
    }

    /// The row is of the pool that people call `CLUSTER/POOL`.
    pub(super) fn is_pool(&self, cluster: &str, pool: &str) -> bool {
        matches!(&self.of, Of::Pool(p) if *p.cluster == *cluster && (*p.name == *pool || *p.short_name == *pool))
    }

    pub(super) fn health(&self) -> Health {
        match &self.of {
            Of::Cluster(cluster) => cluster.health(&StateCounts::default()),
            Of::Pool(pool) => pool.health(&StateCounts::default()),
            Of::Machine(machine) => machine.health,
            Of::Operation(operation) => operation.health(),
        }
    }

    /// Operations come in the order of the console: those under way first, then the newest.
    pub(super) fn rank(&self) -> Option<Rank> {
        match &self.of {
            Of::Operation(operation) => Some(operation.rank()),
            _ => None,
        }
    }

    /// What its age is counted from: of an operation that is over, its end.
    fn since(&self) -> Option<Timestamp> {
        match &self.of {
            Of::Operation(operation) => operation.finished_at.filter(|_| operation.is_final()).or(self.created),
            _ => self.created,
        }
    }

    /// The cells of [`columns`], the wide ones last.
    pub(super) fn cells(&self, now: Timestamp) -> Vec<String> {
        let text = |t: Option<&str>| t.unwrap_or("-").to_owned();
        let age = self.since().map_or_else(|| "-".to_owned(), |at| age(now, at));
        let debug = |d: Option<&dyn std::fmt::Debug>| d.map_or_else(|| "-".to_owned(), |d| format!("{d:?}"));
        match &self.of {
            Of::Cluster(c) => vec![
                self.name.clone(),
                debug(c.phase.as_ref().map(|p| p as _)),
                text(c.version.as_deref()),
                c.nodes.to_string(),
                c.nodes_ready.to_string(),
                age,
                text(c.endpoint.as_deref()),
                text(c.message.as_deref()),
            ],
            Of::Pool(p) => vec![
                self.name.clone(),
                p.cluster.to_string(),
                p.role.as_str().to_owned(),
                p.desired.to_string(),
                p.replicas.to_string(),
                p.ready.to_string(),
                updated(p),
                debug(p.phase.as_ref().map(|p| p as _)),
                text(p.version.as_deref()),
                age,
                selector(p),
                text(p.message.as_deref()),
            ],
            Of::Machine(m) => vec![
                self.name.clone(),
                m.state.as_str().to_owned(),
                text(m.phase.as_deref()),
                text(m.cluster.as_deref()),
                text(m.pool.as_deref()),
                text(m.node_name()),
                text(m.version()),
                age,
                if m.port == 22 { m.address.to_string() } else { format!("{}:{}", m.address, m.port) },
                text(m.operation.as_deref()),
                labels(m.labels.iter().map(|(k, v)| (&**k, &**v)).filter(|(k, _)| !has_column(k))),
                text(m.message.as_deref()),
            ],
            Of::Operation(o) => vec![
                self.name.clone(),
                o.type_.as_str().to_owned(),
                o.cluster.to_string(),
                text(o.pool.as_deref()),
                o.state.as_str().to_owned(),
                format!("{}/{}", o.progress.succeeded, o.progress.total),
                o.progress.failed.to_string(),
                text(o.by.as_deref()),
                age,
                skipped(o),
                o.run.to_string(),
                text(o.resource.spec.version.as_deref()),
                text(o.reason.as_deref()),
                text(o.message.as_deref()),
            ],
        }
    }
}

/// Machines on which nothing was done, once nothing more will be.
fn skipped(operation: &OperationRow) -> String {
    let p = &operation.progress;
    if operation.is_final() { (p.total - p.succeeded - p.failed).max(0).to_string() } else { "-".to_owned() }
}

/// Machines of the current revision, of those that are wanted.
fn updated(pool: &PoolRow) -> String {
    let status = pool.resource.as_ref().and_then(|r| r.status.as_ref());
    status.map_or_else(|| "-".to_owned(), |s| format!("{}/{}", s.updated_replicas, pool.desired))
}

fn selector(pool: &PoolRow) -> String {
    let selector = pool.resource.as_ref().map(|r| &r.spec.machine_selector);
    labels(selector.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str())))
}

/// Labels that say what another column says.
fn has_column(key: &str) -> bool {
    [names::CLUSTER, names::POOL, names::OPERATION, names::REVISION].contains(&key)
}

fn labels<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let joined = labels.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",");
    if joined.is_empty() { "-".to_owned() } else { joined }
}

/// How long ago, in the largest unit and the one below it.
fn age(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => format!("{minutes}m{}s", seconds % 60),
        600..7_200 => format!("{minutes}m"),
        7_200..172_800 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (ago, wanted) in [(0, "0s"), (119, "119s"), (125, "2m5s"), (700, "11m"), (10_000, "2h"), (300_000, "3d")] {
            assert_eq!(age(now, Timestamp::from_second(1_000_000 - ago).unwrap()), wanted);
        }
    }
}
