//! Whether this process is well (the loop of the election turns, no controller has died) and ready (the API server has
//! answered of late, whoever leads). What probes ask.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The loop turns every few seconds, and one call in it may take four.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// As long as a Lease lasts: an answer that is older says nothing about now.
const STALE_AFTER: Duration = Duration::from_secs(15);

/// The last signs of life.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Signs>);

#[derive(Clone, Debug, Default)]
struct Signs {
    turned: Option<Instant>,
    answered: Option<Instant>,
    dead: Option<String>,
}

impl Pulse {
    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop has come around.
    pub(super) fn turned(&self) {
        self.signs().turned = Some(Instant::now());
    }

    /// The API server has said who holds the Lease.
    pub(super) fn answered(&self) {
        self.signs().answered = Some(Instant::now());
    }

    /// A controller has ended although nobody told it to. Only a new start brings it back.
    pub(super) fn died(&self, why: &str) {
        self.signs().dead = Some(why.to_owned());
    }

    /// Why this process is to be started again, if it is.
    pub fn healthy(&self) -> Result<(), String> {
        let signs = self.signs().clone();
        if let Some(why) = signs.dead {
            return Err(format!("a controller has ended unexpectedly: {why}"));
        }
        match signs.turned {
            Some(at) if at.elapsed() > STUCK_AFTER => {
                Err(format!("the election has not moved for {} s", at.elapsed().as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Why this process can do nothing at the moment, if so. A standby is ready.
    pub fn ready(&self) -> Result<(), String> {
        self.healthy()?;
        match self.signs().answered {
            Some(at) if at.elapsed() <= STALE_AFTER => Ok(()),
            Some(at) => Err(format!("the API server has not answered for {} s", at.elapsed().as_secs())),
            None => Err("the API server has not answered yet".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(seconds: u64, act: impl Fn(&Pulse), healthy: bool, ready: bool) {
        let pulse = Pulse::default();
        pulse.turned();
        act(&pulse);
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let said = (pulse.healthy(), pulse.ready());
        assert_eq!((said.0.is_ok(), said.1.is_ok()), (healthy, ready), "after {seconds} s: {said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_readiness_and_a_standstill_not_health() {
        check(0, |_| {}, true, false).await;
        check(10, Pulse::answered, true, true).await;
        check(20, Pulse::answered, true, false).await;
        check(40, Pulse::answered, false, false).await;
        check(0, |p| (p.answered(), p.died("node-pool panicked")).1, false, false).await;
    }
}
