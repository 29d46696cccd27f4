//! `quarterdeck uninstall`: takes away what `install` brought, and nothing that does not carry its label.
//!
//! The data stay: the kinds, the objects, the namespaces. With `--delete-data` they go as well, and that needs care:
//! deployments, pools and sets carry a finalizer that only the controllers take off, when the machines are released. So
//! data are deleted only when nothing is claimed any more, or when a person gives the machines up as they are.

mod data;

use std::{
    io::{BufRead, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::Value;

use super::{
    Globals, connect,
    exit::{Ended, Exit},
    install::cluster::{self, Changed, Cluster},
    lines,
};
use data::Data;

/// In this order: who works stops first, and loses its rights afterwards.
const PARTS: [&str; 7] =
    ["Deployment", "PodDisruptionBudget", "Service", "RoleBinding", "Role", "ServiceAccount", "ClusterRole"];
/// How long controllers may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(90);
/// What is typed before data are deleted.
const WORD: &str = "delete the data";

/// Removes the controllers, their accounts and roles; keeps the data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Delete the kinds with all objects as well, and the namespaces that install made.
    #[arg(long)]
    pub delete_data: bool,
    /// With --delete-data: give pools and claimed machines up as they are. Their nodes stay in their clusters.
    #[arg(long, requires = "delete_data")]
    pub abandon: bool,
    /// Go on although operations are under way; hosts stay as they are at that moment.
    #[arg(long)]
    pub interrupt: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Say what would be removed; change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let (client, _) = connect::writer_without_kinds(globals).await?;
    let cluster = Cluster { client, dry_run: args.dry_run, force: false };
    let parts = cluster.ours(&PARTS).await?;
    refuse_elsewhere(&parts, globals)?;
    let data = Data::look(&cluster).await?;
    if parts.is_empty() && (!args.delete_data || data.is_absent()) {
        lines::out("There is nothing of Quarterdeck to remove.\n")?;
        return Ok(Exit::Success.into());
    }
    data.refuse(&args)?;
    if args.delete_data && !args.dry_run {
        confirm(&args, &data)?;
    }
    let homes: Vec<String> = parts
        .iter()
        .filter(|p| p["kind"] == "Deployment")
        .filter_map(|p| p["metadata"]["namespace"].as_str().map(str::to_owned))
        .collect();
    for part in &parts {
        remove(&cluster, part).await?;
    }
    if !args.dry_run {
        for home in &homes {
            stopped(&cluster, home).await?;
        }
    }
    if args.delete_data {
        data.delete(&cluster).await?;
    } else {
        lines::out(&data.kept())?;
    }
    Ok(Exit::Success.into())
}

async fn remove(cluster: &Cluster, object: &Value) -> color_eyre::Result<()> {
    cluster.remove(object).await?;
    Ok(lines::out(&format!("{}\n", cluster::line(object, Changed::Removed, cluster.dry_run)))?)
}

/// Somebody who names a namespace means that one.
fn refuse_elsewhere(parts: &[Value], globals: &Globals) -> Result<(), Ended> {
    let Some(meant) = &globals.namespace else { return Ok(()) };
    let found = parts.iter().find(|p| p["kind"] == "Deployment").and_then(|p| p["metadata"]["namespace"].as_str());
    match found.filter(|found| found != meant) {
        Some(found) => {
            let why = format!("Quarterdeck is installed in namespace {found}, not in {meant}; nothing was changed");
            Err(Ended::new(Exit::NotFound, why))
        }
        None => Ok(()),
    }
}

/// Waits until no controller runs any more, so that none writes into what is deleted.
async fn stopped(cluster: &Cluster, namespace: &str) -> Result<(), Ended> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let selector = "app.kubernetes.io/name=quarterdeck,app.kubernetes.io/component=controller";
    let deadline = tokio::time::Instant::now() + STOPPED_WITHIN;
    loop {
        let left = pods.list(&ListParams::default().labels(selector)).await;
        let left = left.map_err(|e| connect::failed(&e, "list", "pods", Some(namespace)))?.items.len();
        if left == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            let why = format!(
                "{left} pods of the controllers do not stop: look at  kubectl -n {namespace} get pods  and run this again"
            );
            return Err(Ended::new(Exit::TimedOut, why));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn confirm(args: &Args, data: &Data) -> Result<(), Ended> {
    if args.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let why = "nobody can be asked here: confirm with --yes, or look first with --dry-run; nothing was changed";
        return Err(Ended::new(Exit::Declined, why));
    }
    let mut screen = std::io::stderr();
    let _ = write!(screen, "{}Type  {WORD}  to go on: ", data.doomed()).and_then(|()| screen.flush());
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if answer.trim() == WORD { Ok(()) } else { Err(Ended::new(Exit::Declined, "nothing was changed")) }
}
