//! The data of a cluster: what there is, what stands against deleting it, and deleting it.

use std::{fmt::Debug, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    api::{ClusterDeployment, Machine, MachineSet, NodePool, Operation, OperationState, labels::RELEASE_FINALIZER},
    commands::{
        change::stakes::Stakes,
        connect,
        exit::{Ended, Exit},
        install::cluster::Cluster,
        lines,
    },
};

use super::{Args, remove};

/// For the server to delete all objects of our kinds.
const GONE_WITHIN: Duration = Duration::from_mins(5);
/// For the server to make up its mind whether it has a kind.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// Writes under way at once.
const WRITES: usize = 16;

/// Everything that would be lost.
#[derive(Default)]
pub struct Data {
    /// The definitions, and the namespaces that install made.
    kinds: Vec<Value>,
    namespaces: Vec<Value>,
    deployments: Vec<ClusterDeployment>,
    pools: Vec<NodePool>,
    sets: Vec<MachineSet>,
    machines: usize,
    claimed: usize,
    operations: usize,
    /// Operations that are not over.
    running: usize,
}

impl Data {
    pub async fn look(cluster: &Cluster) -> Result<Self, Ended> {
        let kinds = cluster.ours(&["CustomResourceDefinition"]).await?;
        let mut namespaces = cluster.ours(&["Namespace"]).await?;
        namespaces.retain(|n| n.pointer("/metadata/deletionTimestamp").is_none());
        let client = &cluster.client;
        let machines: Vec<Machine> = all(client).await?;
        let operations: Vec<Operation> = all(client).await?;
        let state = |o: &Operation| o.status.as_ref().and_then(|s| s.state).unwrap_or_default();
        let works = |s: OperationState| matches!(s, OperationState::Running | OperationState::Draining);
        Ok(Self {
            kinds,
            namespaces,
            deployments: all(client).await?,
            pools: all(client).await?,
            sets: all(client).await?,
            machines: machines.len(),
            claimed: machines.iter().filter(|m| m.spec.claim_ref.is_some()).count(),
            operations: operations.len(),
            running: operations.iter().filter(|o| works(state(o))).count(),
        })
    }

    /// Of these pools alone.
    #[cfg(test)]
    pub fn of(pools: Vec<NodePool>) -> Self {
        Self { pools, ..Self::default() }
    }

    /// What of it is production by its label, if anything is.
    pub fn stakes(&self) -> Option<Stakes> {
        let mut pools = self.pools.iter().map(|pool| Stakes::labelled(Some(pool), None));
        let mut clusters = self.deployments.iter().map(|deployment| Stakes::labelled(None, Some(deployment)));
        pools.find_map(|stakes| stakes).or_else(|| clusters.find_map(|stakes| stakes))
    }

    /// Neither kinds nor a namespace of ours.
    pub fn is_absent(&self) -> bool {
        self.kinds.is_empty() && self.namespaces.is_empty()
    }

    fn is_held(&self) -> bool {
        self.claimed + self.deployments.len() + self.pools.len() + self.sets.len() > 0
    }

    /// What must not be done, with the way out.
    pub fn refuse(&self, args: &Args) -> Result<(), Ended> {
        if self.running > 0 && !args.interrupt {
            let why = format!(
                "{} under way: wait for them (quarterdeck get operations), or leave their hosts as they are \
                 at this moment with --interrupt; nothing was changed",
                crate::plan::are(self.running, "operation")
            );
            return Err(Ended::new(Exit::Declined, why));
        }
        if args.delete_data && self.is_held() && !args.abandon {
            let why = format!(
                "{} deployments and {} pools hold {} machines: while the controllers still run, delete the deployments and \
                 pools (kubectl delete clusterdeployments,nodepools --all -A), which releases the machines; or give all of \
                 them up as they are, nodes included, with --abandon; nothing was changed",
                self.deployments.len(),
                self.pools.len(),
                self.claimed
            );
            return Err(Ended::new(Exit::Declined, why));
        }
        Ok(())
    }

    /// What the person is about to lose.
    pub fn doomed(&self) -> String {
        let mut text = format!(
            "This deletes {} machines ({} claimed), {} pools, {} deployments and {} operations in all namespaces.\n",
            self.machines,
            self.claimed,
            self.pools.len(),
            self.deployments.len(),
            self.operations
        );
        for namespace in self.namespaces.iter().filter_map(|n| n["metadata"]["name"].as_str()) {
            text.push_str(&format!("It deletes the namespace {namespace} with everything in it, Secrets too.\n"));
        }
        text
    }

    /// What stays.
    pub fn kept(&self) -> String {
        let held = self.deployments.len() + self.pools.len() + self.sets.len();
        let warning = if held == 0 {
            ""
        } else {
            " While no controller runs, a deployment or pool that is deleted waits: for whoever installs again."
        };
        format!(
            "Kept: the kinds with {} machines, {} pools, {} deployments, {} operations; the namespaces.{warning} Delete them \
             with --delete-data.\n",
            self.machines,
            self.pools.len(),
            self.deployments.len(),
            self.operations
        )
    }

    /// Nobody else takes the finalizers off, so we do; then the kinds go with their objects, and then the namespaces.
    pub async fn delete(&self, cluster: &Cluster) -> color_eyre::Result<()> {
        if !cluster.dry_run {
            free(&cluster.client, &self.deployments).await?;
            free(&cluster.client, &self.pools).await?;
            free(&cluster.client, &self.sets).await?;
        }
        for kind in &self.kinds {
            remove(cluster, kind).await?;
        }
        if !cluster.dry_run {
            gone(cluster).await?;
        }
        for namespace in &self.namespaces {
            remove(cluster, namespace).await?;
        }
        if self.kinds.is_empty() {
            lines::err("note: there were no kinds with our label; what was applied by hand stays");
        }
        Ok(())
    }
}

/// All objects of a kind; none if the server does not know it.
async fn all<K>(client: &Client) -> Result<Vec<K>, Ended>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let deadline = tokio::time::Instant::now() + SETTLED_WITHIN;
    loop {
        match Api::<K>::all(client.clone()).list(&ListParams::default()).await {
            Ok(list) => return Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Vec::new()),
            // A kind that comes or goes is answered with "later" for a moment.
            Err(kube::Error::Api(status))
                if matches!(status.code, 429 | 503) && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => {
                return Err(connect::failed(&error, "list", &format!("{}.{}", K::plural(&()), K::group(&())), None));
            }
        }
    }
}

/// Takes our finalizer off, and no other.
async fn free<K>(client: &Client, objects: &[K]) -> Result<(), Ended>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let held = objects.iter().filter(|o| o.finalizers().iter().any(|f| f == RELEASE_FINALIZER));
    let writes: Vec<_> = held
        .map(|object| {
            let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
            let rest: Vec<&String> = object.finalizers().iter().filter(|f| *f != RELEASE_FINALIZER).collect();
            let patch = json!({ "metadata": { "uid": object.uid(), "finalizers": rest } });
            let name = object.name_any();
            async move {
                match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                    Err(error) => {
                        Err(connect::failed(&error, "patch", &format!("{}.{}", K::plural(&()), K::group(&())), None))
                    }
                    Ok(_) => Ok(()),
                }
            }
        })
        .collect();
    stream::iter(writes).buffer_unordered(WRITES).try_collect::<()>().await
}

async fn gone(cluster: &Cluster) -> Result<(), Ended> {
    let deadline = tokio::time::Instant::now() + GONE_WITHIN;
    loop {
        let left = cluster.ours(&["CustomResourceDefinition"]).await?;
        let Some(name) = left.first().and_then(|kind| kind["metadata"]["name"].as_str()) else { return Ok(()) };
        if tokio::time::Instant::now() > deadline {
            let why = format!(
                "{name} is still being deleted: some object of it has a finalizer that is not ours; find it with  kubectl get \
                 {name} -A -o yaml  and run this again"
            );
            return Err(Ended::new(Exit::TimedOut, why));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
