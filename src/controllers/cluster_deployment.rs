//! Makes the `Cluster` and the `NodePool`s of a `ClusterDeployment`.
//!
//! `replicas` of a pool count at its creation only: afterwards the `NodePool` is what people scale. A pool that is no
//! longer listed stays: nothing is deleted because a line went missing.

use std::{collections::BTreeMap, sync::Arc};

use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
    runtime::controller::Action,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::api::{
    Cluster, ClusterDeployment, ClusterDeploymentStatus, ClusterSpec, ConditionStatus, NodePool, NodePoolSpec,
    PoolSpec, RolloutPolicy, condition, labels, set_condition,
};
use crate::plan::{
    rollout::moves::Brake,
    window::{self, Window},
};

use super::{
    Context, Error, Name,
    context::{drive, watched},
    finalizer::{self, is_deleting},
    write,
};

pub async fn run(context: Arc<Context>, cancel: CancellationToken) {
    let controller = context
        .controller::<ClusterDeployment>()
        .owns(context.all::<Cluster>(), watched())
        .owns(context.all::<NodePool>(), watched());
    drive(controller, reconcile, Name::ClusterDeployment, context, cancel).await;
}

struct Observed {
    cluster: Option<Cluster>,
    /// Pools that this deployment owns, by name.
    pools: BTreeMap<String, NodePool>,
}

async fn reconcile(deployment: Arc<ClusterDeployment>, context: Arc<Context>) -> Result<Action, Error> {
    let deployments: Api<ClusterDeployment> = context.api(&deployment.namespace().unwrap_or_default());
    // Live: an old copy may list a pool that was deleted since, and would bring it back.
    let Some(deployment) = deployments.get_opt(&deployment.name_any()).await? else {
        return Ok(Action::await_change());
    };
    if finalizer::hold(&deployments, &deployment).await? {
        return Ok(Action::await_change());
    }
    let observed = observe(&context, &deployment).await?;
    if is_deleting(&deployment) {
        return delete(&context, &deployments, &deployment, &observed).await;
    }
    let wanted = plan(&deployment, &observed);
    if !deployment.spec.paused {
        act(&context, &deployment, &observed, &wanted).await?;
    }
    report(&context, &deployment, &observed, &wanted).await?;
    Ok(Action::await_change())
}

async fn observe(context: &Context, deployment: &ClusterDeployment) -> Result<Observed, Error> {
    let namespace = deployment.namespace().unwrap_or_default();
    let pools: Api<NodePool> = context.api(&namespace);
    let pools = pools.list(&ListParams::default()).await?.items;
    Ok(Observed {
        cluster: context.api::<Cluster>(&namespace).get_opt(&deployment.name_any()).await?,
        pools: pools
            .into_iter()
            .filter(|p| p.spec.cluster_name == deployment.name_any())
            .map(|p| (p.name_any(), p))
            .collect(),
    })
}

/// What is to be made, and what is to be brought in line.
struct Wanted {
    create: Vec<NodePool>,
    change: Vec<(NodePool, Value)>,
}

fn plan(deployment: &ClusterDeployment, observed: &Observed) -> Wanted {
    let mut wanted = Wanted { create: Vec::new(), change: Vec::new() };
    for pool in &deployment.spec.pools {
        let name = format!("{}-{}", deployment.name_any(), pool.name);
        match observed.pools.get(&name) {
            None => wanted.create.push(new_pool(deployment, pool, &name)),
            Some(existing) => {
                wanted.change.extend(difference(pool, &existing.spec).map(|patch| (existing.clone(), patch)));
            }
        }
    }
    wanted
}

fn new_pool(deployment: &ClusterDeployment, pool: &PoolSpec, name: &str) -> NodePool {
    let mut object = NodePool::new(
        name,
        NodePoolSpec {
            cluster_name: deployment.name_any(),
            role: pool.role,
            replicas: pool.replicas,
            machine_selector: pool.machine_selector.clone(),
            template: pool.template.clone(),
            drain: pool.drain.clone(),
            rollout: pool.rollout.clone().unwrap_or_default(),
            remediation: pool.remediation.clone(),
            ..NodePoolSpec::default()
        },
    );
    object.metadata.owner_references = deployment.controller_owner_ref(&()).map(|owner| vec![owner]);
    object.metadata.labels = Some(inherited(deployment));
    object.metadata.annotations = deployment
        .annotations()
        .get(labels::REQUESTED_BY)
        .map(|by| BTreeMap::from([(labels::REQUESTED_BY.to_owned(), by.clone())]));
    object
}

/// Labels that go down from a deployment to what it owns.
fn inherited(deployment: &ClusterDeployment) -> BTreeMap<String, String> {
    let mut inherited = BTreeMap::from([(labels::CLUSTER.to_owned(), deployment.name_any())]);
    for key in [labels::SIMULATED, labels::ENVIRONMENT] {
        inherited.extend(deployment.labels().get(key).map(|value| (key.to_owned(), value.clone())));
    }
    inherited
}

/// What the deployment says otherwise than the pool.
///
/// How many there are, what a partition keeps and from when on all are to be new is for a new pool only: afterwards those
/// are changed on the pool. And where it says nothing of rollouts or ill machines, the pool has its own mind.
fn difference(wanted: &PoolSpec, pool: &NodePoolSpec) -> Option<Value> {
    let mut spec = made_like(wanted, pool).unwrap_or_else(|| json!({}));
    if let Some(rollout) = wanted.rollout.as_ref().filter(|r| {
        let of = |r: &RolloutPolicy| (r.strategy.clone(), r.min_ready_seconds, r.progress_deadline_seconds);
        of(r) != of(&pool.rollout)
    }) {
        let strategy = &rollout.strategy;
        let (rolling, blue_green) = (strategy.rolling_update.clone(), strategy.blue_green.clone());
        spec["rollout"] = json!({
            "strategy": {
                "type": strategy.type_,
                "rollingUpdate": rolling.map(|r| json!({ "maxSurge": r.max_surge, "maxUnavailable": r.max_unavailable })),
                "blueGreen": blue_green.map(|b| json!({
                    "batchSize": b.batch_size,
                    "batchSoakSeconds": b.batch_soak_seconds,
                    "poolSoakSeconds": b.pool_soak_seconds,
                })),
            },
            "minReadySeconds": rollout.min_ready_seconds,
            "progressDeadlineSeconds": rollout.progress_deadline_seconds,
        });
    }
    if let Some(policy) = wanted.remediation.as_ref().filter(|r| Some(*r) != pool.remediation.as_ref()) {
        spec["remediation"] = json!({
            "timeoutSeconds": policy.timeout_seconds,
            "silentTimeoutSeconds": policy.silent_timeout_seconds,
            "unhealthyLessThanOrEqualTo": policy.unhealthy_less_than_or_equal_to,
            "maxInFlight": policy.max_in_flight,
            "maxRetry": policy.max_retry,
        });
    }
    let differs = spec.as_object().is_some_and(|s| !s.is_empty());
    differs.then(|| json!({ "spec": spec }))
}

/// What machines are, what they are made like and how they are emptied, where the pool has it otherwise.
fn made_like(wanted: &PoolSpec, pool: &NodePoolSpec) -> Option<Value> {
    let equal = wanted.machine_selector == pool.machine_selector
        && wanted.template == pool.template
        && wanted.drain == pool.drain;
    (!equal).then(|| {
        // A list of one map has to lose the keys that are gone: in a merge patch they are written as null.
        let mut selector = json!(wanted.machine_selector);
        let mut node_labels = json!(wanted.template.labels);
        for key in pool.machine_selector.keys().filter(|k| !wanted.machine_selector.contains_key(*k)) {
            selector[key] = Value::Null;
        }
        for key in pool.template.labels.keys().filter(|k| !wanted.template.labels.contains_key(*k)) {
            node_labels[key] = Value::Null;
        }
        let template = json!({ "labels": node_labels, "taints": wanted.template.taints });
        let drain = json!({
            "timeoutSeconds": wanted.drain.timeout_seconds,
            "onTimeout": wanted.drain.on_timeout,
            "unmanagedPods": wanted.drain.unmanaged_pods,
            "emptyDirData": wanted.drain.empty_dir_data,
            "volumeDetachTimeoutSeconds": wanted.drain.volume_detach_timeout_seconds,
        });
        json!({ "machineSelector": selector, "template": template, "drain": drain })
    })
}

async fn act(
    context: &Context,
    deployment: &ClusterDeployment,
    observed: &Observed,
    wanted: &Wanted,
) -> Result<(), Error> {
    let namespace = deployment.namespace().unwrap_or_default();
    if observed.cluster.is_none() {
        let mut cluster = Cluster::new(&deployment.name_any(), ClusterSpec { deployment_name: deployment.name_any() });
        cluster.metadata.owner_references = deployment.controller_owner_ref(&()).map(|owner| vec![owner]);
        cluster.metadata.labels = Some(inherited(deployment));
        created(context.api(&namespace).create(&PostParams::default(), &cluster).await)?;
    }
    let pools: Api<NodePool> = context.api(&namespace);
    for pool in &wanted.create {
        if created(pools.create(&PostParams::default(), pool).await)? {
            let note = format!("pool {} with {} replicas", pool.name_any(), pool.spec.replicas);
            context.events.normal(deployment, "PoolCreated", note).await;
        }
    }
    for (pool, patch) in &wanted.change {
        write::object(&pools, pool, patch.clone()).await?;
    }
    Ok(())
}

/// The pools go first, each as carefully as if it were deleted alone; access to the cluster has to outlive them.
async fn delete(
    context: &Context,
    deployments: &Api<ClusterDeployment>,
    deployment: &ClusterDeployment,
    observed: &Observed,
) -> Result<Action, Error> {
    if deployment.spec.paused {
        return Ok(Action::await_change());
    }
    if observed.pools.is_empty() {
        finalizer::let_go(deployments, deployment).await?;
        return Ok(Action::await_change());
    }
    let pools: Api<NodePool> = context.api(&deployment.namespace().unwrap_or_default());
    for pool in observed.pools.values().filter(|p| !is_deleting(*p)) {
        let preconditions = Preconditions { uid: pool.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        if let Err(error) = pools.delete(&pool.name_any(), &parameters).await.map_err(Error::from)
            && !error.is_not_found()
        {
            return Err(error);
        }
    }
    let now = context.now();
    let before = deployment.status.clone().unwrap_or_default();
    let mut after = before.clone();
    let message = format!("{} pools are to be released first", observed.pools.len());
    let deleting =
        condition("Deleting", ConditionStatus::True, "Deleting", message, deployment.metadata.generation, now);
    set_condition(&mut after.conditions, deleting);
    write::status(deployments, deployment, &before, &after).await?;
    Ok(Action::await_change())
}

/// That it exists already is as good: an earlier attempt got through without its answer.
pub(super) fn created<K>(result: Result<K, kube::Error>) -> Result<bool, Error> {
    match result {
        Ok(_) => Ok(true),
        // Any other 409 says that nothing was made.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn report(
    context: &Context,
    deployment: &ClusterDeployment,
    observed: &Observed,
    wanted: &Wanted,
) -> Result<(), Error> {
    let now = context.now();
    let generation = deployment.metadata.generation;
    let before = deployment.status.clone().unwrap_or_default();
    let mut after = ClusterDeploymentStatus {
        pools: i32::try_from(observed.pools.len()).unwrap_or(i32::MAX),
        observed_generation: generation,
        ..before.clone()
    };
    let paused = deployment.spec.paused;
    let pause = if paused { "Paused" } else { "NotPaused" };
    set_condition(&mut after.conditions, condition("Paused", paused.into(), pause, "", generation, now));
    let windows = window::at(&deployment.spec.maintenance_windows, now);
    let ready = if let Window::Invalid(why) = windows {
        condition("Ready", ConditionStatus::False, Brake::WINDOW_INVALID, why, generation, now)
    } else if wanted.create.is_empty() && observed.cluster.is_some() {
        condition("Ready", ConditionStatus::True, "Ready", "", generation, now)
    } else {
        let message = format!("{} pools are yet to be made", wanted.create.len());
        condition("Ready", ConditionStatus::False, "NotReady", message, generation, now)
    };
    set_condition(&mut after.conditions, ready);
    write::status(&context.api(&deployment.namespace().unwrap_or_default()), deployment, &before, &after).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written, and that nothing is left to write afterwards.
    fn check(deployment: Value, pool: Value, expected: Option<Value>) {
        let mut wanted = json!({ "name": "pool" });
        json_patch::merge(&mut wanted, &deployment);
        let wanted: PoolSpec = serde_json::from_value(wanted).expect("a pool of a deployment");
        let mut after = json!({ "clusterName": "blue" });
        json_patch::merge(&mut after, &pool);
        let spec = |value: &Value| serde_json::from_value::<NodePoolSpec>(value.clone()).expect("a pool");
        let patch = difference(&wanted, &spec(&after));
        json_patch::merge(&mut after, &patch.as_ref().map_or(json!({}), |p| p["spec"].clone()));
        assert_eq!(difference(&wanted, &spec(&after)), None, "it is in line");
        let written = expected.map(|e| {
            serde_json::to_value(spec(&{
                let mut value = json!({ "clusterName": "blue" });
                json_patch::merge(&mut value, &e);
                value
            }))
        });
        if let Some(written) = written {
            assert_eq!(serde_json::to_value(spec(&after)).ok(), written.ok());
        } else {
            assert_eq!(patch, None);
        }
    }

    #[test]
    fn what_a_deployment_says_of_rollouts_and_ill_machines_goes_to_its_pools() {
        check(json!({}), json!({ "remediation": {}, "rollout": { "minReadySeconds": 5 } }), None);
        let in_place = json!({ "rollout": { "strategy": { "type": "InPlace" } } });
        check(in_place.clone(), json!({}), Some(in_place.clone()));
        check(in_place.clone(), in_place.clone(), None);
        let surge = json!({ "rollout": { "strategy": { "rollingUpdate": { "maxSurge": "10%" } } } });
        check(surge.clone(), in_place, Some(surge));
        let ill = json!({ "remediation": { "timeoutSeconds": 300 } });
        check(ill.clone(), json!({ "remediation": { "maxRetry": 1 } }), Some(ill));
    }

    #[test]
    fn what_was_done_on_the_pool_stays() {
        let kept = json!({ "rollout": { "partition": 3, "strategy": { "type": "InPlace" } } });
        check(json!({ "rollout": { "partition": 1, "strategy": { "type": "InPlace" } } }), kept, None);
    }
}
