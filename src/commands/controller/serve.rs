//! The port for whoever watches the controllers: `/metrics`, `/healthz`, `/readyz`, and nothing else. No secrets pass
//! here, so there is no TLS and no login; it listens only where it is told to.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Bytes, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    commands::exit::{Ended, Exit},
    controllers::metrics::Metrics,
};

/// Probes and a collector or two.
const MAX_CONNECTIONS: usize = 32;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest life of a connection: a collector that has gone away silently gives its place back.
const CONNECTION_LIFE: Duration = Duration::from_mins(5);

/// Where to listen: `ADDRESS:PORT`, or `:PORT` for all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    All(u16),
    One(SocketAddr),
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| format!("{text} is not an address: write  :8080  for all addresses, or  127.0.0.1:8080");
        match text.strip_prefix(':') {
            Some(port) => port.parse().map(Self::All).map_err(|_| wrong(())),
            None => text.parse().map(Self::One).map_err(|_| wrong(())),
        }
    }
}

impl Bind {
    async fn listen(self) -> io::Result<TcpListener> {
        match self {
            Self::One(address) => TcpListener::bind(address).await,
            // Both families at once; a machine without IPv6 has only the other.
            Self::All(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
                }
                outcome => outcome,
            },
        }
    }
}

/// A port that is ours.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Port {
    pub async fn open(bind: Bind) -> Result<Self, Ended> {
        let at = match bind {
            Bind::All(port) => format!(":{port}"),
            Bind::One(address) => address.to_string(),
        };
        let refused = |error: io::Error| {
            let why = if error.kind() == io::ErrorKind::AddrInUse {
                "another process has that port".to_owned()
            } else {
                error.to_string()
            };
            let message = format!(
                "metrics cannot be served at {at}: {why}; choose another with --metrics-bind-address, or leave it out"
            );
            Ended::new(Exit::BadInput, message)
        };
        let listener = bind.listen().await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Answers until it is dropped.
    pub async fn serve(self, metrics: Arc<Metrics>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let metrics = metrics.clone();
                    connections.spawn(async move {
                        let _ = tokio::time::timeout(CONNECTION_LIFE, converse(stream, metrics)).await;
                        drop(place);
                    });
                }
                // Out of file handles, say: waiting is all that helps.
                Err(error) => {
                    tracing::warn!(%error, "a connection to the metrics port was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, metrics: Arc<Metrics>) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &metrics);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let served =
        http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the metrics port broke");
    }
}

fn answer(method: &Method, path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let (code, kind, text) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics.text())
        }
        (&Method::GET | &Method::HEAD, "/healthz") => said(metrics.pulse.healthy(), PLAIN),
        (&Method::GET | &Method::HEAD, "/readyz") => said(metrics.pulse.ready(), PLAIN),
        (_, "/metrics" | "/healthz" | "/readyz") => {
            (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET is answered\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, PLAIN, "there are /metrics, /healthz and /readyz\n".to_owned()),
    };
    let response = Response::builder().status(code).header(header::CONTENT_TYPE, kind);
    response.body(Full::new(Bytes::from(text))).expect("the parts are valid")
}

fn said(well: Result<(), String>, kind: &'static str) -> (StatusCode, &'static str, String) {
    match well {
        Ok(()) => (StatusCode::OK, kind, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, kind, format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_an_address_and_a_port() {
        assert_eq!(":8080".parse(), Ok(Bind::All(8080)));
        assert_eq!("127.0.0.1:0".parse(), Ok(Bind::One(SocketAddr::from(([127, 0, 0, 1], 0)))));
        for wrong in ["8080", ":", ":70000", "localhost:1", ""] {
            assert!(wrong.parse::<Bind>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_said_with_the_way_out() {
        let first = Port::open(Bind::One(SocketAddr::from(([127, 0, 0, 1], 0)))).await.expect("a port");
        let second = Port::open(Bind::One(first.address)).await.expect_err("it is taken");
        assert!(second.message.contains("another process has that port; choose another"), "{}", second.message);
    }
}
