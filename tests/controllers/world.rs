//! A meta cluster, one business cluster and a stand-in for the executor, all in this process.
//!
//! The stand-in does what a pod of a Job does as far as the API can see: it writes phases, makes nodes appear, ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Node, Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    client::Body,
};
use quarterdeck::{
    api::{ClusterDeployment, Machine, MachineState, NodePool, Operation, OperationState, labels, provider_id},
    controllers::{self, Name},
    embedded::{ApiServer, Options},
    runbook::job::{INPUT_KEY, JobInput},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub const NAMESPACE: &str = "default";
const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
    clusters: [{name: c, cluster: {server: 'https://blue.invalid'}}]\n\
    users: [{name: u, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n";

use crate::meta::Meta;

pub struct World {
    pub meta: Meta,
    pub tenant: Tenant,
    /// The business cluster does not answer while this is set.
    pub offline: Arc<AtomicBool>,
    /// What the business cluster says its version is, in place of its own.
    pub version: Arc<Mutex<Option<String>>>,
    /// Writes that reached the meta cluster.
    pub writes: Arc<AtomicU64>,
    pub executor: Executor,
    cancel: CancellationToken,
    _life: tokio_util::sync::DropGuard,
}

/// The business cluster.
pub struct Tenant {
    client: Client,
    /// Kept for as long as it is asked.
    pub server: Option<ApiServer>,
}

impl Tenant {
    pub fn embedded() -> Self {
        let options = Options { version: Some("1.36.0".to_owned()), ..Options::default() };
        let server = ApiServer::open(options).expect("it opens");
        Self { client: server.client(), server: Some(server) }
    }

    /// One that runs elsewhere.
    pub fn elsewhere(client: Client) -> Self {
        Self { client, server: None }
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }
}

/// What the stand-in is told, and what it did.
#[derive(Clone, Default)]
pub struct Executor {
    /// Machines whose phase `Join` or `Reset` fails.
    pub failing: Arc<Mutex<BTreeSet<String>>>,
    /// No Job is worked on while this is set.
    pub held: Arc<AtomicBool>,
    /// `operation/run` and the machines of each Job that was seen.
    pub jobs: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    /// How often a machine was reset.
    pub resets: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl World {
    /// `machines` idle hosts, one cluster `blue` with one pool `blue-pool` of `replicas`.
    pub async fn new(machines: usize, replicas: i32) -> Self {
        Self::on(Meta::open().await, machines, replicas).await
    }

    /// The same on a meta cluster that is there.
    pub async fn on(meta: Meta, machines: usize, replicas: i32) -> Self {
        Self::over(meta, Tenant::embedded(), machines, replicas).await
    }

    /// The same over a business cluster of the test's own choice.
    pub async fn over(meta: Meta, tenant: Tenant, machines: usize, replicas: i32) -> Self {
        let cancel = CancellationToken::new();
        let world = Self {
            meta,
            tenant,
            offline: Arc::default(),
            version: Arc::default(),
            writes: Arc::default(),
            executor: Executor::default(),
            _life: cancel.clone().drop_guard(),
            cancel,
        };
        world.seed(machines, replicas).await;
        let executor = world.executor.clone();
        let work = executor.run(world.meta.clone(), world.tenant.client());
        tokio::spawn(world.cancel.clone().run_until_cancelled_owned(work));
        let kubelets = kubelets(world.tenant.client());
        tokio::spawn(world.cancel.clone().run_until_cancelled_owned(kubelets));
        world
    }

    async fn seed(&self, machines: usize, replicas: i32) {
        let secret = json!({"metadata": {"name": "blue-kubeconfig"}, "stringData": {}, "data": {
            "kubeconfig": k8s_openapi::ByteString(KUBECONFIG.as_bytes().to_vec())}});
        self.create::<Secret>(secret).await;
        for i in 0..machines {
            self.create::<Machine>(json!({
                "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine", "metadata": {"name": format!("m-{i}")},
                "spec": {"address": format!("127.0.0.{}", i + 1)},
            }))
            .await;
        }
        self.create::<ClusterDeployment>(json!({
            "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "ClusterDeployment", "metadata": {"name": "blue"},
            "spec": {
                "version": "1.34.2",
                "kubeconfig": {"name": "blue-kubeconfig"},
                "ssh": {"privateKey": {"name": "ssh"}},
                "pools": [{"name": "pool", "replicas": replicas, "drain": {"timeoutSeconds": 600}}],
            },
        }))
        .await;
    }

    /// Starts the controllers; the token stops them, as if the process had died at that moment.
    pub fn start(&self, identity: &str) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        self.start_some(identity, Name::all())
    }

    pub fn start_some(
        &self,
        identity: &str,
        names: BTreeSet<Name>,
    ) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let cancel = self.cancel.child_token();
        let (tenant, offline, version) = (self.tenant.client(), self.offline.clone(), self.version.clone());
        let dial = move |_| {
            let client = gated(tenant.clone(), offline.clone(), version.clone());
            async move { Ok(client) }.boxed()
        };
        let config = controllers::Config {
            controllers: names,
            namespaces: self.meta.confined().into_iter().collect(),
            dial: Arc::new(dial),
            ..controllers::Config::new(self.counted(), identity, cancel.clone())
        };
        (cancel, tokio::spawn(controllers::run(config)))
    }

    /// A client of the meta cluster that counts what it writes; the Lease aside.
    fn counted(&self) -> Client {
        let ((client, home), writes) = (self.meta.controllers(), self.writes.clone());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (client, writes) = (client.clone(), writes.clone());
            async move {
                if request.method() != http::Method::GET && !request.uri().path().contains("/leases") {
                    writes.fetch_add(1, Ordering::SeqCst);
                }
                client.send(request).await
            }
        });
        Client::new(service, home)
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        self.meta.api()
    }

    pub fn nodes(&self) -> Api<Node> {
        Api::all(self.tenant.client())
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.tenant.client(), NAMESPACE)
    }

    pub async fn create<K>(&self, value: Value) -> K
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + serde::Serialize
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let object: K = serde_json::from_value(value).expect("a valid object");
        self.api().create(&PostParams::default(), &object).await.expect("created")
    }

    pub async fn scale(&self, replicas: i32, annotations: Value) {
        let patch = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}});
        let pools: Api<NodePool> = self.api();
        pools.patch("blue-pool", &PatchParams::default(), &Patch::Merge(patch)).await.expect("scaled");
    }

    pub async fn patch_pool(&self, spec: Value) {
        let pools: Api<NodePool> = self.api();
        let patch = Patch::Merge(json!({ "spec": spec }));
        pools.patch("blue-pool", &PatchParams::default(), &patch).await.expect("patched");
    }

    pub async fn patch_deployment(&self, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api::<ClusterDeployment>()
            .patch("blue", &PatchParams::default(), &patch)
            .await
            .expect("it can be changed");
    }

    pub async fn pool(&self) -> NodePool {
        self.api().get("blue-pool").await.expect("the pool")
    }

    pub async fn machines(&self) -> Vec<Machine> {
        self.api().list(&ListParams::default()).await.expect("machines").items
    }

    pub async fn operations(&self) -> Vec<Operation> {
        self.api().list(&ListParams::default()).await.expect("operations").items
    }

    /// Machines in a state.
    pub async fn count(&self, state: MachineState) -> usize {
        let machines = self.machines().await;
        machines.iter().filter(|m| m.status.as_ref().and_then(|s| s.state) == Some(state)).count()
    }

    pub async fn node_count(&self) -> usize {
        self.nodes().list(&ListParams::default()).await.expect("nodes").items.len()
    }

    /// The condition of the pool: status and reason.
    pub async fn condition(&self, type_: &str) -> (String, String) {
        let pool = self.api::<NodePool>().get_opt("blue-pool").await.expect("an answer");
        let status = pool.and_then(|p| p.status).unwrap_or_default();
        let found = status.conditions.into_iter().find(|c| c.type_ == type_);
        found.map(|c| (c.status, c.reason)).unwrap_or_default()
    }

    /// Waits until so many machines are Ready, and exactly so many nodes exist.
    pub async fn settled(&self, ready: usize) {
        self.until(&format!("{ready} machines are Ready"), async || {
            self.count(MachineState::Ready).await == ready
                && self.node_count().await == ready
                && self.pool().await.status.is_some_and(|s| s.ready_replicas as usize == ready)
                && self
                    .operations()
                    .await
                    .iter()
                    .all(|o| o.status.as_ref().and_then(|s| s.state).is_some_and(OperationState::is_final))
        })
        .await;
    }

    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        while !holds().await {
            if tokio::time::Instant::now() > deadline {
                self.dump().await;
                panic!("not within 120 s: {what}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn dump(&self) {
        for machine in self.machines().await {
            let s = machine.status.clone().unwrap_or_default();
            eprintln!(
                "{} claimed={} state={:?} op={:?}/{:?} node={:?} drain={:?} phases={} message={:?}",
                machine.name_any(),
                machine.spec.claim_ref.is_some(),
                s.state,
                machine.labels().get(labels::OPERATION),
                s.operation,
                s.node.map(|n| (n.name, n.ready)),
                s.drain.map(|d| (d.pods_left, d.blockers, d.completed_at.is_some())),
                s.phases.len(),
                s.message
            );
        }
        for operation in self.operations().await {
            let s = operation.status.clone().unwrap_or_default();
            eprintln!(
                "{} {:?} {:?} run {} {:?}",
                operation.name_any(),
                operation.spec.type_,
                s.state,
                s.run,
                s.message
            );
        }
        let events: Api<k8s_openapi::api::events::v1::Event> = self.meta.api();
        for event in events.list(&ListParams::default()).await.expect("events").items {
            let about = event.regarding.and_then(|r| r.name).unwrap_or_default();
            eprintln!("{about}: {} {}", event.reason.unwrap_or_default(), event.note.unwrap_or_default());
        }
        for pool in self.api::<NodePool>().list(&ListParams::default()).await.expect("pools") {
            eprintln!("{} {:#?}", pool.name_any(), pool.status);
        }
    }

    /// Puts a pod on the node of a machine.
    pub async fn pod(&self, name: &str, machine: &str, app: &str) {
        self.pod_with(name, machine, app, json!({}), json!({})).await;
    }

    /// The same with more in its metadata and in its spec.
    pub async fn pod_with(&self, name: &str, machine: &str, app: &str, metadata: Value, spec: Value) {
        let mut pod = json!({
            "metadata": {"name": name, "labels": {"app": app}},
            "spec": {"nodeName": format!("node-{machine}"), "containers": [{"name": "c", "image": "i"}]},
        });
        for (part, more) in [("metadata", metadata), ("spec", spec)] {
            pod[part].as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        }
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        self.pods().create(&PostParams::default(), &pod).await.expect("created");
        self.pod_is(name, "Running").await;
    }

    /// What the kubelet says of a pod.
    pub async fn pod_is(&self, name: &str, phase: &str) {
        let ready = if phase == "Running" { "True" } else { "False" };
        let status = json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}});
        self.pods().patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.expect("written");
    }

    /// How the nodes of the pool are emptied.
    pub async fn drain_policy(&self, drain: Value) {
        let replicas = self.pool().await.spec.replicas;
        self.patch_deployment(json!({"pools": [{"name": "pool", "replicas": replicas, "drain": drain}]})).await;
        self.until("the pool knows", async || {
            let known = serde_json::to_value(self.pool().await.spec.drain).expect("a policy");
            drain.as_object().expect("an object").iter().all(|(key, value)| known[key] == *value)
        })
        .await;
    }
}

/// A client that fails while the cluster is offline.
fn gated(client: Client, offline: Arc<AtomicBool>, version: Arc<Mutex<Option<String>>>) -> Client {
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (client, offline) = (client.clone(), offline.clone());
        let told = version.lock().unwrap().clone().filter(|_| request.uri().path() == "/version");
        async move {
            if offline.load(Ordering::SeqCst) {
                return Err(tower::BoxError::from("connection refused"));
            }
            if let Some(version) = told {
                let info = json!({"major": "1", "minor": "34", "gitVersion": format!("v{version}"), "gitCommit": "",
                    "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
                return Ok(http::Response::new(Body::from(info.to_string().into_bytes())));
            }
            client.send(request).await.map_err(tower::BoxError::from)
        }
    });
    Client::new(service, NAMESPACE)
}

impl Executor {
    async fn run(self, meta: Meta, tenant: Client) {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.held.load(Ordering::SeqCst) {
                continue;
            }
            let jobs: Api<Job> = meta.api();
            let Ok(list) = jobs.list(&ListParams::default()).await else { continue };
            for job in list.items {
                if job.status.as_ref().is_none_or(|s| s.conditions.iter().flatten().next().is_none()) {
                    self.work(&meta, &tenant, &job).await;
                }
            }
        }
    }

    async fn work(&self, meta: &Meta, tenant: &Client, job: &Job) {
        let maps: Api<ConfigMap> = meta.api();
        let map = maps.get(&job.name_any()).await.expect("the ConfigMap comes first");
        let input: JobInput = serde_json::from_str(&map.data.expect("data")[INPUT_KEY]).expect("an input");
        let names = input.machines.iter().map(|m| m.name.clone()).collect();
        self.jobs.lock().unwrap().insert(format!("{}/{}", input.operation, input.run), names);
        let mut failed = false;
        for machine in &input.machines {
            failed |= !self.work_on(meta, tenant, &input, &machine.name, &machine.uid).await;
        }
        let types = if failed { ["FailureTarget", "Failed"] } else { ["SuccessCriteriaMet", "Complete"] };
        let now = jiff::Timestamp::now();
        let conditions = types.map(|type_| {
            json!({"type": type_, "status": "True", "message": "exit 1", "reason": "Done", "lastTransitionTime": now})
        });
        let mut status = json!({"startTime": now, "conditions": conditions});
        if !failed {
            status["completionTime"] = json!(now);
        }
        let status = json!({ "status": status });
        let jobs: Api<Job> = meta.api();
        let _ = jobs.patch_status(&job.name_any(), &PatchParams::default(), &Patch::Merge(status)).await;
    }

    async fn work_on(&self, meta: &Meta, tenant: &Client, input: &JobInput, name: &str, uid: &str) -> bool {
        let is_join = input.operation.contains("-up-");
        let is_upgrade = input.operation.contains("-upgrade-");
        let version = input.variables["kubernetes_version"].as_str();
        let phase = match () {
            () if is_join => "Join",
            () if is_upgrade => "Upgrade",
            () => "Reset",
        };
        phases(meta, name, &[("Preflight", "Running"), (phase, "Pending")]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        phases(meta, name, &[("Preflight", "Succeeded"), (phase, "Running")]).await;
        if self.failing.lock().unwrap().contains(name) {
            phases(meta, name, &[("Preflight", "Succeeded"), (phase, "Failed")]).await;
            return false;
        }
        if is_join {
            join(tenant, name, uid, version).await;
        } else if is_upgrade {
            report_version(tenant, name, version).await;
        } else {
            *self.resets.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        }
        phases(meta, name, &[("Preflight", "Succeeded"), (phase, "Succeeded")]).await;
        true
    }
}

/// Ends the pods that are asked to leave: the API server only marks what runs on a node, and waits for the kubelet.
async fn kubelets(tenant: Client) {
    let pods: Api<Pod> = Api::namespaced(tenant, NAMESPACE);
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Ok(list) = pods.list(&ListParams::default()).await else { continue };
        for pod in list.items.into_iter().filter(|p| p.metadata.deletion_timestamp.is_some()) {
            let same = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
            let _ = pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0).preconditions(same)).await;
        }
    }
}

async fn phases(meta: &Meta, machine: &str, states: &[(&str, &str)]) {
    let phases: Vec<_> = states.iter().map(|(name, state)| json!({"name": name, "state": state})).collect();
    let machines: Api<Machine> = meta.api();
    let patch = Patch::Merge(json!({"status": {"phases": phases}}));
    machines.patch_status(machine, &PatchParams::default(), &patch).await.expect("phases");
}

/// The kubelet of a node says which version it has.
async fn report_version(tenant: &Client, name: &str, version: &str) {
    let nodes: Api<Node> = Api::all(tenant.clone());
    let info = json!({"status": {"nodeInfo": {"kubeletVersion": format!("v{version}"), "architecture": "amd64", "bootID": "",
        "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux",
        "osImage": "", "systemUUID": ""}}});
    nodes.patch_status(&format!("node-{name}"), &PatchParams::default(), &Patch::Merge(info)).await.expect("a version");
}

async fn join(tenant: &Client, name: &str, uid: &str, version: &str) {
    let nodes: Api<Node> = Api::all(tenant.clone());
    let node = json!({"metadata": {"name": format!("node-{name}")}, "spec": {"providerID": provider_id(uid)}});
    let _ = nodes.create(&PostParams::default(), &serde_json::from_value(node).expect("a node")).await;
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}});
    report_version(tenant, name, version).await;
    nodes.patch_status(&format!("node-{name}"), &PatchParams::default(), &Patch::Merge(ready)).await.expect("ready");
}
