use super::*;
use crate::fleet::testing::snapshot;

const FLEET: &str = r#"
    cluster eu-1
    pool gpu replicas=4 selector.gpu=h100
    machine m-1 Ready rack=r12 node=node-one kubelet=1.34.2
    machine m-2 Provisioning phases=Preflight:ok:20,Kubelet:run:12,Join op=eu-1-gpu-up rack=r12
    machine m-3 Failed phases=Kubelet:fail:9 message="kubelet does not start" topology.kubernetes.io/zone=a
    pool infra role=ControlPlane replicas=1
    machine m-12 Ready kubelet=1.33.6
    cluster us-1
    pool gpu replicas=1
    machine m-20 NotReady
    idle 2 spare- rack=r14
"#;

fn check(text: &str, wanted: &str) {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut names: Vec<_> = filter.machines(&snapshot(FLEET)).iter().map(|m| m.name.to_string()).collect();
    names.sort_by(|a, b| crate::fleet::natural(a, b));
    assert_eq!(names.join(" "), wanted, "{text}");
}

fn refuse(text: &str, wanted: &str) {
    let error = Filter::parse(text).expect_err(text).to_string();
    assert!(error.starts_with(wanted), "{text}: {error}");
}

#[test]
fn words_are_fuzzy_where_they_are_letters() {
    check("", "m-1 m-2 m-3 m-12 m-20 spare-1 spare-2");
    check("spr", "spare-1 spare-2");
    check("m-2", "m-2 m-20");
    check("ndone", "m-1");
    check("infra", "m-12");
    check("eu-1 gpu", "m-1 m-2 m-3");
    check("GPU", "m-1 m-2 m-3 m-20");
    check("'spare", "spare-1 spare-2");
    check("^m-1", "m-1 m-12");
    check("!spare !gpu", "m-12");
    check("nothing-like-it", "");
}

#[test]
fn keys_test_values() {
    check("state=ready", "m-1 m-12");
    check("state!=ready pool=gpu", "m-2 m-3 m-20");
    check("state=failed,notready", "m-3 m-20");
    check("rack=r12", "m-1 m-2");
    check("rack!=r12 cluster=eu-1", "m-3 m-12");
    check("zone=a", "m-3");
    check("topology.kubernetes.io/zone=a", "m-3");
    check("version:1.34 cluster=eu-1", "m-1");
    check("version~33", "m-12");
    check("phase=kubelet", "m-2 m-3");
    check("message~\"DOES not\"", "m-3");
    check("reason!~kubelet cluster=eu-1", "m-1 m-2 m-12");
    check("role=controlplane", "m-12");
    check("pool=eu-1-gpu", "m-1 m-2 m-3");
    check("pool!=gpu", "m-12 spare-1 spare-2");
    check("op:eu-1", "m-2");
    check("node=node-one", "m-1");
    check("name=m-1", "m-1");
    check("ready=false", "m-20");
    check("health=idle", "spare-1 spare-2");
    check("!", "m-3 m-20");
    check("! cluster=us-1", "m-20");
}

#[test]
fn what_cannot_be_read_is_named_with_its_column() {
    refuse("state=", "column 7: a value is missing behind `state=`");
    refuse("rack=r12 =x", "column 10: a key is missing before `=`");
    refuse("x state=redy", "column 9: there is no `redy` here; there is Idle, Claimed");
    refuse("é role=boss", "column 8: there is no `boss` here; there is Worker, ControlPlane, Etcd");
    refuse("message~\"no end", "column 9: this quote is not closed");
}

#[test]
fn pools_clusters_operations_and_events_are_filtered_too() {
    let fleet = snapshot(&format!(
        "{FLEET}\n operation eu-1-gpu-up ScaleUp Running 1/3 by=alice reason=launch
         event Warning DrainBlocked Machine/m-3 \"pdb web/api\""
    ));
    let mut scratch = Scratch::default();
    let mut takes = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        let pools = fleet.pools().filter(|(_, p)| filter.pool_row(&p.row, p.health, &mut scratch)).count();
        let clusters = fleet.clusters.iter().filter(|c| filter.cluster(&c.row, c.health, &mut scratch)).count();
        let operations = fleet.operations.iter().filter(|o| filter.operation(o, &mut scratch)).count();
        (pools, clusters, operations, fleet.events.iter().filter(|e| filter.event(e, &mut scratch)).count())
    };
    assert_eq!(takes(""), (3, 2, 1, 1));
    assert_eq!(takes("cluster=eu-1"), (2, 1, 0, 0));
    assert_eq!(takes("by=alice"), (0, 0, 1, 0));
    assert_eq!(takes("!"), (2, 2, 0, 1));
    assert_eq!(takes("reason~pdb"), (0, 0, 0, 1));
    assert_eq!(takes("state=running"), (0, 2, 1, 0));
}
