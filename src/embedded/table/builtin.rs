//! The columns of built-in kinds.

use jiff::Timestamp;
use serde_json::Value;

use super::age;
use crate::embedded::{
    kind::{Cell, Column},
    object::{at, scalar, text},
};

/// The columns after the name.
pub fn columns(kind: &str, group: &str) -> Vec<Column> {
    let mut columns: Vec<Column> = match kind {
        "Node" => vec![code("Status", 0, node_status), code("Roles", 0, node_roles)],
        "Pod" => vec![code("Ready", 0, pod_ready), code("Status", 0, pod_status), code("Restarts", 0, pod_restarts)],
        "Namespace" => vec![path("Status", "string", 0, ".status.phase")],
        "ConfigMap" => vec![code("Data", 0, |map| count(&map["data"]))],
        "Secret" => vec![path("Type", "string", 0, ".type"), code("Data", 0, |secret| count(&secret["data"]))],
        "Event" if group.is_empty() => return event(),
        "Event" => return event(),
        "Job" => vec![
            code("Status", 0, job_status),
            code("Completions", 0, job_completions),
            code("Duration", 0, job_duration),
        ],
        "Lease" => vec![path("Holder", "string", 0, ".spec.holderIdentity")],
        "Deployment" => vec![
            code("Ready", 0, |set| ready_of(set, ".status.readyReplicas")),
            path("Up-to-date", "integer", 0, ".status.updatedReplicas"),
            path("Available", "integer", 0, ".status.availableReplicas"),
        ],
        "StatefulSet" => vec![code("Ready", 0, |set| ready_of(set, ".status.readyReplicas"))],
        "ReplicaSet" => vec![
            path("Desired", "integer", 0, ".spec.replicas"),
            path("Current", "integer", 0, ".status.replicas"),
            path("Ready", "integer", 0, ".status.readyReplicas"),
        ],
        "PodDisruptionBudget" => vec![
            code("Min Available", 0, |pdb| or_none(&pdb["spec"]["minAvailable"], "N/A")),
            code("Max Unavailable", 0, |pdb| or_none(&pdb["spec"]["maxUnavailable"], "N/A")),
            path("Allowed Disruptions", "integer", 0, ".status.disruptionsAllowed"),
        ],
        "CustomResourceDefinition" => {
            return vec![path("Created At", "string", 0, ".metadata.creationTimestamp")];
        }
        _ => Vec::new(),
    };
    columns.push(path("Age", "date", 0, ".metadata.creationTimestamp"));
    match kind {
        "Node" => columns.extend([
            path("Version", "string", 0, ".status.nodeInfo.kubeletVersion"),
            code("Internal-IP", 1, |node| address(node, "InternalIP")),
            code("External-IP", 1, |node| address(node, "ExternalIP")),
            path("OS-Image", "string", 1, ".status.nodeInfo.osImage"),
            path("Kernel-Version", "string", 1, ".status.nodeInfo.kernelVersion"),
            path("Container-Runtime", "string", 1, ".status.nodeInfo.containerRuntimeVersion"),
        ]),
        "Pod" => columns.extend([
            code("IP", 1, |pod| or_none(&pod["status"]["podIP"], "<none>")),
            code("Node", 1, |pod| or_none(&pod["spec"]["nodeName"], "<none>")),
        ]),
        _ => {}
    }
    columns
}

fn path(name: &str, kind: &str, priority: i32, path: &str) -> Column {
    column(name, kind, priority, Cell::Path(path.to_owned()))
}

fn code(name: &str, priority: i32, code: fn(&Value) -> Value) -> Column {
    column(name, "string", priority, Cell::Code(code))
}

fn column(name: &str, kind: &str, priority: i32, cell: Cell) -> Column {
    let (name, kind) = (name.to_owned(), kind.to_owned());
    Column { name, kind, format: String::new(), description: String::new(), priority, cell }
}

fn event() -> Vec<Column> {
    vec![
        code("Last Seen", 0, |event| {
            moment(event, &[&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]])
        }),
        path("Type", "string", 0, ".type"),
        path("Reason", "string", 0, ".reason"),
        code("Object", 0, |event| {
            let object = &event["involvedObject"];
            format!("{}/{}", text(&object["kind"]).to_lowercase(), text(&object["name"])).into()
        }),
        code("Subobject", 1, |event| text(&event["involvedObject"]["fieldPath"]).into()),
        code("Source", 1, event_source),
        path("Message", "string", 0, ".message"),
        code("First Seen", 1, |event| moment(event, &[&event["firstTimestamp"], &event["eventTime"]])),
        code("Count", 1, |event| {
            let counts = [&event["series"]["count"], &event["count"]];
            counts.into_iter().find_map(Value::as_i64).unwrap_or(1).into()
        }),
        path("Name", "string", 1, ".metadata.name"),
    ]
}

/// How long ago the first of some moments was that there is.
fn moment(event: &Value, moments: &[&Value]) -> Value {
    let created = text(&event["metadata"]["creationTimestamp"]);
    age(moments.iter().find_map(|at| at.as_str()).unwrap_or(created), Timestamp::now()).into()
}

/// Who says so, and where that is.
fn event_source(event: &Value) -> Value {
    let old = ["component", "host"].map(|key| text(&event["source"][key]));
    let new = ["reportingComponent", "reportingInstance"].map(|key| text(&event[key]));
    let parts = if old[0].is_empty() { new } else { old };
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ").into()
}

fn or_none(value: &Value, none: &str) -> Value {
    match scalar(value) {
        empty if empty.is_empty() => none.into(),
        text => text.into(),
    }
}

fn count(map: &Value) -> Value {
    map.as_object().map_or(0, serde_json::Map::len).into()
}

fn ready_of(set: &Value, ready: &str) -> Value {
    let number = |path| at(set, path).as_i64().unwrap_or_default();
    format!("{}/{}", number(ready), number(".spec.replicas")).into()
}

fn node_status(node: &Value) -> Value {
    let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.find(|c| c["type"] == "Ready").map_or("Unknown", |c| text(&c["status"]));
    let word = match ready {
        "True" => "Ready",
        "False" => "NotReady",
        _ => "Unknown",
    };
    match node["spec"]["unschedulable"] == true {
        true => format!("{word},SchedulingDisabled").into(),
        false => word.into(),
    }
}

fn node_roles(node: &Value) -> Value {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: Vec<&str> = labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/")).collect();
    if roles.is_empty() { "<none>".into() } else { roles.join(",").into() }
}

fn address(node: &Value, kind: &str) -> Value {
    let mut addresses = node["status"]["addresses"].as_array().into_iter().flatten();
    addresses.find(|a| a["type"] == kind).map_or("<none>".into(), |a| a["address"].clone())
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["status"]["containerStatuses"].as_array().into_iter().flatten()
}

fn pod_ready(pod: &Value) -> Value {
    let ready = containers(pod).filter(|c| c["ready"] == true).count();
    format!("{ready}/{}", pod["spec"]["containers"].as_array().map_or(0, Vec::len)).into()
}

fn pod_status(pod: &Value) -> Value {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating".into();
    }
    let states = ["waiting", "terminated"];
    let mut reasons = containers(pod).flat_map(|c| states.map(|state| text(&c["state"][state]["reason"])));
    let said = [text(&pod["status"]["reason"])].into_iter().find(|reason| !reason.is_empty());
    match said.or_else(|| reasons.find(|reason| !reason.is_empty())) {
        Some(reason) => reason.into(),
        None => pod["status"]["phase"].clone(),
    }
}

fn pod_restarts(pod: &Value) -> Value {
    containers(pod).filter_map(|c| c["restartCount"].as_i64()).sum::<i64>().to_string().into()
}

fn job_status(job: &Value) -> Value {
    let holds = |kind: &str| {
        let mut conditions = job["status"]["conditions"].as_array().into_iter().flatten();
        conditions.any(|c| c["type"] == kind && c["status"] == "True")
    };
    match () {
        () if holds("Complete") => "Complete",
        () if holds("Failed") => "Failed",
        () if job["spec"]["suspend"] == true => "Suspended",
        () => "Running",
    }
    .into()
}

fn job_completions(job: &Value) -> Value {
    let number = |value: &Value, default| value.as_i64().unwrap_or(default);
    format!("{}/{}", number(&job["status"]["succeeded"], 0), number(&job["spec"]["completions"], 1)).into()
}

fn job_duration(job: &Value) -> Value {
    let Some(start) = job["status"]["startTime"].as_str() else { return "".into() };
    let end = job["status"]["completionTime"].as_str().and_then(|end| end.parse().ok());
    age(start, end.unwrap_or_else(Timestamp::now)).into()
}
