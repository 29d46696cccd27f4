//! The labels that say to which cluster and pool an object belongs, and the lists that rest on them.
//!
//! The truth is `spec.claimRef` of a machine and `spec` of an operation. The labels follow it in the same write, and are
//! put right if somebody changes them, so that the server can answer with one pool in place of a whole namespace. Such a
//! list may miss a machine whose label is wrong for the moment: it is good for deciding to wait or to take less away, and
//! never for deciding to take more.

use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{
    Machine, Operation,
    labels::{CLUSTER, POOL},
};

use super::{Error, write};

/// Objects of a cluster.
pub fn of_cluster(cluster: &str) -> String {
    format!("{CLUSTER}={cluster}")
}

/// Objects of a pool, by the name of its `NodePool`.
pub fn of_pool(cluster: &str, pool: &str) -> String {
    format!("{CLUSTER}={cluster},{POOL}={pool}")
}

/// Puts the labels of a machine right. Answers whether that took a write.
pub async fn mend_machine(api: &Api<Machine>, machine: &Machine) -> Result<bool, Error> {
    let claim = machine.spec.claim_ref.as_ref();
    let wanted = [(CLUSTER, claim.map(|c| c.cluster_name.as_str())), (POOL, claim.map(|c| c.pool_name.as_str()))];
    mend(api, machine, &wanted).await
}

/// Puts the labels of an operation right. Answers whether that took a write.
pub async fn mend_operation(api: &Api<Operation>, operation: &Operation) -> Result<bool, Error> {
    let spec = &operation.spec;
    let wanted = [(CLUSTER, Some(spec.cluster_name.as_str())), (POOL, spec.pool_name.as_deref())];
    mend(api, operation, &wanted).await
}

async fn mend<K>(api: &Api<K>, object: &K, wanted: &[(&str, Option<&str>)]) -> Result<bool, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let wrong = |(key, value): &&(&str, Option<&str>)| object.labels().get(*key).map(String::as_str) != *value;
    let labels: serde_json::Map<String, Value> =
        wanted.iter().filter(wrong).map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    if labels.is_empty() {
        return Ok(false);
    }
    write::object(api, object, json!({ "metadata": { "labels": labels } })).await?;
    Ok(true)
}
