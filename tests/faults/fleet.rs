//! A meta cluster, one business cluster and their machines, all in this thread, and controllers that can be ended at any
//! point.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use http::{Method, Request, header};
use kube::Client;
use quarterdeck::{
    api::{definitions, labels},
    controllers,
    embedded::{
        ApiServer, Options,
        faults::{FaultLayer, Faults},
    },
};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    hosts::{self, Hosts},
    ledger::Ledger,
    runs::now,
};

pub const NAMESPACE: &str = "default";
const KINDS: &str = "/apis/quarterdeck.dev/v1alpha1/namespaces/default";
const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
    clusters: [{name: c, cluster: {server: 'https://blue.invalid'}}]\n\
    users: [{name: u, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n";
/// Longest that anything may take, on the clock of the test.
const PATIENCE: Duration = Duration::from_mins(60);
/// For what is still on its way when everything looks settled (a minute after a drain its pods are no longer counted), and how
/// long nothing happens afterwards.
const SETTLING: Duration = Duration::from_mins(3);
const REST: Duration = Duration::from_secs(100);

/// What was counted for a drain is forgotten some minutes after it: its nodes, then when they were counted.
const FADING: u64 = 2;

pub struct Fleet {
    pub meta: Client,
    pub tenant: Client,
    pub ledger: Arc<Ledger>,
    _servers: [ApiServer; 2],
    _life: DropGuard,
}

impl Fleet {
    /// So many idle machines, and one cluster with an empty pool of workers.
    pub async fn open(machines: usize) -> Self {
        Self::with(machines, "Worker", 0).await
    }

    /// So many idle machines, and one cluster with one pool.
    pub async fn with(machines: usize, role: &str, replicas: usize) -> Self {
        let servers =
            [(); 2].map(|()| ApiServer::open(Options { clock: now, ..Options::default() }).expect("it opens"));
        servers[0].install(definitions()).await.expect("the kinds are valid");
        let [meta, tenant] = [servers[0].client(), servers[1].client()];
        let ledger = Arc::<Ledger>::default();
        let hosts = Hosts::new(meta.clone(), tenant.clone(), ledger.clone());
        let life = CancellationToken::new();
        tokio::spawn(life.clone().run_until_cancelled_owned(hosts.clone().work()));
        tokio::spawn(life.clone().run_until_cancelled_owned(hosts::kubelets(tenant.clone(), ledger.clone())));
        let fleet = Self { meta, tenant, ledger, _servers: servers, _life: life.drop_guard() };
        fleet.ledger.look_at(fleet.tenant.clone(), role != "Worker");
        fleet.seed(machines, role, replicas).await;
        fleet
    }

    async fn seed(&self, machines: usize, role: &str, replicas: usize) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "blue-kubeconfig"},
            "data": {"kubeconfig": k8s_openapi::ByteString(KUBECONFIG.as_bytes().to_vec())}});
        self.post("/api/v1/namespaces/default/secrets", &secret).await;
        for i in 0..machines {
            let machine = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine",
                "metadata": {"name": format!("m-{i}")}, "spec": {"address": format!("10.0.0.{i}")}});
            self.post(&format!("{KINDS}/machines"), &machine).await;
        }
        let deployment = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "ClusterDeployment",
            "metadata": {"name": "blue"},
            "spec": {"version": "1.34.2", "kubeconfig": {"name": "blue-kubeconfig"}, "ssh": {"privateKey": {"name": "ssh"}},
                "pools": [{"name": "pool", "role": role, "replicas": replicas, "drain": {"timeoutSeconds": 600}}]}});
        self.post(&format!("{KINDS}/clusterdeployments"), &deployment).await;
    }

    async fn post(&self, path: &str, value: &Value) {
        ask(&self.meta, Method::POST, path, value).await.expect("a valid object");
    }

    /// Starts controllers behind `path`, which is put around the clients of both clusters.
    pub fn start(&self, identity: &str, path: impl Fn(Client) -> Client + Send + Sync + 'static) -> Running {
        let cancel = CancellationToken::new();
        let meta = path(self.ledger.around("meta", self.meta.clone()));
        let (tenant, ledger) = (self.tenant.clone(), self.ledger.clone());
        let tenant = path(ledger.around("tenant", tenant));
        let dial = move |_| {
            let client = tenant.clone();
            async move { Ok(client) }.boxed()
        };
        let config = controllers::Config {
            dial: Arc::new(dial),
            clock: now,
            ..controllers::Config::new(meta, identity, cancel.clone())
        };
        Running { task: tokio::spawn(controllers::run(config)), _cancel: cancel }
    }

    pub async fn list(&self, what: &str) -> Vec<Value> {
        let (client, path) = match what {
            "nodes" | "pods" => (&self.tenant, format!("/api/v1/{what}")),
            "jobs" => (&self.meta, format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs")),
            _ => (&self.meta, format!("{KINDS}/{what}")),
        };
        let list = ask(client, Method::GET, &path, &Value::Null).await.expect("a list");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub async fn pool(&self) -> Option<Value> {
        ask(&self.meta, Method::GET, &format!("{KINDS}/nodepools/blue-pool"), &Value::Null).await.ok()
    }

    /// Asks for so many, with the word that this may take away as many as it takes.
    pub async fn scale(&self, replicas: i32) {
        self.until("the pool is there", async || self.pool().await.is_some()).await;
        let annotations = json!({ labels::APPROVED_REPLICAS: replicas.to_string() });
        self.patch(&json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}})).await;
    }

    /// Changes the pool as a person would.
    pub async fn patch(&self, patch: &Value) {
        ask(&self.meta, Method::PATCH, &format!("{KINDS}/nodepools/blue-pool"), patch).await.expect("it is changed");
    }

    /// Asks for another version.
    pub async fn roll(&self, version: &str, strategy: &str) {
        let blue_green = json!({"batchSoakSeconds": 5, "poolSoakSeconds": 20});
        let rollout = json!({"strategy": {"type": strategy, "blueGreen": blue_green}});
        self.patch(&json!({"spec": {"version": version, "rollout": rollout}})).await;
    }

    /// Asks for another version of the cluster, which is that of its control plane.
    pub async fn roll_cluster(&self, version: &str, strategy: &str) {
        self.patch(&json!({"spec": {"rollout": {"strategy": {"type": strategy}}}})).await;
        let patch = json!({"spec": {"version": version}});
        let path = format!("{KINDS}/clusterdeployments/blue");
        ask(&self.meta, Method::PATCH, &path, &patch).await.expect("another version");
    }

    /// A merge patch of one object.
    pub async fn change(&self, kind: &str, name: &str, patch: &Value) {
        ask(&self.meta, Method::PATCH, &format!("{KINDS}/{kind}/{name}"), patch).await.expect("a valid patch");
    }

    /// Waits until all are of the version that was asked for, and nothing is under way.
    pub async fn rolled(&self, replicas: usize) {
        self.until("rolled out", async || self.is_rolled(replicas).await).await;
    }

    pub async fn is_rolled(&self, replicas: usize) -> bool {
        let Some(pool) = self.pool().await else { return false };
        pool["status"]["observedGeneration"] == pool["metadata"]["generation"]
            && says(&pool, "UpToDate", "True", None)
            && says(&pool, "RollingOut", "False", None)
            && self.is_settled(replicas).await
    }

    /// It would take away more than it may without a person's word.
    pub async fn asks(&self) -> bool {
        let Some(pool) = self.pool().await else { return false };
        pool["metadata"]["annotations"].get(labels::APPROVED_REPLICAS).is_none()
            && says(&pool, "ScalingDown", "False", Some("DeletionBudgetExceeded"))
    }

    /// Waits until so many machines serve, all others are free, and nothing is under way.
    pub async fn settled(&self, replicas: usize) {
        self.until(&format!("settled with {replicas}"), async || self.is_settled(replicas).await).await;
    }

    async fn is_settled(&self, replicas: usize) -> bool {
        let Some(pool) = self.pool().await else { return false };
        let status = &pool["status"];
        let here = status["replicas"] == replicas
            && status["readyReplicas"] == replicas
            && status["phase"] == "Ready"
            && pool["metadata"]["annotations"].get(labels::APPROVED_REPLICAS).is_none();
        if !here {
            return false;
        }
        let nodes = self.list("nodes").await;
        if nodes.len() != replicas || nodes.iter().any(|n| n["spec"]["unschedulable"] == true) {
            return false;
        }
        let rests = |m: &Value| m["status"]["state"] == if m["spec"]["claimRef"].is_null() { "Idle" } else { "Ready" };
        self.list("machines").await.iter().all(rests)
            && self.list("operations").await.iter().all(|o| o["status"]["finishedAt"].is_string())
    }

    /// Nothing is written any more, whatever else goes wrong. Until then nothing does.
    pub async fn rests(&self, layer: &FaultLayer) {
        let mut bad = Faults::none();
        layer.turn(|faults| std::mem::swap(faults, &mut bad));
        tokio::time::sleep(SETTLING).await;
        // Silence is something to be written down: whoever does not answer for long is unknown.
        layer.turn(|faults| *faults = Faults { silent: 0.0, ..bad });
        let before = (self.ledger.writes(), self.ledger.forecasts());
        tokio::time::sleep(REST).await;
        let after = (self.ledger.writes(), self.ledger.forecasts());
        assert_eq!(after.0, before.0, "at rest nothing is written\n{}", self.describe().await);
        assert!(after.1 - before.1 <= FADING, "a forecast does not fade\n{}", self.describe().await);
    }

    /// How it ended, if nothing happened on the way that must not.
    pub async fn verdict(&self) -> String {
        let violations = self.ledger.violations();
        assert!(violations.is_empty(), "{violations:#?}\n{}", self.describe().await);
        crate::ending::of(self).await
    }

    /// Looks once a second.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}\n{}", self.describe().await);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// All that a person would want to see after a failure.
    pub async fn describe(&self) -> String {
        let mut text =
            format!("{}\n--- requests\n{}\n--- objects\n", crate::ending::of(self).await, self.ledger.trace());
        for kind in ["nodepools", "machinesets", "operations", "machines", "jobs", "nodes", "pods"] {
            for object in self.list(kind).await {
                text += &format!(
                    "{kind} {} {} {}\n",
                    object["metadata"]["name"], object["metadata"]["labels"], object["status"]
                );
            }
        }
        text
    }
}

/// Controllers that run; dropped, they are gone at once, wherever they were.
pub struct Running {
    pub task: JoinHandle<()>,
    _cancel: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request, without a detour over types.
pub async fn ask(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value, kube::Error> {
    let content_type = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).expect("a JSON value serialises") };
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content_type).body(bytes);
    client.request(request.expect("a valid path")).await
}

fn says(pool: &Value, type_: &str, status: &str, reason: Option<&str>) -> bool {
    let mut all = pool["status"]["conditions"].as_array().into_iter().flatten();
    all.any(|c| c["type"] == type_ && c["status"] == status && reason.is_none_or(|reason| c["reason"] == reason))
}
