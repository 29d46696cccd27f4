//! One `MachineSet` for a pool, its replicas kept in line, and the sum of it all in the status of the pool.
//!
//! A new template or version makes a new revision, and a set of its own; how machines get from one to the next is the
//! policy of the pool (`plan::rollout`), and when is the order of the cluster (`plan::upgrade`).

mod remediation;
mod revision;

use std::{collections::BTreeMap, sync::Arc};

use kube::{
    Api, Resource, ResourceExt,
    api::PostParams,
    runtime::{controller::Action, reflector::ObjectRef},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        ClusterDeployment, ConditionStatus, Machine, MachineSet, MachineSetSpec, MachineState, NodePool,
        NodePoolStatus, Operation, PoolPhase, condition, condition_status, find_condition, labels, set_condition,
    },
    plan::are,
};

use super::{
    Context, Error, Name, belonging,
    cluster_deployment::created,
    context::{drive, watched},
    finalizer::{self, is_deleting},
    write,
};

pub async fn run(context: Arc<Context>, cancel: CancellationToken) {
    let controller = context.controller::<NodePool>();
    let (pools, for_machines, siblings) = (controller.store(), controller.store(), controller.store());
    let controller = controller
        .owns(context.all::<MachineSet>(), watched())
        // A pool that waits for the control plane goes on when that is done.
        .watches(context.all::<NodePool>(), watched(), move |pool| {
            let waits = |p: &Arc<NodePool>| {
                waits_for_others(p)
                    && p.spec.cluster_name == pool.spec.cluster_name
                    && p.namespace() == pool.namespace()
                    && p.name_any() != pool.name_any()
            };
            siblings.state().into_iter().filter(waits).map(|p| ObjectRef::from_obj(&*p)).collect::<Vec<_>>()
        })
        .watches(context.all::<Machine>(), watched(), move |machine| {
            let namespace = machine.namespace();
            let concerned = |pool: &Arc<NodePool>| match &machine.spec.claim_ref {
                // What kubelets report says whose turn it is, and changes no status but that of their machines.
                Some(claim) if claim.cluster_name == pool.spec.cluster_name => {
                    claim.pool_name == pool.name_any() || waits_for_others(pool)
                }
                Some(_) => false,
                // One that was just let go no longer says by whom.
                None => pool.status.as_ref().is_none_or(|s| s.replicas != wanted_replicas(pool)),
            };
            let found = for_machines.state().into_iter().filter(|p| p.namespace() == namespace && concerned(p));
            found.map(|p| ObjectRef::from_obj(&*p)).collect::<Vec<_>>()
        })
        .watches(context.all::<ClusterDeployment>(), watched(), move |deployment| {
            let same = |p: &Arc<NodePool>| {
                p.spec.cluster_name == deployment.name_any() && p.namespace() == deployment.namespace()
            };
            pools.state().into_iter().filter(same).map(|p| ObjectRef::from_obj(&*p)).collect::<Vec<_>>()
        });
    drive(controller, reconcile, Name::NodePool, context, cancel).await;
}

/// Its turn in the order of the cluster has not come.
fn waits_for_others(pool: &NodePool) -> bool {
    let conditions = pool.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    find_condition(conditions, "UpToDate").is_some_and(|c| c.reason == revision::WAITS)
}

struct Observed {
    deployment: Option<ClusterDeployment>,
    /// What its machines are to become now.
    wanted: revision::Wanted,
    /// The set of the wanted revision.
    set: Option<MachineSet>,
    /// Sets of older revisions, the newest first.
    older: Vec<MachineSet>,
    /// Machines that are claimed for the pool.
    machines: Vec<Machine>,
    /// Operations of the pool.
    operations: Vec<Operation>,
}

async fn reconcile(pool: Arc<NodePool>, context: Arc<Context>) -> Result<Action, Error> {
    context.gather().await;
    let pools: Api<NodePool> = context.api(&pool.namespace().unwrap_or_default());
    let Some(pool) = pools.get_opt(&pool.name_any()).await? else { return Ok(Action::await_change()) };
    if finalizer::hold(&pools, &pool).await? {
        // Our own write wakes us again.
        return Ok(Action::await_change());
    }
    let observed = observe(&context, &pool).await?;
    let care = remediation::look(&context, &pool, &observed).await?;
    if !is_paused(&pool, observed.deployment.as_ref()) {
        act(&context, &pool, &observed).await?;
        if let Some(care) = &care {
            remediation::act(&context, &pool, &observed, care).await?;
        }
    }
    if is_deleting(&pool) && observed.machines.is_empty() {
        finalizer::let_go(&pools, &pool).await?;
        return Ok(Action::await_change());
    }
    report(&context, &pool, &observed, care.as_ref()).await?;
    let wake =
        [observed.wanted.wake_after_seconds, care.and_then(|c| c.wake_after_seconds)].into_iter().flatten().min();
    Ok(wake
        .map_or(Action::await_change(), |s| Action::requeue(std::time::Duration::from_secs(s.unsigned_abs().max(1)))))
}

/// How many machines the pool is to have: one that is deleted is to have none.
pub(super) fn wanted_replicas(pool: &NodePool) -> i32 {
    if is_deleting(pool) { 0 } else { pool.spec.replicas }
}

/// The pool, or the cluster that it belongs to, is to be left alone.
pub(super) fn is_paused(pool: &NodePool, deployment: Option<&ClusterDeployment>) -> bool {
    pool.spec.paused || deployment.is_some_and(|d| d.spec.paused)
}

async fn observe(context: &Context, pool: &NodePool) -> Result<Observed, Error> {
    let namespace = pool.namespace().unwrap_or_default();
    let selector = belonging::of_pool(&pool.spec.cluster_name, &pool.name_any());
    let sets: Vec<MachineSet> = context.live(&namespace, &selector).await?;
    // Operations before machines: one that has let go of a machine meanwhile is then only seen too late.
    let operations = context.live(&namespace, &selector).await?;
    let machines: Vec<Machine> = context.live(&namespace, &selector).await?;
    let mut ours: Vec<_> = sets.into_iter().filter(|s| owned_by(s, pool)).collect();
    ours.sort_by_key(|s| std::cmp::Reverse((s.metadata.creation_timestamp.as_ref().map(|t| t.0), s.name_any())));
    let deployment: Option<ClusterDeployment> = context.api(&namespace).get_opt(&pool.spec.cluster_name).await?;
    let wanted = revision::wanted(context, pool, deployment.as_ref(), &ours).await?;
    let is_wanted = |s: &MachineSet| wanted.is(s, pool) && (is_deleting(pool) || !is_deleting(s));
    let set = match ours.iter().position(is_wanted) {
        Some(at) => Some(ours.remove(at)),
        // One that goes as a whole changes nothing any more: its machines leave under the set that they have.
        None if is_deleting(pool) && !ours.is_empty() => Some(ours.remove(0)),
        None => None,
    };
    let machines = machines.into_iter().filter(|m| is_member(m, pool)).collect();
    Ok(Observed { deployment, wanted, set, older: ours, machines, operations })
}

fn owned_by(set: &MachineSet, pool: &NodePool) -> bool {
    set.owner_references().iter().any(|o| Some(&o.uid) == pool.metadata.uid.as_ref())
}

fn is_member(machine: &Machine, pool: &NodePool) -> bool {
    let claim = machine.spec.claim_ref.as_ref();
    claim.is_some_and(|c| c.pool_name == pool.name_any() && c.cluster_name == pool.spec.cluster_name)
}

async fn act(context: &Context, pool: &NodePool, observed: &Observed) -> Result<(), Error> {
    let namespace = pool.namespace().unwrap_or_default();
    let sets: Api<MachineSet> = context.api(&namespace);
    let Some(set) = &observed.set else {
        if is_deleting(pool) && observed.machines.is_empty() {
            return Ok(());
        }
        let set = new_set(pool, &observed.wanted);
        if created(sets.create(&PostParams::default(), &set).await)? && !observed.older.is_empty() {
            let version = set.spec.version.as_deref().unwrap_or("its version");
            let note = format!("revision {} with Kubernetes {version}", set.spec.revision);
            context.events.normal(pool, "NewRevision", note).await;
        }
        return Ok(());
    };
    revision::tidy(context, pool, &observed.older, &observed.machines).await?;
    let spec = &set.spec;
    let changed = spec.replicas != pool.spec.replicas
        || spec.machine_selector != pool.spec.machine_selector
        || spec.deletion_order != pool.spec.deletion_order;
    if changed && !is_deleting(pool) {
        let mut selector = json!(pool.spec.machine_selector);
        for key in spec.machine_selector.keys().filter(|k| !pool.spec.machine_selector.contains_key(*k)) {
            selector[key] = serde_json::Value::Null;
        }
        let patch = json!({ "spec": {
            "replicas": pool.spec.replicas,
            "machineSelector": selector,
            "deletionOrder": pool.spec.deletion_order,
        }});
        write::object(&sets, set, patch).await?;
    }
    use_up_approval(context, pool, set, observed).await?;
    use_up_passage(context, pool, set, observed).await
}

/// That a rollout need not wait for a maintenance window holds for that rollout: once it is through, the word is taken
/// away, and the machines that somebody marks tomorrow wait for a window.
async fn use_up_passage(
    context: &Context,
    pool: &NodePool,
    set: &MachineSet,
    observed: &Observed,
) -> Result<(), Error> {
    // One that begins at a moment to come is not through.
    if !pool.annotations().contains_key(labels::OUTSIDE_WINDOW) || observed.wanted.wake_after_seconds.is_some() {
        return Ok(());
    }
    let behind = count(observed.machines.len()) - revision::updated(pool, set, &observed.machines);
    if revision::verdict(observed, behind).0 == ConditionStatus::True {
        let patch = json!({ "metadata": { "annotations": { labels::OUTSIDE_WINDOW: null } } });
        write::object(&context.api(&pool.namespace().unwrap_or_default()), pool, patch).await?;
    }
    Ok(())
}

/// An approval holds for one shrink: once that is through, or another number is wanted, it is taken away, so that it
/// cannot let a later shrink pass that nobody looked at.
async fn use_up_approval(
    context: &Context,
    pool: &NodePool,
    set: &MachineSet,
    observed: &Observed,
) -> Result<(), Error> {
    let Some(approved) = pool.annotations().get(labels::APPROVED_REPLICAS) else { return Ok(()) };
    let wanted = wanted_replicas(pool);
    let reached = i32::try_from(observed.machines.len()).is_ok_and(|n| n <= wanted)
        && (is_deleting(pool) || set.spec.replicas == wanted);
    if reached || approved.parse() != Ok(wanted) {
        let patch = json!({ "metadata": { "annotations": { labels::APPROVED_REPLICAS: null } } });
        write::object(&context.api(&pool.namespace().unwrap_or_default()), pool, patch).await?;
    }
    Ok(())
}

fn new_set(pool: &NodePool, wanted: &revision::Wanted) -> MachineSet {
    let (version, revision) = (wanted.version.clone(), wanted.revision.clone());
    let mut set = MachineSet::new(
        &format!("{}-{revision}", pool.name_any()),
        MachineSetSpec {
            cluster_name: pool.spec.cluster_name.clone(),
            pool_name: pool.name_any(),
            revision: revision.clone(),
            role: pool.spec.role,
            replicas: pool.spec.replicas,
            version,
            machine_selector: pool.spec.machine_selector.clone(),
            template: pool.spec.template.clone(),
            deletion_order: pool.spec.deletion_order,
        },
    );
    set.metadata.finalizers = Some(vec![labels::RELEASE_FINALIZER.to_owned()]);
    set.metadata.owner_references = pool.controller_owner_ref(&()).map(|owner| vec![owner]);
    set.metadata.labels = Some(BTreeMap::from([
        (labels::CLUSTER.to_owned(), pool.spec.cluster_name.clone()),
        (labels::POOL.to_owned(), pool.name_any()),
        (labels::REVISION.to_owned(), revision),
    ]));
    set
}

/// The first eight digits: enough to tell the few apart that share a pool.
pub(super) fn short(digest: &[u8]) -> String {
    let first = digest.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    format!("{first:08x}")
}

async fn report(
    context: &Context,
    pool: &NodePool,
    observed: &Observed,
    care: Option<&remediation::Plan>,
) -> Result<(), Error> {
    let before = pool.status.clone().unwrap_or_default();
    let mut after = summary(pool, observed, &before, context.now());
    after.remediation = care.map(remediation::status);
    match care {
        Some(care) => set_condition(&mut after.conditions, remediation::said(care, pool, context.now())),
        None => after.conditions.retain(|c| c.type_ != "Remediating"),
    }
    if write::status(&context.api(&pool.namespace().unwrap_or_default()), pool, &before, &after).await? {
        tell(context, pool, &before, &after).await;
    }
    Ok(())
}

/// The status of the pool, from what its machines and its set say.
fn summary(pool: &NodePool, observed: &Observed, before: &NodePoolStatus, now: jiff::Timestamp) -> NodePoolStatus {
    let generation = pool.metadata.generation;
    let with = |wanted: MachineState| {
        let count =
            observed.machines.iter().filter(|m| m.status.as_ref().and_then(|s| s.state) == Some(wanted)).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let (ready, failed) = (with(MachineState::Ready), with(MachineState::Failed));
    let replicas = i32::try_from(observed.machines.len()).unwrap_or(i32::MAX);
    let paused = is_paused(pool, observed.deployment.as_ref());
    let mut conditions = before.conditions.clone();
    let mut say = |type_: &str, status: ConditionStatus, reason: &str, message: String| {
        set_condition(&mut conditions, condition(type_, status, reason, message, generation, now));
    };
    say("Paused", paused.into(), if paused { "Paused" } else { "NotPaused" }, String::new());
    let wanted = wanted_replicas(pool);
    let enough = ready >= wanted;
    let numbers = format!("{ready} of {wanted} machines are Ready");
    say("Available", enough.into(), if enough { "Available" } else { "NotAvailable" }, numbers.clone());
    if is_deleting(pool) {
        let message = format!(
            "{} to be released first; beyond the deletion budget that waits for the annotation {}=0",
            are(usize::try_from(replicas).unwrap_or(0), "machine"),
            labels::APPROVED_REPLICAS
        );
        say("Deleting", ConditionStatus::True, "Deleting", message);
    }
    let settled = enough && replicas == wanted && failed == 0;
    say("Ready", settled.into(), if settled { "Ready" } else { "NotReady" }, numbers);
    let updated = observed.set.as_ref().map_or(0, |set| revision::updated(pool, set, &observed.machines));
    let (up_to_date, reason, why) = revision::verdict(observed, replicas - updated);
    say("UpToDate", up_to_date, reason, why);
    let rollout = observed.set.as_ref().and_then(|s| s.status.as_ref()).and_then(|s| s.rollout.clone());
    let (rolling, reason, message) = revision::rolling_out(pool, rollout.as_ref(), now);
    say("RollingOut", rolling, reason, message);
    let of_set =
        observed.set.as_ref().and_then(|s| s.status.as_ref()).map(|s| s.conditions.as_slice()).unwrap_or_default();
    for type_ in ["ScalingUp", "ScalingDown"] {
        if let Some(theirs) = find_condition(of_set, type_) {
            let mut ours = theirs.clone();
            ours.observed_generation = generation;
            ours.last_transition_time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now);
            set_condition(&mut conditions, ours);
        }
    }
    NodePoolStatus {
        replicas,
        ready_replicas: ready,
        updated_replicas: updated,
        unavailable_replicas: (wanted - ready).max(0),
        failed_replicas: failed,
        selector: Some(format!("{}={}", labels::POOL, pool.name_any())),
        phase: Some(phase(pool, paused, &conditions, replicas, failed)),
        version: match &observed.set {
            Some(set) => set.spec.version.clone(),
            None => observed.wanted.version.clone(),
        },
        rollout,
        previous_revision: observed.older.iter().find(|s| !is_deleting(*s)).map(revision::previous),
        current_machine_set: observed.set.as_ref().map(ResourceExt::name_any),
        remediation: None,
        observed_generation: generation,
        conditions,
    }
}

/// Reasons with which a set says that it is not scaling because there is nothing to scale, or another one does it.
const AT_REST: [&str; 3] = ["NotScalingUp", "NotScalingDown", "Superseded"];

fn phase(
    pool: &NodePool,
    paused: bool,
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    replicas: i32,
    failed: i32,
) -> PoolPhase {
    let is = |type_| condition_status(conditions, type_) == ConditionStatus::True;
    let blocked = |type_| {
        find_condition(conditions, type_).is_some_and(|c| c.status == "False" && !AT_REST.contains(&c.reason.as_str()))
    };
    if is_deleting(pool) {
        PoolPhase::Deleting
    } else if paused {
        PoolPhase::Paused
    } else if blocked("ScalingUp") || blocked("ScalingDown") {
        PoolPhase::Blocked
    // A surge is no change of size.
    } else if is("RollingOut") {
        PoolPhase::RollingOut
    // The set may not have looked yet.
    } else if is("ScalingDown") || replicas > pool.spec.replicas {
        PoolPhase::ScalingDown
    } else if is("ScalingUp") || replicas < pool.spec.replicas {
        PoolPhase::ScalingUp
    } else if is("Ready") {
        PoolPhase::Ready
    } else if failed > 0 || !is("Available") {
        PoolPhase::Degraded
    } else {
        PoolPhase::Ready
    }
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// What people want to hear of: that a pool got where it should, or that something stands in the way.
async fn tell(context: &Context, pool: &NodePool, before: &NodePoolStatus, after: &NodePoolStatus) {
    let became = |phase| after.phase == Some(phase) && before.phase != Some(phase) && before.phase.is_some();
    if became(PoolPhase::Ready) {
        let ready = usize::try_from(after.ready_replicas).unwrap_or(0);
        context.events.normal(pool, "PoolReady", format!("{} Ready", are(ready, "machine"))).await;
    }
    if became(PoolPhase::Blocked) {
        let why = ["ScalingDown", "ScalingUp"].into_iter().find_map(|type_| {
            find_condition(&after.conditions, type_)
                .filter(|c| c.status == "False" && !AT_REST.contains(&c.reason.as_str()))
        });
        if let Some(why) = why {
            context.events.warning(pool, &why.reason, why.message.clone()).await;
        }
    }
    let care = |status: &NodePoolStatus| find_condition(&status.conditions, "Remediating").cloned();
    let stopped = care(after).filter(|c| remediation::needs_a_person(&c.reason));
    if let Some(stopped) = stopped.filter(|c| care(before).is_none_or(|b| b.reason != c.reason)) {
        context.events.warning(pool, &stopped.reason, stopped.message).await;
    }
}
