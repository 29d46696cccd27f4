//! `quarterdeck uninstall`: takes away what `install` brought, and nothing that does not carry its label.
//!
//! The data stay: the kinds, the objects, the namespaces. With `--delete-data` they go as well, and that needs care:
//! deployments, pools and sets carry a finalizer that only the controllers take off, when the machines are released. So
//! data are deleted only when nothing is claimed any more, or when a person gives the machines up as they are.

mod data;

use std::{process::ExitCode, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::Value;

use super::{
    Globals,
    change::{
        ask,
        stakes::{HARDEST, Stakes},
    },
    connect,
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
/// What removing the controllers means.
const STOPS: &str = "This removes the controllers: nothing is scaled, repaired or upgraded any more until somebody installs them again.\n";

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
    /// Do not ask. With --delete-data in production, by a tag or a label, say --reason as well.
    #[arg(short, long)]
    pub yes: bool,
    /// Why the data are deleted: what `--yes` alone does not say in production.
    #[arg(long, value_name = "TEXT", requires = "delete_data")]
    pub reason: Option<String>,
    /// Say what would be removed; change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let stakes = if args.dry_run { None } else { Stakes::of(globals)? };
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
    if !args.dry_run {
        let doomed = if args.delete_data { data.doomed() } else { STOPS.to_owned() };
        confirm(&args, &doomed, stakes.or_else(|| data.stakes()).as_ref())?;
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

/// Controllers can be installed again: a letter is enough for them, and the name of what is production. Data are gone for
/// good: in production the words end with that name, and where nobody types, it is said why.
fn confirm(args: &Args, doomed: &str, stakes: Option<&Stakes>) -> Result<(), Ended> {
    if let Some(stakes) = stakes.filter(|_| args.yes && args.delete_data) {
        stakes.demand(HARDEST, args.reason.as_deref())?;
    }
    let warning = stakes.map_or_else(String::new, |stakes| stakes.warning() + ".\n");
    let words = words(args.delete_data, stakes);
    let question = match &words {
        Some(words) => format!("Type  {words}  to go on: "),
        None => "Go on? [y/N] ".to_owned(),
    };
    ask::agreed(args.yes, &format!("{doomed}{warning}{question}"), words.as_deref()).map(|_| ())
}

/// What is typed; `None`: a letter is enough.
fn words(delete_data: bool, stakes: Option<&Stakes>) -> Option<String> {
    match (delete_data, stakes.map(Stakes::word)) {
        (true, Some(word)) => Some(format!("{WORD} of {word}")),
        (true, None) => Some(WORD.to_owned()),
        (false, word) => word.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{NodePool, labels};
    use kube::ResourceExt as _;

    fn stakes(production: bool) -> Option<Stakes> {
        let mut pool = NodePool::new("blue-gpu", Default::default());
        if production {
            pool.labels_mut().insert(labels::ENVIRONMENT.to_owned(), "production".to_owned());
        }
        Data::of(vec![pool]).stakes()
    }

    fn args(delete_data: bool, yes: bool, reason: Option<&str>) -> Args {
        let reason = reason.map(ToOwned::to_owned);
        Args { delete_data, abandon: delete_data, interrupt: false, yes, reason, dry_run: false }
    }

    /// Without a question, as in a script.
    fn check(production: bool, reason: Option<&str>, expected: Result<(), &str>) {
        let (args, stakes) = (args(true, true, reason), stakes(production));
        let said = confirm(&args, "", stakes.as_ref()).map_err(|ended| ended.message);
        assert_eq!(said, expected.map_err(ToOwned::to_owned), "{production} {reason:?}");
    }

    #[test]
    fn in_production_a_yes_alone_deletes_no_data() {
        let why = "pool blue-gpu is labelled production: say why with --reason TEXT; nothing was changed";
        check(false, None, Ok(()));
        check(true, None, Err(why));
        check(true, Some(" "), Err(why));
        check(true, Some("CHG-1"), Ok(()));
    }

    #[test]
    fn what_is_typed_grows_with_what_is_lost() {
        let check = |delete_data: bool, production: bool, expected: Option<&str>| {
            assert_eq!(words(delete_data, stakes(production).as_ref()).as_deref(), expected);
        };
        check(false, false, None);
        check(false, true, Some("blue-gpu"));
        check(true, false, Some("delete the data"));
        check(true, true, Some("delete the data of blue-gpu"));
        assert!(confirm(&args(false, true, None), STOPS, stakes(true).as_ref()).is_ok(), "a script says --yes");
    }
}
