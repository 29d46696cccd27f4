//! One live look at a node: its pods, what protects them, what is attached, and last the node itself.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
};

use crate::{
    api::{DrainLoss, DrainPolicy, DrainStatus, DrainTimeoutAction},
    plan::drain::{
        Circumstances, Sight, Treatment,
        pod::{claims, is_of_daemon_set, losses},
        treatments,
    },
    tenant::{self, Tenant, node::is_cordoned},
};

/// Losses that are written down.
const LISTED: usize = 50;

/// What one look showed.
pub struct Seen {
    pub node: Option<Node>,
    pub pods: Vec<Pod>,
    pub known: Circumstances,
    pub budgets: Vec<PodDisruptionBudget>,
    /// Volumes that are still attached, once the pods are gone.
    pub attached: Vec<String>,
}

impl Seen {
    pub async fn look(
        tenant: &Tenant,
        drain: &DrainStatus,
        policy: &DrainPolicy,
        now: Timestamp,
    ) -> Result<Self, tenant::Error> {
        let pods = tenant.pods_on(&drain.node.name).await?;
        let daemon_sets = if pods.iter().any(is_of_daemon_set) {
            permitted(tenant.daemon_sets().await)?
        } else {
            Some(BTreeSet::new())
        };
        // After the pods: its cordon has to hold after they were counted.
        let node = tenant.node(&drain.node.name, &drain.node.uid).await?;
        let known = Circumstances {
            daemon_sets,
            policy: policy.clone(),
            forced: drain.choice.as_ref().is_some_and(|c| c.choice == DrainTimeoutAction::Force),
            unreachable: node.as_ref().is_some_and(is_unreachable),
        };
        let mut seen = Self { node, pods, known, budgets: Vec::new(), attached: Vec::new() };
        if seen.treatments(now).iter().any(|(_, t)| t.holds_node()) {
            seen.budgets = tenant.budgets().await?;
        } else {
            seen.attached = seen.volumes(tenant).await?;
        }
        Ok(seen)
    }

    /// Volumes that pods which have left leave attached. A node that is gone or does not answer detaches nothing by itself:
    /// there is nothing to wait for.
    async fn volumes(&self, tenant: &Tenant) -> Result<Vec<String>, tenant::Error> {
        let Some(node) = self.node.as_ref().filter(|_| !self.known.unreachable) else { return Ok(Vec::new()) };
        let staying: Vec<String> = self.pods.iter().flat_map(claims).collect();
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let attached = permitted(tenant.volumes_attached(name, &staying).await)?;
        // Where we may not list attachments, the node says it.
        let reported = || node.status.iter().flat_map(|s| s.volumes_attached.iter().flatten()).map(|v| v.name.clone());
        Ok(attached.unwrap_or_else(|| reported().collect()))
    }

    pub fn treatments(&self, now: Timestamp) -> Vec<(&Pod, Treatment)> {
        treatments(&self.pods, &self.known, now)
    }

    /// The numbers that a verdict needs.
    pub fn sight(&self, treated: &[(&Pod, Treatment)], drain: &DrainStatus) -> Sight {
        let any = |wanted: &[Treatment]| treated.iter().any(|(_, t)| wanted.contains(t));
        Sight {
            left: treated.iter().filter(|(_, t)| t.holds_node()).count(),
            movable: any(&[Treatment::Evict, Treatment::Terminating]),
            unasked: drain.blockers.is_empty() && any(&[Treatment::Evict]),
            attached: self.attached.len(),
            cordoned: self.node.as_ref().is_none_or(is_cordoned),
        }
    }

    /// What goes for good with the pods that are to leave. That it cannot be told of volumes is no reason to stop.
    pub async fn losses(&self, tenant: &Tenant, treated: &[(&Pod, Treatment)]) -> Vec<DrainLoss> {
        let leaving: Vec<&Pod> = treated
            .iter()
            .filter(|(_, t)| t.holds_node() && *t != Treatment::Terminating)
            .map(|(pod, _)| *pod)
            .collect();
        let asks = leaving.iter().any(|p| !claims(p).is_empty());
        let local = if asks { tenant.local_claims().await.unwrap_or_default() } else { BTreeSet::new() };
        leaving.iter().flat_map(|p| losses(p, &local)).take(LISTED).collect()
    }

    /// What is said when the receipt is written.
    pub fn receipt(&self, drain: &DrainStatus) -> String {
        let left_behind = self.pods.iter().filter(|p| p.metadata.deletion_timestamp.is_some()).count();
        match (self.known.unreachable, left_behind) {
            (true, 1..) => format!(
                "node {} does not answer: {left_behind} pods were told to go, and nobody can confirm that they have",
                drain.node.name
            ),
            _ => format!("node {} is empty", drain.node.name),
        }
    }
}

/// Nobody on the node answers. `False` is said by a kubelet that lives.
fn is_unreachable(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|s| s.conditions.iter().flatten());
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "Unknown")
}

/// `None` where our account may not ask.
fn permitted<T>(answer: Result<T, tenant::Error>) -> Result<Option<T>, tenant::Error> {
    match answer {
        Err(error) if error.reason() == "Forbidden" => Ok(None),
        answer => answer.map(Some),
    }
}
