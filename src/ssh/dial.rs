//! From nothing to a connection: a stream, a handshake, the host key, the authentication.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use rand::RngExt;
use russh::{
    Preferred, cipher,
    client::{self, DisconnectReason},
    keys::{PublicKey, PublicKeyOrCertificate},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{
    Connection, Endpoint, Error, HostKeyRule,
    authentication::Attempt,
    connection::{Established, Refusal},
    connector::Context,
    host_keys::{self, Verdict},
};

/// How often a server that refuses is asked; with the pauses between, about 20 s.
const MOST_ATTEMPTS: u32 = 12;
/// The pause after the first refusal; each is half as long again as the one before, and random by half.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Keepalives without an answer before the connection is given up.
const MOST_MISSES: usize = 3;

/// Where to, and what has to be there.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) name: String,
    /// Names the server among all servers, with the way to it.
    pub(super) server: String,
    pub(super) endpoint: Endpoint,
    pub(super) pinned: Option<PublicKey>,
}

/// Connects, and tries again when the server refuses: that is sshd's way to say that it is busy.
pub(super) async fn dial<V>(context: &Arc<Context>, to: Destination, via: Option<V>) -> Result<Connection, Error>
where
    V: Future<Output = Result<Connection, Error>>,
{
    let via = match via {
        Some(via) => Some(via.await?),
        None => None,
    };
    let mut pause = FIRST_PAUSE;
    for attempts in 1.. {
        match attempt(context, &to, via.as_ref()).await {
            Err(Error::Refused { host, .. }) if attempts == MOST_ATTEMPTS => {
                return Err(Error::Refused { host, attempts });
            }
            Err(Error::Refused { .. }) => {
                let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.5));
                tokio::time::sleep(jittered).await;
                pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
    unreachable!("the last attempt returns")
}

async fn attempt(context: &Arc<Context>, to: &Destination, via: Option<&Connection>) -> Result<Connection, Error> {
    // Before anybody is disturbed: keys that do not open are our own fault.
    let identities = context.identities().await?;
    let patience = context.options.connect_timeout;
    let late = |doing| Error::Timeout { host: to.name.clone(), doing, seconds: patience.as_secs() };

    let _turn = context.handshake(&to.server).await;
    let stream = timeout(patience, stream(to, via)).await.map_err(|_| late("connecting"))??;
    let watchman = Watchman::new(context, to);
    let (farewell, presented) = (Arc::clone(&watchman.farewell), Arc::clone(&watchman.presented));
    let handshake = client::connect_stream(Arc::new(config(context, to)), stream, watchman);
    let handshake = timeout(patience, handshake).await.map_err(|_| late("shaking hands"))?;
    let mut handle = handshake.map_err(|failure| failure.explain(&to.name))?;

    let user = &to.endpoint.user;
    let mut proof = Attempt::default();
    let proving = proof.run(&mut handle, user, identities, &context.options.credentials);
    let opened = timeout(patience, proving).await.map_err(|_| late("authenticating"))?;
    let host = to.name.clone();
    let cut = proof.was_cut();
    if cut {
        // Why it ended is noted a moment later.
        timeout(FAREWELL, &mut handle).await.ok();
    }
    match opened {
        Ok(true) => {}
        Ok(false) if farewell.get().is_none() && !cut => {
            return Err(Error::Authentication { host, user: user.clone(), tried: proof.tried() });
        }
        _ => {
            let reason = farewell.get().map_or("it ended while we authenticated", String::as_str);
            let tried = format!("{} ({reason})", proof.tried());
            return Err(match farewell.get() {
                Some(said) if said.starts_with(SAID) => Error::Authentication { host, user: user.clone(), tried },
                _ => Error::Lost { host, reason: reason.to_owned() },
            });
        }
    }
    let host_key = presented.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let name = to.name.clone();
    Ok(Connection::new(Established { name, host_key, handle, farewell, patience, via: via.cloned() }))
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn stream(to: &Destination, via: Option<&Connection>) -> Result<Box<dyn Stream>, Error> {
    let (host, port) = (to.endpoint.host.as_str(), to.endpoint.port);
    let Some(jump) = via else {
        let unreachable = |error| Error::Unreachable { host: to.name.clone(), source: Arc::new(error) };
        let stream = match TcpStream::connect((host, port)).await {
            // A full listen queue, or a server that is just being started again, is not a host that is down.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(refused(&to.name)),
            other => other.map_err(unreachable)?,
        };
        stream.set_nodelay(true).map_err(unreachable)?;
        return Ok(Box::new(stream));
    };
    match jump.tunnel(host, port).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(Refusal::Lost(error)) => Err(error),
        Err(Refusal::Said(reason)) => {
            Err(Error::JumpFailed { host: to.name.clone(), jump: jump.name().to_owned(), reason })
        }
    }
}

fn config(context: &Context, to: &Destination) -> client::Config {
    let options = &context.options;
    let accepted = context.accepted(&to.server);
    let pinned = to.pinned.as_ref().or(accepted.as_ref());
    let known = pinned.map_or_else(|| context.known_hosts.keys(&to.endpoint.host, to.endpoint.port), |key| vec![key]);
    let key = host_keys::preference(&known, &Preferred::DEFAULT.key);
    client::Config {
        preferred: Preferred { key: key.into(), cipher: ciphers().into(), ..Preferred::DEFAULT },
        keepalive_interval: (!options.keepalive.is_zero()).then_some(options.keepalive),
        keepalive_max: MOST_MISSES,
        // Ends a handshake that hangs, which no keepalive watches; a live connection answers keepalives before.
        inactivity_timeout: (!options.keepalive.is_zero())
            .then(|| options.keepalive * (MOST_MISSES as u32 + 2) + options.connect_timeout),
        nodelay: true,
        ..client::Config::default()
    }
}

/// What we offer, the best first: AES-GCM where the processor knows AES, `ChaCha20` where it would be slow, as Go's TLS does.
fn ciphers() -> Vec<cipher::Name> {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let has_aes = std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    let has_aes = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    let has_aes = false;
    let mut offered = Preferred::DEFAULT.cipher.to_vec();
    // Stable: all others stay in their order.
    offered.sort_by_key(|name| !(has_aes && *name == cipher::AES_256_GCM));
    offered
}

fn refused(host: &str) -> Error {
    Error::Refused { host: host.to_owned(), attempts: 1 }
}

/// How long a connection that is gone may take to say why.
const FAREWELL: Duration = Duration::from_secs(1);
/// Begins a farewell that the host put into words.
const SAID: &str = "the host said: ";

/// Stands at the door of one connection: judges the host key, and remembers why the connection ended.
pub(super) struct Watchman {
    context: Arc<Context>,
    to: Destination,
    farewell: Arc<OnceLock<String>>,
    presented: Arc<Mutex<Option<String>>>,
}

/// How a handshake fails: by itself, or because the watchman said so.
#[derive(Debug)]
pub(super) enum Failure {
    Ssh(russh::Error),
    Stopped(Error),
}

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl Failure {
    fn explain(self, host: &str) -> Error {
        use russh::Error as E;
        match self {
            Self::Stopped(error) => error,
            Self::Ssh(E::Disconnect | E::HUP | E::IO(_) | E::Version | E::SendError | E::RecvError) => refused(host),
            Self::Ssh(error) => Error::Handshake { host: host.to_owned(), source: Arc::new(error) },
        }
    }
}

impl Watchman {
    fn new(context: &Arc<Context>, to: &Destination) -> Self {
        Self { context: Arc::clone(context), to: to.clone(), farewell: Arc::default(), presented: Arc::default() }
    }

    fn judge(&self, presented: &PublicKey) -> Result<(), Error> {
        let Destination { name, server, endpoint, pinned } = &self.to;
        let host = name.clone();
        let fingerprint = host_keys::words(presented);
        let changed = |known: &PublicKey| {
            let (known, presented) = (host_keys::words(known), fingerprint.clone());
            Err(Error::ChangedHostKey { host: host.clone(), known, presented })
        };
        match self.context.known_hosts.judge(&endpoint.host, endpoint.port, pinned.as_ref(), presented) {
            Verdict::Trusted => Ok(()),
            Verdict::Revoked => Err(Error::RevokedHostKey { host, fingerprint }),
            Verdict::Changed { known } => changed(&known),
            Verdict::Unknown if self.context.options.host_keys.policy == HostKeyRule::Strict => {
                Err(Error::UnknownHostKey { host, fingerprint })
            }
            Verdict::Unknown => {
                let taken = self.context.accept(server, presented);
                if taken.key_data() == presented.key_data() { Ok(()) } else { changed(&taken) }
            }
        }
    }
}

impl client::Handler for Watchman {
    type Error = Failure;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        let key = presented.public_key();
        self.judge(&key).map_err(Failure::Stopped)?;
        let line = key.to_openssh().map_err(russh::Error::from)?;
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Failure>) -> Result<(), Failure> {
        let words = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => format!("{SAID}{}", info.message.trim()),
            DisconnectReason::Error(Failure::Ssh(error)) => error.to_string(),
            DisconnectReason::Error(Failure::Stopped(error)) => error.to_string(),
        };
        self.farewell.set(words).ok();
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}
