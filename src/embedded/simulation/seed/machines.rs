//! Machines of a demo fleet, and their nodes in the business clusters.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt, api::Patch};
use serde_json::{Value, json};

use super::{NAMESPACE, Seed, all, params};
use crate::{
    api::{Machine, MachineSet, labels},
    embedded::simulation::{
        inventory::{Class, MachinePlan},
        tenant::Member,
    },
};

impl Seed {
    /// Makes all machines, in the order of the inventory; members are claimed already.
    pub(super) async fn machines(&self, sets: &[Vec<MachineSet>]) -> Result<Vec<Machine>, kube::Error> {
        let api: Api<Machine> = Api::namespaced(self.client.clone(), NAMESPACE);
        let object = |plan: &MachinePlan| {
            let set = plan.member.map(|(cluster, pool)| &sets[cluster][pool]);
            self.machine(plan, set)
        };
        all(self.inventory.machines.iter().map(|plan| self.create(&api, object(plan)))).await
    }

    fn machine(&self, plan: &MachinePlan, set: Option<&MachineSet>) -> Value {
        let mut all = json!(plan.labels);
        all[labels::SIMULATED] = json!("true");
        let place = &self.places[&plan.name];
        let capacity = match plan.class {
            Class::Standard => json!({"cpu": 16, "memoryGibibytes": 64}),
            Class::Gpu => json!({"cpu": 64, "memoryGibibytes": 512, "gpu": 8}),
        };
        let mut spec = json!({"address": place.address, "port": place.port, "capacity": capacity});
        if let Some(set) = set {
            all[labels::CLUSTER] = json!(set.spec.cluster_name);
            all[labels::POOL] = json!(set.spec.pool_name);
            spec["claimRef"] = json!({
                "name": set.name_any(),
                "uid": set.uid(),
                "clusterName": set.spec.cluster_name,
                "poolName": set.spec.pool_name,
                "claimedAt": Timestamp::now(),
            });
        }
        json!({"metadata": {"name": plan.name, "labels": all}, "spec": spec})
    }

    /// Makes the nodes of all members; their UIDs by machine.
    pub(super) async fn nodes(&self, machines: &[Machine]) -> Result<HashMap<String, String>, kube::Error> {
        let member = |(plan, machine): (&MachinePlan, &Machine)| {
            let (cluster, pool) = plan.member?;
            let of = &self.inventory.clusters[cluster];
            let member = Member {
                machine: plan.name.clone(),
                uid: machine.uid().unwrap_or_default(),
                address: machine.spec.address.clone(),
                version: of.version.to_owned(),
                template: of.pools[pool].template.clone(),
                labels: plan.labels.clone(),
            };
            Some((cluster, member))
        };
        let mut members = vec![Vec::new(); self.tenants.len()];
        for (cluster, member) in self.inventory.machines.iter().zip(machines).filter_map(member) {
            members[cluster].push(member);
        }
        let made =
            all(self.tenants.iter().zip(&members).map(|(tenant, members)| tenant.fill(members, &self.workloads)))
                .await?;
        Ok(made.into_iter().flatten().map(|made| (made.machine, made.node_uid)).collect())
    }

    /// Says where each machine stands.
    pub(super) async fn statuses(
        &self,
        machines: &[Machine],
        nodes: &HashMap<String, String>,
    ) -> Result<(), kube::Error> {
        let api: Api<Machine> = Api::namespaced(self.client.clone(), NAMESPACE);
        let write = |(plan, machine): (&MachinePlan, &Machine)| {
            let status = Patch::Merge(json!({"status": self.status(plan, machine, nodes.get(&plan.name))}));
            let (api, name) = (api.clone(), plan.name.clone());
            async move { api.patch_status(&name, &params(), &status).await }
        };
        all(self.inventory.machines.iter().zip(machines).map(write)).await.map(drop)
    }

    fn status(&self, plan: &MachinePlan, machine: &Machine, node: Option<&String>) -> Value {
        let now = Timestamp::now();
        let mut status = json!({
            "state": "Idle",
            "stateSince": now,
            "observedGeneration": machine.metadata.generation,
            "facts": {"os": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0-28-amd64", "arch": "x86_64"},
        });
        let (Some((cluster, pool)), Some(uid)) = (plan.member, node) else { return status };
        let of = &self.inventory.clusters[cluster];
        status["state"] = json!("Ready");
        status["operation"] = json!(Self::first_operation(&of.name, &of.pools[pool].name));
        status["node"] = json!({
            "name": plan.name,
            "uid": uid,
            "ready": "True",
            "reason": "KubeletReady",
            "kubeletVersion": format!("v{}", of.version),
            "since": now,
        });
        status
    }

    /// After a restart on another port: says where the hosts are now.
    pub(super) async fn move_machines(&self) -> Result<(), kube::Error> {
        let api: Api<Machine> = Api::namespaced(self.client.clone(), NAMESPACE);
        let moved = api.list(&kube::api::ListParams::default()).await?.items.into_iter().filter_map(|machine| {
            let place = self.places.get(&machine.name_any())?;
            let same = machine.spec.port() == place.port && machine.spec.address == place.address.to_string();
            (!same).then(|| (machine.name_any(), json!({"spec": {"address": place.address, "port": place.port}})))
        });
        let write = |(name, patch): (String, Value)| {
            let api = api.clone();
            async move { api.patch(&name, &params(), &Patch::Merge(patch)).await }
        };
        all(moved.map(write)).await.map(drop)
    }
}
