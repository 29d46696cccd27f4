//! The columns by which operations, events and the audit are filtered, and what stands in them.

use super::audit::Entry;
use crate::fleet::{
    EventRow, Filter, Health, OperationRow, Snapshot, Uid,
    filter::{Column, Row, Scratch},
};
use std::sync::Arc;

/// Those that say where in the fleet something belongs.
pub const PLACES: &[&str] = &["cluster", "pool", "machine"];

pub const OPERATIONS: &[Column] = &[
    Column::of("name", &["operation"]),
    Column::of("type", &[]).with(&[
        "Install",
        "ScaleUp",
        "ScaleDown",
        "Upgrade",
        "Replace",
        "Component",
        "Addon",
        "Verify",
        "Reset",
        "Drain",
    ]),
    Column::of("state", &[]).with(&["Pending", "Draining", "Running", "Succeeded", "Failed", "Cancelled", "Paused"]),
    Column::of("cluster", &[]),
    Column::of("pool", &[]),
    Column::of("machine", &[]),
    Column::of("who", &["by"]),
    Column::of("why", &["reason"]),
    Column::of("message", &[]),
    Column::of("context", &[]),
];

pub const EVENTS: &[Column] = &[
    Column::of("name", &["about"]),
    Column::of("kind", &[]),
    Column::of("type", &[]).with(&["Normal", "Warning"]),
    Column::of("reason", &[]),
    Column::of("message", &["what"]),
    Column::of("cluster", &[]),
    Column::of("pool", &[]),
    Column::of("machine", &[]),
    Column::of("who", &["by"]),
    Column::of("why", &[]),
    Column::of("source", &["from"]),
    Column::of("context", &[]),
];

pub const AUDIT: &[Column] = &[
    Column::of("who", &["by"]),
    Column::of("what", &["verb"]),
    Column::of("name", &["about"]),
    Column::of("kind", &[]),
    Column::of("cluster", &[]),
    Column::of("pool", &[]),
    Column::of("machine", &[]),
    Column::of("why", &["reason"]),
    Column::of("context", &[]),
];

/// A row, in the fleet that it belongs to.
pub struct In<'a, T>(pub &'a T, pub &'a Snapshot);

impl Row for In<'_, OperationRow> {
    fn is_problem(&self) -> bool {
        self.0.health().is_problem()
    }

    fn words(&self) -> Vec<&str> {
        let Self(row, snapshot) = self;
        let known = [row.pool.as_deref(), row.by.as_deref(), row.reason.as_deref(), row.message.as_deref()];
        let mut words = vec![&*row.name, row.type_.as_str(), row.state.as_str(), &*row.cluster];
        words.extend(known.into_iter().flatten());
        words.extend(context(snapshot, &row.uid));
        words
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let Self(row, snapshot) = self;
        match name {
            "name" => vec![&row.name],
            "type" => vec![row.type_.as_str()],
            "state" if row.paused && !row.is_final() => vec![row.state.as_str(), "Paused"],
            "state" => vec![row.state.as_str()],
            "cluster" => vec![&row.cluster],
            "pool" => pool(row.pool.as_deref(), Some(&row.cluster)),
            "machine" => machines(row),
            "who" => row.by.as_deref().into_iter().collect(),
            "why" => row.reason.as_deref().into_iter().collect(),
            "message" => row.message.as_deref().into_iter().collect(),
            _ => context(snapshot, &row.uid).into_iter().collect(),
        }
    }
}

impl Row for In<'_, EventRow> {
    fn is_problem(&self) -> bool {
        self.0.warning
    }

    fn words(&self) -> Vec<&str> {
        let Self(row, snapshot) = self;
        let mut words = vec![&*row.name, &*row.kind, &*row.reason, &*row.message];
        words.extend(row.why.as_deref());
        words.extend(context(snapshot, &row.uid));
        words
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let Self(row, snapshot) = self;
        match name {
            "name" => vec![&row.name],
            "kind" => vec![&row.kind],
            "type" => vec![if row.warning { "Warning" } else { "Normal" }],
            "reason" => vec![&row.reason],
            "message" => vec![&row.message],
            "who" => row.by.as_deref().into_iter().collect(),
            "why" => row.why.as_deref().into_iter().collect(),
            "source" => row.source.as_deref().into_iter().collect(),
            "context" => context(snapshot, &row.uid).into_iter().collect(),
            place => of_object(snapshot, &row.object_uid, (&row.kind, &row.name), place),
        }
    }
}

impl Row for In<'_, Entry> {
    fn is_problem(&self) -> bool {
        let Self(Entry { uid, .. }, snapshot) = self;
        let health = snapshot.machine(uid).map(|machine| machine.health);
        let health = health.or_else(|| snapshot.pool(uid).map(|node| node.health));
        let health = health.or_else(|| snapshot.operation(uid).map(|operation| operation.health()));
        health.or_else(|| snapshot.cluster(uid).map(|node| node.health)).is_some_and(Health::is_problem)
    }

    fn words(&self) -> Vec<&str> {
        let Self(entry, snapshot) = self;
        let mut words = vec![&*entry.who, entry.what.as_str(), &*entry.name];
        words.extend(entry.why.as_deref());
        words.extend(context(snapshot, &entry.uid));
        words
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let Self(entry, snapshot) = self;
        match name {
            "who" => vec![&entry.who],
            // The sentence, and each of its words: `what=scales`, `what~"from 3"`.
            "what" => {
                let words = entry.what.split(|c: char| c.is_whitespace() || c == ':');
                std::iter::once(entry.what.as_str()).chain(words.filter(|word| !word.is_empty())).collect()
            }
            "name" => vec![&entry.name],
            "kind" => vec![&entry.kind],
            "why" => entry.why.as_deref().into_iter().collect(),
            "context" => context(snapshot, &entry.uid).into_iter().collect(),
            place => of_object(snapshot, &entry.uid, (&entry.kind, &entry.name), place),
        }
    }
}

/// The cluster, the pool or the machine that an object is or belongs to; of what is gone only what its name says.
fn of_object<'a>(snapshot: &'a Snapshot, uid: &Uid, (kind, name): (&str, &'a str), place: &str) -> Vec<&'a str> {
    if place == "machine" {
        return match snapshot.operation(uid) {
            Some(operation) => machines(operation),
            None => Some(name).filter(|_| kind == "Machine").into_iter().collect(),
        };
    }
    let (cluster, its_pool) = if let Some(machine) = snapshot.machine(uid) {
        (machine.cluster.as_deref(), machine.pool.as_deref())
    } else if let Some(node) = snapshot.pool(uid) {
        (Some(&*node.row.cluster), Some(&*node.row.name))
    } else if let Some(node) = snapshot.cluster(uid) {
        (Some(&*node.row.name), None)
    } else if let Some(operation) = snapshot.operation(uid) {
        (Some(&*operation.cluster), operation.pool.as_deref())
    } else {
        let is_cluster = matches!(kind, "Cluster" | "ClusterDeployment");
        (Some(name).filter(|_| is_cluster), Some(name).filter(|_| kind == "NodePool"))
    };
    if place == "cluster" { cluster.into_iter().collect() } else { pool(its_pool, cluster) }
}

/// By its whole name, and by the part that its cluster does not say.
fn pool<'a>(name: Option<&'a str>, cluster: Option<&str>) -> Vec<&'a str> {
    let short = name.zip(cluster).and_then(|(name, cluster)| name.strip_prefix(cluster)?.strip_prefix('-'));
    name.into_iter().chain(short).collect()
}

/// Those that it works on, and those that failed in it: an operation that is over keeps no others.
fn machines(operation: &OperationRow) -> Vec<&str> {
    let at_work = operation.resource.spec.machines.iter().map(|machine| machine.name.as_str());
    at_work.chain(operation.failures.iter().map(|failure| failure.machine.as_str())).collect()
}

/// What the context is called, where there are several.
fn context<'a>(snapshot: &'a Snapshot, uid: &Uid) -> Option<&'a str> {
    snapshot.part(uid.context).map(|part| &*part.name)
}

/// The rows of a list that a filter takes: where they stand in it.
pub fn taken<'a, T: 'a>(filter: &Filter, rows: &'a [Arc<T>], snapshot: &'a Snapshot, problems_only: bool) -> Vec<usize>
where
    In<'a, T>: Row,
{
    let mut scratch = Scratch::default();
    let mut takes = |row: &'a Arc<T>| {
        let row = In(&**row, snapshot);
        (!problems_only || row.is_problem()) && filter.row(&row, &mut scratch)
    };
    rows.iter().enumerate().filter(|(_, row)| takes(row)).map(|(at, _)| at).collect()
}
