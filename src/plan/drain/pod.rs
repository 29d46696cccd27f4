//! One pod in the eyes of a drain: does it stay, is it asked, is it waited for, and what is lost with it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use crate::api::{BlockerKind, DrainLoss, DrainPolicy, EmptyDirData, LossKind, UnmanagedPods, labels};

use super::super::disruption::key;

/// What a drain does with one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It stays: its `DaemonSet` would bring it back at once.
    DaemonSet,
    /// It stays: the kubelet runs it from a file.
    Mirror,
    /// It stays: it says so.
    Skipped,
    /// It stays as an object: it was told to go, and nobody on the node answers who could confirm it.
    LeftBehind,
    /// It is on its way out; we wait until the object is gone.
    Terminating,
    /// We wait until it has completed by itself.
    WaitCompleted,
    /// Its turn comes when pods of a lower order are gone.
    Later,
    /// The policy of the pool does not agree to lose it.
    Withheld(BlockerKind),
    /// It is asked to leave.
    Evict,
}

impl Treatment {
    /// The node is not empty while such a pod is there.
    pub fn holds_node(self) -> bool {
        !matches!(self, Self::DaemonSet | Self::Mirror | Self::Skipped | Self::LeftBehind)
    }
}

/// What is known beside the pods, and decides what is done with them.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// Identities of the DaemonSets that exist; `None` if we could not ask, and then all are taken to exist.
    pub daemon_sets: Option<BTreeSet<String>>,
    pub policy: DrainPolicy,
    /// A person chose to force this drain: all that was asked before is agreed to.
    pub forced: bool,
    /// Nobody on the node answers: its Ready condition is Unknown. (False is said by a kubelet that lives, and ends
    /// pods.)
    pub unreachable: bool,
}

/// What is done with each of the pods of a node, in the order that pods ask for.
pub fn treatments<'a>(pods: &'a [Pod], known: &Circumstances, now: Timestamp) -> Vec<(&'a Pod, Treatment)> {
    let mut treated: Vec<_> = pods.iter().map(|p| (p, classify(p, known, now))).collect();
    let lowest = treated.iter().filter(|(_, t)| t.holds_node()).map(|(p, _)| order(p)).min();
    for (pod, treatment) in &mut treated {
        if *treatment == Treatment::Evict && Some(order(pod)) > lowest {
            *treatment = Treatment::Later;
        }
    }
    treated
}

/// What is done with a pod, whatever the others do.
pub fn classify(pod: &Pod, known: &Circumstances, now: Timestamp) -> Treatment {
    if annotation(pod, "kubernetes.io/config.mirror").is_some() {
        return Treatment::Mirror;
    }
    if let Some(end_of_grace) = &pod.metadata.deletion_timestamp {
        let over = now.as_second() - end_of_grace.0.as_second() > 1;
        return if known.unreachable && over { Treatment::LeftBehind } else { Treatment::Terminating };
    }
    let wish = said(pod, labels::DRAIN);
    if wish == Some("skip") {
        return Treatment::Skipped;
    }
    // What has ended loses nothing by going.
    if is_over(pod) {
        return Treatment::Evict;
    }
    let owner = controller(pod);
    if let Some(owner) = owner.filter(|o| o.kind == "DaemonSet") {
        let exists = known.daemon_sets.as_ref().is_none_or(|all| all.contains(&owner.uid));
        return if exists { Treatment::DaemonSet } else { Treatment::Evict };
    }
    if wish == Some("wait-completed") && !known.forced {
        return Treatment::WaitCompleted;
    }
    match known.policy {
        _ if known.forced => Treatment::Evict,
        DrainPolicy { unmanaged_pods: UnmanagedPods::Block, .. } if owner.is_none() => {
            Treatment::Withheld(BlockerKind::Unmanaged)
        }
        DrainPolicy { empty_dir_data: EmptyDirData::Block, .. } if !empty_dirs(pod).is_empty() => {
            Treatment::Withheld(BlockerKind::EmptyDirData)
        }
        _ => Treatment::Evict,
    }
}

/// What goes for good if this pod leaves; `local` are the claims, as `namespace/name`, that are bound to local volumes.
pub fn losses(pod: &Pod, local: &BTreeSet<String>) -> Vec<DrainLoss> {
    if is_over(pod) || annotation(pod, "kubernetes.io/config.mirror").is_some() {
        return Vec::new();
    }
    let name = key(pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref());
    let loss = |kind, volumes| DrainLoss { pod: name.clone(), kind, volumes };
    let mut lost = Vec::new();
    if controller(pod).is_none() {
        lost.push(loss(LossKind::Pod, Vec::new()));
    }
    let empty_dirs = empty_dirs(pod);
    if !empty_dirs.is_empty() {
        lost.push(loss(LossKind::EmptyDir, empty_dirs));
    }
    let on_the_host: Vec<_> = claims(pod).into_iter().filter(|claim| local.contains(claim)).collect();
    if !on_the_host.is_empty() {
        lost.push(loss(LossKind::LocalVolume, on_the_host));
    }
    lost
}

/// The claims that a pod uses, as `namespace/name`.
pub fn claims(pod: &Pod) -> Vec<String> {
    let volumes = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
    let claims = volumes.filter_map(|v| v.persistent_volume_claim.as_ref());
    claims.map(|c| key(pod.metadata.namespace.as_deref(), Some(&c.claim_name))).collect()
}

/// Seconds that a pod asks for to end by itself.
pub fn own_grace_secs(pod: &Pod) -> i64 {
    pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds).unwrap_or(30).max(1)
}

/// It has ended by itself.
pub fn is_over(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

fn empty_dirs(pod: &Pod) -> Vec<String> {
    let volumes = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
    volumes.filter(|v| v.empty_dir.is_some()).map(|v| v.name.clone()).collect()
}

fn order(pod: &Pod) -> i64 {
    said(pod, labels::DRAIN_ORDER).and_then(|o| o.trim().parse().ok()).unwrap_or(0)
}

/// A word that a pod carries as a label or, where that is not set, as an annotation.
fn said<'a>(pod: &'a Pod, word: &str) -> Option<&'a str> {
    let label = pod.metadata.labels.as_ref().and_then(|l| l.get(word)).map(String::as_str);
    label.or_else(|| annotation(pod, word))
}

fn annotation<'a>(pod: &'a Pod, word: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref().and_then(|a| a.get(word)).map(String::as_str)
}

fn controller(pod: &Pod) -> Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference> {
    pod.metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true))
}

/// Whether a pod belongs to a `DaemonSet`, so that it matters which exist.
pub fn is_of_daemon_set(pod: &Pod) -> bool {
    controller(pod).is_some_and(|o| o.kind == "DaemonSet")
}

#[cfg(test)]
mod tests;
