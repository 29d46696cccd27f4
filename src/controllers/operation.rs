//! Carries an `Operation` through: reserves its machines, waits until nodes are empty, runs a Job, says how it ended.
//!
//! The Job and its `ConfigMap` have names that follow from the operation and the run, so that a crash between deciding
//! and writing cannot make two. They stay for a while after the end, for the log; then they are cleaned up.

mod launch;

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::{batch::v1::Job, core::v1::ConfigMap},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, ResourceExt,
    api::DeleteParams,
    runtime::{controller::Action, reflector::ObjectRef},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        ClusterDeployment, ConditionStatus, Failure, FailureClass, Machine, MachineReference, MachineSet, NodePool,
        Operation, OperationProgress, OperationState, OperationStatus, StrategyType, condition, labels, set_condition,
    },
    plan::{
        Work,
        machine::drain_skipped,
        operation::{JobState, Situation, Step, next_step},
        rollout::{self, Target},
        state_of,
    },
};

use super::{
    Context, Error, Name, belonging,
    context::{drive, watched},
    finalizer::is_deleting,
    job, machine_claim, node_pool, write,
};

use launch::{Launch, launch};

/// How long Job, pod and log of a finished operation are kept.
const KEEP_LOG: Duration = Duration::from_hours(6);
/// How many failures a status lists.
const FAILURES: usize = 50;

pub async fn run(context: Arc<Context>, cancel: CancellationToken) {
    let controller = context.controller::<Operation>();
    context.metrics.see(controller.store());
    let (for_pools, for_deployments) = (controller.store(), controller.store());
    let open = |o: &Arc<Operation>| !state_of(o).is_final();
    let controller = controller
        .owns(context.all::<Job>(), watched())
        .watches(context.all::<Machine>(), watched(), |machine| {
            let namespace = machine.namespace().unwrap_or_default();
            machine.labels().get(labels::OPERATION).map(|name| ObjectRef::new(name).within(&namespace))
        })
        .watches(context.all::<NodePool>(), watched(), move |pool| {
            let same = |o: &Arc<Operation>| {
                o.spec.pool_name.as_deref() == Some(&pool.name_any()) && o.namespace() == pool.namespace()
            };
            let found = for_pools.state().into_iter().filter(|o| open(o) && same(o));
            found.map(|o| ObjectRef::from_obj(&*o)).collect::<Vec<_>>()
        })
        .watches(context.all::<ClusterDeployment>(), watched(), move |deployment| {
            let same = |o: &Arc<Operation>| {
                o.spec.cluster_name == deployment.name_any() && o.namespace() == deployment.namespace()
            };
            let found = for_deployments.state().into_iter().filter(|o| open(o) && same(o));
            found.map(|o| ObjectRef::from_obj(&*o)).collect::<Vec<_>>()
        });
    drive(controller, reconcile, Name::Operation, context, cancel).await;
}

struct Observed {
    deployment: Option<ClusterDeployment>,
    pool: Option<NodePool>,
    operations: Vec<Operation>,
    /// Those of its machines that exist.
    machines: Vec<Machine>,
    job: JobState,
    /// Seconds until drained machines may be reset; `None` if that hangs on something else.
    reset_in: Option<i64>,
}

async fn reconcile(operation: Arc<Operation>, context: Arc<Context>) -> Result<Action, Error> {
    context.gather().await;
    let api: Api<Operation> = context.api(&operation.namespace().unwrap_or_default());
    let Some(operation) = api.get_opt(&operation.name_any()).await? else { return Ok(Action::await_change()) };
    if operation.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if state_of(&operation).is_final() {
        return finished(&context, &operation).await;
    }
    if belonging::mend_operation(&api, &operation).await? {
        return Ok(Action::await_change());
    }
    let observed = observe(&context, &operation).await?;
    if pass_pause_on(&api, &operation, &observed).await? {
        return Ok(Action::await_change());
    }
    let step = plan(&operation, &observed);
    let (status, action) = act(&context, &operation, &observed, &step).await?;
    report(&context, &operation, &observed, status).await?;
    Ok(action)
}

async fn observe(context: &Context, operation: &Operation) -> Result<Observed, Error> {
    let namespace = operation.namespace().unwrap_or_default();
    // The Job before the machines: what its pod wrote before it ended is then seen. By the name that it has, too, if it was
    // made and that was not written down.
    let status = operation.status.clone().unwrap_or_default();
    let name = status.job_name.unwrap_or_else(|| job::name(operation, status.run.max(1)));
    let job = context.api::<Job>(&namespace).get_opt(&name).await?;
    let job = job.filter(|job| job.owner_references().iter().any(|owner| Some(&owner.uid) == operation.uid().as_ref()));
    let pool = match operation.spec.pool_name.as_deref() {
        Some(name) => context.api(&namespace).get_opt(name).await?,
        None => None,
    };
    let operations: Vec<Operation> =
        context.live(&namespace, &belonging::of_cluster(&operation.spec.cluster_name)).await?;
    Ok(Observed {
        deployment: context.api(&namespace).get_opt(&operation.spec.cluster_name).await?,
        reset_in: reset_in(context, operation, pool.as_ref(), &operations).await?,
        pool,
        operations,
        machines: machines(context, operation).await?,
        job: job.as_ref().map_or(JobState::Absent, job_state),
    })
}

/// How long drained machines have to stand yet: at once free, but for the old pool of a blue-green rollout.
async fn reset_in(
    context: &Context,
    operation: &Operation,
    pool: Option<&NodePool>,
    operations: &[Operation],
) -> Result<Option<i64>, Error> {
    let blue_green = |p: &&NodePool| p.spec.strategy() == StrategyType::BlueGreen && !is_deleting(*p);
    let draining = state_of(operation) == OperationState::Draining && operation.spec.type_.takes_away();
    let Some(pool) = pool.filter(blue_green).filter(|_| draining) else { return Ok(Some(0)) };
    let namespace = pool.namespace().unwrap_or_default();
    let Some(current) = pool.status.as_ref().and_then(|s| s.current_machine_set.as_deref()) else { return Ok(Some(0)) };
    let Some(set) = context.api::<MachineSet>(&namespace).get_opt(current).await? else { return Ok(Some(0)) };
    let machines: Vec<Machine> =
        context.live(&namespace, &belonging::of_pool(&pool.spec.cluster_name, &pool.name_any())).await?;
    let uid = set.uid().unwrap_or_default();
    let target = Target::of(pool, &set.spec.revision, (current, &uid), context.now());
    Ok(rollout::may_reset(&target, &machines, &Work::of(operations)))
}

/// The machines of the operation: those of its pool in one answer, and any that left it meanwhile one by one.
async fn machines(context: &Context, operation: &Operation) -> Result<Vec<Machine>, Error> {
    let namespace = operation.namespace().unwrap_or_default();
    let spec = &operation.spec;
    let selector = match spec.pool_name.as_deref() {
        Some(pool) => belonging::of_pool(&spec.cluster_name, pool),
        None => belonging::of_cluster(&spec.cluster_name),
    };
    let mut found: Vec<Machine> = context.live(&namespace, &selector).await?;
    found.retain(|m| spec.machines.iter().any(|r| Some(&r.uid) == m.metadata.uid.as_ref()));
    for reference in &spec.machines {
        if found.iter().all(|m| m.metadata.uid.as_ref() != Some(&reference.uid)) {
            let other: Option<Machine> = context.api(&namespace).get_opt(&reference.name).await?;
            found.extend(other.filter(|m| m.metadata.uid.as_ref() == Some(&reference.uid)));
        }
    }
    Ok(found)
}

fn job_state(job: &Job) -> JobState {
    let conditions = job.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let ended = |type_: &str| conditions.clone().find(|c| c.type_ == type_ && c.status == "True");
    if ended("Complete").is_some() {
        JobState::Complete
    } else if let Some(failed) = ended("Failed") {
        JobState::Failed(failed.message.clone().or_else(|| failed.reason.clone()).unwrap_or_default())
    } else {
        JobState::Running
    }
}

fn is_paused(operation: &Operation, observed: &Observed) -> bool {
    operation.spec.paused
        || observed.deployment.as_ref().is_some_and(|d| d.spec.paused)
        || observed.pool.as_ref().is_some_and(|p| node_pool::is_paused(p, None))
}

/// A pause of the pool or of the cluster is passed on to the operation, whose executor looks at nothing else, and taken
/// back with it. A pause that a person set on the operation itself stays.
async fn pass_pause_on(api: &Api<Operation>, operation: &Operation, observed: &Observed) -> Result<bool, Error> {
    let above = observed.deployment.as_ref().is_some_and(|d| d.spec.paused)
        || observed.pool.as_ref().is_some_and(|p| node_pool::is_paused(p, None));
    let ours = operation.annotations().contains_key(labels::PAUSED_BY);
    if above && !operation.spec.paused {
        let annotations = json!({ labels::PAUSED_BY: labels::CONTROLLER_MANAGER });
        write::object(
            api,
            operation,
            json!({ "metadata": { "annotations": annotations }, "spec": { "paused": true } }),
        )
        .await?;
        return Ok(true);
    }
    if !above && ours {
        let annotations = json!({ labels::PAUSED_BY: null });
        write::object(
            api,
            operation,
            json!({ "metadata": { "annotations": annotations }, "spec": { "paused": false } }),
        )
        .await?;
        return Ok(true);
    }
    Ok(false)
}

fn plan(operation: &Operation, observed: &Observed) -> Step {
    next_step(&Situation {
        operation,
        machines: &observed.machines,
        work: &Work::of(&observed.operations),
        job: observed.job.clone(),
        paused: is_paused(operation, observed),
        hold: observed.pool.as_ref().is_some_and(|p| p.spec.hold),
        may_reset: observed.reset_in == Some(0),
    })
}

/// Carries the step out and answers the status that follows.
async fn act(
    context: &Context,
    operation: &Operation,
    observed: &Observed,
    step: &Step,
) -> Result<(OperationStatus, Action), Error> {
    let mut status = operation.status.clone().unwrap_or_default();
    let mut action = Action::await_change();
    let run = status.run.max(1);
    match step {
        Step::Wait(why) => {
            status.message = Some(why.clone());
            action = match observed.reset_in {
                Some(seconds @ 1..) => Action::requeue(Duration::from_secs(seconds.unsigned_abs())),
                // Another operation of the pool drains, and does not wake this one.
                None => Action::requeue(Duration::from_secs(5)),
                Some(_) => action,
            };
        }
        Step::Follow => status.message = None,
        Step::Reserve(machines) => {
            status.run = run;
            status.state = Some(OperationState::Pending);
            reserve(context, operation, observed, machines).await?;
            action = Action::requeue(Duration::from_millis(50));
        }
        Step::Drain => {
            (status.state, status.run) = (Some(OperationState::Draining), run);
            status.started_at.get_or_insert(Time(context.now()));
            status.message = None;
        }
        Step::Launch(machines) => match launch(context, operation, observed, machines, run).await? {
            Launch::Done => runs(&mut status, operation, machines.len(), context),
            Launch::NotEmpty(why) => {
                status.message = Some(why);
                action = Action::requeue(Duration::from_secs(1));
            }
        },
        Step::TakeUp => {
            runs(&mut status, operation, observed.machines.len(), context);
            action = Action::requeue(Duration::from_millis(50));
        }
        Step::Finish { state, message } => {
            status.state = Some(*state);
            status.message = Some(message.clone());
            status.finished_at = Some(Time(context.now()));
            add_drain_failures(&mut status, operation, observed);
            action = Action::requeue(KEEP_LOG);
        }
    }
    Ok((status, action))
}

/// There is a Job for so many machines.
fn runs(status: &mut OperationStatus, operation: &Operation, machines: usize, context: &Context) {
    status.run = status.run.max(1);
    status.state = Some(OperationState::Running);
    status.job_name = Some(job::name(operation, status.run));
    status.started_at.get_or_insert(Time(context.now()));
    status.message = None;
    status.progress.get_or_insert(OperationProgress {
        total: i32::try_from(machines).unwrap_or(i32::MAX),
        ..OperationProgress::default()
    });
}

/// Puts our name on the machines, each under the resourceVersion that was read.
async fn reserve(
    context: &Context,
    operation: &Operation,
    observed: &Observed,
    machines: &[MachineReference],
) -> Result<(), Error> {
    let api: Api<Machine> = context.api(&operation.namespace().unwrap_or_default());
    for reference in machines {
        if let Some(machine) = observed.machines.iter().find(|m| m.metadata.uid.as_deref() == Some(&reference.uid)) {
            machine_claim::reserve(&api, machine, &operation.name_any()).await?;
        }
    }
    Ok(())
}

/// The executor never saw the machines whose drain was given up: their failures are ours to add.
fn add_drain_failures(status: &mut OperationStatus, operation: &Operation, observed: &Observed) {
    for machine in observed.machines.iter().filter(|m| drain_skipped(m, operation)) {
        let name = machine.name_any();
        if status.failures.len() < FAILURES && !status.failures.iter().any(|f| f.machine == name) {
            let drain = machine.status.as_ref().and_then(|s| s.drain.as_ref());
            let left = drain.map_or(0, |d| d.pods_left);
            let blocker = drain.and_then(|d| d.blockers.first()).map(|b| format!(" ({}: {})", b.pod, b.message));
            status.failures.push(Failure {
                machine: name,
                phase: Some("Drain".to_owned()),
                step: None,
                class: FailureClass::Drain,
                message: format!(
                    "{left} pods did not leave in time{}: the node stays cordoned; mend it and retry, or uncordon it",
                    blocker.unwrap_or_default()
                ),
            });
        }
    }
}

async fn report(
    context: &Context,
    operation: &Operation,
    observed: &Observed,
    mut status: OperationStatus,
) -> Result<(), Error> {
    let (now, generation) = (context.now(), operation.metadata.generation);
    let before = operation.status.clone().unwrap_or_default();
    status.observed_generation = generation;
    let paused = is_paused(operation, observed);
    let mut say = |type_: &str, status_: ConditionStatus, reason: &str| {
        let message = status.message.clone().unwrap_or_default();
        set_condition(&mut status.conditions, condition(type_, status_, reason, message, generation, now));
    };
    let state = status.state.unwrap_or_default();
    say("Paused", paused.into(), if paused { "Paused" } else { "NotPaused" });
    say("Complete", (state == OperationState::Succeeded).into(), state.as_str());
    say("Failed", (state == OperationState::Failed).into(), state.as_str());
    let api = context.api(&operation.namespace().unwrap_or_default());
    if write::status(&api, operation, &before, &status).await? && before.state != status.state {
        let note = status.message.clone().unwrap_or_else(|| state.as_str().to_owned());
        match state {
            OperationState::Succeeded => context.events.normal(operation, "Succeeded", note).await,
            OperationState::Failed => context.events.warning(operation, "Failed", note).await,
            OperationState::Draining => context.events.normal(operation, "Draining", "nodes are being emptied").await,
            _ => {}
        }
    }
    Ok(())
}

/// An operation that is over: begun again if a person asks for it, cleaned up after a while.
async fn finished(context: &Context, operation: &Operation) -> Result<Action, Error> {
    let status = operation.status.clone().unwrap_or_default();
    let asked = operation.annotations().get(labels::RETRY);
    if state_of(operation) == OperationState::Failed && asked.is_some() && asked != status.observed_retry.as_ref() {
        return retry(context, operation, status, asked.cloned()).await;
    }
    let ended = status.finished_at.as_ref().map_or(context.now(), |t| t.0);
    let age = context.now().duration_since(ended).unsigned_abs();
    if age < KEEP_LOG {
        return Ok(Action::requeue(KEEP_LOG.saturating_sub(age).max(Duration::from_secs(1))));
    }
    clean_up(context, operation, &status).await?;
    Ok(Action::await_change())
}

/// Another run, for the machines that are not done.
async fn retry(
    context: &Context,
    operation: &Operation,
    before: OperationStatus,
    asked: Option<String>,
) -> Result<Action, Error> {
    let mut after = before.clone();
    after.state = Some(OperationState::Pending);
    after.run = before.run.max(1) + 1;
    after.observed_retry = asked;
    (after.job_name, after.finished_at, after.message, after.progress) = (None, None, None, None);
    after.failures.clear();
    write::status(&context.api(&operation.namespace().unwrap_or_default()), operation, &before, &after).await?;
    context.events.normal(operation, "Retried", format!("run {}", after.run)).await;
    Ok(Action::await_change())
}

/// Deletes Jobs, with their pods, and `ConfigMap`s of every run.
async fn clean_up(context: &Context, operation: &Operation, status: &OperationStatus) -> Result<(), Error> {
    let namespace = operation.namespace().unwrap_or_default();
    for run in 1..=status.run {
        let name = job::name(operation, run);
        let jobs: Api<Job> = context.api(&namespace);
        let maps: Api<ConfigMap> = context.api(&namespace);
        gone(jobs.delete(&name, &DeleteParams::background()).await)?;
        gone(maps.delete(&name, &DeleteParams::default()).await)?;
    }
    Ok(())
}

fn gone<T>(result: Result<T, kube::Error>) -> Result<(), Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => Ok(other.map(|_| ())?),
    }
}
