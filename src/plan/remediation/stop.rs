//! Why ill machines are not replaced, as a word for conditions and as a sentence for people.

/// What keeps ill machines from being replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Paused,
    Hold,
    /// The cluster cannot be asked.
    Unreachable,
    /// More are not well than the policy takes for chance.
    TooMany {
        unhealthy: i32,
        members: i32,
        allowed: i32,
    },
    /// As many as may are being replaced.
    InFlight(i32),
    /// So many replacements in a row did not become Ready.
    Retries(i32),
    /// Another member of the control plane is being changed.
    OneMemberAtATime,
    /// The members that are well would not be enough.
    Quorum {
        members: i32,
        well: i32,
    },
}

/// The reason of a condition is one that does not end by itself: somebody should hear of it.
pub fn needs_a_person(reason: &str) -> bool {
    matches!(reason, "ClusterUnreachable" | "TooManyUnhealthy" | "MaxRetry" | "WouldLoseQuorum")
}

impl Stop {
    /// The word for conditions.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::Hold => "Hold",
            Self::Unreachable => "ClusterUnreachable",
            Self::TooMany { .. } => "TooManyUnhealthy",
            Self::InFlight(_) => "MaxInFlight",
            Self::Retries(_) => "MaxRetry",
            Self::OneMemberAtATime => "OneMemberAtATime",
            Self::Quorum { .. } => "WouldLoseQuorum",
        }
    }

    /// Why, in one sentence, with the way out where there is one.
    pub fn message(self) -> String {
        match self {
            Self::Paused => "the pool or its cluster is paused: nothing is replaced until that ends".to_owned(),
            Self::Hold => "the pool is on hold: nothing is replaced until the hold is lifted".to_owned(),
            Self::Unreachable => "the cluster does not answer, so that nobody can say how its nodes are".to_owned(),
            Self::TooMany { unhealthy, members, allowed } => format!(
                "{unhealthy} of {members} machines are not known to be well, and no more than {allowed} may be: many at once have one cause, so look for that first; remediation.unhealthyLessThanOrEqualTo is the limit"
            ),
            Self::InFlight(n) => {
                format!(
                    "{n} {} being replaced, and remediation.maxInFlight lets no more",
                    if n == 1 { "machine is" } else { "machines are" }
                )
            }
            Self::Retries(n) => format!(
                "{n} replacements in a row did not become Ready: mend what keeps them from it, then retry or replace them; remediation.maxRetry is the limit"
            ),
            Self::OneMemberAtATime => {
                "another member is joining, leaving or being changed: one member at a time".to_owned()
            }
            Self::Quorum { members, well } => format!(
                "{well} of {members} members are well, and without the ill one that is no quorum: bring a member back first"
            ),
        }
    }
}
