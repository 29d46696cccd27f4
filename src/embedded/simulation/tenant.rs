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
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
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

/// Writes under way at once while a cluster is filled.
pub const PARALLEL: usize = 64;
/// A cluster that cannot be written to is tried again after this.
const RETRY: Duration = Duration::from_millis(500);

/// One simulated business cluster. Clones are the same one.
#[derive(Clone)]
pub struct Tenant {
    pub name: String,
    pub server: ApiServer,
    client: Client,
    pace: Pace,
}

/// A node that was made when a cluster was filled.
#[derive(Clone, Debug)]
pub struct Made {
    pub machine: String,
    pub node_uid: String,
}

impl Tenant {
    /// Opens the cluster; with a directory it is the one that was there before.
    pub fn open(name: &str, version: &str, directory: Option<PathBuf>, pace: Pace) -> Result<Self, embedded::Error> {
        let server =
            ApiServer::open(embedded::Options { directory, name: name.to_owned(), version: Some(version.to_owned()) })?;
        let client = server.client();
        Ok(Self { name: name.to_owned(), server, client, pace })
    }

    /// What its controllers, scheduler and kubelets do; runs until it is dropped.
    pub async fn run(self) {
        kubelet::run(self.client, self.pace, self.name).await;
    }

    /// Fills a new cluster: ready nodes for these members, and workloads. What is there already stays.
    pub async fn fill(&self, members: &[Member]) -> Result<Vec<Made>, kube::Error> {
        let made = stream::iter(members).map(|member| self.ready_node(member)).buffer_unordered(PARALLEL);
        let made: Vec<Made> = made.try_collect().await?;
        let is_gpu = |m: &&Member| m.template.taints.iter().any(|t| t.key == super::inventory::GPU_TAINT);
        let gpu = members.iter().filter(is_gpu).count();
        let general = members.iter().filter(|m| m.template.taints.is_empty()).count();
        for object in workloads::objects(general, gpu) {
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
        let nodes: Api<Node> = Api::all(self.client.clone());
        let stopped = json!({"metadata": {"annotations": {KUBELET_STOPPED: "true"}}});
        loop {
            match nodes.patch(machine, &PatchParams::default(), &Patch::Merge(&stopped)).await {
                Ok(_) => return,
                Err(kube::Error::Api(status)) if status.code == 404 => return,
                Err(error) => {
                    tracing::warn!(cluster = self.name, machine, %error, "a simulated node cannot be stopped");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
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

fn typed<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("our own objects have the shape of their kind")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::api::ListParams;

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
        let tenant = Tenant::open("c-1", "1.34.2", Some(folder.path().into()), PACE).unwrap();
        let made = tenant.fill(&[member(1), member(2), member(3)]).await.unwrap();
        assert_eq!(
            tenant.fill(&[member(1), member(2), member(3)]).await.unwrap().len(),
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
            match Tenant::open("c-1", "1.34.2", Some(folder.path().into()), PACE) {
                Ok(tenant) => break tenant,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let _running = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(again.clone().run()));
        until("pods of a node that is gone are gone", || async { running(&again, "app=kube-proxy").await.len() == 3 })
            .await;
        assert_eq!(running(&again, "app=web").await.len(), 3);
    }
}
