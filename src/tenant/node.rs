//! Nodes by providerID: find, cordon, uncordon, delete.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Taint};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
};
use serde_json::json;

use crate::api::labels;

use super::{Error, Tenant, bounded};

/// Most nodes that are asked for at once.
const PAGE: u32 = 500;

impl Tenant {
    /// The node that carries `provider_id`, looked for live among all nodes. Two are an error, not a choice.
    pub async fn node_by_provider_id(&self, provider_id: &str) -> Result<Option<Node>, Error> {
        let mut found = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = bounded(self.nodes().list(&page)).await?;
            let next = list.metadata.continue_.clone().filter(|token| !token.is_empty());
            found.extend(list.items.into_iter().filter(|n| carries(n, provider_id)));
            match next {
                Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
                None => break,
            }
        }
        match found.len() {
            0 | 1 => Ok(found.pop()),
            count => Err(Error::Ambiguous {
                provider_id: provider_id.to_owned(),
                count,
                names: found.iter().map(ResourceExt::name_any).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The node of this name if it is still the one with this UID.
    pub async fn node(&self, name: &str, uid: &str) -> Result<Option<Node>, Error> {
        let node = bounded(self.nodes().get_opt(name)).await?;
        Ok(node.filter(|n| n.metadata.uid.as_deref() == Some(uid)))
    }

    /// UIDs of all nodes that take no new pods, in one answer: whoever looks at many nodes before something that cannot
    /// be undone needs one good answer, not as many in a row as there are nodes.
    pub async fn cordoned(&self) -> Result<BTreeSet<String>, Error> {
        let list = bounded(self.nodes().list(&ListParams::default().fields("spec.unschedulable=true"))).await?;
        Ok(list.items.into_iter().filter(is_cordoned).filter_map(|n| n.metadata.uid).collect())
    }

    /// Makes the node unschedulable and signs it. One that a person has cordoned already is left as it is, unsigned:
    /// so nobody uncordons it later for them.
    pub async fn cordon(&self, node: &Node, operation: &str) -> Result<(), Error> {
        if is_cordoned(node) {
            return Ok(());
        }
        let patch = json!({
            "metadata": { "annotations": { labels::CORDONED_BY: operation } },
            "spec": { "unschedulable": true },
        });
        self.patch(node, patch).await
    }

    /// Takes back our own cordon, and no other. Answers whether there was one.
    pub async fn uncordon(&self, node: &Node) -> Result<bool, Error> {
        if !node.annotations().contains_key(labels::CORDONED_BY) {
            return Ok(false);
        }
        let patch = json!({
            "metadata": { "annotations": { labels::CORDONED_BY: null } },
            "spec": { "unschedulable": null },
        });
        self.patch(node, patch).await?;
        Ok(true)
    }

    /// Puts a taint on the node, or takes it off: new pods go elsewhere if they can. Others' taints stay as they are.
    pub async fn taint(&self, node: &Node, key: &str, wanted: bool) -> Result<(), Error> {
        if carries_taint(node, key) == wanted {
            return Ok(());
        }
        let mut taints = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
        taints.retain(|t| t.key != key);
        if wanted {
            let effect = "PreferNoSchedule".to_owned();
            taints.push(Taint { key: key.to_owned(), effect, ..Taint::default() });
        }
        self.patch(node, json!({ "spec": { "taints": taints } })).await
    }

    /// Deletes this very node; that it is gone already is as good.
    pub async fn delete_node(&self, node: &Node) -> Result<(), Error> {
        let preconditions = Preconditions { uid: node.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams::background().preconditions(preconditions);
        match bounded(self.nodes().delete(&node.name_any(), &parameters)).await {
            Err(Error::Api(error)) if matches!(&*error, kube::Error::Api(s) if s.code == 404) => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// A merge patch that holds only for the node as it was read.
    async fn patch(&self, node: &Node, mut patch: serde_json::Value) -> Result<(), Error> {
        patch["metadata"]["uid"] = json!(node.metadata.uid);
        patch["metadata"]["resourceVersion"] = json!(node.metadata.resource_version);
        let parameters =
            PatchParams { field_manager: Some(labels::CONTROLLER_MANAGER.to_owned()), ..PatchParams::default() };
        bounded(self.nodes().patch(&node.name_any(), &parameters, &Patch::Merge(patch))).await.map(|_| ())
    }

    pub fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }
}

/// No new pod is scheduled to it.
pub fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().is_some_and(|s| s.unschedulable == Some(true))
}

/// It has a taint of this key.
pub fn carries_taint(node: &Node, key: &str) -> bool {
    node.spec.iter().flat_map(|s| s.taints.iter().flatten()).any(|t| t.key == key)
}

fn carries(node: &Node, provider_id: &str) -> bool {
    node.spec.as_ref().and_then(|s| s.provider_id.as_deref()) == Some(provider_id)
}
