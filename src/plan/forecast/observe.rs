//! Live pods and budgets, summed up for publication: bounded, and saying what was left out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::api::{BudgetOverlap, BudgetStanding, Disruption, LossKind, NodeDisruption};

use super::super::{
    disruption::{budgets_of, key, owner, standing},
    drain::pod::{Circumstances, Treatment, classify, losses},
};

/// Most budgets, nodes and overlaps that are published, and entries of nodes over all budgets together.
const BUDGETS: usize = 100;
const NODES: usize = 500;
const OVERLAPS: usize = 20;
const ENTRIES: usize = 4000;
/// Losses that are named for one node.
const NAMED: usize = 5;

/// What was seen of a cluster, beside its budgets.
#[derive(Debug)]
pub struct Observed<'a> {
    /// Of all nodes; none if nobody asked for them.
    pub pods: Option<&'a [Pod]>,
    /// Identities of the DaemonSets that exist.
    pub daemon_sets: Option<BTreeSet<String>>,
    /// Claims, as `namespace/name`, that are bound to local volumes.
    pub local_claims: BTreeSet<String>,
    pub now: Timestamp,
}

/// Sums up what was seen.
pub fn observe(budgets: &[PodDisruptionBudget], seen: &Observed<'_>) -> Disruption {
    let mut standings: BTreeMap<String, BudgetStanding> =
        budgets.iter().map(standing).map(|s| (s.name.clone(), s)).collect();
    let mut rows: BTreeMap<String, NodeDisruption> = BTreeMap::new();
    let mut overlaps: BTreeMap<Vec<String>, BudgetOverlap> = BTreeMap::new();
    let known = Circumstances { daemon_sets: seen.daemon_sets.clone(), ..Circumstances::default() };
    for pod in seen.pods.into_iter().flatten() {
        let Some(node) = pod.spec.as_ref().and_then(|s| s.node_name.clone()) else { continue };
        let treatment = classify(pod, &known, seen.now);
        let row =
            rows.entry(node.clone()).or_insert_with(|| NodeDisruption { name: node.clone(), ..Default::default() });
        count(row, pod, treatment, &seen.local_claims);
        if matches!(treatment, Treatment::Evict | Treatment::WaitCompleted) {
            touch(&mut standings, &mut overlaps, pod, &node, &budgets_of(pod, budgets));
        }
    }
    let rows: Vec<_> = rows.into_values().filter(|r| r.leaving + r.waited_for > 0).collect();
    let never = standings.values().filter(|s| s.never.is_some()).count();
    bounded(Disruption {
        budgets_total: whole(standings.len()),
        never_satisfiable: whole(never),
        budgets: standings.into_values().collect(),
        pods_counted_at: seen.pods.map(|_| Time(seen.now)),
        nodes_total: whole(rows.len()),
        nodes: rows,
        overlaps: overlaps.into_values().collect(),
        truncated: false,
    })
}

fn count(row: &mut NodeDisruption, pod: &Pod, treatment: Treatment, local: &BTreeSet<String>) {
    match treatment {
        Treatment::Evict | Treatment::Later | Treatment::Withheld(_) => row.leaving += 1,
        Treatment::WaitCompleted => row.waited_for += 1,
        // It leaves without us.
        Treatment::Terminating | Treatment::LeftBehind => return,
        Treatment::DaemonSet | Treatment::Mirror | Treatment::Skipped => {
            row.staying += 1;
            return;
        }
    }
    for loss in losses(pod, local) {
        match loss.kind {
            LossKind::Pod => row.unmanaged += 1,
            LossKind::EmptyDir => row.empty_dir += 1,
            LossKind::LocalVolume => row.local_volumes += 1,
        }
        if row.losses.iter().filter(|l| l.kind == loss.kind).count() < NAMED {
            row.losses.push(loss);
        }
    }
}

/// One pod that would have to leave, in the eyes of the budgets that select it.
fn touch(
    standings: &mut BTreeMap<String, BudgetStanding>,
    overlaps: &mut BTreeMap<Vec<String>, BudgetOverlap>,
    pod: &Pod,
    node: &str,
    of: &[&PodDisruptionBudget],
) {
    if !is_guarded(pod) {
        return;
    }
    let names: Vec<String> =
        of.iter().map(|b| key(b.metadata.namespace.as_deref(), b.metadata.name.as_deref())).collect();
    if names.len() > 1 {
        let pod = key(pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref());
        let new = || BudgetOverlap { budgets: names.clone(), pod, nodes: BTreeMap::new() };
        *overlaps.entry(names.clone()).or_insert_with(new).nodes.entry(node.to_owned()).or_default() += 1;
    }
    for name in &names {
        let Some(budget) = standings.get_mut(name) else { continue };
        // A pod that is not ready asks nothing of a budget that lets such pods go.
        let free = !is_ready(pod)
            && (budget.always_allow_unhealthy || (budget.desired > 0 && budget.healthy >= budget.desired));
        if !free {
            *budget.nodes.entry(node.to_owned()).or_default() += 1;
        }
        if budget.owner.is_none() {
            budget.owner = owner(pod);
        }
    }
}

/// The eviction handler asks no budget about a pod that is pending or over.
fn is_guarded(pod: &Pod) -> bool {
    !matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed" | "Pending"))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Keeps what is worst, and within bounds.
fn bounded(mut seen: Disruption) -> Disruption {
    let badness = |b: &BudgetStanding| (b.never.is_none(), b.allowed, std::cmp::Reverse(b.nodes.values().sum::<i32>()));
    seen.budgets.sort_by(|a, b| (badness(a), &a.name).cmp(&(badness(b), &b.name)));
    let mut entries = 0;
    let kept = seen.budgets.iter().take(BUDGETS).take_while(|b| {
        entries += b.nodes.len();
        entries <= ENTRIES
    });
    let kept = kept.count();
    seen.truncated = kept < seen.budgets.len() || seen.nodes.len() > NODES || seen.overlaps.len() > OVERLAPS;
    seen.budgets.truncate(kept);
    seen.nodes.truncate(NODES);
    seen.overlaps.truncate(OVERLAPS);
    for overlap in &mut seen.overlaps {
        overlap.nodes = std::mem::take(&mut overlap.nodes).into_iter().take(NODES).collect();
    }
    seen
}

fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
