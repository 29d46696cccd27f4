//! Controllers that die at each write, before it or after it, and a successor that goes on.

use quarterdeck::embedded::faults::Faults;

use crate::{
    runs,
    seeds::{follow, peaceful},
    stop::When,
};

#[test]
fn a_death_at_any_write_changes_nothing() {
    let test = "a_death_at_any_write_changes_nothing";
    let (expected, outcome) = peaceful(2, &[2, 1]);
    // The writes of the Lease come on top of those that are counted; runs differ by a few.
    let writes = u64::from(outcome["writes"]) + 20;
    let points: Vec<u64> = match runs::seeds(0).as_slice() {
        // In haste every 25th point, which is before a write and after one by turns.
        [] => (1..=2 * writes).step_by(25).collect(),
        [one] => vec![*one],
        _ => (1..=2 * writes).collect(),
    };
    runs::each(test, &points, |point| {
        let expected = expected.clone();
        let when = if point % 2 == 0 { When::Before(point.div_ceil(2)) } else { When::After(point.div_ceil(2)) };
        async move {
            let (end, outcome) = follow(2, &[2, 1], &Faults::none(), &[when]).await;
            assert_eq!(end, expected, "controllers that die {when:?} end otherwise");
            outcome
        }
    });
}
