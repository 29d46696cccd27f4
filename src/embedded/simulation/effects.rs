//! What steps on simulated hosts do to business clusters: joining makes a node appear, a reset takes its kubelet away, an
//! upgrade changes what node and cluster say of their versions.

use std::{collections::HashMap, sync::Arc};

use kube::{Api, Client};

use super::{
    host::Attempt,
    hosts::OnEnd,
    seed::NAMESPACE,
    tenant::{Member, Tenant},
};
use crate::{
    api::{Machine, MachineSet, Operation},
    runbook::wire::Outcome,
};

/// What a step changes outside of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Join,
    Leave,
    UpgradeControlPlane,
    UpgradeKubelet,
}

/// What to do when a step has ended, for these clusters.
pub fn on_end(meta: Client, tenants: &[Tenant]) -> OnEnd {
    let tenants: Arc<HashMap<String, Tenant>> = Arc::new(tenants.iter().map(|t| (t.name.clone(), t.clone())).collect());
    Arc::new(move |machine, attempt| {
        let (meta, tenants) = (meta.clone(), tenants.clone());
        Box::pin(async move {
            let (Some(effect), Some(tenant)) = (effect(&attempt), tenants.get(&attempt.cluster)) else { return };
            match effect {
                Effect::Join => tenant.joined(&member(&meta, &machine, &attempt).await).await,
                Effect::Leave => tenant.left(&machine).await,
                Effect::UpgradeControlPlane => {
                    tenant.control_plane_upgraded(&machine, &target(&meta, &machine, &attempt).await).await;
                }
                Effect::UpgradeKubelet => {
                    tenant.kubelet_upgraded(&machine, &target(&meta, &machine, &attempt).await).await;
                }
            }
        })
    })
}

fn effect(attempt: &Attempt) -> Option<Effect> {
    match (attempt.course.outcome, attempt.phase.as_str()) {
        (Outcome::Done, "Join") if attempt.step.contains("kubeadm join") => Some(Effect::Join),
        (Outcome::Done, "Reset") => Some(Effect::Leave),
        (Outcome::Done, "Upgrade") if attempt.step.contains("control plane") => Some(Effect::UpgradeControlPlane),
        (Outcome::Done, "Kubelet") if attempt.step.contains("restart") => Some(Effect::UpgradeKubelet),
        _ => None,
    }
}

/// The version that an operation brings a machine to: that of the operation if it names one, else that of the set.
async fn target(meta: &Client, machine: &str, attempt: &Attempt) -> String {
    let operations: Api<Operation> = Api::namespaced(meta.clone(), NAMESPACE);
    let operation = operations.get_opt(&attempt.operation).await.ok().flatten();
    match operation.and_then(|o| o.spec.version) {
        Some(version) => version,
        None => member(meta, machine, attempt).await.version,
    }
}

/// The machine as its node will see it, from the set that claimed it.
async fn member(meta: &Client, name: &str, attempt: &Attempt) -> Member {
    let machines: Api<Machine> = Api::namespaced(meta.clone(), NAMESPACE);
    let sets: Api<MachineSet> = Api::namespaced(meta.clone(), NAMESPACE);
    let mut member = Member { machine: name.into(), uid: attempt.machine_uid.clone(), ..Member::default() };
    let Ok(Some(machine)) = machines.get_opt(name).await else { return member };
    member.address = machine.spec.address;
    member.labels = machine.metadata.labels.unwrap_or_default();
    let Some(claim) = machine.spec.claim_ref else { return member };
    if let Ok(Some(set)) = sets.get_opt(&claim.name).await {
        member.template = set.spec.template;
        member.version = set.spec.version.unwrap_or_default();
    }
    member
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::simulation::{
        host::{Decision, Memory, tests::header},
        timing::Pace,
    };

    /// The steps that have an effect are there in the runbooks that are shipped.
    #[test]
    fn the_runbooks_have_the_steps_that_are_looked_for() {
        for (name, expected) in [
            ("node-join", vec![Effect::Join]),
            ("node-reset", vec![Effect::Leave, Effect::Leave]),
            ("node-upgrade", vec![Effect::UpgradeControlPlane, Effect::UpgradeKubelet]),
            ("verify", vec![]),
        ] {
            let book = crate::runbook::parse(crate::runbook::builtin(name).unwrap()).unwrap();
            let pace = Pace { seed: 9, speed: 1.0, fault: 0.0 };
            let steps = book.phases.iter().flat_map(|p| p.steps.iter().map(|s| (p.name(), s.name.value.as_str())));
            let effects = steps.filter_map(|(phase, step)| {
                match Memory::default().decide(&header("m-1", phase, step, 1), &pace, 0) {
                    Decision::Begin(attempt) => effect(&attempt),
                    _ => None,
                }
            });
            assert_eq!(effects.collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn joining_and_resetting_have_effects_and_nothing_else() {
        let check = |phase: &str, step: &str, fault: f64, expected| {
            let pace = Pace { seed: 9, speed: 1.0, fault };
            let decision = Memory::default().decide(&header("m-1", phase, step, 1), &pace, 0);
            let Decision::Begin(attempt) = decision else { panic!("it begins") };
            assert_eq!(effect(&attempt), expected, "{phase}/{step} {:?}", attempt.course);
        };
        check("Join", "kubeadm join", 0.0, Some(Effect::Join));
        check("Join", "clear a half-finished join", 0.0, None);
        check("Reset", "stop kubelet", 0.0, Some(Effect::Leave));
        check("Verify", "kubelet is healthy", 0.0, None);
        check("Upgrade", "control plane of this host", 0.0, Some(Effect::UpgradeControlPlane));
        check("Upgrade", "configuration of kubelet", 0.0, None);
        check("Kubelet", "restart kubelet", 0.0, Some(Effect::UpgradeKubelet));
        check("Kubelet", "enable kubelet", 0.0, None);
    }
}
