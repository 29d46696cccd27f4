//! Whole scenarios on a bad day, and with controllers that die at any point: every run ends where the run without faults
//! ends, and nothing that destroys happens twice. All of it on tokio's paused clock, so that minutes cost moments.

mod crashes;
mod ending;
mod fleet;
mod hosts;
mod interleaved;
mod ledger;
mod runs;
mod script;
mod seeds;
mod stop;
mod window;
