//! Simulated machines and business clusters, for the demo and for tests: real SSH servers on loopback addresses, and
//! embedded API servers in which the nodes of those machines appear.

mod answers;
pub mod dice;
pub mod host;
pub mod hosts;
pub mod inventory;
pub mod journal;
pub mod keys;
pub mod network;
mod output;
mod session;
mod shell;
pub mod tenant;
pub mod timing;
