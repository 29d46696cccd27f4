//! Tables of rollouts: who joins, who leaves and who is upgraded, by name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{tests::demand, *};
use crate::{
    api::{OperationSpec, OperationState, RolloutPolicy, StrategyType, labels},
    plan::{notation, rollout::nodes::Change, window::Gate},
};

/// Machines in the notation; a `*` before one is of the current revision, a `~` is marked to be replaced, a `%` because it
/// has fallen ill, a `>` by a person who waits for no window.
fn members(line: &str) -> Vec<Machine> {
    let member = |word: &str| {
        let name = word.trim_start_matches(['*', '~', '%', '>']);
        let mut machine = notation::machine(name);
        if let Some(claim) = &mut machine.spec.claim_ref {
            claim.revision = Some(if word.contains('*') { "new" } else { "old" }.to_owned());
        }
        if word.contains("#r2") {
            machine.status.as_mut().and_then(|s| s.drain.as_mut()).expect("a drain").run = 2;
        }
        let keys: &[&str] = match word.trim_start_matches('*').chars().next() {
            Some('~') => &[labels::REPLACE_MACHINE],
            Some('%') => &[labels::REPLACE_MACHINE, labels::REMEDIATION],
            Some('>') => &[labels::REPLACE_MACHINE, labels::OUTSIDE_WINDOW],
            _ => &[],
        };
        if !keys.is_empty() {
            machine.metadata.annotations = Some(keys.iter().map(|key| ((*key).to_owned(), String::new())).collect());
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
    words.extend(plan.revisits.iter().map(|o| format!("!{o}")));
    words.extend(plan.revisit_after_seconds.map(|s| format!("@{s}")));
    words.extend(plan.rollout.and_then(|r| r.brake).map(|b| format!("[{}]", b.reason())));
    words.join(" ")
}

fn check(strategy: StrategyType, policy: &RolloutPolicy, machines: &str, operations: &str, expected: &str) {
    assert_eq!(words(&planned(strategy, policy, machines, operations)), expected, "{machines}");
}

fn planned(strategy: StrategyType, policy: &RolloutPolicy, machines: &str, operations: &str) -> Plan {
    planned_with(Gate::Open, None, strategy, policy, machines, operations)
}

fn planned_for(replicas: i32, strategy: StrategyType, policy: &RolloutPolicy, machines: &str) -> Plan {
    planned_with(Gate::Open, Some(replicas), strategy, policy, machines, "")
}

fn planned_with(
    gate: Gate,
    replicas: Option<i32>,
    strategy: StrategyType,
    policy: &RolloutPolicy,
    machines: &str,
    operations: &str,
) -> Plan {
    let (machines, mut operations) = (members(machines), notation::operations(operations));
    for operation in &mut operations {
        // `r2` is in its second run.
        let run = if operation.metadata.name.as_deref() == Some("r2") { 2 } else { 1 };
        operation.status.as_mut().expect("a status").run = run;
    }
    let now = Timestamp::from_second(1_000).expect("a second");
    let target = Target { policy, strategy, revision: "new", set: ("set-new", "uid-new"), gate, now };
    let selector = BTreeMap::new();
    let work = Work::of(&operations);
    let stays = |m: &&Machine| m.spec.claim_ref.is_some() && !work.is_leaving(m);
    let replicas = replicas.unwrap_or_else(|| count(&machines.iter().filter(stays).collect::<Vec<_>>()));
    let revisits = Some(Revisits { pause_seconds: 1_200, now });
    let demand = Demand { rollout: Some(target), revisits, deletion_budget: Some(1), ..demand(replicas, &selector) };
    plan(&demand, &machines, &operations)
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

#[test]
fn who_is_in_quarantine_comes_last() {
    let (policy, rolling) = (RolloutPolicy::default(), StrategyType::RollingUpdate);
    // The others go on without it, and it does not spend what may leave at once.
    let failed = "r:Replace:Failed=a";
    check(rolling, &policy, "a:failed@1#r,skipped b:ready@2 *c:ready@3 i:idle", failed, "+i [WaitingForNewMachines]");
    let one_less = RolloutPolicy { strategy: one_may_be_missing(), ..RolloutPolicy::default() };
    check(rolling, &one_less, "a:failed@1#r,skipped b:ready@2 *c:ready@3", failed, "-b [Quarantine]");
    let joining = "r:Replace:Failed=a up:ScaleUp:Running=c";
    check(rolling, &policy, "a:failed@1#r,skipped *b:ready@2 *c:provisioning@3#up", joining, "[Quarantine]");
    // It alone is left: it is drained again, the second time after a while, and the rollout is not over.
    check(rolling, &policy, "a:failed@1#r,skipped *b:ready@2 *c:ready@3", failed, "!r [Quarantine]");
    let again = "r2:Replace:Failed=a";
    check(rolling, &policy, "a:failed@1#r2,skipped *b:ready@2", again, "@201 [Quarantine]");
    // In place it spends what may be missing: it is returned to when that stops the rest.
    let upgrade = "u:Upgrade:Failed=a";
    check(
        StrategyType::InPlace,
        &policy,
        "a:failed@1#u,skipped b:ready@2 c:ready@3",
        upgrade,
        "!u [UnhealthyMachines]",
    );
}

/// `t` tainted, `T` no longer, `c` cordoned, `C` no longer, with the machine, after the words of the plan.
fn touches(plan: &Plan) -> String {
    let letter = |change| match change {
        Change::Taint => "t",
        Change::Untaint => "T",
        Change::Cordon => "c",
        Change::Uncordon => "C",
    };
    let mut all: Vec<String> = plan.touches.iter().map(|t| format!("{}{}", letter(t.change), t.machine.name)).collect();
    all.extend(Some(words(plan)).filter(|w| !w.is_empty()));
    all.join(" ")
}

fn touch(strategy: StrategyType, policy: &RolloutPolicy, machines: &str, expected: &str) {
    assert_eq!(touches(&planned(strategy, policy, machines, "")), expected, "{machines}");
}

#[test]
fn nodes_that_give_way_are_tainted_until_they_do_not() {
    let (policy, rolling) = (RolloutPolicy::default(), StrategyType::RollingUpdate);
    touch(
        rolling,
        &policy,
        "a:ready@1,seen b:ready@2,seen,tainted *c:ready@3,seen i:idle",
        "ta +i [WaitingForNewMachines]",
    );
    touch(rolling, &policy, "*a:ready@1,seen,tainted *b:ready@2,seen", "Ta");
    touch(rolling, &policy, "*~a:ready@1,seen *b:ready@2,seen i:idle", "ta +i [WaitingForNewMachines]");
    let kept = RolloutPolicy { partition: Some(2), ..RolloutPolicy::default() };
    touch(rolling, &kept, "a:ready@1,seen,tainted b:ready@2,seen *c:ready@3,seen", "Ta");
    touch(StrategyType::OnDelete, &policy, "a:ready@1,seen *b:ready@2,seen", "");
    touch(StrategyType::InPlace, &policy, "a:ready@1,seen *b:ready@2,seen", "ta ^a");
    touch(rolling, &policy, "a:ready@1 *b:ready@2", "[NotEnoughIdleMachines]");
}

#[test]
fn a_whole_old_pool_is_cordoned_before_the_first_of_it_is_drained() {
    let twice = RolloutPolicy {
        strategy: crate::api::RolloutStrategy {
            blue_green: Some(crate::api::BlueGreen { batch_soak_seconds: Some(0), ..Default::default() }),
            ..Default::default()
        },
        ..RolloutPolicy::default()
    };
    let check = |machines: &str, replicas: i32, expected: &str| {
        let plan = planned_for(replicas, StrategyType::BlueGreen, &twice, machines);
        assert_eq!(touches(&plan), expected, "{machines}");
    };
    let old = |fact: &str| {
        format!("a:ready@1,seen,tainted{fact} b:ready@2,seen,tainted{fact} *c:ready@3,seen *d:ready@4,seen")
    };
    check(&old(""), 2, "cb ca [CordoningOldNodes]");
    check(&old(",cordoned"), 2, "-b [Soaking]");
    // Back again: the old ones are the new ones.
    check("*a:ready@1,seen,ours *b:ready@2,seen,cordoned", 2, "Ca");
}

fn one_may_be_missing() -> crate::api::RolloutStrategy {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int;
    let rolling = crate::api::RollingUpdate { max_surge: Some(Int(0)), max_unavailable: Some(Int(1)) };
    crate::api::RolloutStrategy { rolling_update: Some(rolling), ..Default::default() }
}

/// Found by chance (tests/faults): back to the version before while an upgrade in place was under way, and the machine was
/// counted as one of that version, whose kubelet is of the other.
#[test]
fn a_machine_that_was_upgraded_to_what_nobody_wants_any_more_is_replaced() {
    let policy = RolloutPolicy::default();
    let mut machines = members("*a:ready@1 *b:ready@2 i:idle");
    machines[0].metadata.labels.get_or_insert_default().insert(labels::OPERATION.to_owned(), "up".to_owned());
    let claims = |set: &str| {
        let mut operation = Operation::new("up", OperationSpec::default());
        operation.spec.type_ = OperationType::Upgrade;
        operation.spec.machine_set = Some(set.to_owned());
        operation.status.get_or_insert_default().state = Some(OperationState::Succeeded);
        let now = Timestamp::from_second(1_000).expect("a second");
        let strategy = StrategyType::RollingUpdate;
        let (set, gate) = (("set-new", "uid-new"), Gate::Open);
        let target = Target { policy: &policy, strategy, revision: "new", set, gate, now };
        let selector = BTreeMap::new();
        words(&plan(&Demand { rollout: Some(target), ..demand(2, &selector) }, &machines, &[operation]))
    };
    assert_eq!(claims("set-new"), "");
    assert_eq!(claims("set-other"), "+i [WaitingForNewMachines]");
}

/// The window opens in 500 seconds.
fn closed(strategy: StrategyType, replicas: i32, machines: &str, operations: &str, expected: &str) {
    let opens = Timestamp::from_second(1_500).expect("a second");
    let policy = RolloutPolicy::default();
    let plan = planned_with(Gate::Closed { opens }, Some(replicas), strategy, &policy, machines, operations);
    assert_eq!(words(&plan), expected, "{machines}");
    if expected.ends_with("[WindowClosed]") {
        assert_eq!(plan.rollout.and_then(|r| r.wake_after_seconds), Some(500), "it wakes as the window opens");
    }
}

#[test]
fn outside_of_a_window_a_rollout_begins_nothing() {
    let (rolling, in_place) = (StrategyType::RollingUpdate, StrategyType::InPlace);
    closed(rolling, 2, "a:ready@1 b:ready@2 i:idle", "", "[WindowClosed]");
    closed(rolling, 2, "a:ready@1 b:ready@2 *c:ready@3 i:idle", "", "[WindowClosed]");
    closed(rolling, 2, "*~a:ready@1 *b:ready@2 i:idle", "", "[WindowClosed]");
    closed(in_place, 2, "a:ready@1 *b:ready@2", "", "[WindowClosed]");
    closed(StrategyType::BlueGreen, 2, "a:ready@1 b:ready@2 i:idle j:idle", "", "[WindowClosed]");
    closed(StrategyType::BlueGreen, 2, "a:ready@1 b:ready@2 *c:ready@3 *d:ready@4", "", "[WindowClosed]");
    // What is as it is wanted, and what is in hand, waits for nothing.
    closed(rolling, 2, "*a:ready@1 *b:ready@2 i:idle", "", "");
    closed(in_place, 2, "a:ready@1#u *b:ready@2", "u:Upgrade:Running=a", "");
    // What was claimed for it joins.
    let plan = planned_with(
        Gate::Invalid,
        Some(2),
        rolling,
        &RolloutPolicy::default(),
        "a:ready@1 b:ready@2 *c:claimed@3 i:idle",
        "",
    );
    assert_eq!((plan.joins.len(), words(&plan).as_str()), (1, "[InvalidMaintenanceWindow]"));
}

#[test]
fn who_is_ill_and_who_is_let_through_waits_for_no_window() {
    let (rolling, in_place) = (StrategyType::RollingUpdate, StrategyType::InPlace);
    closed(rolling, 2, "*%a:ready@1 *b:ready@2 i:idle", "", "+i [WaitingForNewMachines]");
    closed(rolling, 2, "*>a:ready@1 *b:ready@2 i:idle", "", "+i [WaitingForNewMachines]");
    closed(rolling, 2, "%a:ready@1 b:ready@2 i:idle", "", "+i [WindowClosed]");
    closed(rolling, 2, "%a:ready@1 b:ready@2 *c:ready@3 i:idle", "", "-a [WindowClosed]");
    closed(in_place, 2, "%a:ready@1 b:ready@2 i:idle", "", "+i [WindowClosed]");
    closed(StrategyType::BlueGreen, 2, "%a:ready@1 b:ready@2 i:idle", "", "+i [WindowClosed]");
}

#[test]
fn outside_of_a_window_a_pool_is_scaled_all_the_same() {
    let rolling = StrategyType::RollingUpdate;
    closed(rolling, 4, "a:ready@1 *b:ready@2 i:idle j:idle k:idle", "", "+i +j [WindowClosed]");
    // A machine is lost: its place is filled.
    closed(rolling, 3, "a:ready@1 b:ready@2 i:idle", "", "+i [WindowClosed]");
    // Those that are to go anyway go first, and what has joined ahead of them stays.
    closed(rolling, 1, "a:ready@1 b:ready@2", "", "-b [WindowClosed]");
    closed(rolling, 2, "a:ready@1 b:ready@2 c:ready@3 *d:ready@4", "", "-c [WindowClosed]");
}

#[test]
fn who_is_in_quarantine_is_not_drained_anew_outside_of_a_window() {
    let failed = "r:Replace:Failed=a";
    closed(StrategyType::RollingUpdate, 2, "a:failed@1#r,skipped *b:ready@2 *c:ready@3", failed, "[WindowClosed]");
}
