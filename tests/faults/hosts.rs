//! Stand-ins for what runs on machines: the pod of a Job, which works on hosts and leaves receipts there, and the kubelets.
//!
//! They wait for news and never poll, so that the paused clock can leap.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, future::join_all};
use http::Method;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Pod},
};
use kube::{Api, Client, ResourceExt, runtime::watcher};
use quarterdeck::{
    api::provider_id,
    runbook::job::{INPUT_KEY, InventoryMachine, JobInput},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    fleet::{NAMESPACE, ask},
    ledger::Ledger,
    runs::now,
};

/// What a runbook does to hosts.
#[derive(Clone, Copy)]
enum Work {
    Join,
    Upgrade,
    Reset,
}

impl Work {
    fn of(input: &JobInput) -> Self {
        let named = |name: &str| input.runbook.contains(&format!("name: {name}\n"));
        match () {
            () if named("node-join") => Self::Join,
            () if named("node-upgrade") => Self::Upgrade,
            () if named("node-reset") => Self::Reset,
            () => panic!("no runbook that we know: {}", input.runbook),
        }
    }

    /// Its last phase; the first one looks around.
    fn phase(self) -> &'static str {
        match self {
            Self::Join => "Join",
            Self::Upgrade => "Upgrade",
            Self::Reset => "Reset",
        }
    }
}

/// What is known of one host, on the host.
#[derive(Default)]
struct Host {
    joined: bool,
    busy_with: Option<String>,
    /// The highest term that it has seen.
    term: i64,
    /// Operations that were carried out here.
    receipts: BTreeSet<String>,
}

/// All hosts, by the UID of their machine.
pub struct Hosts {
    meta: Client,
    tenant: Client,
    ledger: Arc<Ledger>,
    hosts: Mutex<BTreeMap<String, Host>>,
}

impl Hosts {
    pub fn new(meta: Client, tenant: Client, ledger: Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self { meta, tenant, ledger, hosts: Mutex::default() })
    }

    /// Carries Jobs out, each once.
    pub async fn work(self: Arc<Self>) {
        let jobs: Api<Job> = Api::all(self.meta.clone());
        let mut seen = BTreeSet::new();
        let mut pods = JoinSet::new();
        let mut events = watcher(jobs, watcher::Config::default()).boxed();
        while let Ok(Some(event)) = events.try_next().await {
            if let watcher::Event::Apply(job) | watcher::Event::InitApply(job) = event
                && seen.insert(job.uid().unwrap_or_default())
            {
                pods.spawn(self.clone().pod(job));
            }
        }
    }

    /// One pod of a Job: it starts when what its volume names is there.
    async fn pod(self: Arc<Self>, job: Job) {
        let maps: Api<ConfigMap> = Api::namespaced(self.meta.clone(), NAMESPACE);
        let map = loop {
            match maps.get_opt(&job.name_any()).await.expect("the server answers") {
                Some(map) => break map,
                None => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        };
        let input: JobInput = serde_json::from_str(&map.data.expect("data")[INPUT_KEY]).expect("an input");
        join_all(input.machines.iter().map(|machine| self.run(&input, machine))).await;
        let conditions = ["SuccessCriteriaMet", "Complete"]
            .map(|type_| json!({"type": type_, "status": "True", "reason": "Done", "lastTransitionTime": now()}));
        let now = now();
        let status = json!({"status": {"startTime": now, "completionTime": now, "conditions": conditions}});
        let path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{}/status", job.name_any());
        // Somebody may have deleted it.
        let _ = ask(&self.meta, Method::PATCH, &path, &status).await;
        self.ledger.happens();
    }

    async fn run(&self, input: &JobInput, machine: &InventoryMachine) {
        let work = Work::of(input);
        let last = work.phase();
        let is_new = self.begin(input, machine);
        self.phases(&machine.name, &[("Preflight", "Running"), (last, "Pending")]).await;
        tokio::time::sleep(pace(&machine.name, 400)).await;
        self.phases(&machine.name, &[("Preflight", "Succeeded"), (last, "Running")]).await;
        tokio::time::sleep(pace(&machine.name, 1500)).await;
        match work {
            _ if !is_new => {}
            Work::Join => self.join(input, machine).await,
            Work::Upgrade => self.upgrade(input, machine).await,
            Work::Reset => self.reset(input, machine).await,
        }
        self.phases(&machine.name, &[("Preflight", "Succeeded"), (last, "Succeeded")]).await;
        let mut hosts = self.hosts.lock().unwrap();
        let host = hosts.get_mut(&machine.uid).expect("it was begun");
        host.busy_with = None;
        host.receipts.insert(input.operation.clone());
    }

    /// Looks at receipts and at who else is here. Answers whether there is something to do.
    fn begin(&self, input: &JobInput, machine: &InventoryMachine) -> bool {
        let mut hosts = self.hosts.lock().unwrap();
        let host = hosts.entry(machine.uid.clone()).or_default();
        if let Some(other) = &host.busy_with {
            self.ledger.violation(format!("{} works on {} while {other} does", input.operation, machine.name));
        }
        if input.fence < host.term {
            self.ledger.violation(format!("{} comes to {} with an old term", input.operation, machine.name));
        }
        host.term = input.fence;
        host.busy_with = Some(input.operation.clone());
        !host.receipts.contains(&input.operation)
    }

    /// The host becomes a node, with a pod on it.
    async fn join(&self, input: &JobInput, machine: &InventoryMachine) {
        let name = format!("node-{}", machine.name);
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"providerID": provider_id(&machine.uid)}});
        ask(&self.tenant, Method::POST, "/api/v1/nodes", &node).await.expect("a new node");
        self.ledger.happens();
        self.report(input, machine).await;
        self.ledger.joined(&name);
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("pod-{}", machine.name), "labels": {"app": "shop"}},
            "spec": {"nodeName": name, "containers": [{"name": "c", "image": "i"}]}});
        let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        ask(&self.tenant, Method::POST, &pods, &pod).await.expect("a new pod");
        self.ledger.happens();
        self.hosts.lock().unwrap().get_mut(&machine.uid).expect("it was begun").joined = true;
    }

    /// The kubelet says that it is there, and in which version.
    async fn report(&self, input: &JobInput, machine: &InventoryMachine) {
        let version = format!("v{}", input.variables["kubernetes_version"]);
        let info = json!({"kubeletVersion": version, "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "",
            "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "",
            "systemUUID": ""});
        let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady"});
        let status = json!({"status": {"nodeInfo": info, "conditions": [ready]}});
        let path = format!("/api/v1/nodes/node-{}/status", machine.name);
        ask(&self.tenant, Method::PATCH, &path, &status).await.expect("it is there");
        self.ledger.happens();
    }

    /// The kubelet is replaced; the host stays a node, which has to be empty by then.
    async fn upgrade(&self, input: &JobInput, machine: &InventoryMachine) {
        self.ledger.effect(format!("upgrade {} for {}", machine.name, input.operation));
        if !self.hosts.lock().unwrap().get(&machine.uid).is_some_and(|h| h.joined) {
            self.ledger.violation(format!("{} is upgraded and has not joined", machine.name));
        }
        self.check_empty(machine, "upgraded").await;
        self.report(input, machine).await;
    }

    /// The host is wiped: by then its node has to be empty, and stay so.
    async fn reset(&self, input: &JobInput, machine: &InventoryMachine) {
        self.ledger.effect(format!("reset {} for {}", machine.name, input.operation));
        if !self.hosts.lock().unwrap().get_mut(&machine.uid).is_some_and(|h| std::mem::take(&mut h.joined)) {
            self.ledger.violation(format!("{} is reset and had not joined", machine.name));
        }
        self.check_empty(machine, "reset").await;
        self.ledger.happens();
    }

    async fn check_empty(&self, machine: &InventoryMachine, what: &str) {
        let node = ask(&self.tenant, Method::GET, &format!("/api/v1/nodes/node-{}", machine.name), &Value::Null).await;
        if node.is_ok_and(|node| node["spec"]["unschedulable"] != true) {
            self.ledger.violation(format!("{} is {what} and its node takes pods", machine.name));
        }
        let pods = format!("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-{}", machine.name);
        let pods = ask(&self.tenant, Method::GET, &pods, &Value::Null).await.expect("a list");
        if pods["items"].as_array().is_some_and(|items| !items.is_empty()) {
            self.ledger.violation(format!("{} is {what} and has pods", machine.name));
        }
    }

    async fn phases(&self, machine: &str, states: &[(&str, &str)]) {
        let phases: Vec<_> = states.iter().map(|(name, state)| json!({"name": name, "state": state})).collect();
        let path = format!("/apis/quarterdeck.dev/v1alpha1/namespaces/{NAMESPACE}/machines/{machine}/status");
        ask(&self.meta, Method::PATCH, &path, &json!({"status": {"phases": phases}})).await.expect("the machine");
        self.ledger.happens();
    }
}

/// Ends the pods that are asked to leave: the API server only marks what runs on a node, and waits for the kubelet.
pub async fn kubelets(tenant: Client, ledger: Arc<Ledger>) {
    let pods: Api<Pod> = Api::all(tenant.clone());
    let mut ending = JoinSet::new();
    let mut events = watcher(pods, watcher::Config::default()).boxed();
    while let Ok(Some(event)) = events.try_next().await {
        if let watcher::Event::Apply(pod) = event
            && pod.metadata.deletion_timestamp.is_some()
        {
            let (tenant, ledger) = (tenant.clone(), ledger.clone());
            ending.spawn(async move {
                tokio::time::sleep(pace(&pod.name_any(), 2000)).await;
                let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}", pod.name_any());
                let now = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid()}});
                let _ = ask(&tenant, Method::DELETE, &path, &now).await;
                ledger.happens();
            });
        }
    }
}

/// Not all are equally fast.
fn pace(name: &str, longest_ms: u64) -> Duration {
    let sum: u64 = name.bytes().map(u64::from).sum();
    Duration::from_millis(longest_ms / 2 + (sum * 37) % (longest_ms / 2))
}
