//! What there is in a namespace, and the things in it that were named.

use jiff::Timestamp;
use kube::{Api, Client, Resource, ResourceExt, api::ListParams, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;

use crate::{
    api::{Cluster, ClusterDeployment, Machine, NodePool, Operation},
    commands::{
        connect,
        exit::{Ended, Exit},
    },
    plan::lifecycle,
};

use super::nearest::suggestion;

/// `CLUSTER/POOL`.
pub fn pool_words(text: &str) -> Result<(&str, &str), Ended> {
    let bad = || Ended::new(Exit::BadInput, format!("{text} is not CLUSTER/POOL, as in  eu-west-1/general"));
    let (cluster, pool) = text.split_once('/').ok_or_else(bad)?;
    if cluster.is_empty() || pool.is_empty() || pool.contains('/') { Err(bad()) } else { Ok((cluster, pool)) }
}

/// What decisions rest on.
pub struct Scene {
    pub deployments: Vec<ClusterDeployment>,
    pub clusters: Vec<Cluster>,
    pub pools: Vec<NodePool>,
    pub machines: Vec<Machine>,
    pub operations: Vec<Operation>,
}

impl Scene {
    pub async fn look(client: &Client, namespace: &str) -> Result<Self, Ended> {
        Ok(Self {
            deployments: list(client, namespace).await?,
            clusters: list(client, namespace).await?,
            pools: list(client, namespace).await?,
            machines: list(client, namespace).await?,
            operations: list(client, namespace).await?,
        })
    }

    /// The pool by its full name, or by the name that it has within its cluster.
    pub fn pool(&self, cluster: &str, pool: &str) -> Result<&NodePool, Ended> {
        find(&self.pools, cluster, pool)
    }

    pub fn deployment(&self, cluster: &str) -> Result<&ClusterDeployment, Ended> {
        self.deployments.iter().find(|d| d.name_any() == cluster).ok_or_else(|| {
            let known: Vec<_> = self.deployments.iter().map(ResourceExt::name_any).collect();
            let suggestion = suggestion(cluster, "there are", known.iter().map(String::as_str));
            Ended::new(Exit::NotFound, format!("there is no cluster {cluster}; {suggestion}"))
        })
    }

    pub fn machine(&self, name: &str) -> Result<&Machine, Ended> {
        self.machines.iter().find(|m| m.name_any() == name).ok_or_else(|| {
            let known = self.machines.iter().filter_map(|m| m.metadata.name.as_deref());
            Ended::new(Exit::NotFound, format!("there is no machine {name}; {}", suggestion(name, "there are", known)))
        })
    }

    /// What concerns one cluster, for its planner.
    pub fn of_cluster(&self, deployment: &ClusterDeployment) -> OfCluster {
        let name = deployment.name_any();
        let claim = |m: &Machine| m.spec.claim_ref.as_ref().map(|c| c.cluster_name.clone());
        OfCluster {
            deployment: deployment.clone(),
            cluster: self.clusters.iter().find(|c| c.name_any() == name).cloned(),
            pools: self.pools.iter().filter(|p| p.spec.cluster_name == name).cloned().collect(),
            machines: self.machines.iter().filter(|m| claim(m).is_none_or(|c| c == name)).cloned().collect(),
            operations: self.operations.iter().filter(|o| o.spec.cluster_name == name).cloned().collect(),
        }
    }
}

/// One cluster with all that belongs to it, and the machines that it may have.
pub struct OfCluster {
    pub deployment: ClusterDeployment,
    pub cluster: Option<Cluster>,
    pub pools: Vec<NodePool>,
    pub machines: Vec<Machine>,
    pub operations: Vec<Operation>,
}

impl OfCluster {
    pub fn scene(&self, now: Timestamp) -> lifecycle::Scene<'_> {
        lifecycle::Scene {
            deployment: &self.deployment,
            cluster: self.cluster.as_ref(),
            pools: &self.pools,
            machines: &self.machines,
            operations: &self.operations,
            now,
        }
    }
}

async fn list<K>(client: &Client, namespace: &str) -> Result<Vec<K>, Ended>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let listed = api.list(&ListParams::default()).await;
    Ok(listed.map_err(|e| connect::failed(&e, "list", &K::plural(&()), Some(namespace)))?.items)
}

/// The pool by its full name, or by the name that it has within its cluster.
fn find<'a>(pools: &'a [NodePool], cluster: &str, pool: &str) -> Result<&'a NodePool, Ended> {
    let ours: Vec<_> = pools.iter().filter(|p| p.spec.cluster_name == cluster).collect();
    if ours.is_empty() {
        let mut known: Vec<_> = pools.iter().map(|p| p.spec.cluster_name.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let suggestion = suggestion(cluster, "there are", known);
        return Err(Ended::new(Exit::NotFound, format!("there is no cluster {cluster} with pools; {suggestion}")));
    }
    let long = format!("{cluster}-{pool}");
    let named = |name: &str| ours.iter().copied().find(|p| p.name_any() == name);
    named(pool).or_else(|| named(&long)).ok_or_else(|| {
        let prefix = format!("{cluster}-");
        let names: Vec<_> = ours.iter().map(|p| p.name_any()).collect();
        let names = names.iter().map(|n| n.strip_prefix(&prefix).unwrap_or(n));
        let suggestion = suggestion(pool, "it has", names);
        Ended::new(Exit::NotFound, format!("cluster {cluster} has no pool {pool}; {suggestion}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(line: &str) -> Vec<NodePool> {
        let pool = |word: &str| {
            let (cluster, name) = word.split_once(':').unwrap();
            let mut pool = NodePool::default();
            pool.spec.cluster_name = cluster.to_owned();
            pool.metadata.name = Some(name.to_owned());
            pool
        };
        line.split_whitespace().map(pool).collect()
    }

    fn check(known: &str, wanted: &str, expected: &str) {
        let known = pools(known);
        let said =
            pool_words(wanted).and_then(|(cluster, pool)| find(&known, cluster, pool).map(ResourceExt::name_any));
        assert_eq!(said.unwrap_or_else(|ended| format!("{}: {}", ended.exit as u8, ended.message)), expected);
    }

    #[test]
    fn a_pool_is_found_by_its_long_and_its_short_name() {
        check("blue:blue-general blue:odd", "blue/general", "blue-general");
        check("blue:blue-general blue:odd", "blue/blue-general", "blue-general");
        check("blue:blue-general blue:odd", "blue/odd", "odd");
    }

    #[test]
    fn one_that_is_not_there_is_answered_with_those_that_are() {
        check("blue:blue-general red:red-a", "blue/gpu", "3: cluster blue has no pool gpu; it has general");
        check("blue:blue-general", "green/gpu", "3: there is no cluster green with pools; there are blue");
        check(
            "",
            "green/gpu",
            "3: there is no cluster green with pools; there are none in this namespace: check --namespace",
        );
        check("", "green", "2: green is not CLUSTER/POOL, as in  eu-west-1/general");
    }
}
