//! Lets a scenario happen: each thing at its time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PostParams},
};
use serde_json::{Value, json};

use super::{Blow, Kind, Scenario, Wish};
use crate::{
    api::{ClusterDeployment, NodePool, labels},
    embedded::simulation::{
        hosts::Hosts,
        inventory::Inventory,
        seed::{MANAGER, NAMESPACE, params},
        tenant::Tenant,
        timing::Pace,
    },
};

/// Who is said to have asked.
const WHO: &str = "scenario";
/// A meta cluster that does not take a wish is asked again after this, so often.
const RETRY: Duration = Duration::from_millis(500);
const TRIES: usize = 20;

/// What a scenario happens to.
pub struct Stage {
    pub scenario: &'static Scenario,
    pub hosts: Arc<Hosts>,
    pub inventory: Arc<Inventory>,
    pub tenants: Vec<Tenant>,
    pub client: Client,
    pub pace: Pace,
}

impl Stage {
    /// What is wrong from the beginning, before anybody can connect.
    pub fn set(&self) {
        for blow in self.scenario.hosts.iter().filter(|blow| blow.after == 0) {
            self.suffer(blow);
        }
    }

    /// Lets everything happen in its turn. What was wished for is asked once in the life of a fleet; what befell the hosts
    /// befalls them again after each start.
    pub async fn play(self, is_new: bool) {
        let begun = tokio::time::Instant::now();
        self.announce(is_new).await;
        let mut turns: BTreeMap<u32, (Vec<&Blow>, Vec<&Wish>)> = BTreeMap::new();
        for blow in &self.scenario.hosts {
            turns.entry(blow.after).or_default().0.push(blow);
        }
        for wish in self.scenario.patches.iter().filter(|_| is_new) {
            turns.entry(wish.after).or_default().1.push(wish);
        }
        for (after, (blows, wishes)) in turns {
            tokio::time::sleep_until(begun + Duration::from_millis(self.pace.scaled(f64::from(after)))).await;
            for blow in blows {
                self.strike(blow).await;
            }
            for wish in wishes {
                self.ask(wish).await;
            }
        }
    }

    /// Several things may be wrong with one host.
    fn suffer(&self, blow: &Blow) -> Vec<String> {
        let names = blow.pick.from(&self.inventory);
        for host in self.hosts.all().iter().filter(|host| names.contains(&host.name)) {
            let mut plight = host.plight();
            plight.lost |= blow.plight.lost;
            plight.no_kubelet |= blow.plight.no_kubelet;
            plight.cuts |= blow.plight.cuts;
            plight.slower = plight.slower.max(blow.plight.slower);
            plight.other_key |= blow.plight.other_key;
            host.suffer(plight);
        }
        names
    }

    async fn strike(&self, blow: &Blow) {
        let names = self.suffer(blow);
        tracing::info!(scenario = self.scenario.name, hosts = names.len(), plight = ?blow.plight, "it happens");
        if !blow.plight.lost && !blow.plight.no_kubelet {
            return;
        }
        // A host may have changed its cluster since; where it is no node, nothing happens.
        for tenant in &self.tenants {
            for name in &names {
                tenant.left(name).await;
            }
        }
    }

    async fn ask(&self, wish: &Wish) {
        for _ in 0..TRIES {
            let asked = match wish.kind {
                Kind::ClusterDeployment => self.patch::<ClusterDeployment>(wish, 0).await,
                Kind::NodePool => self.patch_pool(wish).await,
            };
            match asked {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(scenario = self.scenario.name, name = wish.name, %error, "a wish was not taken");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn patch_pool(&self, wish: &Wish) -> Result<(), kube::Error> {
        let pools: Api<NodePool> = Api::namespaced(self.client.clone(), NAMESPACE);
        let replicas = pools.get(&wish.name).await?.spec.replicas;
        self.patch::<NodePool>(wish, replicas).await
    }

    async fn patch<K>(&self, wish: &Wish, replicas: i32) -> Result<(), kube::Error>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + serde::de::DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), NAMESPACE);
        let mut patch = if wish.merge.is_object() { wish.merge.clone() } else { json!({}) };
        put_moments(&mut patch, Timestamp::now());
        if wish.grow != 0 {
            patch["spec"]["replicas"] = json!(replicas + wish.grow);
        }
        patch["metadata"]["annotations"] =
            json!({(labels::REQUESTED_BY): WHO, (labels::REASON): self.scenario.name.clone()});
        api.patch(&wish.name, &params(), &Patch::Merge(patch)).await.map(drop)
    }

    /// Says it among the events, where a console shows it.
    async fn announce(&self, is_new: bool) {
        let deployments: Api<ClusterDeployment> = Api::namespaced(self.client.clone(), NAMESPACE);
        let first = self.inventory.clusters.first().map(|cluster| cluster.name.as_str()).unwrap_or_default();
        let Some(deployment) = deployments.get_opt(first).await.ok().flatten().filter(|_| is_new) else { return };
        let now = Timestamp::now();
        let event = serde_json::from_value(json!({
            "metadata": {"generateName": "scenario-", "namespace": NAMESPACE},
            "involvedObject": {
                "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "ClusterDeployment", "namespace": NAMESPACE,
                "name": first, "uid": deployment.uid(),
            },
            "reason": "Scenario",
            "type": "Normal",
            "message": format!("{}: {} {}", self.scenario.name, self.scenario.about, self.scenario.task),
            "firstTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "lastTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "count": 1,
            "source": {"component": MANAGER},
        }))
        .expect("our own events have the shape of events");
        let events: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        if let Err(error) = events.create(&PostParams::default(), &event).await {
            tracing::debug!(%error, "the scenario was not announced");
        }
    }
}

/// What is soon.
const SOON: SignedDuration = SignedDuration::from_mins(10);

/// Puts moments where they are asked for.
fn put_moments(value: &mut Value, now: Timestamp) {
    match value {
        Value::String(text) if text == "NOW" => *text = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Value::String(text) if text == "SOON" => *text = (now + SOON).strftime("%-M %-H * * *").to_string(),
        Value::Object(map) => map.values_mut().for_each(|value| put_moments(value, now)),
        Value::Array(items) => items.iter_mut().for_each(|value| put_moments(value, now)),
        _ => {}
    }
}
