//! What is measured, in the spirit of controller-runtime: reconciles, requests, the Lease, and what the controllers see.
//!
//! Every label has a bound: controllers, results, methods, codes and states are few, and there are as many clusters and
//! pools as people have made. Nothing is named by machine or operation. The queue of kube's controllers does not tell its
//! depth; how many reconciles are under way is told instead, and their bound is known.

mod seen;

use std::{sync::Arc, time::Instant};

use http::Request;
use kube::{Client, client::Body};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::{Error, Name, fence::Fence, pulse::Pulse};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    code: String,
}

/// All metrics of one process, and whether it is well.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    running: Family<ControllerLabels, Gauge>,
    requests: Family<RequestLabels, Counter>,
    seen: Arc<seen::Seen>,
    pub pulse: Pulse,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("quarterdeck"),
            reconciles: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.0, 14))),
            running: Family::default(),
            requests: Family::default(),
            seen: Arc::default(),
            pulse: Pulse::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("reconcile", "Reconciles by controller and result", self.reconciles.clone());
        registry.register("reconcile_time_seconds", "How long reconciles took", self.durations.clone());
        registry.register("active_workers", "Reconciles under way", self.running.clone());
        registry.register(
            "api_requests",
            "Requests to the meta cluster by method and code; code error: there was no answer",
            self.requests.clone(),
        );
        registry.register_collector(Box::new(self.seen.clone()));
    }

    /// Everything in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a string takes everything");
        out
    }

    /// The Lease whose holder is told.
    pub(super) fn follow(&self, fence: Fence) {
        // Controllers run once in a process; a second time would be told by the first fence.
        let _ = self.seen.fence.set(fence);
    }

    /// What controllers of one term see. They forget it with the term.
    pub(super) fn see(&self, store: impl Into<seen::Source>) {
        self.seen.add(store.into());
    }

    /// A term is over: nothing is seen any more.
    pub(super) fn forget(&self) {
        self.seen.clear();
    }

    /// Measures one reconcile.
    pub(super) async fn measured<T>(
        self: Arc<Self>,
        name: Name,
        reconcile: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let controller = ControllerLabels { controller: name.as_str() };
        let running = Running::new(self.running.get_or_create_owned(&controller));
        let begun = Instant::now();
        let outcome = reconcile.await;
        drop(running);
        self.durations.get_or_create(&controller).observe(begun.elapsed().as_secs_f64());
        let result = match &outcome {
            Ok(_) => "success",
            Err(error) if error.is_conflict() => "conflict",
            Err(_) => "error",
        };
        self.reconciles.get_or_create(&ReconcileLabels { controller: name.as_str(), result }).inc();
        outcome
    }

    /// The same client, counted.
    pub(super) fn wrap(self: &Arc<Self>, client: Client) -> Client {
        let metrics = self.clone();
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, metrics) = (client.clone(), metrics.clone());
            async move {
                let method = request.method().to_string();
                let answer = client.send(request).await;
                let code = answer.as_ref().map_or_else(|_| "error".to_owned(), |a| a.status().as_str().to_owned());
                metrics.requests.get_or_create(&RequestLabels { method, code }).inc();
                answer
            }
        });
        Client::new(service, namespace)
    }
}

/// Counts down however the reconcile ends, and if it never does.
struct Running(Gauge);

impl Running {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
