//! Our drain beside kubectl's: the same pods on two nodes, one emptied by kubectl, the other by us.
//!
//! With `QUARTERDECK_META=real` the business cluster is the real server too, and kubectl talks to that.

use std::{collections::BTreeSet, env, net::SocketAddr, path::PathBuf, process::Output, time::Duration};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, ReplicaSet},
    core::v1::Pod,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::NamespaceResourceScope,
};
use quarterdeck::{
    api::{BlockerKind, DrainPolicy, EmptyDirData, Machine, MachineState, UnmanagedPods, labels},
    embedded::{Identity, Listener},
    plan::drain::{Circumstances, Treatment, treatments},
    tenant,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    meta::Meta,
    program,
    world::{NAMESPACE, Tenant, World},
};

/// Bounds every kubectl.
const PATIENCE: Duration = Duration::from_secs(60);

struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    _listener: Option<Listener>,
    _folder: tempfile::TempDir,
}

impl Kubectl {
    /// Beside a business cluster that both talk to. Without a kubectl the test says so and ends.
    async fn beside(test: &str) -> Option<(Self, Tenant)> {
        let chosen = env::var_os("QUARTERDECK_KUBECTL").map(PathBuf::from).filter(|path| path.exists());
        let Some(program) = chosen.or_else(|| program::find("kubectl")) else {
            program::leave_out(test, "kubectl");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("config");
        let (tenant, listener) = if env::var_os("QUARTERDECK_META").is_some_and(|meta| meta == "real") {
            let real =
                env::var_os("QUARTERDECK_REAL_KUBECONFIG").expect("a real one needs QUARTERDECK_REAL_KUBECONFIG");
            std::fs::copy(&real, &kubeconfig).expect("a kubeconfig");
            let config = Kubeconfig::read_from(&real).expect("a kubeconfig");
            let mut config =
                Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a context");
            // As the one that we make of a kubeconfig: a refused eviction is an answer, not a hiccup.
            config.default_retry = false;
            (Tenant::elsewhere(Client::try_from(config).expect("a client")), None)
        } else {
            let tenant = Tenant::embedded();
            let identity = Identity::open(None).expect("an identity");
            let listener = Listener::start(SocketAddr::from(([127, 0, 0, 1], 0)), identity).await.expect("a port");
            listener.mount("", tenant.server.clone().expect("it is embedded"));
            std::fs::write(&kubeconfig, listener.kubeconfig("", "blue", NAMESPACE)).expect("written");
            (tenant, Some(listener))
        };
        Some((Self { program, kubeconfig, _listener: listener, _folder: folder }, tenant))
    }

    async fn run(&self, words: &str) -> Output {
        let folder = self.kubeconfig.parent().expect("a folder");
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(words.split_whitespace())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", folder)
            .env("KUBECACHEDIR", folder.join("cache"))
            .kill_on_drop(true);
        tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("it runs")
    }
}

/// Makes an object of the business cluster, in place of one that another run has left; answers its identity.
async fn made<K>(world: &World, value: Value) -> String
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    K::DynamicType: Default,
{
    let object: K = serde_json::from_value(value).expect("a valid object");
    let api: Api<K> = Api::namespaced(world.tenant.client(), NAMESPACE);
    let _ = api.delete(&object.name_any(), &DeleteParams::background()).await;
    api.create(&PostParams::default(), &object).await.expect("created").uid().expect("an identity")
}

fn set(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"set": name}},
        "template": {"metadata": {"labels": {"set": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

/// One pod of each sort on the node of a machine; those of `db` are protected.
async fn populate(world: &World, machine: &str, web: &str, log: &str) {
    let of = |kind: &str, name: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
    let web = json!({ "ownerReferences": of("ReplicaSet", "web", web) });
    let log = json!({ "ownerReferences": of("DaemonSet", "log", log) });
    let mirror = json!({"annotations": {"kubernetes.io/config.mirror": "x"}});
    let cache = json!({"volumes": [{"name": "cache", "emptyDir": {}}]});
    for (name, metadata, spec) in [
        ("web", web.clone(), json!({})),
        ("cache", web.clone(), cache.clone()),
        ("done", json!({}), cache),
        ("solo", json!({}), json!({})),
        ("log", log, json!({})),
        ("file", mirror, json!({})),
        ("db", web, json!({})),
    ] {
        world.pod_with(&format!("{name}-{machine}"), machine, name, metadata, spec).await;
    }
    world.pod_is(&format!("done-{machine}"), "Succeeded").await;
}

/// Pods of a machine that are not there any more, or about to go, by their sort.
async fn gone(world: &World, machine: &str) -> BTreeSet<String> {
    let suffix = format!("-{machine}");
    let pods = world.pods().list(&ListParams::default()).await.expect("pods").items;
    let stays = |p: &Pod| p.metadata.deletion_timestamp.is_none();
    let left: BTreeSet<_> = pods
        .iter()
        .filter(|p| stays(p))
        .filter_map(|p| p.name_any().strip_suffix(&suffix).map(str::to_owned))
        .collect();
    let all = ["web", "cache", "done", "solo", "log", "file", "db"].map(str::to_owned);
    all.into_iter().filter(|name| !left.contains(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_our_drain_takes_the_pods_that_kubectl_takes() {
    let test = "needs_kubectl_our_drain_takes_the_pods_that_kubectl_takes";
    let Some((kubectl, tenant)) = Kubectl::beside(test).await else { return };
    let world = World::over(Meta::open().await, tenant, 2, 2).await;
    for node in ["node-m-0", "node-m-1"] {
        let _ = world.nodes().delete(node, &DeleteParams::default()).await;
    }
    world.start("one");
    world.until("both are Ready", async || world.count(MachineState::Ready).await == 2).await;

    let web = made::<ReplicaSet>(&world, set("web")).await;
    let log = made::<DaemonSet>(&world, set("log")).await;
    made::<PodDisruptionBudget>(
        &world,
        json!({"metadata": {"name": "db"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "db"}}}}),
    )
    .await;
    populate(&world, "m-0", &web, &log).await;
    populate(&world, "m-1", &web, &log).await;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(world.tenant.client(), NAMESPACE);
    world
        .until("the budget knows its pods", async || {
            budgets.get("db").await.expect("it").status.is_some_and(|s| s.current_healthy == 2)
        })
        .await;

    // Without consent kubectl begins nothing and names what it would not take; we hold back the very same.
    let refused = kubectl.run("drain node-m-0 --ignore-daemonsets").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    let pods = tenant::Tenant::new(world.tenant.client()).pods_on("node-m-0").await.expect("pods");
    let policy = DrainPolicy {
        unmanaged_pods: UnmanagedPods::Block,
        empty_dir_data: EmptyDirData::Block,
        ..DrainPolicy::default()
    };
    let careful = Circumstances { policy, daemon_sets: Some(BTreeSet::from([log])), ..Circumstances::default() };
    for (pod, treatment) in treatments(&pods, &careful, jiff::Timestamp::now()) {
        let named = said.contains(&format!("default/{}", pod.name_any()));
        let withheld = matches!(treatment, Treatment::Withheld(BlockerKind::Unmanaged | BlockerKind::EmptyDirData));
        assert_eq!(named, withheld, "{}: {said}", pod.name_any());
    }

    let drained = kubectl.run("drain node-m-0 --ignore-daemonsets --force --delete-emptydir-data --timeout=8s").await;
    let said = String::from_utf8_lossy(&drained.stderr).into_owned();
    assert!(!drained.status.success() && said.contains("disruption budget"), "the budget holds one: {said}");
    let theirs = gone(&world, "m-0").await;

    world.executor.held.store(true, std::sync::atomic::Ordering::SeqCst);
    let leaves = Patch::Merge(json!({"metadata": {"annotations": {labels::DELETE_MACHINE: "yes"}}}));
    world.api::<Machine>().patch("m-1", &PatchParams::default(), &leaves).await.expect("marked");
    world.scale(1, json!({})).await;
    world
        .until("only the budget is in our way", async || {
            let machine = world.api::<Machine>().get("m-1").await.expect("the machine");
            let drain = machine.status.and_then(|s| s.drain);
            drain.is_some_and(|d| d.pods_left == 1 && d.blockers.iter().any(|b| b.pdb.as_deref() == Some("default/db")))
        })
        .await;
    assert_eq!(gone(&world, "m-1").await, theirs);
    let expected = ["cache", "done", "solo", "web"].map(str::to_owned);
    assert_eq!(theirs, BTreeSet::from(expected), "what was compared is what was meant");
}
