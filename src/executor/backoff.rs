//! How long to wait before the next try: twice as long each time, with jitter, never more than a minute.

use std::time::Duration;

const MOST: Duration = Duration::from_mins(1);

/// The pause before try `attempt + 1`, where `luck` is between 0 and 1.
///
/// Between half and all of the doubled time: many machines that failed at once do not come back at once.
pub fn pause(first: Duration, attempt: u32, luck: f64) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(16)));
    doubled.min(MOST).mul_f64(0.5 + luck.clamp(0.0, 1.0) / 2.0)
}

/// [`pause`] with the luck of the moment.
pub fn random_pause(first: Duration, attempt: u32) -> Duration {
    pause(first, attempt, rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first_milliseconds: u64, attempt: u32, luck: f64, expected_milliseconds: u128) {
        assert_eq!(pause(Duration::from_millis(first_milliseconds), attempt, luck).as_millis(), expected_milliseconds);
    }

    #[test]
    fn it_doubles_up_to_a_minute() {
        check(1000, 1, 1.0, 1000);
        check(1000, 2, 1.0, 2000);
        check(1000, 4, 0.0, 4000);
        check(1000, 40, 1.0, 60_000);
        check(0, 3, 1.0, 0);
    }
}
