//! Walks one machine through its states: hands it to operations, empties its node, takes the node away, lets it go.
//!
//! A state is written before anything is done in it, so that a controller that dies finds out where it was.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        ClusterDeployment, ConditionStatus, Machine, MachineState, MachineStatus, NodePool, Operation, OperationState,
        condition, provider_id, set_condition,
    },
    plan::{
        machine::{is_drain_obsolete, is_releasable, next_state, phases_done},
        reservation_of, state_of,
    },
};

use super::{
    Context, Error, Name, belonging,
    context::{drive, watched},
    drain, machine_claim, maintenance, node_pool, write,
};

pub async fn run(context: Arc<Context>, cancel: CancellationToken) {
    let controller = context.controller::<Machine>();
    context.metrics.see(controller.store());
    let (for_pools, for_deployments) = (controller.store(), controller.store());
    let controller = controller
        .watches(context.all::<Operation>(), watched(), |operation| {
            let namespace = operation.namespace().unwrap_or_default();
            let to = |name: &str| ObjectRef::new(name).within(&namespace);
            operation.spec.machines.iter().map(|m| to(&m.name)).collect::<Vec<_>>()
        })
        .watches(context.all::<NodePool>(), watched(), move |pool| {
            let moving = |m: &Arc<Machine>| {
                is_moving(m)
                    && m.namespace() == pool.namespace()
                    && m.spec.claim_ref.as_ref().is_some_and(|c| c.pool_name == pool.name_any())
            };
            for_pools.state().into_iter().filter(moving).map(|m| ObjectRef::from_obj(&*m)).collect::<Vec<_>>()
        })
        .watches(context.all::<ClusterDeployment>(), watched(), move |deployment| {
            let moving = |m: &Arc<Machine>| {
                is_moving(m)
                    && m.namespace() == deployment.namespace()
                    && m.spec.claim_ref.as_ref().is_some_and(|c| c.cluster_name == deployment.name_any())
            };
            for_deployments.state().into_iter().filter(moving).map(|m| ObjectRef::from_obj(&*m)).collect::<Vec<_>>()
        });
    drive(controller, reconcile, Name::Machine, context, cancel).await;
}

fn is_moving(machine: &Machine) -> bool {
    machine.status.as_ref().and_then(|s| s.state).is_some_and(MachineState::is_moving)
}

async fn reconcile(machine: Arc<Machine>, context: Arc<Context>) -> Result<Action, Error> {
    let api: Api<Machine> = context.api(&machine.namespace().unwrap_or_default());
    let Some(machine) = api.get_opt(&machine.name_any()).await? else { return Ok(Action::await_change()) };
    if machine.spec.paused || belonging::mend_machine(&api, &machine).await? {
        return Ok(Action::await_change());
    }
    let operation = observe(&context, &machine).await?;
    let before = machine.status.clone().unwrap_or_default();
    let after = plan(&machine, operation.as_ref(), context.now());
    if report(&context, &machine, &before, &after).await? {
        // Our own write wakes us again; then it is acted on what was written.
        return Ok(Action::await_change());
    }
    act(&context, &machine, operation.as_ref()).await
}

/// The operation that the machine is reserved for.
async fn observe(context: &Context, machine: &Machine) -> Result<Option<Operation>, Error> {
    match reservation_of(machine) {
        Some(name) => Ok(context.api(&machine.namespace().unwrap_or_default()).get_opt(name).await?),
        None => Ok(None),
    }
}

/// The status that follows from what was seen. Pure.
fn plan(machine: &Machine, operation: Option<&Operation>, now: Timestamp) -> MachineStatus {
    let before = machine.status.clone().unwrap_or_default();
    let next = next_state(machine, operation);
    let mut after = MachineStatus {
        state: Some(next.state),
        message: next.message,
        observed_generation: machine.metadata.generation,
        ..before.clone()
    };
    if before.state != after.state {
        after.state_since = Some(Time(now));
    }
    if next.state == MachineState::Idle {
        // What the last cluster left is gone; facts about the host stay.
        (after.operation, after.current_phase, after.drain, after.node) = (None, None, None, None);
        after.phases.clear();
        after.conditions.clear();
        return after;
    }
    after.operation = operation.map(ResourceExt::name_any).or(before.operation.clone());
    let again = matches!(next.state, MachineState::Claimed | MachineState::Draining)
        && before.state == Some(MachineState::Failed);
    let handed_over = before.operation != after.operation || again;
    if handed_over {
        // Phases belong to one run of one operation: those of the last one must not speak for this one.
        after.phases.clear();
        after.current_phase = None;
    }
    conditions(&mut after, machine.metadata.generation, now);
    after
}

fn conditions(status: &mut MachineStatus, generation: Option<i64>, now: Timestamp) {
    let state = status.state.unwrap_or_default();
    let node = status.node.as_ref().map(|n| (n.ready.clone(), n.reason.clone().unwrap_or_default()));
    let healthy = match node.as_ref().map(|(ready, _)| ready.as_str()) {
        Some("True") => (ConditionStatus::True, "NodeHealthy"),
        Some("False") => (ConditionStatus::False, "NodeNotHealthy"),
        _ => (ConditionStatus::Unknown, "NodeHealthUnknown"),
    };
    let ready = match (state, healthy.0) {
        (MachineState::Ready, _) => (ConditionStatus::True, "Ready"),
        // A lost connection says nothing about the node.
        (MachineState::NotReady, ConditionStatus::Unknown) => (ConditionStatus::Unknown, "ReadyUnknown"),
        _ => (ConditionStatus::False, "NotReady"),
    };
    let why = status.message.clone().unwrap_or_default();
    let reason = node.map(|(_, reason)| reason).unwrap_or_default();
    let mut all = std::mem::take(&mut status.conditions);
    set_condition(&mut all, condition("Ready", ready.0, ready.1, why, generation, now));
    set_condition(&mut all, condition("NodeHealthy", healthy.0, healthy.1, reason, generation, now));
    let blockers = status.drain.as_ref().filter(|d| state == MachineState::Draining && d.completed_at.is_none());
    let blocked = blockers.and_then(|d| d.blockers.first()).map(|b| format!("{}: {}", b.pod, b.message));
    let word = if blocked.is_some() { "DrainBlocked" } else { "DrainNotBlocked" };
    let status_ = blocked.is_some().into();
    set_condition(&mut all, condition("DrainBlocked", status_, word, blocked.unwrap_or_default(), generation, now));
    status.conditions = all;
}

async fn report(
    context: &Context,
    machine: &Machine,
    before: &MachineStatus,
    after: &MachineStatus,
) -> Result<bool, Error> {
    let api = context.api(&machine.namespace().unwrap_or_default());
    let written = write::status(&api, machine, before, after).await?;
    if written && before.state != after.state {
        let note = after.message.clone();
        match after.state.unwrap_or_default() {
            MachineState::Ready => {
                let node = after.node.as_ref().and_then(|n| n.name.clone()).unwrap_or_default();
                context.events.normal(machine, "Ready", format!("node {node} is Ready")).await;
            }
            MachineState::Failed => context.events.warning(machine, "Failed", note.unwrap_or_default()).await,
            MachineState::NotReady => context.events.warning(machine, "NotReady", note.unwrap_or_default()).await,
            MachineState::Idle if before.state == Some(MachineState::Releasing) => {
                context.events.normal(machine, "Released", "reset and free to be claimed").await;
            }
            _ => {}
        }
    }
    Ok(written)
}

async fn act(context: &Context, machine: &Machine, operation: Option<&Operation>) -> Result<Action, Error> {
    let status = machine.status.clone().unwrap_or_default();
    let Some(claim) = &machine.spec.claim_ref else { return Ok(Action::await_change()) };
    if let Some(action) = maintenance::step(context, machine, operation).await? {
        return Ok(action);
    }
    let drains = operation.filter(|o| state_of(o) == OperationState::Draining);
    match (status.state.unwrap_or_default(), drains) {
        (MachineState::Draining, Some(operation)) => {
            let namespace = machine.namespace().unwrap_or_default();
            let deployment: Option<ClusterDeployment> = context.api(&namespace).get_opt(&claim.cluster_name).await?;
            let pool: Option<NodePool> = context.api(&namespace).get_opt(&claim.pool_name).await?;
            let paused = operation.spec.paused
                || deployment.as_ref().is_some_and(|d| d.spec.paused)
                || pool.as_ref().is_some_and(|p| node_pool::is_paused(p, None));
            if paused {
                return Ok(Action::await_change());
            }
            drain::step(context, machine, operation, deployment.as_ref(), pool.as_ref()).await
        }
        (MachineState::Releasing, _) if phases_done(&status) => release(context, machine, operation).await,
        _ if is_drain_obsolete(machine, operation) => {
            let namespace = machine.namespace().unwrap_or_default();
            let deployment: Option<ClusterDeployment> = context.api(&namespace).get_opt(&claim.cluster_name).await?;
            match deployment.filter(|d| !d.spec.paused) {
                Some(deployment) => drain::take_back(context, machine, &deployment).await,
                None => Ok(Action::await_change()),
            }
        }
        _ => Ok(Action::await_change()),
    }
}

/// After the reset: the node goes from its cluster, then, as soon as no pod works on the operation any more, the claim.
async fn release(context: &Context, machine: &Machine, operation: Option<&Operation>) -> Result<Action, Error> {
    let Some(claim) = &machine.spec.claim_ref else { return Ok(Action::await_change()) };
    let namespace = machine.namespace().unwrap_or_default();
    let deployment: Option<ClusterDeployment> = context.api(&namespace).get_opt(&claim.cluster_name).await?;
    let deployment =
        deployment.ok_or_else(|| Error::Missing(format!("there is no ClusterDeployment {}", claim.cluster_name)))?;
    if deployment.spec.paused {
        return Ok(Action::await_change());
    }
    let tenant = context.tenants.connect(&deployment).await?;
    let identity = provider_id(machine.metadata.uid.as_deref().unwrap_or_default());
    if let Some(node) = tenant.node_by_provider_id(&identity).await? {
        tenant.delete_node(&node).await?;
        let note = format!("node {} of cluster {}", node.name_any(), claim.cluster_name);
        context.events.normal(machine, "NodeDeleted", note).await;
        // The kubelet might bring it back: it is looked for again before the claim goes.
        return Ok(Action::requeue(Duration::from_millis(100)));
    }
    if is_releasable(machine, operation) {
        machine_claim::release(&context.api(&namespace), machine).await?;
    }
    Ok(Action::await_change())
}
