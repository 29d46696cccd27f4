//! Tables: a small cluster and a wish on the left; the stages, or the refusal, on the right.

use serde_json::json;

use super::*;
use crate::plan::notation;

/// A cluster `blue` at `version` with pools as in `general=3@1.33.6` or `cp:ControlPlane=3@1.33.6`, and idle machines.
struct Small {
    deployment: ClusterDeployment,
    pools: Vec<NodePool>,
    machines: Vec<Machine>,
    operations: Vec<Operation>,
}

fn small(version: &str, pools: &str, idle: usize) -> Small {
    let deployment = json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "ClusterDeployment",
        "metadata": {"name": "blue", "uid": "uid-blue", "resourceVersion": "1"},
        "spec": {"version": version, "artifacts": {"versions": ["1.32.9", "1.33.6", "1.34.2", "1.35.0"]}},
    });
    let mut small = Small {
        deployment: serde_json::from_value(deployment).expect("a deployment"),
        pools: Vec::new(),
        machines: Vec::new(),
        operations: Vec::new(),
    };
    for word in pools.split_whitespace() {
        let (head, rest) = word.split_once('=').expect("name=n@version");
        let (n, version) = rest.split_once('@').expect("n@version");
        let (name, role) = head.split_once(':').unwrap_or((head, "Worker"));
        let n: usize = n.parse().expect("a number");
        let pool = json!({
            "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool",
            "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "7"},
            "spec": {"clusterName": "blue", "role": role, "replicas": n},
            "status": {"version": version},
        });
        small.pools.push(serde_json::from_value(pool).expect("a pool"));
        for i in 0..n {
            let mut machine = notation::machine(&format!("{name}-{i}:ready@1"));
            let claim = machine.spec.claim_ref.as_mut().expect("a claim");
            (claim.pool_name, claim.revision) = (name.to_owned(), Some(version.to_owned()));
            let node = machine.status.as_mut().and_then(|s| s.node.as_mut()).expect("a node");
            node.kubelet_version = Some(format!("v{version}"));
            small.machines.push(machine);
        }
    }
    small.machines.extend((0..idle).map(|i| notation::machine(&format!("idle-{i}:idle"))));
    small
}

impl Small {
    fn scene(&self) -> Scene<'_> {
        Scene {
            deployment: &self.deployment,
            cluster: None,
            pools: &self.pools,
            machines: &self.machines,
            operations: &self.operations,
            now: Timestamp::from_second(1_000_000).expect("a second"),
        }
    }

    fn pool(&mut self, change: serde_json::Value) {
        let mut pool = serde_json::to_value(&self.pools[0]).expect("it serialises");
        json_patch::merge(&mut pool, &change);
        self.pools[0] = serde_json::from_value(pool).expect("still a pool");
    }
}

fn upgrade(pool: Option<&str>, version: &str) -> Wish {
    Wish::Upgrade { pool: pool.map(str::to_owned), version: version.to_owned(), outside_window: false }
}

/// `cp 1.34.2 ^1^1^1 · a 1.34.2 +1-1`, or the sentence.
fn words(result: Result<Preview, Refusal>) -> String {
    let preview = match result {
        Ok(preview) => preview,
        Err(refusal) => return refusal.to_string(),
    };
    let batch = |b: &crate::plan::rollout::preview::Batch| {
        let part = |sign: &str, n: i32| if n > 0 { format!("{sign}{n}") } else { String::new() };
        [part("+", b.claim), part("-", b.remove), part("^", b.upgrade)].concat()
    };
    let pool = |p: &PoolPreview, to: &str| {
        let batches: String = p.batches.iter().map(batch).collect();
        format!("{} {to} {batches}", p.pool)
    };
    let stage = |s: &StagePreview| s.pools.iter().map(|p| pool(p, &s.to)).collect::<Vec<_>>().join(" & ");
    preview.stages.iter().map(stage).collect::<Vec<_>>().join(" · ")
}

#[test]
fn an_upgrade_goes_stage_by_stage() {
    let small = small("1.33.6", "cp:ControlPlane=3@1.33.6 a=2@1.33.6 b=1@1.33.6", 2);
    let of = |pool, version| words(preview(&small.scene(), &upgrade(pool, version)));
    assert_eq!(of(None, "1.34.2"), "cp 1.34.2 ^1^1^1 · a 1.34.2 +1-1+1-1 & b 1.34.2 +1-1");
    assert_eq!(of(None, "1.35.0"), "cp 1.34.2 ^1^1^1 · cp 1.35.0 ^1^1^1 · a 1.35.0 +1-1+1-1 & b 1.35.0 +1-1");
    assert_eq!(of(Some("a"), "1.32.9"), "a 1.32.9 +1-1+1-1", "workers may go back");
}

#[test]
fn what_cannot_be_is_refused_in_one_sentence() {
    let mut small = small("1.33.6", "a=2@1.33.6 cp:ControlPlane=1@1.33.6", 2);
    let check = |small: &Small, wish: Wish, expected: &str| {
        let said = words(preview(&small.scene(), &wish));
        assert!(said.contains(expected), "{wish:?}: {said}");
    };
    check(&small, upgrade(None, "1.32.9"), "1.33.6 to 1.32.9 is a downgrade");
    check(&small, upgrade(None, "1.33.6"), "blue has that version already");
    check(&small, upgrade(None, "latest"), "latest is not a version");
    check(&small, upgrade(None, "1.34.1"), "1.34.1 is not among the versions that are to be had (1.35.0, 1.34.2");
    check(&small, upgrade(Some("a"), "1.34.2"), "newer than the control plane");
    check(&small, upgrade(Some("cp"), "1.34.2"), "upgrade the whole cluster");
    check(&small, upgrade(Some("x"), "1.34.2"), "there is no pool x");
    let named = |names: &[&str]| Wish::ReplaceMachines {
        pool: "a".into(),
        machines: names.iter().map(|n| (*n).to_owned()).collect(),
        outside_window: false,
    };
    check(&small, named(&["a-0", "gone"]), "gone is no machine of a any more");
    check(&small, Wish::Rollback { pool: "a".into(), outside_window: false }, "no revision of a from before is known");
    check(&small, Wish::Resume { pool: "a".into() }, "a is not paused");
    check(&small, Wish::Unhold { pool: "a".into() }, "a is not on hold");
    check(&small, Wish::Retry { pool: "a".into() }, "nothing of a has failed");
    check(&small, Wish::Abort { pool: "a".into() }, "no rollout of a is under way");
    small.pool(json!({"spec": {"paused": true}}));
    check(&small, Wish::Pause { pool: "a".into() }, "a is paused already");
    small.pool(json!({"status": {"rollout": {"revision": "x", "version": "1.33.7", "outdated": 2}}}));
    check(
        &small,
        Wish::Replace { pool: "a".into(), outside_window: false },
        "rolled out to 1.33.7 already (2 machines left)",
    );
    check(&small, upgrade(Some("a"), "1.32.9"), "rolled out to 1.33.7 already");
}

#[test]
fn in_place_a_pool_of_workers_goes_back_and_a_control_plane_does_not() {
    let before = |version: &str| json!({"status": {"version": "1.34.2", "previousRevision": {"revision": "old", "version": version}}});
    let in_place = json!({"spec": {"rollout": {"strategy": {"type": "InPlace"}}}});
    let mut workers = small("1.34.2", "a=2@1.34.2 cp:ControlPlane=3@1.34.2", 0);
    workers.pool(in_place.clone());
    workers.pool(before("1.33.6"));
    let back = Wish::Rollback { pool: "a".into(), outside_window: false };
    assert_eq!(words(preview(&workers.scene(), &back)), "a 1.33.6 ^1^1");
    workers.pool(before("1.30.1"));
    let said = words(preview(&workers.scene(), &back));
    assert!(said.contains("4 minor versions behind the control plane"), "{said}");

    let mut members = small("1.34.2", "cp:ControlPlane=3@1.34.2", 0);
    members.pool(before("1.33.6"));
    let said = words(preview(&members.scene(), &Wish::Rollback { pool: "cp".into(), outside_window: false }));
    for part in ["does not support taking one from 1.34.2 back to 1.33.6", "abort to stop where it is", "restore etcd"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn midway_back_only_what_was_changed_is_changed_again() {
    let mut small = small("1.34.2", "a=3@1.34.2 cp:ControlPlane=3@1.34.2", 3);
    small.pool(json!({"status": {"version": "1.34.2", "previousRevision": {"revision": "old", "version": "1.33.6"}}}));
    // Claimed before revisions were written down, by the set of the revision before.
    for machine in &mut small.machines[..2] {
        let claim = machine.spec.claim_ref.as_mut().expect("it is a member");
        (claim.revision, claim.name) = (None, "a-old".to_owned());
    }
    let back = preview(&small.scene(), &Wish::Rollback { pool: "a".into(), outside_window: false }).unwrap();
    assert_eq!(back.machines, 1);
}

#[test]
fn a_whole_cluster_is_paused_and_goes_on() {
    let mut small = small("1.33.6", "a=2@1.33.6 b=1@1.33.6", 0);
    small.pool(json!({"spec": {"paused": true}}));
    let author = Author { by: "alice", reason: None };
    let pause = changes(&small.scene(), &Wish::PauseCluster, &author).unwrap();
    assert_eq!(
        (pause[0].kind, pause[0].name.as_str(), &pause[0].patch["spec"]),
        ("ClusterDeployment", "blue", &json!({"paused": true}))
    );
    let asked = preview(&small.scene(), &Wish::PauseCluster).unwrap();
    assert_eq!((asked.level, asked.title.as_str()), (0, "Pause blue with all of its pools"));
    assert!(words(preview(&small.scene(), &Wish::ResumeCluster)).contains("blue is not paused"));
    small.deployment.spec.paused = true;
    assert!(words(preview(&small.scene(), &Wish::PauseCluster)).contains("blue is paused already"));
    let on = preview(&small.scene(), &Wish::ResumeCluster).unwrap();
    assert_eq!(
        (on.level, &on.warnings[..]),
        (1, &["a is paused itself and stays so: resume it as well".to_owned()][..])
    );
}

#[test]
fn a_minor_version_in_between_has_to_be_had() {
    let mut small = small("1.32.9", "cp:ControlPlane=1@1.32.9", 0);
    small.deployment.spec.artifacts.versions = vec!["1.32.9".into(), "1.34.2".into()];
    let said = words(preview(&small.scene(), &upgrade(None, "1.34.2")));
    assert!(said.contains("leads over 1.33") && said.contains("list one in spec.artifacts.versions"), "{said}");
}

#[test]
fn the_last_member_of_a_control_plane_needs_another_first() {
    let mut small = small("1.33.6", "cp:ControlPlane=1@1.33.6", 0);
    let replace = Wish::Replace { pool: "cp".into(), outside_window: false };
    assert!(words(preview(&small.scene(), &replace)).contains("maxSurge 1 and an idle machine"));
    small.machines.push(notation::machine("spare:idle"));
    assert_eq!(words(preview(&small.scene(), &replace)), "cp  +1-1");
    // Where it is, it may be upgraded, and that its API server is away meanwhile is said.
    let preview = preview(&small.scene(), &upgrade(None, "1.34.2")).unwrap();
    assert!(preview.warnings[0].contains("its API server is away for some minutes"), "{:?}", preview.warnings);
}

#[test]
fn what_is_missing_is_said_before() {
    let small = small("1.33.6", "a=2@1.33.6", 0);
    let preview = preview(&small.scene(), &upgrade(None, "1.34.2")).unwrap();
    assert!(preview.warnings[0].contains("a will stop before its end: 1 more idle machine is needed"), "{preview:?}");
}

#[test]
fn levels_rise_with_what_is_at_stake() {
    let mut small = small("1.33.6", "a=20@1.33.6", 2);
    let level = |small: &Small, wish: &Wish| preview(&small.scene(), wish).map(|p| p.level);
    let some = Wish::ReplaceMachines { pool: "a".into(), machines: vec!["a-1".into()], outside_window: false };
    assert_eq!(level(&small, &Wish::Pause { pool: "a".into() }), Ok(0));
    assert_eq!(level(&small, &upgrade(None, "1.34.2")), Ok(2));
    assert_eq!(level(&small, &some), Ok(2));
    small.pool(json!({"spec": {"rollout": {"strategy": {"rollingUpdate": {"maxUnavailable": "25%"}}}}}));
    assert_eq!(level(&small, &upgrade(None, "1.34.2")), Ok(3));
    small.pool(
        json!({"spec": {"rollout": null}, "metadata": {"labels": {"quarterdeck.dev/environment": "production"}}}),
    );
    assert_eq!(level(&small, &some), Ok(3));
}

#[test]
fn what_is_written_is_bound_to_what_was_seen() {
    let mut small = small("1.33.6", "a=2@1.33.6", 2);
    let author = Author { by: "alice", reason: Some("CVE") };
    let of = |small: &Small, wish: Wish| changes(&small.scene(), &wish, &author).unwrap();
    let [change] = &of(&small, upgrade(Some("a"), "1.34.2"))[..] else { panic!("one change") };
    assert_eq!((change.kind, change.name.as_str()), ("NodePool", "a"));
    assert_eq!((change.uid.as_deref(), change.resource_version.as_deref()), (Some("uid-a"), Some("7")));
    assert_eq!(change.patch["spec"]["version"], "1.34.2");
    assert_eq!(change.patch["metadata"]["annotations"]["quarterdeck.dev/reason"], "CVE");
    let marks =
        of(&small, Wish::ReplaceMachines { pool: "a".into(), machines: vec!["a-1".into()], outside_window: false });
    assert_eq!((marks[0].kind, marks[0].name.as_str()), ("Machine", "a-1"));

    let before = json!({"revision": "old", "version": "1.32.9", "template": {"labels": {"x": "1"}}});
    small.pool(json!({"spec": {"template": {"labels": {"y": "2"}}}, "status": {"previousRevision": before}}));
    let [back] = &of(&small, Wish::Rollback { pool: "a".into(), outside_window: false })[..] else {
        panic!("one change")
    };
    assert_eq!(back.patch["spec"]["version"], "1.32.9");
    assert_eq!(back.patch["spec"]["template"]["labels"], json!({"x": "1", "y": null}));
}

#[test]
fn an_abort_keeps_what_is_old_and_takes_back_what_has_not_begun() {
    let mut small = small("1.33.6", "a=3@1.33.6", 2);
    small.pool(json!({"status": {"rollout": {"revision": "new", "outdated": 2, "inFlight": 1}}}));
    small.operations = notation::operations("r:Replace:Draining=a-0 done:Replace:Running=a-1");
    for operation in &mut small.operations {
        operation.spec.pool_name = Some("a".to_owned());
    }
    small.machines[0].metadata.labels.as_mut().unwrap().insert("quarterdeck.dev/operation".into(), "r".into());
    small.machines[1].metadata.labels.as_mut().unwrap().insert("quarterdeck.dev/operation".into(), "done".into());
    let author = Author { by: "alice", reason: None };
    let all = changes(&small.scene(), &Wish::Abort { pool: "a".into() }, &author).unwrap();
    let kinds: Vec<_> = all.iter().map(|c| (c.kind, c.name.as_str())).collect();
    assert_eq!(
        kinds,
        [("NodePool", "a"), ("Operation", "r")],
        "the pool first; hosts that are worked on are not touched"
    );
    assert_eq!(all[0].patch["spec"]["rollout"]["partition"], 2, "the one that is worked on leaves");
}

#[test]
fn an_abort_of_what_is_paused_says_that_it_stays_so() {
    let said = |paused: bool| {
        let mut small = small("1.33.6", "a=3@1.33.6", 2);
        small.pool(json!({"spec": {"paused": paused},
            "status": {"rollout": {"revision": "new", "outdated": 2, "inFlight": 1}}}));
        let preview = preview(&small.scene(), &Wish::Abort { pool: "a".into() }).expect("it is planned");
        preview.warnings.iter().any(|w| w.starts_with("the pool is paused and stays so: "))
    };
    assert!(said(true) && !said(false));
}

#[test]
fn what_the_drains_meet_is_part_of_the_plan() {
    let small = small("1.33.6", "a=2@1.33.6", 2);
    let budget = json!({"name": "legacy/billing", "requires": "minAvailable 1", "allowed": 0, "healthy": 1,
        "desired": 1, "expected": 1, "never": "OnlyOne"});
    let cluster: Cluster = serde_json::from_value(json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "blue"}, "spec": {"deploymentName": "blue"},
        "status": {"disruption": {"budgetsTotal": 1, "neverSatisfiable": 1, "budgets": [budget]}},
    }))
    .expect("a cluster");
    let said = |wish: Wish| {
        let preview = preview(&Scene { cluster: Some(&cluster), ..small.scene() }, &wish).expect("it is planned");
        preview.drains.iter().any(|f| f.sentence.contains("legacy/billing can never be satisfied"))
    };
    assert!(said(Wish::Replace { pool: "a".to_owned(), outside_window: false }));
    assert!(said(upgrade(None, "1.34.2")));
    assert!(!said(Wish::Hold { pool: "a".to_owned() }), "nothing is drained");
}

#[test]
fn an_upgrade_says_which_apis_it_takes_away_from_whoever_asks_for_them() {
    let small = small("1.32.9", "a=2@1.32.9", 2);
    let said = |asked: serde_json::Value, wish: Wish| {
        let cluster: Cluster = serde_json::from_value(json!({
            "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "blue"},
            "spec": {"deploymentName": "blue"}, "status": {"deprecatedApis": asked},
        }))
        .expect("a cluster");
        let preview = preview(&Scene { cluster: Some(&cluster), ..small.scene() }, &wish).expect("it is planned");
        preview.warnings.iter().filter(|w| w.contains("still asked for")).count()
    };
    let asked = json!([
        {"apiVersion": "networking.k8s.io/v1beta1", "resource": "ipaddresses", "removedIn": "1.34"},
        {"apiVersion": "storage.k8s.io/v1alpha1", "resource": "volumeattributesclasses", "removedIn": "1.35"},
    ]);
    assert_eq!(said(asked.clone(), upgrade(None, "1.34.2")), 1);
    assert_eq!(said(asked.clone(), upgrade(None, "1.33.6")), 0);
    assert_eq!(said(asked, Wish::Replace { pool: "a".to_owned(), outside_window: false }), 0, "the version stays");
    assert_eq!(said(json!(null), upgrade(None, "1.34.2")), 0, "nobody knows");
}

mod windows;
