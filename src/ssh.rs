//! The only SSH client: connections to hosts, through chains of jump hosts, with several commands at once on each.
//!
//! A [`Connector`] holds at most one [`Connection`] for a route (user, host, port and the jump hosts before it) and hands
//! out clones of it; jump hosts are routes like any other, so machines behind one jump host share its connection. It
//! never opens more than a stated number of unauthenticated handshakes to an endpoint at once (sshd's `MaxStartups`), and
//! tries again, later each time, when it is refused nevertheless.
//!
//! It never trusts a host key by itself: a key is pinned, or stands in `known_hosts`, or the caller asked for
//! [`HostKeyRule::AcceptNew`]. A key that changed ends the attempt, whatever the rule is.
//!
//! Deliberately absent: host certificates, agent forwarding, compression, file transfer (hosts pull what they need, or
//! are given it on standard input).

use std::{fmt, path::PathBuf, time::Duration};

mod authentication;
mod channel;
mod connection;
mod connector;
mod dial;
mod error;
pub mod host_keys;
mod identities;

pub use channel::{Channel, Output};
pub use connection::Connection;
pub use connector::Connector;
pub use error::Error;
pub use host_keys::fingerprint;
pub use identities::needs_passphrase;

/// A user on an SSH server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    pub user: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            22 => f.write_str(&self.host),
            port if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

/// A host to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What errors call it.
    pub name: String,
    pub endpoint: Endpoint,
    /// The first is reached directly, each other through the one before it.
    pub jumps: Vec<Endpoint>,
    /// The only host key that will do, as in a `.pub` file; it stands above `known_hosts`.
    pub pinned_key: Option<String>,
}

/// What we may prove ourselves with, in this order: the private key, key files, the agent, the password.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The text of a private key file.
    pub private_key: Option<String>,
    /// Opens the private key and the key files that are encrypted.
    pub passphrase: Option<String>,
    /// Also the answer to a keyboard-interactive question that hides what is typed.
    pub password: Option<String>,
    /// Ask the agent at `SSH_AUTH_SOCK`.
    pub agent: bool,
    /// Ask the agent at this socket instead.
    pub agent_socket: Option<PathBuf>,
    pub key_files: Vec<PathBuf>,
}

/// Says which are there, and nothing of what they are.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("private_key", &self.private_key.is_some())
            .field("passphrase", &self.passphrase.is_some())
            .field("password", &self.password.is_some())
            .field("agent", &self.agent)
            .field("key_files", &self.key_files)
            .finish_non_exhaustive()
    }
}

/// What to do with a host that `known_hosts` does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeyRule {
    /// Refuse it.
    #[default]
    Strict,
    /// Take the key it presents first, and hold it to that key from then on.
    AcceptNew,
}

/// Which host keys are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostKeys {
    pub policy: HostKeyRule,
    /// Lines of a `known_hosts` file: hashed names, patterns and `@revoked` included.
    pub known_hosts: String,
}

/// How a [`Connector`] goes about it.
#[derive(Clone, Debug)]
pub struct Options {
    pub credentials: Credentials,
    pub host_keys: HostKeys,
    /// Silence after which the host is asked whether it is there; after three questions without an answer it is not.
    pub keepalive: Duration,
    /// For each of: the TCP connection, the handshake, the authentication, the opening of a channel.
    pub connect_timeout: Duration,
    /// Most unauthenticated handshakes at once for an endpoint; sshd starts to refuse at 10.
    pub max_handshakes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            host_keys: HostKeys::default(),
            keepalive: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(15),
            max_handshakes: 8,
        }
    }
}
