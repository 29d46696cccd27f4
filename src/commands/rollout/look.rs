//! What one look at the pools of a rollout showed, their machines and operations, and what that means.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, ResourceExt, api::ListParams};

use super::goal::{Goal, PoolGoal};
use crate::{
    api::{Machine, MachineState, NodePool, Operation, OperationState, find_condition, labels},
    commands::change::{obstacle::obstacle, write::Writer},
    plan::rollout::moves::Brake,
};

/// Machines of one kind that are named.
const NAMED: usize = 3;
/// Reasons of a rollout that no waiting mends.
const HELD_UP: [&str; 6] =
    ["Paused", "Hold", "NotEnoughIdleMachines", "UnhealthyMachines", "OnDelete", Brake::WINDOW_INVALID];

pub(super) struct Look {
    pools: Vec<NodePool>,
    pub(super) machines: Vec<Machine>,
    operations: Vec<Operation>,
    now: Timestamp,
}

impl Look {
    pub(super) async fn take(writer: &Writer, goal: &Goal) -> Result<Self, kube::Error> {
        let ours = ListParams::default().labels(&format!("{}={}", labels::CLUSTER, goal.cluster));
        let (client, namespace) = (&writer.client, &writer.namespace);
        let pools: Api<NodePool> = Api::namespaced(client.clone(), namespace);
        let machines: Api<Machine> = Api::namespaced(client.clone(), namespace);
        let operations: Api<Operation> = Api::namespaced(client.clone(), namespace);
        let is_ours = |pool: &Option<String>| goal.pools.iter().any(|g| Some(&g.name) == pool.as_ref());
        let pools = pools.list(&ListParams::default()).await?.items;
        let claim = |m: &Machine| m.spec.claim_ref.as_ref().map(|c| c.pool_name.clone());
        let machines = machines.list(&ours).await?.items;
        let operations = operations.list(&ours).await?.items;
        Ok(Self {
            pools: pools.into_iter().filter(|p| is_ours(&p.metadata.name)).collect(),
            machines: machines.into_iter().filter(|m| is_ours(&claim(m))).collect(),
            operations: operations.into_iter().filter(|o| is_ours(&o.spec.pool_name)).collect(),
            now: Timestamp::now(),
        })
    }

    pub(super) fn pool(&self, name: &str) -> Option<&NodePool> {
        self.pools.iter().find(|p| p.name_any() == name)
    }

    /// An operation under way takes machines of the pool away, or is about to.
    pub(super) fn drains(&self, pool: &str) -> bool {
        let ours = self.operations.iter().filter(|o| o.spec.pool_name.as_deref() == Some(pool));
        ours.filter(|o| !state(o).is_final()).any(|o| o.spec.type_.drains())
    }

    /// What is wrong already, by operation and run, or by machine: it says nothing about what follows.
    pub(super) fn wrongs(&self) -> BTreeSet<String> {
        let failed = self.failed().map(key);
        failed.chain(self.quarantined().map(|m| m.uid().unwrap_or_default())).collect()
    }

    fn failed(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|o| state(o) == OperationState::Failed)
    }

    /// Machines whose drain was given up.
    fn quarantined(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|m| {
            let drain = m.status.as_ref().and_then(|s| s.drain.as_ref());
            drain.is_some_and(|d| d.skipped_at.is_some() && d.completed_at.is_none())
        })
    }

    /// What went wrong that is not among the old wrongs.
    pub(super) fn wrong(&self, old: &BTreeSet<String>, goal: &Goal) -> Option<String> {
        let way_out = |pool: &str| {
            let words = goal.words(pool);
            format!("mend it and  quarterdeck retry {words}  or end it with  quarterdeck abort {words}")
        };
        if let Some(failed) = self.failed().find(|o| !old.contains(&key(o))) {
            let (name, status) = (failed.name_any(), failed.status.clone().unwrap_or_default());
            let first = status.failures.first().map(|f| format!("; {}: {}", f.machine, f.message)).unwrap_or_default();
            let why = format!("{}{first}", status.message.unwrap_or_default());
            let pool = failed.spec.pool_name.clone().unwrap_or_default();
            let why = why.trim_end_matches('.');
            return Some(format!("{name} failed: {why}. See  quarterdeck logs {name}  then {}", way_out(&pool)));
        }
        if let Some(machine) = self.quarantined().find(|m| !old.contains(&m.uid().unwrap_or_default())) {
            let pool = machine.spec.claim_ref.as_ref().map(|c| c.pool_name.clone()).unwrap_or_default();
            let name = machine.name_any();
            return Some(format!("{name} is in quarantine, {}: {}", obstacle(machine, self.now).0, way_out(&pool)));
        }
        self.pools.iter().find_map(|pool| {
            let late = condition(pool, "RollingOut").filter(|c| c.reason == "ProgressDeadlineExceeded");
            let refused = condition(pool, "UpToDate").filter(|c| c.reason == "Refused");
            let why = late.or(refused)?;
            Some(format!("{}: {}; {}", pool.name_any(), why.message, way_out(&pool.name_any())))
        })
    }

    /// What stands in the way of a pool while nothing at all is under way.
    pub(super) fn held_up(&self, goal: &Goal) -> Option<String> {
        if self.operations.iter().any(|o| !state(o).is_final())
            || self.machines.iter().any(|m| machine_state(m).is_moving())
        {
            return None;
        }
        let open = goal.pools.iter().filter(|g| !goal.is_there(g, self)).filter_map(|g| self.pool(&g.name));
        open.into_iter().find_map(|pool| {
            let (name, words) = (pool.name_any(), goal.words(&pool.name_any()));
            let rollout = pool.status.as_ref().and_then(|s| s.rollout.as_ref());
            let stuck = rollout.filter(|r| r.reason.as_deref().is_some_and(|r| HELD_UP.contains(&r)));
            if super::goal::is(pool, "Paused", "True") {
                return Some(format!("{name} is paused: it goes on with  quarterdeck resume {words}"));
            }
            if pool.spec.hold && stuck.is_some() {
                return Some(format!("{name} is on hold: it goes on with  quarterdeck unhold {words}"));
            }
            Some(format!("{name}: {}", stuck?.message.as_deref().unwrap_or("held up")))
        })
    }

    /// How far each pool is, what is in hand and why it is not faster; and the same without what only time changes.
    pub(super) fn lines(&self, goal: &Goal) -> Vec<(String, String)> {
        goal.pools.iter().filter_map(|g| Some(self.line(goal, g, self.pool(&g.name)?))).collect()
    }

    fn line(&self, goal: &Goal, of: &PoolGoal, pool: &NodePool) -> (String, String) {
        let name = &of.name;
        if goal.is_there(of, self) && goal.left(self) == 0 {
            let line = format!("{name}: done");
            return (line.clone(), line);
        }
        let waits = condition(pool, "UpToDate").filter(|c| c.reason == "WaitingForOtherPools");
        let rollout = pool.status.as_ref().and_then(|s| s.rollout.as_ref());
        let progress = match (rollout, goal.marked.len()) {
            (_, marked @ 1..) => format!("{}/{marked} replaced", marked - goal.left(self)),
            (Some(r), 0) => {
                format!("{}/{} updated", r.updated_available.min(pool.spec.replicas), pool.spec.replicas - r.kept)
            }
            (None, 0) => waits.map_or_else(|| "begins".to_owned(), |c| c.message.clone()),
        };
        let (mut line, mut face) = (format!("{name}: {progress}"), format!("{name}: {progress}"));
        let ours: Vec<&Machine> =
            self.machines.iter().filter(|m| m.spec.claim_ref.as_ref().is_some_and(|c| c.pool_name == *name)).collect();
        for (word, states) in MOVING {
            let moving: Vec<_> = ours.iter().filter(|m| states.contains(&machine_state(m))).collect();
            if moving.is_empty() {
                continue;
            }
            let named: Vec<_> = moving.iter().take(NAMED).map(|m| self.words(m)).collect();
            let more = if moving.len() > NAMED { ", …" } else { "" };
            let join = |which: fn(&(String, String)) -> &str| named.iter().map(which).collect::<Vec<_>>().join(", ");
            line.push_str(&format!(", {} {word}: {}{more}", moving.len(), join(|w| &w.0)));
            face.push_str(&format!(", {} {word}: {}{more}", moving.len(), join(|w| &w.1)));
        }
        if let Some(why) = rollout.and_then(|r| r.message.as_deref()) {
            line.push_str(&format!("; why not faster: {why}"));
            face.push_str(why);
        }
        (line, face)
    }

    /// A machine and what stands in its way; the same without the time.
    fn words(&self, machine: &Machine) -> (String, String) {
        let name = machine.name_any();
        let (with, without) = obstacle(machine, self.now);
        if with.is_empty() {
            let phase = machine.status.as_ref().and_then(|s| s.current_phase.clone());
            let name = phase.map_or(name.clone(), |phase| format!("{name} ({phase})"));
            return (name.clone(), name);
        }
        (format!("{name} {with}"), format!("{name} {without}"))
    }
}

const MOVING: [(&str, &[MachineState]); 4] = [
    ("joining", &[MachineState::Claimed, MachineState::Provisioning, MachineState::Deployed]),
    ("draining", &[MachineState::Draining]),
    ("upgrading", &[MachineState::Updating]),
    ("leaving", &[MachineState::Releasing]),
];

/// A retry is another run.
fn key(operation: &Operation) -> String {
    format!("{}/{}", operation.uid().unwrap_or_default(), operation.status.as_ref().map_or(0, |s| s.run))
}

fn condition<'a>(pool: &'a NodePool, type_: &str) -> Option<&'a Condition> {
    find_condition(pool.status.as_ref().map(|s| s.conditions.as_slice())?, type_)
}

fn state(operation: &Operation) -> OperationState {
    operation.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

fn machine_state(machine: &Machine) -> MachineState {
    machine.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}
