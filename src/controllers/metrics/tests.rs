//! The text that a collector reads.

use std::convert::Infallible;

use http::Response;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    runtime::{reflector, watcher},
};
use serde_json::json;

use super::*;
use crate::api::{Machine, Operation};

#[track_caller]
fn check(metrics: &Metrics, line: &str) {
    let text = metrics.text();
    assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
}

fn store<K>(objects: Vec<serde_json::Value>) -> reflector::Store<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + 'static,
{
    let (store, mut writer) = reflector::store::<K>();
    for (i, object) in objects.into_iter().enumerate() {
        let mut object: K = serde_json::from_value(object).expect("a valid object");
        object.meta_mut().name = Some(format!("o-{i}"));
        writer.apply_watcher_event(&watcher::Event::Apply(object));
    }
    store
}

fn machine(state: &str, blocked: bool) -> serde_json::Value {
    let blockers =
        if blocked { json!([{"pod": "a/b", "message": "budget", "reason": "PodDisruptionBudget"}]) } else { json!([]) };
    let drain = json!({"operation": "o", "node": {"name": "n", "uid": "u"}, "startedAt": "2026-01-01T00:00:00Z",
        "deadline": "2026-01-01T00:00:00Z", "podsTotal": 1, "podsLeft": 1, "blockers": blockers});
    json!({"metadata": {}, "spec": {"address": "h", "claimRef": {"name": "s", "uid": "u", "clusterName": "blue", "poolName": "p"}},
        "status": {"state": state, "drain": drain}})
}

#[test]
fn what_is_seen_is_counted_and_forgotten_with_the_term() {
    let metrics = Metrics::default();
    check(&metrics, "quarterdeck_leader 0");
    let machines =
        vec![machine("Ready", false), machine("Ready", false), machine("Draining", true), machine("Draining", false)];
    metrics.see(store::<Machine>(machines));
    let operation =
        json!({"metadata": {}, "spec": {"type": "ScaleUp", "clusterName": "blue", "runbook": "r", "machines": []}});
    metrics.see(store::<Operation>(vec![operation]));
    check(&metrics, r#"quarterdeck_machines{cluster="blue",pool="p",state="Ready"} 2"#);
    check(&metrics, r#"quarterdeck_machines{cluster="blue",pool="p",state="Draining"} 2"#);
    check(&metrics, r#"quarterdeck_drains_blocked{cluster="blue",pool="p"} 1"#);
    check(&metrics, r#"quarterdeck_operations{type="ScaleUp",state="Pending"} 1"#);
    metrics.forget();
    assert!(!metrics.text().contains("quarterdeck_machines{"), "who does not lead claims nothing");
}

#[tokio::test]
async fn reconciles_and_requests_are_counted_by_how_they_ended() {
    let metrics = Arc::<Metrics>::default();
    let _ = metrics.clone().measured(Name::NodePool, async { Ok(()) }).await;
    let missing = async { Err::<(), _>(Error::Missing("x".to_owned())) };
    let _ = metrics.clone().measured(Name::NodePool, missing).await;
    check(&metrics, r#"quarterdeck_reconcile_total{controller="node-pool",result="success"} 1"#);
    check(&metrics, r#"quarterdeck_reconcile_total{controller="node-pool",result="error"} 1"#);
    check(&metrics, r#"quarterdeck_reconcile_time_seconds_count{controller="node-pool"} 2"#);
    check(&metrics, r#"quarterdeck_active_workers{controller="node-pool"} 0"#);

    let refusing = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::builder().status(403).body(Body::empty()).expect("a response"))
    });
    let api: Api<ConfigMap> = Api::default_namespaced(metrics.wrap(Client::new(refusing, "default")));
    api.get("x").await.expect_err("refused");
    check(&metrics, r#"quarterdeck_api_requests_total{method="GET",code="403"} 1"#);
}
