//! What a person may ask for.

/// What a person asks of a cluster or a pool. Pools are named as their `NodePool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To another version: one pool, or all that the cluster has.
    Upgrade {
        pool: Option<String>,
        version: String,
    },
    /// Every machine by another one.
    Replace {
        pool: String,
    },
    /// These machines by others.
    ReplaceMachines {
        pool: String,
        machines: Vec<String>,
    },
    /// Back to the revision before.
    Rollback {
        pool: String,
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
            Self::Replace { pool }
            | Self::ReplaceMachines { pool, .. }
            | Self::Rollback { pool }
            | Self::Pause { pool }
            | Self::Resume { pool }
            | Self::Hold { pool }
            | Self::Unhold { pool }
            | Self::Retry { pool }
            | Self::Abort { pool } => Some(pool),
        }
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
