//! Objects that go only when their machines have been released: `kubectl delete` starts that, and cannot outrun it.

use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::labels::RELEASE_FINALIZER;

use super::{Error, write};

/// Somebody has asked for its deletion.
pub fn is_deleting(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Sees to it that an object which nobody deletes is held. Answers whether that took a write.
pub async fn hold<K>(api: &Api<K>, object: &K) -> Result<bool, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    if is_deleting(object) || is_held(object) {
        return Ok(false);
    }
    let finalizers: Vec<&str> = object.finalizers().iter().map(String::as_str).chain([RELEASE_FINALIZER]).collect();
    write::object(api, object, json!({ "metadata": { "finalizers": finalizers } })).await?;
    Ok(true)
}

/// Lets an object go whose deletion was asked for.
pub async fn let_go<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    if is_held(object) {
        let finalizers: Vec<&String> = object.finalizers().iter().filter(|f| *f != RELEASE_FINALIZER).collect();
        write::object(api, object, json!({ "metadata": { "finalizers": finalizers } })).await?;
    }
    Ok(())
}

fn is_held(object: &impl Resource) -> bool {
    object.meta().finalizers.iter().flatten().any(|f| f == RELEASE_FINALIZER)
}
