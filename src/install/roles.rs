//! Who may do what. Each rule is needed: a test runs the controllers under exactly these and fails both for a request
//! that is refused and for a permission that nobody used.

use serde_json::{Value, json};

use crate::api::GROUP;

use super::metadata;

/// Role of the controllers, in each namespace with a fleet.
pub const CONTROLLER_ROLE: &str = "quarterdeck-controller";
/// Role, and account, of the pods of Jobs.
pub const EXECUTOR_ROLE: &str = "quarterdeck-executor";
/// For people who look at the console.
pub const VIEWER_ROLE: &str = "quarterdeck-viewer";
/// For people who act in the console.
pub const OPERATOR_ROLE: &str = "quarterdeck-operator";
/// For people who write inventories.
const ADMIN_ROLE: &str = "quarterdeck-admin";
/// Name of the Lease, as the election has it.
const LEASE: &str = "quarterdeck-controller";

const KINDS: [&str; 6] = ["clusterdeployments", "clusters", "machines", "machinesets", "nodepools", "operations"];

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": resources, "verbs": verbs })
}

pub(super) fn cluster_roles() -> [Value; 5] {
    [
        role(CONTROLLER_ROLE, controller(), &[]),
        role(EXECUTOR_ROLE, executor(), &[]),
        role(VIEWER_ROLE, viewer(), &["view", "edit", "admin"]),
        role(OPERATOR_ROLE, [viewer(), acts()].concat(), &["edit", "admin"]),
        role(ADMIN_ROLE, [viewer(), acts(), writes()].concat(), &["admin"]),
    ]
}

/// `joins` are the built-in roles whose holders get this one too.
fn role(name: &str, rules: Vec<Value>, joins: &[&str]) -> Value {
    let mut metadata = metadata(name, None);
    for built_in in joins {
        metadata["labels"][format!("rbac.authorization.k8s.io/aggregate-to-{built_in}")] = json!("true");
    }
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules })
}

/// Secrets are read by name, for the kubeconfigs of business clusters: never listed, never watched, never written. The
/// SSH keys are mounted into the pods of Jobs by the kubelet and do not pass through here.
fn controller() -> Vec<Value> {
    let statuses = KINDS.map(|kind| format!("{kind}/status"));
    vec![
        rule(GROUP, &KINDS, &["get", "list", "watch"]),
        rule(GROUP, &["clusters", "machinesets", "nodepools", "operations"], &["create"]),
        rule(GROUP, &["clusterdeployments", "machines", "machinesets", "nodepools", "operations"], &["patch"]),
        rule(GROUP, &["machinesets", "nodepools"], &["delete"]),
        rule(GROUP, &statuses.each_ref().map(String::as_str), &["patch"]),
        rule("batch", &["jobs"], &["get", "list", "watch", "create", "delete"]),
        rule("", &["configmaps"], &["get", "create", "delete"]),
        rule("", &["secrets"], &["get"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ]
}

/// Only one of the controllers writes, and it says so in one Lease. A name cannot be asked of a creation.
pub(super) fn lease_role(namespace: &str) -> Value {
    let mut held = rule("coordination.k8s.io", &["leases"], &["get", "update"]);
    held["resourceNames"] = json!([LEASE]);
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata("quarterdeck-lease", Some(namespace)),
        "rules": [rule("coordination.k8s.io", &["leases"], &["create"]), held],
    })
}

/// A pod of a Job reports, and looks whether it is to pause. Its input is mounted.
fn executor() -> Vec<Value> {
    vec![rule(GROUP, &["operations"], &["get"]), rule(GROUP, &["machines/status", "operations/status"], &["patch"])]
}

/// No Secrets: nothing on the screen comes from one.
fn viewer() -> Vec<Value> {
    vec![
        rule(GROUP, &KINDS, &["get", "list", "watch"]),
        rule(GROUP, &["nodepools/scale"], &["get"]),
        rule("", &["events"], &["get", "list", "watch"]),
        rule("", &["pods"], &["get", "list", "watch"]),
        rule("", &["pods/log"], &["get"]),
        rule("", &["namespaces"], &["get"]),
    ]
}

/// What keys of the console and the commands write, and `kubectl scale` beside them. Of a machine that is its maintenance, its
/// marks and what is decided of its drain; but whoever may patch one can take its claim away as well, so that this is a role for
/// who is trusted with nodes. Of a cluster it is the mark that has its pods counted before they are drained.
fn acts() -> Vec<Value> {
    vec![
        rule(GROUP, &["clusterdeployments", "clusters", "machines", "nodepools", "operations"], &["patch"]),
        rule(GROUP, &["nodepools/scale"], &["patch", "update"]),
        // Who changed what and why is written down as an Event about the object.
        rule("", &["events"], &["create"]),
    ]
}

/// The inventory itself. Sets and clusters are the controllers' own.
fn writes() -> Vec<Value> {
    vec![rule(
        GROUP,
        &["clusterdeployments", "machines", "nodepools", "operations"],
        &["create", "update", "patch", "delete", "deletecollection"],
    )]
}
