//! The small question of level 1: yes or no, and no is the default.

use super::{
    custom::Run,
    message::{Change, Kind, Order, Target},
};
use crate::{
    api::{NodePool, labels},
    fleet::OperationRow,
};
use jiff::Timestamp;
use serde_json::json;

/// A change that waits for a yes.
#[derive(Clone, Debug)]
pub struct Confirmation {
    pub question: String,
    /// What it means, in a sentence.
    pub meaning: String,
    pub deed: Deed,
    pub opened_at: Timestamp,
    /// `yes` has the focus; at first only where the user has set it so.
    pub yes: bool,
}

/// What a yes brings about.
#[derive(Clone, Debug)]
pub enum Deed {
    Change(Order),
    /// A command of the user's.
    Run(Run),
}

/// Pauses or resumes a pool.
pub fn pause_pool(context: crate::fleet::ContextId, pool: &NodePool, paused: bool, user: &str) -> Order {
    let target = super::scale::target(context, pool);
    let done = format!("{} {}", target.name, if paused { "is paused" } else { "goes on" });
    let patch = json!({"metadata": {"annotations": {labels::REQUESTED_BY: user}}, "spec": {"paused": paused}});
    Order::one(Change { target, patch }, done)
}

/// Holds a pool, or lifts the hold.
pub fn hold_pool(context: crate::fleet::ContextId, pool: &NodePool, hold: bool, user: &str) -> Order {
    let target = super::scale::target(context, pool);
    let done = format!("{} {}", target.name, if hold { "is on hold" } else { "is no longer on hold" });
    let patch = json!({"metadata": {"annotations": {labels::REQUESTED_BY: user}}, "spec": {"hold": hold}});
    Order::one(Change { target, patch }, done)
}

/// Pauses or resumes an operation.
pub fn pause_operation(operation: &OperationRow, paused: bool) -> Order {
    let target = operation_target(operation);
    let done = format!("{} {}", target.name, if paused { "begins no new machine" } else { "goes on" });
    Order::one(Change { target, patch: json!({"spec": {"paused": paused}}) }, done)
}

/// Asks that what failed is tried again; any new value of the annotation counts.
pub fn retry(operation: &OperationRow, now: Timestamp) -> Order {
    let target = operation_target(operation);
    let done = format!("{} tries again what failed", target.name);
    let patch = json!({"metadata": {"annotations": {labels::RETRY: now.to_string()}}});
    Order::one(Change { target, patch }, done)
}

fn operation_target(operation: &OperationRow) -> Target {
    let metadata = &operation.resource.metadata;
    Target {
        context: operation.uid.context,
        kind: Kind::Operation,
        namespace: operation.namespace.to_string(),
        name: operation.name.to_string(),
        uid: operation.uid.as_str().to_owned(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        generation: metadata.generation,
    }
}
