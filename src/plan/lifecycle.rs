//! What a person asks of a cluster or a pool: what will happen, why it will not, and what is written for it.
//!
//! Dialog, command line and `--dry-run` ask here, and the controllers then take the same steps (`plan::upgrade`,
//! `plan::rollout`).

mod changes;
mod drains;
mod passage;
mod refusal;
mod removed;
mod stage;
mod window;
mod wish;

use jiff::Timestamp;

use super::forecast::{BudgetDemand, Finding};
use crate::api::{Cluster, ClusterDeployment, Machine, NodePool, Operation};

pub use changes::{Author, Change, changes};
pub use refusal::Refusal;
pub use stage::{PoolPreview, StagePreview};
pub use window::WindowPreview;
pub use wish::Wish;

/// What the decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub deployment: &'a ClusterDeployment,
    pub cluster: Option<&'a Cluster>,
    /// All pools of the cluster.
    pub pools: &'a [NodePool],
    /// The members of these pools, and the idle machines of the namespace.
    pub machines: &'a [Machine],
    /// Operations of the cluster.
    pub operations: &'a [Operation],
    pub now: Timestamp,
}

/// What will happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    pub title: String,
    /// In order; each begins when the one before is done.
    pub stages: Vec<StagePreview>,
    /// Machines that will be drained.
    pub machines: i32,
    /// Seconds, typically and if it is slow; `None` without history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<(i64, i64)>,
    /// What a person should know first, in sentences.
    pub warnings: Vec<String>,
    /// What the drains would run into, as far as the cluster was looked at; worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drains: Vec<Finding>,
    /// What they ask of every budget that has pods there; worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetDemand>,
    /// The maintenance windows of the cluster; `None` where it has none, or nothing is disrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowPreview>,
    /// Level of confirmation, 0 to 3.
    pub level: u8,
    /// What is to be typed at level 2 and above.
    pub confirm: String,
}

/// What will happen, or why it will not.
pub fn preview(scene: &Scene, wish: &Wish) -> Result<Preview, Refusal> {
    let mut preview = stage::preview(scene, wish)?;
    (preview.drains, preview.budgets) = drains::meet(scene, wish, &preview);
    preview.window = window::look(scene, wish, &preview);
    preview.warnings.extend(preview.window.as_ref().and_then(|w| w.warning.clone()));
    preview.warnings.extend(removed::warnings(scene, wish));
    Ok(preview)
}

impl<'a> Scene<'a> {
    pub(super) fn cluster_name(&self) -> &'a str {
        self.deployment.metadata.name.as_deref().unwrap_or_default()
    }

    fn pool(&self, name: &str) -> Result<&'a NodePool, Refusal> {
        let found = self.pools.iter().find(|p| p.metadata.name.as_deref() == Some(name));
        found.ok_or_else(|| Refusal::NoPool(name.to_owned()))
    }

    fn members(&self, pool: &'a NodePool) -> impl Iterator<Item = &'a Machine> + use<'a> {
        let (cluster, name) = (&pool.spec.cluster_name, pool.metadata.name.as_deref().unwrap_or_default());
        self.machines.iter().filter(move |m| {
            m.spec.claim_ref.as_ref().is_some_and(|c| c.cluster_name == *cluster && c.pool_name == name)
        })
    }
}

#[cfg(test)]
mod tests;
