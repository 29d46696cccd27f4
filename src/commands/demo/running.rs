//! A demo that runs: the meta cluster, its listener, the simulation, the Job runner and the controllers, in this order.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use color_eyre::eyre::WrapErr;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use crate::{
    api,
    commands::executor,
    controllers,
    embedded::{
        self, ApiServer, Identity, Listener, jobs,
        simulation::{self, NAMESPACE, Simulation},
        write_private,
    },
};

/// Holder of the Lease: the same at each start, since no two processes can have the same folder open.
const CONTROLLER: &str = "quarterdeck-demo";

/// Longest wait for an orderly end. What is acknowledged is on disk before, so a cut loses nothing.
const END_TIMEOUT: Duration = Duration::from_secs(5);

pub struct Running {
    pub meta: ApiServer,
    pub listener: Listener,
    pub simulation: Simulation,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    pub async fn start(options: simulation::Options, folder: &Folder) -> color_eyre::Result<Self> {
        let meta = embedded::Options { directory: folder.meta(), name: "meta".into(), ..Default::default() };
        let meta = ApiServer::open(meta).wrap_err("cannot open the meta cluster; is another demo using the folder?")?;
        meta.install(api::definitions()).await?;
        let listener = listen(folder).await?;
        listener.mount("", meta.clone());
        folder.keep_port(listener.address().port())?;
        write_private(&folder.kubeconfig(), &listener.kubeconfig("", "quarterdeck-demo", NAMESPACE))?;
        let simulation = simulation::start(options, meta.client(), &listener).await?;
        let (cancel, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(jobs::run(meta.clone(), executor::in_process(meta.client()), cancel.clone()));
        tasks.spawn(controllers::run(controllers::Config {
            namespaces: vec![NAMESPACE.to_owned()],
            lease_namespace: NAMESPACE.to_owned(),
            ..controllers::Config::new(meta.client(), CONTROLLER, cancel.clone())
        }));
        Ok(Self { meta, listener, simulation, cancel, tasks })
    }

    /// Stops everything in order; unfinished work goes on at the next start, if there is a folder.
    pub async fn end(mut self) {
        self.cancel.cancel();
        let orderly = async {
            while self.tasks.join_next().await.is_some() {}
            self.simulation.end().await;
        };
        if tokio::time::timeout(END_TIMEOUT, orderly).await.is_err() {
            tracing::warn!("parts of the demo did not end within {END_TIMEOUT:?}; they are cut off");
        }
    }
}

/// On the port of last time, if it is free.
async fn listen(folder: &Folder) -> color_eyre::Result<Listener> {
    let identity = Identity::open(folder.kept())?;
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if let Some(port) = folder.port()
        && let Ok(listener) = Listener::start(address(port), identity.clone()).await
    {
        return Ok(listener);
    }
    Ok(Listener::start(address(0), identity).await?)
}
