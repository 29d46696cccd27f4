//! Deployments, clusters, pools and sets of a demo fleet.

use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use super::{KNOWN_HOSTS, NAMESPACE, SSH_SECRET, Seed, all, kubeconfig_secret, params};
use crate::{
    api::{Cluster, ClusterDeployment, MachineSet, NodePool, PoolSpec, labels},
    embedded::simulation::inventory::{ClusterPlan, OFFERED},
};

impl Seed {
    /// Makes everything above machines; the sets, by cluster and pool as in the inventory.
    pub(super) async fn clusters(&self) -> Result<Vec<Vec<MachineSet>>, kube::Error> {
        all(self.inventory.clusters.iter().map(|plan| self.cluster(plan))).await
    }

    async fn cluster(&self, plan: &ClusterPlan) -> Result<Vec<MachineSet>, kube::Error> {
        let deployments: Api<ClusterDeployment> = Api::namespaced(self.client.clone(), NAMESPACE);
        let deployment = self.create(&deployments, deployment(plan)).await?;
        let clusters: Api<Cluster> = Api::namespaced(self.client.clone(), NAMESPACE);
        let object = json!({
            "metadata": {"name": plan.name, "labels": plan.labels(), "ownerReferences": owners(&deployment)},
            "spec": {"deploymentName": plan.name},
        });
        self.create(&clusters, object).await?;
        let total: i32 = plan.pools.iter().map(|p| p.replicas).sum();
        let status = json!({"status": {
            "phase": "Running",
            "endpoint": self.listener.url(&super::prefix(&plan.name)),
            "version": plan.version,
            "nodes": {"total": total, "ready": total},
        }});
        clusters.patch_status(&plan.name, &params(), &kube::api::Patch::Merge(status)).await?;
        all(plan.pools.iter().map(|pool| self.pool(plan, &deployment, pool))).await
    }

    async fn pool(
        &self,
        plan: &ClusterPlan,
        deployment: &ClusterDeployment,
        pool: &PoolSpec,
    ) -> Result<MachineSet, kube::Error> {
        let name = format!("{}-{}", plan.name, pool.name);
        let pools: Api<NodePool> = Api::namespaced(self.client.clone(), NAMESPACE);
        let object = json!({
            "metadata": {"name": name, "labels": plan.labels(), "ownerReferences": owners(deployment)},
            "spec": {
                "clusterName": plan.name,
                "role": pool.role,
                "replicas": pool.replicas,
                "machineSelector": pool.machine_selector,
                "template": pool.template,
                "drain": pool.drain,
            },
        });
        let made = self.create(&pools, object).await?;
        let revision = made.spec.revision(Some(plan.version));
        let mut set_labels = plan.labels();
        set_labels[labels::POOL] = json!(name);
        set_labels[labels::REVISION] = json!(revision);
        let sets: Api<MachineSet> = Api::namespaced(self.client.clone(), NAMESPACE);
        let set = json!({
            "metadata": {"name": format!("{name}-{revision}"), "labels": set_labels, "ownerReferences": owners(&made)},
            "spec": {
                "clusterName": plan.name,
                "poolName": name,
                "revision": revision,
                "role": pool.role,
                "replicas": pool.replicas,
                "version": plan.version,
                "machineSelector": pool.machine_selector,
                "template": pool.template,
                "deletionOrder": made.spec.deletion_order,
            },
        });
        let set = self.create(&sets, set).await?;
        let counts = json!({"status": {
            "replicas": pool.replicas,
            "readyReplicas": pool.replicas,
            "updatedReplicas": pool.replicas,
            "unavailableReplicas": 0,
            "failedReplicas": 0,
            "phase": "Ready",
            "currentMachineSet": set.name_any(),
        }});
        pools.patch_status(&name, &params(), &kube::api::Patch::Merge(counts)).await?;
        Ok(set)
    }
}

impl ClusterPlan {
    pub(super) fn labels(&self) -> Value {
        json!({
            (labels::CLUSTER): self.name,
            (labels::SIMULATED): "true",
            (labels::ENVIRONMENT): self.environment,
        })
    }
}

fn deployment(plan: &ClusterPlan) -> Value {
    json!({
        "metadata": {"name": plan.name, "labels": {
            (labels::SIMULATED): "true",
            (labels::ENVIRONMENT): plan.environment,
        }},
        "spec": {
            "version": plan.version,
            "kubeconfig": {"name": kubeconfig_secret(&plan.name)},
            "ssh": {
                "user": "root",
                "privateKey": {"name": SSH_SECRET},
                "hostKeyPolicy": "Strict",
                "knownHostsConfigMap": KNOWN_HOSTS,
            },
            "artifacts": {"versions": OFFERED},
            "pools": plan.pools,
        },
    })
}

fn owners<K: Resource<DynamicType = ()>>(owner: &K) -> Value {
    json!(owner.controller_owner_ref(&()).into_iter().collect::<Vec<_>>())
}
