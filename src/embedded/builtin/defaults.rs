//! What kube-apiserver fills in when an object of a built-in kind is created or replaced.

use serde_json::{Value, json};

use crate::embedded::{kind::Kind, object::text};

/// Fills in what is absent.
pub fn default(kind: &Kind, value: &mut Value) {
    match kind.kind.as_str() {
        "Namespace" => namespace(value),
        "Secret" => secret(value),
        "Pod" => pod(value),
        "Job" => job(value),
        "Deployment" => deployment(value),
        "ReplicaSet" | "StatefulSet" => {
            fill(&mut value["spec"], &json!({"replicas": 1}));
            fill(value, &json!({"status": {"replicas": 0}}));
        }
        "PodDisruptionBudget" => {
            let none = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
            fill(value, &json!({ "status": none }));
        }
        "Node" => {
            fill(value, &json!({"spec": {}, "status": {}}));
        }
        "RoleBinding" | "ClusterRoleBinding" => binding(value),
        _ => {}
    }
}

/// Writes down what Kubernetes always writes, whether anybody has set it or not; nobody owns it.
pub fn always(kind: &Kind, value: &mut Value) {
    let conditions = |value: &mut Value, moments: [&str; 2]| {
        for condition in value["status"]["conditions"].as_array_mut().into_iter().flatten() {
            fill(condition, &moments.iter().map(|key| ((*key).to_owned(), Value::Null)).collect());
        }
    };
    match kind.kind.as_str() {
        "Event" => {
            let always = json!({
                "reportingComponent": "", "reportingInstance": "", "source": {}, "firstTimestamp": null,
                "lastTimestamp": null, "eventTime": null,
            });
            fill(value, &always);
        }
        "Pod" => {
            admitted(&mut value["spec"]);
            if value["status"]["conditions"].is_array() {
                conditions(value, ["lastProbeTime", "lastTransitionTime"]);
            }
        }
        "Job" => identity(value),
        // No rules and an empty list of them are the same once they were stored.
        "Role" | "ClusterRole" if value["rules"].as_array().is_none_or(Vec::is_empty) => value["rules"] = Value::Null,
        "Node" if value["status"].is_object() => node(value, conditions),
        _ => {}
    }
}

/// Users and groups are of the group that the role is of; accounts are of the core.
fn binding(value: &mut Value) {
    let group = json!({"apiGroup": "rbac.authorization.k8s.io"});
    fill(&mut value["roleRef"], &group);
    for subject in value["subjects"].as_array_mut().into_iter().flatten() {
        if matches!(text(&subject["kind"]), "User" | "Group") {
            fill(subject, &group);
        }
    }
}

/// What the admission of Kubernetes adds to a pod itself, and not to a template.
fn admitted(spec: &mut Value) {
    fill(spec, &json!({"preemptionPolicy": "PreemptLowerPriority", "priority": 0}));
    if spec["tolerations"].is_null() {
        let toleration =
            |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        let keys = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
        spec["tolerations"] = keys.map(toleration).to_vec().into();
    }
}

fn node(value: &mut Value, conditions: impl Fn(&mut Value, [&str; 2])) {
    const INFO: [&str; 10] = [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ];
    if value["status"]["conditions"].is_array() {
        conditions(value, ["lastHeartbeatTime", "lastTransitionTime"]);
    }
    fill(&mut value["status"]["nodeInfo"], &INFO.iter().map(|key| ((*key).to_owned(), Value::from(""))).collect());
    fill(&mut value["status"]["daemonEndpoints"]["kubeletEndpoint"], &json!({"Port": 0}));
}

/// Sets the members of an object that are absent.
fn fill(object: &mut Value, defaults: &Value) {
    for (key, default) in defaults.as_object().into_iter().flatten() {
        if object[key].is_null() {
            object[key] = default.clone();
        }
    }
}

fn namespace(value: &mut Value) {
    let name = value["metadata"]["name"].clone();
    value["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    if !value["metadata"]["deletionTimestamp"].is_string() {
        fill(&mut value["spec"], &json!({"finalizers": ["kubernetes"]}));
    }
    fill(&mut value["status"], &json!({"phase": "Active"}));
}

/// `stringData` is a convenience for writing; what is kept and read is `data`.
fn secret(value: &mut Value) {
    use base64::Engine;
    fill(value, &json!({"type": "Opaque"}));
    let Some(Value::Object(plain)) = value.as_object_mut().and_then(|object| object.remove("stringData")) else {
        return;
    };
    for (key, text) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
        value["data"][key] = encoded.into();
    }
}

fn pod(value: &mut Value) {
    pod_spec(&mut value["spec"], "Always");
    let spec = &mut value["spec"];
    fill(spec, &json!({"enableServiceLinks": true}));
    let quality = quality(spec);
    fill(&mut value["status"], &json!({ "qosClass": quality }));
}

/// The class by which a kubelet picks who goes first: whether all containers say what they need, and not more.
fn quality(spec: &Value) -> &'static str {
    let containers = || spec["containers"].as_array().into_iter().flatten();
    let asks = |c: &Value| {
        ["requests", "limits"].iter().any(|key| c["resources"][key].as_object().is_some_and(|r| !r.is_empty()))
    };
    let exact = |c: &Value| {
        let limits = &c["resources"]["limits"];
        let same = |key: &str| {
            limits[key].is_string() && [&Value::Null, &limits[key]].contains(&&c["resources"]["requests"][key])
        };
        same("cpu") && same("memory")
    };
    match () {
        () if !containers().any(asks) => "BestEffort",
        () if containers().all(exact) => "Guaranteed",
        () => "Burstable",
    }
}

/// Of a pod, and of a template of pods.
fn pod_spec(spec: &mut Value, restart: &str) {
    if !spec.is_object() {
        return;
    }
    let defaults = json!({
        "restartPolicy": restart, "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler", "securityContext": {},
    });
    fill(spec, &defaults);
    for containers in ["containers", "initContainers"] {
        spec[containers].as_array_mut().into_iter().flatten().for_each(container);
        if spec[containers].is_null() {
            crate::embedded::strategy::remove(spec, containers);
        }
    }
}

fn container(container: &mut Value) {
    let image = text(&container["image"]).rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && image.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest");
    let defaults = json!({
        "imagePullPolicy": if latest { "Always" } else { "IfNotPresent" }, "resources": {},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    fill(container, &defaults);
    for port in container["ports"].as_array_mut().into_iter().flatten() {
        fill(port, &json!({"protocol": "TCP"}));
    }
    if container["ports"].is_null() {
        crate::embedded::strategy::remove(container, "ports");
    }
}

fn deployment(value: &mut Value) {
    let defaults = json!({"replicas": 1, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10, "strategy": {}});
    fill(&mut value["spec"], &defaults);
    let strategy = &mut value["spec"]["strategy"];
    fill(strategy, &json!({"type": "RollingUpdate"}));
    if strategy["type"] == "RollingUpdate" {
        fill(&mut strategy["rollingUpdate"], &json!({"maxSurge": "25%", "maxUnavailable": "25%"}));
    } else {
        crate::embedded::strategy::remove(strategy, "rollingUpdate");
    }
    pod_spec(&mut value["spec"]["template"]["spec"], "Always");
    fill(value, &json!({"status": {}}));
}

fn job(value: &mut Value) {
    let defaults = json!({
        "backoffLimit": 6, "completions": 1, "parallelism": 1, "suspend": false, "completionMode": "NonIndexed",
        "manualSelector": false, "podReplacementPolicy": "TerminatingOrFailed",
    });
    fill(&mut value["spec"], &defaults);
    pod_spec(&mut value["spec"]["template"]["spec"], "Always");
    fill(value, &json!({"status": {}}));
}

/// By what a job and its pods know each other.
fn identity(value: &mut Value) {
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
    // A job without labels has those of its pods.
    if value["metadata"]["labels"].is_null() {
        value["metadata"]["labels"] = value["spec"]["template"]["metadata"]["labels"].clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_pods() {
        let check = |resources: Value, expected| {
            assert_eq!(quality(&json!({"containers": [{"resources": resources}]})), expected)
        };
        check(json!({}), "BestEffort");
        check(json!({"requests": {"cpu": "1"}}), "Burstable");
        check(json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed");
        check(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable");
    }

    #[test]
    fn images_without_a_version_are_always_pulled() {
        let check = |image: &str, expected: &str| {
            let mut value = json!({ "image": image });
            container(&mut value);
            assert_eq!(value["imagePullPolicy"], expected, "{image}");
        };
        check("app", "Always");
        check("registry:5000/app", "Always");
        check("app:latest", "Always");
        check("registry:5000/app:1.2", "IfNotPresent");
        check("app@sha256:aa", "IfNotPresent");
    }
}
