//! What emptying a set of nodes would run into, told before the first of them is touched.
//!
//! Two pure steps: `observe` sums up live pods and budgets into `api::Disruption`, which controllers publish, and
//! `forecast` simulates the batches over it, in a dialog as well as anywhere else. A budget is counted over all nodes of
//! a batch together: each of five evictions may be allowed alone and all of them not. It forecasts nothing that is
//! not known: pods that move meanwhile, and workloads that recover slowly, make it too good.

mod observe;
mod sentence;

pub use observe::{Observed, observe};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::{
    BudgetStanding, Disruption, DrainLoss, DrainPolicy, EmptyDirData, LossKind, NodeDisruption, UnmanagedPods,
};

/// Names that a finding lists; it counts the others.
const NAMED: usize = 5;

/// What a batch-wise drain of some nodes runs into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Nodes that can be emptied together without asking more of a budget than it allows now.
    pub batches: Vec<Vec<String>>,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Every budget with pods on these nodes, worst first.
    pub budgets: Vec<BudgetDemand>,
    /// Pods that leave, and that stay.
    pub leaving: i32,
    pub staying: i32,
    /// Somebody has counted the pods of the cluster, and nothing was left out.
    pub complete: bool,
}

impl Forecast {
    /// Something will not leave by itself.
    pub fn is_blocked(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Blocks)
    }
}

/// One thing that a person should know before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub severity: Severity,
    pub kind: FindingKind,
    /// The budget, as `namespace/name`, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Pods that it is about, of the nodes in question.
    pub pods: i32,
    /// Those nodes.
    pub nodes: Vec<String>,
    /// What, and the way out.
    pub sentence: String,
}

/// How bad it is; worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Pods will not leave unless somebody changes something.
    Blocks,
    /// Something is lost for good.
    Loses,
    /// It takes longer.
    Slows,
    /// Good to know.
    Notes,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FindingKind {
    /// A budget that can never be satisfied.
    NeverSatisfiable,
    /// Two budgets on one pod.
    ManyBudgets,
    /// A budget that allows none now.
    NoneAllowedNow,
    /// More pods of one budget on a node than it allows at once: they go one after another.
    OneAfterAnother,
    Unmanaged,
    EmptyDirData,
    LocalVolume,
    WaitCompleted,
    /// Pods that stay, of a `DaemonSet` and the like.
    Staying,
    /// Nobody has counted the pods lately, or something was left out.
    Incomplete,
}

/// What a drain asks of one budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetDemand {
    pub effect: Effect,
    /// `namespace/name`.
    pub budget: String,
    /// Disruptions that it allows now.
    pub allowed: i32,
    /// Most of its pods on the nodes of one batch.
    pub in_batch: i32,
    /// Its pods that are healthy, and that there should be.
    pub healthy: i32,
    pub expected: i32,
}

/// What comes of it; worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// It never allows one, or shares pods with another budget.
    Never,
    /// It allows none now.
    Waits,
    /// Fewer than a batch asks for: they go one after another.
    Slows,
    Fine,
}

/// What happens if `nodes` are emptied in this order, `width` at a time.
pub fn forecast(seen: &Disruption, nodes: &[String], width: usize, policy: &DrainPolicy) -> Forecast {
    let batches = batches(&seen.budgets, nodes, width);
    let rows: Vec<&NodeDisruption> = seen.nodes.iter().filter(|n| nodes.contains(&n.name)).collect();
    let mut findings: Vec<Finding> = seen.budgets.iter().filter_map(|b| of_budget(b, nodes)).collect();
    findings.extend(seen.overlaps.iter().filter_map(|overlap| {
        let (nodes, pods) = among(&overlap.nodes, nodes)?;
        let sentence = sentence::overlap(overlap, pods);
        Some(Finding {
            severity: Severity::Blocks,
            kind: FindingKind::ManyBudgets,
            budget: overlap.budgets.first().cloned(),
            pods,
            nodes,
            sentence,
        })
    }));
    findings.extend(of_losses(&rows, policy));
    findings.extend(of_rows(&rows));
    let complete = seen.pods_counted_at.is_some() && !seen.truncated;
    if !complete {
        let sentence = sentence::incomplete(seen);
        findings.push(note(FindingKind::Incomplete, 0, Vec::new(), sentence));
    }
    findings.sort_by(|a, b| (a.severity, a.kind, &a.budget).cmp(&(b.severity, b.kind, &b.budget)));
    let mut budgets: Vec<BudgetDemand> = seen.budgets.iter().filter_map(|b| demand(seen, b, nodes, width)).collect();
    budgets.sort_by(|a, b| (a.effect, &a.budget).cmp(&(b.effect, &b.budget)));
    Forecast {
        batches,
        findings,
        budgets,
        leaving: rows.iter().map(|n| n.leaving).sum(),
        staying: rows.iter().map(|n| n.staying).sum(),
        complete,
    }
}

/// Cuts the nodes, in their order, so that no budget is asked for more than it allows by the nodes of one batch together.
/// A node that asks for more alone goes alone: there the eviction API holds its pods to one after another.
pub fn batches(budgets: &[BudgetStanding], nodes: &[String], width: usize) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut spent: BTreeMap<&str, i32> = BTreeMap::new();
    let mut is_open = false;
    for node in nodes {
        let asks =
            || budgets.iter().filter_map(|b| b.nodes.get(node).map(|pods| (b, *pods))).filter(|(_, pods)| *pods > 0);
        let fits = asks().all(|(b, pods)| spent.get(b.name.as_str()).unwrap_or(&0) + pods <= b.allowed);
        match batches.last_mut() {
            Some(batch) if is_open && fits && batch.len() < width.max(1) => batch.push(node.clone()),
            _ => {
                batches.push(vec![node.clone()]);
                spent.clear();
            }
        }
        is_open = asks().all(|(b, pods)| pods <= b.allowed);
        asks().for_each(|(b, pods)| *spent.entry(&b.name).or_default() += pods);
    }
    batches
}

/// Those of the nodes that have pods of it, and how many pods; `None` if there are none.
fn among(by_node: &BTreeMap<String, i32>, nodes: &[String]) -> Option<(Vec<String>, i32)> {
    let hit: Vec<_> = nodes.iter().filter_map(|n| by_node.get_key_value(n)).filter(|(_, pods)| **pods > 0).collect();
    let pods = hit.iter().map(|(_, pods)| **pods).sum();
    (!hit.is_empty()).then(|| (hit.into_iter().map(|(n, _)| n.clone()).collect(), pods))
}

fn demand(seen: &Disruption, budget: &BudgetStanding, nodes: &[String], width: usize) -> Option<BudgetDemand> {
    let on = |node: &String| budget.nodes.get(node).copied().unwrap_or(0);
    let in_batch = nodes.chunks(width.max(1)).map(|batch| batch.iter().map(on).sum()).max().filter(|pods| *pods > 0)?;
    let shares = seen.overlaps.iter().any(|o| o.budgets.contains(&budget.name) && among(&o.nodes, nodes).is_some());
    let effect = match () {
        () if budget.never.is_some() || shares => Effect::Never,
        () if budget.allowed <= 0 => Effect::Waits,
        () if in_batch > budget.allowed => Effect::Slows,
        () => Effect::Fine,
    };
    let BudgetStanding { allowed, healthy, expected, .. } = *budget;
    Some(BudgetDemand { effect, budget: budget.name.clone(), allowed, in_batch, healthy, expected })
}

fn of_budget(budget: &BudgetStanding, nodes: &[String]) -> Option<Finding> {
    let (nodes, pods) = among(&budget.nodes, nodes)?;
    let most = nodes.iter().filter_map(|n| budget.nodes.get(n)).max().copied().unwrap_or(0);
    let (severity, kind) = if budget.never.is_some() {
        (Severity::Blocks, FindingKind::NeverSatisfiable)
    } else if budget.allowed <= 0 {
        (Severity::Slows, FindingKind::NoneAllowedNow)
    } else if most > budget.allowed {
        (Severity::Slows, FindingKind::OneAfterAnother)
    } else {
        return None;
    };
    let sentence = sentence::budget(budget, kind, most);
    Some(Finding { severity, kind, budget: Some(budget.name.clone()), pods, nodes, sentence })
}

/// One of the numbers of a node.
type Count = fn(&NodeDisruption) -> i32;

/// What is lost, or held back because the policy does not agree to lose it.
fn of_losses(rows: &[&NodeDisruption], policy: &DrainPolicy) -> Vec<Finding> {
    let kinds: [(FindingKind, LossKind, Count, bool); 3] = [
        (FindingKind::Unmanaged, LossKind::Pod, |n| n.unmanaged, policy.unmanaged_pods == UnmanagedPods::Block),
        (FindingKind::EmptyDirData, LossKind::EmptyDir, |n| n.empty_dir, policy.empty_dir_data == EmptyDirData::Block),
        (FindingKind::LocalVolume, LossKind::LocalVolume, |n| n.local_volumes, false),
    ];
    let mut findings = Vec::new();
    for (kind, loss, count, held) in kinds {
        let hit: Vec<_> = rows.iter().filter(|n| count(n) > 0).collect();
        let pods = hit.iter().map(|n| count(n)).sum();
        if pods > 0 {
            let named: Vec<&DrainLoss> =
                hit.iter().flat_map(|n| &n.losses).filter(|l| l.kind == loss).take(NAMED).collect();
            let severity = if held { Severity::Blocks } else { Severity::Loses };
            let nodes = hit.iter().map(|n| n.name.clone()).collect();
            findings.push(Finding {
                severity,
                kind,
                budget: None,
                pods,
                nodes,
                sentence: sentence::loss(kind, pods, &named, held),
            });
        }
    }
    findings
}

/// Pods that are waited for, and that stay.
fn of_rows(rows: &[&NodeDisruption]) -> Vec<Finding> {
    let sum = |count: Count| -> (i32, Vec<String>) {
        let hit: Vec<_> = rows.iter().filter(|n| count(n) > 0).collect();
        (hit.iter().map(|n| count(n)).sum(), hit.iter().map(|n| n.name.clone()).collect())
    };
    let mut findings = Vec::new();
    let (waited, nodes) = sum(|n| n.waited_for);
    if waited > 0 {
        let severity = Severity::Slows;
        let sentence = sentence::waited(waited);
        findings.push(Finding {
            severity,
            kind: FindingKind::WaitCompleted,
            budget: None,
            pods: waited,
            nodes,
            sentence,
        });
    }
    let (staying, nodes) = sum(|n| n.staying);
    if staying > 0 {
        findings.push(note(FindingKind::Staying, staying, nodes, sentence::staying(staying)));
    }
    findings
}

fn note(kind: FindingKind, pods: i32, nodes: Vec<String>, sentence: String) -> Finding {
    Finding { severity: Severity::Notes, kind, budget: None, pods, nodes, sentence }
}

#[cfg(test)]
mod tests;
