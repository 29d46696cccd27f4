//! The controllers against the embedded API server: scaling up and down, and what must always hold.

mod deleting;
mod draining;
mod safety;
mod scaling;
mod world;
