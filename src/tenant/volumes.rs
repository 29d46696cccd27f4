//! Volumes: which are still attached to a node, and which data is bound to the disks of one.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    core::v1::{PersistentVolume, PersistentVolumeClaim},
    storage::v1::VolumeAttachment,
};
use kube::{Api, api::ListParams};

use super::{Error, Tenant, bounded};

impl Tenant {
    /// Names of the persistent volumes that are attached to the node, or on their way on or off, but for those of claims
    /// (`namespace/name`) that pods which stay still use.
    pub async fn volumes_attached(&self, node: &str, in_use: &[String]) -> Result<Vec<String>, Error> {
        let all: Vec<VolumeAttachment> = self.all(ListParams::default()).await?;
        let mut here: Vec<String> = all
            .into_iter()
            .filter(|a| a.spec.node_name == node)
            .map(|a| a.spec.source.persistent_volume_name.or(a.metadata.name).unwrap_or_default())
            .collect();
        for claim in in_use {
            if here.is_empty() {
                break;
            }
            if let Some(volume) = self.volume_of(claim).await? {
                here.retain(|name| *name != volume);
            }
        }
        here.sort();
        here.dedup();
        Ok(here)
    }

    /// The volume that a claim is bound to.
    async fn volume_of(&self, claim: &str) -> Result<Option<String>, Error> {
        let (namespace, name) = claim.split_once('/').unwrap_or_default();
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
        let found = bounded(api.get_opt(name)).await?;
        Ok(found.and_then(|c| c.spec).and_then(|s| s.volume_name))
    }

    /// Claims, as `namespace/name`, whose volume is a disk or a folder of one node.
    pub async fn local_claims(&self) -> Result<BTreeSet<String>, Error> {
        let all: Vec<PersistentVolume> = match self.all(ListParams::default()).await {
            Err(error) if error.is_not_found() => Vec::new(),
            all => all?,
        };
        let local = all.into_iter().filter_map(|v| v.spec).filter(|s| s.local.is_some() || s.host_path.is_some());
        let claims = local.filter_map(|s| s.claim_ref);
        Ok(claims.map(|c| format!("{}/{}", c.namespace.unwrap_or_default(), c.name.unwrap_or_default())).collect())
    }
}
