//! What is installed is what Kubernetes takes it for, and asks for no more than it needs.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, Role, RoleBinding},
};
use serde::de::DeserializeOwned;

use super::*;

fn options(watched: &[&str]) -> Options {
    Options { watched: watched.iter().map(ToString::to_string).collect(), ..Options::default() }
}

/// Everything as `kind namespace/name`.
fn names(options: &Options) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = |o: &Value| {
        let (namespace, name) = (text(&o["metadata"]["namespace"]), text(&o["metadata"]["name"]));
        format!("{} {}", text(&o["kind"]), if namespace.is_empty() { name } else { format!("{namespace}/{name}") })
    };
    objects(options).iter().map(name).collect()
}

#[test]
fn accounts_of_executors_are_where_the_fleets_are() {
    let names = names(&options(&["blue", "green", "blue"]));
    for namespace in ["blue", "green"] {
        for expected in [
            format!("Namespace {namespace}"),
            format!("ServiceAccount {namespace}/quarterdeck-executor"),
            format!("RoleBinding {namespace}/quarterdeck-executor"),
            format!("RoleBinding {namespace}/quarterdeck-controller"),
        ] {
            assert_eq!(names.iter().filter(|n| **n == expected).count(), 1, "{expected}: {names:#?}");
        }
    }
    assert!(!names.contains(&"RoleBinding quarterdeck-system/quarterdeck-controller".to_owned()), "{names:#?}");
    assert!(names.iter().all(|n| !n.starts_with("ClusterRoleBinding")), "nothing reaches beyond the named namespaces");
}

/// A field that Kubernetes does not know would be lost on the way.
fn round<K: DeserializeOwned + serde::Serialize>(object: &Value) {
    let typed: K = serde_json::from_value(object.clone()).unwrap_or_else(|e| panic!("{e}: {object}"));
    assert_eq!(serde_json::to_value(typed).expect("it serialises"), *object);
}

#[test]
fn every_object_is_of_its_kind_and_carries_our_label() {
    for object in objects(&options(&["blue"])) {
        assert_eq!(object["metadata"]["labels"][MANAGED_BY.0], MANAGED_BY.1, "{object}");
        match object["kind"].as_str().expect("a kind") {
            "Namespace" => round::<Namespace>(&object),
            "ServiceAccount" => round::<ServiceAccount>(&object),
            "ClusterRole" => round::<ClusterRole>(&object),
            "Role" => round::<Role>(&object),
            "RoleBinding" => round::<RoleBinding>(&object),
            "Deployment" => round::<Deployment>(&object),
            "Service" => round::<Service>(&object),
            "PodDisruptionBudget" => round::<PodDisruptionBudget>(&object),
            other => panic!("an object of kind {other}"),
        }
    }
}

#[test]
fn no_role_has_a_wildcard_and_only_the_controllers_read_secrets() {
    for role in roles::cluster_roles() {
        let name = role["metadata"]["name"].as_str().expect("a name");
        let text = role["rules"].to_string();
        assert!(!text.contains('*'), "{name}: {text}");
        let secrets: BTreeSet<String> = role["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .filter(|rule| rule["resources"].as_array().is_some_and(|r| r.contains(&json!("secrets"))))
            .map(|rule| rule["verbs"].to_string())
            .collect();
        let expected =
            if name == CONTROLLER_ROLE { BTreeSet::from([r#"["get"]"#.to_owned()]) } else { BTreeSet::new() };
        assert_eq!(secrets, expected, "{name}");
    }
}
