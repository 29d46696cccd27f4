use super::*;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Words about a pod: its name, then `rs`, `ds`, `orphan` (its `DaemonSet` is gone), `mirror`, `over`, `skip`, `wait`,
/// `dir`, `local`, `order=N`, `dies=SECOND`.
fn pod(words: &str) -> Pod {
    let mut words = words.split_whitespace();
    let mut pod = json!({"metadata": {"name": words.next().unwrap(), "namespace": "shop", "labels": {}, "annotations": {}},
        "spec": {"containers": [], "volumes": []}, "status": {"phase": "Running"}});
    let owner = |kind: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": uid, "controller": true}]);
    let volume = |pod: &mut Value, volume| pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("rs", _) => pod["metadata"]["ownerReferences"] = owner("ReplicaSet", "r"),
            ("ds", _) => pod["metadata"]["ownerReferences"] = owner("DaemonSet", "d"),
            ("orphan", _) => pod["metadata"]["ownerReferences"] = owner("DaemonSet", "gone"),
            ("mirror", _) => pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x"),
            ("over", _) => pod["status"]["phase"] = json!("Failed"),
            ("skip", _) => pod["metadata"]["labels"][labels::DRAIN] = json!("skip"),
            ("wait", _) => pod["metadata"]["annotations"][labels::DRAIN] = json!("wait-completed"),
            ("dir", _) => volume(&mut pod, json!({"name": "cache", "emptyDir": {}})),
            ("local", _) => volume(&mut pod, json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}})),
            ("order", n) => pod["metadata"]["annotations"][labels::DRAIN_ORDER] = json!(n),
            ("dies", second) => pod["metadata"]["deletionTimestamp"] = json!(at(second.parse().unwrap())),
            (other, _) => panic!("{other}"),
        }
    }
    serde_json::from_value(pod).unwrap()
}

fn known() -> Circumstances {
    Circumstances { daemon_sets: Some(BTreeSet::from(["d".to_owned()])), ..Circumstances::default() }
}

#[test]
fn which_pods_hold_a_node() {
    let check = |words, expected| assert_eq!(classify(&pod(words), &known(), at(1000)), expected, "{words}");
    check("a", Treatment::Evict);
    check("a rs dir", Treatment::Evict);
    check("a ds", Treatment::DaemonSet);
    check("a orphan", Treatment::Evict);
    check("a ds over", Treatment::Evict);
    check("a mirror", Treatment::Mirror);
    check("a mirror dies=900", Treatment::Mirror);
    check("a dies=900", Treatment::Terminating);
    check("a ds dies=900", Treatment::Terminating);
    check("a rs skip", Treatment::Skipped);
    check("a rs skip over", Treatment::Skipped);
    check("a rs wait", Treatment::WaitCompleted);
    check("a rs wait over", Treatment::Evict);
    check("a ds wait", Treatment::DaemonSet);
}

#[test]
fn nobody_could_be_asked_which_daemon_sets_exist() {
    let blind = Circumstances { daemon_sets: None, ..known() };
    assert_eq!(classify(&pod("a orphan"), &blind, at(0)), Treatment::DaemonSet);
}

#[test]
fn what_is_lost_goes_by_consent() {
    let policy = DrainPolicy {
        unmanaged_pods: UnmanagedPods::Block,
        empty_dir_data: EmptyDirData::Block,
        ..DrainPolicy::default()
    };
    let careful = Circumstances { policy, ..known() };
    let check = |words, expected| assert_eq!(classify(&pod(words), &careful, at(0)), expected, "{words}");
    check("a", Treatment::Withheld(BlockerKind::Unmanaged));
    check("a rs", Treatment::Evict);
    check("a rs dir", Treatment::Withheld(BlockerKind::EmptyDirData));
    check("a dir", Treatment::Withheld(BlockerKind::Unmanaged));
    check("a dir over", Treatment::Evict);
    check("a orphan", Treatment::Evict);
    check("a ds dir", Treatment::DaemonSet);
    let forced = Circumstances { forced: true, ..careful.clone() };
    let check = |words, expected| assert_eq!(classify(&pod(words), &forced, at(0)), expected, "{words}");
    check("a dir", Treatment::Evict);
    check("a rs wait", Treatment::Evict);
    check("a rs skip", Treatment::Skipped);
}

#[test]
fn a_node_that_does_not_answer_confirms_nothing() {
    let dark = Circumstances { unreachable: true, ..known() };
    let check = |words, now, expected| assert_eq!(classify(&pod(words), &dark, at(now)), expected, "{words}");
    check("a rs", 1000, Treatment::Evict);
    check("a rs dies=1000", 1001, Treatment::Terminating);
    check("a rs dies=1000", 1002, Treatment::LeftBehind);
}

#[test]
fn the_lowest_order_goes_first() {
    let check = |pods: &str, expected: &str| {
        let pods: Vec<Pod> = pods.split(',').map(pod).collect();
        let evicted: Vec<_> = treatments(&pods, &known(), at(1000))
            .into_iter()
            .filter(|(_, t)| *t == Treatment::Evict)
            .filter_map(|(p, _)| p.metadata.name.clone())
            .collect();
        assert_eq!(evicted.join(" "), expected);
    };
    check("a,b,c order=1", "a b");
    check("a,b order=-5,c order=1", "b");
    check("a dies=2000,c order=1", "");
    check("a ds order=-1,c order=1", "c");
    check("a wait,b,c order=1", "b");
    check("a order=first,b order=1", "a");
}

#[test]
fn what_is_lost_is_said() {
    let local = BTreeSet::from(["shop/data".to_owned()]);
    let check = |words, expected: &[(LossKind, &str)]| {
        let lost: Vec<_> = losses(&pod(words), &local).into_iter().map(|l| (l.kind, l.volumes.join(","))).collect();
        let expected: Vec<_> = expected.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        assert_eq!(lost, expected, "{words}");
    };
    check("a rs", &[]);
    check("a", &[(LossKind::Pod, "")]);
    check("a dir local", &[(LossKind::Pod, ""), (LossKind::EmptyDir, "cache"), (LossKind::LocalVolume, "shop/data")]);
    check("a dir over", &[]);
}
