//! Empties the node of one machine, a pass at a time: look live, ask pods to leave, write down what stands in the way.

mod ask;
mod choice;
mod look;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{ResourceExt, runtime::controller::Action};

use crate::{
    api::{
        ClusterDeployment, DrainPolicy, DrainStatus, LossKind, Machine, NodePool, NodeReference, Operation, provider_id,
    },
    plan::drain::{Sight, Verdict, verdict},
    tenant::{self, Tenant, node::is_cordoned},
};

use super::{Context, Error, write};
use look::Seen;

/// After a write of ours that is to be seen first.
const AT_ONCE: Duration = Duration::from_millis(20);
/// Between two passes at least.
const SOON: Duration = Duration::from_secs(1);

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
    context.drains.tell(&machine.namespace().unwrap_or_default(), &deployment.name_any());
    let current = machine
        .status
        .as_ref()
        .and_then(|s| s.drain.clone())
        .filter(|d| d.operation == operation.name_any() && (d.run.max(1) == run || d.completed_at.is_some()));
    match current {
        Some(drain) if drain.completed_at.is_some() || drain.skipped_at.is_some() => Ok(Action::await_change()),
        Some(drain) if choice::consume(context, machine, &drain).await? => Ok(Action::requeue(AT_ONCE)),
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
    let deadline = now.saturating_add(SignedDuration::from_secs(policy.timeout_seconds())).unwrap_or(now);
    let drain =
        DrainStatus { completed_at, ..DrainStatus::new(&operation.name_any(), run, node, Time(now), Time(deadline)) };
    save(context, machine, drain).await
}

async fn pass(
    context: &Context,
    machine: &Machine,
    mut drain: DrainStatus,
    tenant: &Tenant,
    policy: &DrainPolicy,
) -> Result<Action, Error> {
    let now = context.now();
    let seen = match Seen::look(tenant, &drain, policy, now).await {
        Ok(seen) => seen,
        Err(error) => return unreachable(context, machine, drain, error, policy).await,
    };
    if let Some(node) = seen.node.as_ref().filter(|n| !is_cordoned(n)) {
        // Also if somebody took our cordon back: it is put on again, and the pods are looked at afterwards.
        tenant.cordon(node, &drain.operation).await?;
        context.events.normal(machine, "Cordoned", format!("node {} for {}", drain.node.name, drain.operation)).await;
        return Ok(Action::requeue(AT_ONCE));
    }
    let treated = seen.treatments(now);
    let sight = seen.sight(&treated, &drain);
    drain.pods_left = i32::try_from(sight.left).unwrap_or(i32::MAX);
    if drain.pods_left > drain.pods_total {
        // Written down before the first pod is asked to go, so that progress is told from what was there.
        drain.pods_total = drain.pods_left;
        drain.losses = seen.losses(tenant, &treated).await;
        record_losses(context, machine, &drain).await;
        save(context, machine, drain).await?;
        return Ok(Action::requeue(AT_ONCE));
    }
    drain.emptied_at = (sight.left == 0).then(|| drain.emptied_at.take().unwrap_or(Time(now)));
    match verdict(&drain, sight, policy, now) {
        Verdict::Done => {
            drain.blockers.clear();
            drain.completed_at = Some(Time(now));
            context.events.normal(machine, "Drained", seen.receipt(&drain)).await;
            save(context, machine, drain).await
        }
        Verdict::DoneWithVolumes => {
            drain.completed_at = Some(Time(now));
            let note = format!(
                "node {}: {} are still attached, and it was to be forced",
                drain.node.name,
                seen.attached.join(", ")
            );
            context.events.warning(machine, "VolumesLeft", note).await;
            save(context, machine, drain).await
        }
        Verdict::Skip => skip(context, machine, drain, now).await,
        Verdict::Continue => {
            let round = ask::round(context, machine, tenant, &seen, &treated, &drain, policy).await?;
            let new = round.blockers.iter().find(|b| drain.blockers.iter().all(|known| known.pod != b.pod));
            if let Some(new) = new {
                context.events.warning(machine, "DrainBlocked", format!("{}: {}", new.pod, new.message)).await;
            }
            drain.blockers = round.blockers;
            let until_deadline = drain.deadline.0.duration_since(now);
            let next =
                if until_deadline.is_positive() { round.next.min(until_deadline.unsigned_abs()) } else { round.next };
            save(context, machine, drain).await?;
            Ok(Action::requeue(next.max(SOON)))
        }
    }
}

/// Says what goes for good, before it does.
async fn record_losses(context: &Context, machine: &Machine, drain: &DrainStatus) {
    if !drain.losses.is_empty() {
        let named: Vec<_> = drain
            .losses
            .iter()
            .take(10)
            .map(|l| match l.kind {
                LossKind::Pod => format!("{} (nothing makes it anew)", l.pod),
                LossKind::EmptyDir => format!("{} (emptyDir {})", l.pod, l.volumes.join(" ")),
                LossKind::LocalVolume => format!("{} (local volume {})", l.pod, l.volumes.join(" ")),
            })
            .collect();
        let more = drain.losses.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let note = format!("with node {} goes for good: {}{more}", drain.node.name, named.join(", "));
        context.events.warning(machine, "DrainLoses", note).await;
    }
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
    // Nobody knows what is left: as if something were, and could move.
    let blind = Sight { left: 1, movable: true, ..Sight::default() };
    if verdict(&drain, blind, policy, now) == Verdict::Skip {
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
