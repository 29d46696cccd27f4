use super::*;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pod(mut more: Value) -> Pod {
    more["name"] = json!("db-0");
    more["namespace"] = json!("shop");
    more["uid"] = json!("u-0");
    more["labels"] = json!({"app": "db"});
    more["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "s", "controller": true}]);
    serde_json::from_value(json!({"metadata": more, "spec": {"containers": [], "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]}}))
    .unwrap()
}

fn budget(name: &str, needs: i32, has: i32, of: i32) -> PodDisruptionBudget {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"minAvailable": needs, "selector": {"matchLabels": {"app": "db"}}},
        "status": {"disruptionsAllowed": 0, "desiredHealthy": needs, "currentHealthy": has, "expectedPods": of,
            "conditions": [{"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
                "lastTransitionTime": "1970-01-01T00:00:07Z"}]},
    }))
    .unwrap()
}

fn refused(budgets: &[PodDisruptionBudget], kind: BlockerKind, before: Option<&DrainBlocker>) -> DrainBlocker {
    blocker(&pod(json!({})), Treatment::Evict, Answer::Refused(kind, "no"), budgets, before, at(100)).unwrap()
}

#[test]
fn a_blocker_names_the_budget_and_says_whether_it_can_ever_give_way() {
    let check = |budgets: &[_], kind, expected, words: &str| {
        let said = refused(budgets, kind, None);
        assert_eq!(said.kind, expected);
        assert!(said.message.contains(words), "{}", said.message);
    };
    let one = BlockerKind::Budget;
    check(&[budget("db", 1, 1, 1)], one, BlockerKind::NeverSatisfiable, "scale StatefulSet/db to 2 first");
    check(&[budget("db", 2, 1, 3)], one, BlockerKind::Budget, "mend its pods");
    check(&[budget("db", 2, 2, 3)], one, BlockerKind::Budget, "another pod");
    let two = [budget("a", 1, 1, 2), budget("b", 1, 1, 2)];
    check(&two, BlockerKind::ManyBudgets, BlockerKind::ManyBudgets, "PDBs shop/a and shop/b");
    check(&[], one, BlockerKind::Budget, "no");
    check(&[], BlockerKind::Forbidden, BlockerKind::Forbidden, "create on pods/eviction");
    check(&[], BlockerKind::NamespaceTerminating, BlockerKind::NamespaceTerminating, "being deleted");
}

#[test]
fn it_says_since_when_and_how_often() {
    let budgets = [budget("db", 1, 1, 1)];
    let first = refused(&budgets, BlockerKind::Budget, None);
    assert_eq!((first.since.clone(), first.refused), (Some(Time(at(7))), 1), "the budget knows since when");
    assert_eq!((first.pod.as_str(), first.pdb.as_deref()), ("shop/db-0", Some("shop/db")));
    assert_eq!((first.owner.as_deref(), first.disruptions_allowed), (Some("StatefulSet/db"), Some(0)));
    let hinted = DrainBlocker { hint: Some("do".to_owned()), ..first };
    let second = refused(&budgets, BlockerKind::Budget, Some(&hinted));
    assert_eq!((second.refused, second.hint.as_deref(), second.last_refused_at), (2, Some("do"), Some(Time(at(100)))));
    let failing = DrainBlocker { since: Some(Time(at(3))), ..DrainBlocker::default() };
    let again = refused(&[], BlockerKind::ServerError, Some(&failing));
    assert_eq!(again.since, Some(Time(at(3))), "where nobody else knows, since it was first in the way");
}

#[test]
fn a_pod_that_is_not_asked_in_this_pass_is_still_in_the_way() {
    let before = refused(&[budget("db", 1, 1, 1)], BlockerKind::Budget, None);
    let look =
        |budgets: &[_], before| blocker(&pod(json!({})), Treatment::Evict, Answer::NotAsked, budgets, before, at(200));
    let after = look(&[budget("db", 2, 1, 3)], Some(&before)).unwrap();
    assert_eq!(
        (after.refused, after.kind, after.last_refused_at.clone()),
        (1, BlockerKind::Budget, Some(Time(at(100))))
    );
    assert!(after.message.contains("2 healthy of 3"), "with the numbers of now: {}", after.message);
    assert_eq!(look(&[], None), None, "never asked");
    let other = DrainBlocker { pod_uid: Some("another".to_owned()), ..before.clone() };
    assert!(super::before(&[other, before.clone()], &pod(json!({}))) == Some(&before));
}

#[test]
fn a_pod_that_does_not_die_is_a_blocker_too() {
    let dying = |more: Value, now| {
        let mut meta = json!({"deletionTimestamp": "1970-01-01T00:00:10Z"});
        meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        blocker(&pod(meta), Treatment::Terminating, Answer::NotAsked, &[], None, at(now))
    };
    assert_eq!(dying(json!({}), 70), None);
    let stuck = dying(json!({"finalizers": ["a/b", "c/d"]}), 71).unwrap();
    assert_eq!((stuck.kind, stuck.refused), (BlockerKind::StuckTerminating, 0));
    assert!(stuck.message.contains("(a/b, c/d)"), "{}", stuck.message);
    assert!(dying(json!({}), 71).unwrap().message.contains("shop/data-db-0"));
}

#[test]
fn a_hint_is_for_owners_that_can_be_scaled() {
    let check = |budget: PodDisruptionBudget, autoscaler, expected: Option<&str>| {
        let budgets = [budget];
        let said = refused(&budgets, BlockerKind::Budget, None);
        assert_eq!(hint(&said, &budgets, autoscaler).as_deref(), expected);
    };
    check(budget("db", 1, 1, 1), None, Some("scale StatefulSet/db to 2 (now 1)"));
    check(budget("db", 2, 2, 3), None, Some("scale StatefulSet/db to 4 (now 3)"));
    check(
        budget("db", 1, 1, 1),
        Some("HorizontalPodAutoscaler/db"),
        Some("raise minReplicas of HorizontalPodAutoscaler/db to 2"),
    );
    check(budget("db", 2, 1, 3), None, None);
    let mut closed = budget("db", 3, 3, 3);
    closed.spec.as_mut().unwrap().min_available =
        Some(k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String("100%".to_owned()));
    check(closed, None, None);
}

#[test]
fn what_waits_for_a_person_comes_first() {
    let new = |pod: &str, kind| DrainBlocker { pod: pod.to_owned(), kind, ..DrainBlocker::default() };
    let mut all =
        vec![new("b", BlockerKind::Budget), new("a", BlockerKind::Budget), new("z", BlockerKind::NeverSatisfiable)];
    sort(&mut all);
    assert_eq!(all.iter().map(|b| b.pod.as_str()).collect::<String>(), "zab");
}
