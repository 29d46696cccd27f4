//! Cordons, drains and gives back the node of one machine because a person wants it (`spec.maintenance`).
//!
//! A drain is an operation of its own, so that it is on record, can be paused and named by what blocks it. The cordon
//! carries our annotation, and only such a cordon is taken back: a node that somebody cordoned by hand stays as it is.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, ResourceExt, api::PostParams, runtime::controller::Action};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    api::{
        ClusterDeployment, Machine, MachineState, Maintenance, Operation, OperationSpec, OperationType, labels,
        provider_id,
    },
    plan::{machine_state_of, scale::reference, state_of},
    tenant::node::is_cordoned,
};

use super::{Context, Error, cluster_deployment::created, node_pool, write};

/// What a node is signed with.
const SIGN: &str = "maintenance";

/// Does what a person wants of the node, if there is anything to do. `None`: go on with all else.
pub(super) async fn step(
    context: &Context,
    machine: &Machine,
    operation: Option<&Operation>,
) -> Result<Option<Action>, Error> {
    let ours = operation.filter(|o| o.spec.type_ == OperationType::Drain);
    match &machine.spec.maintenance {
        Some(wanted) => want(context, machine, wanted, operation, ours).await,
        None => give_back(context, machine, ours).await,
    }
}

async fn want(
    context: &Context,
    machine: &Machine,
    wanted: &Maintenance,
    operation: Option<&Operation>,
    ours: Option<&Operation>,
) -> Result<Option<Action>, Error> {
    if !wanted.drain
        && let Some(open) = ours.filter(|o| !state_of(o).is_final() && !o.spec.cancelled)
    {
        // Cordoned is enough after all: no further pod is asked to leave.
        cancel(context, open).await?;
        return Ok(Some(Action::await_change()));
    }
    let busy = operation.is_some_and(|o| !state_of(o).is_final());
    let serves = matches!(machine_state_of(machine), MachineState::Ready | MachineState::NotReady);
    if busy || !serves {
        return Ok(None);
    }
    if wanted.drain && ours.is_none_or(|o| o.name_any() != name(machine, wanted)) {
        // Not the last that worked on it: it is yet to be made, to begin, or was followed by another.
        let api: Api<Operation> = context.api(&machine.namespace().unwrap_or_default());
        match api.get_opt(&name(machine, wanted)).await? {
            None => return start(context, machine, wanted).await,
            Some(open) if !state_of(&open).is_final() => return Ok(None),
            Some(_) => {}
        }
    }
    cordon(context, machine).await
}

/// Cordons the node, if the last look at it does not say that it is.
async fn cordon(context: &Context, machine: &Machine) -> Result<Option<Action>, Error> {
    let known = machine.status.as_ref().and_then(|s| s.node.as_ref());
    if known.is_none_or(|n| n.unschedulable) {
        return Ok(None);
    }
    let Some(deployment) = deployment(context, machine).await? else { return Ok(None) };
    let tenant = context.tenants.connect(&deployment).await?;
    let identity = provider_id(machine.metadata.uid.as_deref().unwrap_or_default());
    if let Some(node) = tenant.node_by_provider_id(&identity).await?.filter(|n| !is_cordoned(n)) {
        tenant.cordon(&node, SIGN).await?;
        let by = machine.spec.maintenance.as_ref().and_then(|m| m.by.as_deref()).unwrap_or("somebody");
        context.events.normal(machine, "Cordoned", format!("node {} for {by}", node.name_any())).await;
    }
    Ok(None)
}

/// Takes back what was done for a person who wants it no longer.
async fn give_back(context: &Context, machine: &Machine, ours: Option<&Operation>) -> Result<Option<Action>, Error> {
    if let Some(open) = ours.filter(|o| !state_of(o).is_final()) {
        if !open.spec.cancelled {
            cancel(context, open).await?;
        }
        return Ok(Some(Action::await_change()));
    }
    // A drain that is over is taken back with its receipt, elsewhere; here it is about a cordon alone.
    let node = machine.status.as_ref().and_then(|s| s.node.as_ref());
    let signed = node.is_some_and(|n| n.unschedulable && n.cordoned_by.as_deref() == Some(SIGN));
    if !signed {
        return Ok(None);
    }
    let Some(deployment) = deployment(context, machine).await? else { return Ok(None) };
    let tenant = context.tenants.connect(&deployment).await?;
    let identity = provider_id(machine.metadata.uid.as_deref().unwrap_or_default());
    let Some(node) = tenant.node_by_provider_id(&identity).await? else { return Ok(None) };
    // As it is now: an operation may have signed it meanwhile.
    if node.annotations().get(labels::CORDONED_BY).is_some_and(|by| by == SIGN) && tenant.uncordon(&node).await? {
        context.events.normal(machine, "Uncordoned", format!("node {}", node.name_any())).await;
    }
    Ok(None)
}

/// The deployment, unless the cluster or the pool is to be left alone.
async fn deployment(context: &Context, machine: &Machine) -> Result<Option<ClusterDeployment>, Error> {
    let Some(claim) = &machine.spec.claim_ref else { return Ok(None) };
    let namespace = machine.namespace().unwrap_or_default();
    let deployment: Option<ClusterDeployment> = context.api(&namespace).get_opt(&claim.cluster_name).await?;
    let pool: Option<crate::api::NodePool> = context.api(&namespace).get_opt(&claim.pool_name).await?;
    let paused = pool.is_some_and(|p| node_pool::is_paused(&p, deployment.as_ref()));
    Ok(deployment.filter(|_| !paused))
}

/// Another moment is another drain; the same one is found under its name.
fn name(machine: &Machine, wanted: &Maintenance) -> String {
    let since = wanted.since.as_ref().map_or(0, |Time(at)| at.as_second());
    let digest = Sha256::digest(format!("{}@{since}", machine.metadata.uid.as_deref().unwrap_or_default()));
    let short: String = machine.name_any().chars().take(40).collect();
    format!("{}-drain-{}", short.trim_end_matches(['-', '.']), node_pool::short(&digest))
}

async fn start(context: &Context, machine: &Machine, wanted: &Maintenance) -> Result<Option<Action>, Error> {
    let Some(deployment) = deployment(context, machine).await? else { return Ok(None) };
    let claim = machine.spec.claim_ref.clone().unwrap_or_default();
    let mut operation = Operation::new(
        &name(machine, wanted),
        OperationSpec {
            type_: OperationType::Drain,
            cluster_name: claim.cluster_name.clone(),
            pool_name: Some(claim.pool_name.clone()),
            machines: vec![reference(machine)],
            requested_by: wanted.by.clone(),
            reason: wanted.reason.clone(),
            ..OperationSpec::default()
        },
    );
    let mut all =
        BTreeMap::from([(labels::CLUSTER.to_owned(), claim.cluster_name), (labels::POOL.to_owned(), claim.pool_name)]);
    for key in [labels::SIMULATED, labels::ENVIRONMENT] {
        all.extend(deployment.labels().get(key).map(|value| (key.to_owned(), value.clone())));
    }
    operation.metadata.labels = Some(all);
    let api: Api<Operation> = context.api(&machine.namespace().unwrap_or_default());
    if created(api.create(&PostParams::default(), &operation).await)? {
        let by = wanted.by.as_deref().unwrap_or("somebody");
        context.events.normal(machine, "Drain", format!("{} for {by}", operation.name_any())).await;
    }
    Ok(Some(Action::await_change()))
}

async fn cancel(context: &Context, operation: &Operation) -> Result<(), Error> {
    let api: Api<Operation> = context.api(&operation.namespace().unwrap_or_default());
    write::object(&api, operation, json!({ "spec": { "cancelled": true } })).await?;
    Ok(())
}
