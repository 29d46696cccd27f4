//! A tiny notation for tests: machines and operations on one line.
//!
//! `m-1:idle` is free; `m-2:ready@5` belongs to the pool since second 5; a `!` after it marks it for deletion, a `^`
//! says that its node is not Ready, a `#up` that operation `up` has reserved it. After a comma: `done`, `failed` or `begun`
//! phases; a `drained` or `skipped` drain; a `node` that is Ready or a `lost` one; one that was
//! `seen`, is `tainted` as outdated, `cordoned` by somebody or by a rollout of `ours`. Operations: `up:ScaleUp:Running=m-1+m-2`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{
    ClaimReference, DrainStatus, Machine, MachineReference, MachineState, MachineStatus, NodeReference, NodeStatus,
    Operation, OperationState, OperationStatus, OperationType, PhaseState, PhaseStatus, labels,
};

pub fn machines(line: &str) -> Vec<Machine> {
    line.split_whitespace().map(machine).collect()
}

pub fn machine(word: &str) -> Machine {
    let (word, facts) = word.split_once(',').map_or((word, ""), |(w, f)| (w, f));
    let (word, reserved) = word.split_once('#').map_or((word, None), |(w, r)| (w, Some(r)));
    let marked = word.contains('!');
    let sick = word.contains('^');
    let word: String = word.chars().filter(|c| !"!^".contains(*c)).collect();
    let (name, rest) = word.split_once(':').expect("name:state");
    let (state, claimed) = rest.split_once('@').map_or((rest, None), |(s, t)| (s, t.parse::<i64>().ok()));
    let state = MachineState::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(state)).expect("a state");
    let mut machine = Machine::default();
    machine.metadata.name = Some(name.to_owned());
    machine.metadata.uid = Some(format!("uid-{name}"));
    machine.metadata.labels =
        Some(reserved.map(|r| (labels::OPERATION.to_owned(), r.to_owned())).into_iter().collect::<BTreeMap<_, _>>());
    if marked {
        machine.metadata.annotations = Some(BTreeMap::from([(labels::DELETE_MACHINE.to_owned(), String::new())]));
    }
    machine.spec.claim_ref = claimed.map(|second| ClaimReference {
        name: "set".to_owned(),
        uid: "uid-set".to_owned(),
        cluster_name: "blue".to_owned(),
        pool_name: "pool".to_owned(),
        claimed_at: Some(Time(Timestamp::from_second(second).expect("a second"))),
        ..ClaimReference::default()
    });
    let has_node =
        matches!(state, MachineState::Ready | MachineState::NotReady | MachineState::Draining | MachineState::Updating);
    machine.status = Some(MachineStatus {
        state: Some(state),
        node: has_node
            .then(|| NodeStatus { ready: if sick { "False" } else { "True" }.to_owned(), ..NodeStatus::default() }),
        operation: reserved.map(str::to_owned),
        ..MachineStatus::default()
    });
    facts.split(',').filter(|f| !f.is_empty()).for_each(|fact| add(&mut machine, fact));
    machine
}

/// One more fact about a machine.
fn add(machine: &mut Machine, fact: &str) {
    let status = machine.status.as_mut().expect("every machine of the notation has one");
    let phase = |state| vec![PhaseStatus { name: "Join".to_owned(), state, ..PhaseStatus::default() }];
    let node = |ready: &str| Some(NodeStatus { ready: ready.to_owned(), ..NodeStatus::default() });
    let at = |second| Time(Timestamp::from_second(second).expect("a second"));
    let operation = status.operation.clone().unwrap_or_default();
    let drain = |completed_at, skipped_at| DrainStatus {
        completed_at,
        skipped_at,
        ..DrainStatus::new(&operation, 1, NodeReference::default(), at(0), at(900))
    };
    match fact {
        "begun" => status.phases = phase(PhaseState::Running),
        "done" => status.phases = phase(PhaseState::Succeeded),
        "failed" => status.phases = phase(PhaseState::Failed),
        "drained" => status.drain = Some(drain(Some(at(1)), None)),
        "skipped" => status.drain = Some(drain(None, Some(at(1)))),
        "seen" | "tainted" | "cordoned" | "ours" => {
            let node = status.node.as_mut().expect("a node");
            (node.name, node.uid) = (Some("node".to_owned()), Some("uid-node".to_owned()));
            node.outdated |= fact == "tainted";
            node.unschedulable |= matches!(fact, "cordoned" | "ours");
            if fact == "ours" {
                node.cordoned_by = Some(crate::plan::rollout::nodes::SIGN.to_owned());
            }
        }
        "node" => status.node = node("True"),
        "lost" => status.node = node("Unknown"),
        other => panic!("fact {other}"),
    }
}

pub fn operations(line: &str) -> Vec<Operation> {
    line.split_whitespace().map(operation).collect()
}

pub fn operation(word: &str) -> Operation {
    let (head, members) = word.split_once('=').expect("name:type:state=machines");
    let [name, kind, state] = head.split(':').collect::<Vec<_>>().try_into().expect("name:type:state");
    let mut operation = Operation::default();
    operation.metadata.name = Some(name.to_owned());
    operation.spec.type_ = match kind {
        "ScaleUp" => OperationType::ScaleUp,
        "ScaleDown" => OperationType::ScaleDown,
        "Replace" => OperationType::Replace,
        "Upgrade" => OperationType::Upgrade,
        "Drain" => OperationType::Drain,
        other => panic!("type {other}"),
    };
    operation.spec.cluster_name = "blue".to_owned();
    operation.spec.machines =
        members.split('+').map(|m| MachineReference { name: m.to_owned(), uid: format!("uid-{m}") }).collect();
    let all = [
        OperationState::Pending,
        OperationState::Draining,
        OperationState::Running,
        OperationState::Succeeded,
        OperationState::Failed,
        OperationState::Cancelled,
    ];
    operation.status = Some(OperationStatus {
        state: all.into_iter().find(|s| s.as_str() == state),
        run: 1,
        ..OperationStatus::default()
    });
    operation
}
