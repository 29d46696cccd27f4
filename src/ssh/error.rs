//! What can go wrong between us and a host, and whether time alone may heal it.

use std::{io, sync::Arc, time::Duration};

/// Why a host cannot be worked with. Cheap to clone: all who wait for one connection get the same answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot reach {host}")]
    Unreachable { host: String, source: Arc<io::Error> },
    #[error("cannot reach {host} through {jump}: {reason}")]
    JumpFailed { host: String, jump: String, reason: String },
    #[error("{host} closed the connection before the handshake, {attempts} times: sshd is full (MaxStartups)?")]
    Refused { host: String, attempts: u32 },
    #[error("{host} presented a host key that we do not know: {fingerprint}")]
    UnknownHostKey { host: String, fingerprint: String },
    #[error(
        "the host key of {host} has CHANGED: we know {known}, it presented {presented}. Somebody may be listening in; if the host was reinstalled, remove the known key"
    )]
    ChangedHostKey { host: String, known: String, presented: String },
    #[error("{host} presented a host key that is revoked: {fingerprint}")]
    RevokedHostKey { host: String, fingerprint: String },
    #[error("{host} does not let {user} in; tried {tried}")]
    Authentication { host: String, user: String, tried: String },
    #[error("cannot use the private key {key}: {reason}")]
    PrivateKey { key: String, reason: String },
    #[error("cannot read the pinned host key of {host}")]
    PinnedKey { host: String },
    #[error("{host} did not answer in {seconds} s while {doing}")]
    Timeout { host: String, doing: &'static str, seconds: u64 },
    #[error("the connection to {host} was lost: {reason}")]
    Lost { host: String, reason: String },
    #[error("{host} does not open another channel: {reason}")]
    Channel { host: String, reason: String },
    #[error("the SSH handshake with {host} failed")]
    Handshake { host: String, source: Arc<russh::Error> },
}

impl Error {
    /// When to try again; `None` means that a person has to look first.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Channel { .. } => Some(Duration::from_secs(2)),
            Self::Refused { .. } | Self::Lost { .. } => Some(Duration::from_secs(5)),
            Self::Unreachable { .. } | Self::JumpFailed { .. } | Self::Timeout { .. } => Some(Duration::from_secs(10)),
            Self::UnknownHostKey { .. }
            | Self::ChangedHostKey { .. }
            | Self::RevokedHostKey { .. }
            | Self::Authentication { .. }
            | Self::PrivateKey { .. }
            | Self::PinnedKey { .. }
            | Self::Handshake { .. } => None,
        }
    }

    /// The word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::JumpFailed { .. } => "JumpFailed",
            Self::Refused { .. } => "Refused",
            Self::UnknownHostKey { .. } => "UnknownHostKey",
            Self::ChangedHostKey { .. } => "ChangedHostKey",
            Self::RevokedHostKey { .. } => "RevokedHostKey",
            Self::Authentication { .. } => "AuthenticationFailed",
            Self::PrivateKey { .. } => "PrivateKeyUnusable",
            Self::PinnedKey { .. } => "PinnedKeyUnreadable",
            Self::Timeout { .. } => "Timeout",
            Self::Lost { .. } => "ConnectionLost",
            Self::Channel { .. } => "ChannelRefused",
            Self::Handshake { .. } => "HandshakeFailed",
        }
    }
}
