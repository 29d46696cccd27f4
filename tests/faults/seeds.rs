//! Many seeds, each a bad day of its own, on which controllers die as well.

use quarterdeck::embedded::faults::Faults;

use crate::{
    runs::{self, Lot},
    script::{Script, Step::Scale, in_place, surge},
    stop::When,
};

/// Runs the script on every bad day of the lot.
fn check(test: &str, lot: Lot, script: Script) {
    let (expected, _) = script.peaceful();
    runs::each(test, lot, |seed| {
        let expected = expected.clone();
        async move {
            let (end, outcome) = script.run(&Faults::bad_day(seed), &deaths(seed, 40)).await;
            assert_eq!(end, expected, "seed {seed} ends otherwise");
            outcome
        }
    });
}

/// Every third seed lives, the others die once or twice, at one of so many points.
pub fn deaths(seed: u64, points: u64) -> Vec<When> {
    let at = |n: u64| (seed * 7 + n * 11) % points + 1;
    let when = |n: u64| match (seed / 3) % 3 {
        0 => When::Before(at(n)),
        1 => When::After(at(n)),
        _ => When::AfterEffect(at(n)),
    };
    (0..seed % 3).map(when).collect()
}

#[test]
fn a_bad_day_ends_as_a_good_one() {
    let script = Script { machines: 4, steps: &[Scale(3), Scale(1), Scale(2)] };
    check("a_bad_day_ends_as_a_good_one", Lot::seeds(2, 0.3), script);
}

#[test]
fn a_rollout_on_a_bad_day() {
    const SCRIPT: Script = Script { machines: 4, steps: &[Scale(3), surge("1.34.3"), in_place("1.34.4")] };
    check("a_rollout_on_a_bad_day", Lot::seeds(1, 0.2), SCRIPT);
}

/// Up and down.
#[test]
fn fifty_machines_on_a_bad_day() {
    // Some ten seconds for each seed, unless it is optimised.
    if !runs::is_thorough() {
        println!("left out: fifty machines (set QUARTERDECK_SEEDS)");
        return;
    }
    let script = Script { machines: 50, steps: &[Scale(50), Scale(0)] };
    check("fifty_machines_on_a_bad_day", Lot::seeds(2, 0.1), script);
}

/// Each time the nodes are listed the cluster has answered, however soon the watch ends after that.
#[test]
fn watches_that_end_at_once_make_no_node_unknown() {
    let script = Script { machines: 2, steps: &[Scale(2)] };
    let faults = Faults { seed: 1, watch_expired: 1.0, ..Faults::none() };
    let (end, outcome) = runs::alone(script.run(&faults, &[]));
    assert_eq!(end, script.peaceful().0);
    assert!(outcome["watch-expired"] > 20, "{outcome:?}");
}

/// News of nodes come once: those that could not be written are written later.
#[test]
fn news_that_could_not_be_written_are_written_later() {
    let script = Script { machines: 2, steps: &[Scale(2), Scale(1)] };
    let faults = Faults { seed: 1, failed: 0.15, lost: 0.2, ..Faults::none() };
    let (end, outcome) = runs::alone(script.run(&faults, &[]));
    assert_eq!(end, script.peaceful().0);
    assert!(outcome["failed"] > 50 && outcome["lost"] > 10, "{outcome:?}");
}
