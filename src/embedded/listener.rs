//! One loopback TLS port for any number of servers, each under a path of its own.
//!
//! The meta cluster is mounted at `""`, business clusters at `/clusters/NAME`: a kubeconfig may carry a path in its server URL.
//! kubectl sends a token over TLS only, hence the certificates. Nothing is served without the token.

use std::{collections::BTreeMap, convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{Request, Response, Uri, header, uri::PathAndQuery};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    ApiServer,
    http::{self as api, Body},
    refusal::Refusal,
};

pub use super::kubeconfig::{Identity, write_private};

/// Each watch costs one connection.
const MAX_CONNECTIONS: usize = 2048;
/// How long a client may take for its handshake. Between requests a connection may rest as long as it likes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    #[error("the identity of the server: {0}")]
    Identity(String),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A port that serves until the last clone is gone.
#[derive(Clone)]
pub struct Listener {
    shared: Arc<Shared>,
    _life: Arc<DropGuard>,
}

struct Shared {
    address: SocketAddr,
    identity: Identity,
    token: [u8; 32],
    /// By path prefix, without a slash at the end.
    mounts: ArcSwap<BTreeMap<String, ApiServer>>,
}

impl Listener {
    /// Listens on a loopback address; port 0 takes a free one.
    pub async fn start(address: SocketAddr, identity: Identity) -> Result<Self, Error> {
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback(address));
        }
        let acceptor = TlsAcceptor::from(Arc::new(tls(&identity)?));
        let bound = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let token = digest(&identity.token);
        let shared = Arc::new(Shared { address, identity, token, mounts: ArcSwap::default() });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, acceptor, shared.clone())));
        Ok(Self { shared, _life: Arc::new(stop.drop_guard()) })
    }

    /// Serves a server under a prefix: `""`, or one such as `/clusters/alpha`.
    #[allow(clippy::needless_pass_by_value)] // it is kept, whoever wins the race to set it
    pub fn mount(&self, prefix: &str, server: ApiServer) {
        self.shared.mounts.rcu(|mounts| {
            let mut mounts = BTreeMap::clone(mounts);
            mounts.insert(prefix.trim_end_matches('/').to_owned(), server.clone());
            mounts
        });
    }

    pub fn unmount(&self, prefix: &str) {
        self.shared.mounts.rcu(|mounts| {
            let mut mounts = BTreeMap::clone(mounts);
            mounts.remove(prefix.trim_end_matches('/'));
            mounts
        });
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The URL of what is mounted under a prefix.
    pub fn url(&self, prefix: &str) -> String {
        format!("https://{}{}", self.shared.address, prefix.trim_end_matches('/'))
    }

    /// A kubeconfig for what is mounted under a prefix.
    pub fn kubeconfig(&self, prefix: &str, context: &str, namespace: &str) -> String {
        self.shared.identity.kubeconfig(&self.url(prefix), context, namespace)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn tls(identity: &Identity) -> Result<ServerConfig, Error> {
    let wrong = |e: rustls::pki_types::pem::Error| Error::Identity(e.to_string());
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).map_err(wrong)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(wrong)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: wait until some are free.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        connections.spawn(async move {
            if let Err(error) = connection(stream, acceptor, shared).await {
                tracing::debug!(error, "a connection ended");
            }
            drop(slot);
        });
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) -> Result<(), String> {
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let stream = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await.map_err(|e| e.to_string())?;
    let stream = stream.map_err(|e| e.to_string())?;
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(serve(&shared, request).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // It would also end connections that rest, and clients would find that out with their next request.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(|e| e.to_string())
}

async fn serve(shared: &Shared, mut request: Request<Incoming>) -> Response<Body> {
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Digests are compared, so the time it takes says nothing about the token.
    if digest(token.trim()) != shared.token {
        return api::respond(api::refused(&Refusal::unauthorized()));
    }
    let path = request.uri().path().to_owned();
    let Some((prefix, server)) = find(&shared.mounts.load(), &path) else {
        return api::respond(api::Reply::text(404, "404 page not found\n"));
    };
    if let Some(uri) = beneath(request.uri(), prefix.len()) {
        *request.uri_mut() = uri;
    }
    api::serve(&server, request).await
}

/// What is mounted nearest to a path.
fn find(mounts: &BTreeMap<String, ApiServer>, path: &str) -> Option<(String, ApiServer)> {
    let fits = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let nearest = mounts.iter().filter(|(prefix, _)| fits(prefix)).max_by_key(|(prefix, _)| prefix.len())?;
    // An unknown cluster must not fall through to the meta cluster.
    let lost = nearest.0.is_empty() && path.starts_with("/clusters/");
    (!lost).then(|| (nearest.0.clone(), nearest.1.clone()))
}

fn beneath(uri: &Uri, prefix: usize) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().get(prefix..)?;
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}
