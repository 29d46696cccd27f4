//! What is asked for and what is there, as lines.

mod unknown;

use super::*;
use crate::console::sheet::{Form, render};
use serde_json::{Value, json};

/// The diff of what was read, without the two names of the sides.
fn check(objects: &[Value], beside: Beside, expected: &str) {
    let reading = Reading { objects: objects.to_vec(), beside, ..Reading::default() };
    let text = render(&reading, Form::Diff, "2026-11-21T12:00:00Z".parse().expect("a time")).folded;
    let body: Vec<&str> = text.lines().skip(2).skip_while(|line| line.is_empty()).collect();
    assert_eq!(body.join("\n").trim_end(), expected.trim_matches('\n'), "{text}");
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn deployment() -> Value {
    json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "ClusterDeployment",
        "metadata": {"name": "eu-1", "generation": 2},
        "spec": {"version": "1.34.2", "pools": [
            {"name": "gpu", "role": "Worker", "replicas": 3, "drain": {"timeoutSeconds": 900}},
        ]},
    })
}

fn pool(status: Value) -> Value {
    json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool",
        "metadata": {"name": "eu-1-gpu", "generation": 4, "managedFields": [
            {"manager": "kubectl", "operation": "Apply", "time": "2026-11-21T11:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
        "spec": {"clusterName": "eu-1", "replicas": 3, "template": {"labels": {"tier": "ml"}},
            "drain": {"timeoutSeconds": 900}},
        "status": status,
    })
}

fn set(name: &str, version: &str, tier: &str) -> MachineSet {
    object(json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "MachineSet", "metadata": {"name": name},
        "spec": {"clusterName": "eu-1", "poolName": "eu-1-gpu", "revision": &name[8..], "replicas": 3, "version": version,
            "template": {"labels": {"tier": tier}}},
    }))
}

fn member(name: &str, set: &str, version: &str) -> Member {
    Member { name: name.into(), set: Some(set.into()), version: Some(version.into()), ..Member::default() }
}

fn with_deployment(members: Vec<Member>, sets: Vec<MachineSet>) -> Beside {
    let mut deployment = deployment();
    deployment["spec"]["pools"][0]["template"] = json!({"labels": {"tier": "ml"}});
    Beside { deployment: Some(object(deployment)), members, sets, ..Beside::default() }
}

#[test]
fn a_pool_in_the_middle_of_a_rollout() {
    let status = json!({"replicas": 3, "readyReplicas": 2, "updatedReplicas": 1, "version": "1.34.2",
        "currentMachineSet": "eu-1-gpu-new", "observedGeneration": 3});
    let members = vec![
        member("m1", "eu-1-gpu-new", "1.34.2"),
        member("m2", "eu-1-gpu-old", "1.33.6"),
        member("m3", "eu-1-gpu-old", "1.33.6"),
    ];
    let sets = vec![set("eu-1-gpu-new", "1.34.2", "ml"), set("eu-1-gpu-old", "1.33.6", "web")];
    check(
        &[pool(status)],
        with_deployment(members, sets),
        "
# the controllers have seen generation 3 only
# managedFields: kubectl 1 field 1h00m ago

  replicas: 3
- ready: 3
- up to date: 3
+ ready: 2
+ up to date: 1
  failed: 0
  version of the present revision: 1.34.2
  machines:
-   1.34.2: 3
- set eu-1-gpu-new, revision -new: 3
+   1.34.2: 1
+   1.33.6: 2
+ set eu-1-gpu-new, revision -new: 1
  template:
    labels:
      tier: ml
  machineSelector: –
+ set eu-1-gpu-old, revision -old, 1.33.6: 2
+   template:
+     labels:
+       tier: web
  ClusterDeployment eu-1 against the pool:
    drain:
      emptyDirData: Delete",
    );
}

#[test]
fn a_pool_that_is_as_it_should_be() {
    let status = json!({"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "version": "1.34.2",
        "currentMachineSet": "eu-1-gpu-new", "observedGeneration": 4});
    let mut pool = pool(status);
    pool["spec"]["replicas"] = json!(1);
    pool["metadata"]["managedFields"] = json!([]);
    let members = vec![member("m1", "eu-1-gpu-new", "1.34.2")];
    let beside = with_deployment(members, vec![set("eu-1-gpu-new", "1.34.2", "ml")]);
    check(&[pool.clone()], beside.clone(), "Nothing differs: in 12 fields what is asked for is what is there.");
    // Somebody has scaled it since it was applied.
    let applied = json!({"spec": {"replicas": 5, "clusterName": "eu-1"}}).to_string();
    pool["metadata"]["annotations"] = json!({LAST_APPLIED: applied});
    check(
        &[pool],
        beside,
        "
    machineSelector: –
  spec, as it was last applied:
    clusterName: eu-1
-   replicas: 5
+   replicas: 1",
    );
}

#[test]
fn a_cluster() {
    let cluster = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "eu-1"},
        "spec": {"deploymentName": "eu-1"},
        "status": {"phase": "Running", "version": "v1.33.6", "nodes": {"total": 3, "ready": 2}, "endpoint": "https://eu-1",
            "conditions": [{"type": "RemoteConnectionProbe", "status": "True", "reason": "Ok", "message": "",
                "lastTransitionTime": "2026-11-21T11:00:00Z"}]}});
    let pools = vec![object(pool(json!({"replicas": 3, "readyReplicas": 2, "version": "1.33.6"})))];
    check(
        &[deployment(), cluster],
        Beside { pools, ..Beside::default() },
        "
# endpoint https://eu-1

  answers: yes
  phase: Running
- version: 1.34.2
+ version: 1.33.6
  nodes: 3
- nodes that are ready: 3
+ nodes that are ready: 2
  pools:
-   gpu: 3 ready, 3 of 3 up to date on 1.34.2
+   gpu: 2 ready, 0 of 3 up to date on 1.33.6",
    );
}

/// The lines of a diff that hold one of the words.
fn lines(objects: &[Value], beside: Beside, words: &[&str]) -> Vec<String> {
    let reading = Reading { objects: objects.to_vec(), beside, ..Reading::default() };
    let text = render(&reading, Form::Diff, "2026-11-21T12:00:00Z".parse().expect("a time")).folded;
    let found = text.lines().filter(|line| words.iter().any(|word| line.contains(word)));
    found.map(ToOwned::to_owned).collect()
}

fn cluster(status: Value) -> Value {
    json!({"kind": "Cluster", "metadata": {"name": "eu-1"}, "spec": {"deploymentName": "eu-1"}, "status": status})
}

#[test]
fn a_pool_is_not_upgraded_before_its_machines_are() {
    let check = |status: Value, expected: &[&str]| {
        let mut pool = pool(Value::Null);
        pool["status"] = status;
        let beside = Beside { pools: vec![object(pool)], ..Beside::default() };
        assert_eq!(lines(&[deployment(), cluster(json!({}))], beside, &["gpu:"]), expected);
    };
    let asked = "-   gpu: 3 ready, 3 of 3 up to date on 1.34.2";
    let status = |updated: i32, version: &str| json!({"replicas": 3, "readyReplicas": 3, "updatedReplicas": updated, "version": version});
    check(status(0, "1.34.2"), &[asked, "+   gpu: 3 ready, 0 of 3 up to date on 1.34.2"]);
    check(status(3, "1.33.6"), &[asked, "+   gpu: 3 ready, 3 of 3 up to date on 1.33.6"]);
    check(status(3, "1.34.2"), &["    gpu: 3 ready, 3 of 3 up to date on 1.34.2"]);
    check(Value::Null, &[asked, "+   gpu: –"]);
}

#[test]
fn what_a_deployment_leaves_to_its_pool_is_no_deviation() {
    let check = |asked: Value, has: Value, expected: &[&str]| {
        let mut deployment = deployment();
        deployment["spec"]["pools"][0]
            .as_object_mut()
            .expect("a pool")
            .extend(asked.as_object().expect("fields").clone());
        let mut pool = pool(json!({}));
        pool["spec"].as_object_mut().expect("a pool").extend(has.as_object().expect("fields").clone());
        let beside = Beside { deployment: Some(object(deployment)), ..Beside::default() };
        let words = ["rollout", "remediation", "partition", "after:", "InPlace", "OnDelete", "timeoutSeconds: 3"];
        assert_eq!(lines(&[pool], beside, &words), expected);
    };
    let own = json!({"rollout": {"strategy": {"type": "InPlace"}, "partition": 2, "after": "2026-11-21T11:00:00Z"},
        "remediation": {"timeoutSeconds": 300}});
    check(json!({}), own.clone(), &[]);
    let strategy = |name: &str| json!({"rollout": {"strategy": {"type": name}, "partition": 1}});
    check(strategy("InPlace"), own.clone(), &["    rollout:"]);
    check(strategy("OnDelete"), own.clone(), &["    rollout:", "-       type: OnDelete", "+       type: InPlace"]);
    let ill = json!({"remediation": {"timeoutSeconds": 301}});
    check(ill, own, &["    remediation:", "-     timeoutSeconds: 301", "+     timeoutSeconds: 300"]);
}

#[test]
fn defaults_within_a_list_are_no_difference() {
    let check = |applied: Value, there: Value, expected: &[&str]| {
        let applied = json!({"spec": {"version": "1.34.2", "pools": applied}}).to_string();
        let mut object = deployment();
        object["metadata"]["annotations"] = json!({LAST_APPLIED: applied});
        object["spec"]["pools"] = there;
        let beside = Beside { left_out: LeftOut { pools: true, ..LeftOut::default() }, ..Beside::default() };
        let text = lines(&[object, cluster(json!({}))], beside, &[""]);
        let below = text.iter().skip_while(|line| !line.contains("last applied")).skip(1);
        let differs: Vec<&str> = below.filter(|line| !line.starts_with("  ")).map(String::as_str).collect();
        assert_eq!(differs, expected);
    };
    let full = |name: &str, replicas: i32| json!({"name": name, "role": "Worker", "replicas": replicas, "drain": {"onTimeout": "Skip"}});
    let (a, b) = (json!({"name": "a", "replicas": 3}), json!({"name": "b", "replicas": 1}));
    check(json!([a, b]), json!([full("a", 3), full("b", 1)]), &[]);
    check(json!([a, b]), json!([full("a", 3), full("b", 2)]), &["-     replicas: 1", "+     replicas: 2"]);
    check(
        json!([b]),
        json!([full("a", 3), full("b", 1)]),
        &["+   - drain:", "+       onTimeout: Skip", "+     name: a", "+     replicas: 3", "+     role: Worker"],
    );
    let unnamed = json!([{"replicas": 3, "role": "Worker"}]);
    check(json!([{"replicas": 3}]), unnamed, &[]);
}

#[test]
fn an_operation_is_its_plan_against_its_progress() {
    let names = ["m1", "m2", "m3", "m4"];
    let machines: Vec<Value> = names.iter().map(|name| json!({"name": name, "uid": name})).collect();
    let operation = json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Operation", "metadata": {"name": "up"},
        "spec": {"type": "ScaleUp", "clusterName": "eu-1", "poolName": "eu-1-gpu", "runbook": "join", "machines": machines},
        "status": {"state": "Running",
            "progress": {"total": 4, "running": 1, "succeeded": 1, "failed": 1, "stepsTotal": 40, "stepsDone": 17},
            "failures": [{"machine": "m2", "phase": "Kubelet", "step": "install", "class": "Exit", "message": "no route\nat all"}]},
    });
    let at = |name: &str, phase: Option<&str>, through: bool| Member {
        name: name.into(),
        operation: Some("up".into()),
        phase: phase.map(Into::into),
        through,
        ..Member::default()
    };
    let other = Member { name: "m4".into(), state: "Provisioning".into(), ..Member::default() };
    let members = vec![at("m1", None, true), at("m2", None, false), at("m3", Some("Join"), false), other];
    check(
        &[operation],
        Beside { members, ..Beside::default() },
        "
- state: Succeeded
- done: 4
- failed: 0
- at work: 0
- not begun: 0
- steps: 40
+ state: Running
+ done: 1
+ failed: 1
+ at work: 1
+ not begun: 1
+ steps: 17
  machines:
    m1: done
-   m2: done
-   m3: done
-   m4: done
+   m2: failed at Kubelet › install: no route
+   m3: in Join
+   m4: not begun",
    );
}

#[test]
fn a_machine() {
    let machine = json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine", "metadata": {"name": "m1"},
        "spec": {"address": "10.0.0.1", "claimRef": {"name": "eu-1-gpu-old", "uid": "u", "clusterName": "eu-1",
            "poolName": "eu-1-gpu", "version": "1.33.6"}},
        "status": {"state": "Ready", "node": {"name": "m1", "ready": "True", "kubeletVersion": "v1.33.6"}},
    });
    let pools = vec![object(pool(json!({"version": "1.34.2", "currentMachineSet": "eu-1-gpu-new"})))];
    let beside = Beside { pools, sets: vec![set("eu-1-gpu-old", "1.33.6", "ml")], ..Beside::default() };
    check(
        &[machine],
        beside,
        "
  state: Ready
- set: eu-1-gpu-new
- version: 1.34.2
+ set: eu-1-gpu-old
+ version: 1.33.6
  node:
-   kubelet: 1.34.2
+   kubelet: 1.33.6
    Ready: True
    cordoned: false
    outdated: false",
    );
    let idle = json!({"kind": "Machine", "metadata": {"name": "m9"}, "spec": {"address": "10.0.0.9"},
        "status": {"state": "Idle"}});
    check(&[idle], Beside::default(), "Nothing differs: in 1 field what is asked for is what is there.");
}
