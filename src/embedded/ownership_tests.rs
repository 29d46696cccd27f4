//! What depends on other objects: garbage, budgets, and fields with owners. Through the client, as everybody sees it.

use std::time::Duration;

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::tests::server;

fn api(client: &Client, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource {
        group: group.into(),
        version: version.into(),
        api_version: api_version.into(),
        kind: kind.into(),
        plural: plural.into(),
    };
    Api::namespaced_with(client.clone(), "default", &resource)
}

fn config_maps(client: &Client) -> Api<DynamicObject> {
    api(client, "v1", "ConfigMap", "configmaps")
}

async fn create(api: &Api<DynamicObject>, value: Value) -> DynamicObject {
    let object = serde_json::from_value(value).expect("the test object is valid");
    api.create(&PostParams::default(), &object).await.expect("created")
}

fn config_map(name: &str, owners: &[&DynamicObject], blocking: bool) -> Value {
    let owners = owners.iter().map(|owner| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner.metadata.name, "uid": owner.metadata.uid,
               "blockOwnerDeletion": blocking})
    });
    json!({"apiVersion": "v1", "kind": "ConfigMap",
           "metadata": {"name": name, "ownerReferences": owners.collect::<Vec<_>>()}})
}

/// Waits until the names that are left are these.
async fn settles(api: &Api<DynamicObject>, expected: &str) {
    let mut left = String::new();
    for _ in 0..1000 {
        let list = api.list(&kube::api::ListParams::default()).await.expect("listed");
        let names: Vec<String> = list.items.into_iter().filter_map(|object| object.metadata.name).collect();
        left = names.join(" ");
        if left == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(left, expected);
}

#[tokio::test]
async fn dependents_go_with_the_last_owner() {
    let client = server().await.client();
    let api = config_maps(&client);
    let a = create(&api, config_map("a", &[], false)).await;
    let b = create(&api, config_map("b", &[], false)).await;
    let c = create(&api, config_map("c", &[&a], false)).await;
    create(&api, config_map("d", &[&a, &b], false)).await;
    create(&api, config_map("e", &[&c], false)).await;
    api.delete("a", &DeleteParams::background()).await.expect("deleted");
    settles(&api, "b d").await;
    let d = api.get("d").await.expect("it is there");
    assert_eq!(d.metadata.owner_references.map(|owners| owners.len()), Some(1));
    api.delete("b", &DeleteParams::background()).await.expect("deleted");
    settles(&api, "").await;
}

#[tokio::test]
async fn a_dependent_of_nobody_goes_too() {
    let client = server().await.client();
    let api = config_maps(&client);
    let mut orphan = config_map("a", &[], false);
    orphan["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "0"}]);
    create(&api, orphan).await;
    settles(&api, "").await;
    let mut foreign = config_map("b", &[], false);
    foreign["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "example.dev/v1", "kind": "Unknown", "name": "never", "uid": "0"}]);
    create(&api, foreign).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    settles(&api, "b").await;
}

#[tokio::test]
async fn in_the_foreground_the_owner_goes_last() {
    let client = server().await.client();
    let api = config_maps(&client);
    let a = create(&api, config_map("a", &[], false)).await;
    let mut held = config_map("b", &[&a], true);
    held["metadata"]["finalizers"] = json!(["example.dev/hold"]);
    create(&api, held).await;
    create(&api, config_map("c", &[&a], true)).await;
    api.delete("a", &DeleteParams::foreground()).await.expect("deleted");
    settles(&api, "a b").await;
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("b", &PatchParams::default(), &free).await.expect("patched");
    settles(&api, "").await;
}

#[tokio::test]
async fn orphans_stay() {
    let client = server().await.client();
    let api = config_maps(&client);
    let a = create(&api, config_map("a", &[], false)).await;
    create(&api, config_map("b", &[&a], false)).await;
    api.delete("a", &DeleteParams::orphan()).await.expect("deleted");
    settles(&api, "b").await;
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "x"}},
           "spec": {"containers": [{"name": "main", "image": "x"}]},
           "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
}

async fn evict(client: &Client, name: &str, uid: Option<&str>) -> String {
    let mut body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    if let Some(uid) = uid {
        body["deleteOptions"] = json!({"preconditions": {"uid": uid}});
    }
    let request = http::Request::post(format!("/api/v1/namespaces/default/pods/{name}/eviction"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&body).expect("it serialises"))
        .expect("it is a request");
    match client.request::<Value>(request).await {
        Ok(_) => "evicted".to_owned(),
        Err(kube::Error::Api(status)) => {
            let causes = status.details.iter().flat_map(|details| &details.causes).map(|c| c.reason.clone());
            format!("{} {}", status.code, causes.collect::<Vec<_>>().join(","))
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn evictions_ask_the_budget() {
    let client = server().await.client();
    let pods = api(&client, "v1", "Pod", "pods");
    let budgets = api(&client, "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets");
    for name in ["a", "b", "c"] {
        create(&pods, pod(name)).await;
    }
    let budget = |name: &str, least: i32| {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
               "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "x"}}}})
    };
    create(&budgets, budget("two", 2)).await;
    assert_eq!(evict(&client, "a", Some("other")).await.trim(), "409");
    assert_eq!(evict(&client, "a", None).await, "evicted");
    assert_eq!(evict(&client, "b", None).await, "429 DisruptionBudget");
    for _ in 0..1000 {
        let status = budgets.get("two").await.expect("it is there").data["status"].clone();
        if status["currentHealthy"] == 2 && status["disruptionsAllowed"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = budgets.get("two").await.expect("it is there").data["status"].clone();
    assert_eq!((&status["expectedPods"], &status["disruptionsAllowed"]), (&json!(2), &json!(0)));
    create(&budgets, budget("one", 1)).await;
    assert!(evict(&client, "b", None).await.starts_with("500"));
}

#[tokio::test]
async fn applied_fields_have_owners() {
    let client = server().await.client();
    let pools = api(&client, "quarterdeck.dev/v1alpha1", "NodePool", "nodepools");
    let pool = |spec: Value| {
        Patch::Apply(json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool",
            "metadata": {"name": "p"}, "spec": spec}))
    };
    let as_manager = PatchParams::apply;
    let made = json!({"clusterName": "c", "replicas": 1, "machineSelector": {"a": "b"}});
    pools.patch("p", &as_manager("a"), &pool(made)).await.expect("applied");
    let other = pool(json!({"replicas": 2}));
    match pools.patch("p", &as_manager("b"), &other).await {
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 409);
            assert_eq!(status.message, r#"Apply failed with 1 conflict: conflict with "a": .spec.replicas"#);
        }
        done => panic!("{done:?}"),
    }
    pools.patch("p", &as_manager("b").force(), &other).await.expect("forced");
    let last = pools.patch("p", &as_manager("a"), &pool(json!({"clusterName": "c"}))).await.expect("applied");
    assert_eq!(last.data["spec"]["replicas"], 2, "it is owned by b now");
    assert!(last.data["spec"].get("machineSelector").is_none(), "nobody applies it any more");
}

#[tokio::test]
async fn bad_objects_are_refused_in_clear_words() {
    let client = server().await.client();
    let pools = api(&client, "quarterdeck.dev/v1alpha1", "NodePool", "nodepools");
    let pool = |spec: Value| {
        let value = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool",
            "metadata": {"name": "p"}, "spec": spec});
        serde_json::from_value::<DynamicObject>(value).expect("it is an object")
    };
    let refused = async |spec: Value| match pools.create(&PostParams::default(), &pool(spec)).await {
        Err(kube::Error::Api(status)) => format!("{} {}", status.code, status.message),
        done => format!("{done:?}"),
    };
    let invalid = r#"422 NodePool.quarterdeck.dev "p" is invalid: "#;
    // Once because it is a scale, and once by the schema.
    let why = "[.spec.replicas: Invalid value: -1: should be a non-negative integer, \
               spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0]";
    assert_eq!(refused(json!({"clusterName": "c", "replicas": -1})).await, format!("{invalid}{why}"));
    let why = "spec: Invalid value: a control plane needs at least one replica";
    let spec = json!({"clusterName": "c", "role": "ControlPlane"});
    assert_eq!(refused(spec).await, format!("{invalid}{why}"));
    let missing = refused(json!({"replicas": "x"})).await;
    assert!(missing.contains("spec.clusterName: Required value"), "{missing}");
    assert!(missing.contains(r#"spec.replicas in body must be of type integer: "string""#), "{missing}");
    pools.create(&PostParams::default(), &pool(json!({"clusterName": "c"}))).await.expect("created");
    let moved = Patch::Merge(json!({"spec": {"clusterName": "d"}}));
    match pools.patch("p", &PatchParams::default(), &moved).await {
        Err(kube::Error::Api(status)) => {
            assert!(status.message.contains("make a new pool instead"), "{}", status.message)
        }
        done => panic!("{done:?}"),
    }
}
