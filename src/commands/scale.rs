//! `quarterdeck scale CLUSTER/POOL N`: the same plan as the dialog of the console, for a terminal or a script.
//!
//! It shows what would happen, lets the server check it (dry run), asks, and writes one patch that holds only for the
//! pool that was shown.

mod ask;
mod follow;
mod preview;

use std::{collections::BTreeMap, io::IsTerminal, process::ExitCode, time::Duration};

use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    api::{ClusterDeployment, Machine, NodePool, Operation, labels},
    plan::scale::{self, Demand, Plan},
};

use super::{
    Globals, connect,
    exit::{Ended, Exit},
    lines,
};

/// How often a patch is tried when only the status of the pool has moved.
const ATTEMPTS: usize = 8;

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
    /// Do not ask, not even for a shrink beyond the deletion budget.
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

/// How the resulting pool is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Json,
    Yaml,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let (cluster, pool) = target(&args.pool)?;
    let (client, namespace) = connect::writer(globals).await?;
    let scene = Scene::look(&client, &namespace, cluster, pool).await?;
    let plan = scene.plan(args.replicas);
    let patch = patch(&args, &plan);
    let checked = scene.patch(&patch, true).await?;
    say(args.output, &preview::text(&scene.pool, &plan, &checked));
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
        ask::confirm(&args, &scene.pool, &plan)?;
        scene.patch(&patch, false).await?
    } else {
        scene.pool.clone()
    };
    print(args.output, &scaled)?;
    if !args.wait {
        let name = scaled.name_any();
        say(
            args.output,
            &format!("{name} is asked for {} replicas. Follow it with  quarterdeck get operations -w\n", args.replicas),
        );
        return Ok(Exit::Success.into());
    }
    let message = follow::until_done(&client, &namespace, &scaled, args.timeout).await?;
    say(args.output, &format!("{message}\n"));
    Ok(Exit::Success.into())
}

/// Longest wait that can be asked for.
const LONGEST: Duration = Duration::from_hours(7 * 24);

fn limit(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let limit = seconds.or_else(|| Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok());
    match limit {
        Some(limit) if !limit.is_zero() && limit <= LONGEST => Ok(limit),
        _ => Err("a time up to seven days is needed, such as 90s, 5m or 1h30m".to_owned()),
    }
}

/// `CLUSTER/POOL`.
fn target(text: &str) -> Result<(&str, &str), Ended> {
    let bad = || Ended::new(Exit::BadInput, format!("{text} is not CLUSTER/POOL, as in  eu-west-1/general"));
    let (cluster, pool) = text.split_once('/').ok_or_else(bad)?;
    if cluster.is_empty() || pool.is_empty() || pool.contains('/') { Err(bad()) } else { Ok((cluster, pool)) }
}

/// What the decision rests on.
struct Scene {
    pools: Api<NodePool>,
    pool: NodePool,
    deployment: Option<ClusterDeployment>,
    machines: Vec<Machine>,
    operations: Vec<Operation>,
}

impl Scene {
    async fn look(client: &Client, namespace: &str, cluster: &str, pool: &str) -> Result<Self, Ended> {
        let all = ListParams::default();
        let pools: Api<NodePool> = Api::namespaced(client.clone(), namespace);
        let failed =
            |resource: &'static str| move |e: kube::Error| connect::failed(&e, "list", resource, Some(namespace));
        let list = pools.list(&all).await.map_err(failed("nodepools"))?.items;
        let found = find(&list, cluster, pool)?.clone();
        let machines: Api<Machine> = Api::namespaced(client.clone(), namespace);
        let operations: Api<Operation> = Api::namespaced(client.clone(), namespace);
        let deployments: Api<ClusterDeployment> = Api::namespaced(client.clone(), namespace);
        Ok(Self {
            deployment: deployments.get_opt(cluster).await.map_err(failed("clusterdeployments"))?,
            machines: machines.list(&all).await.map_err(failed("machines"))?.items,
            operations: operations.list(&all).await.map_err(failed("operations"))?.items,
            pool: found,
            pools,
        })
    }

    fn plan(&self, replicas: i32) -> Plan {
        let demand = Demand::of(&self.pool).with_replicas(replicas);
        let deployment = self.deployment.as_ref().map(|d| &d.spec);
        let demand = Demand {
            paused: demand.paused || deployment.is_some_and(|d| d.paused),
            parallelism: deployment
                .and_then(|d| d.executor.parallelism)
                .map_or(scale::DEFAULT_PARALLELISM, |n| n.unsigned_abs() as usize),
            ..demand
        };
        scale::plan(&demand, &self.machines, &self.operations)
    }

    /// Writes, or lets the server say what it would write. Holds only for the pool that was looked at: if no more than
    /// its status has moved since, it is tried again.
    async fn patch(&self, change: &Value, dry_run: bool) -> Result<NodePool, Ended> {
        let parameters =
            PatchParams { dry_run, field_manager: Some(labels::CONSOLE_MANAGER.to_owned()), ..PatchParams::default() };
        let name = self.pool.name_any();
        let mut version = self.pool.metadata.resource_version.clone();
        for _ in 0..ATTEMPTS {
            let mut patch = change.clone();
            patch["metadata"]["uid"] = json!(self.pool.metadata.uid);
            patch["metadata"]["resourceVersion"] = json!(version);
            match self.pools.patch(&name, &parameters, &Patch::Merge(patch)).await {
                Ok(pool) => return Ok(pool),
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    version = self.unchanged_since().await?;
                }
                Err(kube::Error::Api(status)) if status.code == 422 || status.code == 400 => {
                    return Err(Ended::new(Exit::BadInput, status.message.clone()));
                }
                Err(error) => return Err(self.failed(&error, "patch")),
            }
        }
        Err(Ended::new(Exit::Declined, format!("{name} changes all the time: nothing was changed; try again")))
    }

    /// The resourceVersion of now, if nobody has changed what people change.
    async fn unchanged_since(&self) -> Result<Option<String>, Ended> {
        let name = self.pool.name_any();
        let now = self.pools.get(&name).await.map_err(|e| self.failed(&e, "get"))?;
        let same = now.metadata.uid == self.pool.metadata.uid
            && now.spec == self.pool.spec
            && now.metadata.annotations == self.pool.metadata.annotations;
        if same {
            return Ok(now.metadata.resource_version);
        }
        let why = format!("{name} was changed by somebody else meanwhile: nothing was changed; look again");
        Err(Ended::new(Exit::Declined, why))
    }

    fn failed(&self, error: &kube::Error, verb: &'static str) -> Ended {
        connect::failed(error, verb, "nodepools", self.pool.metadata.namespace.as_deref())
    }
}

/// The pool by its full name, or by the name that it has within its cluster.
fn find<'a>(pools: &'a [NodePool], cluster: &str, pool: &str) -> Result<&'a NodePool, Ended> {
    let mut ours = pools.iter().filter(|p| p.spec.cluster_name == cluster).peekable();
    if ours.peek().is_none() {
        let mut known: Vec<_> = pools.iter().map(|p| p.spec.cluster_name.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        return Err(Ended::new(
            Exit::NotFound,
            format!("there is no cluster {cluster} with pools; {}", some("there are", &known)),
        ));
    }
    let long = format!("{cluster}-{pool}");
    let ours: Vec<_> = ours.collect();
    let named = |name: &str| ours.iter().copied().find(|p| p.name_any() == name);
    named(pool).or_else(|| named(&long)).ok_or_else(|| {
        let prefix = format!("{cluster}-");
        let names: Vec<_> = ours.iter().map(|p| p.name_any()).collect();
        let names: Vec<_> = names.iter().map(|n| n.strip_prefix(&prefix).unwrap_or(n)).collect();
        Ended::new(Exit::NotFound, format!("cluster {cluster} has no pool {pool}; {}", some("it has", &names)))
    })
}

fn some(begin: &str, names: &[&str]) -> String {
    match names {
        [] => "there are none in this namespace: check --namespace".to_owned(),
        few if few.len() <= 8 => format!("{begin} {}", few.join(", ")),
        many => format!("{begin} {} and {} more", many[..8].join(", "), many.len() - 8),
    }
}

/// The change as a merge patch. An approval is given with the number that it is for, and taken back with any other.
fn patch(args: &Args, plan: &Plan) -> Value {
    let approved = plan.needs_approval().then(|| args.replicas.to_string());
    let annotations = BTreeMap::from([
        (labels::REASON, args.reason.clone()),
        (labels::REQUESTED_BY, Some(super::console::user())),
        (labels::APPROVED_REPLICAS, approved),
    ]);
    json!({ "metadata": { "annotations": annotations }, "spec": { "replicas": args.replicas } })
}

/// What must not be asked for at all.
fn refuse(args: &Args, scene: &Scene, plan: &Plan) -> Result<(), Ended> {
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

/// For people: on standard output, unless a resource is printed there.
fn say(output: Option<Output>, text: &str) {
    if output.is_some() {
        lines::err(text.trim_end());
    } else {
        // What is done counts, not whether it could be told.
        let _ = lines::out(text);
    }
}

fn print(output: Option<Output>, pool: &NodePool) -> color_eyre::Result<()> {
    let text = match output {
        None => return Ok(()),
        Some(Output::Json) => format!("{}\n", serde_json::to_string_pretty(pool)?),
        Some(Output::Yaml) => serde_saphyr::to_string(pool)?,
    };
    Ok(lines::out(&text)?)
}

/// Somebody can be asked.
fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(line: &str) -> Vec<NodePool> {
        let pool = |word: &str| {
            let (cluster, name) = word.split_once(':').unwrap();
            let mut pool = NodePool::default();
            pool.spec.cluster_name = cluster.to_owned();
            pool.metadata.name = Some(name.to_owned());
            pool
        };
        line.split_whitespace().map(pool).collect()
    }

    fn check(known: &str, wanted: &str, expected: &str) {
        let known = pools(known);
        let said = target(wanted).and_then(|(cluster, pool)| find(&known, cluster, pool).map(ResourceExt::name_any));
        assert_eq!(said.unwrap_or_else(|ended| format!("{}: {}", ended.exit as u8, ended.message)), expected);
    }

    #[test]
    fn a_pool_is_found_by_its_long_and_its_short_name() {
        check("blue:blue-general blue:odd", "blue/general", "blue-general");
        check("blue:blue-general blue:odd", "blue/blue-general", "blue-general");
        check("blue:blue-general blue:odd", "blue/odd", "odd");
    }

    #[test]
    fn a_limit_is_a_time_or_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400)] {
            assert_eq!(limit(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["0", "0s", "-1s", "8d", "200h", "soon", ""] {
            assert!(limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_that_is_not_there_is_answered_with_those_that_are() {
        check("blue:blue-general red:red-a", "blue/gpu", "3: cluster blue has no pool gpu; it has general");
        check("blue:blue-general", "green/gpu", "3: there is no cluster green with pools; there are blue");
        check(
            "",
            "green/gpu",
            "3: there is no cluster green with pools; there are none in this namespace: check --namespace",
        );
        check("", "green", "2: green is not CLUSTER/POOL, as in  eu-west-1/general");
    }
}
