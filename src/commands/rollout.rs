//! `quarterdeck upgrade`, `replace`, `rollback`, and what steers a rollout: `pause`, `resume`, `hold`, `unhold`, `retry`
//! and `abort`. What they mean the planner says (`plan::lifecycle`); it is the one that dialogs ask.

mod follow;
mod goal;
mod look;
mod target;

use std::process::ExitCode;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::{
    Globals,
    change::{
        Options, Planned, carry_out,
        output::say,
        scene::{OfCluster, Scene},
        stakes::Stakes,
        write::{Seen, Writer},
    },
    console::user,
    exit::{Ended, Exit},
    follow::until_done,
};
use crate::plan::lifecycle::{Author, Change, Refusal, Wish, changes, preview};
use follow::Rollout;
use goal::Goal;
use target::Asked;
pub use target::Verb;

/// Brings a cluster, or one of its pools, to another Kubernetes version.
#[derive(Debug, clap::Args)]
#[command(after_help = "The control plane goes first, one minor version at a time, then the pools that are behind.

  quarterdeck upgrade eu-west-1 1.34.2 --dry-run
  quarterdeck upgrade eu-west-1 1.34.2 --reason CHG-1234 --yes --wait
  quarterdeck upgrade eu-west-1/gpu 1.34.2")]
pub struct Upgrade {
    /// The cluster, or one of its pools as in `eu-west-1/general`.
    #[arg(value_name = "CLUSTER[/POOL]")]
    pub target: String,
    /// The Kubernetes version, as in 1.34.2.
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Do not wait for a maintenance window: it begins now, and needs more of a yes. It holds for this rollout alone.
    #[arg(long)]
    pub outside_window: bool,
    #[command(flatten)]
    pub options: Options,
}

/// Replaces machines by others: each is drained and reset once another has joined.
#[derive(Debug, clap::Args)]
#[command(after_help = "  quarterdeck replace eu-west-1/general --dry-run
  quarterdeck replace --machines m-17,m-18 --reason 'r12 PSU'")]
pub struct Replace {
    /// The pool: all of its machines, unless some are named.
    #[arg(value_name = "CLUSTER/POOL", required_unless_present = "machines")]
    pub pool: Option<String>,
    /// Only these machines, all of one pool.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub machines: Vec<String>,
    /// Do not wait for a maintenance window: it begins now, and needs more of a yes. It holds for this rollout alone.
    #[arg(long)]
    pub outside_window: bool,
    #[command(flatten)]
    pub options: Options,
}

/// One pool.
#[derive(Debug, clap::Args)]
pub struct OfPool {
    /// The pool, as in `eu-west-1/general`.
    #[arg(value_name = "CLUSTER/POOL")]
    pub pool: String,
    #[command(flatten)]
    pub options: Options,
}

/// Takes a pool back to the revision before.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Do not wait for a maintenance window: it begins now, and needs more of a yes. It holds for this rollout alone.
    #[arg(long)]
    pub outside_window: bool,
    #[command(flatten)]
    pub of: OfPool,
}

pub async fn upgrade(args: Upgrade, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let asked = Asked::upgrade(&args.target, args.version, args.outside_window)?;
    run(&asked, &args.options, globals).await
}

pub async fn replace(args: Replace, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let asked = Asked::replace(args.pool.as_deref(), args.machines, args.outside_window)?;
    run(&asked, &args.options, globals).await
}

pub async fn rollback(args: Rollback, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let asked = Asked::of_pool(Verb::Rollback, &args.of.pool, args.outside_window)?;
    run(&asked, &args.of.options, globals).await
}

pub async fn of_pool(verb: Verb, args: OfPool, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let asked = Asked::of_pool(verb, &args.pool, false)?;
    run(&asked, &args.options, globals).await
}

async fn run(asked: &Asked, options: &Options, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let writer = Writer::open(globals).await?;
    let (by, now) = (user(), Timestamp::now());
    let author = Author { by: &by, reason: options.reason.as_deref() };
    let plan = async || {
        let scene = Scene::look(&writer.client, &writer.namespace).await?;
        let (cluster, wish) = asked.choose(&scene)?;
        planned(&scene.of_cluster(scene.deployment(&cluster)?), wish, &author, now)
    };
    let Some((planned, written)) = carry_out(options, &writer, plan).await? else { return Ok(Exit::Success.into()) };
    let goal = Goal::of(&planned, &written);
    if !options.wait {
        if let Some(hint) = goal.hint(!written.is_empty()) {
            say(options.output, &globals.here(&format!("{hint}\n")));
        }
        return Ok(Exit::Success.into());
    }
    let message = until_done(&mut Rollout::new(&writer, goal), &writer.namespace, options.timeout).await?;
    say(options.output, &globals.here(&format!("{message}\n")));
    Ok(Exit::Success.into())
}

/// What a plan is about.
struct Subject {
    cluster: String,
    wish: Wish,
    /// All pools of the cluster.
    pools: Vec<String>,
}

fn planned(of: &OfCluster, wish: Wish, author: &Author, now: Timestamp) -> Result<Planned<Subject>, Ended> {
    let scene = of.scene(now);
    let subject = |wish| Subject {
        cluster: of.deployment.name_any(),
        wish,
        pools: of.pools.iter().map(ResourceExt::name_any).collect(),
    };
    match preview(&scene, &wish).and_then(|preview| Ok((preview, changes(&scene, &wish, author)?))) {
        Ok((preview, changes)) => {
            let pool = wish.pool().and_then(|name| of.pools.iter().find(|pool| pool.name_any() == name));
            let stakes = Stakes::labelled(pool, Some(&of.deployment));
            Ok(Planned::new(preview, changes, |change| seen(of, change), subject(wish)).at(stakes))
        }
        Err(refusal) if is_so_already(&refusal) => Ok(Planned::nothing(refusal.to_string(), subject(wish))),
        Err(refusal) => Err(Ended::new(exit_of(&refusal), format!("{refusal}; nothing was changed"))),
    }
}

fn seen(of: &OfCluster, change: &Change) -> Seen {
    fn named<K: Resource + Serialize>(all: &[K], name: &str) -> Seen {
        all.iter().find(|o| o.meta().name.as_deref() == Some(name)).map(Seen::of).unwrap_or_default()
    }
    match change.kind {
        "ClusterDeployment" => Seen::of(&of.deployment),
        "Machine" => named(&of.machines, &change.name),
        "Operation" => named(&of.operations, &change.name),
        _ => named(&of.pools, &change.name),
    }
}

/// Whoever asks twice gets what they asked for.
fn is_so_already(refusal: &Refusal) -> bool {
    use Refusal as R;
    matches!(
        refusal,
        R::SameVersion(_) | R::Paused(_) | R::NotPaused(_) | R::ClusterNotPaused(_) | R::Held(_) | R::NotHeld(_)
    )
}

fn exit_of(refusal: &Refusal) -> Exit {
    use Refusal as R;
    match refusal {
        R::Version(_) | R::Upgrade(_) | R::ControlPlanePool(_) | R::ControlPlaneBack { .. } => Exit::BadInput,
        R::NoPool(_) | R::NotAMember { .. } => Exit::NotFound,
        _ => Exit::Declined,
    }
}
