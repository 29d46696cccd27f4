//! What a rollout wants of the nodes themselves, beside draining them: a taint on those that are to give way, and in a
//! blue-green rollout a cordon on all of them before the first is drained.

use super::{Sorted, Target, is_marked};
use crate::{
    api::{Machine, MachineReference, NodeStatus, StrategyType},
    plan::{scale::reference, work::Work},
};

/// What our cordon of a whole old pool is signed with.
pub const SIGN: &str = "rollout";

/// What is to be changed on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is to give way: what leaves another node is not to land on it, if it can be helped.
    Taint,
    Untaint,
    Cordon,
    /// Our own cordon is taken back.
    Uncordon,
}

/// A change on the node of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    pub machine: MachineReference,
    pub change: Change,
}

/// The node as it was last seen, if it is one.
fn node(machine: &Machine) -> Option<&NodeStatus> {
    machine.status.as_ref().and_then(|s| s.node.as_ref()).filter(|n| n.name.is_some() && n.uid.is_some())
}

/// Taints on nodes that give way, as Cluster API has them: put on as a rollout begins, taken off when its end is reached,
/// when it is taken back, and when it is given up.
pub(in crate::plan) fn taints(target: &Target, sorted: &Sorted) -> Vec<Touch> {
    let old = sorted.outdated.iter().filter(|m| !is_marked(m)).count();
    // Once only those are left that a partition keeps, nobody leaves them any more.
    let moves = old > usize::try_from(target.policy.partition()).unwrap_or(0);
    let outdated = sorted.outdated.iter().map(|m| (*m, moves || is_marked(m)));
    let wanted = outdated.chain(sorted.updated.iter().map(|m| (*m, false)));
    let differs = wanted.filter(|(m, wanted)| node(m).is_some_and(|n| n.outdated != *wanted));
    differs
        .map(|(m, wanted)| Touch {
            machine: reference(m),
            change: if wanted { Change::Taint } else { Change::Untaint },
        })
        .collect()
}

/// Of the machines that are about to leave a blue-green rollout, those whose nodes still take pods.
pub(in crate::plan) fn cordons<'a>(leaving: impl Iterator<Item = &'a Machine>) -> Vec<Touch> {
    let open = leaving.filter(|m| node(m).is_some_and(|n| !n.unschedulable));
    open.map(|m| Touch { machine: reference(m), change: Change::Cordon }).collect()
}

/// Nodes that we cordoned for a rollout which does not want them any more.
pub(in crate::plan) fn uncordons(target: &Target, sorted: &Sorted, is_rolling: bool, work: &Work) -> Vec<Touch> {
    let wanted = is_rolling && target.strategy == StrategyType::BlueGreen;
    let kept = sorted.outdated.iter().filter(|_| !wanted);
    let ours = |m: &&&Machine| {
        let signed = node(m).is_some_and(|n| n.unschedulable && n.cordoned_by.as_deref() == Some(SIGN));
        signed && m.spec.maintenance.is_none() && work.under_way(m).is_none()
    };
    let given_back = kept.chain(&sorted.updated).filter(ours);
    given_back.map(|m| Touch { machine: reference(m), change: Change::Uncordon }).collect()
}
