//! How a run ended, in words that two runs can share: no uid, no time, no name that was made up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::fleet::Fleet;

/// One line for each object that matters.
pub async fn of(fleet: &Fleet) -> String {
    let mut lines = Vec::new();
    for kind in ["clusterdeployments", "clusters", "nodepools", "machinesets"] {
        for object in fleet.list(kind).await {
            let status = &object["status"];
            lines.push(format!(
                "{kind} {} {} replicas {} of {} ready {} {}",
                name(&object),
                kept(&object),
                status["replicas"],
                object["spec"]["replicas"],
                status["readyReplicas"],
                conditions(status),
            ));
        }
    }
    let mut claimed = BTreeSet::new();
    let machines = fleet.list("machines").await;
    for machine in &machines {
        let (claim, status) = (&machine["spec"]["claimRef"], &machine["status"]);
        if !claim.is_null() {
            claimed.insert(format!("quarterdeck://{}", machine["metadata"]["uid"].as_str().unwrap_or_default()));
        }
        lines.push(format!(
            "machine {} {} for {} node {} {} drain {} {}",
            kept(machine),
            status["state"],
            claim["poolName"],
            status["node"]["ready"],
            status["node"]["kubeletVersion"],
            !status["drain"].is_null(),
            conditions(status),
        ));
    }
    let nodes = fleet.list("nodes").await;
    for node in &nodes {
        lines.push(format!("node cordoned {} {}", node["spec"]["unschedulable"], kept(node)));
    }
    let nodes: BTreeSet<String> =
        nodes.iter().filter_map(|n| n["spec"]["providerID"].as_str().map(str::to_owned)).collect();
    lines.push(format!("nodes are those of the claimed machines: {}", nodes == claimed));
    lines.push(format!("pods {}", fleet.list("pods").await.len()));
    lines.extend(operations(fleet).await);
    // Which machines they are may depend on who was claimed a moment later.
    lines.sort();
    lines.join("\n")
}

/// What all ways to the same wishes share: the machines and their nodes.
pub async fn machines(fleet: &Fleet) -> String {
    let mut lines = Vec::new();
    for machine in fleet.list("machines").await {
        let (claim, status) = (&machine["spec"]["claimRef"]["poolName"], &machine["status"]);
        lines.push(format!("{} for {claim} {}", status["state"], status["node"]["kubeletVersion"]).replace('"', ""));
    }
    for node in fleet.list("nodes").await {
        let version = &node["status"]["nodeInfo"]["kubeletVersion"];
        lines.push(format!("node {version} {} {}", node["spec"]["unschedulable"], kept(&node)).replace('"', ""));
    }
    lines.sort();
    lines.join("\n")
}

/// A run may need more operations than another, but they end alike and work on as many machines.
async fn operations(fleet: &Fleet) -> Vec<String> {
    let mut sums: BTreeMap<String, usize> = BTreeMap::new();
    for operation in fleet.list("operations").await {
        let key = format!("operations {} {}", operation["spec"]["type"], operation["status"]["state"]);
        *sums.entry(key).or_default() += operation["spec"]["machines"].as_array().map_or(0, Vec::len);
    }
    sums.into_iter().map(|(key, machines)| format!("{key} machines {machines}")).collect()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// What metadata says: which labels and annotations there are, finalizers, and whether it is going.
fn kept(object: &Value) -> String {
    let metadata = &object["metadata"];
    let keys = |of: &Value| of.as_object().map_or(String::new(), |m| m.keys().cloned().collect::<Vec<_>>().join(","));
    let going = if metadata["deletionTimestamp"].is_null() { "" } else { " going" };
    format!(
        "labels [{}] annotations [{}] finalizers {}{going}",
        keys(&metadata["labels"]),
        keys(&metadata["annotations"]),
        metadata["finalizers"]
    )
}

fn conditions(status: &Value) -> String {
    let all = status["conditions"].as_array().into_iter().flatten();
    let all: BTreeMap<String, String> =
        all.map(|c| (c["type"].to_string(), format!("{}/{}", c["status"], c["reason"]))).collect();
    format!("{all:?}").replace(['\\', '"'], "")
}
