//! Leader election on a `Lease`, as client-go does it: whoever holds it renews it, the others wait until it has not
//! changed for its whole duration, by their own clock. Wall clocks are never compared.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{fence::Fence, metrics::Metrics};

/// Name of the Lease.
pub const LEASE: &str = "quarterdeck-controller";
/// The term, which outlives a deleted Lease: hosts remember the highest that they have seen.
const TERM: &str = "quarterdeck.dev/term";
/// How long the others wait for a sign of life.
const DURATION: Duration = Duration::from_secs(15);
/// How long a leader trusts its last renewal; the rest of `DURATION` is for requests that are on their way.
const TRUST: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(4);
const TRY_EVERY: Duration = Duration::from_secs(2);
/// Longest that one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// One candidate.
pub struct Election {
    leases: Api<Lease>,
    identity: String,
    clock: fn() -> Timestamp,
    /// The Lease as it was last seen to change, and when that was.
    seen: Option<(String, Instant)>,
    held: bool,
}

impl Election {
    pub fn new(client: Client, namespace: &str, identity: &str, clock: fn() -> Timestamp) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            identity: identity.to_owned(),
            clock,
            seen: None,
            held: false,
        }
    }

    /// Acquires, renews and, at the end, gives back.
    pub async fn run(mut self, fence: Fence, metrics: Arc<Metrics>, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            metrics.pulse.turned();
            let asked_at = Instant::now();
            let answer = tokio::time::timeout(CALL_TIMEOUT, self.attempt()).await;
            if matches!(answer, Ok(Ok(_))) {
                metrics.pulse.answered();
            }
            match answer {
                Ok(Ok(Some(term))) => {
                    self.held = true;
                    fence.grant(asked_at + TRUST, term);
                }
                Ok(Ok(None)) => {
                    self.held = false;
                    fence.revoke();
                }
                // Nobody knows: the grant runs out by itself.
                Ok(Err(error)) => tracing::warn!(%error, "the lease cannot be renewed"),
                Err(_) => tracing::warn!("the lease cannot be renewed: no answer"),
            }
            let pause = if fence.is_held() { RENEW_EVERY } else { TRY_EVERY };
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        fence.revoke();
        if self.held {
            let _ = tokio::time::timeout(CALL_TIMEOUT, self.give_back()).await;
        }
    }

    /// The term, if we hold the Lease now; `None` if another does.
    async fn attempt(&mut self) -> Result<Option<i64>, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(LEASE).await? else {
            let mut lease = Lease::default();
            lease.metadata.name = Some(LEASE.to_owned());
            let term = self.take(&mut lease);
            return won(self.leases.create(&PostParams::default(), &lease).await.map(|_| term));
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, Instant::now()));
        }
        let holder = lease.spec.as_ref().and_then(|s| s.holder_identity.clone()).unwrap_or_default();
        let silent = self.seen.as_ref().is_some_and(|(_, since)| since.elapsed() >= DURATION);
        let term = if holder == self.identity && self.held {
            lease.spec.get_or_insert_default().renew_time = Some(MicroTime((self.clock)()));
            term(&lease)
        } else if holder.is_empty() || holder == self.identity || silent {
            self.take(&mut lease)
        } else {
            return Ok(None);
        };
        won(self.leases.replace(LEASE, &PostParams::default(), &lease).await.map(|_| term))
    }

    /// Writes us into the Lease and answers the new term: higher than the last, and higher than any that was lost with
    /// a deleted Lease, as long as clocks are roughly right.
    fn take(&self, lease: &mut Lease) -> i64 {
        let term = (term(lease) + 1).max((self.clock)().as_second());
        lease.metadata.annotations.get_or_insert_default().insert(TERM.to_owned(), term.to_string());
        let spec = lease.spec.get_or_insert_default();
        *spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(DURATION.as_secs() as i32),
            acquire_time: Some(MicroTime((self.clock)())),
            renew_time: Some(MicroTime((self.clock)())),
            lease_transitions: Some(spec.lease_transitions.map_or(0, |n| n.saturating_add(1))),
            ..LeaseSpec::default()
        };
        term
    }

    async fn give_back(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.leases.get_opt(LEASE).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            self.leases.replace(LEASE, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}

/// Somebody was faster: that is an answer, not an error.
fn won(result: Result<i64, kube::Error>) -> Result<Option<i64>, kube::Error> {
    match result {
        Ok(term) => Ok(Some(term)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}

fn term(lease: &Lease) -> i64 {
    lease.metadata.annotations.as_ref().and_then(|a| a.get(TERM)).and_then(|t| t.parse().ok()).unwrap_or(0)
}
