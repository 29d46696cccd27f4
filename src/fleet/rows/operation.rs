//! The row of an operation.

use std::sync::Arc;

use jiff::Timestamp;

use super::instant;
use crate::{
    api::{Failure, Operation, OperationProgress, OperationState, OperationType, PhaseDuration},
    fleet::{Health, Interner, Uid},
};

/// What operations are ordered by in lists.
pub type Rank = (bool, std::cmp::Reverse<Option<Timestamp>>, Arc<str>);

/// One operation: who asked, why, and how it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationRow {
    pub uid: Uid,
    pub name: Arc<str>,
    pub namespace: Arc<str>,
    pub type_: OperationType,
    pub state: OperationState,
    pub cluster: Arc<str>,
    /// Name of the `NodePool`.
    pub pool: Option<Arc<str>>,
    pub runbook: Arc<str>,
    pub by: Option<Arc<str>>,
    pub reason: Option<Arc<str>>,
    /// Replicas before and after.
    pub from_replicas: Option<i32>,
    pub to_replicas: Option<i32>,
    pub paused: bool,
    pub created_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Machines and steps, counted. `total` is right from the start, also before the executor has said anything.
    pub progress: OperationProgress,
    pub failures: Arc<[Failure]>,
    pub message: Option<Arc<str>>,
    /// The Job whose pod's log is followed.
    pub job: Option<Arc<str>>,
    pub run: i32,
    pub phase_durations: Arc<[PhaseDuration]>,
    /// The resource, without managed fields; operations that are over lack `spec.machines` too.
    pub resource: Arc<Operation>,
}

impl OperationRow {
    pub fn project(mut operation: Operation, interner: &mut Interner) -> Self {
        operation.metadata.managed_fields = None;
        let status = operation.status.clone().unwrap_or_default();
        let state = status.state.unwrap_or_default();
        let mut progress = status.progress.unwrap_or_default();
        if progress.total == 0 {
            progress.total = i32::try_from(operation.spec.machines.len()).unwrap_or(i32::MAX);
        }
        if state.is_final() {
            operation.spec.machines = Vec::new();
        }
        let spec = &operation.spec;
        let text = |s: Option<&String>| s.filter(|s| !s.is_empty()).map(|s| s.as_str().into());
        Self {
            uid: interner.uid(operation.metadata.uid.as_deref()),
            name: interner.share(operation.metadata.name.as_deref().unwrap_or_default()),
            namespace: interner.share(operation.metadata.namespace.as_deref().unwrap_or_default()),
            type_: spec.type_,
            state,
            cluster: interner.share(&spec.cluster_name),
            pool: interner.share_some(spec.pool_name.as_deref()),
            runbook: interner.share(&spec.runbook),
            by: interner.share_some(spec.requested_by.as_deref()),
            reason: text(spec.reason.as_ref()),
            from_replicas: spec.from_replicas,
            to_replicas: spec.to_replicas,
            paused: spec.paused,
            created_at: instant(operation.metadata.creation_timestamp.as_ref()),
            started_at: instant(status.started_at.as_ref()),
            finished_at: instant(status.finished_at.as_ref()),
            progress,
            failures: status.failures.into(),
            message: text(status.message.as_ref()),
            job: text(status.job_name.as_ref()),
            run: status.run,
            phase_durations: status.phase_durations.into(),
            resource: Arc::new(operation),
        }
    }

    /// Nothing more will happen by itself.
    pub fn is_final(&self) -> bool {
        self.state.is_final()
    }

    pub fn health(&self) -> Health {
        match self.state {
            OperationState::Failed => Health::Bad,
            OperationState::Succeeded | OperationState::Cancelled => Health::Good,
            _ if self.progress.failed > 0 || !self.failures.is_empty() => Health::Warning,
            _ => Health::Moving,
        }
    }

    /// Machines that are through, well or not, out of all; 0 to 1.
    pub fn fraction(&self) -> f64 {
        let p = &self.progress;
        if p.steps_total > 0 {
            return (f64::from(p.steps_done) / f64::from(p.steps_total)).clamp(0.0, 1.0);
        }
        if p.total == 0 { 0.0 } else { (f64::from(p.succeeded + p.failed) / f64::from(p.total)).clamp(0.0, 1.0) }
    }

    /// Where it stands in lists: those under way first, then the newest.
    pub fn rank(&self) -> Rank {
        let at = self.finished_at.filter(|_| self.is_final()).or(self.created_at);
        (self.is_final(), std::cmp::Reverse(at), self.name.clone())
    }
}
