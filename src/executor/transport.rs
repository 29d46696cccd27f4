//! The way to a machine: a connection that runs scripts. SSH, but for tests.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::api::FailureClass;
use crate::runbook::job::InventoryMachine;
use crate::ssh::Output;

#[cfg(test)]
pub mod local;
mod ssh;

pub use ssh::SshTransport;

/// Makes connections.
pub trait Transport: Send + Sync {
    fn connect<'a>(&'a self, machine: &'a InventoryMachine) -> BoxFuture<'a, Result<Box<dyn Session>, Unreachable>>;
}

/// A connection to one machine.
pub trait Session: Send + Sync {
    /// Runs a command; what it says ends with `Exit` or `Lost`.
    fn exec<'a>(&'a self, command: &'a str, stdin: Bytes) -> BoxFuture<'a, Result<Box<dyn Answer>, Unreachable>>;
    /// The public key of the host, where there is one.
    fn host_key(&self) -> Option<String>;
    fn is_closed(&self) -> bool;
}

/// What a command says.
pub trait Answer: Send {
    fn next(&mut self) -> BoxFuture<'_, Option<Output>>;
    /// Nothing more is wanted of the command, and it goes by itself.
    fn close(self: Box<Self>);
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unreachable {
    pub class: FailureClass,
    /// Trying again may help.
    pub passing: bool,
    pub message: String,
}
