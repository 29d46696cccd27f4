//! Nothing is written unless the Lease is held: a leader that was away too long finds its own client shut.
//!
//! The term of the Lease also travels to the hosts with every operation; they refuse a lower one than they have seen.

use std::{sync::Arc, time::Duration};

use http::{Method, Request};
use kube::{Client, client::Body};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// Until when this process may write, as told by the election.
#[derive(Clone, Debug)]
pub struct Fence {
    grant: Arc<watch::Sender<Option<Grant>>>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    until: Instant,
    term: i64,
}

/// A write was refused because the Lease is not held.
#[derive(Debug, thiserror::Error)]
#[error("this controller does not hold the lease: nothing is written")]
pub struct Refused;

impl Default for Fence {
    fn default() -> Self {
        Self { grant: Arc::new(watch::channel(None).0) }
    }
}

impl Fence {
    /// Writing is allowed until `until`, in this term.
    pub fn grant(&self, until: Instant, term: i64) {
        self.grant.send_replace(Some(Grant { until, term }));
    }

    /// Writing is over, at once.
    pub fn revoke(&self) {
        self.grant.send_replace(None);
    }

    pub fn is_held(&self) -> bool {
        self.grant.borrow().is_some_and(|g| Instant::now() < g.until)
    }

    /// The term of the Lease; rises with every new holder. 0 while it is not held.
    pub fn term(&self) -> i64 {
        self.grant.borrow().map_or(0, |g| g.term)
    }

    /// Waits until the Lease is held; `false` if cancelled first.
    pub async fn acquired(&self, cancel: &CancellationToken) -> bool {
        let mut changes = self.grant.subscribe();
        loop {
            if cancel.is_cancelled() {
                return false;
            }
            if self.is_held() {
                return true;
            }
            tokio::select! {
                () = cancel.cancelled() => return false,
                _ = changes.changed() => {}
            }
        }
    }

    /// Waits until the Lease is not held any more, by word of the election or by the clock.
    pub async fn lost(&self) {
        let mut changes = self.grant.subscribe();
        loop {
            let Some(grant) = *changes.borrow_and_update() else { return };
            if Instant::now() >= grant.until {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(grant.until + Duration::from_millis(1)) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// The same client, shut for writes while the Lease is not held.
    pub fn wrap(&self, client: Client) -> Client {
        let fence = self.clone();
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, fence) = (client.clone(), fence.clone());
            async move {
                if mutates(request.method()) && !fence.is_held() {
                    return Err(tower::BoxError::from(Refused));
                }
                client.send(request).await.map_err(tower::BoxError::from)
            }
        });
        Client::new(service, namespace)
    }
}

fn mutates(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api,
        api::{ListParams, PostParams},
    };
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A server that counts requests and answers each with an empty object or list.
    fn counting() -> (Client, Arc<AtomicUsize>) {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            let body = if mutates(request.method()) {
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}"#
            } else {
                r#"{"apiVersion":"v1","kind":"ConfigMapList","metadata":{},"items":[]}"#
            };
            async move { Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(body.as_bytes().to_vec()))) }
        });
        (Client::new(service, "default"), seen)
    }

    #[tokio::test(start_paused = true)]
    async fn writes_pass_only_while_the_lease_is_held() {
        let (client, seen) = counting();
        let fence = Fence::default();
        let api: Api<ConfigMap> = Api::namespaced(fence.wrap(client), "default");
        let write = || async { api.create(&PostParams::default(), &ConfigMap::default()).await };

        assert!(write().await.unwrap_err().to_string().contains("lease"));
        api.list(&ListParams::default()).await.expect("reads always pass");
        assert_eq!(seen.load(Ordering::SeqCst), 1);

        fence.grant(Instant::now() + Duration::from_secs(10), 7);
        assert_eq!(fence.term(), 7);
        write().await.expect("held");
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(write().await.is_err(), "the time is up, although nobody said so");
        fence.grant(Instant::now() + Duration::from_secs(10), 7);
        fence.revoke();
        assert!(write().await.is_err());
        assert_eq!(seen.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_loss_is_noticed_by_the_clock_alone() {
        let fence = Fence::default();
        fence.grant(Instant::now() + Duration::from_secs(10), 1);
        let begin = Instant::now();
        fence.lost().await;
        assert!(begin.elapsed() >= Duration::from_secs(10));
    }
}
