//! Empties the node of one machine, a pass at a time: look live, ask pods to leave, write down what stands in the way.

use std::time::Duration;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        core::v1::{Node, Pod},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{ResourceExt, runtime::controller::Action};

use crate::{
    api::{
        ClusterDeployment, DrainBlocker, DrainPolicy, DrainStatus, Machine, NodePool, NodeReference, Operation,
        provider_id,
    },
    plan::drain::{Treatment, Verdict, blocker, carry_since, classify, verdict},
    tenant::{self, Eviction, Tenant, node::is_cordoned},
};

use super::{Context, Error, write};

/// Evictions under way at once, for one node.
const PARALLEL: usize = 5;
/// Longest that one pass asks pods to leave; the rest is asked in the next.
const PASS: Duration = Duration::from_secs(10);
/// How soon to look again while pods are leaving, and while a budget refuses.
const LEAVING: Duration = Duration::from_secs(1);
const BLOCKED: Duration = Duration::from_secs(5);

/// The next step of the drain of `machine` for `operation`.
pub async fn step(
    context: &Context,
    machine: &Machine,
    operation: &Operation,
    deployment: Option<&ClusterDeployment>,
    pool: Option<&NodePool>,
) -> Result<Action, Error> {
    let deployment =
        deployment.ok_or_else(|| Error::Missing("the ClusterDeployment of the machine is gone".to_owned()))?;
    let policy = pool.map(|p| p.spec.drain.clone()).unwrap_or_default();
    let run = operation.status.as_ref().map_or(1, |s| s.run.max(1));
    let current = machine
        .status
        .as_ref()
        .and_then(|s| s.drain.clone())
        .filter(|d| d.operation == operation.name_any() && (d.run.max(1) == run || d.completed_at.is_some()));
    match current {
        Some(drain) if drain.completed_at.is_some() || drain.skipped_at.is_some() => Ok(Action::await_change()),
        Some(drain) => match context.tenants.connect(deployment).await {
            Ok(tenant) => pass(context, machine, drain, &tenant, &policy).await,
            Err(error) => unreachable(context, machine, drain, error, &policy).await,
        },
        None if pool.is_some_and(|p| p.spec.hold) => Ok(Action::await_change()),
        None => begin(context, machine, operation, run, deployment, &policy).await,
    }
}

/// Writes down what is going to be emptied, before anything is done.
async fn begin(
    context: &Context,
    machine: &Machine,
    operation: &Operation,
    run: i32,
    deployment: &ClusterDeployment,
    policy: &DrainPolicy,
) -> Result<Action, Error> {
    let identity = provider_id(machine.metadata.uid.as_deref().unwrap_or_default());
    let found = match context.tenants.connect(deployment).await {
        Ok(tenant) => tenant.node_by_provider_id(&identity).await,
        Err(error) => Err(error),
    };
    let now = context.now();
    let known = machine.status.as_ref().and_then(|s| s.node.as_ref());
    let (node, completed_at) = match found {
        Ok(Some(node)) => (NodeReference { name: node.name_any(), uid: node.uid().unwrap_or_default() }, None),
        // It never became a node, or its node is gone: a live look saw that there is nothing to empty.
        Ok(None) => (NodeReference::default(), Some(Time(now))),
        // Two nodes answer to it: nothing is assumed about which is meant.
        Err(error @ tenant::Error::Ambiguous { .. }) => return Err(error.into()),
        Err(error) => match known.and_then(|n| n.name.clone().zip(n.uid.clone())) {
            // The clock of the deadline runs although the cluster cannot be asked.
            Some((name, uid)) => (NodeReference { name, uid }, None),
            None => return Err(error.into()),
        },
    };
    let drain = DrainStatus {
        operation: operation.name_any(),
        run,
        node,
        started_at: Time(now),
        deadline: Time(now.saturating_add(SignedDuration::from_secs(policy.timeout_seconds())).unwrap_or(now)),
        pods_total: 0,
        pods_left: 0,
        blockers: Vec::new(),
        completed_at,
        skipped_at: None,
    };
    save(context, machine, drain).await
}

/// What one look at the node and its pods showed.
struct Seen {
    node: Option<Node>,
    /// Pods that hold the node, and what is done with each.
    pods: Vec<(Pod, Treatment)>,
    budgets: Vec<PodDisruptionBudget>,
}

impl Seen {
    async fn look(tenant: &Tenant, drain: &DrainStatus) -> Result<Self, tenant::Error> {
        let pods = tenant.pods_on(&drain.node.name).await?;
        let pods: Vec<_> =
            pods.into_iter().map(|p| (classify(&p), p)).filter(|(t, _)| t.holds_node()).map(|(t, p)| (p, t)).collect();
        let budgets = if pods.is_empty() { Vec::new() } else { tenant.budgets().await? };
        // The node last: its cordon has to hold after the pods were counted.
        Ok(Self { node: tenant.node(&drain.node.name, &drain.node.uid).await?, pods, budgets })
    }

    /// Some pod was never asked to leave, so that nobody knows what stands in the way. Not even at the deadline is a drain
    /// given up like this: a controller that was away, or slow, asks once.
    fn is_unasked(&self, drain: &DrainStatus) -> bool {
        drain.blockers.is_empty() && self.pods.iter().any(|(_, treatment)| *treatment == Treatment::Evict)
    }

    /// No new pod can come: the node is cordoned, or there is no such node any more.
    fn is_shut(&self) -> bool {
        self.node.as_ref().is_none_or(is_cordoned)
    }
}

async fn pass(
    context: &Context,
    machine: &Machine,
    mut drain: DrainStatus,
    tenant: &Tenant,
    policy: &DrainPolicy,
) -> Result<Action, Error> {
    let seen = match Seen::look(tenant, &drain).await {
        Ok(seen) => seen,
        Err(error) => return unreachable(context, machine, drain, error, policy).await,
    };
    if let Some(node) = seen.node.as_ref().filter(|n| !is_cordoned(n)) {
        // Also if somebody took our cordon back: it is put on again, and the pods are looked at afterwards.
        tenant.cordon(node, &drain.operation).await?;
        context.events.normal(machine, "Cordoned", format!("node {} for {}", drain.node.name, drain.operation)).await;
        return Ok(Action::requeue(Duration::from_millis(20)));
    }
    let now = context.now();
    drain.pods_left = i32::try_from(seen.pods.len()).unwrap_or(i32::MAX);
    if drain.pods_left > drain.pods_total {
        // Written down before the first pod is asked to go, so that progress is told from what was there.
        drain.pods_total = drain.pods_left;
        save(context, machine, drain).await?;
        return Ok(Action::requeue(Duration::from_millis(20)));
    }
    match verdict(&drain, seen.pods.len(), seen.is_shut(), policy.on_timeout, now) {
        Verdict::Done => {
            drain.blockers.clear();
            drain.completed_at = Some(Time(now));
            context.events.normal(machine, "Drained", format!("node {} is empty", drain.node.name)).await;
            return save(context, machine, drain).await;
        }
        Verdict::Skip if !seen.is_unasked(&drain) => return skip(context, machine, drain, now).await,
        Verdict::Force => {
            force(context, machine, tenant, &seen).await?;
            drain.blockers.clear();
        }
        Verdict::Skip | Verdict::Continue => {
            let blockers = evict(tenant, &seen, now).await?;
            let new = blockers.iter().find(|b| drain.blockers.iter().all(|known| known.pod != b.pod));
            if let Some(new) = new {
                context.events.warning(machine, "DrainBlocked", format!("{}: {}", new.pod, new.message)).await;
            }
            drain.blockers = carry_since(blockers, &drain.blockers);
        }
    }
    let next = if drain.blockers.is_empty() { LEAVING } else { BLOCKED };
    let until_deadline = drain.deadline.0.duration_since(now).unsigned_abs().max(LEAVING);
    save(context, machine, drain).await?;
    Ok(Action::requeue(next.min(until_deadline)))
}

/// Asks the pods to leave, some at a time, for as long as a pass may take. Answers what stands in the way.
async fn evict(tenant: &Tenant, seen: &Seen, now: Timestamp) -> Result<Vec<DrainBlocker>, Error> {
    let begun = tokio::time::Instant::now();
    let asking: Vec<BoxFuture<'_, _>> = seen
        .pods
        .iter()
        .map(|(pod, treatment)| {
            let asked = async move {
                match treatment {
                    Treatment::Evict if begun.elapsed() < PASS => (pod, Some(tenant.evict(pod).await)),
                    _ => (pod, None),
                }
            };
            asked.boxed()
        })
        .collect();
    let mut answers = stream::iter(asking).buffer_unordered(PARALLEL);
    let mut blockers = Vec::new();
    while let Some((pod, answer)) = answers.next().await {
        let refused = match answer.transpose()? {
            Some(Eviction::Blocked(why) | Eviction::Refused(why)) => Some(why),
            Some(Eviction::Throttled { retry_after_secs }) => {
                // Everybody waits, not only this pod.
                tokio::time::sleep(Duration::from_secs(u64::from(retry_after_secs)).min(PASS)).await;
                None
            }
            Some(Eviction::Accepted | Eviction::Gone) | None => None,
        };
        blockers.extend(blocker(pod, &seen.budgets, refused.as_deref(), now));
    }
    Ok(blockers)
}

/// Deletes what is left, past any budget: the policy of the pool says so, and the events record it.
async fn force(context: &Context, machine: &Machine, tenant: &Tenant, seen: &Seen) -> Result<(), Error> {
    for (pod, treatment) in &seen.pods {
        if *treatment == Treatment::Evict {
            tenant.delete_pod(pod).await?;
            let note = format!(
                "{}/{} past its budget, after the deadline",
                pod.namespace().unwrap_or_default(),
                pod.name_any()
            );
            context.events.warning(machine, "DrainForced", note).await;
        }
    }
    Ok(())
}

async fn skip(context: &Context, machine: &Machine, mut drain: DrainStatus, now: Timestamp) -> Result<Action, Error> {
    drain.skipped_at = Some(Time(now));
    let note = format!("node {} stays cordoned: {} pods did not leave in time", drain.node.name, drain.pods_left);
    context.events.warning(machine, "DrainSkipped", note).await;
    save(context, machine, drain).await
}

/// The cluster cannot be asked: nothing is assumed, and the deadline still counts.
async fn unreachable(
    context: &Context,
    machine: &Machine,
    drain: DrainStatus,
    error: tenant::Error,
    policy: &DrainPolicy,
) -> Result<Action, Error> {
    let now = context.now();
    if verdict(&drain, 1, false, policy.on_timeout, now) == Verdict::Skip {
        return skip(context, machine, drain, now).await;
    }
    context.events.warning(machine, "DrainWaits", error.sentence()).await;
    Err(error.into())
}

/// Takes our own cordon back, and no other, and forgets the drain.
pub async fn take_back(context: &Context, machine: &Machine, deployment: &ClusterDeployment) -> Result<Action, Error> {
    let before = machine.status.clone().unwrap_or_default();
    let Some(drain) = &before.drain else { return Ok(Action::await_change()) };
    let tenant = context.tenants.connect(deployment).await?;
    if let Some(node) = tenant.node(&drain.node.name, &drain.node.uid).await?
        && tenant.uncordon(&node).await?
    {
        context.events.normal(machine, "Uncordoned", format!("node {}", drain.node.name)).await;
    }
    let mut after = before.clone();
    after.drain = None;
    write::status(&context.api(&machine.namespace().unwrap_or_default()), machine, &before, &after).await?;
    Ok(Action::await_change())
}

/// Writes the drain, if it has changed.
async fn save(context: &Context, machine: &Machine, drain: DrainStatus) -> Result<Action, Error> {
    let before = machine.status.clone().unwrap_or_default();
    let mut after = before.clone();
    after.drain = Some(drain);
    write::status(&context.api(&machine.namespace().unwrap_or_default()), machine, &before, &after).await?;
    Ok(Action::await_change())
}
