//! One sentence for each finding, with the way out.

use crate::api::{BudgetOverlap, BudgetStanding, Disruption, DrainLoss};

use super::{
    super::disruption::{reason, way_out},
    FindingKind,
};

pub fn budget(budget: &BudgetStanding, kind: FindingKind, most_on_a_node: i32) -> String {
    match kind {
        FindingKind::OneAfterAnother => format!(
            "PDB {} allows {} at once and {most_on_a_node} of its pods are on one node: they go one after another",
            budget.name, budget.allowed
        ),
        _ => format!("{}: {}", reason(budget), way_out(budget, budget.owner.as_deref())),
    }
}

pub fn overlap(overlap: &BudgetOverlap, pods: i32) -> String {
    format!(
        "PDBs {} select the same {} ({}), and Kubernetes evicts no such pod: delete one of them, or narrow its selector",
        overlap.budgets.join(" and "),
        plural(pods, "pod"),
        overlap.pod
    )
}

pub fn loss(kind: FindingKind, pods: i32, named: &[&DrainLoss], held: bool) -> String {
    let names: Vec<_> = named.iter().map(|l| name(l)).collect();
    let more = usize::try_from(pods).unwrap_or(0).saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let list = if names.is_empty() { String::new() } else { format!(" ({}{more})", names.join(", ")) };
    let pods = plural(pods, "pod");
    match (kind, held) {
        (FindingKind::Unmanaged, false) => {
            format!("{pods} without a controller will be lost{list}: make them anew elsewhere first if they matter")
        }
        (FindingKind::Unmanaged, true) => {
            format!("{pods} without a controller will not be evicted{list}: delete them, or set unmanagedPods Evict")
        }
        (FindingKind::EmptyDirData, false) => {
            format!("{pods} will lose the data in emptyDir volumes{list}: save it first if it matters")
        }
        (FindingKind::EmptyDirData, true) => {
            format!(
                "{pods} with data in emptyDir volumes will not be evicted{list}: save it, or set emptyDirData Delete"
            )
        }
        _ => format!(
            "{pods} keep data in local volumes{list}, which goes with the host and which no other node can mount: move it first"
        ),
    }
}

pub fn waited(pods: i32) -> String {
    format!("{} to be waited for until completed: the drain takes that long, or until its deadline", ask(pods))
}

pub fn staying(pods: i32) -> String {
    format!("{} until the node goes: of DaemonSets, mirrors of files, or marked drain=skip", stay(pods))
}

pub fn incomplete(seen: &Disruption) -> String {
    if seen.pods_counted_at.is_none() {
        "the pods of this cluster are not counted yet: which budgets its nodes touch, and what is lost, is not known"
            .to_owned()
    } else {
        format!(
            "only {} of {} budgets and {} of {} nodes were looked at: there may be more",
            seen.budgets.len(),
            seen.budgets_total,
            seen.nodes.len(),
            seen.nodes_total
        )
    }
}

fn name(loss: &DrainLoss) -> String {
    if loss.volumes.is_empty() { loss.pod.clone() } else { format!("{}: {}", loss.pod, loss.volumes.join(" ")) }
}

fn ask(pods: i32) -> String {
    if pods == 1 { "1 pod asks".to_owned() } else { format!("{pods} pods ask") }
}

fn stay(pods: i32) -> String {
    if pods == 1 { "1 pod stays".to_owned() } else { format!("{pods} pods stay") }
}

fn plural(count: i32, word: &str) -> String {
    if count == 1 { format!("{count} {word}") } else { format!("{count} {word}s") }
}
