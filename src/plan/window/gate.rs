//! Whether a rollout may begin something now: what its planner is told of the windows.

use jiff::Timestamp;

use super::{Window, at};
use crate::api::{ClusterDeployment, NodePool, labels};

/// Longest that anybody sleeps for a window before looking again: timers end at two years, and some windows come on 29
/// February.
const LONGEST_SLEEP_SECONDS: i64 = 30 * 24 * 3600;

/// Whether a rollout may begin something now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    #[default]
    Open,
    Closed {
        opens: Timestamp,
    },
    /// A window cannot be read: nobody knows.
    Invalid,
}

impl Gate {
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// Time alone opens it after so many seconds, rounded up: not a moment too early.
    pub fn opens_after_seconds(self, now: Timestamp) -> Option<i64> {
        let Self::Closed { opens } = self else { return None };
        let left = opens.duration_since(now);
        Some((left.as_secs() + i64::from(left.subsec_nanos() > 0)).min(LONGEST_SLEEP_SECONDS))
    }
}

impl From<&Window> for Gate {
    fn from(window: &Window) -> Self {
        match window {
            Window::Always | Window::Open { .. } => Self::Open,
            Window::Closed { opens } => Self::Closed { opens: *opens },
            Window::Invalid(_) => Self::Invalid,
        }
    }
}

/// Whether the rollout of this pool to this revision may begin something now: the windows of its cluster, unless a person
/// has said that this very rollout need not wait for them.
pub fn gate(deployment: Option<&ClusterDeployment>, pool: &NodePool, revision: &str, now: Timestamp) -> Gate {
    let Some(deployment) = deployment.filter(|_| !is_let_through(pool, revision)) else { return Gate::Open };
    Gate::from(&at(&deployment.spec.maintenance_windows, now))
}

/// A person has said so of this revision; of another one it says nothing.
fn is_let_through(pool: &NodePool, revision: &str) -> bool {
    let said = pool.metadata.annotations.as_ref().and_then(|a| a.get(labels::OUTSIDE_WINDOW));
    said.is_some_and(|all| all.split(',').any(|one| one.trim() == revision))
}
