//! The row of a machine. There may be 100,000 of them, so it holds only what lists, filters and plans read.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::{Health, instant};
use crate::{
    api::{
        Capacity, ClaimReference, DrainStatus, Machine, MachineSpec, MachineState, MachineStatus, Maintenance,
        NodeStatus, PhaseState, PhaseStatus, labels,
    },
    fleet::{Interner, Uid},
};

/// One machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineRow {
    pub uid: Uid,
    pub name: Arc<str>,
    pub namespace: Arc<str>,
    /// The version that this row was made from: a precondition for writes.
    pub resource_version: Box<str>,
    /// Moves with every change of its spec, and not with its status.
    pub generation: Option<i64>,
    pub created_at: Option<Timestamp>,
    pub state: MachineState,
    pub health: Health,
    pub state_since: Option<Timestamp>,
    /// Why it is in this state, for people; a drain's first blocker if nothing else is said.
    pub message: Option<Arc<str>>,
    /// The phase that runs, or the one that failed, and since when.
    pub phase: Option<Arc<str>>,
    pub phase_since: Option<Timestamp>,
    /// Name of the cluster whose pool claimed it.
    pub cluster: Option<Arc<str>>,
    /// Name of the `NodePool` that claimed it.
    pub pool: Option<Arc<str>>,
    /// Name and UID of the `MachineSet` that claimed it.
    pub set: Option<Arc<str>>,
    pub set_uid: Option<Arc<str>>,
    pub claimed_at: Option<Timestamp>,
    /// The revision of the pool that it was made for.
    pub revision: Option<Arc<str>>,
    /// The operation that works on it, or last did.
    pub operation: Option<Arc<str>>,
    pub address: Arc<str>,
    pub port: u16,
    pub user: Option<Arc<str>>,
    pub capacity: Option<Box<Capacity>>,
    /// Its labels, ordered by key.
    pub labels: Box<[(Arc<str>, Arc<str>)]>,
    pub node: Option<Box<NodeRow>>,
    /// The phases of its operation. Kept for machines that move, that failed, or that moved while we watched (the last
    /// few thousand of them); empty for all others, whose phases are read from the API when they are asked for.
    pub phases: Box<[PhaseRow]>,
    /// When its last phase ended, whether or not `phases` are kept.
    pub phases_ended_at: Option<Timestamp>,
    /// The drain under way, or one that ended in quarantine.
    pub drain: Option<Box<DrainStatus>>,
    pub paused: bool,
    /// What a person wants of its node.
    pub maintenance: Option<Box<Maintenance>>,
    /// It leaves first when its pool shrinks.
    pub marked_for_deletion: bool,
    /// Another one takes its place; since when that is wanted, as it was written.
    pub marked_for_replacement: Option<Arc<str>>,
    pub deleting: bool,
    pub simulated: bool,
}

/// What the business cluster says of a machine's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    pub name: Option<Arc<str>>,
    pub uid: Option<Arc<str>>,
    /// `None`: nobody knows.
    pub ready: Option<bool>,
    pub reason: Option<Arc<str>>,
    pub unschedulable: bool,
    /// What we cordoned it for.
    pub cordoned_by: Option<Arc<str>>,
    /// kubelet's version.
    pub version: Option<Arc<str>>,
    pub since: Option<Timestamp>,
}

/// One phase on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseRow {
    pub name: Arc<str>,
    pub state: PhaseState,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub steps_done: u16,
    pub steps: u16,
    pub step: Option<Arc<str>>,
    pub message: Option<Arc<str>>,
}

impl PhaseRow {
    /// How long it took, or has taken until `now`; `None` if it has not begun.
    pub fn elapsed(&self, now: Timestamp) -> Option<std::time::Duration> {
        let end = self.finished_at.unwrap_or(now);
        self.started_at.map(|start| end.duration_since(start).try_into().unwrap_or_default())
    }

    fn project(phase: PhaseStatus, interner: &mut Interner) -> Self {
        let steps = |n: i32| u16::try_from(n.max(0)).unwrap_or(u16::MAX);
        Self {
            name: interner.share(&phase.name),
            state: phase.state,
            started_at: instant(phase.started_at.as_ref()),
            finished_at: instant(phase.finished_at.as_ref()),
            steps_done: steps(phase.steps_done),
            steps: steps(phase.steps),
            step: interner.share_some(phase.step.as_deref()),
            message: phase.message.filter(|m| !m.is_empty()).map(Into::into),
        }
    }

    fn restore(&self) -> PhaseStatus {
        PhaseStatus {
            name: self.name.to_string(),
            state: self.state,
            started_at: self.started_at.map(Time),
            finished_at: self.finished_at.map(Time),
            steps_done: i32::from(self.steps_done),
            steps: i32::from(self.steps),
            step: self.step.as_deref().map(Into::into),
            message: self.message.as_deref().map(Into::into),
        }
    }
}

impl NodeRow {
    fn project(node: &NodeStatus, interner: &mut Interner) -> Self {
        Self {
            name: node.name.as_deref().map(Into::into),
            uid: node.uid.as_deref().map(Into::into),
            ready: match node.ready.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            },
            reason: interner.share_some(node.reason.as_deref()),
            unschedulable: node.unschedulable,
            cordoned_by: interner.share_some(node.cordoned_by.as_deref()),
            version: interner.share_some(node.kubelet_version.as_deref().map(|v| v.trim_start_matches('v'))),
            since: instant(node.since.as_ref()),
        }
    }

    fn restore(&self) -> NodeStatus {
        let ready = match self.ready {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        NodeStatus {
            name: self.name.as_deref().map(Into::into),
            uid: self.uid.as_deref().map(Into::into),
            ready: ready.to_owned(),
            reason: self.reason.as_deref().map(Into::into),
            unschedulable: self.unschedulable,
            outdated: false,
            cordoned_by: self.cordoned_by.as_deref().map(Into::into),
            kubelet_version: self.version.as_deref().map(Into::into),
            since: self.since.map(Time),
        }
    }
}

impl MachineRow {
    /// Takes what lists, filters and plans need; the rest is dropped.
    pub fn project(machine: Machine, interner: &mut Interner) -> Self {
        let Machine { metadata, spec, status } = machine;
        let status = status.unwrap_or_default();
        let state =
            status.state.unwrap_or(if spec.claim_ref.is_some() { MachineState::Claimed } else { MachineState::Idle });
        let health = health(state, &spec, &status);
        let claim = spec.claim_ref.as_ref();
        let phase = current_phase(state, &status);
        let current = status.phases.iter().find(|p| Some(p.name.as_str()) == phase);
        let has = |map: Option<&BTreeMap<String, String>>, key: &str| map.is_some_and(|m| m.contains_key(key));
        Self {
            state,
            health,
            state_since: instant(status.state_since.as_ref()),
            message: message(&status).map(|m| interner.share(m)),
            phase: interner.share_some(phase),
            phase_since: current.and_then(|p| instant(p.started_at.as_ref())),
            cluster: claim.map(|c| interner.share(&c.cluster_name)),
            pool: claim.map(|c| interner.share(&c.pool_name)),
            set: claim.map(|c| interner.share(&c.name)),
            set_uid: claim.map(|c| interner.share(&c.uid)),
            claimed_at: claim.and_then(|c| instant(c.claimed_at.as_ref())),
            revision: interner.share_some(claim.and_then(|c| c.revision.as_deref())),
            operation: interner.share_some(status.operation.as_deref()),
            address: spec.address.as_str().into(),
            port: spec.port(),
            user: interner.share_some(spec.user.as_deref()),
            capacity: spec.capacity.map(Box::new),
            node: status.node.as_ref().map(|n| Box::new(NodeRow::project(n, interner))),
            phases_ended_at: status.phases.iter().filter_map(|p| instant(p.finished_at.as_ref())).max(),
            phases: status.phases.into_iter().map(|p| PhaseRow::project(p, interner)).collect(),
            drain: status.drain.filter(|d| state == MachineState::Draining || d.skipped_at.is_some()).map(Box::new),
            paused: spec.paused,
            maintenance: spec.maintenance.map(Box::new),
            marked_for_deletion: has(metadata.annotations.as_ref(), labels::DELETE_MACHINE),
            marked_for_replacement: metadata
                .annotations
                .as_ref()
                .and_then(|a| a.get(labels::REPLACE_MACHINE))
                .filter(|value| *value != "false")
                .map(|value| interner.share(value)),
            deleting: metadata.deletion_timestamp.is_some(),
            simulated: has(metadata.labels.as_ref(), labels::SIMULATED)
                || has(metadata.annotations.as_ref(), labels::SIMULATED),
            created_at: instant(metadata.creation_timestamp.as_ref()),
            generation: metadata.generation,
            namespace: interner.share(metadata.namespace.as_deref().unwrap_or_default()),
            uid: interner.uid(metadata.uid.as_deref()),
            name: metadata.name.unwrap_or_default().into(),
            resource_version: metadata.resource_version.unwrap_or_default().into(),
            labels: metadata
                .labels
                .unwrap_or_default()
                .iter()
                .map(|(k, v)| (interner.share(k), interner.share(v)))
                .collect(),
        }
    }

    /// The value of one of its labels.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|at| &*self.labels[at].1)
    }

    /// The value of a label, by its whole key or by the part after the `/`.
    pub fn label_called(&self, key: &str) -> Option<&str> {
        let short = || self.labels.iter().find(|(k, _)| k.rsplit_once('/').is_some_and(|(_, last)| last == key));
        self.label(key).or_else(|| short().map(|(_, value)| &**value))
    }

    /// It can be claimed now.
    pub fn is_available(&self) -> bool {
        self.state == MachineState::Idle && self.pool.is_none() && !self.paused && !self.deleting
    }

    /// Its node is Ready; `None`: it has none, or nobody knows.
    pub fn node_ready(&self) -> Option<bool> {
        self.node.as_ref().and_then(|n| n.ready)
    }

    /// The name of its node.
    pub fn node_name(&self) -> Option<&str> {
        self.node.as_ref().and_then(|n| n.name.as_deref())
    }

    /// kubelet's version, without the `v`.
    pub fn version(&self) -> Option<&str> {
        self.node.as_ref().and_then(|n| n.version.as_deref())
    }

    /// It has been in its state for longer than that state should take.
    pub fn is_stuck(&self, now: Timestamp) -> bool {
        match (self.state.patience(), self.state_since) {
            (Some(patience), Some(since)) => {
                std::time::Duration::try_from(now.duration_since(since)).is_ok_and(|d| d > patience)
            }
            _ => false,
        }
    }

    /// The resource, as far as the row knows it: enough for a plan, not for a replacement (facts and conditions lack).
    pub fn to_machine(&self) -> Machine {
        let labels: BTreeMap<String, String> =
            self.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let deletion = self.marked_for_deletion.then(|| (labels::DELETE_MACHINE.to_owned(), "true".to_owned()));
        let replacement =
            self.marked_for_replacement.as_ref().map(|at| (labels::REPLACE_MACHINE.to_owned(), at.to_string()));
        let marks: BTreeMap<String, String> = deletion.into_iter().chain(replacement).collect();
        Machine {
            metadata: ObjectMeta {
                name: Some(self.name.to_string()),
                namespace: Some(self.namespace.to_string()),
                uid: Some(self.uid.as_str().to_owned()),
                resource_version: Some(self.resource_version.to_string()),
                generation: self.generation,
                creation_timestamp: self.created_at.map(Time),
                deletion_timestamp: self.deleting.then(|| Time(self.created_at.unwrap_or_default())),
                labels: Some(labels),
                annotations: (!marks.is_empty()).then_some(marks),
                ..ObjectMeta::default()
            },
            spec: MachineSpec {
                address: self.address.to_string(),
                port: Some(i32::from(self.port)),
                user: self.user.as_deref().map(Into::into),
                capacity: self.capacity.as_deref().cloned(),
                claim_ref: self.claim(),
                maintenance: self.maintenance.as_deref().cloned(),
                paused: self.paused,
            },
            status: Some(MachineStatus {
                state: Some(self.state),
                state_since: self.state_since.map(Time),
                message: self.message.as_deref().map(Into::into),
                current_phase: self.phase.as_deref().map(Into::into),
                operation: self.operation.as_deref().map(Into::into),
                phases: self.phases.iter().map(PhaseRow::restore).collect(),
                node: self.node.as_ref().map(|n| n.restore()),
                drain: self.drain.as_deref().cloned(),
                ..MachineStatus::default()
            }),
        }
    }

    fn claim(&self) -> Option<ClaimReference> {
        Some(ClaimReference {
            name: self.set.as_deref()?.to_owned(),
            uid: self.set_uid.as_deref()?.to_owned(),
            cluster_name: self.cluster.as_deref()?.to_owned(),
            pool_name: self.pool.as_deref()?.to_owned(),
            claimed_at: self.claimed_at.map(Time),
            revision: self.revision.as_deref().map(Into::into),
            version: None,
        })
    }
}

/// The phase that runs; of a machine that failed before any step of it ran, the one that failed.
fn current_phase(state: MachineState, status: &MachineStatus) -> Option<&str> {
    let failed = || status.phases.iter().rev().find(|phase| phase.state == PhaseState::Failed);
    let failed = || failed().filter(|_| state == MachineState::Failed).map(|phase| phase.name.as_str());
    status.current_phase.as_deref().filter(|name| !name.is_empty()).or_else(failed)
}

/// The status message, or the first thing that blocks a drain, or what keeps a phase from going on, or why the node is
/// not Ready.
fn message(status: &MachineStatus) -> Option<&str> {
    let blocker = || status.drain.as_ref().and_then(|d| d.blockers.first()).map(|b| b.message.as_str());
    let not_ready = || status.node.as_ref().filter(|n| n.ready != "True").and_then(|n| n.reason.as_deref());
    let open = |p: &&PhaseStatus| matches!(p.state, PhaseState::Running | PhaseState::Pending);
    let waits = || status.phases.iter().find(open).and_then(|p| p.message.as_deref());
    status.message.as_deref().or_else(blocker).or_else(waits).or_else(not_ready).filter(|m| !m.is_empty())
}

fn health(state: MachineState, spec: &MachineSpec, status: &MachineStatus) -> Health {
    let cordoned = status.node.as_ref().is_some_and(|n| n.unschedulable);
    let blocked = status.drain.as_ref().is_some_and(|d| !d.blockers.is_empty() || d.skipped_at.is_some());
    match state {
        // Nobody could ask: that is not the machine's fault yet.
        MachineState::NotReady if status.node.as_ref().is_some_and(|n| n.ready == "Unknown") => Health::Warning,
        MachineState::Failed | MachineState::NotReady => Health::Bad,
        MachineState::Draining if blocked => Health::Warning,
        MachineState::Ready if cordoned => Health::Warning,
        MachineState::Idle if spec.claim_ref.is_none() => Health::Idle,
        MachineState::Ready => Health::Good,
        _ => Health::Moving,
    }
}

#[cfg(test)]
mod tests {
    use crate::fleet::testing;

    #[test]
    fn a_machine_that_failed_before_any_step_ran_is_found_by_its_phase() {
        let check = |phase: &str, wanted: Option<&str>| {
            let fleet = format!("cluster a\npool p\nmachine m-1 Failed phases=Preflight:fail:9,Join {phase}");
            let snapshot = testing::snapshot(&fleet);
            let machine = snapshot.machine(&testing::uid("m-1")).expect("it is there");
            assert_eq!(machine.phase.as_deref(), wanted, "{phase}");
        };
        check("phase=\"\"", Some("Preflight"));
        check("phase=Join", Some("Join"));
    }
}
