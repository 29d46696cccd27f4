//! Marks machines that have fallen ill by themselves, so that they are replaced as any marked machine is, and says why it
//! does not (`plan::remediation`).
//!
//! Machines and operations are read live for it. Before a mark the business cluster itself is asked once more: what a
//! watch said may be from before.

use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{Observed, is_deleting, is_paused};
use crate::{
    api::{
        Cluster, ClusterDeployment, ConditionStatus, Machine, MachineReference, NodePool, RemediationStatus, condition,
        condition_status, labels, provider_id,
    },
    controllers::{Context, Error, write},
    plan::{
        Work,
        remediation::{self, Patient, Situation},
        rollout,
    },
};

pub(super) use crate::plan::remediation::{Plan, needs_a_person};

/// Looks at the members of the pool; `None` if nobody wants it.
pub(super) async fn look(context: &Context, pool: &NodePool, observed: &Observed) -> Result<Option<Plan>, Error> {
    if pool.spec.remediation.is_none() || is_deleting(pool) {
        return Ok(None);
    }
    let namespace = pool.namespace().unwrap_or_default();
    let cluster: Option<Cluster> = context.api(&namespace).get_opt(&pool.spec.cluster_name).await?;
    let conditions = cluster.as_ref().and_then(|c| c.status.as_ref()).map(|s| s.conditions.as_slice());
    let retries = pool.status.as_ref().and_then(|s| s.remediation.as_ref()).map_or(0, |r| r.retries);
    let situation = Situation {
        pool,
        members: &observed.machines,
        work: &Work::of(&observed.operations),
        is_reachable: condition_status(conditions.unwrap_or_default(), "RemoteConnectionProbe")
            == ConditionStatus::True,
        paused: is_paused(pool, observed.deployment.as_ref()),
        now: context.now(),
    };
    Ok(remediation::plan(&situation, retries))
}

/// Marks who is to be replaced, after one more look, and takes back the mark of who is well again.
pub(super) async fn act(context: &Context, pool: &NodePool, observed: &Observed, plan: &Plan) -> Result<(), Error> {
    let api: Api<Machine> = context.api(&pool.namespace().unwrap_or_default());
    let machine = |r: &MachineReference| observed.machines.iter().find(|m| m.metadata.uid.as_deref() == Some(&r.uid));
    for machine in plan.recovered.iter().filter_map(machine) {
        // A person's own mark of before stays: it has no word of ours beside it.
        write::object(&api, machine, annotations(Value::Null, Value::Null, Value::Null)).await?;
        context.events.normal(machine, "Recovered", "its node is Ready again: it is not replaced").await;
    }
    for patient in &plan.marks {
        let Some((machine, deployment)) = machine(&patient.machine).zip(observed.deployment.as_ref()) else { continue };
        if is_well(context, machine, deployment).await? {
            continue;
        }
        mark(context, &api, pool, machine, patient).await?;
    }
    Ok(())
}

async fn mark(
    context: &Context,
    api: &Api<Machine>,
    pool: &NodePool,
    machine: &Machine,
    patient: &Patient,
) -> Result<(), Error> {
    if rollout::is_marked(machine) {
        // A person was first: it is theirs.
        return Ok(());
    }
    let since = json!(context.now().to_string());
    write::object(api, machine, annotations(since, json!(patient.why), json!("remediation"))).await?;
    let note = format!("{} is replaced: {}", patient.machine.name, patient.why);
    context.events.warning(machine, "Remediation", note.clone()).await;
    context.events.warning(pool, "Remediation", note).await;
    Ok(())
}

fn annotations(since: Value, why: Value, by: Value) -> Value {
    json!({ "metadata": { "annotations": {
        labels::REPLACE_MACHINE: since, labels::REMEDIATION: why, labels::REASON: why, labels::REQUESTED_BY: by,
    }}})
}

/// Asks the business cluster itself, before anything is done: its node is Ready after all.
async fn is_well(context: &Context, machine: &Machine, deployment: &ClusterDeployment) -> Result<bool, Error> {
    let tenant = context.tenants.connect(deployment).await?;
    let node = tenant.node_by_provider_id(&provider_id(machine.metadata.uid.as_deref().unwrap_or_default())).await?;
    let conditions = |n: &Node| n.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    Ok(node.is_some_and(|n| conditions(&n).iter().any(|c| c.type_ == "Ready" && c.status == "True")))
}

/// What is known, for the status.
pub(super) fn status(plan: &Plan) -> RemediationStatus {
    RemediationStatus {
        unhealthy: plan.unhealthy,
        in_flight: plan.in_flight + super::count(plan.marks.len()),
        retries: plan.retries,
    }
}

/// Whether machines are being replaced because they are ill, and if ill ones are not, why.
pub(super) fn said(plan: &Plan, pool: &NodePool, now: jiff::Timestamp) -> Condition {
    let in_flight = status(plan).in_flight;
    let (status, reason, message) = match (plan.stop, in_flight) {
        (None, 0) => (ConditionStatus::False, "NotRemediating", String::new()),
        (None, n) => (ConditionStatus::True, "Remediating", format!("{n} being replaced because they are ill")),
        (Some(stop), n) => ((n > 0).into(), stop.reason(), stop.message()),
    };
    condition("Remediating", status, reason, message, pool.metadata.generation, now)
}
