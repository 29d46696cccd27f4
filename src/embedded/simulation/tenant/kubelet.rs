//! Carries out what is due in a simulated business cluster: follows its objects, and acts after the time that a real one
//! would take. Between changes it sleeps; leases are renewed once in a while, not every ten seconds.

use std::{collections::BTreeSet, time::Duration};

use futures::{Stream, StreamExt, future::BoxFuture, stream};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, ReplicaSet, StatefulSet},
    coordination::v1::Lease,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use super::{
    Broken,
    model::{Act, Model, READY_AFTER, SetRow, Size},
    objects::{self, Readiness},
    workloads::AILING,
};
use crate::embedded::simulation::{dice::Dice, timing::Pace};

/// Acts under way at once, beside those that wait for minutes.
const PARALLEL: usize = 256;
/// Pods of a node that is lost for so long are given up, as Kubernetes does by default.
const ABANDON_SECS: f64 = 300.0;
/// Kinds that are followed.
const LISTS: usize = 5;
/// After a call that failed.
const RETRY: Duration = Duration::from_millis(500);
/// Leases say that they last this long, and are renewed at half of it.
pub const LEASE_SECONDS: u64 = 3600;

/// Something that changed.
enum News {
    Node(Node),
    NodeGone(Node),
    Pod(Pod),
    PodGone(Pod),
    ReplicaSet(ReplicaSet),
    StatefulSet(StatefulSet),
    DaemonSet(DaemonSet),
    SetGone(Option<String>),
    /// All that there is of one kind was told.
    Listed,
}

/// What an act led to.
enum Done {
    Node(Node),
    Pod(Pod),
    Gone(String),
    Waited,
    Failed,
}

/// Runs until it is dropped.
pub async fn run(client: Client, pace: Pace, cluster: String, broken: Option<Broken>) {
    let mut kubelet = Kubelet {
        client: client.clone(),
        pace,
        cluster,
        model: Model::new(broken),
        unlisted: LISTS,
        begun: BTreeSet::new(),
        working: 0,
        ended: BTreeSet::new(),
        calls: JoinSet::new(),
        settled: false,
        acts: 0,
    };
    let mut news = std::pin::pin!(news(client).ready_chunks(256));
    let mut leases = tokio::time::interval_at(Instant::now() + lease_pause(), lease_pause());
    loop {
        tokio::select! {
            Some(some) = news.next() => some.into_iter().for_each(|one| kubelet.hear(one)),
            Some(done) = kubelet.calls.join_next() => kubelet.conclude(done),
            _ = leases.tick() => kubelet.renew().await,
            else => return,
        }
        kubelet.begin();
    }
}

fn lease_pause() -> Duration {
    Duration::from_secs(LEASE_SECONDS / 2)
}

struct Kubelet {
    client: Client,
    pace: Pace,
    cluster: String,
    model: Model,
    /// Kinds of which not everything was heard: until then a pod may seem to be without its node.
    unlisted: usize,
    /// Acts under way, and how many of them are no mere waits.
    begun: BTreeSet<Act>,
    working: usize,
    /// Pods that we ended and whose end the watch has not told yet: older news of them must not bring them back.
    ended: BTreeSet<String>,
    calls: JoinSet<(Act, Done)>,
    /// Nothing was due once: from then on things take their time.
    settled: bool,
    acts: u64,
}

impl Kubelet {
    fn hear(&mut self, news: News) {
        match news {
            News::Node(node) => self.model.node(&node),
            News::NodeGone(node) => self.model.node_gone(&node.name_any()),
            News::Pod(pod) if self.ended.contains(&pod.uid().unwrap_or_default()) => {}
            News::Pod(pod) => self.model.pod(&pod),
            News::PodGone(pod) => {
                let uid = pod.uid().unwrap_or_default();
                self.model.pod_gone(&uid);
                self.ended.remove(&uid);
            }
            News::ReplicaSet(set) => self.model.replica_set(&set),
            News::StatefulSet(set) => self.model.stateful_set(&set),
            News::DaemonSet(set) => self.model.daemon_set(&set),
            News::SetGone(uid) => self.model.set_gone(&uid.unwrap_or_default()),
            News::Listed => self.unlisted = self.unlisted.saturating_sub(1),
        }
    }

    fn conclude(&mut self, done: Result<(Act, Done), tokio::task::JoinError>) {
        let Ok((act, done)) = done else { return };
        self.begun.remove(&act);
        self.working -= usize::from(!act.is_wait());
        match (done, &act) {
            (Done::Node(node), _) => self.model.node(&node),
            (Done::Pod(pod), _) => self.model.pod(&pod),
            (Done::Gone(uid), _) => {
                if self.model.pod_gone(&uid) {
                    self.ended.insert(uid);
                }
            }
            (Done::Waited, Act::Abandon { node }) => self.model.abandon(node),
            (Done::Waited | Done::Failed, _) => {}
        }
        self.model.touch(&act);
    }

    fn begin(&mut self) {
        if self.unlisted > 0 {
            return;
        }
        let due = self.model.due(&self.begun);
        self.settled |= due.is_empty() && self.working == 0 && self.model.has_pods();
        for act in due {
            if self.working >= PARALLEL {
                // One that ends makes room for it.
                self.model.touch(&act);
                continue;
            }
            let delay = self.delay(&act);
            if let Some(call) = self.call(&act) {
                self.working += usize::from(!act.is_wait());
                self.begun.insert(act.clone());
                self.calls.spawn(carry_out(act, delay, call));
            }
        }
    }

    /// How long it takes in the real world, at the demo's speed.
    fn delay(&mut self, act: &Act) -> Duration {
        self.acts += 1;
        let mut dice = Dice::new(self.pace.seed, &["kubelet", &self.cluster, &self.acts.to_string()]);
        let seconds = match act {
            Act::Finish { grace, .. } => dice.around(2.5, 0.5).min(*grace as f64),
            Act::NodeReady { .. } => dice.around(7.0, 0.3),
            Act::NodeLost { .. } => dice.around(4.0, 0.3),
            Act::Abandon { .. } => ABANDON_SECS,
            Act::Ready { after_secs, .. } => *after_secs as f64,
            _ if !self.settled => 0.0,
            Act::Create { .. } | Act::Remove { .. } | Act::Bind { .. } | Act::Unready { .. } => 0.05,
            Act::Start { .. } => dice.around(2.0, 0.4),
        };
        Duration::from_millis(self.pace.scaled(seconds))
    }

    fn call(&self, act: &Act) -> Option<Call> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let patch = PatchParams::default();
        Some(match act {
            Act::Create { set, node, nth } => {
                let set = self.model.set_row(set)?;
                let pods: Api<Pod> = Api::namespaced(self.client.clone(), &set.namespace);
                let pod = new_pod(set, node.as_deref(), *nth, self.settled);
                Box::pin(async move { pods.create(&PostParams::default(), &pod).await.map(Done::Pod) })
            }
            Act::Bind { pod, node } => {
                let (pods, name) = self.pod(pod)?;
                let bound = Patch::Merge(json!({"spec": {"nodeName": node}}));
                Box::pin(async move { pods.patch(&name, &patch, &bound).await.map(Done::Pod) })
            }
            Act::Start { pod } => {
                let (pods, name) = self.pod(pod)?;
                let address = self.pod_address(pod);
                let (uid, ready) = (pod.clone(), self.model.pod_row(pod)?.ready_after_secs == 0);
                Box::pin(async move {
                    let status = Patch::Merge(running(&pods.get(&name).await?, &uid, &address, ready));
                    pods.patch_status(&name, &patch, &status).await.map(Done::Pod)
                })
            }
            Act::Ready { pod, .. } | Act::Unready { pod } => {
                let (pods, name) = self.pod(pod)?;
                let status = Patch::Merge(objects::pod_readiness(pod, matches!(act, Act::Ready { .. })));
                Box::pin(async move { pods.patch_status(&name, &patch, &status).await.map(Done::Pod) })
            }
            Act::Abandon { .. } => Box::pin(async { Ok(Done::Waited) }),
            Act::Remove { pod } => {
                let (pods, name) = self.pod(pod)?;
                let how = DeleteParams::default().preconditions(of(pod));
                let uid = pod.clone();
                Box::pin(async move {
                    let left = pods.delete(&name, &how).await?;
                    Ok(left.left().map_or(Done::Gone(uid), Done::Pod))
                })
            }
            Act::Finish { pod, .. } => {
                let (pods, name) = self.pod(pod)?;
                let how = DeleteParams::default().grace_period(0).preconditions(of(pod));
                let uid = pod.clone();
                Box::pin(async move { pods.delete(&name, &how).await.map(|_| Done::Gone(uid)) })
            }
            Act::NodeReady { node } | Act::NodeLost { node } => {
                let readiness = if matches!(act, Act::NodeReady { .. }) { Readiness::Ready } else { Readiness::Lost };
                let (name, status) = (node.clone(), json!({"status": {"conditions": objects::conditions(readiness)}}));
                Box::pin(async move { nodes.patch_status(&name, &patch, &Patch::Merge(status)).await.map(Done::Node) })
            }
        })
    }

    fn pod(&self, uid: &str) -> Option<(Api<Pod>, String)> {
        let row = self.model.pod_row(uid)?;
        Some((Api::namespaced(self.client.clone(), &row.namespace), row.name.clone()))
    }

    fn pod_address(&self, uid: &str) -> String {
        let n = Dice::new(self.pace.seed, &[uid]).roll();
        format!("10.{}.{}.{}", n % 200 + 20, n >> 8 & 0xff, (n >> 16) % 254 + 1)
    }

    async fn renew(&self) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "kube-node-lease");
        for name in self.model.alive() {
            let renewed = Patch::Merge(json!({"spec": {"renewTime": objects::renewed()}}));
            if let Err(error) = leases.patch(name, &PatchParams::default(), &renewed).await {
                tracing::debug!(node = name, %error, "the lease of a simulated node was not renewed");
            }
        }
    }
}

type Call = BoxFuture<'static, Result<Done, kube::Error>>;

async fn carry_out(act: Act, delay: Duration, call: Call) -> (Act, Done) {
    tokio::time::sleep(delay).await;
    let done = match (call.await, act.pod()) {
        (Ok(done), _) => done,
        // Somebody else ended it.
        (Err(kube::Error::Api(status)), Some(pod)) if status.code == 404 => Done::Gone(pod.to_owned()),
        (Err(error), _) => {
            tracing::debug!(?act, %error, "a simulated cluster could not act");
            tokio::time::sleep(RETRY).await;
            Done::Failed
        }
    };
    (act, done)
}

fn of(uid: &str) -> Preconditions {
    Preconditions { uid: Some(uid.to_owned()), resource_version: None }
}

/// A pod of a set. While a cluster is made, its pods are ready at once, but for the first of a set that is to ail.
fn new_pod(set: &SetRow, node: Option<&str>, nth: usize, settled: bool) -> Pod {
    let mut pod = Pod { spec: set.template.spec.clone(), ..Pod::default() };
    let template = set.template.metadata.clone().unwrap_or_default();
    let mut annotations = template.annotations.unwrap_or_default();
    let ails = annotations.remove(AILING).filter(|_| !settled && nth == 0);
    if !settled {
        annotations.remove(READY_AFTER);
    }
    annotations.extend(ails.map(|seconds| (READY_AFTER.to_owned(), seconds)));
    pod.metadata.labels = template.labels;
    pod.metadata.annotations = Some(annotations).filter(|a| !a.is_empty());
    match set.size {
        Size::Ordinals(_) => pod.metadata.name = Some(format!("{}-{nth}", set.name)),
        _ => pod.metadata.generate_name = Some(format!("{}-", set.name)),
    }
    pod.metadata.namespace = Some(set.namespace.clone());
    pod.metadata.owner_references = Some(vec![set.owner.clone()]);
    if let (Some(spec), Some(node)) = (&mut pod.spec, node) {
        spec.node_name = Some(node.to_owned());
    }
    pod
}

fn running(pod: &Pod, uid: &str, address: &str, ready: bool) -> Value {
    let containers: Vec<_> = pod
        .spec
        .iter()
        .flat_map(|s| &s.containers)
        .map(|c| (c.name.clone(), c.image.clone().unwrap_or_default()))
        .collect();
    objects::running(uid, &containers, address, ready)
}

/// Everything that changes in the cluster.
fn news(client: Client) -> impl Stream<Item = News> {
    let config = watcher::Config::default;
    let nodes = watcher(Api::<Node>::all(client.clone()), config()).default_backoff();
    let pods = watcher(Api::<Pod>::all(client.clone()), config()).default_backoff();
    let replicas = watcher(Api::<ReplicaSet>::all(client.clone()), config()).default_backoff();
    let stateful = watcher(Api::<StatefulSet>::all(client.clone()), config()).default_backoff();
    let daemons = watcher(Api::<DaemonSet>::all(client), config()).default_backoff();
    let all: [stream::BoxStream<'static, News>; LISTS] = [
        nodes.filter_map(|e| async { changed(e, News::Node, News::NodeGone) }).boxed(),
        pods.filter_map(|e| async { changed(e, News::Pod, News::PodGone) }).boxed(),
        replicas.filter_map(|e| async { changed(e, News::ReplicaSet, |s| News::SetGone(s.uid())) }).boxed(),
        stateful.filter_map(|e| async { changed(e, News::StatefulSet, |s| News::SetGone(s.uid())) }).boxed(),
        daemons.filter_map(|e| async { changed(e, News::DaemonSet, |s| News::SetGone(s.uid())) }).boxed(),
    ];
    stream::select_all(all)
}

fn changed<K>(
    event: Result<watcher::Event<K>, watcher::Error>,
    there: impl Fn(K) -> News,
    gone: impl Fn(K) -> News,
) -> Option<News> {
    match event {
        Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => Some(there(object)),
        Ok(watcher::Event::Delete(object)) => Some(gone(object)),
        Ok(watcher::Event::InitDone) => Some(News::Listed),
        Ok(watcher::Event::Init) => None,
        Err(error) => {
            tracing::debug!(%error, "a watch in a simulated cluster");
            None
        }
    }
}
