//! The kinds that every server has, and what creating one of them fills in.

use serde_json::{Value, json};

use super::{
    kind::{Kind, Scale},
    table,
};

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

/// Fills in what kube-apiserver would when an object of a built-in kind is created or replaced.
pub fn default(kind: &Kind, value: &mut Value) {
    match kind.kind.as_str() {
        "Namespace" => namespace(value),
        "Secret" => secret(value),
        "Pod" => pod(&mut value["spec"]),
        "Job" => job(value),
        "Deployment" | "ReplicaSet" | "StatefulSet" => set(&mut value["spec"], "replicas", json!(1)),
        "Node" if value["spec"].is_null() => value["spec"] = json!({}),
        _ => {}
    }
}

fn set(object: &mut Value, key: &str, default: Value) {
    if object[key].is_null() {
        object[key] = default;
    }
}

fn namespace(value: &mut Value) {
    let name = value["metadata"]["name"].clone();
    value["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    if !value["metadata"]["deletionTimestamp"].is_string() {
        set(&mut value["spec"], "finalizers", json!(["kubernetes"]));
    }
    set(&mut value["status"], "phase", json!("Active"));
}

/// `stringData` is a convenience for writing; what is kept and read is `data`.
fn secret(value: &mut Value) {
    use base64::Engine;
    set(value, "type", json!("Opaque"));
    let Some(Value::Object(plain)) = value.as_object_mut().and_then(|object| object.remove("stringData")) else {
        return;
    };
    for (key, text) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
        value["data"][key] = encoded.into();
    }
}

fn pod(spec: &mut Value) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        set(container, "imagePullPolicy", json!("IfNotPresent"));
        set(container, "resources", json!({}));
    }
}

fn job(value: &mut Value) {
    let spec = &mut value["spec"];
    for (key, default) in [("backoffLimit", 6), ("completions", 1), ("parallelism", 1)] {
        set(spec, key, json!(default));
    }
    set(spec, "suspend", json!(false));
    let uid = value["metadata"]["uid"].clone();
    let name = value["metadata"]["name"].clone();
    if !uid.is_string() || !value["spec"]["selector"].is_null() {
        return;
    }
    value["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    let labels = &mut value["spec"]["template"]["metadata"]["labels"];
    for key in ["batch.kubernetes.io/controller-uid", "controller-uid"] {
        labels[key] = uid.clone();
    }
    for key in ["batch.kubernetes.io/job-name", "job-name"] {
        labels[key] = name.clone();
    }
}
