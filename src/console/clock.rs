//! What time it is: now, or the time of a recording that is played. The latter is counted by the clock that timers go by.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// A clock. `update` and `view` are told the time; only the loop looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(Option<Played>);

#[derive(Clone, Copy, Debug)]
struct Played {
    began: Instant,
    from: Timestamp,
    speed: f64,
}

impl Clock {
    /// The time of a recording that begins now and runs so many times as fast as it was.
    pub fn played(from: Timestamp, speed: f64) -> Self {
        Self(Some(Played { began: Instant::now(), from, speed }))
    }

    pub fn now(&self) -> Timestamp {
        let Some(played) = self.0 else { return Timestamp::now() };
        let passed = SignedDuration::from_secs_f64(played.began.elapsed().as_secs_f64() * played.speed);
        played.from.saturating_add(passed).unwrap_or(played.from)
    }

    /// How long to wait until then; a moment at least, so that a clock that jumps cannot make a loop spin.
    pub fn until(&self, at: Timestamp) -> Duration {
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        let speed = self.0.map_or(1.0, |played| played.speed.max(0.001));
        wait.div_f64(speed).max(Duration::from_millis(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_has_a_time_of_its_own() {
        let from = Timestamp::UNIX_EPOCH;
        let clock = Clock::played(from, 60.0);
        assert!(clock.now().duration_since(from) < SignedDuration::from_secs(30));
        let wait = clock.until(clock.now() + SignedDuration::from_secs(60));
        assert!(wait <= Duration::from_secs(1) && wait > Duration::from_millis(500), "{wait:?}");
        assert_eq!(clock.until(from), Duration::from_millis(5));
        assert!(Clock::default().now() > from);
    }
}
