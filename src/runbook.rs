//! Phases and steps as YAML: parse, lint, template, select by role. Pure: no IO, no clock.

pub mod job;
pub mod wire;
