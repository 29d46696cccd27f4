//! `quarterdeck controller`: runs the controllers against any meta cluster, one leader at a time.

mod serve;

use std::{process::ExitCode, sync::Arc};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::controllers::{self, Name, metrics::Metrics};

use super::{Globals, connect, exit::Exit, stop::stop_signal};

/// Runs the controllers until SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look after every namespace, not only that of the context.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Look after this namespace, and not that of the context, where the Lease stays; may be given more than once.
    #[arg(long = "watch-namespace", value_name = "NAME", conflicts_with = "all_namespaces")]
    pub watch_namespaces: Vec<String>,
    /// Name of this process in the Lease; unique for each start if left out.
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
    /// Only these controllers, separated by commas.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub controllers: Vec<Name>,
    /// The image of Jobs whose ClusterDeployment names none.
    #[arg(long, value_name = "IMAGE", env = "QUARTERDECK_EXECUTOR_IMAGE")]
    pub executor_image: Option<String>,
    /// Serve /metrics, /healthz and /readyz there: ADDRESS:PORT, or :PORT for all addresses [default: nowhere].
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_bind_address: Option<serve::Bind>,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let port = match args.metrics_bind_address {
        Some(bind) => Some(serve::Port::open(bind).await?),
        None => None,
    };
    let (client, namespace) = match args.watch_namespaces.first() {
        Some(watched) => connect::writer_in(globals, watched).await?,
        None => connect::writer(globals).await?,
    };
    let namespaces = match (args.all_namespaces, args.watch_namespaces.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => vec![namespace.clone()],
        (false, false) => args.watch_namespaces,
    };
    let cancel = CancellationToken::new();
    let metrics = Arc::<Metrics>::default();
    let mut serving = JoinSet::new();
    if let Some(port) = port {
        tracing::info!(address = %port.address, "metrics are served");
        serving.spawn(port.serve(metrics.clone()));
    }
    let config = controllers::Config {
        namespaces,
        lease_namespace: namespace,
        controllers: if args.controllers.is_empty() { Name::all() } else { args.controllers.into_iter().collect() },
        executor_image: args.executor_image,
        metrics,
        ..controllers::Config::new(client, args.identity.unwrap_or_else(identity), cancel.clone())
    };
    let stop = stop_signal()?;
    let running = tokio::spawn(controllers::run(config));
    stop.await;
    tracing::info!("stopping; the lease is given back");
    cancel.cancel();
    running.await?;
    Ok(Exit::Success.into())
}

/// The pod's name where there is one, and in any case something that no other process has.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "quarterdeck".to_owned());
    format!("{host}_{}", uuid::Uuid::new_v4())
}
