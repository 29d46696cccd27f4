//! Tables of steps, and what must hold for all of them.

use proptest::prelude::*;

use super::*;

/// `o3/3 u1/0 l1 d1 i5`: three old machines of which three serve, one new one that does not, one leaving, one of those
/// drained, five idle; `p2` are being upgraded.
fn counts(desired: i32, line: &str) -> Counts {
    let mut counts = Counts { desired, ..Counts::default() };
    for word in line.split_whitespace() {
        let (kind, numbers) = word.split_at(1);
        let (all, well) = numbers.split_once('/').unwrap_or((numbers, "0"));
        let (all, well): (i32, i32) = (all.parse().expect("a number"), well.parse().expect("a number"));
        match kind {
            "o" => (counts.outdated, counts.outdated_available) = (all, well),
            "u" => (counts.updated, counts.updated_available) = (all, well),
            "l" => counts.leaving = all,
            "d" => counts.drained = all,
            "p" => counts.upgrading = all,
            "i" => counts.idle = all,
            other => panic!("{other}"),
        }
    }
    counts
}

fn bounds(strategy: StrategyType, surge: i32, unavailable: i32) -> Bounds {
    Bounds {
        strategy,
        fences: Fences { surge, unavailable, batch: 2 },
        deletions: 10,
        soaked: true,
        ..Bounds::default()
    }
}

/// `+claims`, `~` unavailable and `-` available machines taken away, `^upgrades`, `[brake]`.
fn words(moves: &Moves) -> String {
    let number = |sign: &str, n: i32| (n > 0).then(|| format!("{sign}{n}"));
    let mut words: Vec<String> = Vec::new();
    words.extend(number("+", moves.claim));
    words.extend(number("~", moves.remove_unavailable));
    words.extend(number("-", moves.remove_available));
    words.extend(number("^", moves.upgrade));
    words.extend(moves.brake.map(|b| format!("[{}]", b.reason())));
    words.join(" ")
}

fn check(bounds: Bounds, desired: i32, line: &str, expected: &str) {
    assert_eq!(words(&decide(&counts(desired, line), &bounds)), expected, "{line}");
}

#[test]
fn a_rolling_update_surges_first() {
    let surge = bounds(StrategyType::RollingUpdate, 1, 0);
    check(surge, 3, "o3/3 i5", "+1 [WaitingForNewMachines]");
    check(surge, 3, "o3/3 u1/0 i4", "[WaitingForNewMachines]");
    check(surge, 3, "o3/3 u1/1 i4", "-1 [Limit]");
    check(surge, 3, "o2/2 u1/1 l1 i4", "+1 [WaitingForNewMachines]");
    check(surge, 3, "o1/1 u3/3 i2", "-1");
    check(surge, 3, "u3/3 l1 i2", "");
    check(surge, 3, "o3/3 i0", "[NotEnoughIdleMachines]");
}

#[test]
fn what_may_be_missing_goes_first_without_a_surge() {
    let down = bounds(StrategyType::RollingUpdate, 0, 2);
    check(down, 5, "o5/5 i0", "-2 [Limit]");
    check(down, 5, "o3/3 l2 i0", "[NotEnoughIdleMachines]");
    check(down, 5, "o3/3 i2", "+2 [WaitingForNewMachines]");
    check(down, 5, "o3/3 u2/2 i0", "-2 [Limit]");
}

#[test]
fn unwell_machines_spend_the_budget_and_leave_first() {
    let both = bounds(StrategyType::RollingUpdate, 1, 1);
    check(both, 4, "o4/3 i0", "~1 [NotEnoughIdleMachines]");
    check(both, 4, "o4/2 i0", "~1 [NotEnoughIdleMachines]");
    // A broken template stalls itself: nothing more is taken away than may be missing.
    check(both, 4, "o3/3 u2/0 i9", "[WaitingForNewMachines]");
    check(bounds(StrategyType::RollingUpdate, 1, 0), 4, "o4/3 u1/1 i9", "~1 [UnhealthyMachines]");
}

#[test]
fn the_partition_is_kept() {
    let canary = Bounds { partition: 4, ..bounds(StrategyType::RollingUpdate, 1, 0) };
    check(canary, 5, "o5/5 i9", "+1 [WaitingForNewMachines]");
    check(canary, 5, "o5/5 u1/1 i9", "-1");
    check(canary, 5, "o4/4 u1/1 i9", "");
    check(Bounds { partition: 99, ..canary }, 5, "o5/5 i9", "");
}

#[test]
fn no_more_leave_at_once_than_the_deletion_budget_allows() {
    let wide = Bounds { deletions: 3, ..bounds(StrategyType::RollingUpdate, 10, 0) };
    check(wide, 10, "o10/10 u10/10 i0", "-3 [DeletionBudget]");
    check(wide, 10, "o7/7 u10/10 l3 i0", "[DeletionBudget]");
}

#[test]
fn hold_stops_disruption_and_nothing_else() {
    let held = Bounds { hold: true, ..bounds(StrategyType::RollingUpdate, 1, 0) };
    check(held, 3, "o3/3 i5", "+1 [WaitingForNewMachines]");
    check(held, 3, "o3/3 u1/1 i4", "[Hold]");
    check(Bounds { hold: true, ..bounds(StrategyType::InPlace, 0, 1) }, 3, "o3/3", "[Hold]");
}

#[test]
fn a_control_plane_changes_by_one_member_while_all_others_are_well() {
    let members = Bounds { one_at_a_time: true, ..bounds(StrategyType::RollingUpdate, 3, 0) };
    check(members, 3, "o3/3 i5", "+1 [WaitingForNewMachines]");
    check(members, 3, "o3/3 u3/3 i5", "-1 [OneMemberAtATime]");
    check(members, 3, "o2/2 u3/3 l1 i5", "[OneMemberAtATime]");
    check(members, 3, "o3/2 u1/1 i5", "~1 [OneMemberAtATime]");
    let alone = Bounds { one_at_a_time: true, ..bounds(StrategyType::RollingUpdate, 0, 1) };
    check(alone, 1, "o1/1 i5", "[OneMemberAtATime]");
    check(Bounds { fences: Fences { surge: 1, ..alone.fences }, ..alone }, 1, "o1/1 i5", "+1 [WaitingForNewMachines]");
    let in_place = Bounds { one_at_a_time: true, ..bounds(StrategyType::InPlace, 0, 3) };
    check(in_place, 3, "o3/3", "^1 [OneMemberAtATime]");
    check(in_place, 3, "o3/2 p1", "[OneMemberAtATime]");
    check(in_place, 3, "o2/1 u1/1", "[UnhealthyMachines]");
    check(in_place, 1, "o1/1", "^1");
}

#[test]
fn a_blue_green_rollout_stands_twice_before_anything_leaves() {
    let twice = bounds(StrategyType::BlueGreen, 0, 0);
    check(twice, 4, "o4/4 i9", "+4 [WaitingForNewMachines]");
    check(twice, 4, "o4/4 i3", "+3 [NotEnoughIdleMachines]");
    check(twice, 4, "o4/4 u4/3 i5", "[WaitingForNewMachines]");
    check(Bounds { soaked: false, ..twice }, 4, "o4/4 u4/4 i5", "[Soaking]");
    check(twice, 4, "o4/4 u4/4 i5", "-2 [Soaking]");
    check(twice, 4, "o2/2 u4/4 l2 i5", "[WaitingForMachines]");
    check(twice, 4, "o2/2 u4/4 l2 d2 i5", "-2");
    check(twice, 4, "u4/4 l4 d4 i5", "");
}

#[test]
fn machines_in_place_are_upgraded_as_many_as_may_be_missing() {
    let two = bounds(StrategyType::InPlace, 0, 2);
    check(two, 5, "o5/5", "^2 [WaitingForMachines]");
    check(two, 5, "o5/3 p2", "[WaitingForMachines]");
    check(two, 5, "o4/4 u1/1", "^2 [WaitingForMachines]");
    check(two, 5, "o5/4", "^1 [WaitingForMachines]");
    check(two, 5, "o5/3", "[UnhealthyMachines]");
    check(two, 5, "o3/3 i4", "+2 [Limit]");
    check(two, 5, "o1/1 u4/4", "^1");
}

fn any_strategy() -> impl Strategy<Value = StrategyType> {
    prop::sample::select(vec![StrategyType::RollingUpdate, StrategyType::InPlace, StrategyType::BlueGreen])
}

prop_compose! {
    fn any_counts()(
        desired in 0..40i32, outdated in 0..40i32, updated in 0..40i32, well in 0.0..1.0f64, new_well in 0.0..1.0f64,
        upgrading in 0.0..1.0f64, leaving in 0..10i32, drained in 0.0..1.0f64,
        quarantined in 0.0..1.0f64, idle in 0..50i32,
    ) -> Counts {
        let part = |share: f64, of: i32| (share * f64::from(of + 1)) as i32;
        let outdated_available = part(well, outdated).min(outdated);
        Counts {
            desired, outdated, outdated_available, updated,
            upgrading: part(upgrading, outdated - outdated_available).min(outdated - outdated_available),
            updated_available: part(new_well, updated).min(updated),
            leaving, drained: part(drained, leaving).min(leaving), quarantined: part(quarantined, leaving).min(leaving), idle,
        }
    }
}

prop_compose! {
    fn any_bounds()(
        strategy in any_strategy(), surge in 0..10i32, unavailable in 0..10i32, batch in 1..9i32,
        partition in 0..10i32, deletions in 1..20i32, one_at_a_time: bool, soaked: bool, hold: bool,
    ) -> Bounds {
        let none = surge == 0 || strategy == StrategyType::InPlace;
        let unavailable = if none { unavailable.max(1) } else { unavailable };
        Bounds { strategy, fences: Fences { surge, unavailable, batch }, partition, deletions, one_at_a_time, soaked, hold }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_step_breaks_what_must_hold(counts in any_counts(), bounds in any_bounds()) {
        let moves = decide(&counts, &bounds);
        let least = counts.desired - bounds.fences.unavailable;
        let all = [moves.claim, moves.remove_available, moves.remove_unavailable, moves.upgrade];
        prop_assert!(all.iter().all(|n| *n >= 0), "{moves:?}");
        prop_assert!(moves.claim <= counts.idle);
        prop_assert!(moves.remove_available + moves.upgrade <= counts.outdated_available, "{moves:?}");
        prop_assert!(moves.remove_unavailable <= counts.outdated - counts.outdated_available);
        let available = counts.outdated_available + counts.updated_available;
        let disrupted = moves.remove_available + moves.upgrade;
        if disrupted > 0 && bounds.strategy != StrategyType::BlueGreen {
            prop_assert!(available - disrupted >= least, "{} of {least}: {moves:?}", available - disrupted);
        }
        if disrupted > 0 && bounds.strategy == StrategyType::BlueGreen {
            prop_assert!(counts.updated_available >= counts.desired - bounds.partition.min(counts.outdated));
        }
        let kept = counts.outdated - moves.remove() - moves.upgrade - counts.upgrading;
        let keep = bounds.partition.min(counts.outdated).min(counts.desired);
        prop_assert!(moves.remove() + moves.upgrade == 0 || kept >= keep, "{kept} of {keep}");
        prop_assert!(!bounds.hold || (moves.remove() == 0 && moves.upgrade == 0));
        if bounds.one_at_a_time && bounds.strategy != StrategyType::BlueGreen {
            prop_assert!(moves.remove() + moves.upgrade <= 1);
        }
        if bounds.strategy == StrategyType::RollingUpdate {
            let in_hand = counts.leaving - counts.quarantined;
            prop_assert!(moves.remove() == 0 || in_hand + moves.remove() <= bounds.deletions.max(in_hand));
        }
    }

    /// Replaced one by one, those that answer are more than half of those that vote, after each step and while a member is
    /// away, as long as they were before.
    #[test]
    fn a_control_plane_is_never_below_its_quorum(
        desired in 1..8i32, idle in 0..4i32, surge in 0..3i32, sick in 0..3i32,
    ) {
        let bounds = Bounds { one_at_a_time: true, ..bounds(StrategyType::RollingUpdate, surge, i32::from(surge == 0)) };
        let well = (desired - sick).max(quorum::quorum(desired));
        let mut counts = Counts { desired, outdated: desired, outdated_available: well, idle, ..Counts::default() };
        for _ in 0..200 {
            let moves = decide(&counts, &bounds);
            prop_assert!(moves.claim == 0 || moves.remove() == 0, "nobody joins while somebody leaves");
            prop_assert!(moves.claim <= 1 && moves.remove() <= 1);
            if moves.remove() > 0 {
                let left = counts.staying() - 1;
                let answering = counts.available() - moves.remove_available;
                prop_assert!(answering >= quorum::quorum(left), "{counts:?} {moves:?}");
                // What is drained votes until it has left etcd.
                prop_assert!(counts.available() >= quorum::quorum(counts.staying()), "{counts:?} {moves:?}");
            }
            if moves.is_nothing() {
                break;
            }
            counts = after(&counts, &moves);
        }
    }

    /// Whatever the numbers, a rollout under which everything goes well comes to its end.
    #[test]
    fn a_rollout_that_goes_well_ends(desired in 1..60i32, idle in 0..10i32, bounds in any_bounds()) {
        let mut bounds = Bounds { hold: false, soaked: true, ..bounds };
        if bounds.strategy == StrategyType::BlueGreen {
            bounds.fences.surge = desired;
        }
        let mut counts = Counts { desired, outdated: desired, outdated_available: desired, idle, ..Counts::default() };
        let keep = bounds.partition.min(desired);
        for _ in 0..1_000 {
            let moves = decide(&counts, &bounds);
            if moves.is_nothing() {
                break;
            }
            counts = after(&counts, &moves);
        }
        let stuck = decide(&counts, &bounds);
        let starved = matches!(stuck.brake, Some(Brake::NoIdle(_))) || (idle == 0 && bounds.one_at_a_time);
        let last_member = bounds.one_at_a_time && desired == 1 && bounds.fences.surge == 0;
        prop_assert!(counts.outdated == keep || starved || last_member, "{counts:?} {bounds:?} {stuck:?}");
        if starved {
            prop_assert!(idle < desired && (bounds.fences.unavailable == 0 || bounds.one_at_a_time || bounds.strategy == StrategyType::BlueGreen), "{counts:?}");
        }
    }
}
