//! Simulated business clusters: an embedded API server each, in which the nodes of simulated machines appear and go, and
//! workloads run.

mod kubelet;
mod model;
mod objects;
mod workloads;

use std::{path::PathBuf, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Node};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind, TypeMeta},
};
use serde_json::{Value, json};

use super::timing::Pace;
use crate::{
    api::provider_id,
    embedded::{self, ApiServer},
};
use kubelet::LEASE_SECONDS;
use model::KUBELET_STOPPED;

pub use objects::Member;
pub use workloads::Workload;

/// Writes under way at once while a cluster is filled.
pub const PARALLEL: usize = 64;
/// On a simulated node: the version that its control plane was upgraded to.
const CONTROL_PLANE_VERSION: &str = "quarterdeck.dev/simulated-control-plane-version";
/// A cluster that cannot be written to is tried again after this.
const RETRY: Duration = Duration::from_millis(500);

/// One simulated business cluster. Clones are the same one.
#[derive(Clone)]
pub struct Tenant {
    pub name: String,
    pub server: ApiServer,
    client: Client,
    pace: Pace,
    broken: Option<Broken>,
}

/// A version that does not work: its nodes never become ready.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Broken {
    pub version: String,
    /// Control planes get along with it.
    #[serde(default)]
    pub workers_only: bool,
}

impl Broken {
    pub fn breaks(&self, version: &str, control_plane: bool) -> bool {
        self.version == version && !(self.workers_only && control_plane)
    }
}

/// A node that was made when a cluster was filled.
#[derive(Clone, Debug)]
pub struct Made {
    pub machine: String,
    pub node_uid: String,
}

impl Tenant {
    /// Opens the cluster; with a directory it is the one that was there before.
    pub fn open(
        name: &str,
        version: &str,
        directory: Option<PathBuf>,
        pace: Pace,
        broken: Option<Broken>,
    ) -> Result<Self, embedded::Error> {
        let server = ApiServer::open(embedded::Options {
            directory,
            name: name.to_owned(),
            version: Some(version.to_owned()),
            ..Default::default()
        })?;
        let client = server.client();
        Ok(Self { name: name.to_owned(), server, client, pace, broken })
    }

    /// After a restart: says the version that the control plane was upgraded to.
    pub async fn recall_version(&self) -> Result<(), kube::Error> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        for node in nodes.list(&ListParams::default()).await?.items {
            if let Some(version) = node.annotations().get(CONTROL_PLANE_VERSION) {
                self.say_version(version);
            }
        }
        Ok(())
    }

    fn say_version(&self, version: &str) {
        if numbers(version) > numbers(&self.server.version()) {
            self.server.set_version(version);
        }
    }

    /// What its controllers, scheduler and kubelets do; runs until it is dropped.
    pub async fn run(self) {
        kubelet::run(self.client, self.pace, self.name, self.broken).await;
    }

    /// Fills a new cluster: ready nodes for these members, and workloads, those of a scenario too. What is there already
    /// stays.
    pub async fn fill(&self, members: &[Member], more: &[Workload]) -> Result<Vec<Made>, kube::Error> {
        let made = stream::iter(members).map(|member| self.ready_node(member)).buffer_unordered(PARALLEL);
        let made: Vec<Made> = made.try_collect().await?;
        let is_gpu = |m: &&Member| m.template.taints.iter().any(|t| t.key == super::inventory::GPU_TAINT);
        let gpu = members.iter().filter(is_gpu).count();
        let general = members.iter().filter(|m| m.template.taints.is_empty()).count();
        for object in workloads::objects(general, gpu, &self.server.version(), more) {
            let created = self.create(&object).await?;
            if object["kind"] == "Deployment" {
                self.create(&workloads::replica_set(&object, &created.uid().unwrap_or_default())).await?;
            }
        }
        Ok(made)
    }

    async fn ready_node(&self, member: &Member) -> Result<Made, kube::Error> {
        let node = self.register(member, true).await?;
        Ok(Made { machine: member.machine.clone(), node_uid: node.uid().unwrap_or_default() })
    }

    /// A machine has joined: its node is there when this returns, and becomes ready by and by.
    pub async fn joined(&self, member: &Member) {
        while let Err(error) = self.join(member).await {
            tracing::warn!(cluster = self.name, machine = member.machine, %error, "a simulated node cannot register");
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn join(&self, member: &Member) -> Result<(), kube::Error> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        if let Some(old) = nodes.get_opt(&member.machine).await? {
            if old.spec.as_ref().and_then(|s| s.provider_id.as_deref()) == Some(&provider_id(&member.uid)) {
                let running = json!({"metadata": {"annotations": {KUBELET_STOPPED: null}}});
                nodes.patch(&member.machine, &PatchParams::default(), &Patch::Merge(running)).await?;
                // The process may have ended between the node and its status.
                return match old.status.is_some_and(|s| s.node_info.is_some()) {
                    true => Ok(()),
                    false => self.register(member, false).await.map(drop),
                };
            }
            nodes.delete(&member.machine, &DeleteParams::default()).await?;
        }
        self.register(member, false).await.map(drop)
    }

    /// The kubelet of a machine does not run any more.
    pub async fn left(&self, machine: &str) {
        self.insist(machine, "cannot be stopped", json!({"metadata": {"annotations": {KUBELET_STOPPED: "true"}}}))
            .await;
    }

    /// The control plane of a machine has another version; that of the cluster is the highest of its members'.
    pub async fn control_plane_upgraded(&self, machine: &str, version: &str) {
        let upgraded = json!({"metadata": {"annotations": {CONTROL_PLANE_VERSION: version}}});
        self.insist(machine, "cannot be upgraded", upgraded).await;
        self.say_version(version);
    }

    /// The kubelet of a machine was begun anew with another version; its node is ready again by and by.
    pub async fn kubelet_upgraded(&self, machine: &str, version: &str) {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let restarted = Patch::Merge(objects::restarted(version));
        while let Err(error) = nodes.patch_status(machine, &PatchParams::default(), &restarted).await {
            if self.is_gone(machine, &error, "cannot be restarted") {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Patches a node until it works, or there is no such node.
    async fn insist(&self, machine: &str, what: &str, patch: Value) {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let patch = Patch::Merge(patch);
        while let Err(error) = nodes.patch(machine, &PatchParams::default(), &patch).await {
            if self.is_gone(machine, &error, what) {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn is_gone(&self, machine: &str, error: &kube::Error, what: &str) -> bool {
        let gone = matches!(error, kube::Error::Api(status) if status.code == 404);
        if !gone {
            tracing::warn!(cluster = self.name, machine, %error, "a simulated node {what}");
        }
        gone
    }

    async fn register(&self, member: &Member, ready: bool) -> Result<Node, kube::Error> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = typed(objects::node(member));
        let node = match nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.code == 409 => nodes.get(&member.machine).await?,
            other => other?,
        };
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "kube-node-lease");
        let lease = typed(objects::lease(&member.machine, &node.uid().unwrap_or_default(), LEASE_SECONDS));
        match leases.create(&PostParams::default(), &lease).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => drop(other?),
        }
        let status = Patch::Merge(objects::node_status(member, ready));
        nodes.patch_status(&member.machine, &PatchParams::default(), &status).await
    }

    async fn create(&self, object: &Value) -> Result<DynamicObject, kube::Error> {
        create(&self.client, object).await
    }
}

/// Creates an object, or reads the one that is there.
pub async fn create(client: &Client, object: &Value) -> Result<DynamicObject, kube::Error> {
    let typed: DynamicObject = typed(object.clone());
    let types = typed.types.clone().unwrap_or(TypeMeta { api_version: String::new(), kind: String::new() });
    let kind = GroupVersionKind::try_from(&types).expect("our own objects name their kind");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match typed.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    match api.create(&PostParams::default(), &typed).await {
        Err(kube::Error::Api(status)) if status.code == 409 => api.get(&typed.name_any()).await,
        other => other,
    }
}

/// A version as what it is ordered by.
fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|word| word.parse().ok()).collect()
}

fn typed<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("our own objects have the shape of their kind")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};

    use super::*;

    const PACE: Pace = Pace { seed: 1, speed: 200.0, fault: 0.0 };

    fn member(n: usize) -> Member {
        Member { machine: format!("m-{n}"), uid: format!("uid-{n}"), version: "1.34.2".into(), ..Member::default() }
    }

    async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
        for _ in 0..500 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not within ten seconds: {what}");
    }

    /// The cluster and its pods as `name@node`, running ones only.
    async fn running(tenant: &Tenant, label: &str) -> Vec<(String, String)> {
        let pods: Api<Pod> = Api::all(tenant.client.clone());
        let list = pods.list(&ListParams::default().labels(label)).await.unwrap();
        let is_up = |p: &Pod| {
            p.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running")
                && p.metadata.deletion_timestamp.is_none()
        };
        let row = |p: Pod| (p.name_any(), p.spec.and_then(|s| s.node_name).unwrap_or_default());
        list.items.into_iter().filter(is_up).map(row).collect()
    }

    async fn ready(tenant: &Tenant, name: &str) -> Option<String> {
        let nodes: Api<Node> = Api::all(tenant.client.clone());
        nodes.get_opt(name).await.unwrap().and_then(|n| model::node_ready(&n).map(str::to_owned))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn evicted_pods_move_nodes_come_and_go_and_a_restart_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let tenant = Tenant::open("c-1", "1.34.2", Some(folder.path().into()), PACE, None).unwrap();
        let made = tenant.fill(&[member(1), member(2), member(3)], &[]).await.unwrap();
        assert_eq!(
            tenant.fill(&[member(1), member(2), member(3)], &[]).await.unwrap().len(),
            made.len(),
            "filling twice is once"
        );
        let cluster = tokio::spawn(tenant.clone().run());
        until("workloads run", || async { running(&tenant, "app=web").await.len() == 3 }).await;
        until("each node has its daemons", || async { running(&tenant, "app=kube-proxy").await.len() == 3 }).await;

        let nodes: Api<Node> = Api::all(tenant.client.clone());
        let before = running(&tenant, "app=web").await;
        let (pod, node) = before[0].clone();
        nodes.cordon(&node).await.unwrap();
        let shop: Api<Pod> = Api::namespaced(tenant.client.clone(), "shop");
        shop.delete(&pod, &DeleteParams::default()).await.unwrap();
        until("the pod is replaced on another node", || async {
            let all = running(&tenant, "app=web").await;
            let new = all.iter().find(|row| !before.contains(row));
            all.len() == 3 && !all.contains(&before[0]) && new.is_some_and(|(_, at)| *at != node)
        })
        .await;

        tenant.joined(&member(4)).await;
        tenant.joined(&member(4)).await;
        until("a new node becomes ready", || async { ready(&tenant, "m-4").await.as_deref() == Some("True") }).await;
        tenant.left("m-4").await;
        until("and is lost", || async { ready(&tenant, "m-4").await.as_deref() == Some("Unknown") }).await;
        cluster.abort();
        let _ = cluster.await;
        nodes.delete("m-4", &DeleteParams::default()).await.unwrap();
        drop((nodes, shop, tenant));

        // The store is let go when the last task has noticed.
        let again = loop {
            match Tenant::open("c-1", "1.34.2", Some(folder.path().into()), PACE, None) {
                Ok(tenant) => break tenant,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let _running = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(again.clone().run()));
        until("pods of a node that is gone are gone", || async { running(&again, "app=kube-proxy").await.len() == 3 })
            .await;
        assert_eq!(running(&again, "app=web").await.len(), 3);
    }

    async fn budget(tenant: &Tenant, namespace: &str, name: &str) -> String {
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(tenant.client.clone(), namespace);
        let status = budgets.get(name).await.unwrap().status.unwrap_or_default();
        let condition = status.conditions.iter().flatten().find(|c| c.type_ == "DisruptionAllowed");
        let allowed = condition.map_or("-", |c| c.status.as_str());
        let s = &status;
        format!(
            "{}/{} of {} +{} {allowed}",
            s.current_healthy, s.desired_healthy, s.expected_pods, s.disruptions_allowed
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn workloads_have_budgets_of_every_kind_and_keep_them() {
        let tenant = Tenant::open("c-1", "1.34.2", None, PACE, None).unwrap();
        let more = r#"[
            {"namespace": "old", "name": "billing", "replicas": 1, "budgets": [{"minAvailable": 1}]},
            {"namespace": "old", "name": "search", "replicas": 2, "budgets": [{"maxUnavailable": 1}, {"minAvailable": 1}]},
            {"namespace": "old", "name": "cart", "replicas": 3, "budgets": [{"maxUnavailable": 1}], "ailingSeconds": 100},
            {"namespace": "old", "name": "queue", "kind": "StatefulSet", "replicas": 2, "budgets": [{"maxUnavailable": 0}]},
            {"namespace": "old", "name": "batch", "kind": "Pod", "emptyDir": true}
        ]"#;
        let more: Vec<Workload> = serde_json::from_str(more).unwrap();
        tenant.fill(&[member(1), member(2), member(3)], &more).await.unwrap();
        let _running = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(tenant.clone().run()));
        let says = |name: &'static str, expected: &'static str| {
            let tenant = tenant.clone();
            async move {
                until(expected, || async { budget(&tenant, "old", name).await == expected }).await;
            }
        };
        says("cart", "2/2 of 3 +0 False").await;
        says("billing", "1/1 of 1 +0 False").await;
        says("search", "2/1 of 2 +1 True").await;
        says("search-2", "2/1 of 2 +1 True").await;
        says("queue", "2/2 of 2 +0 False").await;
        let pods: Api<Pod> = Api::namespaced(tenant.client.clone(), "old");
        let names = running(&tenant, "app=queue").await.into_iter().map(|(name, _)| name);
        assert_eq!(names.collect::<Vec<_>>(), ["queue-0", "queue-1"]);
        let bare = pods.get("batch").await.unwrap();
        assert!(bare.owner_references().is_empty() && bare.spec.unwrap().volumes.unwrap()[0].empty_dir.is_some());
        // The one that ails is well after a hundred seconds of the simulation.
        says("cart", "3/2 of 3 +1 True").await;

        pods.delete("queue-1", &DeleteParams::default()).await.unwrap();
        until("a pod of a stateful set comes back under its name", || async {
            running(&tenant, "app=queue").await.len() == 2
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upgraded_node_is_away_for_a_moment_and_the_cluster_says_the_highest_version() {
        let folder = tempfile::tempdir().unwrap();
        let broken = Some(Broken { version: "1.36.0".into(), workers_only: false });
        let tenant = Tenant::open("c-1", "1.33.6", Some(folder.path().into()), PACE, broken).unwrap();
        tenant.fill(&[member(1), member(2)], &[]).await.unwrap();
        let cluster = tokio::spawn(tenant.clone().run());
        until("pods run", || async { running(&tenant, "app=kube-proxy").await.len() == 2 }).await;
        tenant.control_plane_upgraded("m-1", "1.34.2").await;
        tenant.control_plane_upgraded("m-2", "1.33.7").await;
        assert_eq!(tenant.server.version().as_str(), "1.34.2");

        let nodes: Api<Node> = Api::all(tenant.client.clone());
        let version = |node: Node| node.status.and_then(|s| s.node_info).map(|i| i.kubelet_version).unwrap_or_default();
        tenant.kubelet_upgraded("m-1", "1.34.2").await;
        assert_eq!(version(nodes.get("m-1").await.unwrap()), "v1.34.2");
        until("it is back", || async { ready(&tenant, "m-1").await.as_deref() == Some("True") }).await;
        tenant.kubelet_upgraded("m-2", "1.36.0").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(ready(&tenant, "m-2").await.as_deref(), Some("False"), "that version does not work");
        tenant.kubelet_upgraded("gone", "1.34.2").await;
        cluster.abort();
        let _ = cluster.await;
        tenant.server.close();
        drop((nodes, tenant));
        let again = Tenant::open("c-1", "1.33.6", Some(folder.path().into()), PACE, None).unwrap();
        again.recall_version().await.unwrap();
        assert_eq!(again.server.version().as_str(), "1.34.2");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_node_that_is_lost_makes_its_pods_unready_and_loses_them_in_the_end() {
        let tenant = Tenant::open("c-1", "1.34.2", None, PACE, None).unwrap();
        tenant.fill(&[member(1), member(2), member(3)], &[]).await.unwrap();
        let _running = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(tenant.clone().run()));
        until("workloads run", || async { running(&tenant, "app=web").await.len() == 3 }).await;
        until("budgets are worked out", || async { budget(&tenant, "shop", "web").await == "3/2 of 3 +1 True" }).await;
        let lost = running(&tenant, "app=web").await[0].1.clone();
        tenant.left(&lost).await;
        until("its pods count as gone", || async { budget(&tenant, "shop", "web").await.contains("+0 False") }).await;
        until("they run elsewhere", || async { budget(&tenant, "shop", "web").await == "3/2 of 3 +1 True" }).await;
        let back = (1..=3).map(member).find(|m| m.machine == lost).unwrap();
        tenant.joined(&back).await;
        until("the node is back", || async { ready(&tenant, &lost).await.as_deref() == Some("True") }).await;
    }
}
