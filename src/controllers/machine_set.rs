//! Carries out what `plan::scale` says for one set: claims idle machines, starts the operation that makes nodes of them,
//! and the one that takes nodes away.
//!
//! It decides from live lists. Operations have names that follow from the machines in them, so that a crash between
//! deciding and writing cannot make two.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, ResourceExt,
    api::PostParams,
    runtime::{controller::Action, reflector::ObjectRef},
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        ClaimReference, ClusterDeployment, ConditionStatus, Machine, MachineReference, MachineSet, MachineSetStatus,
        MachineState, NodePool, Operation, OperationSpec, OperationState, OperationType, RolloutStatus, condition,
        labels, set_condition,
    },
    plan::{
        Work, machine_state_of,
        rollout::{self, Target, moves::Brake},
        scale::{self, Demand, Plan},
        state_of,
    },
};

use super::{
    Context, Error, Name, belonging,
    cluster_deployment::created,
    context::{drive, watched},
    finalizer::{self, is_deleting},
    machine_claim, node_pool, write,
};

/// Writes under way at once.
const WRITES: usize = 16;
/// Versions that a rollout names at most.
const VERSIONS: usize = 8;
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
        return rest(&context, &set, &observed).await;
    }
    let mut plan = plan(&set, &observed, context.now());
    if plan.shortfall > 0 {
        // More are wanted than there are: only now all machines matter, the free ones and any whose labels are wrong.
        observed.machines = context.live(&namespace, "").await?;
        plan = self::plan(&set, &observed, context.now());
    }
    let acted = act(&context, &set, &observed, &plan).await?;
    report(&context, &set, &observed, &plan).await?;
    // What was done comes back as an event; a conflict on the way is worth another look soon.
    let wake = plan.rollout.and_then(|r| r.wake_after_seconds);
    Ok(match wake {
        _ if acted.conflicts => Action::requeue(Duration::from_millis(200)),
        Some(seconds) => Action::requeue(Duration::from_secs(seconds.unsigned_abs().max(1))),
        None => Action::await_change(),
    })
}

/// What a set of an older revision says: how many machines it has left. It decides nothing.
async fn rest(context: &Context, set: &MachineSet, observed: &Observed) -> Result<Action, Error> {
    let mine: Vec<&Machine> = observed.members(set).filter(|m| claims(set, m)).collect();
    let before = set.status.clone().unwrap_or_default();
    let mut after = MachineSetStatus {
        replicas: count(mine.len()),
        ready_replicas: count(mine.iter().filter(|m| machine_state_of(m) == MachineState::Ready).count()),
        observed_generation: set.metadata.generation,
        current_operation: None,
        rollout: None,
        ..before.clone()
    };
    let word = |type_: &str| {
        condition(type_, ConditionStatus::False, "Superseded", "", set.metadata.generation, context.now())
    };
    for type_ in ["ScalingUp", "ScalingDown"] {
        set_condition(&mut after.conditions, word(type_));
    }
    write::status(&context.api(&set.namespace().unwrap_or_default()), set, &before, &after).await?;
    Ok(Action::await_change())
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
    let target = Target::of(&observed.pool, &set.spec.revision, (&name, &uid), now);
    let demand = Demand { rollout: (!deleting).then_some(target), ..demand };
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
}

async fn act(context: &Context, set: &MachineSet, observed: &Observed, plan: &Plan) -> Result<Acted, Error> {
    let mut acted = Acted::default();
    if matches!(plan.halt, Some(scale::Halt::Paused)) || observed.deployment.is_none() {
        return Ok(acted);
    }
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
    if !plan.claims.is_empty() {
        // The machines come back claimed, and join one operation together.
        return Ok(acted);
    }
    for machines in plan.joins.chunks(MACHINES_PER_OPERATION) {
        start(context, set, observed, OperationType::ScaleUp, machines).await?;
    }
    if plan.halt.is_none() {
        let victims: Vec<_> = plan.victims.iter().map(|v| v.machine.clone()).collect();
        let leaving = if plan.rollout.is_some() { OperationType::Replace } else { OperationType::ScaleDown };
        for machines in victims.chunks(MACHINES_PER_OPERATION) {
            start(context, set, observed, leaving, machines).await?;
        }
        for machines in plan.upgrades.chunks(MACHINES_PER_OPERATION) {
            start(context, set, observed, OperationType::Upgrade, machines).await?;
        }
    }
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

/// Creates the operation for these machines, unless it is there.
async fn start(
    context: &Context,
    set: &MachineSet,
    observed: &Observed,
    type_: OperationType,
    machines: &[MachineReference],
) -> Result<(), Error> {
    let operation = operation(set, observed, type_, machines);
    let api: Api<Operation> = context.api(&set.namespace().unwrap_or_default());
    if created(api.create(&PostParams::default(), &operation).await)? {
        let verb = match type_ {
            OperationType::ScaleUp => "joining",
            OperationType::Upgrade => "upgrading",
            _ => "releasing",
        };
        let note = format!("{}: {verb} {}", operation.name_any(), some_names(machines));
        context.events.normal(&observed.pool, type_.as_str(), note).await;
    }
    Ok(())
}

fn operation(set: &MachineSet, observed: &Observed, type_: OperationType, machines: &[MachineReference]) -> Operation {
    let annotation = |key: &str| observed.pool.annotations().get(key).cloned();
    let runbooks = observed.deployment.as_ref().map(|d| d.spec.executor.runbooks.clone()).unwrap_or_default();
    let runbook = match type_ {
        OperationType::ScaleDown | OperationType::Replace => runbooks.reset.unwrap_or_else(|| "node-reset".to_owned()),
        OperationType::Upgrade => runbooks.upgrade.unwrap_or_else(|| "node-upgrade".to_owned()),
        _ => runbooks.join.unwrap_or_else(|| "node-join".to_owned()),
    };
    let mut operation = Operation::new(
        &name(set, observed, type_, machines),
        OperationSpec {
            type_,
            cluster_name: set.spec.cluster_name.clone(),
            pool_name: Some(set.spec.pool_name.clone()),
            machine_set: Some(set.name_any()),
            machines: machines.to_vec(),
            runbook,
            requested_by: annotation(labels::REQUESTED_BY),
            reason: annotation(labels::REASON),
            from_replicas: set.status.as_ref().map(|s| s.replicas),
            to_replicas: Some(node_pool::wanted_replicas(&observed.pool)),
            version: set.spec.version.clone().filter(|_| !type_.takes_away()),
            ..OperationSpec::default()
        },
    );
    // No owner: the record outlives the pool.
    operation.metadata.labels = Some(BTreeMap::from([
        (labels::CLUSTER.to_owned(), set.spec.cluster_name.clone()),
        (labels::POOL.to_owned(), set.spec.pool_name.clone()),
    ]));
    for key in [labels::SIMULATED, labels::ENVIRONMENT] {
        let value = observed.deployment.as_ref().and_then(|d| d.labels().get(key)).cloned();
        operation.labels_mut().extend(value.map(|v| (key.to_owned(), v)));
    }
    operation
}

/// The name follows from the machines and their claims: whoever decides the same again finds it there.
///
/// If an operation of that name is over, the next one is numbered.
fn name(set: &MachineSet, observed: &Observed, type_: OperationType, machines: &[MachineReference]) -> String {
    let mut claims: Vec<String> = machines
        .iter()
        .map(|reference| {
            let claim = observed.machine(reference).and_then(|m| m.spec.claim_ref.as_ref());
            let since = claim.and_then(|c| c.claimed_at.as_ref()).map_or(0, |t| t.0.as_second());
            format!("{}@{since}", reference.uid)
        })
        .collect();
    claims.sort();
    let digest = node_pool::short(&Sha256::digest(claims.join(",")));
    let verb = match type_ {
        OperationType::ScaleDown => "down",
        OperationType::Replace => "replace",
        OperationType::Upgrade => "upgrade",
        _ => "up",
    };
    // It becomes part of the name of a Job, which is a label value: 63 characters, with `op-` and a run.
    let pool: String = set.spec.pool_name.chars().take(31).collect();
    let base = format!("{}-{verb}-{digest}", pool.trim_end_matches(['-', '.']));
    let over = |name: &str| observed.operations.iter().any(|o| o.name_any() == name && state_of(o).is_final());
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !over(name)).unwrap_or(base)
}

fn some_names(machines: &[MachineReference]) -> String {
    let named: Vec<_> = machines.iter().take(5).map(|m| m.name.as_str()).collect();
    match machines.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

async fn report(context: &Context, set: &MachineSet, observed: &Observed, plan: &Plan) -> Result<(), Error> {
    let members: Vec<_> = observed.members(set).collect();
    let ready = members.iter().filter(|m| m.status.as_ref().and_then(|s| s.state) == Some(MachineState::Ready)).count();
    let current = observed
        .operations
        .iter()
        .filter(|o| o.spec.machine_set.as_deref() == Some(&set.name_any()) && !state_of(o).is_final())
        .max_by_key(|o| (o.metadata.creation_timestamp.as_ref().map(|t| t.0), o.name_any()));
    let before = set.status.clone().unwrap_or_default();
    let mut after = MachineSetStatus {
        replicas: i32::try_from(members.len()).unwrap_or(i32::MAX),
        ready_replicas: i32::try_from(ready).unwrap_or(i32::MAX),
        selector: Some(format!("{}={}", labels::POOL, set.spec.pool_name)),
        current_operation: current.map(ResourceExt::name_any),
        observed_generation: set.metadata.generation,
        rollout: rollout_status(set, &members, plan, before.rollout.as_ref(), context.now()),
        ..before.clone()
    };
    for next in conditions(set, observed, plan, &members, context.now()) {
        set_condition(&mut after.conditions, next);
    }
    write::status(&context.api(&set.namespace().unwrap_or_default()), set, &before, &after).await?;
    Ok(())
}

/// Where the rollout stands, with when it began and when it last got on.
fn rollout_status(
    set: &MachineSet,
    members: &[&Machine],
    plan: &Plan,
    before: Option<&RolloutStatus>,
    now: Timestamp,
) -> Option<RolloutStatus> {
    let progress = plan.rollout?;
    let counts = progress.counts;
    let before = before.filter(|b| b.revision == set.spec.revision);
    let versions = members.iter().filter(|m| !claims(set, m) || rollout::is_marked(m)).filter_map(|m| {
        let node = m.status.as_ref().and_then(|s| s.node.as_ref()).and_then(|n| n.kubelet_version.as_deref());
        node.map(|v| v.trim_start_matches('v').to_owned())
    });
    let mut from_versions: Vec<String> = versions.collect();
    from_versions.sort();
    from_versions.dedup();
    from_versions.truncate(VERSIONS);
    let got_on = before.is_none_or(|b| counts.updated_available > b.updated_available);
    Some(RolloutStatus {
        revision: set.spec.revision.clone(),
        version: set.spec.version.clone(),
        from_versions,
        outdated: counts.outdated,
        kept: progress.kept,
        updated: counts.updated,
        updated_available: counts.updated_available,
        in_flight: counts.leaving + counts.upgrading,
        quarantined: progress.quarantined,
        reason: progress.brake.map(|b| b.reason().to_owned()),
        message: progress.brake.map(Brake::message),
        started_at: before.and_then(|b| b.started_at.clone()).or(Some(Time(now))),
        progressed_at: before.and_then(|b| b.progressed_at.clone()).filter(|_| !got_on).or(Some(Time(now))),
    })
}

fn conditions(
    set: &MachineSet,
    observed: &Observed,
    plan: &Plan,
    members: &[&Machine],
    now: Timestamp,
) -> [Condition; 2] {
    use ConditionStatus::{False, True};
    let work = Work::of(&observed.operations);
    let joining = members.iter().filter(|m| !work.is_leaving(m)).filter(|m| {
        let state = m.status.as_ref().and_then(|s| s.state).unwrap_or_default();
        matches!(
            state,
            MachineState::Idle | MachineState::Claimed | MachineState::Provisioning | MachineState::Deployed
        )
    });
    let joining = joining.count() + plan.claims.len();
    let up = if observed.deployment.is_none() {
        (False, "NoClusterDeployment", format!("there is no ClusterDeployment {}", set.spec.cluster_name))
    } else if let Some(message) = plan.shortfall_message() {
        (False, "NotEnoughMachines", message)
    } else if joining > 0 {
        (True, "ScalingUp", format!("{joining} machines are on their way"))
    } else {
        (False, "NotScalingUp", String::new())
    };
    let failed = members.iter().filter(|m| {
        let operation = work.latest(m);
        work.is_leaving(m) && operation.is_some_and(|o| state_of(o) == OperationState::Failed)
    });
    let failed = failed.count();
    let leaving = plan.leaving as usize;
    let down = if let Some(halt) = plan.halt.as_ref().filter(|_| !plan.victims.is_empty()) {
        let message = match halt {
            // Nobody can scale what is being deleted.
            scale::Halt::DeletionBudgetExceeded(budget) if is_deleting(&observed.pool) => {
                format!(
                    "{} machines are to be released: annotate the pool with {}=0",
                    budget.wanted,
                    labels::APPROVED_REPLICAS
                )
            }
            other => other.message(),
        };
        (False, halt.reason(), message)
    } else if failed > 0 && failed == leaving {
        (
            False,
            "ReleaseFailed",
            format!("{failed} machines could not be released: look at their operation and retry it"),
        )
    } else if leaving + plan.victims.len() + plan.waiting.len() > 0 {
        let waiting = plan.waiting.len();
        let waits = if waiting > 0 { format!(", {waiting} after their operation") } else { String::new() };
        (True, "ScalingDown", format!("{} machines are leaving{waits}", leaving + plan.victims.len() + waiting))
    } else {
        (False, "NotScalingDown", String::new())
    };
    [("ScalingUp", up), ("ScalingDown", down)].map(|(type_, (status, reason, message))| {
        condition(type_, status, reason, message, set.metadata.generation, now)
    })
}
