//! What a person may ask for.

/// What a person asks of a cluster or a pool. Pools are named as their `NodePool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To another version: one pool, or all that the cluster has.
    Upgrade {
        pool: Option<String>,
        version: String,
        /// It does not wait for a maintenance window.
        outside_window: bool,
    },
    /// Every machine by another one.
    Replace {
        pool: String,
        outside_window: bool,
    },
    /// These machines by others.
    ReplaceMachines {
        pool: String,
        machines: Vec<String>,
        outside_window: bool,
    },
    /// Back to the revision before.
    Rollback {
        pool: String,
        outside_window: bool,
    },
    /// Everything stops.
    Pause {
        pool: String,
    },
    Resume {
        pool: String,
    },
    /// Everything stops in all of its pools, whatever they say themselves.
    PauseCluster,
    ResumeCluster,
    /// What is under way is finished, and nothing more is taken away.
    Hold {
        pool: String,
    },
    Unhold {
        pool: String,
    },
    /// What failed is tried again.
    Retry {
        pool: String,
    },
    /// It ends where it is: old machines are kept, and what was not begun on hosts is taken back.
    Abort {
        pool: String,
    },
}

impl Wish {
    /// The pool that it is about; `None` for a whole cluster.
    pub fn pool(&self) -> Option<&str> {
        match self {
            Self::Upgrade { pool, .. } => pool.as_deref(),
            Self::PauseCluster | Self::ResumeCluster => None,
            Self::Replace { pool, .. }
            | Self::ReplaceMachines { pool, .. }
            | Self::Rollback { pool, .. }
            | Self::Pause { pool }
            | Self::Resume { pool }
            | Self::Hold { pool }
            | Self::Unhold { pool }
            | Self::Retry { pool }
            | Self::Abort { pool } => Some(pool),
        }
    }

    /// A person wants it now, whatever the maintenance windows of the cluster say.
    pub fn is_outside_window(&self) -> bool {
        match self {
            Self::Upgrade { outside_window, .. }
            | Self::Replace { outside_window, .. }
            | Self::ReplaceMachines { outside_window, .. }
            | Self::Rollback { outside_window, .. } => *outside_window,
            _ => false,
        }
    }

    /// It disrupts machines, and so it waits for a maintenance window.
    pub fn waits_for_window(&self) -> bool {
        matches!(
            self,
            Self::Upgrade { .. } | Self::Replace { .. } | Self::ReplaceMachines { .. } | Self::Rollback { .. }
        )
    }

    /// The word of the command that asks for it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Upgrade { .. } => "upgrade",
            Self::Replace { .. } | Self::ReplaceMachines { .. } => "replace",
            Self::Rollback { .. } => "rollback",
            Self::Pause { .. } | Self::PauseCluster => "pause",
            Self::Resume { .. } | Self::ResumeCluster => "resume",
            Self::Hold { .. } => "hold",
            Self::Unhold { .. } => "unhold",
            Self::Retry { .. } => "retry",
            Self::Abort { .. } => "abort",
        }
    }
}
