//! What may be wrong with a simulated host, beside the faults of chance.

use serde::Deserialize;

use super::timing::Course;
use crate::runbook::wire::Outcome;

/// The state that a scenario has put a host in; by default there is nothing wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Plight {
    /// It answers nobody, and its kubelet is not heard of: no power, no network.
    pub lost: bool,
    /// Its kubelet does not run; SSH does.
    pub no_kubelet: bool,
    /// Each step loses its connection in the middle, once.
    pub cuts: bool,
    /// It takes so many times as long; 0 is as long as ever.
    pub slower: u32,
    /// It presents another key than the one that is known.
    pub other_key: bool,
}

impl Plight {
    /// Bends how an attempt will go.
    pub fn shape(self, course: &mut Course, timeout_seconds: u32) {
        course.milliseconds *= u64::from(self.slower.max(1));
        let limit = u64::from(timeout_seconds) * 1000;
        if limit > 0 && course.milliseconds > limit {
            (course.milliseconds, course.outcome, course.status) = (limit, Outcome::TimedOut, 124);
        }
        if self.cuts {
            course.drop_at = Some(course.milliseconds / 2);
        }
    }

    /// What the key of the host is made from.
    pub fn identity(self, name: &str) -> String {
        if self.other_key { format!("{name}, installed anew") } else { name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_bent_and_no_step_outlives_its_timeout() {
        let check = |plight: Plight, timeout: u32, expected: (u64, Outcome, Option<u64>)| {
            let (roll, outcome, drop_at) = (1, Outcome::Done, None);
            let mut course = Course { roll, milliseconds: 1000, outcome, status: 0, drop_at, hard: false };
            plight.shape(&mut course, timeout);
            assert_eq!((course.milliseconds, course.outcome, course.drop_at), expected);
        };
        check(Plight::default(), 600, (1000, Outcome::Done, None));
        check(Plight { slower: 20, ..Plight::default() }, 600, (20_000, Outcome::Done, None));
        check(Plight { slower: 20, ..Plight::default() }, 10, (10_000, Outcome::TimedOut, None));
        check(Plight { cuts: true, ..Plight::default() }, 600, (1000, Outcome::Done, Some(500)));
    }
}
