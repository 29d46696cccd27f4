//! Controllers that die at each write, before it or after it, and at each thing that is done on hosts and in clusters; a
//! successor goes on.

use quarterdeck::embedded::faults::Faults;

use crate::{
    runs::{self, Lot},
    script::{Script, Step::Scale, in_place, surge},
    stop::When,
};

/// Dies at every point of the script, one run for each; in haste only at every so many.
fn check(test: &str, script: Script, haste: u64) {
    let (expected, outcome) = script.peaceful();
    // Runs differ by a few.
    let writes = u64::from(outcome["writes and leases"]) + 5;
    let points = 2 * writes + u64::from(outcome["effects"]);
    let stride = if runs::is_thorough() { 1 } else { points / haste };
    runs::each(test, Lot::points(points, stride), |number| {
        let (expected, when) = (expected.clone(), point(number, writes));
        async move {
            let (end, mut outcome) = script.run(&Faults::none(), &[when]).await;
            assert_eq!(end, expected, "controllers that die {when:?} end otherwise");
            outcome.retain(|what, _| *what == "deaths");
            outcome
        }
    });
}

fn point(number: u64, writes: u64) -> When {
    match number.div_ceil(2) {
        _ if number > 2 * writes => When::AfterEffect(number - 2 * writes),
        write if number.is_multiple_of(2) => When::After(write),
        write => When::Before(write),
    }
}

#[test]
fn a_death_at_any_point_changes_nothing() {
    let script = Script { machines: 2, steps: &[Scale(2), Scale(1)] };
    check("a_death_at_any_point_changes_nothing", script, 7);
}

#[test]
fn a_death_at_any_point_of_a_rollout_changes_nothing() {
    const SCRIPT: Script = Script { machines: 3, steps: &[Scale(2), surge("1.34.3"), in_place("1.34.4")] };
    check("a_death_at_any_point_of_a_rollout_changes_nothing", SCRIPT, 3);
}
