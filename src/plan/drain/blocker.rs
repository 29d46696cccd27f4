//! What stands in the way of a drain, as data and as one sentence with the way out.

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::api::{BlockerKind, BudgetStanding, DrainBlocker};

use super::{
    super::disruption::{budgets_of, is_scalable, key, owner, reason, replicas_needed, standing, way_out},
    pod::{Treatment, claims},
};

/// Seconds after the end of its grace period at which a pod counts as stuck.
const STUCK_AFTER_SECS: i64 = 60;
/// Most blockers that are written down.
pub const LISTED: usize = 100;

/// What came of asking a pod in this pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It was not asked: not its turn, or not yet again.
    NotAsked,
    /// It is leaving, or gone.
    Leaving,
    /// In the words of the server.
    Refused(BlockerKind, &'a str),
}

/// What is said of a pod that holds its node and does not leave; `before` is what was said last.
pub fn blocker(
    pod: &Pod,
    treatment: Treatment,
    answer: Answer<'_>,
    budgets: &[PodDisruptionBudget],
    before: Option<&DrainBlocker>,
    now: Timestamp,
) -> Option<DrainBlocker> {
    let of: Vec<BudgetStanding> = budgets_of(pod, budgets).into_iter().map(standing).collect();
    let owner = owner(pod);
    let (kind, message) = match (treatment, answer) {
        (Treatment::Terminating, _) => (BlockerKind::StuckTerminating, stuck(pod, now)?),
        (Treatment::Withheld(kind), _) => (kind, withheld(kind)),
        (Treatment::WaitCompleted, _) => {
            (BlockerKind::WaitCompleted, "it asks to be waited for until it has completed".to_owned())
        }
        (Treatment::Evict, Answer::Refused(kind, said)) => refusal(kind, said, &of, owner.as_deref()),
        // Not asked again yet: what was said still holds, with the numbers of now.
        (Treatment::Evict, Answer::NotAsked) => {
            let before = before?;
            match before.kind {
                BlockerKind::Budget | BlockerKind::NeverSatisfiable => {
                    refusal(BlockerKind::Budget, &before.message, &of, owner.as_deref())
                }
                kind => (kind, before.message.clone()),
            }
        }
        _ => return None,
    };
    let refused = matches!(answer, Answer::Refused(..));
    let named = matches!(kind, BlockerKind::Budget | BlockerKind::NeverSatisfiable | BlockerKind::ManyBudgets);
    let budget = of.first().filter(|_| named);
    let since = budget.and_then(|b| b.since.clone());
    Some(DrainBlocker {
        pod: key(pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref()),
        pod_uid: pod.metadata.uid.clone(),
        kind,
        pdb: budget.map(|b| b.name.clone()),
        disruptions_allowed: budget.map(|b| b.allowed),
        hint: before.filter(|b| b.kind == kind).and_then(|b| b.hint.clone()),
        owner,
        message,
        since: since.or_else(|| before.and_then(|b| b.since.clone())).or(Some(Time(now))),
        refused: before.map_or(0, |b| b.refused).saturating_add(i32::from(refused)),
        last_refused_at: if refused { Some(Time(now)) } else { before.and_then(|b| b.last_refused_at.clone()) },
    })
}

/// A volume that is still attached to the node although its pod is gone.
pub fn attached(volume: &str, before: Option<&DrainBlocker>, now: Timestamp) -> DrainBlocker {
    DrainBlocker {
        pod: format!("volume/{volume}"),
        kind: BlockerKind::VolumeAttached,
        message: "it is still attached to the node: see its VolumeAttachment and the attacher of its CSI driver"
            .to_owned(),
        since: before.and_then(|b| b.since.clone()).or(Some(Time(now))),
        ..DrainBlocker::default()
    }
}

/// What was said last of this very pod.
pub fn before<'a>(last: &'a [DrainBlocker], pod: &Pod) -> Option<&'a DrainBlocker> {
    let name = key(pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref());
    // Written before identities were: the name has to do.
    last.iter().find(|b| b.pod == name && (b.pod_uid.is_none() || b.pod_uid == pod.metadata.uid))
}

/// In the order in which they are listed: what waits for a person first.
pub fn sort(blockers: &mut Vec<DrainBlocker>) {
    blockers.sort_by(|a, b| (!a.kind.is_permanent(), &a.pod).cmp(&(!b.kind.is_permanent(), &b.pod)));
    blockers.truncate(LISTED);
}

/// What would help, in a few words; `autoscaler` is what sets the number of the owner's pods, if something does.
pub fn hint(blocker: &DrainBlocker, budgets: &[PodDisruptionBudget], autoscaler: Option<&str>) -> Option<String> {
    if !wants_hint(blocker) {
        return None;
    }
    let (owner, pdb) = (blocker.owner.as_deref()?, blocker.pdb.as_deref()?);
    let budget = budgets.iter().map(standing).find(|b| b.name == pdb)?;
    if budget.healthy < budget.desired.min(budget.expected) {
        return None;
    }
    let needed = replicas_needed(&budget)?;
    Some(match autoscaler {
        Some(autoscaler) => format!("raise minReplicas of {autoscaler} to {needed}"),
        None => format!("scale {owner} to {needed} (now {})", budget.expected),
    })
}

/// Whether a hint could help, so that it is worth asking who scales the owner.
pub fn wants_hint(blocker: &DrainBlocker) -> bool {
    matches!(blocker.kind, BlockerKind::Budget | BlockerKind::NeverSatisfiable)
        && blocker.owner.as_deref().is_some_and(is_scalable)
}

fn refusal(kind: BlockerKind, said: &str, of: &[BudgetStanding], owner: Option<&str>) -> (BlockerKind, String) {
    match (kind, of) {
        (BlockerKind::ManyBudgets, of) | (BlockerKind::Budget, of @ [_, _, ..]) => {
            let names: Vec<_> = of.iter().map(|b| b.name.as_str()).collect();
            let why = "select it, and Kubernetes evicts no such pod: delete one of them, or narrow its selector";
            (BlockerKind::ManyBudgets, format!("PDBs {} {why}", names.join(" and ")))
        }
        (BlockerKind::Budget, [budget]) => {
            let kind = if budget.never.is_some() { BlockerKind::NeverSatisfiable } else { BlockerKind::Budget };
            (kind, format!("{}: {}", reason(budget), way_out(budget, owner)))
        }
        (BlockerKind::Forbidden, _) => {
            (kind, format!("{said}: the account of the cluster's kubeconfig needs create on pods/eviction"))
        }
        (BlockerKind::NamespaceTerminating, _) => {
            (kind, "its namespace is being deleted, and takes it along".to_owned())
        }
        _ => (kind, said.to_owned()),
    }
}

fn withheld(kind: BlockerKind) -> String {
    match kind {
        BlockerKind::Unmanaged => {
            "no controller would bring it back: delete it by hand, or set spec.drain.unmanagedPods of the pool to Evict"
        }
        _ => {
            "it keeps data in an emptyDir: save it and delete the pod, or set spec.drain.emptyDirData of the pool to Delete"
        }
    }
    .to_owned()
}

/// A pod that is past its grace period by a good while, and what usually holds such a one.
fn stuck(pod: &Pod, now: Timestamp) -> Option<String> {
    let end_of_grace = pod.metadata.deletion_timestamp.as_ref()?.0;
    let late = now.as_second() - end_of_grace.as_second();
    let begun = format!("terminating, and past its grace since {end_of_grace}");
    (late > STUCK_AFTER_SECS).then(|| match (pod.metadata.finalizers.as_deref(), claims(pod).as_slice()) {
        (Some(finalizers @ [_, ..]), _) => {
            format!("{begun}: nobody removes its finalizers ({}); see who set them", finalizers.join(", "))
        }
        (_, [_, ..]) => {
            format!("{begun}: do its volumes unmount ({}), does the kubelet answer?", claims(pod).join(", "))
        }
        _ => format!("{begun}: does the kubelet answer?"),
    })
}

#[cfg(test)]
mod tests;
