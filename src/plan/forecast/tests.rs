use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Pods as `node:app` with `*N` of them, `!` not ready, `~` without a controller, `+` with an emptyDir, `%` of a DaemonSet,
/// `?` to be waited for; apps as `a&b` have two labels.
fn pods(line: &str) -> Vec<Pod> {
    let mut pods = Vec::new();
    for word in line.split_whitespace() {
        let (word, count) = word.split_once('*').map_or((word, 1), |(w, n)| (w, n.parse().unwrap()));
        let (node, rest) = word.split_once(':').unwrap();
        let app = rest.trim_end_matches(['!', '~', '+', '%', '?']);
        for _ in 0..count {
            let labels: Value =
                app.split('&').map(|a| (a.to_owned(), json!("yes"))).collect::<serde_json::Map<_, _>>().into();
            let kind = if rest.contains('%') { "DaemonSet" } else { "StatefulSet" };
            let owner = json!([{"apiVersion": "apps/v1", "kind": kind, "name": app, "uid": app, "controller": true}]);
            let mut pod = json!({
                "metadata": {"name": format!("{app}-{}", pods.len()), "namespace": "shop", "labels": labels, "ownerReferences": owner},
                "spec": {"nodeName": node, "containers": [], "volumes": []},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if rest.contains('!') { "False" } else { "True" }}]},
            });
            if rest.contains('~') {
                pod["metadata"]["ownerReferences"] = json!([]);
            }
            if rest.contains('+') {
                pod["spec"]["volumes"] = json!([{"name": "cache", "emptyDir": {}}]);
            }
            if rest.contains('?') {
                pod["metadata"]["annotations"] = json!({crate::api::labels::DRAIN: "wait-completed"});
            }
            pods.push(serde_json::from_value(pod).unwrap());
        }
    }
    pods
}

/// Budgets as `app=min2`, `app=max1` or `name/app=…`, with the status that Kubernetes would give them.
fn budgets(line: &str, pods: &[Pod]) -> Vec<PodDisruptionBudget> {
    line.split_whitespace().map(|word| budget(word, pods)).collect()
}

fn budget(word: &str, pods: &[Pod]) -> PodDisruptionBudget {
    let (name, spec) = word.split_once('=').unwrap();
    let (name, app) = name.split_once('/').unwrap_or((name, name));
    let number: i32 = spec[3..].parse().unwrap();
    let of: Vec<_> = pods.iter().filter(|p| p.metadata.labels.as_ref().unwrap().contains_key(app)).collect();
    let expected = i32::try_from(of.len()).unwrap();
    let healthy = i32::try_from(of.iter().filter(|p| is_ready(p)).count()).unwrap();
    let (field, desired) =
        if spec.starts_with("min") { ("minAvailable", number) } else { ("maxUnavailable", (expected - number).max(0)) };
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {field: number, "selector": {"matchLabels": {app: "yes"}}},
        "status": {"disruptionsAllowed": (healthy - desired).max(0), "desiredHealthy": desired,
            "currentHealthy": healthy, "expectedPods": expected},
    }))
    .unwrap()
}

fn is_ready(pod: &Pod) -> bool {
    pod.status.as_ref().unwrap().conditions.as_ref().unwrap()[0].status == "True"
}

fn seen(pods: &[Pod], budgets: &[PodDisruptionBudget]) -> Disruption {
    let daemon_sets = pods.iter().flat_map(|p| p.metadata.owner_references.iter().flatten()).map(|o| o.uid.clone());
    let observed = Observed {
        pods: Some(pods),
        daemon_sets: Some(daemon_sets.collect()),
        local_claims: BTreeSet::new(),
        now: Timestamp::from_second(1).unwrap(),
    };
    observe(budgets, &observed)
}

fn nodes(pods: &[Pod]) -> Vec<String> {
    let names: BTreeSet<String> = pods.iter().filter_map(|p| p.spec.as_ref()?.node_name.clone()).collect();
    names.into_iter().collect()
}

fn of(pods_line: &str, budgets_line: &str, width: usize, policy: &DrainPolicy) -> Forecast {
    let pods = pods(pods_line);
    let seen = seen(&pods, &budgets(budgets_line, &pods));
    forecast(&seen, &nodes(&pods), width, policy)
}

/// Batches as `n1 n2|n3`, then what is found.
#[track_caller]
fn check(pods: &str, budgets: &str, width: usize, batches: &str, found: &[FindingKind]) {
    let forecast = of(pods, budgets, width, &DrainPolicy::default());
    let said = forecast.batches.iter().map(|b| b.join(" ")).collect::<Vec<_>>().join("|");
    assert_eq!(said, batches, "{pods} under {budgets}");
    assert_eq!(forecast.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), found, "{:#?}", forecast.findings);
}

#[test]
fn a_batch_is_cut_where_a_budget_says_so() {
    let five = "n1:web n2:web n3:web n4:web n5:web";
    check(five, "", 5, "n1 n2 n3 n4 n5", &[]);
    check(five, "web=min2", 5, "n1 n2 n3|n4 n5", &[]);
    check(five, "web=min2", 2, "n1 n2|n3 n4|n5", &[]);
    check(five, "web=max1", 5, "n1|n2|n3|n4|n5", &[]);
    check("n1:web n2:db n3:web n4:db", "web=max1 db=max1", 4, "n1 n2|n3 n4", &[]);
    check("n1:web n2:job n3:job", "web=max1", 4, "n1 n2 n3", &[]);
    check(five, "", 0, "n1|n2|n3|n4|n5", &[]);
}

#[test]
fn what_stands_in_the_way_is_found() {
    use FindingKind::{ManyBudgets, NeverSatisfiable, NoneAllowedNow, OneAfterAnother};
    check("n1:db n2:web", "db=min1", 2, "n1|n2", &[NeverSatisfiable]);
    check("n1:web n2:db", "db=min1", 2, "n1|n2", &[NeverSatisfiable]);
    check("n1:db n2:db", "db=max0", 2, "n1|n2", &[NeverSatisfiable]);
    check("n1:db n2:db n3:db", "db=min3", 1, "n1|n2|n3", &[NeverSatisfiable]);
    check("n1:db*2 n2:db", "db=max1", 2, "n1|n2", &[OneAfterAnother]);
    check("n1:db n2:db!", "db=max1", 2, "n1|n2", &[NoneAllowedNow]);
    check("n1:db n2:db n3:db", "a/db=max2 b/db=max2", 3, "n1 n2|n3", &[ManyBudgets]);
}

#[test]
fn every_budget_says_what_a_batch_asks_of_it() {
    let check = |pods: &str, budgets: &str, width: usize, expected: &str| {
        let said = of(pods, budgets, width, &DrainPolicy::default()).budgets.into_iter();
        let said: Vec<_> = said.map(|b| format!("{} {}/{} {:?}", b.budget, b.in_batch, b.allowed, b.effect)).collect();
        assert_eq!(said.join(", "), expected, "{pods} under {budgets}");
    };
    let five = "n1:web n2:web n3:web n4:web n5:web";
    check(five, "web=max2", 1, "shop/web 1/2 Fine");
    check(five, "web=max2", 3, "shop/web 3/2 Slows");
    check("n1:db n2:web n3:web!", "db=min1 web=max1", 1, "shop/db 1/0 Never, shop/web 1/0 Waits");
    check("n1:db n2:db n3:db", "a/db=max2 b/db=max2", 1, "shop/a 1/2 Never, shop/b 1/2 Never");
    check("n1:job", "web=max1", 1, "");
}

#[test]
fn pods_that_are_not_ready_ask_nothing_of_a_budget_that_has_enough() {
    check("n1:db! n2:db! n3:db n4:db", "db=min1", 4, "n1 n2 n3|n4", &[]);
}

#[test]
fn what_stays_and_what_is_lost_is_counted() {
    use FindingKind::{EmptyDirData, Staying, Unmanaged, WaitCompleted};
    check("n1:web% n1:solo~ n1:cache+ n1:batch?", "", 1, "n1", &[Unmanaged, EmptyDirData, WaitCompleted, Staying]);
    // A DaemonSet's pod spends no budget.
    check("n1:log% n2:log%", "log=max0", 2, "n1 n2", &[]);
    let counted = of("n1:web% n1:solo~ n1:cache+ n2:web%", "", 1, &DrainPolicy::default());
    assert_eq!((counted.leaving, counted.staying, counted.complete), (2, 1, true), "{counted:?}");
}

#[test]
fn the_policy_says_whether_it_is_lost_or_held() {
    let policy = DrainPolicy {
        unmanaged_pods: UnmanagedPods::Block,
        empty_dir_data: EmptyDirData::Block,
        ..DrainPolicy::default()
    };
    let lost = of("n1:solo~ n1:cache+", "", 1, &DrainPolicy::default());
    assert!(!lost.is_blocked() && lost.findings.iter().all(|f| f.severity == Severity::Loses), "{lost:?}");
    let held = of("n1:solo~ n1:cache+", "", 1, &policy);
    assert!(held.findings.iter().all(|f| f.severity == Severity::Blocks), "{held:?}");
}

#[test]
fn each_sentence_has_the_way_out() {
    let check = |pods: &str, budgets: &str, expected: &str| {
        let forecast = of(pods, budgets, 5, &DrainPolicy::default());
        assert_eq!(forecast.findings[0].sentence, expected);
    };
    let unready = "or set unhealthyPodEvictionPolicy AlwaysAllow if its pods are not ready";
    check(
        "n1:db",
        "db=min1",
        &format!(
            "PDB shop/db allows 0 disruptions: it needs 1 healthy of 1, which is all of them: scale StatefulSet/db to 2 first, {unready}"
        ),
    );
    check(
        "n1:db n2:db",
        "a/db=max1 b/db=max1",
        "PDBs shop/a and shop/b select the same 2 pods (shop/db-0), and Kubernetes evicts no such pod: delete one of them, or narrow its selector",
    );
    check(
        "n1:db*3",
        "db=max1",
        "PDB shop/db allows 1 at once and 3 of its pods are on one node: they go one after another",
    );
    check(
        "n1:solo~*7",
        "",
        "7 pods without a controller will be lost (shop/solo-0, shop/solo-1, shop/solo-2, shop/solo-3, shop/solo-4 and 2 more): make them anew elsewhere first if they matter",
    );
    check(
        "n1:cache+",
        "",
        "1 pod will lose the data in emptyDir volumes (shop/cache-0: cache): save it first if it matters",
    );
}

#[test]
fn it_says_when_it_does_not_know() {
    let budgets = budgets("db=min1", &pods("n1:db"));
    let blind = Observed { pods: None, daemon_sets: None, local_claims: BTreeSet::new(), now: Timestamp::UNIX_EPOCH };
    let seen = observe(&budgets, &blind);
    assert_eq!((seen.budgets.len(), seen.never_satisfiable, seen.nodes.len()), (1, 1, 0));
    let forecast = forecast(&seen, &["n1".to_owned()], 1, &DrainPolicy::default());
    assert!(!forecast.complete);
    assert_eq!(forecast.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Incomplete]);
}

#[test]
fn what_is_published_is_bounded_and_keeps_the_worst() {
    let line: Vec<String> = (0..300).map(|i| format!("n{i}:a{i}*2")).collect();
    let pods = pods(&line.join(" "));
    let specs: Vec<String> = (0..300).map(|i| format!("a{i}=max{}", u8::from(i != 250))).collect();
    let seen = seen(&pods, &budgets(&specs.join(" "), &pods));
    assert_eq!((seen.budgets.len(), seen.budgets_total, seen.truncated), (100, 300, true));
    assert_eq!(seen.budgets[0].name, "shop/a250");
    let bytes = serde_json::to_vec(&seen).unwrap().len();
    assert!(bytes < 200_000, "{bytes} bytes");
}

/// Evicts as the API would: one pod after another, each only if its one budget allows it now.
fn is_refused(pods: &[Pod], batch: &[String], budgets: &[PodDisruptionBudget]) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    let mut left: BTreeMap<String, i32> = BTreeMap::new();
    for budget in budgets {
        left.insert(budget.metadata.name.clone().unwrap(), budget.status.as_ref().unwrap().disruptions_allowed);
    }
    for pod in pods.iter().filter(|p| batch.contains(p.spec.as_ref().unwrap().node_name.as_ref().unwrap())) {
        let of = super::super::disruption::budgets_of(pod, budgets);
        let node = pod.spec.as_ref().unwrap().node_name.clone().unwrap();
        match of.as_slice() {
            [] => {}
            [one] => {
                let status = one.status.as_ref().unwrap();
                let name = one.metadata.name.clone().unwrap();
                if !is_ready(pod) && status.desired_healthy > 0 && status.current_healthy >= status.desired_healthy {
                    continue;
                }
                let left = left.get_mut(&name).unwrap();
                if *left <= 0 {
                    refused.push((format!("shop/{name}"), node));
                } else if is_ready(pod) {
                    *left -= 1;
                }
            }
            [first, ..] => refused.push((format!("shop/{}", first.metadata.name.clone().unwrap()), node)),
        }
    }
    refused
}

proptest! {
    #[test]
    fn a_batch_breaks_no_budget_that_nothing_was_said_about(
        placed in prop::collection::vec((0..8usize, 0..5usize, prop::bool::weighted(0.15)), 0..40),
        specs in prop::collection::vec((0..5usize, prop::bool::ANY, 0..5i32), 0..6),
        width in 1..8usize,
    ) {
        let line: Vec<_> = placed.iter().map(|(n, a, sick)| format!("n{n}:a{a}{}", if *sick { "!" } else { "" })).collect();
        let pods = pods(&line.join(" "));
        let specs: Vec<_> = specs.iter().enumerate()
            .map(|(i, (a, least, n))| format!("b{i}/a{a}={}{n}", if *least { "min" } else { "max" })).collect();
        let budgets = budgets(&specs.join(" "), &pods);
        let all = nodes(&pods);
        let forecast = forecast(&seen(&pods, &budgets), &all, width, &DrainPolicy::default());

        prop_assert_eq!(forecast.batches.concat(), all, "every node once, in its order");
        for batch in &forecast.batches {
            prop_assert!(batch.len() <= width);
            // Workloads recover between batches: each begins with all that a budget allows.
            for (budget, node) in is_refused(&pods, batch, &budgets) {
                let told = forecast.findings.iter().any(|f| {
                    f.budget.as_ref().is_some_and(|b| *b == budget) && f.nodes.contains(&node)
                        && (batch.len() == 1 || f.kind == FindingKind::ManyBudgets)
                });
                prop_assert!(told, "{budget} refuses on {node} in {batch:?}: {:#?}", forecast.findings);
            }
        }
    }
}
