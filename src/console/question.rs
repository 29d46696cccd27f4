//! What the terminal is asked before the console takes it over: whether its background is light, and how far away it is.
//!
//! The answer to the question about colours ends with one that every terminal knows (DA1), so a terminal that cannot
//! tell does not make anybody wait. One that says nothing at all is waited for a moment; what it says after that would
//! arrive as keys, and so keys are not taken for a while then.

use std::time::{Duration, Instant};
use terminal_colorsaurus::{Error, QueryOptions, background_color};

/// How long a terminal on the same machine is waited for, and one at the end of a line.
const NEAR: Duration = Duration::from_millis(300);
const FAR: Duration = Duration::from_millis(1500);
/// How long keys are not taken when the answer did not come in time: it may be among them.
const LATE: Duration = Duration::from_secs(2);

/// What a terminal has said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer {
    /// Dark characters on a light ground; `None`: it does not say.
    pub is_light: Option<bool>,
    /// From the question to the answer; `None`: there was none.
    pub round_trip: Option<Duration>,
    /// Keys until then may be an answer that came too late.
    pub deaf_until: Option<Instant>,
}

/// Asks the terminal; waits for the answer, and no longer than for one at the other end of the world.
pub fn ask(over_ssh: bool) -> Answer {
    let mut options = QueryOptions::default();
    options.timeout = if over_ssh { FAR } else { NEAR };
    let asked = Instant::now();
    let answer = background_color(options);
    let round_trip = Some(asked.elapsed());
    match answer {
        Ok(colour) => Answer { is_light: Some(colour.perceived_lightness() > 0.5), round_trip, deaf_until: None },
        Err(Error::Timeout(_)) => Answer { is_light: None, round_trip: None, deaf_until: Some(Instant::now() + LATE) },
        // It said what it is, and nothing of colours; or there was nobody to ask.
        Err(_) => Answer { is_light: None, round_trip, deaf_until: None },
    }
}
