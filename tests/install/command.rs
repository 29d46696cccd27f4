//! `quarterdeck install` and `uninstall` against a real server.

use std::process::Command;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Namespace, rbac::v1::ClusterRole},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use quarterdeck::{
    api::{Machine, NodePool, Operation},
    install,
};
use serde_json::json;

use crate::real::{self, Real};

const BINARY: &str = env!("CARGO_BIN_EXE_quarterdeck");

/// Runs the binary as the administrator, and expects an exit code and words.
#[track_caller]
fn check(real: &Real, words: &str, code: i32, expected: &str) -> String {
    let output = Command::new(BINARY)
        .args(words.split_whitespace())
        .env("KUBECONFIG", &real.kubeconfig)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.code() == Some(code) && said.contains(expected), "{words}: {}\n{said}", output.status);
    said
}

async fn namespace(real: &Real, name: &str) {
    let object = serde_json::from_value(json!({"metadata": {"name": name}})).expect("a namespace");
    let made = Api::<Namespace>::all(real.client.clone()).create(&PostParams::default(), &object).await;
    assert!(made.is_ok() || matches!(&made, Err(kube::Error::Api(s)) if s.code == 409), "{made:?}");
}

/// What other tests left under way would stand in the way, as it should.
async fn no_operations(real: &Real) {
    let everywhere: Api<Operation> = Api::all(real.client.clone());
    // Before the first test there is no such kind.
    for operation in everywhere.list(&ListParams::default()).await.map(|l| l.items).unwrap_or_default() {
        let api: Api<Operation> = Api::namespaced(real.client.clone(), &operation.namespace().unwrap_or_default());
        api.delete(&operation.name_any(), &DeleteParams::default()).await.expect("deleted");
    }
}

/// The resourceVersions of all that was installed.
async fn versions(real: &Real) -> Vec<String> {
    let label = ListParams::default().labels("app.kubernetes.io/managed-by=quarterdeck");
    let roles: Api<ClusterRole> = Api::all(real.client.clone());
    let deployments: Api<Deployment> = Api::all(real.client.clone());
    let roles = roles.list(&label).await.expect("roles").items;
    let deployments = deployments.list(&label).await.expect("deployments").items;
    let all =
        roles.iter().map(ResourceExt::resource_version).chain(deployments.iter().map(ResourceExt::resource_version));
    all.flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_real_api_server_to_install_and_uninstall() {
    let Some(real) = real::open("needs_real_api_server_to_install_and_uninstall").await else { return };
    no_operations(&real).await;
    let suffix = format!("{:08x}", rand::random::<u32>());
    let (home, fleet) = (format!("home-{suffix}"), format!("fleet-{suffix}"));
    // It was there before: it stays what it is, whatever happens.
    namespace(&real, &fleet).await;
    let there = format!("install -n {home} --watch-namespace {fleet}");

    check(&real, &format!("{there} --dry-run"), 0, "deployment.apps/quarterdeck-controller created");
    assert!(versions(&real).await.iter().len() <= 5, "a trial installs nothing");
    let namespaces: Api<Namespace> = Api::all(real.client.clone());
    assert!(namespaces.get_opt(&home).await.expect("an answer").is_none(), "a trial makes nothing");

    let said = check(&real, &there, 0, "rollout status");
    assert!(said.contains("names no registry"), "the default is said: {said}");
    assert!(said.contains(&format!("namespace/{fleet} unchanged")), "{said}");
    assert!(namespaces.get(&fleet).await.expect("it is there").labels().get(install::MANAGED_BY.0).is_none());
    let before = versions(&real).await;
    let again = check(&real, &there, 0, "there was nothing to change");
    assert!(!again.contains(" created") && !again.contains(" configured"), "{again}");
    assert_eq!(versions(&real).await, before, "nothing was written");

    check(&real, &format!("install -n other-{suffix}"), 6, "is installed in namespace");
    somebody_else_sets_a_field(&real, &home, &there).await;
    a_newer_program_was_here(&real, &there).await;
    // One namespace less: the rights in it go.
    let said = check(&real, &format!("install -n {home} --image registry.example/qd:2"), 0, "configured");
    assert!(
        said.contains(&format!("rolebinding.rbac.authorization.k8s.io/quarterdeck-executor deleted in {fleet}")),
        "{said}"
    );
    uninstall(&real, &home, &fleet).await;
}

async fn somebody_else_sets_a_field(real: &Real, home: &str, there: &str) {
    let deployments: Api<Deployment> = Api::namespaced(real.client.clone(), home);
    let three = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let by = PatchParams { field_manager: Some("someone".to_owned()), ..PatchParams::default() };
    deployments.patch(install::CONTROLLER, &by, &three).await.expect("patched");
    check(real, there, 6, "take them over with --force-conflicts");
    check(real, &format!("{there} --force-conflicts"), 0, "quarterdeck-controller configured");
    let deployment = deployments.get(install::CONTROLLER).await.expect("it is there");
    assert_eq!(deployment.spec.and_then(|s| s.replicas), Some(2));
}

async fn a_newer_program_was_here(real: &Real, there: &str) {
    let kinds: Api<CustomResourceDefinition> = Api::all(real.client.clone());
    let label = |version: &str| Patch::Merge(json!({"metadata": {"labels": {install::INSTALLED_VERSION: version}}}));
    let name = "machines.quarterdeck.dev";
    kinds.patch(name, &PatchParams::default(), &label("99.0.0")).await.expect("patched");
    check(real, there, 6, "the kinds of Quarterdeck 99.0.0");
    kinds.patch(name, &PatchParams::default(), &label(env!("CARGO_PKG_VERSION"))).await.expect("patched");
}

async fn uninstall(real: &Real, home: &str, fleet: &str) {
    let machines: Api<Machine> = Api::namespaced(real.client.clone(), fleet);
    let pools: Api<NodePool> = Api::namespaced(real.client.clone(), fleet);
    let machine = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine", "metadata": {"name": "m"}, "spec": {"address": "h",
        "claimRef": {"name": "s", "uid": "u", "clusterName": "blue", "poolName": "p"}}});
    machines
        .create(&PostParams::default(), &serde_json::from_value(machine).expect("a machine"))
        .await
        .expect("created");
    let pool = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool",
        "metadata": {"name": "p", "finalizers": ["quarterdeck.dev/release-machines"]}, "spec": {"clusterName": "blue", "replicas": 1}});
    pools.create(&PostParams::default(), &serde_json::from_value(pool).expect("a pool")).await.expect("created");

    let operations: Api<Operation> = Api::namespaced(real.client.clone(), fleet);
    let operation = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Operation", "metadata": {"name": "o"},
        "spec": {"type": "ScaleUp", "clusterName": "blue", "runbook": "r", "machines": [{"name": "m", "uid": "u"}]}});
    operations
        .create(&PostParams::default(), &serde_json::from_value(operation).expect("an operation"))
        .await
        .expect("created");
    let running = Patch::Merge(json!({"status": {"state": "Running", "run": 1}}));
    operations.patch_status("o", &PatchParams::default(), &running).await.expect("it runs");
    check(real, "uninstall", 6, "1 operation is under way");
    operations.delete("o", &DeleteParams::default()).await.expect("deleted");

    check(real, "uninstall -n elsewhere", 3, "not in elsewhere");
    check(real, "uninstall --delete-data --yes", 6, "with --abandon");
    check(real, "uninstall --dry-run", 0, "deployment.apps/quarterdeck-controller deleted");
    assert!(!versions(real).await.is_empty(), "a trial removes nothing");
    check(real, "uninstall", 6, "nobody can be asked here: confirm with --yes");
    assert!(!versions(real).await.is_empty(), "nobody said yes");
    check(real, "uninstall --yes", 0, "Kept: the kinds");
    assert!(versions(real).await.is_empty());
    assert!(machines.get_opt("m").await.expect("an answer").is_some(), "data stay");
    check(real, "uninstall", 0, "There is nothing of Quarterdeck to remove");

    check(real, "uninstall --delete-data", 6, "with --abandon");
    check(real, "uninstall --delete-data --abandon", 6, "nobody can be asked here");
    check(real, "uninstall --delete-data --abandon --yes", 0, "machines.quarterdeck.dev deleted");
    let kinds: Api<CustomResourceDefinition> = Api::all(real.client.clone());
    assert!(kinds.get_opt("nodepools.quarterdeck.dev").await.expect("an answer").is_none(), "the kinds are gone");
    let namespaces: Api<Namespace> = Api::all(real.client.clone());
    let ours = namespaces.get_opt(home).await.expect("an answer");
    assert!(ours.is_none_or(|n| n.metadata.deletion_timestamp.is_some()), "what install made goes");
    let theirs = namespaces.get(fleet).await.expect("it is there");
    assert!(theirs.metadata.deletion_timestamp.is_none(), "what was there before stays");
    check(real, "get machines", 5, "the cluster does not have Quarterdeck's kinds");
    check(real, "uninstall --delete-data --yes", 0, "There is nothing of Quarterdeck to remove");
}
