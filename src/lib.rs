//! Quarterdeck: a terminal operations console, and the operator behind it, for fleets of Kubernetes clusters.
//!
//! The modules and the arrows between them are in `ARCHITECTURE.md`; `tests/layers.rs` keeps them true.

pub mod api;
pub mod commands;
pub mod config;
pub mod console;
pub mod controllers;
pub mod embedded;
pub mod executor;
pub mod fleet;
pub mod install;
pub mod plan;
pub mod runbook;
pub mod ssh;
pub mod tape;
pub mod tenant;
