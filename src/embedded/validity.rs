//! What has to hold of an object of a built-in kind, as far as our controllers or people with kubectl run into it.
//!
//! Kubernetes checks far more; a field that is not looked at here is taken as its client writes it.

pub mod access;

use serde_json::{Value, json};

use super::{
    definition,
    kind::Kind,
    object::text,
    refusal::Cause,
    schema::{Error, Structural},
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Everything that is wrong, with what is written and with how that changes what was there.
pub fn check(kind: &Kind, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    match kind.kind.as_str() {
        "ConfigMap" => config_map(value, old, &mut causes),
        "Secret" => secret(value, old, &mut causes),
        "Pod" => pod(value, old, &mut causes),
        "Node" => node(value, old, &mut causes),
        "Event" => event(kind, value, old, &mut causes),
        "Role" | "ClusterRole" if kind.group == RBAC => access::role(kind, value, &mut causes),
        "RoleBinding" | "ClusterRoleBinding" if kind.group == RBAC => access::binding(kind, value, old, &mut causes),
        "PodDisruptionBudget" => budget(&value["spec"], &mut causes),
        _ if kind.collection == definition::COLLECTION => definition(value, &mut causes),
        _ => {}
    }
    causes
}

const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn keys(value: &Value, fields: &[&str], causes: &mut Vec<Cause>) {
    for field in fields {
        for key in value[*field].as_object().into_iter().flatten().map(|(key, _)| key) {
            let fits = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
            if !fits {
                causes.push(Cause::invalid(format!("{field}[{key}]"), &key.as_str().into(), KEY));
            }
        }
    }
}

/// Once it is set, data can only be deleted with its object.
fn immutable(value: &Value, old: Option<&Value>, fields: &[&str], causes: &mut Vec<Cause>) {
    const WHY: &str = "field is immutable when `immutable` is set";
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    if value["immutable"] != true {
        causes.push(Cause::forbidden("immutable", WHY));
    }
    let changed = fields.iter().filter(|field| value[**field] != old[**field]);
    causes.extend(changed.map(|field| Cause::forbidden(*field, WHY)));
}

fn config_map(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    keys(value, &["data", "binaryData"], causes);
    immutable(value, old, &["data", "binaryData"], causes);
}

fn secret(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    keys(value, &["data"], causes);
    if old.is_some_and(|old| old["type"] != value["type"]) {
        causes.push(Cause::invalid("type", &value["type"], "field is immutable"));
    }
    immutable(value, old, &["data"], causes);
}

/// Of a pod that is there, images, grace, deadlines and tolerations may change, and nothing else.
const POD_MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn pod(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = &value["spec"];
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required("spec.containers", ""));
    }
    for (at, container) in spec["containers"].as_array().into_iter().flatten().enumerate() {
        if text(&container["name"]).is_empty() {
            causes.push(Cause::required(format!("spec.containers[{at}].name"), ""));
        }
        if text(&container["image"]).is_empty() {
            causes.push(Cause::required(format!("spec.containers[{at}].image"), ""));
        }
    }
    if old.is_some_and(|old| fixed(&old["spec"]) != fixed(spec)) {
        causes.push(Cause::forbidden("spec", POD_MAY_CHANGE));
    }
}

/// What of a pod's specification stays as it was. A pod is bound to its node once.
fn fixed(spec: &Value) -> Value {
    let mut fixed = spec.clone();
    for container in ["containers", "initContainers", "ephemeralContainers"] {
        for container in fixed[container].as_array_mut().into_iter().flatten() {
            container["image"] = Value::Null;
            container["resources"] = Value::Null;
        }
    }
    for free in [
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
        "nodeName",
        "schedulingGates",
        // Filled in afterwards, where they are left out.
        "priority",
        "preemptionPolicy",
    ] {
        fixed[free] = Value::Null;
    }
    fixed
}

fn node(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let before = old.map(|old| text(&old["spec"]["providerID"])).unwrap_or_default();
    if !before.is_empty() && before != text(&value["spec"]["providerID"]) {
        let why = "node updates may not change providerID except from \"\" to valid";
        causes.push(Cause::forbidden("spec.providerID", why));
    }
}

/// Events stand in the namespace of what they are about; those of cluster-wide things in `default`.
fn event(kind: &Kind, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let (about, here) = (&value["involvedObject"]["namespace"], text(&value["metadata"]["namespace"]));
    let expected = if text(about).is_empty() { "default" } else { text(about) };
    if expected != here && !(text(about).is_empty() && here == "kube-system") {
        causes.push(Cause::invalid("involvedObject.namespace", &text(about).into(), "does not match event.namespace"));
    }
    if kind.group.is_empty() || old.is_some() {
        return;
    }
    for field in ["eventTime", "reportingController", "reportingInstance", "action", "reason"] {
        let kept = if field == "reportingController" { "reportingComponent" } else { field };
        if text(&value[kept]).is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    if !matches!(text(&value["type"]), "Normal" | "Warning") {
        causes.push(Cause::invalid("type", &value["type"], "has invalid value"));
    }
}

fn budget(spec: &Value, causes: &mut Vec<Cause>) {
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        let shown = json!({
            "MinAvailable": spec["minAvailable"], "Selector": spec["selector"],
            "MaxUnavailable": spec["maxUnavailable"],
            "UnhealthyPodEvictionPolicy": spec["unhealthyPodEvictionPolicy"],
        });
        causes.push(Cause::invalid("spec", &shown, "minAvailable and maxUnavailable cannot be both set"));
    }
}

/// A definition has one stored version, and schemas that are structural and whose rules compile.
fn definition(value: &Value, causes: &mut Vec<Cause>) {
    let spec = &value["spec"];
    let name = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    if value["metadata"]["name"] != name {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &value["metadata"]["name"], why));
    }
    if !matches!(text(&spec["scope"]), "Cluster" | "Namespaced") {
        causes.push(Cause::unsupported("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]));
    }
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], why));
        if versions.iter().all(|version| version["storage"] != true) {
            causes.push(Cause::invalid("status.storedVersions", &Value::Null, "must have at least one stored version"));
        }
    }
    for (at, version) in versions.iter().enumerate() {
        schema(&version["schema"]["openAPIV3Schema"], at, versions.len(), causes);
    }
}

/// Schemas of several versions are named one by one, that of a single version is called the validation.
fn schema(schema: &Value, at: usize, versions: usize, causes: &mut Vec<Cause>) {
    if schema.is_null() {
        causes.push(Cause::required(format!("spec.versions[{at}].schema.openAPIV3Schema"), ""));
        return;
    }
    let place = match versions {
        1 => "spec.validation.openAPIV3Schema".to_owned(),
        _ => format!("spec.versions[{at}].schema.openAPIV3Schema"),
    };
    let field = |path: &str| if path.is_empty() { place.clone() } else { format!("{place}.{path}") };
    for path in Structural::untyped(schema) {
        let why = if path.is_empty() {
            "must not be empty at the root"
        } else {
            "must not be empty for specified object fields"
        };
        causes.push(Cause::required(field(format!("{path}.type").trim_start_matches('.')), why));
    }
    if let Err(Error { path, why }) = Structural::parse(schema) {
        causes.push(Cause::new("FieldValueInvalid", field(&path), format!("Invalid value: {why}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_of(kind: &str, value: &Value, old: Option<&Value>, expected: &str) {
        let kind = Kind { kind: kind.into(), ..Kind::default() };
        let fields: Vec<String> = check(&kind, value, old).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields.join(" "), expected, "{value}");
    }

    #[test]
    fn data_stays_if_it_is_immutable() {
        let stone = json!({"immutable": true, "data": {"k": "v"}});
        check_of("ConfigMap", &stone, Some(&stone), "");
        check_of("ConfigMap", &json!({"immutable": true, "data": {"k": "w"}}), Some(&stone), "data");
        check_of("ConfigMap", &json!({"data": {"k": "v"}}), Some(&stone), "immutable");
        check_of("ConfigMap", &json!({"data": {"a/b": "v"}}), None, "data[a/b]");
        check_of("Secret", &json!({"type": "b"}), Some(&json!({"type": "a"})), "type");
    }

    #[test]
    fn pods_and_nodes_stay_what_they_are() {
        let pod = |image: &str, env: i64| json!({"spec": {"containers": [{"name": "c", "image": image, "env": env}]}});
        check_of("Pod", &json!({"spec": {}}), None, "spec.containers");
        check_of("Pod", &pod("b", 1), Some(&pod("a", 1)), "");
        check_of("Pod", &pod("a", 2), Some(&pod("a", 1)), "spec");
        let node = |id: &str| json!({"spec": {"providerID": id}});
        check_of("Node", &node("a"), Some(&node("")), "");
        check_of("Node", &node("b"), Some(&node("a")), "spec.providerID");
    }

    #[test]
    fn events_stand_beside_what_they_are_about() {
        let event = |namespace: &str, about: &str| json!({"metadata": {"namespace": namespace}, "involvedObject": {"namespace": about}});
        check_of("Event", &event("a", "a"), None, "");
        check_of("Event", &event("a", "b"), None, "involvedObject.namespace");
        check_of("Event", &event("default", ""), None, "");
    }
}
