//! The kinds that every server has.

mod defaults;

use super::{
    kind::{Kind, Scale},
    table,
};

pub use defaults::{always, default};

/// What a row of the catalogue switches on.
#[derive(Clone, Copy, Default)]
struct Traits {
    cluster_scoped: bool,
    status: bool,
    scale: bool,
    generation: bool,
}

const PLAIN: Traits = Traits { cluster_scoped: false, status: false, scale: false, generation: false };
const CLUSTER: Traits = Traits { cluster_scoped: true, ..PLAIN };
const STATUS: Traits = Traits { status: true, ..PLAIN };
const CLUSTER_STATUS: Traits = Traits { status: true, ..CLUSTER };
const WORKLOAD: Traits = Traits { status: true, generation: true, ..PLAIN };
const SCALED: Traits = Traits { scale: true, ..WORKLOAD };

/// Group, version, kind, plural, short names, traits.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], Traits);

const CATALOGUE: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", &["cm"], PLAIN),
    ("", "v1", "Event", "events", &["ev"], PLAIN),
    ("", "v1", "Namespace", "namespaces", &["ns"], CLUSTER_STATUS),
    ("", "v1", "Node", "nodes", &["no"], CLUSTER_STATUS),
    ("", "v1", "Pod", "pods", &["po"], WORKLOAD),
    ("", "v1", "Secret", "secrets", &[], PLAIN),
    ("", "v1", "Service", "services", &["svc"], STATUS),
    ("", "v1", "ServiceAccount", "serviceaccounts", &["sa"], PLAIN),
    ("apps", "v1", "DaemonSet", "daemonsets", &["ds"], WORKLOAD),
    ("apps", "v1", "Deployment", "deployments", &["deploy"], SCALED),
    ("apps", "v1", "ReplicaSet", "replicasets", &["rs"], SCALED),
    ("apps", "v1", "StatefulSet", "statefulsets", &["sts"], SCALED),
    ("events.k8s.io", "v1", "Event", "events", &["ev"], PLAIN),
    ("batch", "v1", "Job", "jobs", &[], WORKLOAD),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], WORKLOAD),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", &[], CLUSTER),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", &[], CLUSTER),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", &[], PLAIN),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", &[], PLAIN),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", &[], CLUSTER_STATUS),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", &["crd", "crds"], CRD),
    ("coordination.k8s.io", "v1", "Lease", "leases", &[], PLAIN),
];

const CRD: Traits = Traits { cluster_scoped: true, ..WORKLOAD };

/// Namespaces that exist from the beginning.
pub const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// All built-in kinds.
pub fn kinds() -> Vec<Kind> {
    CATALOGUE.iter().map(kind).collect()
}

fn kind(&(group, version, name, plural, short_names, traits): &Row) -> Kind {
    let plain = Kind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: name.to_owned(),
        list_kind: format!("{name}List"),
        plural: plural.to_owned(),
        singular: name.to_lowercase(),
        short_names: short_names.iter().map(|&s| s.to_owned()).collect(),
        categories: match name {
            "Pod" | "Service" | "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet" | "Job" => {
                vec!["all".to_owned()]
            }
            "CustomResourceDefinition" => vec!["api-extensions".to_owned()],
            _ => Vec::new(),
        },
        namespaced: !traits.cluster_scoped,
        status: traits.status,
        scale: traits.scale.then(|| Scale {
            spec_replicas: ".spec.replicas".to_owned(),
            status_replicas: ".status.replicas".to_owned(),
            selector: None,
        }),
        generation: traits.generation,
        selectable: selectable(name).iter().map(|&path| path.to_owned()).collect(),
        columns: table::columns(name, group),
        document: None,
        schema: None,
        collection: String::new(),
    };
    // Both groups of events are views of one collection.
    let collection = if name == "Event" { "events".to_owned() } else { plain.resource() };
    Kind { collection, ..plain }
}

fn selectable(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pod" => &["spec.nodeName", "status.phase", "spec.restartPolicy", "spec.serviceAccountName", "status.podIP"],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "Secret" => &["type"],
        "Job" => &["status.successful"],
        _ => &[],
    }
}
