//! Quarterdeck: a terminal operations console, and the operator behind it, for fleets of Kubernetes clusters.
//!
//! The modules and the arrows between them are in `ARCHITECTURE.md`; `tests/layers.rs` keeps them true.

pub mod api;
