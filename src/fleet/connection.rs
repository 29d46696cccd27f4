//! How the line to the meta cluster is, and how old what we show is. It never ends the console.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;

/// The line to the API server as a snapshot saw it.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub line: Line,
    /// When the server last answered. Unlike all else in a snapshot it moves on while the snapshot stands, for it is
    /// about the line and not about the data: a quiet fleet is not an old one.
    pub contact: Contact,
    /// Kinds that the server refuses to show us, one sentence each: the rest is shown without them.
    pub refused: Arc<[Arc<str>]>,
}

/// The state of the line. Everything shown while it is not `Live` is what was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// Not everything was listed yet; what is there may be shown already.
    #[default]
    Connecting,
    Live,
    /// It broke, and is tried again at `next`.
    Reconnecting {
        attempt: u32,
        next: Timestamp,
        error: Arc<str>,
    },
    /// It has been broken for [`PATIENCE`](super::connection::OFFLINE_ATTEMPTS) attempts; trying goes on.
    Offline {
        since: Timestamp,
        attempt: u32,
        next: Timestamp,
        error: Arc<str>,
    },
}

/// Failed attempts after which we call it offline.
pub const OFFLINE_ATTEMPTS: u32 = 4;

impl Line {
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// What is wrong, in one sentence.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Connecting | Self::Live => None,
            Self::Reconnecting { error, .. } | Self::Offline { error, .. } => Some(error),
        }
    }

    /// When it is tried again.
    pub fn next(&self) -> Option<Timestamp> {
        match self {
            Self::Connecting | Self::Live => None,
            Self::Reconnecting { next, .. } | Self::Offline { next, .. } => Some(*next),
        }
    }
}

/// When the server last answered, shared by all who hold it.
#[derive(Clone, Debug, Default)]
pub struct Contact(Arc<AtomicI64>);

impl Contact {
    /// `None`: never.
    pub fn last(&self) -> Option<Timestamp> {
        let at = self.0.load(Ordering::Relaxed);
        (at > 0).then(|| Timestamp::from_millisecond(at).ok()).flatten()
    }

    /// How old that is.
    pub fn age(&self, now: Timestamp) -> Option<std::time::Duration> {
        self.last().map(|at| now.duration_since(at).try_into().unwrap_or_default())
    }

    pub(super) fn touch(&self, at: Timestamp) {
        self.0.fetch_max(at.as_millisecond(), Ordering::Relaxed);
    }
}
