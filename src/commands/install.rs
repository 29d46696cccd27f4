//! `quarterdeck install`: the kinds, the accounts, their roles and the controllers, into a cluster or onto standard output.
//!
//! It applies on the server's side, so that what others have set on our objects stays theirs, and whoever runs it again
//! changes nothing. A namespace that is there already is left as it is.

pub(super) mod cluster;

use std::process::ExitCode;

use color_eyre::eyre::Context;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::install::{self, Options};

use super::{
    Globals,
    change::stakes::Stakes,
    connect, crds,
    exit::{Ended, Exit},
    lines,
};
use cluster::{Changed, Cluster};

/// Installs the controllers, their accounts and roles, and the kinds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print everything as YAML; no cluster is asked, and none is needed.
    #[arg(long, conflicts_with_all = ["dry_run", "force_conflicts"])]
    pub export: bool,
    /// Let the server say what it would do; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// A namespace with a fleet, which the controllers look after; may be given more than once [default: that of the controllers].
    #[arg(long = "watch-namespace", value_name = "NAME")]
    pub watch_namespaces: Vec<String>,
    /// The image of the controllers and of the executors.
    #[arg(long, value_name = "IMAGE", default_value = install::IMAGE)]
    pub image: String,
    /// Take fields over that somebody else has set.
    #[arg(long)]
    pub force_conflicts: bool,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let options = options(&args, globals);
    if args.export {
        lines::out(&export(&options)?)?;
        return Ok(Exit::Success.into());
    }
    if !args.dry_run {
        // A context that is locked is left alone; what is at stake besides raises no question here, for none is asked.
        Stakes::of(globals)?;
    }
    let (client, _) = connect::writer_without_kinds(globals).await?;
    let cluster = Cluster { client, dry_run: args.dry_run, force: args.force_conflicts };
    refuse_downgrade(&cluster).await?;
    refuse_second(&cluster, &options).await?;
    let counts = apply(&cluster, &options).await?;
    lines::out(&counts.summary(&options, args.dry_run))?;
    if args.image == install::IMAGE {
        lines::err(&format!(
            "note: the image is {}, which names no registry: the nodes have to have it; choose yours with --image",
            install::IMAGE
        ));
    }
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

#[derive(Default)]
struct Counts {
    created: usize,
    configured: usize,
    unchanged: usize,
    removed: usize,
}

impl Counts {
    /// One line for one object, as kubectl says it.
    fn tell(&mut self, object: &Value, changed: Changed, dry_run: bool) -> std::io::Result<()> {
        let count = match changed {
            Changed::Created => &mut self.created,
            Changed::Configured => &mut self.configured,
            Changed::Unchanged => &mut self.unchanged,
            Changed::Removed => &mut self.removed,
        };
        *count += 1;
        lines::out(&format!("{}\n", cluster::line(object, changed, dry_run)))
    }

    fn summary(&self, options: &Options, dry_run: bool) -> String {
        let (version, namespace) = (env!("CARGO_PKG_VERSION"), &options.namespace);
        if self.created + self.configured + self.removed == 0 {
            return format!("Quarterdeck {version} is installed in {namespace}: there was nothing to change.\n");
        }
        let told = format!(
            "{} created, {} configured, {} removed, {} unchanged",
            self.created, self.configured, self.removed, self.unchanged
        );
        if dry_run {
            return format!("{told}: so it would be; nothing was changed.\n");
        }
        format!(
            "{told}. Follow the controllers with  kubectl -n {namespace} rollout status deployment/{}\n",
            install::CONTROLLER
        )
    }
}

async fn apply(cluster: &Cluster, options: &Options) -> color_eyre::Result<Counts> {
    let mut counts = Counts::default();
    for definition in install::definitions() {
        let object = cluster::value(&definition);
        let changed = cluster.apply(&object).await?;
        counts.tell(&object, changed, cluster.dry_run)?;
    }
    if !cluster.dry_run {
        cluster.wait_for_kinds().await?;
    }
    let objects = install::objects(options);
    for object in &objects {
        let foreign = object["kind"] == "Namespace" && is_foreign(&cluster.client, object).await?;
        let changed = if foreign { Changed::Unchanged } else { cluster.apply(object).await? };
        counts.tell(object, changed, cluster.dry_run)?;
    }
    // A namespace that is no longer watched keeps no rights of ours.
    for object in cluster.ours(&["RoleBinding", "ServiceAccount"]).await? {
        let same = |o: &Value| {
            ["/kind", "/metadata/name", "/metadata/namespace"].iter().all(|at| o.pointer(at) == object.pointer(at))
        };
        if !objects.iter().any(same) {
            cluster.remove(&object).await?;
            counts.tell(&object, Changed::Removed, cluster.dry_run)?;
        }
    }
    Ok(counts)
}

/// There, and not made by us: it stays as it is, and is never deleted.
async fn is_foreign(client: &Client, namespace: &Value) -> Result<bool, Ended> {
    let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
    let found = Api::<Namespace>::all(client.clone()).get_opt(name).await;
    let found = found.map_err(|e| connect::failed(&e, "get", "namespaces", None))?;
    Ok(found.is_some_and(|n| n.labels().get(install::MANAGED_BY.0).is_none_or(|by| by != install::MANAGED_BY.1)))
}

/// Kinds of a newer program may hold objects that this one does not understand.
async fn refuse_downgrade(cluster: &Cluster) -> Result<(), Ended> {
    let ours = env!("CARGO_PKG_VERSION");
    for (name, version) in cluster.kinds().await? {
        if let Some(theirs) = version.filter(|theirs| is_newer(theirs, ours)) {
            let why = format!(
                "the cluster has the kinds of Quarterdeck {theirs} ({name}), and this program is {ours}: install with \
                 quarterdeck {theirs} or newer; nothing was changed"
            );
            return Err(Ended::new(Exit::Declined, why));
        }
    }
    Ok(())
}

/// Compares `1.2.3` number by number; what is no number counts as 0.
fn is_newer(theirs: &str, ours: &str) -> bool {
    let numbers =
        |text: &str| text.split(['.', '-', '+']).take(3).map(|n| n.parse().unwrap_or(0)).collect::<Vec<u64>>();
    numbers(theirs) > numbers(ours)
}

/// The roles are shared: two installations would take them away from each other.
async fn refuse_second(cluster: &Cluster, options: &Options) -> Result<(), Ended> {
    for object in cluster.ours(&["Deployment"]).await? {
        let other = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if other != options.namespace {
            let why = format!(
                "Quarterdeck is installed in namespace {other} already, and a cluster has one: change that one with \
                 --namespace {other}, or remove it first with  quarterdeck uninstall; nothing was changed"
            );
            return Err(Ended::new(Exit::Declined, why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    #[test]
    fn versions_are_compared_as_numbers() {
        let check =
            |theirs: &str, ours: &str, newer: bool| assert_eq!(is_newer(theirs, ours), newer, "{theirs} {ours}");
        check("0.10.0", "0.9.1", true);
        check("0.9.1", "0.10.0", false);
        check("1.0.0", "1.0.0", false);
        check("1.0.1-rc1", "1.0.0", true);
        check("old", "0.1.0", false);
    }
}
