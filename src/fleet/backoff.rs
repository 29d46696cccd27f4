//! How long to wait before trying again: longer each time, and not at the same moment as everybody else.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Jittered exponential backoff: half a second at first, doubled each time, 30 s at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// How many waits there were since the last [`reset`](Self::reset).
    pub(super) fn attempt(self) -> u32 {
        self.attempt
    }

    /// The next wait. `chance` in 0..1 picks a point in the upper half of the interval.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let whole = FIRST.saturating_mul(2_u32.saturating_pow(self.attempt)).min(LONGEST);
        self.attempt = self.attempt.saturating_add(1);
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    pub(super) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(backoff.attempt(), 9);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 250);
    }
}
