//! Carries out what `plan::scale` says for one set: claims idle machines, starts the operation that makes nodes of them,
//! and the one that takes nodes away.
//!
//! It decides from live lists, and for the whole pool if its revision is the current one (`plan::rollout`).

mod nodes;
mod report;
mod start;

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        ClaimReference, ClusterDeployment, Machine, MachineReference, MachineSet, NodePool, Operation, OperationType,
    },
    plan::{
        rollout::Target,
        scale::{self, Demand, Plan},
        window,
    },
};

use super::{
    Context, Error, Name, belonging,
    context::{drive, watched},
    finalizer::{self, is_deleting},
    machine_claim, node_pool,
};

/// Writes under way at once.
const WRITES: usize = 16;
/// Most machines in one operation: its `ConfigMap` has to stay below 1 MiB.
const MACHINES_PER_OPERATION: usize = 500;

pub async fn run(context: Arc<Context>, cancel: CancellationToken) {
    let controller = context.controller::<MachineSet>();
    let (for_machines, for_pools, for_deployments) = (controller.store(), controller.store(), controller.store());
    let controller = controller
        .watches(context.all::<Machine>(), watched(), move |machine| {
            let namespace = machine.namespace();
            let concerned = |set: &Arc<MachineSet>| match &machine.spec.claim_ref {
                Some(claim) => claim.pool_name == set.spec.pool_name,
                // A free machine concerns the sets that miss some, and the one that has just let it go.
                None => is_deleting(&**set) || set.status.as_ref().is_none_or(|s| s.replicas != set.spec.replicas),
            };
            let sets = for_machines.state().into_iter().filter(|s| s.namespace() == namespace && concerned(s));
            sets.map(|s| ObjectRef::from_obj(&*s)).collect::<Vec<_>>()
        })
        .watches(context.all::<Operation>(), watched(), |operation| {
            let namespace = operation.namespace().unwrap_or_default();
            operation.spec.machine_set.map(|set| ObjectRef::new(&set).within(&namespace))
        })
        .watches(context.all::<NodePool>(), watched(), move |pool| {
            let same = |s: &Arc<MachineSet>| s.spec.pool_name == pool.name_any() && s.namespace() == pool.namespace();
            for_pools.state().into_iter().filter(same).map(|s| ObjectRef::from_obj(&*s)).collect::<Vec<_>>()
        })
        .watches(context.all::<ClusterDeployment>(), watched(), move |deployment| {
            let same = |s: &Arc<MachineSet>| {
                s.spec.cluster_name == deployment.name_any() && s.namespace() == deployment.namespace()
            };
            for_deployments.state().into_iter().filter(same).map(|s| ObjectRef::from_obj(&*s)).collect::<Vec<_>>()
        });
    drive(controller, reconcile, Name::MachineSet, context, cancel).await;
}

struct Observed {
    pool: NodePool,
    deployment: Option<ClusterDeployment>,
    /// Those of the pool, and if it misses some, all.
    machines: Vec<Machine>,
    operations: Vec<Operation>,
}

impl Observed {
    fn machine(&self, reference: &MachineReference) -> Option<&Machine> {
        self.machines.iter().find(|m| m.metadata.uid.as_deref() == Some(&reference.uid))
    }

    fn members<'a>(&'a self, set: &'a MachineSet) -> impl Iterator<Item = &'a Machine> {
        self.machines.iter().filter(|m| {
            let claim = m.spec.claim_ref.as_ref();
            claim.is_some_and(|c| c.pool_name == set.spec.pool_name && c.cluster_name == set.spec.cluster_name)
        })
    }
}

async fn reconcile(set: Arc<MachineSet>, context: Arc<Context>) -> Result<Action, Error> {
    context.gather().await;
    let namespace = set.namespace().unwrap_or_default();
    let sets: Api<MachineSet> = context.api(&namespace);
    let Some(set) = sets.get_opt(&set.name_any()).await? else { return Ok(Action::await_change()) };
    let Some(mut observed) = observe(&context, &set).await? else {
        // Its pool is gone, and with it what there was to do.
        if is_deleting(&set) {
            finalizer::let_go(&sets, &set).await?;
        }
        return Ok(Action::await_change());
    };
    // A set that is deleted by itself leaves its machines to the next set of the pool; with its pool, it empties it first.
    if is_deleting(&set) && (!is_deleting(&observed.pool) || observed.members(&set).next().is_none()) {
        finalizer::let_go(&sets, &set).await?;
        return Ok(Action::await_change());
    }
    if !is_current(&set, &observed.pool) {
        return report::rest(&context, &set, &observed).await;
    }
    let mut plan = plan(&set, &observed, context.now());
    if plan.shortfall > 0 {
        // More are wanted than there are: only now all machines matter, the free ones and any whose labels are wrong.
        observed.machines = context.live(&namespace, "").await?;
        plan = self::plan(&set, &observed, context.now());
    }
    let acted = act(&context, &set, &observed, &plan).await?;
    report::report(&context, &set, &observed, &plan).await?;
    // What was done comes back as an event; a conflict on the way is worth another look soon.
    let wake =
        [plan.rollout.and_then(|r| r.wake_after_seconds), plan.revisit_after_seconds].into_iter().flatten().min();
    Ok(match wake {
        _ if acted.conflicts => Action::requeue(Duration::from_millis(200)),
        _ if acted.again.is_some() => Action::requeue(acted.again.unwrap_or_default()),
        Some(seconds) => Action::requeue(Duration::from_secs(seconds.unsigned_abs().max(1))),
        None => Action::await_change(),
    })
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// The machine is claimed by this very set.
fn claims(set: &MachineSet, machine: &Machine) -> bool {
    machine.spec.claim_ref.as_ref().is_some_and(|c| Some(&c.uid) == set.metadata.uid.as_ref())
}

async fn observe(context: &Context, set: &MachineSet) -> Result<Option<Observed>, Error> {
    let namespace = set.namespace().unwrap_or_default();
    let Some(pool) = context.api::<NodePool>(&namespace).get_opt(&set.spec.pool_name).await? else { return Ok(None) };
    // Operations before machines: a machine that an operation has let go of meanwhile is then only seen too late.
    let operations = context.live(&namespace, &belonging::of_cluster(&set.spec.cluster_name)).await?;
    let machines = context.live(&namespace, &belonging::of_pool(&set.spec.cluster_name, &set.spec.pool_name)).await?;
    let deployment = context.api(&namespace).get_opt(&set.spec.cluster_name).await?;
    Ok(Some(Observed { pool, deployment, machines, operations }))
}

fn plan(set: &MachineSet, observed: &Observed, now: Timestamp) -> Plan {
    let deleting = is_deleting(&observed.pool);
    let demand = Demand {
        replicas: if deleting { 0 } else { set.spec.replicas },
        selector: &set.spec.machine_selector,
        order: set.spec.deletion_order,
        paused: (!deleting && set.spec.replicas != observed.pool.spec.replicas)
            || node_pool::is_paused(&observed.pool, observed.deployment.as_ref()),
        parallelism: observed
            .deployment
            .as_ref()
            .and_then(|d| d.spec.executor.parallelism)
            .map_or(scale::DEFAULT_PARALLELISM, |n| n.unsigned_abs() as usize),
        ..Demand::of(&observed.pool)
    };
    let uid = set.uid().unwrap_or_default();
    let name = set.name_any();
    let gate = window::gate(observed.deployment.as_ref(), &observed.pool, &set.spec.revision, now);
    let target = Target::of(&observed.pool, &set.spec.revision, (&name, &uid), now).within(gate);
    let revisits = scale::Revisits { pause_seconds: observed.pool.spec.drain.timeout_seconds(), now };
    let demand = Demand { rollout: (!deleting).then_some(target), revisits: Some(revisits), ..demand };
    scale::plan(&demand, &observed.machines, &observed.operations)
}

/// The set of the current revision acts for the whole pool; those of older ones only say what they have left.
///
/// Which one that is says the pool controller, and only what it has said of the pool as it is now counts: otherwise a
/// change that lifts a hold and goes back to the revision before would let the abandoned set act on the lifted hold.
fn is_current(set: &MachineSet, pool: &NodePool) -> bool {
    let status = pool.status.as_ref();
    let seen = status.and_then(|s| s.observed_generation) == pool.metadata.generation;
    seen && status.and_then(|s| s.current_machine_set.as_deref()) == Some(&set.name_any())
}

/// What acting came across.
#[derive(Default)]
struct Acted {
    conflicts: bool,
    /// Some nodes could not be reached.
    again: Option<Duration>,
}

async fn act(context: &Context, set: &MachineSet, observed: &Observed, plan: &Plan) -> Result<Acted, Error> {
    let mut acted = Acted::default();
    let Some(deployment) = observed.deployment.as_ref().filter(|_| !matches!(plan.halt, Some(scale::Halt::Paused)))
    else {
        return Ok(acted);
    };
    let machines: Api<Machine> = context.api(&set.namespace().unwrap_or_default());
    acted.conflicts |= each(observed, &plan.releases, |m| machine_claim::release(&machines, m)).await?;
    let claim = ClaimReference {
        name: set.name_any(),
        uid: set.metadata.uid.clone().unwrap_or_default(),
        cluster_name: set.spec.cluster_name.clone(),
        pool_name: set.spec.pool_name.clone(),
        claimed_at: Some(Time(context.now())),
        revision: Some(set.spec.revision.clone()),
        version: set.spec.version.clone(),
    };
    acted.conflicts |= each(observed, &plan.arrived, |m| machine_claim::pass_on(&machines, m, &claim)).await?;
    acted.conflicts |= each(observed, &plan.claims, |m| machine_claim::claim(&machines, m, &claim)).await?;
    acted.again = nodes::touch(context, deployment, observed, &plan.touches).await;
    if !plan.claims.is_empty() {
        // The machines come back claimed, and join one operation together.
        return Ok(acted);
    }
    for machines in plan.joins.chunks(MACHINES_PER_OPERATION) {
        start::start(context, set, observed, plan, OperationType::ScaleUp, machines).await?;
    }
    if plan.halt.is_none() {
        let victims: Vec<_> = plan.victims.iter().map(|v| v.machine.clone()).collect();
        let leaving = if plan.rollout.is_some() { OperationType::Replace } else { OperationType::ScaleDown };
        for machines in victims.chunks(MACHINES_PER_OPERATION) {
            start::start(context, set, observed, plan, leaving, machines).await?;
        }
        for machines in plan.upgrades.chunks(MACHINES_PER_OPERATION) {
            start::start(context, set, observed, plan, OperationType::Upgrade, machines).await?;
        }
    }
    start::again(context, set, observed, &plan.revisits).await?;
    Ok(acted)
}

/// Does `write` to each machine, some at a time. Answers whether any of them had changed meanwhile.
async fn each<'a, F>(
    observed: &'a Observed,
    references: &[MachineReference],
    write: impl Fn(&'a Machine) -> F,
) -> Result<bool, Error>
where
    F: Future<Output = Result<Machine, Error>> + Send + 'a,
{
    let writes: Vec<BoxFuture<'_, _>> = references
        .iter()
        .filter_map(|r| observed.machine(r))
        .map(|machine| {
            let writing = write(machine);
            let checked = async move {
                match writing.await {
                    Ok(_) => Ok(false),
                    Err(error) if error.is_conflict() || error.is_not_found() => Ok(true),
                    Err(error) => Err(error),
                }
            };
            checked.boxed()
        })
        .collect();
    stream::iter(writes).buffer_unordered(WRITES).try_fold(false, async |any, one| Ok(any | one)).await
}
