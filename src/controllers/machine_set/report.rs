//! What a set says of itself: numbers, conditions, and where the rollout to it stands.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{ResourceExt, runtime::controller::Action};

use super::{Observed, claims, count, is_deleting};
use crate::{
    api::{
        ConditionStatus, Machine, MachineSet, MachineSetStatus, MachineState, OperationState, RolloutStatus, condition,
        labels, set_condition,
    },
    controllers::{Context, Error, write},
    plan::{
        Work, are, machine_state_of,
        rollout::{self, moves::Brake},
        scale::{self, Plan},
        state_of,
    },
};

/// Versions that a rollout names at most.
const VERSIONS: usize = 8;

pub(super) async fn report(context: &Context, set: &MachineSet, observed: &Observed, plan: &Plan) -> Result<(), Error> {
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
    // Nobody got on while the window was closed: the clock begins as it opens.
    let has_waited = |b: &RolloutStatus| b.reason.as_deref() == Some(Brake::WINDOW_CLOSED);
    let reason = progress.brake.map(Brake::reason);
    let got_on = before.is_none_or(|b| {
        counts.updated_available > b.updated_available || (has_waited(b) && reason != Some(Brake::WINDOW_CLOSED))
    });
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
        reason: reason.map(str::to_owned),
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
        (
            True,
            "ScalingUp",
            format!("{} on {} way", are(joining, "machine"), if joining == 1 { "its" } else { "their" }),
        )
    } else {
        (False, "NotScalingUp", String::new())
    };
    let failed = members.iter().filter(|m| {
        let operation = work.latest(m);
        work.is_leaving(m) && operation.is_some_and(|o| state_of(o) == OperationState::Failed)
    });
    let failed = failed.count();
    let quarantined = plan.rollout.map_or(0, |r| r.quarantined) as usize;
    let leaving = plan.leaving as usize;
    let down = if let Some(halt) = plan.halt.as_ref().filter(|_| !plan.victims.is_empty()) {
        let message = match halt {
            // Nobody can scale what is being deleted.
            scale::Halt::DeletionBudgetExceeded(budget) if is_deleting(&observed.pool) => {
                let wanted = are(usize::try_from(budget.wanted).unwrap_or(0), "machine");
                format!("{wanted} to be released: annotate the pool with {}=0", labels::APPROVED_REPLICAS)
            }
            other => other.message(),
        };
        (False, halt.reason(), message)
    } else if quarantined > 0 && leaving > 0 && failed == leaving {
        let again = if quarantined == 1 { "it is" } else { "they are" };
        let message = format!(
            "{} in quarantine: {again} drained again when nothing else is left to do",
            are(quarantined, "node")
        );
        (True, "Quarantine", message)
    } else if failed > 0 && failed == leaving {
        (
            False,
            "ReleaseFailed",
            if failed == 1 {
                "1 machine could not be released: look at its operation and retry it".to_owned()
            } else {
                format!("{failed} machines could not be released: look at their operation and retry it")
            },
        )
    } else if leaving + plan.victims.len() + plan.waiting.len() > 0 {
        let waiting = plan.waiting.len();
        let waits = if waiting > 0 { format!(", {waiting} after what is under way") } else { String::new() };
        (True, "ScalingDown", format!("{} leaving{waits}", are(leaving + plan.victims.len() + waiting, "machine")))
    } else {
        (False, "NotScalingDown", String::new())
    };
    [("ScalingUp", up), ("ScalingDown", down)].map(|(type_, (status, reason, message))| {
        condition(type_, status, reason, message, set.metadata.generation, now)
    })
}

/// What a set of an older revision says: how many machines it has left. It decides nothing.
pub(super) async fn rest(context: &Context, set: &MachineSet, observed: &Observed) -> Result<Action, Error> {
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
