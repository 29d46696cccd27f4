//! The death of a process: from one moment on nothing that it asks goes out, and no answer comes back.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{Method, Request};
use kube::{Client, client::Body};
use tokio_util::sync::CancellationToken;
use tower::BoxError;

/// What it dies at: one of its writes, of which reads are none and those of the Lease are some, or what has just been
/// done on a host or in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Never,
    Before(u64),
    After(u64),
    AfterEffect(u64),
}

impl When {
    /// The effect after which it dies, if it is one.
    pub fn effect(self) -> Option<u64> {
        match self {
            Self::AfterEffect(number) => Some(number),
            Self::Never | Self::Before(_) | Self::After(_) => None,
        }
    }
}

#[derive(Clone)]
pub struct Stop {
    when: When,
    writes: Arc<AtomicU64>,
    dead: CancellationToken,
}

impl Stop {
    pub fn at(when: When) -> Self {
        Self { when, writes: Arc::default(), dead: CancellationToken::new() }
    }

    pub fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    pub fn kill(&self) {
        self.dead.cancel();
    }

    /// Waits until it is dead.
    pub async fn died(&self) {
        self.dead.cancelled().await;
    }

    pub fn around(&self, client: Client) -> Client {
        let stop = self.clone();
        let send = tower::service_fn(move |request: Request<Body>| {
            let (client, stop) = (client.clone(), stop.clone());
            async move { stop.send(&client, request).await }
        });
        Client::new(send, "default")
    }

    async fn send(self, client: &Client, request: Request<Body>) -> Result<http::Response<Body>, BoxError> {
        let number = if request.method() == Method::GET { 0 } else { self.writes.fetch_add(1, Ordering::SeqCst) + 1 };
        if number > 0 && self.when == When::Before(number) {
            self.dead.cancel();
        }
        if self.is_dead() {
            return pending().await;
        }
        let answer = client.send(request).await;
        if number > 0 && self.when == When::After(number) {
            self.dead.cancel();
        }
        if self.is_dead() {
            return pending().await;
        }
        Ok(answer?)
    }
}
