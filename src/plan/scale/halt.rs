//! What stands in the way of taking machines away, as a word for conditions and as a sentence for people.

use crate::plan::budget::Budget;

/// What stands in the way of taking machines away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    Paused,
    Hold,
    /// More machines would leave than may without a person's word.
    DeletionBudgetExceeded(Budget),
    /// One member of a control plane leaves at a time, and only while all others are well.
    OneMemberAtATime,
}

impl Halt {
    /// The word for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::Hold => "Hold",
            Self::DeletionBudgetExceeded(_) => "DeletionBudgetExceeded",
            Self::OneMemberAtATime => "OneMemberAtATime",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Self::Paused => "the pool or its cluster is paused".to_owned(),
            Self::Hold => "the pool is on hold: nothing is taken away until the hold is lifted".to_owned(),
            Self::DeletionBudgetExceeded(b) => {
                let away = if b.spent > 0 { format!(", and {} away already", b.spent) } else { String::new() };
                format!(
                    "{} would leave{away}, and {} may without approval: scale again and confirm the number",
                    if b.wanted == 1 { "1 machine".to_owned() } else { format!("{} machines", b.wanted) },
                    b.allowed
                )
            }
            Self::OneMemberAtATime => {
                "another member is leaving or unwell: control plane and etcd shrink by one member at a time".to_owned()
            }
        }
    }
}
