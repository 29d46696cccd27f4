//! Status as merge patches of Machines and of the Operation: only the fields that are the executor's.

use futures::future::BoxFuture;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use super::report::{StatusSink, WriteError};
use crate::api::{Machine, Operation, labels};

/// Longest time for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes into one namespace of a meta cluster.
pub struct KubernetesStatus {
    machines: Api<Machine>,
    operations: Api<Operation>,
}

impl KubernetesStatus {
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { machines: Api::namespaced(client.clone(), namespace), operations: Api::namespaced(client, namespace) }
    }
}

impl StatusSink for KubernetesStatus {
    fn machine<'a>(&'a self, name: &'a str, uid: &'a str, status: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        // With the UID the patch is refused for another machine of the same name.
        let patch = json!({ "metadata": { "uid": uid }, "status": status });
        Box::pin(async move { patch_status(&self.machines, name, patch).await })
    }

    fn operation<'a>(&'a self, name: &'a str, status: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async move { patch_status(&self.operations, name, json!({ "status": status })).await })
    }

    fn paused<'a>(&'a self, operation: &'a str) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async move {
            let operation = timeout(PATIENCE, self.operations.get(operation)).await.ok()?.ok()?;
            Some(operation.spec.paused)
        })
    }
}

async fn patch_status<K>(api: &Api<K>, name: &str, patch: Value) -> Result<(), WriteError>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let parameters = PatchParams { field_manager: Some(labels::EXECUTOR_MANAGER.into()), ..PatchParams::default() };
    match timeout(PATIENCE, api.patch_status(name, &parameters, &Patch::Merge(patch))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(WriteError::Passing("the API server did not answer".into())),
    }
}

/// What the API server says about the request itself will not change; anything else may. A conflict is somebody who
/// wrote at the same time, unless it is about the UID: then the machine is another one.
fn classify(error: &kube::Error) -> WriteError {
    let passes = match error {
        kube::Error::Api(status) if status.code == 409 => !status.message.contains("UID"),
        kube::Error::Api(status) => !(400..500).contains(&status.code) || matches!(status.code, 408 | 429),
        _ => true,
    };
    if passes { WriteError::Passing(error.to_string()) } else { WriteError::Final(error.to_string()) }
}

#[cfg(test)]
mod tests;
