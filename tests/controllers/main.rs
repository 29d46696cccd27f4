//! The controllers against the embedded API server, and against a real one: scaling up and down, and what must always hold.

mod blocked;
mod compared;
mod deleting;
mod draining;
mod maintenance;
#[allow(dead_code, reason = "the tests of commands use more of it")]
mod meta;
mod nodes;
#[path = "../needs/program.rs"]
mod program;
mod quarantine;
mod remediation;
mod rollout;
mod safety;
mod scaling;
mod world;
