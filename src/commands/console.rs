//! The console, opened on the meta cluster of a kubeconfig; what `quarterdeck` does without a subcommand.

use std::{path::PathBuf, process::ExitCode};

use kube::Client;

use super::{
    Globals,
    connect::{self, Connected},
    exit::{Ended, Exit},
};
use crate::{
    config::Paths,
    console::{self, Environment, Error, Options, contexts::Context, hosts::Access, run::Data, session, state::Place},
    fleet::{self, Clients},
};

pub async fn run(globals: &Globals) -> color_eyre::Result<ExitCode> {
    if !console::terminal::is_terminal() {
        return Err(not_a_terminal().into());
    }
    let Connected { client, namespace, too_old } = connect::open(globals).await?;
    let only_look = too_old.map(|why| why.to_string());
    let place = Place { context: context(globals), namespace, user: user(), only_look };
    let session = session::path(Paths::of_user().state(), &place.context, &place.namespace);
    open(client, place, Some(session), |access| access).await
}

/// Opens the console with the user's configuration; also for a fleet that runs in this process, whose hosts are reached in
/// another way. What the console remembers from one time to the next is in `session`.
pub async fn open(
    client: Client,
    place: Place,
    session: Option<PathBuf>,
    reach: impl FnOnce(Access) -> Access,
) -> color_eyre::Result<ExitCode> {
    let config = console::configure(&Paths::of_user());
    let feed = fleet::watch(&client, &place.namespace);
    let (clients, contexts) = (Clients::of_one(client), vec![Context::plain(place)]);
    let environment = Environment::of_process();
    let access = Some(reach(Access::of(&config.settings.ssh, environment.ssh_program.as_deref())));
    show(Options { clients, contexts, config, environment, session, access }, feed).await
}

async fn show(options: Options, data: impl Data) -> color_eyre::Result<ExitCode> {
    match console::run(options, data).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Error::NotATerminal) => Err(not_a_terminal().into()),
        Err(error) => Err(error.into()),
    }
}

/// What is said, with its exit code, where there is no terminal.
pub fn not_a_terminal() -> Ended {
    Ended::new(Exit::BadInput, Error::NotATerminal.to_string())
}

/// Who is at the keyboard: recorded with each change that is asked for.
pub fn user() -> String {
    ["QUARTERDECK_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .or_else(|| whoami::username().ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The name of the context, for the header.
fn context(globals: &Globals) -> String {
    let of_file = || {
        let config = match &globals.kubeconfig {
            Some(path) => kube::config::Kubeconfig::read_from(path),
            None => kube::config::Kubeconfig::read(),
        };
        config.ok().and_then(|config| config.current_context)
    };
    globals.context.clone().or_else(of_file).unwrap_or_else(|| "in-cluster".to_owned())
}
