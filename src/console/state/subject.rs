//! What the cursor is on, and what an action that is asked for there is about.

use super::{Pane, State, View};
use crate::{
    api::{Machine, MachineState},
    console::{tree::RowId, why},
    fleet::{ClusterNode, ContextId, MachineRow, OperationRow, PoolNode},
};
use std::sync::Arc;

/// What the cursor is on.
#[derive(Clone, Debug)]
pub enum Subject<'a> {
    Fleet,
    /// One of several meta clusters.
    Context(ContextId),
    Idle(ContextId),
    Clusters(usize),
    Cluster(&'a Arc<ClusterNode>),
    Pool(&'a Arc<PoolNode>),
    Machine(&'a Arc<MachineRow>),
    Operation(&'a Arc<OperationRow>),
}

impl State {
    /// What the cursor is on.
    pub fn subject(&self) -> Subject<'_> {
        match self.view {
            View::Operations => self.operation_under_cursor().map_or(Subject::Fleet, Subject::Operation),
            View::Machines => self.machine_in_table().map_or(Subject::Fleet, Subject::Machine),
            View::Hosts => self.host_under_cursor().map_or(Subject::Fleet, Subject::Machine),
            View::Events => self.subject_of_event().unwrap_or(Subject::Fleet),
            View::Fleet => self.tree_subject(),
        }
    }

    /// What the event under the cursor is about, if that is in the fleet still: what cannot be seen is not acted upon.
    fn subject_of_event(&self) -> Option<Subject<'_>> {
        let event =
            self.sieves.events.get(self.events.index).filter(|e| self.events.cursor.as_ref() == Some(&e.uid))?;
        let (uid, snapshot) = (&event.object_uid, &*self.snapshot);
        let machine = snapshot.machine(uid).map(Subject::Machine);
        machine
            .or_else(|| snapshot.pool(uid).map(Subject::Pool))
            .or_else(|| snapshot.cluster(uid).map(Subject::Cluster))
            .or_else(|| snapshot.operation(uid).map(Subject::Operation))
    }

    fn host_under_cursor(&self) -> Option<&Arc<MachineRow>> {
        self.snapshot.machine(&self.hosts.selected()?.uid)
    }

    /// The machine that a question about one machine is about; of an operation, one that failed.
    pub fn machine_in_reach(&self) -> Option<&Arc<MachineRow>> {
        if let Some(why) = &self.why {
            return self.snapshot.machine(&why.uid);
        }
        match self.subject() {
            Subject::Machine(machine) => Some(machine),
            Subject::Operation(operation) => why::failed_machine(self, operation),
            _ => None,
        }
    }

    /// What the cursor of the fleet is on, whichever view is shown.
    pub fn tree_subject(&self) -> Subject<'_> {
        let snapshot = &*self.snapshot;
        let found = match &self.tree.cursor {
            RowId::Meta => None,
            RowId::Context(context) => Some(Subject::Context(*context)),
            RowId::Idle(context) => Some(Subject::Idle(*context)),
            RowId::Clusters(uid) => snapshot.cluster(uid).map(|_| Subject::Clusters(self.tree.index())),
            RowId::Cluster(uid) => snapshot.cluster(uid).map(Subject::Cluster),
            RowId::Pool(uid) | RowId::Machines(uid) => snapshot.pool(uid).map(Subject::Pool),
            RowId::Machine(uid) => snapshot.machine(uid).map(Subject::Machine),
        };
        found.unwrap_or(Subject::Fleet)
    }

    fn machine_in_table(&self) -> Option<&Arc<MachineRow>> {
        self.snapshot.machine(self.table.rows().get(self.table.list.index)?)
    }

    fn operation_under_cursor(&self) -> Option<&Arc<OperationRow>> {
        self.sieves.operations.get(self.operations.index)
    }

    /// The pool that an action on a pool is about.
    pub fn pool_in_reach(&self) -> Option<&Arc<PoolNode>> {
        match self.subject() {
            Subject::Pool(node) => Some(node),
            Subject::Machine(machine) => self.snapshot.pool_of(machine),
            Subject::Operation(operation) => {
                self.snapshot.pool_named(operation.uid.context, operation.pool.as_deref()?)
            }
            Subject::Cluster(node) if node.pools.len() == 1 => node.pools.first(),
            _ => None,
        }
    }

    /// The marked machines; without marks, the one under the cursor.
    pub fn chosen_machines(&self) -> Vec<Arc<MachineRow>> {
        let marked: Vec<_> = self.marks.iter().filter_map(|uid| self.snapshot.machine(uid).cloned()).collect();
        match self.subject() {
            Subject::Machine(machine) if marked.is_empty() => vec![machine.clone()],
            _ => marked,
        }
    }

    /// The whole resource of a machine, if it is what was read last.
    pub fn resource_of(&self, machine: &MachineRow) -> Option<&Arc<Machine>> {
        let (context, resource) = self.machine.as_ref()?;
        (*context == machine.uid.context && resource.metadata.uid.as_deref() == Some(machine.uid.as_str()))
            .then_some(resource)
    }

    /// The machine under the cursor, if its drain is blocked and a person may decide.
    pub fn blocked_drain(&self) -> Option<&Arc<MachineRow>> {
        let Subject::Machine(machine) = self.subject() else { return None };
        let blocked = machine.drain.as_deref().is_some_and(|d| !d.blockers.is_empty() && d.completed_at.is_none());
        (blocked && machine.state == MachineState::Draining).then_some(machine)
    }

    /// A key may decide about a drain here: neither on a page that hides the machine, nor in a log or among events, whose
    /// own keys are the same ones.
    pub fn chooses_drain(&self) -> bool {
        self.why.is_none() && self.pane != Pane::Feed && self.blocked_drain().is_some()
    }

    /// The operation that works here, or last did.
    pub fn operation_in_reach(&self) -> Option<&Arc<OperationRow>> {
        match self.subject() {
            Subject::Operation(operation) => Some(operation),
            Subject::Pool(node) => self.snapshot.operations_of(&node.row).next(),
            Subject::Machine(machine) => machine
                .operation
                .as_deref()
                .and_then(|name| self.snapshot.operation_named(machine.uid.context, name))
                .or_else(|| self.snapshot.operations_named(machine.uid.context, machine.pool.as_deref()?).next()),
            _ => None,
        }
    }
}
