//! What a key of the filter means on each kind of row.

use crate::{
    api::ClusterPhase,
    fleet::rows::{ClusterRow, EventRow, Health, MachineRow, OperationRow, PoolRow},
};

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    State,
    Health,
    Phase,
    Cluster,
    Pool,
    Role,
    Version,
    Node,
    Name,
    Address,
    Operation,
    Reason,
    Ready,
    /// The meta cluster; where there is one only, a label like any other.
    Context,
    Label(String),
}

impl Field {
    pub(super) fn named(key: &str) -> Self {
        match key.to_ascii_lowercase().as_str() {
            "state" => Self::State,
            "health" => Self::Health,
            "phase" => Self::Phase,
            "cluster" => Self::Cluster,
            "pool" => Self::Pool,
            "role" => Self::Role,
            "version" => Self::Version,
            "node" => Self::Node,
            "name" => Self::Name,
            "address" | "ip" => Self::Address,
            "operation" | "op" => Self::Operation,
            "reason" | "message" => Self::Reason,
            "ready" => Self::Ready,
            "context" => Self::Context,
            _ => Self::Label(key.to_owned()),
        }
    }

    /// It says something about a pool as a whole.
    pub(super) fn is_of_pools(&self) -> bool {
        matches!(self, Self::Context | Self::Cluster | Self::Pool | Self::Role)
    }

    pub(super) fn of_machine(
        &self,
        machine: &MachineRow,
        pool: Option<&PoolRow>,
        holds: impl Fn(Option<&str>) -> bool,
    ) -> bool {
        match self {
            Self::State => holds(Some(machine.state.as_str())),
            Self::Health => holds(Some(health(machine.health))),
            Self::Phase => holds(machine.phase.as_deref()),
            Self::Cluster => holds(machine.cluster.as_deref()),
            Self::Pool => either(machine.pool.as_deref(), pool.map(|p| &*p.short_name), holds),
            Self::Role => holds(pool.map(|p| p.role.as_str())),
            Self::Version => holds(machine.version()),
            Self::Node => holds(machine.node_name()),
            Self::Name => holds(Some(&machine.name)),
            Self::Address => holds(Some(&machine.address)),
            Self::Operation => holds(machine.operation.as_deref()),
            Self::Reason => holds(machine.message.as_deref()),
            Self::Ready => holds(Some(yes(machine.node_ready()))),
            Self::Context => holds(machine.label_called("context")),
            Self::Label(key) => holds(machine.label_called(key)),
        }
    }

    pub(super) fn of_pool(&self, pool: &PoolRow, its: Health, holds: impl Fn(Option<&str>) -> bool) -> bool {
        let resource = pool.resource.as_deref();
        match self {
            Self::State | Self::Phase => holds(pool.phase.map(|p| format!("{p:?}")).as_deref()),
            Self::Health => holds(Some(health(its))),
            Self::Cluster => holds(Some(&pool.cluster)),
            Self::Pool | Self::Name => either(Some(&pool.name), Some(&pool.short_name), holds),
            Self::Role => holds(Some(pool.role.as_str())),
            Self::Version => holds(pool.version.as_deref()),
            Self::Reason => holds(pool.message.as_deref()),
            Self::Ready => holds(Some(yes(Some(pool.ready >= pool.desired)))),
            Self::Label(key) => {
                let labels = resource.and_then(|r| r.metadata.labels.as_ref());
                holds(labels.and_then(|l| l.get(key)).map(String::as_str))
            }
            Self::Node | Self::Address | Self::Operation | Self::Context => holds(None),
        }
    }

    pub(super) fn of_cluster(&self, cluster: &ClusterRow, its: Health, holds: impl Fn(Option<&str>) -> bool) -> bool {
        match self {
            Self::State | Self::Phase => holds(cluster.phase.map(cluster_phase)),
            Self::Health => holds(Some(health(its))),
            Self::Cluster | Self::Name => holds(Some(&cluster.name)),
            Self::Version => holds(cluster.version.as_deref().or(cluster.wanted_version.as_deref())),
            Self::Address => holds(cluster.endpoint.as_deref()),
            Self::Reason => holds(cluster.message.as_deref()),
            Self::Ready => holds(Some(yes(Some(cluster.nodes_ready >= cluster.nodes)))),
            Self::Label(key) => {
                let deployment = cluster.deployment.as_ref().and_then(|d| d.metadata.labels.as_ref());
                let observed = cluster.resource.as_ref().and_then(|c| c.metadata.labels.as_ref());
                holds(deployment.or(observed).and_then(|l| l.get(key)).map(String::as_str))
            }
            Self::Pool | Self::Role | Self::Node | Self::Operation | Self::Context => holds(None),
        }
    }

    pub(super) fn of_operation(&self, operation: &OperationRow, holds: impl Fn(Option<&str>) -> bool) -> bool {
        match self {
            Self::State => holds(Some(operation.state.as_str())),
            Self::Health => holds(Some(health(operation.health()))),
            Self::Cluster => holds(Some(&operation.cluster)),
            Self::Pool => {
                let pool = operation.pool.as_deref();
                let short = pool.and_then(|p| p.strip_prefix(&*operation.cluster)?.strip_prefix('-'));
                either(pool, short, holds)
            }
            Self::Operation | Self::Name => holds(Some(&operation.name)),
            Self::Reason => either(operation.reason.as_deref(), operation.message.as_deref(), holds),
            Self::Label(key) if key == "type" => holds(Some(operation.type_.as_str())),
            Self::Label(key) if key == "by" => holds(operation.by.as_deref()),
            Self::Label(key) => {
                let labels = operation.resource.metadata.labels.as_ref();
                holds(labels.and_then(|l| l.get(key)).map(String::as_str))
            }
            Self::Phase | Self::Role | Self::Version | Self::Node | Self::Address | Self::Ready | Self::Context => {
                holds(None)
            }
        }
    }

    pub(super) fn of_event(&self, event: &EventRow, holds: impl Fn(Option<&str>) -> bool) -> bool {
        match self {
            Self::Name => holds(Some(&event.name)),
            Self::Reason => either(Some(&event.reason), Some(&event.message), holds),
            Self::Health => holds(Some(if event.warning { "warning" } else { "good" })),
            Self::Operation => holds(Some(&*event.name).filter(|_| &*event.kind == "Operation")),
            Self::Label(key) if key == "kind" => holds(Some(&event.kind)),
            _ => holds(None),
        }
    }
}

/// The first that is there decides, unless the second one fits: `pool=gpu` and `pool=eu-1-gpu` mean the same pool.
fn either(first: Option<&str>, second: Option<&str>, holds: impl Fn(Option<&str>) -> bool) -> bool {
    match (first, second) {
        (Some(_), Some(_)) => {
            // A negated test holds for nothing: it must hold for both; any other for one.
            if holds(None) { holds(first) && holds(second) } else { holds(first) || holds(second) }
        }
        (first, second) => holds(first.or(second)),
    }
}

pub(super) fn health(health: Health) -> &'static str {
    match health {
        Health::Bad => "bad",
        Health::Warning => "warning",
        Health::Moving => "moving",
        Health::Good => "good",
        Health::Idle => "idle",
    }
}

fn yes(ready: Option<bool>) -> &'static str {
    match ready {
        Some(true) => "true",
        Some(false) => "false",
        None => "unknown",
    }
}

fn cluster_phase(phase: ClusterPhase) -> &'static str {
    match phase {
        ClusterPhase::Pending => "Pending",
        ClusterPhase::Running => "Running",
        ClusterPhase::Degraded => "Degraded",
        ClusterPhase::Unreachable => "Unreachable",
        ClusterPhase::Deleting => "Deleting",
    }
}
