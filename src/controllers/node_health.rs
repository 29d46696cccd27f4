//! Watches the nodes of every cluster and tells their machines, by providerID, what is said of them.
//!
//! One task for each cluster whose kubeconfig is known. A cluster that cannot be asked makes its nodes `Unknown`, never
//! `False`: nothing is concluded from silence. Beside it runs `disruption`, for the same cluster and as long.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, ResourceExt,
    runtime::{controller::Action, watcher},
};
use tokio::{
    sync::{Mutex, Notify},
    task::AbortHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        Cluster, ClusterDeployment, ClusterPhase, ConditionStatus, Machine, NodeCounts, NodeStatus, condition,
        provider_id, set_condition,
    },
    tenant::{
        self, Tenant,
        node::{carries_taint, is_cordoned},
    },
};

use super::{
    Context, Error, Name, belonging,
    context::{drive, watched},
    disruption, write,
};

/// How long to gather changes of nodes before they are written.
const GATHER: Duration = Duration::from_millis(100);
/// How often a silent cluster is asked whether it is still there.
const PROBE_EVERY: Duration = Duration::from_secs(20);
/// How soon what could not be written is written again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long it may fail to answer before its nodes count as unknown.
const GRACE: Duration = Duration::from_secs(20);
/// Writes under way at once.
const WRITES: usize = 16;

/// The tasks, by namespace and name of the deployment.
type Watches = Arc<Mutex<HashMap<(String, String), Watch>>>;

struct Watch {
    /// What the task was started with; another kubeconfig needs another task.
    kubeconfig: String,
    task: AbortHandle,
    /// Somebody may have asked for a forecast.
    wake: Arc<Notify>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn run(context: Arc<Context>, cancel: CancellationToken) {
    let watches = Watches::default();
    let controller = context.controller::<ClusterDeployment>().owns(context.all::<Cluster>(), watched());
    let reconcile = {
        let watches = watches.clone();
        move |deployment, context| reconcile(deployment, context, watches.clone())
    };
    drive(controller, reconcile, Name::NodeHealth, context, cancel).await;
    watches.lock().await.clear();
}

/// Sees to it that exactly one task watches the cluster, with the kubeconfig of now.
async fn reconcile(
    deployment: Arc<ClusterDeployment>,
    context: Arc<Context>,
    watches: Watches,
) -> Result<Action, Error> {
    let key = (deployment.namespace().unwrap_or_default(), deployment.name_any());
    let mut watches = watches.lock().await;
    let api: Api<ClusterDeployment> = context.api(&key.0);
    let Some(deployment) = api.get_opt(&key.1).await? else {
        watches.remove(&key);
        return Ok(Action::await_change());
    };
    let kubeconfig = format!("{:?}/{:?}", deployment.metadata.uid, deployment.spec.kubeconfig);
    if watches.get(&key).is_none_or(|w| w.kubeconfig != kubeconfig || w.task.is_finished()) {
        let wake = Arc::<Notify>::default();
        let disruption = disruption::follow(context.clone(), deployment.clone(), wake.clone());
        let both = futures::future::join(follow(context.clone(), deployment), disruption);
        let task = tokio::spawn(both.map(drop)).abort_handle();
        watches.insert(key, Watch { kubeconfig, task, wake });
    } else if let Some(watch) = watches.get(&key) {
        watch.wake.notify_one();
    }
    // The Secret may appear, change or vanish without the deployment changing; the task looks after that itself.
    Ok(Action::await_change())
}

/// Watches one cluster for good, connection after connection.
async fn follow(context: Arc<Context>, deployment: ClusterDeployment) {
    let mut view = View { ever_connected: was_reached(&context, &deployment).await, ..View::default() };
    loop {
        let ended = watch(&context, &deployment, &mut view).await;
        if let Err(error) = &ended
            && view.lost_since.get_or_insert_with(Instant::now).elapsed() >= view.grace()
        {
            view.report_lost(&context, &deployment, error).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Whether this cluster was reached before, by whichever process: then a first failure of ours says nothing yet.
async fn was_reached(context: &Context, deployment: &ClusterDeployment) -> bool {
    let clusters: Api<Cluster> = context.api(&deployment.namespace().unwrap_or_default());
    match clusters.get_opt(&deployment.name_any()).await {
        Ok(cluster) => cluster.and_then(|c| c.status).is_some_and(|s| s.nodes.is_some()),
        Err(_) => true,
    }
}

/// What is known of the nodes of one cluster.
#[derive(Default)]
struct View {
    /// By providerID. Two nodes of one providerID make it unknown which is meant: both are kept, and said so.
    nodes: BTreeMap<String, Vec<Node>>,
    /// All nodes, those without a providerID too.
    by_name: BTreeMap<String, Node>,
    /// What the API server says it is.
    version: Option<String>,
    /// Versions of the kubelets when it was asked: they change with those of a control plane.
    kubelets: BTreeSet<String>,
    answered_at: Option<Time>,
    lost_since: Option<Instant>,
    ever_connected: bool,
}

/// Why a watch came to its end.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{}", .0.sentence())]
    Tenant(#[from] tenant::Error),
    #[error("{0}")]
    Watch(String),
}

impl Lost {
    fn reason(&self) -> &'static str {
        match self {
            Self::Tenant(error) => error.reason(),
            Self::Watch(_) => "ConnectionDown",
        }
    }
}

async fn watch(context: &Context, deployment: &ClusterDeployment, view: &mut View) -> Result<(), Lost> {
    let tenant = context.tenants.connect(deployment).await?;
    view.version = Some(tenant.version().await?);
    let mut events = watcher::watcher(tenant.nodes(), watcher::Config::default()).boxed();
    let mut fresh: Option<BTreeMap<String, Node>> = None;
    let mut probe = tokio::time::interval(PROBE_EVERY);
    probe.reset();
    // All nodes are known; something is still to be written.
    let (mut listed, mut owed) = (false, false);
    loop {
        let event = tokio::select! {
            event = events.try_next() => event.map_err(|e| Lost::Watch(e.to_string()))?,
            _ = probe.tick() => {
                let Some(version) = still(context, deployment, &tenant).await? else { return Ok(()) };
                view.version = Some(version);
                // A machine that joined the cluster, or got its label back, after its node had its last news.
                owed = listed && !view.report(context, deployment).await;
                continue;
            }
            () = tokio::time::sleep(AGAIN), if owed => {
                owed = !view.report(context, deployment).await;
                continue;
            }
        };
        let Some(event) = event else { return Err(Lost::Watch("the watch ended".to_owned())) };
        let due = take(view, &mut fresh, event);
        // What comes close together is written together.
        let gather = tokio::time::sleep(GATHER);
        tokio::pin!(gather);
        let mut ended = None;
        while due && ended.is_none() {
            tokio::select! {
                () = &mut gather => break,
                event = events.try_next() => match event {
                    Ok(Some(event)) => drop(take(view, &mut fresh, event)),
                    Ok(None) => ended = Some(Lost::Watch("the watch ended".to_owned())),
                    Err(error) => ended = Some(Lost::Watch(error.to_string())),
                },
            }
        }
        if due {
            (view.lost_since, view.ever_connected) = (None, true);
            view.answered_at = Some(Time(context.now()));
            let kubelets = view.kubelets();
            if kubelets != view.kubelets {
                // A member of the control plane may be among them: the server is asked anew, once for all of them.
                view.version = Some(tenant.version().await?);
                view.kubelets = kubelets;
            }
            (listed, owed) = (true, !view.report(context, deployment).await);
        }
        // What was heard before the end counts: the cluster has answered.
        if let Some(lost) = ended {
            return Err(lost);
        }
    }
}

/// The version with which the cluster answers; `None` if its kubeconfig does not lead to the same client any more.
async fn still(context: &Context, deployment: &ClusterDeployment, tenant: &Tenant) -> Result<Option<String>, Lost> {
    let now = context.tenants.connect(deployment).await?;
    let version = tenant.version().await?;
    Ok(now.is_same_as(tenant).then_some(version))
}

/// Puts an event into the view. Answers whether there is something to report.
fn take(view: &mut View, fresh: &mut Option<BTreeMap<String, Node>>, event: watcher::Event<Node>) -> bool {
    match event {
        watcher::Event::Init => *fresh = Some(BTreeMap::new()),
        watcher::Event::InitApply(node) => drop(fresh.get_or_insert_default().insert(node.name_any(), node)),
        watcher::Event::InitDone => view.by_name = fresh.take().unwrap_or_default(),
        watcher::Event::Apply(node) => drop(view.by_name.insert(node.name_any(), node)),
        watcher::Event::Delete(node) => drop(view.by_name.remove(&node.name_any())),
    }
    fresh.is_none()
}

impl View {
    /// A cluster that was never reached has nothing to be lost: it is said at once.
    fn grace(&self) -> Duration {
        if self.ever_connected { GRACE } else { Duration::ZERO }
    }

    fn kubelets(&self) -> BTreeSet<String> {
        let info = |n: &Node| n.status.as_ref()?.node_info.as_ref().map(|i| i.kubelet_version.clone());
        self.by_name.values().filter_map(info).collect()
    }

    /// Writes what has changed. Answers whether all of it is written: news that are lost here would never come again.
    async fn report(&mut self, context: &Context, deployment: &ClusterDeployment) -> bool {
        self.nodes.clear();
        for node in self.by_name.values() {
            if let Some(id) = node.spec.as_ref().and_then(|s| s.provider_id.clone()) {
                self.nodes.entry(id).or_default().push(node.clone());
            }
        }
        let written = self.write(context, deployment, None).await;
        if let Err(error) = &written {
            tracing::warn!(cluster = %deployment.name_any(), %error, "the health of nodes is not written yet");
        }
        written.is_ok()
    }

    async fn report_lost(&self, context: &Context, deployment: &ClusterDeployment, why: &Lost) {
        if let Err(error) = self.write(context, deployment, Some(why)).await {
            tracing::warn!(cluster = %deployment.name_any(), %error, "the health of nodes was not written");
        }
    }

    /// Tells every machine of the cluster whose node has changed, then the `Cluster`.
    async fn write(&self, context: &Context, deployment: &ClusterDeployment, lost: Option<&Lost>) -> Result<(), Error> {
        let namespace = deployment.namespace().unwrap_or_default();
        let api: Api<Machine> = context.api(&namespace);
        let machines: Vec<Machine> = context.live(&namespace, &belonging::of_cluster(&deployment.name_any())).await?;
        let mut writes: Vec<BoxFuture<'_, Result<(), Error>>> = Vec::new();
        for machine in &machines {
            if machine.spec.claim_ref.as_ref().is_some_and(|c| c.cluster_name == deployment.name_any()) {
                writes.push(self.write_machine(&api, machine, lost, context.now()).boxed());
            }
        }
        futures::stream::iter(writes).buffer_unordered(WRITES).try_collect::<()>().await?;
        self.write_cluster(context, deployment, lost).await
    }

    async fn write_machine(
        &self,
        api: &Api<Machine>,
        machine: &Machine,
        lost: Option<&Lost>,
        now: jiff::Timestamp,
    ) -> Result<(), Error> {
        let before = machine.status.clone().unwrap_or_default();
        let mut after = before.clone();
        after.node = self.node_of(machine, lost, now);
        match write::status(api, machine, &before, &after).await {
            // It changed meanwhile; what the node says is written all the same, alone.
            Err(error) if error.is_conflict() => write::node_again(api, machine, after.node.as_ref()).await,
            other => other.map(drop),
        }
    }

    /// What is to be said of a machine's node.
    fn node_of(&self, machine: &Machine, lost: Option<&Lost>, now: jiff::Timestamp) -> Option<NodeStatus> {
        let before = machine.status.as_ref().and_then(|s| s.node.clone());
        let unknown = |reason: String| {
            let last = before.clone()?;
            let since = if last.ready == "Unknown" { last.since.clone() } else { Some(Time(now)) };
            Some(NodeStatus { ready: "Unknown".to_owned(), reason: Some(reason), since, ..last })
        };
        if let Some(lost) = lost {
            return unknown(lost.reason().to_owned());
        }
        let id = provider_id(machine.metadata.uid.as_deref().unwrap_or_default());
        match self.nodes.get(&id).map(Vec::as_slice) {
            None | Some([]) => None,
            Some([node]) => Some(describe(node, before.as_ref(), now)),
            Some(_) => unknown("DuplicateProviderID".to_owned()),
        }
    }

    async fn write_cluster(
        &self,
        context: &Context,
        deployment: &ClusterDeployment,
        lost: Option<&Lost>,
    ) -> Result<(), Error> {
        let api: Api<Cluster> = context.api(&deployment.namespace().unwrap_or_default());
        let Some(cluster) = api.get_opt(&deployment.name_any()).await? else { return Ok(()) };
        let (generation, now) = (cluster.metadata.generation, context.now());
        let before = cluster.status.clone().unwrap_or_default();
        let mut after = before.clone();
        let counts = NodeCounts {
            total: i32::try_from(self.by_name.len()).unwrap_or(i32::MAX),
            ready: i32::try_from(self.by_name.values().filter(|n| ready(n).0 == "True").count()).unwrap_or(i32::MAX),
        };
        let (probe, reason, message) = match lost {
            None => (ConditionStatus::True, "ProbeSucceeded", String::new()),
            Some(lost) => (ConditionStatus::Unknown, lost.reason(), lost.to_string()),
        };
        let mut say = |type_: &str, status, reason: &str, message: String| {
            set_condition(&mut after.conditions, condition(type_, status, reason, message, generation, now));
        };
        say("RemoteConnectionProbe", probe, reason, message.clone());
        if lost.is_some() {
            say("Available", ConditionStatus::Unknown, reason, message.clone());
            say("NodesReady", ConditionStatus::Unknown, reason, message);
            after.phase = Some(if self.ever_connected { ClusterPhase::Unreachable } else { ClusterPhase::Pending });
            after.last_probe_time.clone_from(&self.answered_at);
        } else {
            let all = counts.ready == counts.total;
            let numbers = format!("{} of {} nodes are Ready", counts.ready, counts.total);
            say("Available", ConditionStatus::True, "Available", String::new());
            say("NodesReady", all.into(), if all { "NodesReady" } else { "NodesNotReady" }, numbers);
            after.phase = Some(if all { ClusterPhase::Running } else { ClusterPhase::Degraded });
            after.nodes = Some(counts);
            after.version.clone_from(&self.version);
        }
        after.observed_generation = generation;
        if lost.is_none() && after != before {
            after.last_probe_time.clone_from(&self.answered_at);
        }
        write::status(&api, &cluster, &before, &after).await?;
        Ok(())
    }
}

/// Status and reason of the Ready condition; `Unknown` if the node says nothing.
fn ready(node: &Node) -> (String, Option<String>) {
    let conditions = node.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|c| c.type_ == "Ready");
    ready.map_or_else(|| ("Unknown".to_owned(), None), |c| (c.status.clone(), c.reason.clone()))
}

fn describe(node: &Node, before: Option<&NodeStatus>, now: jiff::Timestamp) -> NodeStatus {
    let (ready, reason) = ready(node);
    let same = before.filter(|b| b.ready == ready && b.uid == node.metadata.uid);
    NodeStatus {
        name: Some(node.name_any()),
        uid: node.metadata.uid.clone(),
        since: same.map_or(Some(Time(now)), |b| b.since.clone()),
        ready,
        reason,
        unschedulable: is_cordoned(node),
        cordoned_by: node.annotations().get(crate::api::labels::CORDONED_BY).cloned(),
        outdated: carries_taint(node, crate::api::labels::OUTDATED_TAINT),
        kubelet_version: node
            .status
            .as_ref()
            .and_then(|s| s.node_info.as_ref())
            .map(|i| i.kubelet_version.trim_start_matches('v').to_owned()),
    }
}
