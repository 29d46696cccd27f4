//! Writes down what reaches the servers, and says at once when something happens that must not.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::time::Instant;
use tower::BoxError;

/// Requests that are shown when a run fails.
const TRACE: usize = 400;

#[derive(Default)]
pub struct Ledger {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What destroyed something, and how often.
    effects: BTreeMap<String, u32>,
    /// Who has claimed a machine, by its name.
    claims: BTreeMap<String, String>,
    /// Writes that were carried out, the Lease aside.
    writes: u64,
    violations: Vec<String>,
    trace: VecDeque<String>,
    begun: Option<Instant>,
}

impl Ledger {
    /// The same client; what it asks is written down, with the answer.
    pub fn around(self: &Arc<Self>, site: &'static str, client: Client) -> Client {
        let ledger = self.clone();
        let send = tower::service_fn(move |request: Request<Body>| {
            let (client, ledger) = (client.clone(), ledger.clone());
            async move {
                if request.method() == Method::GET {
                    ledger.check_read(&request);
                    return client.send(request).await.map_err(BoxError::from);
                }
                let (head, body) = request.into_parts();
                let bytes = body.collect().await?.to_bytes();
                let (method, path) = (head.method.clone(), head.uri.path().to_owned());
                let answer = client.send(Request::from_parts(head, Body::from(bytes.clone()))).await?;
                let body = serde_json::from_slice(&bytes).unwrap_or_default();
                ledger.write(site, &method, &path, &body, answer.status().as_u16());
                Ok(answer)
            }
        });
        Client::new(send, "default")
    }

    /// Something that destroys was done; twice is once too often.
    pub fn effect(&self, what: String) {
        let mut state = self.state.lock().unwrap();
        let count = state.effects.entry(what.clone()).or_default();
        *count += 1;
        if *count > 1 {
            let times = *count;
            state.violations.push(format!("{what}: done {times} times"));
        }
    }

    pub fn violation(&self, what: String) {
        self.state.lock().unwrap().violations.push(what);
    }

    pub fn note(&self, line: String) {
        let mut state = self.state.lock().unwrap();
        let at = state.begun.get_or_insert_with(Instant::now).elapsed();
        state.trace.push_back(format!("{at:.3?} {line}"));
        if state.trace.len() > TRACE {
            state.trace.pop_front();
        }
    }

    pub fn writes(&self) -> u64 {
        self.state.lock().unwrap().writes
    }

    pub fn violations(&self) -> Vec<String> {
        self.state.lock().unwrap().violations.clone()
    }

    pub fn trace(&self) -> String {
        self.state.lock().unwrap().trace.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// Nothing is decided from a cache of the server.
    fn check_read(&self, request: &Request<Body>) {
        let query = request.uri().query().unwrap_or_default();
        if query.split('&').any(|part| part == "resourceVersion=0") {
            self.violation(format!("a read is content with any version: {}", request.uri()));
        }
    }

    fn write(&self, site: &str, method: &Method, path: &str, body: &Value, code: u16) {
        self.note(format!("{site} {method} {path} {} -> {code}", short(body)));
        if path.contains("/leases") || !(200..300).contains(&code) {
            return;
        }
        self.state.lock().unwrap().writes += 1;
        let parts: Vec<&str> = path.split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", [.., "pods", name, "eviction"]) => match body["deleteOptions"]["preconditions"]["uid"].as_str() {
                Some(uid) => self.effect(format!("evict pod {name} {uid}")),
                None => self.violation(format!("pod {name} is evicted, whichever it is")),
            },
            ("DELETE", [.., kind, name]) => {
                let uid = body["preconditions"]["uid"].as_str().unwrap_or_default();
                self.effect(format!("delete {kind} {name} {uid}"));
            }
            ("PATCH", [.., "machines", name]) => self.claim(name, body),
            _ => {}
        }
    }

    /// A machine is claimed only while it is free, and let go once.
    fn claim(&self, machine: &str, body: &Value) {
        let Some(claim) = body["spec"].get("claimRef") else { return };
        let mut state = self.state.lock().unwrap();
        let before = state.claims.remove(machine);
        match (before, claim.is_null()) {
            (None, false) => drop(state.claims.insert(machine.to_owned(), claim.to_string())),
            (Some(_), true) => {}
            (before, _) => {
                let what = format!("machine {machine} is claimed by {before:?} when its claim becomes {claim}");
                state.violations.push(what);
            }
        }
    }
}

fn short(body: &Value) -> String {
    let text = body.to_string();
    text.chars().take(300).collect()
}
