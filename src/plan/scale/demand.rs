//! What is wanted of a pool, as its resource says it or as a dialog asks.

use std::collections::BTreeMap;

use crate::{
    api::{DeletionOrder, NodePool, Role, labels},
    plan::rollout::Target,
};

use super::Revisits;

/// Machines worked on at once when nobody said otherwise.
pub const DEFAULT_PARALLELISM: usize = 30;

/// What is wanted of a pool.
#[derive(Clone, Debug)]
pub struct Demand<'a> {
    pub cluster: &'a str,
    /// Name of the `NodePool`.
    pub pool: &'a str,
    pub role: Role,
    pub replicas: i32,
    /// Labels that a machine must carry to be claimed.
    pub selector: &'a BTreeMap<String, String>,
    pub order: DeletionOrder,
    pub deletion_budget: Option<i32>,
    /// The number of replicas that a person has agreed to, beyond the budget.
    pub approved: Option<i32>,
    /// Nothing may happen.
    pub paused: bool,
    /// Nothing may be taken away.
    pub hold: bool,
    pub parallelism: usize,
    /// How quarantined machines are returned to; a dialog does not ask.
    pub revisits: Option<Revisits>,
    /// What its machines are to become; `None` if their number is all that matters.
    pub rollout: Option<Target<'a>>,
}

impl<'a> Demand<'a> {
    /// What the pool asks for as it stands.
    pub fn of(pool: &'a NodePool) -> Self {
        let annotations = pool.metadata.annotations.as_ref();
        Self {
            cluster: &pool.spec.cluster_name,
            pool: pool.metadata.name.as_deref().unwrap_or_default(),
            role: pool.spec.role,
            replicas: pool.spec.replicas,
            selector: &pool.spec.machine_selector,
            order: pool.spec.deletion_order,
            deletion_budget: pool.spec.deletion_budget,
            approved: annotations.and_then(|a| a.get(labels::APPROVED_REPLICAS)).and_then(|v| v.parse().ok()),
            paused: pool.spec.paused,
            hold: pool.spec.hold,
            parallelism: DEFAULT_PARALLELISM,
            revisits: None,
            rollout: None,
        }
    }

    /// The same pool, asked for another number that nobody has approved yet.
    pub fn with_replicas(self, replicas: i32) -> Self {
        Self { replicas, approved: None, ..self }
    }
}
