//! Simulated machines and business clusters, for the demo and for tests: real SSH servers on loopback addresses, and
//! embedded API servers in which the nodes of those machines appear.
//!
//! Everything else of a demo is real: the meta cluster, the controllers, the executor, SSH. Whatever is simulated carries
//! the label [`labels::SIMULATED`](crate::api::labels::SIMULATED), and hosts say so to whoever logs in.

mod answers;
mod bare;
mod chronicle;
pub(super) mod dice;
mod effects;
mod host;
mod hosts;
mod inventory;
mod journal;
mod keys;
mod network;
mod output;
mod plight;
mod scenario;
mod seed;
mod session;
mod shell;
mod state;
mod tenant;
mod timing;
mod vitals;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Listener;
use crate::api::Role;
use hosts::{Hosts, HostsOptions};
use inventory::Inventory;
use journal::Journal;
use network::Network;
use scenario::Stage;
use seed::Seed;
use state::State;
use tenant::Tenant;
use vitals::Born;

pub use bare::BareHosts;
pub use inventory::MACHINES_PER_CLUSTER;
pub use scenario::Scenario;
pub use seed::{NAMESPACE, prefix};
pub use state::{Kept, Size};
pub use timing::Pace;

/// How long hosts may take to close their connections at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why there is no simulation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{machines} machines are too few for {clusters} clusters: each needs {MACHINES_PER_CLUSTER}")]
    TooFew { clusters: usize, machines: usize },
    #[error("the state of the simulation in {}", path.display())]
    State { path: PathBuf, source: std::io::Error },
    #[error("the simulated hosts cannot listen")]
    Listen(#[source] std::io::Error),
    #[error("a simulated business cluster cannot be opened")]
    Tenant(#[from] super::Error),
    #[error("the demo fleet cannot be written to the meta cluster")]
    Seed(#[from] kube::Error),
}

/// What to simulate. A directory that has been used before keeps its number of clusters and machines, and its seed.
#[derive(Clone, Debug)]
pub struct Options {
    pub clusters: usize,
    pub machines: usize,
    pub pace: Pace,
    /// The situation to start in; a directory that has been used before keeps its own.
    pub scenario: Option<&'static Scenario>,
    /// Where hosts and business clusters remember; nowhere if `None`.
    pub directory: Option<PathBuf>,
}

/// A simulation that runs until it is dropped.
pub struct Simulation {
    pub clusters: usize,
    pub machines: usize,
    pub seed: u64,
    /// The private key that opens the hosts, and the lines of `known_hosts` for all of them.
    pub key: String,
    pub known_hosts: String,
    hosts: Arc<Hosts>,
    _tenants: JoinSet<()>,
}

/// The fleet that a directory has, if it was used before.
pub fn kept(directory: &Path) -> Result<Option<Kept>, Error> {
    Ok(State::kept(directory)?.map(State::into_kept))
}

/// Starts the hosts and the business clusters, and makes sure that the fleet is in the meta cluster, embedded or not, whose
/// definitions have to be installed.
pub async fn start(options: Options, meta: Client, listener: &Listener) -> Result<Simulation, Error> {
    let mut state = State::open(&options)?;
    let pace = Pace { seed: state.seed, ..options.pace };
    let inventory = Arc::new(Inventory::lay_out(state.clusters, state.machines, state.seed));
    let addresses = inventory.addresses();
    let network = Network::open(&addresses, state.port).await.map_err(Error::Listen)?;
    let places = network.places(&addresses).map_err(Error::Listen)?;
    state.settle(&options, &network)?;

    let scenario = state.scenario.as_deref().and_then(Scenario::named);
    let tenants = open_tenants(&options, &inventory, pace, scenario, listener).await?;
    let keyring = state.keyring();
    let (journal, memories) = match &options.directory {
        None => (Journal::default(), Default::default()),
        Some(directory) => {
            let path = directory.join("hosts.jsonl");
            Journal::open(&path).map_err(|source| Error::State { path, source })?
        }
    };
    let seed = Seed {
        client: meta.clone(),
        inventory: inventory.clone(),
        tenants: tenants.clone(),
        keyring: keyring.clone(),
        places,
        listener: listener.clone(),
        pace,
        workloads: scenario.map(|s| s.workloads.clone()).unwrap_or_default(),
    };
    let (key, known_hosts) = (keyring.client_file(), seed.known_hosts());
    let is_new = seed.sow().await?;
    let hosts = Hosts::start(HostsOptions {
        machines: addresses,
        keyring,
        pace,
        journal,
        memories,
        on_end: effects::on_end(meta.clone(), &tenants),
        cancel: CancellationToken::new(),
    });
    births(&hosts, &inventory);
    let mut running = JoinSet::new();
    if let Some(scenario) = scenario {
        let stage = Stage { scenario, hosts: hosts.clone(), inventory, tenants: tenants.clone(), client: meta, pace };
        stage.set();
        running.spawn(stage.play(is_new));
    }
    network.serve(&hosts);
    for tenant in tenants {
        running.spawn(tenant.run());
    }
    let State { clusters, machines, seed, .. } = state;
    Ok(Simulation { clusters, machines, seed, key, known_hosts, hosts, _tenants: running })
}

/// Lets hosts be the nodes that the fleet begins with.
fn births(hosts: &Hosts, inventory: &Inventory) {
    for (host, plan) in hosts.all().iter().zip(&inventory.machines) {
        let role = plan.member.map(|(cluster, pool)| inventory.clusters[cluster].pools[pool].role);
        host.is_born(match role {
            None => Born::Bare,
            Some(Role::Worker) => Born::Worker,
            Some(Role::ControlPlane | Role::Etcd) => Born::ControlPlane,
        });
    }
}

/// Opens the business clusters and serves them.
async fn open_tenants(
    options: &Options,
    inventory: &Inventory,
    pace: Pace,
    scenario: Option<&Scenario>,
    listener: &Listener,
) -> Result<Vec<Tenant>, Error> {
    let mut tenants = vec![];
    for cluster in &inventory.clusters {
        let directory = options.directory.as_ref().map(|d| d.join("clusters").join(&cluster.name));
        let broken = scenario.and_then(|s| s.broken.clone());
        let tenant = Tenant::open(&cluster.name, cluster.version, directory, pace, broken)?;
        tenant.server.set_deprecated(scenario.map(|s| s.deprecated.clone()).unwrap_or_default());
        tenant.recall_version().await?;
        listener.mount(&prefix(&cluster.name), tenant.server.clone());
        tenants.push(tenant);
    }
    Ok(tenants)
}

impl Simulation {
    /// Ends it in order: connections are closed, what was running goes on at the next start if there is a directory.
    pub async fn end(self) {
        self.hosts.cancel.cancel();
        self.hosts.tasks.close();
        let _ = tokio::time::timeout(FAREWELL, self.hosts.tasks.wait()).await;
    }

    /// How often each step was begun on each host, as `host phase/step`, for those who doubt that nothing ran twice.
    pub fn begun(&self) -> Vec<(String, u32)> {
        let of = |host: &Arc<hosts::Host>| {
            let memory = host.remembers();
            let lines: Vec<_> = memory.begun().iter().map(|(step, n)| (format!("{} {step}", host.name), *n)).collect();
            lines
        };
        self.hosts.all().iter().flat_map(of).collect()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.hosts.cancel.cancel();
    }
}
