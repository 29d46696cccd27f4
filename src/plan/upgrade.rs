//! Which pools of a cluster get which version, and in which order.
//!
//! The control plane goes first, one minor version at a time; before it would leave a kubelet too far behind, the nodes
//! catch up (1.29 to 1.33: control plane 1.30, 1.31, 1.32, nodes 1.32, control plane 1.33, nodes 1.33). What a dialog shows
//! as stages is what the controllers follow: the version that a pool is to have *now* is that of the first stage that is
//! not done.

mod cluster;
mod path;

pub use cluster::{ClusterView, PoolView};
pub use path::{Refusal, Stage, stages};

use super::version::Version;
use crate::api::Role;

/// The version that the pool is to have now: that of the first open stage if it is the pool's, else what it has.
///
/// `Ok(None)`: nothing is known of it yet, as of a pool without machines in a cluster that was never asked; the wanted
/// version is as good as any.
pub fn target_now(cluster: &ClusterView, pool: &str) -> Result<Option<Version>, Refusal> {
    let Some(view) = cluster.pools.iter().find(|p| p.name == pool) else { return Ok(None) };
    let stages = stages(cluster)?;
    let open = stages.first();
    Ok(match open {
        Some(stage) if stage.pools.iter().any(|p| p == pool) => Some(stage.to.clone()),
        Some(_) => view.highest().cloned().or_else(|| view.newcomers(cluster)),
        None => Some(view.wanted(cluster).clone()),
    })
}

/// Why the pool does not go on to the version that is wanted of it; `None` if it may.
pub fn waits_for(cluster: &ClusterView, pool: &str) -> Option<String> {
    let view = cluster.pools.iter().find(|p| p.name == pool)?;
    let stages = match stages(cluster) {
        Ok(stages) => stages,
        Err(refusal) => return Some(refusal.to_string()),
    };
    let open = stages.first()?;
    let mine = stages.iter().any(|s| s.pools.iter().any(|p| p == pool));
    (mine && !open.pools.iter().any(|p| p == pool)).then(|| {
        let go = if open.pools.len() > 1 && open.role == Role::Worker { "go" } else { "goes" };
        format!("{} {go} to {} first, then this pool goes to {}", open.who(), open.to, view.wanted(cluster))
    })
}

#[cfg(test)]
mod tests;
