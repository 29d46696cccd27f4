//! How many machines one decision may take away without asking.
//!
//! It is a breaker, not a rate: a slip of the finger, or a controller that is wrong, costs at most this much.

/// The deletion budget of a pool, and how much of it is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Most machines that may be away for our sake.
    pub allowed: i32,
    /// Machines that leave already, or that stay and do not serve, for whatever reason.
    pub spent: i32,
    /// Machines that the decision would take away.
    pub wanted: i32,
    /// A person has agreed to this very number of replicas.
    pub approved: bool,
}

impl Budget {
    /// What a pool of `members` machines allows: what its owner says, else one, or 10 % if that is more.
    pub fn allowance(explicit: Option<i32>, members: usize) -> i32 {
        explicit.unwrap_or_else(|| i32::try_from(members / 10).unwrap_or(i32::MAX).max(1))
    }

    /// The decision has to wait for a person.
    pub fn is_exceeded(&self) -> bool {
        self.wanted > 0 && !self.approved && self.spent.saturating_add(self.wanted) > self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_pool_but_at_least_one() {
        for (explicit, members, allowed) in
            [(None, 0, 1), (None, 19, 1), (None, 20, 2), (None, 400, 40), (Some(3), 400, 3)]
        {
            assert_eq!(Budget::allowance(explicit, members), allowed, "{explicit:?} of {members}");
        }
    }

    #[test]
    fn what_is_away_already_spends_it() {
        let exceeded = |allowed, spent, wanted, approved| Budget { allowed, spent, wanted, approved }.is_exceeded();
        assert!(!exceeded(2, 0, 2, false));
        assert!(exceeded(2, 1, 2, false));
        assert!(!exceeded(2, 1, 2, true));
        assert!(!exceeded(2, 5, 0, false), "nothing wanted, nothing exceeded");
    }
}
