//! Writes that hold only for the object as it was read, and only if they change something.

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::api::{Cluster, DeprecatedApi, Disruption, Machine, NodeStatus, labels, merge_patch};

use super::Error;

/// Patches what differs between two statuses of `object`. Answers whether anything did.
///
/// The patch names the UID and the resourceVersion that were read: if anybody wrote in between, the answer is a
/// conflict and the decision is made again.
pub async fn status<K, S>(api: &Api<K>, object: &K, before: &S, after: &S) -> Result<bool, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize,
{
    let before = serde_json::to_value(before).expect("a status serialises");
    let after = serde_json::to_value(after).expect("a status serialises");
    let Some(changes) = merge_patch::difference(&before, &after) else { return Ok(false) };
    let patch = bound(object, json!({ "status": changes }));
    api.patch_status(&object.name_any(), &parameters(), &Patch::Merge(patch)).await?;
    Ok(true)
}

/// Patches the object itself, under the same terms.
pub async fn object<K>(api: &Api<K>, object: &K, patch: Value) -> Result<K, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    Ok(api.patch(&object.name_any(), &parameters(), &Patch::Merge(bound(object, patch))).await?)
}

/// Writes what a node says, whatever else has changed on the machine: this part of the status has one writer, and it
/// decides nothing. Still bound to the UID.
pub async fn node_again(api: &Api<Machine>, machine: &Machine, node: Option<&NodeStatus>) -> Result<(), Error> {
    let patch = json!({ "metadata": { "uid": machine.metadata.uid }, "status": { "node": node } });
    api.patch_status(&machine.name_any(), &parameters(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Writes what a plan wants to know of a cluster, if it has changed: these parts of the status have one writer, too.
pub async fn foreseen(api: &Api<Cluster>, cluster: &Cluster, before: &Foreseen, after: &Foreseen) -> Result<(), Error> {
    let value = |of: &Foreseen| serde_json::to_value(of).expect("a status serialises");
    let Some(changes) = merge_patch::difference(&value(before), &value(after)) else { return Ok(()) };
    let patch = json!({ "metadata": { "uid": cluster.metadata.uid }, "status": changes });
    api.patch_status(&cluster.name_any(), &parameters(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// What a plan wants to know of a cluster; named as in its status.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Foreseen {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruption: Option<Disruption>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated_apis: Option<Vec<DeprecatedApi>>,
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(labels::CONTROLLER_MANAGER.to_owned()), ..PatchParams::default() }
}

fn bound<K: Resource>(object: &K, mut patch: Value) -> Value {
    patch["metadata"]["uid"] = json!(object.meta().uid);
    patch["metadata"]["resourceVersion"] = json!(object.meta().resource_version);
    patch
}
