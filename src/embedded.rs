//! The embedded meta cluster: API server, Job runner, simulated machines and business clusters.
pub mod simulation;
