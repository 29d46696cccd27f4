//! What pods belong to: which DaemonSets exist, and what sets the number of an owner's pods.

use std::collections::BTreeSet;

use k8s_openapi::api::{apps::v1::DaemonSet, autoscaling::v2::HorizontalPodAutoscaler};
use kube::{Api, ResourceExt, api::ListParams};

use super::{Error, Tenant, bounded};

/// Most objects that are asked for at once.
const PAGE: u32 = 500;

impl Tenant {
    /// Identities of the DaemonSets that exist; nothing else of them is asked for.
    pub async fn daemon_sets(&self) -> Result<BTreeSet<String>, Error> {
        let api: Api<DaemonSet> = Api::all(self.client.clone());
        let mut page = ListParams::default().limit(PAGE);
        let mut all = BTreeSet::new();
        loop {
            let list = bounded(api.list_metadata(&page)).await?;
            all.extend(list.items.into_iter().filter_map(|set| set.metadata.uid));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    /// What sets the number of pods of `Kind/name`, as `HorizontalPodAutoscaler/name`, if something does.
    pub async fn autoscaler_of(&self, namespace: &str, owner: &str) -> Result<Option<String>, Error> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        let all = match bounded(api.list(&ListParams::default())).await {
            Err(error) if error.is_not_found() => return Ok(None),
            all => all?,
        };
        let found = all.items.into_iter().find(|a| {
            let target = a.spec.as_ref().map(|s| &s.scale_target_ref);
            target.is_some_and(|t| format!("{}/{}", t.kind, t.name) == owner)
        });
        Ok(found.map(|a| format!("HorizontalPodAutoscaler/{}", a.name_any())))
    }
}
