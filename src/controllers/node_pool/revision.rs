//! Which revision a pool is to have now, and what is said of the way there.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Preconditions},
};
use serde_json::json;

use super::{Observed, is_deleting, is_paused};
use crate::{
    api::{
        Cluster, ClusterDeployment, ConditionStatus, Machine, MachineSet, NodePool, PreviousRevision, RolloutStatus,
        StrategyType,
    },
    controllers::{Context, Error, belonging, write},
    plan::{
        are,
        rollout::{is_marked, moves::Brake},
        upgrade::{self, ClusterView},
    },
};

/// Reason of a pool whose turn has not come.
pub(super) const WAITS: &str = "WaitingForOtherPools";
/// Sets of older revisions that are kept without machines, to go back to.
const HISTORY: usize = 3;

/// What the machines of a pool are to become now.
pub(super) struct Wanted {
    pub version: Option<String>,
    pub revision: String,
    /// What has to happen first, or why it cannot go on.
    waits: Option<Waits>,
    /// Time alone changes it after so many seconds.
    pub wake_after_seconds: Option<i64>,
}

enum Waits {
    ForOthers(String),
    Refused(String),
}

impl Wanted {
    /// The set makes machines like this. Sets from before versions counted to the revision are known by what they hold.
    pub(super) fn is(&self, set: &MachineSet, pool: &NodePool) -> bool {
        let holds_it = set.spec.template == pool.spec.template && set.spec.version == self.version;
        set.spec.revision == self.revision || (holds_it && pool.spec.rollout.after.is_none())
    }
}

/// What the pool is to become now: its template as it stands, with the version that the order of the cluster allows.
pub(super) async fn wanted(
    context: &Context,
    pool: &NodePool,
    deployment: Option<&ClusterDeployment>,
    sets: &[MachineSet],
) -> Result<Wanted, Error> {
    let asked = pool.spec.version.clone().or_else(|| deployment.map(|d| d.spec.version.clone()));
    // A moment that is still to come makes no revision yet.
    let until = pool.spec.rollout.after.as_ref().map(|Time(at)| at.duration_since(context.now()).as_secs());
    let mut spec = pool.spec.clone();
    spec.rollout.after = spec.rollout.after.filter(|_| until.is_none_or(|s| s <= 0));
    let mut wanted = Wanted {
        revision: spec.revision(asked.as_deref()),
        version: asked,
        waits: None,
        wake_after_seconds: until.filter(|s| *s > 0),
    };
    // Only where something is to change, the rest of the cluster has a say.
    let current =
        sets.iter().find(|s| pool.status.as_ref().is_some_and(|p| p.current_machine_set == Some(s.name_any())));
    let Some(deployment) = deployment else { return Ok(wanted) };
    if current.is_some_and(|c| c.spec.version == wanted.version) || is_deleting(pool) {
        return Ok(wanted);
    }
    let Some(cluster) = look(context, deployment).await? else { return Ok(wanted) };
    let name = pool.name_any();
    let (version, waits) = match upgrade::target_now(&cluster, &name) {
        Ok(version) => (version, upgrade::waits_for(&cluster, &name).map(Waits::ForOthers)),
        Err(refusal) => {
            let stays = current.and_then(|c| c.spec.version.as_deref()).and_then(|v| v.parse().ok());
            (stays, Some(Waits::Refused(refusal.to_string())))
        }
    };
    wanted.version = version.map(|v| v.to_string()).or(wanted.version);
    wanted.revision = spec.revision(wanted.version.as_deref());
    wanted.waits = waits;
    Ok(wanted)
}

async fn look(context: &Context, deployment: &ClusterDeployment) -> Result<Option<ClusterView>, Error> {
    let namespace = deployment.namespace().unwrap_or_default();
    let name = deployment.name_any();
    let selector = belonging::of_cluster(&name);
    let cluster: Option<Cluster> = context.api(&namespace).get_opt(&name).await?;
    let pools: Vec<NodePool> = context.live(&namespace, &selector).await?;
    let machines: Vec<Machine> = context.live(&namespace, &selector).await?;
    Ok(ClusterView::of(deployment, cluster.as_ref(), &pools, &machines))
}

/// Brings the numbers of older sets in line with what they have left, and lets go of those that nobody needs any more.
pub(super) async fn tidy(
    context: &Context,
    pool: &NodePool,
    older: &[MachineSet],
    machines: &[Machine],
) -> Result<(), Error> {
    let sets: Api<MachineSet> = context.api(&pool.namespace().unwrap_or_default());
    let mut empty = 0;
    for set in older.iter().filter(|s| !is_deleting(*s)) {
        let left = machines.iter().filter(|m| claims(set, m)).count();
        let left = i32::try_from(left).unwrap_or(i32::MAX);
        empty += usize::from(left == 0);
        if left == 0 && empty > HISTORY {
            let preconditions = Preconditions { uid: set.metadata.uid.clone(), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
            match sets.delete(&set.name_any(), &parameters).await.map_err(Error::from) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        } else if set.spec.replicas != left {
            write::object(&sets, set, json!({ "spec": { "replicas": left } })).await?;
        }
    }
    Ok(())
}

fn claims(set: &MachineSet, machine: &Machine) -> bool {
    machine.spec.claim_ref.as_ref().is_some_and(|c| Some(&c.uid) == set.metadata.uid.as_ref())
}

/// What one can go back to.
pub(super) fn previous(set: &MachineSet) -> PreviousRevision {
    let spec = &set.spec;
    PreviousRevision { revision: spec.revision.clone(), version: spec.version.clone(), template: spec.template.clone() }
}

/// How many machines are as the set makes them.
pub(super) fn updated(pool: &NodePool, set: &MachineSet, machines: &[Machine]) -> i32 {
    let is_updated = |m: &&Machine| {
        let revision = m.spec.claim_ref.as_ref().and_then(|c| c.revision.as_deref());
        let same = revision.map_or_else(|| claims(set, m), |r| r == set.spec.revision);
        same && (!is_marked(m) || is_deleting(pool))
    };
    i32::try_from(machines.iter().filter(is_updated).count()).unwrap_or(i32::MAX)
}

/// Whether all machines are as they are wanted, and if not why.
pub(super) fn verdict(observed: &Observed, behind: i32) -> (ConditionStatus, &'static str, String) {
    use ConditionStatus::{False, True};
    match &observed.wanted.waits {
        Some(Waits::ForOthers(why)) => (False, WAITS, why.clone()),
        Some(Waits::Refused(why)) => (False, "Refused", why.clone()),
        None if observed.set.is_none() => {
            (False, "NotUpToDate", "the set of the new revision is yet to be made".to_owned())
        }
        None if behind > 0 => {
            let version = observed.wanted.version.as_deref().unwrap_or("its version");
            let machines = are(usize::try_from(behind).unwrap_or(0), "machine");
            (False, "NotUpToDate", format!("{machines} not yet of the revision with Kubernetes {version}"))
        }
        None => (True, "UpToDate", String::new()),
    }
}

/// Whether a rollout is under way, and why it is not faster.
pub(super) fn rolling_out(
    pool: &NodePool,
    rollout: Option<&RolloutStatus>,
    now: Timestamp,
) -> (ConditionStatus, &'static str, String) {
    use ConditionStatus::{False, True};
    let Some(status) = rollout else { return (False, "NotRollingOut", String::new()) };
    let (reason, why) = (status.reason.as_deref(), status.message.clone().unwrap_or_default());
    let numbers =
        format!("{} of {} machines are updated", status.updated_available, status.updated_available + status.outdated);
    let message = if why.is_empty() { numbers.clone() } else { format!("{numbers}; {why}") };
    let deadline = SignedDuration::from_secs(pool.spec.rollout.progress_deadline_seconds());
    let stuck = status.progressed_at.as_ref().is_some_and(|Time(at)| now.duration_since(*at) > deadline);
    if pool.spec.strategy() == StrategyType::OnDelete && status.in_flight == 0 {
        (False, "OnDelete", message)
    } else if is_paused(pool, None) {
        (True, "Paused", message)
    } else if let Some(waits) = [Brake::WINDOW_CLOSED, Brake::WINDOW_INVALID].into_iter().find(|w| Some(*w) == reason) {
        (True, waits, message)
    } else if stuck {
        (True, "ProgressDeadlineExceeded", format!("no progress for {} s: {message}", deadline.as_secs()))
    } else {
        (True, "RollingOut", message)
    }
}
