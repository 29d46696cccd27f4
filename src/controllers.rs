//! The operator: one file for each controller, each of the same four verbs: observe, plan, act, report.
//!
//! Observing is IO, planning is pure (`crate::plan`), acting writes what the plan says and reporting writes the status,
//! if it has changed. Every write goes through a client that refuses it unless this process holds the Lease.

mod belonging;
pub mod cluster_deployment;
mod context;
mod disruption;
mod drain;
mod events;
pub mod fence;
mod finalizer;
mod job;
pub mod lease;
pub mod machine;
mod machine_claim;
pub mod machine_set;
mod maintenance;
pub mod metrics;
pub mod node_health;
pub mod node_pool;
pub mod operation;
mod patience;
pub mod pulse;
mod write;

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use jiff::Timestamp;
use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::tenant::{self, Dial};

pub use context::{Context, Error};
use metrics::Metrics;

/// What `run` needs.
#[derive(Clone)]
pub struct Config {
    pub client: Client,
    /// Only these namespaces; all when there is none.
    pub namespaces: Vec<String>,
    /// Where the Lease is.
    pub lease_namespace: String,
    /// Name of this process in the Lease. The same name takes its own Lease back at once, so it must not be shared.
    pub identity: String,
    pub controllers: BTreeSet<Name>,
    pub cancel: CancellationToken,
    /// How business clusters are reached.
    pub dial: Dial,
    /// The image of Jobs whose deployment names none.
    pub executor_image: Option<String>,
    /// What time it is. A test whose clock leaps has one of its own.
    pub clock: fn() -> Timestamp,
    /// What is measured. One process has one.
    pub metrics: Arc<Metrics>,
}

impl Config {
    /// All controllers, over the network, for all namespaces.
    pub fn new(client: Client, identity: impl Into<String>, cancel: CancellationToken) -> Self {
        Self {
            namespaces: Vec::new(),
            lease_namespace: client.default_namespace().to_owned(),
            identity: identity.into(),
            controllers: Name::all(),
            dial: tenant::dial(),
            executor_image: None,
            clock: Timestamp::now,
            metrics: Arc::default(),
            client,
            cancel,
        }
    }
}

/// The controllers, by the name that switches them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    ClusterDeployment,
    NodePool,
    MachineSet,
    Machine,
    Operation,
    NodeHealth,
}

impl Name {
    pub const ALL: [Self; 6] =
        [Self::ClusterDeployment, Self::NodePool, Self::MachineSet, Self::Machine, Self::Operation, Self::NodeHealth];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterDeployment => "cluster-deployment",
            Self::NodePool => "node-pool",
            Self::MachineSet => "machine-set",
            Self::Machine => "machine",
            Self::Operation => "operation",
            Self::NodeHealth => "node-health",
        }
    }

    pub fn all() -> BTreeSet<Self> {
        Self::ALL.into_iter().collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|n| n.as_str() == text).ok_or_else(|| {
            format!("there is no controller {text}; there are {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

/// Runs the controllers until cancelled. While another process holds the Lease, it waits.
///
/// A lost Lease stops every controller at once; when it is regained they start anew, from what is true then.
pub async fn run(mut config: Config) {
    let fence = fence::Fence::default();
    config.metrics.follow(fence.clone());
    config.client = config.metrics.wrap(config.client);
    let election = lease::Election::new(config.client.clone(), &config.lease_namespace, &config.identity, config.clock);
    let mut tasks = JoinSet::new();
    tasks.spawn(election.run(fence.clone(), config.metrics.clone(), config.cancel.clone()));
    while fence.acquired(&config.cancel).await {
        let term = config.cancel.child_token();
        let leading = lead(&config, &fence, &term);
        tokio::pin!(leading);
        tokio::select! {
            () = &mut leading => {}
            () = fence.lost() => {
                term.cancel();
                leading.await;
            }
        }
    }
    // The election gives the Lease back before it ends, so that a successor need not wait.
    while tasks.join_next().await.is_some() {}
}

/// One term: all controllers that are switched on, for each namespace, until `term` is cancelled.
async fn lead(config: &Config, fence: &fence::Fence, term: &CancellationToken) {
    let mut running = JoinSet::new();
    if config.namespaces.is_empty() {
        begin(config, &Arc::new(Context::new(config, fence, None)), term, &mut running);
    }
    for namespace in &config.namespaces {
        begin(config, &Arc::new(Context::new(config, fence, Some(namespace))), term, &mut running);
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a controller ended unexpectedly");
            config.metrics.pulse.died(&error.to_string());
        }
    }
    config.metrics.forget();
}

fn begin(config: &Config, context: &Arc<Context>, term: &CancellationToken, running: &mut JoinSet<()>) {
    for name in &config.controllers {
        let (context, term) = (context.clone(), term.clone());
        match name {
            Name::ClusterDeployment => running.spawn(cluster_deployment::run(context, term)),
            Name::NodePool => running.spawn(node_pool::run(context, term)),
            Name::MachineSet => running.spawn(machine_set::run(context, term)),
            Name::Machine => running.spawn(machine::run(context, term)),
            Name::Operation => running.spawn(operation::run(context, term)),
            Name::NodeHealth => running.spawn(node_health::run(context, term)),
        };
    }
}
