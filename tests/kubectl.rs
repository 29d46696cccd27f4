//! The embedded API server as kubectl sees it: the real program, over loopback TLS.

#[path = "kubectl/cluster.rs"]
mod cluster;
#[path = "needs/program.rs"]
mod program;

use std::sync::Arc;

use cluster::Cluster;
use futures::FutureExt;
use quarterdeck::embedded::jobs;
use tokio_util::sync::CancellationToken;

/// A pool of the cluster blue.
fn pool(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: quarterdeck.dev/v1alpha1\nkind: NodePool\nmetadata: {{name: {name}}}\nspec: {{clusterName: blue, {spec}}}\n"
    )
}

const MACHINE: &str = "
apiVersion: quarterdeck.dev/v1alpha1
kind: Machine
metadata: {name: m-1, labels: {rack: r1}}
spec:
  address: 10.0.0.1
  claimRef: {name: s, uid: u, clusterName: blue, poolName: workers}
";

const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: n-1}
spec: {taints: [{key: gpu, effect: NoSchedule}]}
status:
  nodeInfo: {kubeletVersion: v1.34.2}
  conditions: [{type: Ready, status: \"True\", reason: KubeletReady}]
";

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_gets_watches_and_describes() {
    let Some(cluster) = Cluster::start("needs_kubectl_gets_watches_and_describes").await else { return };
    cluster.feed("create -f -", &pool("workers", "replicas: 2, version: 1.34.2")).await;
    cluster.feed("create -f -", MACHINE).await;

    let table = cluster.ask("get nodepools").await;
    let words: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(words, ["NAME", "CLUSTER", "ROLE", "DESIRED", "REPLICAS", "READY", "PHASE", "VERSION", "AGE"]);
    let words: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(words[..4], ["workers", "blue", "Worker", "2"]);
    assert!(!cluster.ask("get machines").await.contains("ADDRESS"));
    cluster.says("get machines -o wide", &["ADDRESS", "10.0.0.1"]).await;
    cluster.says("get ma -A --show-labels", &["NAMESPACE", "default", "rack=r1"]).await;
    cluster.says("get quarterdeck -o name", &["nodepool.quarterdeck.dev/workers", "machine.quarterdeck.dev/m-1"]).await;
    cluster.says("get np workers -o jsonpath={.spec.deletionOrder}", &["Newest"]).await;
    cluster.says("get machines -l rack=r1,rack!=r2", &["m-1"]).await;
    cluster.says("get machines --field-selector spec.claimRef.clusterName=blue -o name", &["m-1"]).await;
    assert_eq!(cluster.ask("get machines --field-selector spec.claimRef.clusterName=red -o name").await, "");

    let mut watch = cluster.follow("get nodepools -w --output-watch-events");
    watch.until("workers").await;
    cluster.ask("scale nodepool workers --replicas=5").await;
    assert_eq!(
        watch.until("MODIFIED").await.split_whitespace().collect::<Vec<_>>()[..5],
        ["MODIFIED", "workers", "blue", "Worker", "5"]
    );
    cluster.ask("delete nodepool workers").await;
    watch.until("DELETED").await;

    let parts = [
        "Name:         m-1",
        "rack=r1",
        "Kind:         Machine",
        "Address:  10.0.0.1",
        "Cluster Name:  blue",
        "Events:",
    ];
    cluster.says("describe machine m-1", &parts).await;
    cluster.says("version -o json", &["\"serverVersion\"", "quarterdeck"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_applies_on_its_side_and_on_ours() {
    let Some(cluster) = Cluster::start("needs_kubectl_applies_on_its_side_and_on_ours").await else { return };
    let first = pool("a", "replicas: 1, machineSelector: {gpu: \"yes\"}");
    assert_eq!(cluster.feed("apply -f -", &first).await, "nodepool.quarterdeck.dev/a created\n");
    assert_eq!(cluster.feed("apply -f -", &first).await, "nodepool.quarterdeck.dev/a unchanged\n");
    let second = pool("a", "replicas: 3");
    let (code, out, err) = cluster.run("diff -f -", &second).await;
    assert!(code == 1 && out.contains("-  replicas: 1") && out.contains("+  replicas: 3"), "{code} {out}{err}");
    assert_eq!(cluster.feed("apply -f -", &second).await, "nodepool.quarterdeck.dev/a configured\n");
    let spec = cluster.ask("get np a -o jsonpath={.spec}").await;
    assert!(spec.contains("\"replicas\":3") && !spec.contains("gpu"), "what is left out goes: {spec}");
    assert_eq!(cluster.run("diff -f -", &second).await.0, 0);

    let ours = pool("b", "replicas: 1, hold: true");
    let apply = "apply --server-side --field-manager=one -f -";
    assert_eq!(cluster.feed(apply, &ours).await, "nodepool.quarterdeck.dev/b serverside-applied\n");
    let theirs = pool("b", "replicas: 2");
    let apply = "apply --server-side --field-manager=two -f -";
    cluster.refuses(apply, &theirs, r#"conflict with "one": .spec.replicas"#).await;
    cluster.feed("apply --server-side --field-manager=two --force-conflicts -f -", &theirs).await;
    let managers = cluster.ask("get np b -o yaml --show-managed-fields").await;
    assert!(managers.contains("manager: one") && managers.contains("manager: two"), "{managers}");
    cluster.feed("apply --server-side --field-manager=one -f -", &pool("b", "paused: false")).await;
    let spec = cluster.ask("get np b -o jsonpath={.spec}").await;
    assert!(
        spec.contains("\"replicas\":2") && spec.contains("\"hold\":false"),
        "given up, hence gone or theirs: {spec}"
    );

    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: v}\n";
    assert_eq!(cluster.feed("apply -f -", map).await, "configmap/c created\n");
    assert_eq!(cluster.feed("apply -f - --dry-run=server", map).await, "configmap/c unchanged (server dry run)\n");
    assert_eq!(cluster.feed("apply --server-side -f -", map).await, "configmap/c serverside-applied\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_patches_labels_and_scales() {
    let Some(cluster) = Cluster::start("needs_kubectl_patches_labels_and_scales").await else { return };
    cluster.feed("create -f -", &pool("p", "replicas: 1, version: 1.34.2")).await;
    cluster
        .says(
            r#"patch np p --type=merge -p {"spec":{"version":null,"hold":true}}"#,
            &["nodepool.quarterdeck.dev/p patched"],
        )
        .await;
    cluster.ask(r#"patch np p --type=json -p [{"op":"test","path":"/spec/hold","value":true},{"op":"replace","path":"/spec/replicas","value":4}]"#).await;
    cluster
        .ask(r#"patch np p --subresource=status --type=merge -p {"status":{"replicas":2,"phase":"ScalingUp"}}"#)
        .await;
    let object = cluster.ask("get np p -o json").await;
    let object: serde_json::Value = serde_json::from_str(&object).expect("JSON");
    assert_eq!((&object["spec"]["replicas"], &object["spec"]["version"]), (&4.into(), &serde_json::Value::Null));
    assert_eq!((&object["status"]["replicas"], &object["metadata"]["generation"]), (&2.into(), &3.into()));
    cluster
        .refuses(
            r#"patch np p --type=json -p [{"op":"test","path":"/spec/hold","value":false}]"#,
            "",
            "the server rejected our request due to an error in our request",
        )
        .await;

    cluster.says("label np p tier=gold", &["labeled"]).await;
    cluster.refuses("label np p tier=iron", "", "already has a value (gold)").await;
    cluster.ask("label np p tier=iron --overwrite").await;
    cluster.says("get np -L tier", &["TIER", "iron"]).await;
    cluster.ask("label np p tier-").await;
    cluster.ask("annotate np p quarterdeck.dev/reason=launch").await;
    cluster.says("get np p -o yaml", &["quarterdeck.dev/reason: launch"]).await;
    cluster.says("scale nodepool/p --replicas=7", &["nodepool.quarterdeck.dev/p scaled"]).await;
    cluster.refuses("scale nodepool/p --replicas=9 --current-replicas=1", "", "Expected replicas to be 1, was 7").await;
    assert_eq!(cluster.ask("get np p -o jsonpath={.spec.replicas}").await, "7");

    cluster.feed("create -f -", NODE).await;
    cluster.ask(r#"patch node n-1 -p {"spec":{"taints":[{"key":"spot","effect":"NoExecute"}]}}"#).await;
    cluster.says("get node n-1 -o jsonpath={.spec.taints[*].key}", &["spot"]).await;
    cluster.ask(r#"patch node n-1 --subresource=status -p {"status":{"conditions":[{"type":"DiskPressure","status":"False"}]}}"#).await;
    cluster.says("get node n-1 -o jsonpath={.status.conditions[*].type}", &["Ready", "DiskPressure"]).await;
    cluster.ask("taint node n-1 busy=yes:NoSchedule").await;
    cluster.says("cordon n-1", &["node/n-1 cordoned"]).await;
    cluster.says("get nodes", &["Ready,SchedulingDisabled", "v1.34.2"]).await;
    cluster
        .feed("create -f -", "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: '1', b: '2'}}")
        .await;
    cluster.ask(r#"patch configmap c -p {"data":{"a":null,"c":"3"}}"#).await;
    assert_eq!(cluster.ask("get configmap c -o jsonpath={.data}").await, r#"{"b":"2","c":"3"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_deletes_waits_and_drains() {
    let Some(cluster) = Cluster::start("needs_kubectl_deletes_waits_and_drains").await else { return };
    cluster.feed("create -f -", MACHINE).await;
    cluster.ask(r#"patch machine m-1 --type=merge -p {"metadata":{"finalizers":["quarterdeck.dev/release"]}}"#).await;
    cluster.says("delete machine m-1 --wait=false", &["deleted"]).await;
    cluster.says("get machine m-1 -o yaml", &["deletionTimestamp", "quarterdeck.dev/release"]).await;
    let (gone, _) = tokio::join!(
        cluster.ask("wait --for=delete machine/m-1 --timeout=30s"),
        cluster.ask(r#"patch machine m-1 --type=merge -p {"metadata":{"finalizers":null}}"#),
    );
    assert!(gone.contains("condition met") || gone.is_empty(), "{gone}");
    cluster.refuses("get machine m-1", "", r#"(NotFound): machines.quarterdeck.dev "m-1" not found"#).await;

    cluster.feed("create -f -", &pool("p", "replicas: 1")).await;
    cluster.refuses("wait --for=condition=Ready np/p --timeout=1s", "", "timed out").await;
    let ready = r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"AllReady","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;
    let patch = format!("patch np p --subresource=status --type=merge -p {ready}");
    let (met, _) = tokio::join!(cluster.ask("wait --for=condition=Ready np/p --timeout=30s"), cluster.ask(&patch));
    assert_eq!(met, "nodepool.quarterdeck.dev/p condition met\n");
    cluster.says("wait --for=jsonpath={.spec.replicas}=1 np/p --timeout=9s", &["condition met"]).await;
    cluster.says("delete np --all", &["\"p\" deleted"]).await;

    cluster.feed("create -f -", NODE).await;
    let pod = "---\n{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {nodeName: n-1, containers: [{name: c, image: i}]}}";
    cluster.feed("create -f -", pod).await;
    cluster.says("get pods -o wide", &["web", "n-1"]).await;
    cluster
        .says("drain n-1 --force --grace-period=0 --timeout=30s", &["evicting pod default/web", "node/n-1 drained"])
        .await;
    cluster.says("uncordon n-1", &["uncordoned"]).await;
    cluster.feed("create -f -", "---\n{apiVersion: v1, kind: Namespace, metadata: {name: gone}}").await;
    cluster.feed("create -n gone -f -", "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}").await;
    cluster.ask("delete namespace gone --timeout=30s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_finds_and_explains_our_kinds() {
    let Some(cluster) = Cluster::start("needs_kubectl_finds_and_explains_our_kinds").await else { return };
    let parts = ["NodePool", "FIELD: replicas <integer>", "How many nodes there should be."];
    cluster.says("explain nodepool.spec.replicas", &parts).await;
    cluster.says("explain machine.status --recursive", &["phases", "currentPhase", "conditions"]).await;
    cluster.says("explain node.spec.taints", &["effect", "-required-"]).await;
    let kinds = cluster.ask("api-resources --api-group=quarterdeck.dev").await;
    for words in [
        ["nodepools", "np", "quarterdeck.dev/v1alpha1", "true", "NodePool"],
        ["machines", "ma", "quarterdeck.dev/v1alpha1", "true", "Machine"],
    ] {
        assert!(kinds.lines().any(|line| line.split_whitespace().eq(words)), "{kinds}");
    }
    cluster.says("api-resources", &["configmaps", "poddisruptionbudgets", "leases", "customresourcedefinitions"]).await;
    cluster.says("api-versions", &["quarterdeck.dev/v1alpha1", "batch/v1"]).await;
    cluster
        .says(
            "get crd nodepools.quarterdeck.dev -o jsonpath={.status.conditions[?(@.type==\"Established\")].status}",
            &["True"],
        )
        .await;
    cluster.says("get --raw /readyz", &["ok"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_shows_what_is_refused_and_why() {
    let Some(cluster) = Cluster::start("needs_kubectl_shows_what_is_refused_and_why").await else { return };
    cluster.refuses("create -f -", &pool("p", "replica: 1"), r#"unknown field "spec.replica""#).await;
    cluster.refuses("create -f - --validate=false", &pool("p", "role: Waiter"), r#"Unsupported value: "Waiter""#).await;
    cluster.refuses("apply -f -", &pool("p", "role: ControlPlane"), "a control plane needs at least one replica").await;
    cluster
        .refuses(
            "apply -f -",
            &pool("p", "replicas: -1"),
            "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
        )
        .await;
    cluster.refuses("apply -f -", &pool("p", "replicas: many"), "must be of type integer").await;
    cluster.refuses("create -f -", &pool("Not_A_Name", "replicas: 1"), "a lowercase RFC 1123 subdomain").await;
    cluster.refuses("get np p", "", r#"Error from server (NotFound): nodepools.quarterdeck.dev "p" not found"#).await;
    let typed = "create configmap settings --from-literal=a=b";
    cluster
        .refuses(typed, "", "let kubectl write YAML first, with --dry-run=client -o yaml | kubectl create -f -")
        .await;
    let written = cluster.ask(&format!("{typed} --dry-run=client -o yaml")).await;
    assert_eq!(cluster.feed("create -f -", &written).await, "configmap/settings created\n", "the way out is one");
    cluster.refuses("get ships", "", r#"the server doesn't have a resource type "ships""#).await;
    cluster.feed("create -f -", &pool("p", "replicas: 1")).await;
    cluster
        .refuses(
            "create -f -",
            &pool("p", "replicas: 1"),
            r#"(AlreadyExists): error when creating "STDIN": nodepools.quarterdeck.dev "p" already exists"#,
        )
        .await;
    cluster
        .refuses(
            r#"patch np p --type=merge -p {"spec":{"clusterName":"red"}}"#,
            "",
            "clusterName cannot be changed: make a new pool instead",
        )
        .await;
    let (code, _, err) = cluster.run("create --validate=warn -f -", &pool("q", "replica: 1")).await;
    assert!(code == 0 && err.contains(r#"Warning: unknown field "spec.replica""#), "{err}");
    let stale = pool("p", "replicas: 1").replace("name: p", "name: p, resourceVersion: \"1\"");
    cluster.refuses("replace -f -", &stale, "(Conflict)").await;
    cluster.refuses("get np -n nowhere p", "", "NotFound").await;
    cluster.refuses("create -n nowhere -f -", &pool("p", "replicas: 1"), r#"namespaces "nowhere" not found"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_kubectl_reads_the_log_of_a_job() {
    let Some(cluster) = Cluster::start("needs_kubectl_reads_the_log_of_a_job").await else { return };
    let stop = CancellationToken::new();
    let pod: jobs::RunPod = Arc::new(|run| {
        async move {
            run.log.line("first");
            run.cancel.run_until_cancelled(tokio::time::sleep(std::time::Duration::from_secs(1))).await;
            run.log.line("last");
            0
        }
        .boxed()
    });
    let running = tokio::spawn(jobs::run(cluster.server.clone(), pod, stop.clone()));
    cluster.feed("create -f -", JOB).await;
    let begun = tokio::time::Instant::now();
    while cluster.ask("get pods -l job-name=work -o name").await.is_empty() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "the Job has no pod");
    }
    let mut log = cluster.follow("logs -f -l job-name=work --pod-running-timeout=20s");
    cluster.says("wait --for=condition=Complete job/work --timeout=30s", &["condition met"]).await;
    cluster.says("get jobs", &["Complete", "1/1"]).await;
    drop(log.until("last").await);
    assert_eq!(cluster.ask("logs job/work").await, "first\nlast\n");
    assert_eq!(cluster.ask("logs -l job-name=work --tail=1").await, "last\n");
    stop.cancel();
    running.await.expect("the runner ends");
}
