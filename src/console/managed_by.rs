//! Who else writes an object: a tool that keeps it as it stands in Git may take a change of ours back.
//!
//! A pure function over labels, annotations and owners.

use super::{
    message::{Kind, Order, Target},
    state::State,
};
use crate::fleet::Uid;
use std::{collections::BTreeMap, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::Value;

/// Something that keeps an object as it wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    Argo { application: String },
    FluxKustomization { name: String },
    FluxHelm { name: String },
    Helm { release: String },
    Topology { cluster: String },
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = match self {
            Self::Argo { application } => ("Argo CD application", application),
            Self::FluxKustomization { name } => ("Flux Kustomization", name),
            Self::FluxHelm { name } => ("Flux HelmRelease", name),
            Self::Helm { release } => ("Helm release", release),
            Self::Topology { cluster } => ("the topology of Cluster API cluster", cluster),
        };
        write!(f, "{what} {}", super::text::cut(name, 80))
    }
}

impl Manager {
    /// What it may do to a change, and the way out, where there is a key for it.
    pub fn warning(&self, what: &str, export_key: Option<&str>) -> String {
        let danger = match self {
            Self::Helm { .. } => "the next upgrade of it may take your change back",
            _ => "it may take your change back",
        };
        let way_out = export_key.map(|key| format!("; {key} exports the change as a patch instead"));
        format!("{self} owns this {what}: {danger}{}", way_out.unwrap_or_default())
    }
}

impl State {
    /// The warning that belongs to changes, in one line: what it is about is somebody else's as well.
    pub fn managed_by(&self, order: &Order, export_key: Option<&str>) -> Option<String> {
        order.changes.iter().find_map(|change| {
            let what = match change.target.kind {
                Kind::NodePool => "pool",
                Kind::ClusterDeployment => "cluster",
                Kind::Machine => "machine",
                Kind::Operation => "operation",
            };
            self.manager_of(&change.target).map(|manager| manager.warning(what, export_key))
        })
    }

    fn manager_of(&self, target: &Target) -> Option<Manager> {
        let snapshot = &self.snapshot;
        let (context, uid) = (target.context, Uid::new(target.context, target.uid.as_str()));
        let metadata = match target.kind {
            Kind::NodePool => &snapshot.pool_named(context, &target.name)?.row.resource.as_ref()?.metadata,
            Kind::ClusterDeployment => {
                &snapshot.cluster_named(context, &target.name)?.row.deployment.as_ref()?.metadata
            }
            Kind::Operation => &snapshot.operation_named(context, &target.name)?.resource.metadata,
            Kind::Machine => match snapshot.machine(&uid).and_then(|machine| self.resource_of(machine)) {
                Some(machine) => &machine.metadata,
                // Of all others only the labels are kept.
                _ => {
                    let row = snapshot.machine(&uid)?;
                    let labels = row.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
                    return of(Some(&labels), None, &[]);
                }
            },
        };
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        of(metadata.labels.as_ref(), metadata.annotations.as_ref(), owners)
    }
}

type Map = BTreeMap<String, String>;

/// Who manages an object with these labels, annotations and owners.
pub fn of(labels: Option<&Map>, annotations: Option<&Map>, owners: &[OwnerReference]) -> Option<Manager> {
    let label = |key: &str| labels.and_then(|map| map.get(key)).filter(|v| !v.is_empty()).cloned();
    let note = |key: &str| annotations.and_then(|map| map.get(key)).filter(|v| !v.is_empty()).cloned();
    argo(&label, &note)
        .or_else(|| label("helm.toolkit.fluxcd.io/name").map(|name| Manager::FluxHelm { name }))
        .or_else(|| label("kustomize.toolkit.fluxcd.io/name").map(|name| Manager::FluxKustomization { name }))
        .or_else(|| helm(&label, &note))
        .or_else(|| topology(labels, &label, owners))
}

/// A tracking id is `APPLICATION:GROUP/KIND:NAMESPACE/NAME`. The label alone is everybody's.
fn argo(label: &impl Fn(&str) -> Option<String>, note: &impl Fn(&str) -> Option<String>) -> Option<Manager> {
    if let Some(id) = note("argocd.argoproj.io/tracking-id") {
        let application = id.split(':').next().unwrap_or_default().to_owned();
        return Some(Manager::Argo { application });
    }
    let marks =
        ["argocd.argoproj.io/installation-id", "argocd.argoproj.io/sync-wave", "argocd.argoproj.io/sync-options"];
    let of_argo = marks.iter().any(|key| note(key).is_some());
    let application = label("app.kubernetes.io/instance").filter(|_| of_argo);
    application.or_else(|| label("argocd.argoproj.io/instance")).map(|application| Manager::Argo { application })
}

fn helm(label: &impl Fn(&str) -> Option<String>, note: &impl Fn(&str) -> Option<String>) -> Option<Manager> {
    label("app.kubernetes.io/managed-by").filter(|tool| tool == "Helm")?;
    note("meta.helm.sh/release-name").map(|release| Manager::Helm { release })
}

fn topology(
    labels: Option<&Map>,
    label: &impl Fn(&str) -> Option<String>,
    owners: &[OwnerReference],
) -> Option<Manager> {
    labels?.get("topology.cluster.x-k8s.io/owned")?;
    let owner = owners.iter().find(|o| o.kind == "Cluster" && o.api_version.starts_with("cluster.x-k8s.io/"));
    let cluster = owner.map(|o| o.name.clone()).or_else(|| label("cluster.x-k8s.io/cluster-name"));
    Some(Manager::Topology { cluster: cluster.unwrap_or_else(|| "of its name".into()) })
}

/// The same of an object as it was read.
pub fn of_object(object: &Value) -> Option<Manager> {
    let map = |path: &str| -> Option<Map> { serde_json::from_value(object.pointer(path)?.clone()).ok() };
    let owners = object.pointer("/metadata/ownerReferences").cloned().unwrap_or_default();
    let owners: Vec<OwnerReference> = serde_json::from_value(owners).unwrap_or_default();
    of(map("/metadata/labels").as_ref(), map("/metadata/annotations").as_ref(), &owners)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(labels: Value, annotations: Value, expected: &str) {
        let object = json!({"metadata": {"labels": labels, "annotations": annotations, "ownerReferences": [
            {"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "name": "eu", "uid": "u"}
        ]}});
        assert_eq!(of_object(&object).map(|m| m.to_string()).unwrap_or_default(), expected, "{object}");
    }

    #[test]
    fn each_tool_is_known_by_its_own_marks() {
        let none = || json!({});
        check(none(), none(), "");
        let tracked = json!({"argocd.argoproj.io/tracking-id": "prod-fleet:quarterdeck.dev/NodePool:fleet/gpu"});
        check(none(), tracked, "Argo CD application prod-fleet");
        let instance = json!({"app.kubernetes.io/instance": "prod-fleet"});
        check(instance.clone(), none(), "");
        check(instance, json!({"argocd.argoproj.io/sync-wave": "3"}), "Argo CD application prod-fleet");
        check(json!({"kustomize.toolkit.fluxcd.io/name": "pools"}), none(), "Flux Kustomization pools");
        let both = json!({"kustomize.toolkit.fluxcd.io/name": "pools", "helm.toolkit.fluxcd.io/name": "fleet"});
        check(both, none(), "Flux HelmRelease fleet");
        let helm = json!({"app.kubernetes.io/managed-by": "Helm"});
        check(helm.clone(), none(), "");
        check(helm, json!({"meta.helm.sh/release-name": "fleet"}), "Helm release fleet");
        check(json!({"app.kubernetes.io/managed-by": "x"}), json!({"meta.helm.sh/release-name": "fleet"}), "");
        let topology = json!({"topology.cluster.x-k8s.io/owned": ""});
        check(topology, none(), "the topology of Cluster API cluster eu");
        check(none(), json!({"argocd.argoproj.io/tracking-id": "a\u{1b}[2J:b"}), "Argo CD application a·[2J");
    }

    #[test]
    fn the_warning_says_the_way_out() {
        let argo = Manager::Argo { application: "prod-fleet".into() };
        assert_eq!(
            argo.warning("pool", Some("ctrl-x")),
            "Argo CD application prod-fleet owns this pool: it may take your change back; ctrl-x exports the change as a \
             patch instead"
        );
    }
}
