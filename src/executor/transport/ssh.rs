//! The way over SSH.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{Answer, Session, Transport, Unreachable};
use crate::api::{FailureClass, HostKeyPolicy};
use crate::executor::Secrets;
use crate::runbook::job::{self, InventoryMachine, JobInput, SshAccess};
use crate::ssh::{
    Channel, Connection, Connector, Credentials, Endpoint, Error, HostKeyRule, HostKeys, Options, Output, Target,
};

/// Connects to machines as the inventory says.
pub struct SshTransport {
    connector: Connector,
    access: SshAccess,
}

impl SshTransport {
    pub fn new(input: &JobInput, secrets: &Secrets) -> Self {
        let text = |key: &str| secrets.text(key);
        let access = input.ssh.clone();
        let policy = match access.host_key_policy {
            HostKeyPolicy::Strict => HostKeyRule::Strict,
            HostKeyPolicy::AcceptNew => HostKeyRule::AcceptNew,
        };
        let private_key = text(job::PRIVATE_KEY);
        let options = Options {
            credentials: Credentials {
                // The agent serves people who run the executor by hand; in a pod there is a key.
                agent: private_key.is_none(),
                private_key,
                passphrase: text(job::PASSPHRASE),
                password: text(job::PASSWORD),
                ..Credentials::default()
            },
            host_keys: HostKeys { policy, known_hosts: access.known_hosts.clone() },
            keepalive: Duration::from_secs(u64::from(access.keepalive_seconds.max(1))),
            max_handshakes: access.max_handshakes.max(1) as usize,
            ..Options::default()
        };
        Self { connector: Connector::new(options), access }
    }

    fn target(&self, machine: &InventoryMachine) -> Target {
        let user = machine.user.as_ref().unwrap_or(&self.access.user);
        let jumps = self.access.jump_hosts.iter().map(|jump| Endpoint {
            host: jump.address.clone(),
            port: jump.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(22),
            user: jump.user.as_ref().unwrap_or(&self.access.user).clone(),
        });
        Target {
            name: machine.name.clone(),
            endpoint: Endpoint { host: machine.address.clone(), port: machine.port, user: user.clone() },
            jumps: jumps.collect(),
            pinned_key: machine.host_key.clone(),
        }
    }
}

impl Transport for SshTransport {
    fn connect<'a>(&'a self, machine: &'a InventoryMachine) -> BoxFuture<'a, Result<Box<dyn Session>, Unreachable>> {
        Box::pin(async move {
            let connection = self.connector.connect(&self.target(machine)).await?;
            Ok(Box::new(connection) as Box<dyn Session>)
        })
    }
}

impl Session for Connection {
    fn exec<'a>(&'a self, command: &'a str, stdin: Bytes) -> BoxFuture<'a, Result<Box<dyn Answer>, Unreachable>> {
        Box::pin(async move { Ok(Box::new(Connection::exec(self, command, stdin).await?) as Box<dyn Answer>) })
    }

    fn host_key(&self) -> Option<String> {
        Some(Connection::host_key(self).to_owned())
    }

    fn is_closed(&self) -> bool {
        Connection::is_closed(self)
    }
}

impl Answer for Channel {
    fn next(&mut self) -> BoxFuture<'_, Option<Output>> {
        Box::pin(Channel::next(self))
    }

    fn close(self: Box<Self>) {
        Channel::close(*self);
    }
}

impl From<Error> for Unreachable {
    fn from(error: Error) -> Self {
        let class = match &error {
            Error::UnknownHostKey { .. }
            | Error::ChangedHostKey { .. }
            | Error::RevokedHostKey { .. }
            | Error::PinnedKey { .. } => FailureClass::HostKey,
            Error::Authentication { .. } | Error::PrivateKey { .. } => FailureClass::Auth,
            _ => FailureClass::Transport,
        };
        Self { class, passing: error.retry_after().is_some(), message: with_sources(&error) }
    }
}

/// The whole chain in one sentence.
fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
