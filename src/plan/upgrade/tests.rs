//! Tables of clusters: what their pools have on the left, the stages on the right.

use std::collections::BTreeMap;

use super::*;
use crate::api::Role;

fn version(text: &str) -> Version {
    text.parse().unwrap_or_else(|_| format!("1.{text}").parse().expect("a version"))
}

/// `cp=33.6x3` a control plane of three; `general=33.6x5` workers; `gpu@33.6=33.6x5` pinned; `etc^=…` upgraded in place;
/// `a=33.6x2+34.2x1` in the middle; `a~1=…` one kept; `new=` empty. Versions are given without their `1.`.
fn pool(word: &str) -> PoolView {
    let (name, machines) = word.split_once('=').expect("name=versions");
    let in_place = name.contains('^');
    let name: String = name.chars().filter(|c| *c != '^').collect();
    let (name, partition) = name.split_once('~').map_or((name.as_str(), 0), |(n, k)| (n, k.parse().expect("a number")));
    let (name, pinned) = name.split_once('@').map_or((name, None), |(n, v)| (n, Some(version(v))));
    let count = |part: &str| {
        let (v, n) = part.split_once('x').expect("versionxnumber");
        (version(v), n.parse().expect("a number"))
    };
    let role = if name.starts_with("cp") { Role::ControlPlane } else { Role::Worker };
    let versions: BTreeMap<Version, i32> = machines.split('+').filter(|p| !p.is_empty()).map(count).collect();
    PoolView { name: name.to_owned(), role, pinned, in_place, versions, partition, settled: true }
}

fn cluster(wanted: &str, pools: &str) -> ClusterView {
    ClusterView {
        name: "blue".to_owned(),
        wanted: version(wanted),
        reported: None,
        offered: ["29.9", "30.8", "31.7", "32.6", "33.6", "33.7", "34.2", "35.0"].map(version).into(),
        pools: pools.split_whitespace().map(pool).collect(),
    }
}

/// `cp 30.8 · general+gpu 32.6`, or the refusal.
fn words(result: Result<Vec<Stage>, Refusal>) -> String {
    let short = |v: &Version| v.to_string().trim_start_matches("1.").to_owned();
    match result {
        Ok(stages) => {
            let words: Vec<_> = stages.iter().map(|s| format!("{} {}", s.pools.join("+"), short(&s.to))).collect();
            words.join(" · ")
        }
        Err(Refusal::Skew(skew)) => format!("skew: {skew}"),
        Err(Refusal::NotOffered { .. }) => "not offered".to_owned(),
        Err(Refusal::NoStep { missing, .. }) => format!("no step over {missing}"),
        Err(Refusal::Pinned { pool, .. }) => format!("{pool} is pinned"),
    }
}

fn check(wanted: &str, pools: &str, expected: &str) {
    assert_eq!(words(stages(&cluster(wanted, pools))), expected, "{pools} to {wanted}");
}

#[test]
fn the_control_plane_goes_first() {
    check("34.2", "cp=33.6x3 a=33.6x5", "cp 34.2 · a 34.2");
    check("34.2", "cp=33.6x3 b=33.6x5 a=33.6x1", "cp 34.2 · b+a 34.2");
    check("33.7", "cp=33.6x3 a=33.6x5", "cp 33.7 · a 33.7");
    check("33.6", "cp=33.6x3 a=33.6x5", "");
    check("34.2", "cp=34.2x3 a=33.6x4+34.2x1", "a 34.2");
    check("34.2", "cp=33.6x2+34.2x1 a=33.6x5", "cp 34.2 · a 34.2");
    check("34.2", "cp=34.2x3 new=", "");
}

#[test]
fn nodes_catch_up_before_they_would_be_left_behind() {
    check("33.6", "cp=29.9x3 a=29.9x5", "cp 30.8 · cp 31.7 · cp 32.6 · a 32.6 · cp 33.6 · a 33.6");
    check("33.6", "cp=32.6x3 a=29.9x5", "a 32.6 · cp 33.6 · a 33.6");
    check("33.6", "cp=32.6x3 a=30.8x5 b=29.9x1", "b 32.6 · cp 33.6 · a+b 33.6");
    check("35.0", "cp=33.6x1 a=32.6x1", "cp 34.2 · cp 35.0 · a 35.0");
}

#[test]
fn in_place_nodes_go_minor_by_minor() {
    check("32.6", "cp=30.8x3 a^=30.8x5", "cp 31.7 · a 31.7 · cp 32.6 · a 32.6");
}

#[test]
fn a_pool_may_have_a_version_of_its_own() {
    check("34.2", "cp=33.6x3 gpu@33.6=33.6x2 a=33.6x1", "cp 34.2 · a 34.2");
    check("34.2", "cp=34.2x3 gpu@33.7=33.6x2", "gpu 33.7");
    check("35.0", "cp=34.2x3 gpu@31.7=31.7x2", "gpu is pinned");
    check(
        "34.2",
        "cp=34.2x3 gpu@35.0=34.2x2",
        "skew: kubelet 1.35.0 would be newer than the control plane, which has 1.34.2: upgrade the control plane first",
    );
}

#[test]
fn workers_may_go_back_and_a_control_plane_may_not() {
    check("34.2", "cp=34.2x3 a@33.6=34.2x2+33.6x1", "a 33.6");
    check("34.2", "cp=34.2x3 a^@33.6=34.2x2", "a 33.6");
    check("34.2", "cp=34.2x3 a^@33.6=34.2x1+33.6x1", "a 33.6");
    check("34.2", "cp=34.2x3 a^@33.6=33.6x2", "");
    check(
        "33.6",
        "cp=34.2x3 a=34.2x2",
        "skew: 1.34.2 to 1.33.6 is a downgrade: a control plane only goes forward, so choose 1.34.2 or a newer version",
    );
    check(
        "33.6",
        "cp=33.7x3",
        "skew: 1.33.7 to 1.33.6 is a downgrade: a control plane only goes forward, so choose 1.33.7 or a newer version",
    );
}

#[test]
fn only_what_is_to_be_had() {
    check("34.9", "cp=33.6x3", "not offered");
    check(
        "35.0",
        "cp=28.1x3 a=28.1x1",
        "cp 29.9 · cp 30.8 · cp 31.7 · a 31.7 · cp 32.6 · cp 33.7 · cp 34.2 · a 34.2 · cp 35.0 · a 35.0",
    );
    let mut bare = cluster("33.6", "cp=31.7x3");
    bare.offered.clear();
    assert_eq!(words(stages(&bare)), "no step over 1.32");
    bare.wanted = version("32.1");
    assert_eq!(words(stages(&bare)), "cp 32.1");
}

#[test]
fn a_control_plane_of_somebody_else_bounds_its_nodes() {
    let mut managed = cluster("34.2", "a=33.6x3");
    assert_eq!(words(stages(&managed)), "a 34.2", "nothing is known of the control plane");
    managed.reported = Some(version("34.2"));
    assert_eq!(words(stages(&managed)), "a 34.2");
    managed.reported = Some(version("33.6"));
    assert!(words(stages(&managed)).starts_with("skew: kubelet 1.34.2 would be newer"));
}

#[test]
fn machines_that_are_kept_are_not_waited_for() {
    check("34.2", "cp=34.2x3 a~1=33.6x1+34.2x4", "");
    check("34.2", "cp=34.2x3 a~1=33.6x2+34.2x3", "a 34.2");
}

#[test]
fn each_pool_is_told_what_it_is_to_have_now() {
    let cluster = cluster("34.2", "cp=33.6x3 a=33.6x5 new=");
    let now = |pool: &str| target_now(&cluster, pool).unwrap().map(|v| v.to_string()).unwrap_or_default();
    assert_eq!((now("cp"), now("a"), now("new")), ("1.34.2".into(), "1.33.6".into(), "1.33.6".into()));
    assert_eq!(waits_for(&cluster, "cp"), None);
    let why = waits_for(&cluster, "a").unwrap();
    assert_eq!(why, "the control plane goes to 1.34.2 first, then this pool goes to 1.34.2");
}

mod invariants {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::skew;

    fn any_pool(name: &'static str) -> impl Strategy<Value = PoolView> {
        (29..35u32, 1..4i32, any::<bool>()).prop_map(move |(minor, n, in_place)| {
            let patches = BTreeMap::from([(29, "9"), (30, "8"), (31, "7"), (32, "6"), (33, "6"), (34, "2")]);
            let have = version(&format!("{minor}.{}", patches[&minor]));
            let mut pool = pool(&format!("{name}={}x{n}", have.to_string().trim_start_matches("1.")));
            pool.in_place = in_place;
            pool
        })
    }

    proptest! {
        /// Whatever a cluster has: followed stage by stage, no two versions ever run together that must not.
        #[test]
        fn following_the_stages_never_breaks_the_skew(control in any_pool("cp"), a in any_pool("a"), b in any_pool("b")) {
            let control_plane = control.lowest().unwrap().clone();
            prop_assume!([&a, &b].iter().all(|p| skew::kubelet(p.lowest().unwrap(), &control_plane).is_ok()));
            let mut cluster = cluster("35.0", "");
            cluster.pools = vec![control, a, b];
            let planned = stages(&cluster).unwrap();
            for _ in 0..30 {
                let Some(stage) = stages(&cluster).unwrap().into_iter().next() else { break };
                for name in &stage.pools {
                    let pool = cluster.pools.iter_mut().find(|p| p.name == *name).unwrap();
                    let before = pool.lowest().unwrap().clone();
                    prop_assert!(stage.to > before, "{name}: {before} to {}", stage.to);
                    if pool.role == Role::ControlPlane {
                        skew::control_plane(&before, &stage.to).unwrap();
                    }
                    let all = pool.versions.values().sum();
                    pool.versions = BTreeMap::from([(stage.to.clone(), all)]);
                }
                let now = cluster.control_plane().unwrap();
                for worker in cluster.workers() {
                    skew::kubelet(worker.lowest().unwrap(), &now).unwrap();
                }
            }
            prop_assert!(stages(&cluster).unwrap().is_empty());
            prop_assert!(cluster.pools.iter().all(|p| p.is_at(&version("35.0"))));
            prop_assert!(!planned.is_empty());
        }
    }
}
