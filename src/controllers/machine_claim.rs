//! Claiming a machine and letting it go: the two writes on which "in at most one cluster, ever" rests.
//!
//! Both hold only for the machine as it was read, so of two who want it one gets a conflict.

use kube::Api;
use serde_json::{Value, json};

use crate::api::{ClaimReference, Machine, labels};

use super::{Error, write};

/// Binds an unclaimed machine. A conflict means that it changed since it was read: somebody else may have it.
pub async fn claim(api: &Api<Machine>, machine: &Machine, claim: &ClaimReference) -> Result<Machine, Error> {
    debug_assert!(machine.spec.claim_ref.is_none(), "only a free machine is claimed");
    let patch = json!({
        "metadata": { "labels": { labels::CLUSTER: claim.cluster_name, labels::POOL: claim.pool_name } },
        "spec": { "claimRef": claim },
    });
    write::object(api, machine, patch).await
}

/// Counts a machine that was brought to another revision to the set of that revision. It stays in its pool.
pub async fn pass_on(api: &Api<Machine>, machine: &Machine, set: &ClaimReference) -> Result<Machine, Error> {
    let since = machine.spec.claim_ref.as_ref().and_then(|c| c.claimed_at.clone());
    let claim = ClaimReference { claimed_at: since, ..set.clone() };
    write::object(api, machine, json!({ "spec": { "claimRef": claim } })).await
}

/// Frees a machine. What the controllers wrote on it goes with the claim.
pub async fn release(api: &Api<Machine>, machine: &Machine) -> Result<Machine, Error> {
    let patch = json!({
        "metadata": {
            "labels": { labels::CLUSTER: Value::Null, labels::POOL: Value::Null, labels::OPERATION: Value::Null },
            "annotations": {
                labels::DELETE_MACHINE: Value::Null,
                labels::REPLACE_MACHINE: Value::Null,
                labels::REMEDIATION: Value::Null,
                labels::OUTSIDE_WINDOW: Value::Null,
                labels::REQUESTED_BY: Value::Null,
                labels::REASON: Value::Null,
            },
        },
        "spec": { "claimRef": Value::Null },
    });
    write::object(api, machine, patch).await
}

/// Reserves a machine for an operation.
pub async fn reserve(api: &Api<Machine>, machine: &Machine, operation: &str) -> Result<Machine, Error> {
    write::object(api, machine, json!({ "metadata": { "labels": { labels::OPERATION: operation } } })).await
}
