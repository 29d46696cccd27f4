//! How many members of a control plane may be away: etcd answers while more than half of its voters do.

use crate::api::{NodePool, Role};

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

/// What a person should know before a control plane gets so many members; `None`: nothing is wrong with that number.
pub fn caution(pool: &NodePool, members: i32) -> Option<String> {
    if pool.spec.role == Role::Worker || members == pool.spec.replicas {
        return None;
    }
    match members - quorum(members) {
        _ if members < 1 => None,
        0 if members == 1 => Some("a control plane of 1: if it fails, nothing answers".to_owned()),
        0 => Some(format!("a control plane of {members}: none of them may fail, or etcd stops")),
        spare if members % 2 == 0 => Some(format!(
            "a control plane of {members} is no safer than one of {}: no more than {spare} of them may fail",
            members - 1
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_loses_safety_or_adds_none_is_said() {
        let check = |role: Role, to: i32, expected: &str| {
            let mut pool = NodePool::new("a", Default::default());
            (pool.spec.role, pool.spec.replicas) = (role, 3);
            assert_eq!(caution(&pool, to).unwrap_or_default(), expected, "{role:?} {to}");
        };
        check(Role::ControlPlane, 0, "");
        check(Role::ControlPlane, 1, "a control plane of 1: if it fails, nothing answers");
        check(Role::ControlPlane, 2, "a control plane of 2: none of them may fail, or etcd stops");
        check(Role::ControlPlane, 3, "");
        check(Role::ControlPlane, 4, "a control plane of 4 is no safer than one of 3: no more than 1 of them may fail");
        check(Role::Etcd, 6, "a control plane of 6 is no safer than one of 5: no more than 2 of them may fail");
        check(Role::ControlPlane, 5, "");
        check(Role::Worker, 2, "");
    }

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
