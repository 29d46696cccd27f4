//! One object at a time: applied, found again by our label, removed. What install and uninstall do to a cluster.

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions},
    core::ApiResource,
    runtime::{conditions, wait::await_condition},
};
use serde_json::Value;

use crate::{
    commands::{
        connect,
        exit::{Ended, Exit},
    },
    install::{self, INSTALLED_VERSION, MANAGED_BY},
};

/// Who applies, in the records of the server.
const FIELD_MANAGER: &str = "quarterdeck-install";
/// For a server to serve a new kind.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(60);

/// The cluster, and how we may treat it.
pub struct Cluster {
    pub client: Client,
    pub dry_run: bool,
    /// Fields that somebody else has set are taken over.
    pub force: bool,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Created,
    Configured,
    Unchanged,
    Removed,
}

/// `deployment.apps/quarterdeck-controller created in quarterdeck-system`
pub fn line(object: &Value, changed: Changed, dry_run: bool) -> String {
    let verb = match changed {
        Changed::Created => "created",
        Changed::Configured => "configured",
        Changed::Unchanged => "unchanged",
        Changed::Removed => "deleted",
    };
    let kind = resource(object);
    let singular = kind.kind.to_lowercase();
    let full = if kind.group.is_empty() { singular } else { format!("{singular}.{}", kind.group) };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let place = object["metadata"]["namespace"].as_str().map_or_else(String::new, |n| format!(" in {n}"));
    let dry = if dry_run { " (server dry run)" } else { "" };
    format!("{full}/{name} {verb}{place}{dry}")
}

pub fn value(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).expect("an object of the API serialises")
}

/// The kinds that are installed, in the order in which they are removed.
fn resource_of(kind: &str) -> ApiResource {
    match kind {
        "Deployment" => ApiResource::erase::<Deployment>(&()),
        "PodDisruptionBudget" => ApiResource::erase::<PodDisruptionBudget>(&()),
        "Service" => ApiResource::erase::<Service>(&()),
        "RoleBinding" => ApiResource::erase::<RoleBinding>(&()),
        "Role" => ApiResource::erase::<Role>(&()),
        "ServiceAccount" => ApiResource::erase::<ServiceAccount>(&()),
        "ClusterRole" => ApiResource::erase::<ClusterRole>(&()),
        "CustomResourceDefinition" => ApiResource::erase::<CustomResourceDefinition>(&()),
        "Namespace" => ApiResource::erase::<Namespace>(&()),
        other => unreachable!("no {other} is ever installed"),
    }
}

fn resource(object: &Value) -> ApiResource {
    resource_of(object["kind"].as_str().unwrap_or_default())
}

/// As RBAC names it.
fn plural(resource: &ApiResource) -> String {
    if resource.group.is_empty() { resource.plural.clone() } else { format!("{}.{}", resource.plural, resource.group) }
}

impl Cluster {
    fn api(&self, object: &Value) -> Api<DynamicObject> {
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource(object)),
            None => Api::all_with(self.client.clone(), &resource(object)),
        }
    }

    /// Makes the object what we say, and tells whether that took anything.
    pub async fn apply(&self, object: &Value) -> Result<Changed, Ended> {
        let (api, name) = (self.api(object), object["metadata"]["name"].as_str().unwrap_or_default());
        let before = api.get_opt(name).await.map_err(|e| failed(&e, "get", object))?;
        let parameters = PatchParams { dry_run: self.dry_run, force: self.force, ..PatchParams::apply(FIELD_MANAGER) };
        let after = match api.patch(name, &parameters, &Patch::Apply(object)).await {
            Ok(after) => after,
            // Its namespace would have been made, had this not been a trial.
            Err(kube::Error::Api(status)) if self.dry_run && status.is_not_found() => return Ok(Changed::Created),
            Err(error) => return Err(failed(&error, "patch", object)),
        };
        Ok(match before {
            None => Changed::Created,
            Some(before) if content(&before) == content(&after) => Changed::Unchanged,
            Some(_) => Changed::Configured,
        })
    }

    pub async fn wait_for_kinds(&self) -> Result<(), Ended> {
        let kinds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for definition in install::definitions() {
            let name = definition.name_any();
            let served = await_condition(kinds.clone(), &name, conditions::is_crd_established());
            if !matches!(tokio::time::timeout(ESTABLISHED_WITHIN, served).await, Ok(Ok(_))) {
                let why = format!(
                    "the server does not serve {name} after {} s: look at  kubectl describe crd {name}  and run this again",
                    ESTABLISHED_WITHIN.as_secs()
                );
                return Err(Ended::new(Exit::Failed, why));
            }
        }
        Ok(())
    }

    /// Our kinds that the cluster has, with the version that they say.
    pub async fn kinds(&self) -> Result<Vec<(String, Option<String>)>, Ended> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let mut found = Vec::new();
        for definition in install::definitions() {
            let name = definition.name_any();
            let there = api.get_opt(&name).await.map_err(|e| failed(&e, "get", &value(&definition)))?;
            found.extend(there.map(|d| (name, d.labels().get(INSTALLED_VERSION).cloned())));
        }
        Ok(found)
    }

    /// All objects of these kinds that carry our label, wherever they are.
    pub async fn ours(&self, kinds: &[&str]) -> Result<Vec<Value>, Ended> {
        let label = format!("{}={},app.kubernetes.io/name=quarterdeck", MANAGED_BY.0, MANAGED_BY.1);
        let mut found = Vec::new();
        for kind in kinds {
            let resource = resource_of(kind);
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            let listed = api.list(&ListParams::default().labels(&label)).await;
            let listed = listed.map_err(|e| connect::failed(&e, "list", &plural(&resource), None))?;
            // Items of a list do not say their kind.
            found.extend(listed.items.iter().map(|object| {
                let mut object = value(object);
                object["kind"] = Value::String((*kind).to_owned());
                object
            }));
        }
        Ok(found)
    }

    /// Removes exactly this object; that it is gone already is as good.
    pub async fn remove(&self, object: &Value) -> Result<(), Ended> {
        let (api, name) = (self.api(object), object["metadata"]["name"].as_str().unwrap_or_default());
        let preconditions =
            Preconditions { uid: object["metadata"]["uid"].as_str().map(str::to_owned), resource_version: None };
        let parameters =
            DeleteParams { dry_run: self.dry_run, preconditions: Some(preconditions), ..DeleteParams::background() };
        match api.delete(name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(failed(&error, "delete", object)),
        }
    }
}

/// What an object says, without what the server keeps of it.
fn content(object: &DynamicObject) -> Value {
    let mut content = value(object);
    if let Some(fields) = content.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = content["metadata"].as_object_mut() {
        ["managedFields", "resourceVersion", "generation"].iter().for_each(|field| drop(metadata.remove(*field)));
    }
    content
}

fn failed(error: &kube::Error, verb: &'static str, object: &Value) -> Ended {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let resource = resource(object);
    match error {
        kube::Error::Api(status) if status.code == 409 => {
            let why = format!(
                "{} {name} has fields that somebody else has set ({}): take them over with --force-conflicts",
                resource.kind, status.message
            );
            Ended::new(Exit::Declined, why)
        }
        // To grant a permission one has to have it; the server says which is missing.
        kube::Error::Api(status) if status.code == 403 => {
            let why = format!("{}: ask an administrator of the cluster to run this", status.message);
            Ended::new(Exit::Forbidden, why)
        }
        kube::Error::Api(status) if matches!(status.code, 400 | 422) => {
            Ended::new(Exit::Failed, format!("the server refuses {} {name}: {}", resource.kind, status.message))
        }
        error => connect::failed(error, verb, &plural(&resource), object["metadata"]["namespace"].as_str()),
    }
}
