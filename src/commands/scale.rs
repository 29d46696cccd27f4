//! `quarterdeck scale CLUSTER/POOL N`: the same plan as the dialog of the console, for a terminal or a script.
//!
//! It shows what would happen, lets the server check it (dry run), asks, and writes one patch that holds only for the
//! pool that was shown.

mod ask;
mod follow;
mod preview;

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use kube::ResourceExt;
use serde_json::json;

use crate::{
    api::{NodePool, labels},
    plan::{
        lifecycle::Change,
        scale::{self, Demand, Plan},
    },
};

use super::{
    Globals,
    change::{
        limit,
        output::{Output, print, say},
        scene::{Scene, pool_words},
        stakes::Stakes,
        write::{Bound, Seen, Writer},
    },
    exit::{Ended, Exit},
};

/// Changes the number of replicas of a node pool.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pool, as in `eu-west-1/general`.
    #[arg(value_name = "CLUSTER/POOL")]
    pub pool: String,
    /// How many nodes there should be.
    #[arg(value_name = "N", value_parser = clap::value_parser!(i32).range(0..=100_000))]
    pub replicas: i32,
    /// Show the plan and what the server would store; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask, not even for a shrink beyond the deletion budget. In production, by a tag or a label, say --reason
    /// as well.
    #[arg(short, long)]
    pub yes: bool,
    /// Wait until the pool is there, and show how it goes.
    #[arg(short, long)]
    pub wait: bool,
    /// Longest time to wait, as in 90s or 1h30m; a bare number is seconds.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = limit, requires = "wait")]
    pub timeout: Duration,
    /// Ask for more replicas than there are machines: claim what there is, the rest joins later.
    #[arg(long)]
    pub partial: bool,
    /// Why; kept in the pool and in the operations that follow.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Print the pool that results on standard output; all else goes to standard error.
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Of scaling, where nothing is at stake.
const LEVEL: u8 = 2;

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let (cluster, pool) = pool_words(&args.pool)?;
    let writer = Writer::open(globals).await?;
    let scene = Scene::look(&writer.client, &writer.namespace).await?;
    let pool = scene.pool(cluster, pool)?.clone();
    let scene = Decision { scene, pool };
    let plan = scene.plan(args.replicas);
    let bound = bound(&args, &scene.pool, &plan);
    let checked = patched(&writer, &bound, true).await?;
    let stakes = writer.stakes.clone().or_else(|| scene.labelled());
    say(args.output, &preview::text(&scene.pool, &plan, stakes.as_ref(), &checked));
    if scene.pool.spec.replicas == args.replicas && !args.wait {
        say(args.output, "The pool asks for that many already: there is nothing to change.\n");
        print(args.output, &scene.pool)?;
        return Ok(Exit::Success.into());
    }
    refuse(&args, &scene, &plan)?;
    if args.dry_run {
        print(args.output, &checked)?;
        return Ok(Exit::Success.into());
    }
    let is_new = scene.pool.spec.replicas != args.replicas || plan.needs_approval();
    let scaled = if is_new {
        if let Some(stakes) = &stakes {
            stakes.demand(LEVEL + 1, args.reason.as_deref())?;
        }
        ask::confirm(&args, &scene.pool, &plan, stakes.is_some())?;
        patched(&writer, &bound, false).await?
    } else {
        scene.pool.clone()
    };
    print(args.output, &scaled)?;
    if !args.wait {
        let name = scaled.name_any();
        say(
            args.output,
            &globals.here(&format!(
                "{name} is asked for {} replicas. Follow it with  quarterdeck get operations -w\n",
                args.replicas
            )),
        );
        return Ok(Exit::Success.into());
    }
    let message = follow::follow(&writer.client, &writer.namespace, &scaled, args.timeout).await?;
    say(args.output, &globals.here(&format!("{message}\n")));
    Ok(Exit::Success.into())
}

/// The pool and what the plan for it rests on.
struct Decision {
    scene: Scene,
    pool: NodePool,
}

impl Decision {
    fn labelled(&self) -> Option<Stakes> {
        Stakes::labelled(Some(&self.pool), self.scene.deployment(&self.pool.spec.cluster_name).ok())
    }

    fn plan(&self, replicas: i32) -> Plan {
        let demand = Demand::of(&self.pool).with_replicas(replicas);
        let deployment = self.scene.deployment(&self.pool.spec.cluster_name).ok().map(|d| &d.spec);
        let demand = Demand {
            paused: demand.paused || deployment.is_some_and(|d| d.paused),
            parallelism: deployment
                .and_then(|d| d.executor.parallelism)
                .map_or(scale::DEFAULT_PARALLELISM, |n| n.unsigned_abs() as usize),
            ..demand
        };
        scale::plan(&demand, &self.scene.machines, &self.scene.operations).foretold(&self.pool)
    }
}

/// The change as a merge patch. An approval is given with the number that it is for, and taken back with any other.
fn bound(args: &Args, pool: &NodePool, plan: &Plan) -> Bound {
    let approved = plan.needs_approval().then(|| args.replicas.to_string());
    let annotations = BTreeMap::from([
        (labels::REASON, args.reason.clone()),
        (labels::REQUESTED_BY, Some(super::console::user())),
        (labels::APPROVED_REPLICAS, approved),
    ]);
    let patch = json!({ "metadata": { "annotations": annotations }, "spec": { "replicas": args.replicas } });
    let change = Change {
        kind: "NodePool",
        name: pool.name_any(),
        uid: pool.metadata.uid.clone(),
        resource_version: pool.metadata.resource_version.clone(),
        patch,
    };
    Bound { change, seen: Seen::of(pool) }
}

async fn patched(writer: &Writer, bound: &Bound, dry_run: bool) -> color_eyre::Result<NodePool> {
    Ok(serde_json::from_value(writer.one(bound, dry_run).await?)?)
}

/// What must not be asked for at all.
fn refuse(args: &Args, scene: &Decision, plan: &Plan) -> Result<(), Ended> {
    if plan.shortfall > 0 && !args.partial {
        let most = args.replicas - plan.shortfall;
        let why = format!(
            "{} can have {most} replicas now, not {}: {} idle with matching labels. Add machines, or claim what there is \
             with --partial; nothing was changed",
            scene.pool.name_any(),
            args.replicas,
            if plan.idle == 1 { "1 machine is".to_owned() } else { format!("{} machines are", plan.idle) },
        );
        return Err(Ended::new(Exit::Declined, why));
    }
    Ok(())
}
