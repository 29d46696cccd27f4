//! Tables of rollouts: who joins, who leaves and who is upgraded, by name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{tests::demand, *};
use crate::{
    api::{RolloutPolicy, StrategyType, labels},
    plan::notation,
};

/// Machines in the notation; a `*` before one is of the current revision, a `~` is marked to be replaced.
fn members(line: &str) -> Vec<Machine> {
    let member = |word: &str| {
        let name = word.trim_start_matches(['*', '~']);
        let mut machine = notation::machine(name);
        if let Some(claim) = &mut machine.spec.claim_ref {
            claim.revision = Some(if word.contains('*') { "new" } else { "old" }.to_owned());
        }
        if word.contains('~') {
            machine.metadata.annotations = Some([(labels::REPLACE_MACHINE.to_owned(), String::new())].into());
        }
        machine
    };
    line.split_whitespace().map(member).collect()
}

/// `+m` joins, `-m` leaves, `^m` is upgraded where it is, `[reason]` why it is not faster.
fn words(plan: &Plan) -> String {
    let mark = |sign: &str, machines: &[MachineReference]| {
        machines.iter().map(|m| format!("{sign}{}", m.name)).collect::<Vec<_>>()
    };
    let mut words = mark("+", &plan.claims);
    words.extend(plan.victims.iter().map(|v| format!("-{}", v.machine.name)));
    words.extend(mark("^", &plan.upgrades));
    words.extend(plan.rollout.and_then(|r| r.brake).map(|b| format!("[{}]", b.reason())));
    words.join(" ")
}

fn check(strategy: StrategyType, policy: &RolloutPolicy, machines: &str, operations: &str, expected: &str) {
    let (machines, operations) = (members(machines), notation::operations(operations));
    let now = Timestamp::from_second(1_000).expect("a second");
    let target = Target { policy, strategy, revision: "new", set: ("set-new", "uid-new"), now };
    let selector = BTreeMap::new();
    let replicas = machines.iter().filter(|m| m.spec.claim_ref.is_some()).count();
    let replicas = i32::try_from(replicas).expect("few");
    let demand = Demand { rollout: Some(target), ..demand(replicas, &selector) };
    assert_eq!(words(&plan(&demand, &machines, &operations)), expected);
}

#[test]
fn a_marked_machine_is_replaced_whatever_the_strategy() {
    let policy = RolloutPolicy::default();
    for strategy in [StrategyType::RollingUpdate, StrategyType::OnDelete, StrategyType::InPlace] {
        check(strategy, &policy, "*a:ready@1 *~b:ready@2 i:idle", "", "+i [WaitingForNewMachines]");
    }
    // The rest of a pool in place is upgraded afterwards.
    check(StrategyType::InPlace, &policy, "a:ready@1 ~b:ready@2 i:idle", "", "+i [WaitingForNewMachines]");
    check(StrategyType::InPlace, &policy, "a:ready@1 *b:ready@2 i:idle", "", "^a");
}

#[test]
fn in_place_too_what_is_to_be_new_is_replaced() {
    let after = Some(Time(Timestamp::from_second(100).expect("a second")));
    let policy = RolloutPolicy { after, ..RolloutPolicy::default() };
    check(StrategyType::InPlace, &policy, "a:ready@1 b:ready@2 i:idle", "", "+i [WaitingForNewMachines]");
    check(StrategyType::InPlace, &policy, "a:ready@200 *b:ready@201 i:idle", "", "^a");
    let later = Some(Time(Timestamp::from_second(2_000).expect("a second")));
    let policy = RolloutPolicy { after: later, ..RolloutPolicy::default() };
    check(StrategyType::InPlace, &policy, "a:ready@1 *b:ready@2 i:idle", "", "^a");
}

#[test]
fn a_partition_keeps_revisions_and_not_what_is_marked() {
    let policy = RolloutPolicy { partition: Some(2), ..RolloutPolicy::default() };
    let rolling = StrategyType::RollingUpdate;
    check(rolling, &policy, "a:ready@1 b:ready@2 i:idle", "", "");
    check(rolling, &policy, "~a:ready@1 b:ready@2 i:idle", "", "+i [WaitingForNewMachines]");
    check(rolling, &policy, "~a:ready@1 b:ready@2 *c:ready@3", "", "[NotEnoughIdleMachines]");
    let spare = RolloutPolicy { strategy: one_may_be_missing(), ..policy };
    check(rolling, &spare, "~a:ready@1 b:ready@2 *c:ready@3", "", "-a");
}

fn one_may_be_missing() -> crate::api::RolloutStrategy {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int;
    let rolling = crate::api::RollingUpdate { max_surge: Some(Int(0)), max_unavailable: Some(Int(1)) };
    crate::api::RolloutStrategy { rolling_update: Some(rolling), ..Default::default() }
}
