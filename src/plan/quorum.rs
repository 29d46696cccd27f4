//! How many members of a control plane may be away: etcd answers while more than half of its voters do.

/// Voters that have to answer, of so many.
pub fn quorum(voters: i32) -> i32 {
    voters / 2 + 1
}

/// One healthy member may be taken away for good, and the rest keep answering.
///
/// The rule of the Kubernetes control plane provider of Cluster API (`remediation.go`): of the members that will be
/// left, those that are well have to make a quorum.
pub fn may_remove(voters: i32, healthy: i32, victim_is_healthy: bool) -> bool {
    let left = voters - 1;
    left > 0 && healthy - i32::from(victim_is_healthy) >= quorum(left)
}

/// One healthy member may be away for a while, and the rest keep answering.
pub fn may_pause(voters: i32, healthy: i32) -> bool {
    healthy > quorum(voters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_has_to_answer() {
        for (voters, expected) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)] {
            assert_eq!(quorum(voters), expected, "{voters}");
        }
    }

    #[test]
    fn a_member_leaves_only_while_the_rest_is_enough() {
        // voters, healthy, the victim is healthy, allowed
        for (voters, healthy, well, allowed) in [
            (1, 1, true, false),
            (2, 2, true, true),
            (2, 1, false, true),
            (2, 1, true, false),
            (3, 3, true, true),
            (3, 2, true, false),
            (3, 2, false, true),
            (4, 4, true, true),
            (5, 3, true, false),
            (5, 4, true, true),
            (5, 3, false, true),
            (5, 2, false, false),
        ] {
            assert_eq!(may_remove(voters, healthy, well), allowed, "{voters} {healthy} {well}");
        }
    }

    #[test]
    fn a_member_pauses_only_while_the_others_are_enough() {
        for (voters, healthy, allowed) in
            [(1, 1, false), (2, 2, false), (3, 3, true), (3, 2, false), (5, 4, true), (5, 3, false)]
        {
            assert_eq!(may_pause(voters, healthy), allowed, "{voters} {healthy}");
        }
    }
}
