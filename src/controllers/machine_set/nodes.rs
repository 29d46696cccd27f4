//! Carries out what a rollout wants of nodes beside draining them: taints, and the cordon of a whole old pool.

use std::time::Duration;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use kube::ResourceExt;

use super::{Observed, WRITES};
use crate::{
    api::{ClusterDeployment, Machine, labels},
    controllers::{Context, Error},
    plan::rollout::nodes::{Change, SIGN, Touch},
    tenant::{Tenant, node::is_cordoned},
};

/// How soon nodes are tried again that could not be reached.
const AGAIN: Duration = Duration::from_secs(5);

/// Changes the nodes, some at a time. Answers when to try again what could not be done: a cluster that does not answer
/// keeps nobody from all else.
pub(super) async fn touch(
    context: &Context,
    deployment: &ClusterDeployment,
    observed: &Observed,
    touches: &[Touch],
) -> Option<Duration> {
    if touches.is_empty() {
        return None;
    }
    let tenant = match context.tenants.connect(deployment).await {
        Ok(tenant) => tenant,
        Err(error) => {
            tracing::debug!(cluster = %deployment.name_any(), %error, "its nodes are touched later");
            return Some(AGAIN);
        }
    };
    let work: Vec<BoxFuture<'_, _>> = touches
        .iter()
        .filter_map(|t| observed.machine(&t.machine).map(|m| (m, t.change)))
        .map(|(machine, change)| one(context, &tenant, machine, change).boxed())
        .collect();
    let mut done = stream::iter(work).buffer_unordered(WRITES);
    let mut again = None;
    while let Some(result) = done.next().await {
        if let Err(error) = result {
            tracing::debug!(cluster = %deployment.name_any(), %error, "a node is touched later");
            again = Some(AGAIN);
        }
    }
    again
}

async fn one(context: &Context, tenant: &Tenant, machine: &Machine, change: Change) -> Result<(), Error> {
    let known = machine.status.as_ref().and_then(|s| s.node.as_ref());
    let Some((name, uid)) = known.and_then(|n| n.name.as_deref().zip(n.uid.as_deref())) else { return Ok(()) };
    let Some(node) = tenant.node(name, uid).await? else { return Ok(()) };
    match change {
        Change::Taint => tenant.taint(&node, labels::OUTDATED_TAINT, true).await?,
        Change::Untaint => tenant.taint(&node, labels::OUTDATED_TAINT, false).await?,
        Change::Cordon if is_cordoned(&node) => {}
        Change::Cordon => {
            tenant.cordon(&node, SIGN).await?;
            context.events.normal(machine, "Cordoned", format!("node {name} for the rollout of its pool")).await;
        }
        // As it is now: an operation, or a person, may have signed it meanwhile.
        Change::Uncordon if node.annotations().get(labels::CORDONED_BY).is_none_or(|by| by != SIGN) => {}
        Change::Uncordon => {
            tenant.uncordon(&node).await?;
            context.events.normal(machine, "Uncordoned", format!("node {name}: its pool does not give way")).await;
        }
    }
    Ok(())
}
