//! What one look at the pool, its machines and its operations showed, and what that means.

use std::collections::BTreeSet;

use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::{
    api::{Machine, MachineState, NodePool, Operation, OperationState, find_condition, labels},
    commands::exit::Exit,
};

/// Operations that are named; they seldom are more than one.
const NAMED: usize = 2;

pub(super) struct Look {
    pub(super) pool: NodePool,
    pub(super) machines: Vec<Machine>,
    operations: Vec<Operation>,
}

impl Look {
    pub(super) async fn take(client: &Client, namespace: &str, pool: &NodePool) -> Result<Self, kube::Error> {
        let name = pool.name_any();
        let ours = ListParams::default().labels(&format!("{}={name}", labels::POOL));
        let operations: Api<Operation> = Api::namespaced(client.clone(), namespace);
        let machines: Api<Machine> = Api::namespaced(client.clone(), namespace);
        let pools: Api<NodePool> = Api::namespaced(client.clone(), namespace);
        Ok(Self {
            pool: pools.get(&name).await?,
            machines: machines.list(&ours).await?.items,
            operations: operations.list(&ours).await?.items,
        })
    }

    pub(super) fn over(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|o| progress(o).is_final())
    }

    fn under_way(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|o| !progress(o).is_final())
    }

    /// An operation that failed since we began.
    pub(super) fn failed(&self, old: &BTreeSet<String>) -> Option<String> {
        let is_new = |o: &&Operation| !old.contains(&o.uid().unwrap_or_default());
        let failed = self.over().filter(is_new).find(|o| progress(o) == OperationState::Failed)?;
        let status = failed.status.as_ref()?;
        let first = status.failures.first().map(|f| format!("; {}: {}", f.machine, f.message)).unwrap_or_default();
        let name = failed.name_any();
        let why = format!("{}{first}", status.message.as_deref().unwrap_or_default());
        Some(format!("{name} failed: {}. {}", why.trim_end_matches('.'), way_out(failed)))
    }

    pub(super) fn is_done(&self, asked: &NodePool) -> bool {
        let status = self.pool.status.clone().unwrap_or_default();
        let wanted = self.pool.spec.replicas;
        status.observed_generation >= asked.metadata.generation
            && status.replicas == wanted
            && status.ready_replicas == wanted
            && self.under_way().next().is_none()
            && i32::try_from(self.machines.len()) == Ok(wanted)
    }

    /// What stands in the way while nothing else is under way, and the exit code for it.
    pub(super) fn held_up(&self) -> Option<(Exit, String)> {
        if self.under_way().next().is_some() {
            return None;
        }
        self.blocked().map(|why| (Exit::Declined, why)).or_else(|| self.stuck().map(|why| (Exit::Failed, why)))
    }

    /// Machines that failed wait for a person; while some are still to come or to go, the controllers have not looked yet.
    fn stuck(&self) -> Option<String> {
        if i32::try_from(self.machines.len()) != Ok(self.pool.spec.replicas) {
            return None;
        }
        let failed: Vec<_> = self.machines.iter().filter(|m| state(m) == MachineState::Failed).collect();
        let first = failed.first()?;
        let more = if failed.len() > 1 { format!(" and {} more", failed.len() - 1) } else { String::new() };
        let why = first.status.as_ref().and_then(|s| s.message.as_deref()).unwrap_or("failed").trim_end_matches('.');
        let operation = first.status.as_ref().and_then(|s| s.operation.as_deref());
        let operation = self.operations.iter().find(|o| Some(o.name_any().as_str()) == operation);
        let way_out = operation.map(|o| format!(". {}", way_out(o))).unwrap_or_default();
        Some(format!("{}{more} failed: {why}{way_out}", first.name_any()))
    }

    fn blocked(&self) -> Option<String> {
        let conditions = self.pool.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
        if find_condition(conditions, "Paused").is_some_and(|c| c.status == "True") {
            return Some(format!("{} is paused: it goes on when the pause is lifted", self.pool.name_any()));
        }
        ["ScalingDown", "ScalingUp"].into_iter().find_map(|type_| {
            let condition = find_condition(conditions, type_)?;
            let resting = condition.reason == format!("Not{type_}");
            (condition.status == "False" && !resting).then(|| format!("{}: {}", condition.reason, condition.message))
        })
    }

    pub(super) fn ready(&self) -> usize {
        self.machines.iter().filter(|m| state(m) == MachineState::Ready).count()
    }

    pub(super) fn summary(&self) -> String {
        format!("{}: {} of {} machines are Ready", self.pool.name_any(), self.ready(), self.pool.spec.replicas)
    }

    /// How far it is, and what works on it.
    pub(super) fn in_short(&self) -> String {
        let (ready, there, wanted) = (self.ready(), self.machines.len(), self.pool.spec.replicas);
        let machines = format!("{ready} of {there} machines are Ready, {wanted} are wanted");
        let operation = |o: &Operation| {
            let message = o.status.as_ref().and_then(|s| s.message.clone());
            let message = message.filter(|m| !m.is_empty()).map(|m| format!(" ({m})")).unwrap_or_default();
            format!("{} is {}{message}", o.name_any(), progress(o).as_str())
        };
        let operations: Vec<_> = self.under_way().take(NAMED).map(operation).collect();
        match (operations.is_empty(), self.held_up()) {
            (false, _) => format!("{machines}; {}", operations.join(", ")),
            (true, Some((_, why))) => format!("{machines}; {why}"),
            (true, None) => format!("{machines}; no operation is under way"),
        }
    }
}

/// A retry is a word that the operation has not seen: the number of its next run will do.
fn way_out(operation: &Operation) -> String {
    let (name, run) = (operation.name_any(), operation.status.as_ref().map_or(1, |s| s.run).max(1) + 1);
    let retry = format!("kubectl annotate operation {name} {}={run} --overwrite", labels::RETRY);
    format!("See  quarterdeck logs {name}  and, once it is mended, retry with  {retry}")
}

fn progress(operation: &Operation) -> OperationState {
    operation.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

pub(super) fn state(machine: &Machine) -> MachineState {
    machine.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

/// State, phase and what stands in the way, of one machine.
pub(super) fn words(machine: &Machine) -> String {
    let status = machine.status.clone().unwrap_or_default();
    let state = state(machine).as_str();
    let blocker = status.drain.as_ref().filter(|d| d.completed_at.is_none()).and_then(|d| d.blockers.first());
    match (blocker, status.current_phase, status.message) {
        (Some(b), ..) => format!("{state}  {}: {}", b.pod, b.message),
        (None, Some(phase), _) => format!("{state}  {phase}"),
        (None, None, Some(message)) => format!("{state}  {message}"),
        (None, None, None) => state.to_owned(),
    }
}
