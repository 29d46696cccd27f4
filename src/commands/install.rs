//! `quarterdeck install`: the kinds, the accounts, their roles and the controllers, into a cluster or onto standard output.

use std::process::ExitCode;

use color_eyre::eyre::Context;
use serde::Serialize;

use crate::install::{self, Options};

use super::{Globals, crds, exit::Exit, lines};

/// Installs the controllers, their accounts and roles, and the kinds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print everything as YAML; no cluster is asked, and none is needed.
    #[arg(long, required = true)]
    pub export: bool,
    /// A namespace with a fleet, which the controllers look after; may be given more than once [default: that of the controllers].
    #[arg(long = "watch-namespace", value_name = "NAME")]
    pub watch_namespaces: Vec<String>,
    /// The image of the controllers and of the executors.
    #[arg(long, value_name = "IMAGE", default_value = install::IMAGE)]
    pub image: String,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let options = options(&args, globals);
    lines::out(&export(&options)?)?;
    Ok(Exit::Success.into())
}

fn options(args: &Args, globals: &Globals) -> Options {
    let namespace = globals.namespace.clone().unwrap_or_else(|| install::NAMESPACE.to_owned());
    let watched =
        if args.watch_namespaces.is_empty() { vec![namespace.clone()] } else { args.watch_namespaces.clone() };
    Options { namespace, watched, image: args.image.clone() }
}

/// Everything as one stream of YAML documents: the kinds, then the rest.
pub fn export(options: &Options) -> color_eyre::Result<String> {
    let mut text: String = crds::documents()?.into_iter().map(|(_, text)| text).collect();
    text.push_str(&manifests(options)?);
    Ok(text)
}

/// All but the kinds.
pub fn manifests(options: &Options) -> color_eyre::Result<String> {
    install::objects(options).iter().map(document).collect()
}

fn document(object: &impl Serialize) -> color_eyre::Result<String> {
    let text = serde_saphyr::to_string(object).wrap_err("an object does not serialise")?;
    Ok(format!("---\n{}\n", text.trim_end()))
}
