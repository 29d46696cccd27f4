//! `quarterdeck controller`: runs the controllers against any meta cluster, one leader at a time.

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::controllers::{self, Name};

use super::{Globals, exit::Exit, stop::stop_signal};

/// Runs the controllers until SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look after every namespace, not only that of the context.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Name of this process in the Lease; unique for each start if left out.
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
    /// Only these controllers, separated by commas.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub controllers: Vec<Name>,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let (client, namespace) = super::connect::writer(globals).await?;
    let cancel = CancellationToken::new();
    let config = controllers::Config {
        namespace: (!args.all_namespaces).then_some(namespace),
        controllers: if args.controllers.is_empty() { Name::all() } else { args.controllers.into_iter().collect() },
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
