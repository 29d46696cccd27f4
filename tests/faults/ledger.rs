//! Writes down what reaches the servers, and says at once when something happens that must not.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use tower::BoxError;

use crate::fleet::ask;

/// Requests that are shown when a run fails.
const TRACE: usize = 400;

#[derive(Default)]
pub struct Ledger {
    state: Mutex<State>,
    /// What was done on hosts and by kubelets.
    happened: watch::Sender<u64>,
    tenant: OnceLock<Client>,
}

#[derive(Default)]
struct State {
    /// What destroyed something, and how often.
    effects: BTreeMap<String, u32>,
    /// Who has claimed a machine, by its name.
    claims: BTreeMap<String, Value>,
    /// Writes that were carried out, the Lease and forecasts aside.
    writes: u64,
    forecasts: u64,
    /// Writes that arrived, those of the Lease among them.
    asked: u64,
    nodes: BTreeMap<String, Node>,
    /// So many nodes have to serve at any moment.
    least: Option<usize>,
    /// They are voters of an etcd as well.
    vote: bool,
    violations: Vec<String>,
    trace: VecDeque<String>,
    begun: Option<Instant>,
}

/// A node that fails is missed by everybody after this.
const NOTICED: Duration = Duration::from_secs(90);

/// What keeps a node from serving.
#[derive(Default)]
struct Node {
    /// By a person: only that person may take it back.
    foreign: bool,
    cordoned: bool,
    draining: bool,
    failed: Option<Instant>,
}

impl Node {
    fn serves(&self) -> bool {
        !self.cordoned && !self.draining && self.failed.is_none_or(|since| since.elapsed() < NOTICED)
    }
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
                if answer.status().is_success() {
                    ledger.check_drained(&path, &body).await;
                }
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

    /// Something was done on a host or by a kubelet.
    pub fn happens(&self) {
        self.happened.send_modify(|count| *count += 1);
    }

    pub fn effects(&self) -> u64 {
        *self.happened.borrow()
    }

    /// Waits until so much was done; for nothing for ever.
    pub async fn happened(&self, number: Option<u64>) {
        let Some(number) = number else { return pending().await };
        let mut seen = self.happened.subscribe();
        seen.wait_for(|count| *count >= number).await.expect("the sender is ours");
    }

    /// Whom to ask about pods.
    pub fn look_at(&self, tenant: Client, vote: bool) {
        self.tenant.set(tenant).ok().expect("there is one cluster");
        self.state.lock().unwrap().vote = vote;
    }

    /// From now on so many nodes have to serve at any moment.
    pub fn keep_serving(&self, least: Option<usize>) {
        self.state.lock().unwrap().least = least;
    }

    /// A host is a node from now on.
    pub fn joined(&self, name: &str) {
        self.state.lock().unwrap().nodes.insert(name.to_owned(), Node::default());
    }

    /// A kubelet says that it is not ready, or that it is again: nobody's fault.
    pub fn failed(&self, name: &str, yes: bool) {
        if let Some(node) = self.state.lock().unwrap().nodes.get_mut(name) {
            node.failed = if yes { node.failed.or(Some(Instant::now())) } else { None };
        }
    }

    /// A person cordons a node, or takes that back. Its pods go on.
    pub fn foreign(&self, name: &str, yes: bool) {
        if let Some(node) = self.state.lock().unwrap().nodes.get_mut(name) {
            node.foreign = yes;
        }
    }

    /// A person has cordoned it, and nobody empties it.
    pub fn may_return(&self, name: &str) -> bool {
        self.state.lock().unwrap().nodes.get(name).is_some_and(|node| node.foreign && !node.draining)
    }

    pub fn is_foreign(&self, name: &str) -> bool {
        self.state.lock().unwrap().nodes.get(name).is_some_and(|node| node.foreign)
    }

    /// A drain that is reported done has left no pod behind.
    async fn check_drained(&self, path: &str, body: &Value) {
        let parts: Vec<&str> = path.split('/').collect();
        let ([.., "machines", machine, "status"], true, Some(tenant)) =
            (parts.as_slice(), body["status"]["drain"]["completedAt"].is_string(), self.tenant.get())
        else {
            return;
        };
        let pods = format!("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-{machine}");
        let pods = ask(tenant, Method::GET, &pods, &Value::Null).await.expect("a list");
        if pods["items"].as_array().is_some_and(|items| !items.is_empty()) {
            self.violation(format!("the drain of {machine} is reported done, and there are pods"));
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

    pub fn forecasts(&self) -> u64 {
        self.state.lock().unwrap().forecasts
    }

    pub fn asked(&self) -> u64 {
        self.state.lock().unwrap().asked
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
        self.state.lock().unwrap().asked += 1;
        if path.contains("/leases") || !(200..300).contains(&code) {
            return;
        }
        if is_forecast(body) {
            self.state.lock().unwrap().forecasts += 1;
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
                if *kind == "nodes" {
                    self.state.lock().unwrap().change(name, |node| node.cordoned = true);
                    self.state.lock().unwrap().nodes.remove(*name);
                }
            }
            ("PATCH", [.., "nodes", name]) => {
                if let Some(cordoned) = body["spec"].get("unschedulable") {
                    self.state.lock().unwrap().cordon(name, cordoned == true);
                }
            }
            ("PATCH", [.., "machines", name, "status"]) => {
                if let Some(drain) = body["status"].get("drain") {
                    let node = format!("node-{name}");
                    self.state.lock().unwrap().change(&node, |node| node.draining = !drain.is_null());
                }
            }
            ("PATCH", [.., "machines", name]) => self.claim(name, body),
            _ => {}
        }
    }

    /// A machine is claimed only while it is free, and let go once. In between it may be counted to another set of its pool.
    fn claim(&self, machine: &str, body: &Value) {
        let Some(claim) = body["spec"].get("claimRef") else { return };
        let mut state = self.state.lock().unwrap();
        let before = state.claims.remove(machine);
        match (before, claim.is_null()) {
            (None, false) => drop(state.claims.insert(machine.to_owned(), claim.clone())),
            (Some(_), true) => {}
            (Some(before), false) if passed_on(&before, claim) => {
                state.claims.insert(machine.to_owned(), claim.clone());
            }
            (before, _) => {
                let what = format!("machine {machine} is claimed by {before:?} when its claim becomes {claim}");
                state.violations.push(what);
            }
        }
    }
}

impl State {
    fn cordon(&mut self, name: &str, yes: bool) {
        if !yes && self.nodes.get(name).is_some_and(|node| node.foreign) {
            self.violations.push(format!("{name} was cordoned by a person, and takes pods again"));
        }
        self.change(name, |node| node.cordoned = yes);
    }

    /// Controllers change what a node does: enough others go on.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        let before = node.serves();
        change(node);
        if !before || node.serves() {
            return;
        }
        let serving = self.nodes.values().filter(|node| node.serves()).count();
        let quorum = if self.vote { self.nodes.len() / 2 + 1 } else { 0 };
        if let Some(least) = self.least.map(|least| least.max(quorum)).filter(|least| serving < *least) {
            self.violations.push(format!("{serving} nodes serve without {name}, and {least} have to"));
        }
    }
}

/// What disruption a cluster allows, and nothing else.
fn is_forecast(body: &Value) -> bool {
    body["status"].as_object().is_some_and(|status| status.len() == 1 && status.contains_key("disruption"))
}

/// From one revision of a pool to another.
fn passed_on(before: &Value, after: &Value) -> bool {
    let same = |key: &str| before[key] == after[key];
    same("clusterName") && same("poolName") && same("claimedAt") && !same("revision")
}

fn short(body: &Value) -> String {
    let text = body.to_string();
    text.chars().take(300).collect()
}

/// Three nodes serve and so many have to; what is written to the first, and whether that is too much.
#[cfg(test)]
fn check(least: usize, vote: bool, befalls: impl Fn(&Ledger), path: &str, patch: &Value, is_violation: bool) {
    let ledger = Ledger::default();
    ledger.state.lock().unwrap().vote = vote;
    ["node-a", "node-b", "node-c"].into_iter().for_each(|name| ledger.joined(name));
    ledger.keep_serving(Some(least));
    befalls(&ledger);
    ledger.write("tenant", &Method::PATCH, path, patch, 200);
    assert_eq!(!ledger.violations().is_empty(), is_violation, "{least} {path} {patch}");
}

#[test]
fn it_says_when_too_much_is_taken_away() {
    let (node, machine) = ("/api/v1/nodes/node-a", "/apis/q/v1/namespaces/n/machines/a/status");
    let cordon = |yes: bool| serde_json::json!({"spec": {"unschedulable": yes.then_some(true)}});
    let drain = serde_json::json!({"status": {"drain": {"operation": "o"}}});
    let b_is_away = |ledger: &Ledger| ledger.state.lock().unwrap().cordon("node-b", true);
    check(2, false, |_| {}, node, &cordon(true), false);
    check(3, false, |_| {}, node, &cordon(true), true);
    check(3, false, |_| {}, machine, &drain, true);
    check(1, false, b_is_away, node, &cordon(true), false);
    check(1, true, b_is_away, node, &cordon(true), true);
    check(3, false, |ledger| ledger.foreign("node-a", true), node, &cordon(false), true);
    check(3, false, |ledger| ledger.foreign("node-b", true), node, &cordon(false), false);
}
