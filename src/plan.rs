//! Pure planners: what is wanted and what is there go in, what to do comes out. No IO, no clock, no cluster.
//!
//! The preview on screen and the action that a controller takes are one function over one snapshot: whoever asks
//! `scale::plan` the same question gets the same answer.

pub mod budget;
pub mod disruption;
pub mod drain;
pub mod estimate;
pub mod forecast;
pub mod lifecycle;
pub mod machine;
pub mod operation;
pub mod quorum;
pub mod remediation;
pub mod rollout;
pub mod scale;
pub mod skew;
pub mod upgrade;
pub mod version;
pub mod victims;
pub mod window;
mod work;

#[cfg(test)]
mod notation;

/// So many of a thing, with its verb: `1 machine is`, `3 machines are`.
pub fn are(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing} is") } else { format!("{n} {thing}s are") }
}

pub use work::{Work, machine_state as machine_state_of, reservation as reservation_of, state as state_of};
