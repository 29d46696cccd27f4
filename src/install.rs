//! What a cluster gets so that the controllers run in it: kinds, accounts, roles, the Deployment. Pure data, in the order
//! in which it is applied; `quarterdeck install` sends it, and `--export` prints the same.
//!
//! There is no installation for all namespaces: the controllers read Secrets, and reading those of every namespace is to
//! be an administrator of the cluster. Each namespace with a fleet is named instead.

mod deployment;
mod roles;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api;

pub use deployment::{CONTROLLER, METRICS_PORT};
pub use roles::{CONTROLLER_ROLE, EXECUTOR_ROLE, OPERATOR_ROLE, VIEWER_ROLE};

/// Where the controllers run unless told otherwise.
pub const NAMESPACE: &str = "quarterdeck-system";
/// The image that is taken unless one is named. It says no registry: the nodes have to have it.
pub const IMAGE: &str = concat!("quarterdeck:", env!("CARGO_PKG_VERSION"));
/// On everything that was installed; only what carries it is ever removed.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "quarterdeck");
/// On everything that was installed: by which version of this program.
pub const INSTALLED_VERSION: &str = "app.kubernetes.io/version";

/// What may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the controllers run.
    pub namespace: String,
    /// The namespaces with fleets; never empty.
    pub watched: Vec<String>,
    /// Of the controllers and of the executors.
    pub image: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespace: NAMESPACE.to_owned(), watched: vec![NAMESPACE.to_owned()], image: IMAGE.to_owned() }
    }
}

impl Options {
    /// The namespaces that have to be there, each once, that of the controllers first.
    pub fn namespaces(&self) -> Vec<&str> {
        let others = self.watched.iter().map(String::as_str).filter(|n| *n != self.namespace);
        let mut all: Vec<&str> = std::iter::once(self.namespace.as_str()).collect();
        for namespace in others {
            if !all.contains(&namespace) {
                all.push(namespace);
            }
        }
        all
    }

    fn watched(&self) -> Vec<&str> {
        self.namespaces().into_iter().filter(|n| self.watched.iter().any(|w| w == n)).collect()
    }
}

/// The definitions of all kinds, labelled with our version.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = api::definitions();
    for definition in &mut definitions {
        let [managed, version] = [MANAGED_BY, (INSTALLED_VERSION, env!("CARGO_PKG_VERSION"))];
        definition.labels_mut().insert("app.kubernetes.io/name".to_owned(), "quarterdeck".to_owned());
        definition.labels_mut().insert(managed.0.to_owned(), managed.1.to_owned());
        definition.labels_mut().insert(version.0.to_owned(), version.1.to_owned());
    }
    definitions
}

/// Everything but the kinds, in the order in which it is made.
pub fn objects(options: &Options) -> Vec<Value> {
    let mut objects: Vec<Value> = options.namespaces().into_iter().map(namespace).collect();
    objects.extend(roles::cluster_roles());
    objects.push(account(CONTROLLER, &options.namespace));
    objects.push(roles::lease_role(&options.namespace));
    objects.push(binding("quarterdeck-lease", "Role", "quarterdeck-lease", &options.namespace, options));
    for watched in options.watched() {
        objects.push(binding(CONTROLLER_ROLE, "ClusterRole", CONTROLLER_ROLE, watched, options));
        objects.push(account(EXECUTOR_ROLE, watched));
        objects.push(executor_binding(watched));
    }
    objects.push(deployment::budget(options));
    objects.push(deployment::service(options));
    objects.push(deployment::deployment(options, &options.watched()));
    objects
}

/// Name and labels of an object, and its namespace if it is in one.
fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({ "name": name, "labels": {
        "app.kubernetes.io/name": "quarterdeck",
        MANAGED_BY.0: MANAGED_BY.1,
        INSTALLED_VERSION: env!("CARGO_PKG_VERSION"),
    }});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

/// All pods of ours, Jobs included, pass the strictest of the standards, so the namespace may insist on it.
fn namespace(name: &str) -> Value {
    let mut metadata = metadata(name, None);
    metadata["labels"]["pod-security.kubernetes.io/enforce"] = json!("restricted");
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })
}

fn account(name: &str, namespace: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name, Some(namespace)) })
}

/// Gives the controllers a role in a namespace.
fn binding(name: &str, kind: &str, role: &str, namespace: &str, options: &Options) -> Value {
    bind(name, kind, role, namespace, CONTROLLER, &options.namespace)
}

fn executor_binding(namespace: &str) -> Value {
    bind(EXECUTOR_ROLE, "ClusterRole", EXECUTOR_ROLE, namespace, EXECUTOR_ROLE, namespace)
}

fn bind(name: &str, kind: &str, role: &str, namespace: &str, account: &str, of: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(name, Some(namespace)),
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": of }],
    })
}

#[cfg(test)]
mod tests;
