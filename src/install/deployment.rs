//! The controllers as a Deployment, and what stands around it.

use serde_json::{Value, json};

use super::{Options, metadata};

/// Name of the Deployment and of its account.
pub const CONTROLLER: &str = "quarterdeck-controller";
/// Where metrics and probes are answered.
pub const METRICS_PORT: u16 = 8080;
/// One leads and one waits: a node may go at any time.
const REPLICAS: u32 = 2;
/// The user of the image, which owns nothing in it.
const USER: u32 = 65532;

fn selector() -> Value {
    json!({ "app.kubernetes.io/name": "quarterdeck", "app.kubernetes.io/component": "controller" })
}

/// A drain of nodes may take one of the two at a time, whatever else happens to them.
pub(super) fn budget(options: &Options) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(CONTROLLER, Some(&options.namespace)),
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": selector() } },
    })
}

/// For whoever collects metrics; each pod answers for itself, so there is no address of its own.
pub(super) fn service(options: &Options) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata("quarterdeck-metrics", Some(&options.namespace)),
        "spec": {
            "clusterIP": "None",
            "selector": selector(),
            "ports": [{ "name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP" }],
        },
    })
}

pub(super) fn deployment(options: &Options, watched: &[&str]) -> Value {
    let mut metadata = metadata(CONTROLLER, Some(&options.namespace));
    metadata["labels"]["app.kubernetes.io/component"] = json!("controller");
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": REPLICAS,
            "selector": { "matchLabels": selector() },
            "template": {
                "metadata": { "labels": selector(), "annotations": { "kubectl.kubernetes.io/default-container": "controller" } },
                "spec": pod(options, watched),
            },
        },
    })
}

fn pod(options: &Options, watched: &[&str]) -> Value {
    json!({
        "serviceAccountName": CONTROLLER,
        // The Lease is given back at the end, so that the other need not wait for it to run out.
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": selector() },
        }],
        "containers": [container(options, watched)],
    })
}

fn container(options: &Options, watched: &[&str]) -> Value {
    let mut args = vec!["controller".to_owned()];
    args.extend(watched.iter().map(|namespace| format!("--watch-namespace={namespace}")));
    args.push(format!("--metrics-bind-address=:{METRICS_PORT}"));
    let probe = |path: &str, period: u32, failures: u32| json!({ "httpGet": { "path": path, "port": "metrics" }, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures });
    json!({
        "name": "controller",
        "image": options.image,
        "args": args,
        // An overlay that names another image has to say it here as well: a pod cannot see its own.
        "env": [{ "name": "QUARTERDECK_EXECUTOR_IMAGE", "value": options.image }],
        "ports": [{ "name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP" }],
        "livenessProbe": probe("/healthz", 10, 3),
        "readinessProbe": probe("/readyz", 5, 3),
        "resources": {
            "requests": { "cpu": "100m", "memory": "128Mi" },
            "limits": { "memory": "1Gi" },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    })
}
