//! Tables: a pool on the left, who is replaced on the right, or why nobody is.

use super::*;
use crate::plan::notation;
use serde_json::json;

const NOW: i64 = 10_000;

/// Machines in the notation, each with `=SECONDS` for how long it has been as it is: `a:ready@1^=700`.
///
/// After a `/`: the reason of the node, or `marked`, `maintenance`.
fn members(line: &str) -> Vec<Machine> {
    line.split_whitespace()
        .map(|word| {
            let (word, extra) = word.split_once('/').unwrap_or((word, ""));
            let (word, seconds) = word.split_once('=').unwrap_or((word, "0"));
            let mut machine = notation::machine(word);
            let seconds: i64 = seconds.parse().expect("seconds");
            let since = Timestamp::from_second(NOW - seconds).expect("a second");
            let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(since);
            let status = machine.status.as_mut().expect("a status");
            status.state_since = Some(time.clone());
            if let Some(node) = &mut status.node {
                node.since = Some(time);
                node.reason = Some(extra.to_owned());
            }
            match extra {
                "gone" => status.node = None,
                "marked" => {
                    machine.metadata.annotations = Some([(labels::REMEDIATION.to_owned(), String::new())].into());
                }
                "maintenance" => machine.spec.maintenance = Some(crate::api::Maintenance::default()),
                _ => {}
            }
            machine
        })
        .collect()
}

fn pool(remediation: serde_json::Value) -> NodePool {
    let pool = json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": "pool"},
        "spec": {"clusterName": "blue", "replicas": 5, "remediation": remediation},
    });
    serde_json::from_value(pool).expect("a pool")
}

/// `-m` marked, `*m` marked as a retry, `~m` unmarked, `[reason]`, `@seconds` until the next look.
fn words(plan: &Plan) -> String {
    let mut words: Vec<String> =
        plan.marks.iter().map(|p| format!("{}{}", if p.is_retry { "*" } else { "-" }, p.machine.name)).collect();
    words.extend(plan.recovered.iter().map(|m| format!("~{}", m.name)));
    words.extend(plan.stop.map(|s| format!("[{}]", s.reason())));
    words.extend(plan.wake_after_seconds.map(|s| format!("@{s}")));
    words.join(" ")
}

fn look(pool: &NodePool, machines: &str, operations: &str, retries: i32, change: impl Fn(&mut Situation)) -> Plan {
    let (members, operations) = (members(machines), notation::operations(operations));
    let work = Work::of(&operations);
    let now = Timestamp::from_second(NOW).expect("a second");
    let mut situation = Situation { pool, members: &members, work: &work, is_reachable: true, paused: false, now };
    change(&mut situation);
    plan(&situation, retries).expect("a policy")
}

fn check(machines: &str, operations: &str, expected: &str) {
    let plan = look(&pool(json!({})), machines, operations, 0, |_| ());
    assert_eq!(words(&plan), expected, "{machines}");
}

#[test]
fn who_has_been_ill_for_long_enough_is_replaced() {
    check("a:notready@1^=700 b:ready@1 c:ready@1", "", "-a");
    check("a:notready@1^=500 b:ready@1 c:ready@1", "", "@100");
    check("a:notready@1=700/gone b:ready@1 c:ready@1", "", "-a");
    check("a:deployed@1=700 b:ready@1 c:ready@1", "", "*a");
    check("a:failed@1#up=700 b:ready@1 c:ready@1", "up:ScaleUp:Failed=a", "*a");
    check("a:ready@1 b:ready@1", "", "");
}

#[test]
fn unknown_is_not_false() {
    // We could not ask, or two nodes answer.
    check("a:notready@1,lost=9000/ConnectionDown b:ready@1 c:ready@1", "", "");
    check("a:notready@1,lost=9000/DuplicateProviderID b:ready@1 c:ready@1", "", "");
    // The cluster itself has not heard of it: only where the policy says so.
    let silent = "a:notready@1,lost=900/NodeStatusUnknown b:ready@1 c:ready@1";
    check(silent, "", "");
    let plan = look(&pool(json!({"silentTimeoutSeconds": 800})), silent, "", 0, |_| ());
    assert_eq!(words(&plan), "-a");
    // But what is unknown may be ill as well, and counts when many are.
    check("a:notready@1^=700 b:notready@1,lost c:ready@1 d:ready@1", "", "[TooManyUnhealthy]");
}

#[test]
fn many_at_once_are_one_cause() {
    check("a:notready@1^=700 b:notready@1^=800 c:ready@1 d:ready@1 e:ready@1", "", "-b");
    check("a:notready@1^=700 b:notready@1^=0 c:notready@1^=0 d:ready@1 e:ready@1", "", "[TooManyUnhealthy] @600");
    check("a:notready@1^=700 b:ready@1", "", "[TooManyUnhealthy]");
    let wide = pool(json!({"unhealthyLessThanOrEqualTo": 3, "maxInFlight": 2}));
    let plan = look(&wide, "a:notready@1^=700 b:notready@1^=800 c:notready@1^=900", "", 0, |_| ());
    assert_eq!(words(&plan), "-c -b");
    let none = pool(json!({"unhealthyLessThanOrEqualTo": "0%"}));
    let plan = look(&none, "a:notready@1^=700 b:ready@1 c:ready@1", "", 0, |_| ());
    assert_eq!(words(&plan), "[TooManyUnhealthy]", "0 % switches it off");
}

#[test]
fn no_more_at_once_than_the_policy_allows() {
    check("a:notready@1^=700/marked b:notready@1^=800 c:ready@1 d:ready@1 e:ready@1", "", "[MaxInFlight]");
    check(
        "a:draining@1#r/marked b:notready@1^=800 c:ready@1 d:ready@1 e:ready@1",
        "r:Replace:Draining=a",
        "[MaxInFlight]",
    );
    // What could not be reset waits for a person, and does not stand in the way.
    check("a:failed@1#r/marked b:notready@1^=800 c:ready@1 d:ready@1 e:ready@1", "r:Replace:Failed=a", "-b");
}

#[test]
fn who_is_well_again_stays() {
    check("a:ready@1/marked b:ready@1", "", "~a");
    check("a:draining@1#r,node/marked b:ready@1", "r:Replace:Draining=a", "");
}

#[test]
fn pause_hold_and_silence_stop_it() {
    let ill = "a:notready@1^=700 b:ready@1 c:ready@1";
    let policy = pool(json!({}));
    assert_eq!(words(&look(&policy, ill, "", 0, |s| s.paused = true)), "[Paused]");
    assert_eq!(words(&look(&policy, ill, "", 0, |s| s.is_reachable = false)), "[ClusterUnreachable]");
    let mut held = pool(json!({}));
    held.spec.hold = true;
    assert_eq!(words(&look(&held, ill, "", 0, |_| ())), "[Hold]");
    assert_eq!(words(&look(&held, "a:ready@1", "", 0, |_| ())), "", "nobody is ill: nothing to say");
}

#[test]
fn replacements_that_do_not_come_up_end_it() {
    let late = "a:deployed@1=700 b:ready@1 c:ready@1";
    let policy = pool(json!({"maxRetry": 2}));
    let plan = look(&policy, late, "", 1, |_| ());
    assert_eq!((words(&plan), plan.retries), ("*a".to_owned(), 2));
    let plan = look(&policy, late, "", 2, |_| ());
    assert_eq!((words(&plan), plan.retries), ("[MaxRetry]".to_owned(), 2));
    // A machine that served is another matter, and one that has come up ends the row.
    assert_eq!(words(&look(&policy, "a:notready@1^=700 b:ready@1 c:ready@1", "", 2, |_| ())), "-a");
    assert_eq!(look(&policy, "a:ready@1 b:ready@1", "", 2, |_| ()).retries, 0);
    let joining = look(&policy, "a:provisioning@1#up b:ready@1", "up:ScaleUp:Running=a", 2, |_| ());
    assert_eq!(joining.retries, 2, "it has not proved itself yet");
}

#[test]
fn what_somebody_works_on_is_left_alone() {
    check("a:notready@1^#op=700 b:ready@1 c:ready@1", "op:Upgrade:Running=a", "");
    check("a:notready@1^=700/maintenance b:ready@1 c:ready@1", "", "");
    check("a:failed@1#op=700 b:ready@1 c:ready@1", "op:Upgrade:Failed=a", "");
}

#[test]
fn a_control_plane_keeps_its_quorum() {
    let members = |line: &str, operations: &str| {
        let mut pool = pool(json!({"unhealthyLessThanOrEqualTo": "100%", "maxInFlight": 3}));
        pool.spec.role = Role::ControlPlane;
        words(&look(&pool, line, operations, 0, |_| ()))
    };
    assert_eq!(members("a:notready@1^=700 b:ready@1 c:ready@1", ""), "-a");
    assert_eq!(members("a:notready@1^=700 b:notready@1^=800 c:ready@1", ""), "[WouldLoseQuorum]");
    assert_eq!(members("a:notready@1^=700", ""), "[WouldLoseQuorum]");
    let five = "a:notready@1^=700 b:notready@1^=800 c:ready@1 d:ready@1 e:ready@1";
    assert_eq!(members(five, ""), "-b", "one member at a time");
    let busy = "a:notready@1^=700 b:updating@1#op c:ready@1 d:ready@1 e:ready@1";
    assert_eq!(members(busy, "op:Upgrade:Running=b"), "[OneMemberAtATime]");
}
