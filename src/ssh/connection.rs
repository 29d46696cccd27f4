//! A connection that is up: it runs commands, several at once, and carries connections to hosts behind it.
//!
//! russh's session task is the actor that owns the socket; this is the handle to it, and the owner of one task for each
//! command. When the last clone and the last channel are gone, all of it ends.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rand::RngExt;
use russh::{ChannelOpenFailure, Disconnect, client};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    channel::{Buffer, Channel, Pump},
    dial::Watchman,
};

/// Commands at once; sshd opens ten (`MaxSessions`), and two are left for a person.
const MOST_CHANNELS: usize = 8;
/// How often a channel is asked for: a command that was told to go may hold its place a little longer.
const OPEN_ATTEMPTS: u64 = 6;

/// A connection to one host. Clones share it.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    name: String,
    host_key: String,
    handle: client::Handle<Watchman>,
    farewell: Arc<OnceLock<String>>,
    places: Arc<Semaphore>,
    pumps: Mutex<JoinSet<()>>,
    patience: Duration,
    /// The connection that carries this one.
    _via: Option<Connection>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// What a handshake and an authentication end with.
pub(super) struct Established {
    pub(super) name: String,
    pub(super) host_key: String,
    pub(super) handle: client::Handle<Watchman>,
    pub(super) farewell: Arc<OnceLock<String>>,
    pub(super) patience: Duration,
    pub(super) via: Option<Connection>,
}

impl Connection {
    pub(super) fn new(established: Established) -> Self {
        let Established { name, host_key, handle, farewell, patience, via } = established;
        let (places, pumps) = (Arc::new(Semaphore::new(MOST_CHANNELS)), Mutex::default());
        Self(Arc::new(Inner { name, host_key, handle, farewell, places, pumps, patience, _via: via }))
    }

    /// Runs a command with this standard input. Waits for a place while eight others run.
    pub async fn exec(&self, command: &str, stdin: Bytes) -> Result<Channel, Error> {
        let place = Arc::clone(&self.0.places).acquire_owned().await.map_err(|_| self.lost())?;
        let channel = self.open().await?;
        // Not waiting for the answer saves a round trip; a refusal ends the channel as lost.
        channel.exec(true, command).await.map_err(|_| self.lost())?;
        let (buffer, abandoned) = (Arc::new(Buffer::default()), CancellationToken::new());
        let farewell = Arc::clone(&self.0.farewell);
        let (read, write) = channel.split();
        let write = Arc::new(write);
        let pump = Pump {
            read,
            write: Arc::clone(&write),
            stdin,
            buffer: Arc::clone(&buffer),
            abandoned: abandoned.clone(),
            farewell,
            place,
        };
        let mut pumps = self.0.pumps.lock().unwrap_or_else(PoisonError::into_inner);
        while pumps.try_join_next().is_some() {}
        pumps.spawn(pump.run());
        drop(pumps);
        Ok(Channel::new(self.clone(), buffer, write, abandoned))
    }

    /// The host's public key, as in a `.pub` file.
    pub fn host_key(&self) -> &str {
        &self.0.host_key
    }

    pub fn is_closed(&self) -> bool {
        self.0.handle.is_closed() || self.0.places.is_closed()
    }

    /// Says goodbye. Commands under way are lost.
    pub async fn close(&self) {
        self.0.places.close();
        self.0.farewell.set("we closed the connection".to_owned()).ok();
        self.0.handle.disconnect(Disconnect::ByApplication, "", "").await.ok();
    }

    /// A stream to a host that only this one reaches.
    pub(super) async fn tunnel(&self, host: &str, port: u16) -> Result<russh::ChannelStream<client::Msg>, Refusal> {
        let opening = self.0.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0);
        match timeout(self.0.patience, opening).await {
            Ok(Ok(channel)) => Ok(channel.into_stream()),
            Ok(Err(russh::Error::ChannelOpenFailure(failure))) => Err(Refusal::Said(words(&failure))),
            Ok(Err(_)) => Err(Refusal::Lost(self.lost())),
            Err(_) => Err(Refusal::Said("it did not answer in time".to_owned())),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    async fn open(&self) -> Result<russh::Channel<client::Msg>, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match timeout(self.0.patience, self.0.handle.channel_open_session()).await {
                Ok(Ok(channel)) => return Ok(channel),
                Ok(Err(russh::Error::ChannelOpenFailure(failure))) => failure,
                Ok(Err(_)) => return Err(self.lost()),
                Err(_) => {
                    let (host, seconds) = (self.0.name.clone(), self.0.patience.as_secs());
                    return Err(Error::Timeout { host, doing: "opening a channel", seconds });
                }
            };
            if attempt == OPEN_ATTEMPTS || matches!(failure, ChannelOpenFailure::AdministrativelyProhibited) {
                return Err(Error::Channel { host: self.0.name.clone(), reason: words(&failure) });
            }
            let jitter = rand::rng().random_range(0..100);
            tokio::time::sleep(Duration::from_millis(100 * attempt * attempt + jitter)).await;
        }
    }

    fn lost(&self) -> Error {
        let reason = self.0.farewell.get().cloned().unwrap_or_else(|| "it ended without a word".to_owned());
        Error::Lost { host: self.0.name.clone(), reason }
    }
}

/// Why a jump host did not carry us further.
pub(super) enum Refusal {
    Said(String),
    Lost(Error),
}

fn words(failure: &ChannelOpenFailure) -> String {
    match failure {
        ChannelOpenFailure::AdministrativelyProhibited => "it is not allowed".to_owned(),
        ChannelOpenFailure::ConnectFailed => "connecting failed".to_owned(),
        ChannelOpenFailure::UnknownChannelType => "it does not know this type of channel".to_owned(),
        ChannelOpenFailure::ResourceShortage => "it has no resources left".to_owned(),
        ChannelOpenFailure::Other { reason, code } => format!("{reason} ({code})"),
    }
}
