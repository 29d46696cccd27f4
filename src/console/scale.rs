//! The scale dialog: how many, whether they are there, what will happen, why, and the typed yes.
//!
//! It holds what the user is looking at. It asks the planner the question that the controller will ask, and it never
//! sends anything itself: `update` does, if [`ScaleDialog::blocked`] finds no reason against it.

use super::{
    input::Line,
    message::{Change, DryRun, Kind, Target},
    text,
};
use crate::{
    api::{Machine, NodePool, Operation, Role, labels},
    fleet::{PoolNode, Snapshot},
    plan::scale::{Demand, Halt, Plan, plan},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Keys that were already on their way when the dialog opened are not meant for it.
pub const TYPE_AHEAD_MILLISECONDS: i64 = 150;
/// Taking away more than this part of a pool raises the level.
const LARGE_SHRINK: f64 = 0.10;
/// Idle machines that are handed to the planner; nobody reads further, and a pool has at most 100,000.
const CANDIDATES: usize = 2_000;

/// What keys go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Replicas,
    Reason,
    Confirm,
    Cancel,
    Export,
    Apply,
}

impl Field {
    const ORDER: [Self; 6] = [Self::Replicas, Self::Reason, Self::Confirm, Self::Cancel, Self::Export, Self::Apply];

    pub fn step(self, forward: bool) -> Self {
        let at = Self::ORDER.iter().position(|f| *f == self).unwrap_or(0);
        Self::ORDER[(at + if forward { 1 } else { Self::ORDER.len() - 1 }) % Self::ORDER.len()]
    }
}

/// Where the server's opinion stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Opinion {
    #[default]
    NotAsked,
    Waiting {
        ticket: u64,
        replicas: i32,
    },
    Given {
        replicas: i32,
        answer: DryRun,
    },
    Refused {
        replicas: i32,
        message: String,
    },
}

/// The dialog.
#[derive(Clone, Debug)]
pub struct ScaleDialog {
    /// The pool as the user is looking at it.
    pub pool: Arc<NodePool>,
    /// `gpu` of `eu-1-gpu`: what is typed to confirm.
    pub short_name: Arc<str>,
    pub production: bool,
    pub opened_at: Timestamp,
    pub replicas: i32,
    /// Digits are being typed: the next one is added.
    typing: bool,
    pub reason: Line,
    pub confirm: Line,
    pub focus: Field,
    pub opinion: Opinion,
    /// The reason that the server was last asked with.
    pub asked_with: String,
    pub plan: Plan,
    machines: Vec<Machine>,
    operations: Vec<Arc<Operation>>,
    /// Idle machines that match.
    pub idle: usize,
    /// Somebody changed the spec since the dialog was opened.
    pub changed: Option<String>,
    /// The change is on its way.
    pub applying: Option<u64>,
    /// What the server or the dialog said last.
    pub complaint: Option<String>,
    /// Lines of the preview that are scrolled away.
    pub scroll: usize,
}

impl ScaleDialog {
    /// Opens on a pool; `replicas` is what to begin with.
    pub fn open(node: &PoolNode, snapshot: &Snapshot, replicas: Option<i32>, now: Timestamp) -> Option<Self> {
        let pool = node.row.resource.clone()?;
        let mut dialog = Self {
            short_name: node.row.short_name.clone(),
            production: is_production(node, snapshot),
            opened_at: now,
            replicas: replicas.unwrap_or(pool.spec.replicas),
            typing: false,
            reason: Line::default(),
            confirm: Line::default(),
            focus: Field::Replicas,
            opinion: Opinion::NotAsked,
            asked_with: String::new(),
            plan: Plan::default(),
            machines: Vec::new(),
            operations: Vec::new(),
            idle: 0,
            changed: None,
            applying: None,
            complaint: None,
            scroll: 0,
            pool,
        };
        dialog.look(node, snapshot);
        Some(dialog)
    }

    /// Takes a newer snapshot in. A changed spec is said, not taken over: the user decided on what they saw.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        let uid = self.pool.metadata.uid.clone().unwrap_or_default();
        let Some(node) = snapshot.pool(&uid) else {
            self.changed = Some("the pool was deleted: Esc closes this".into());
            return;
        };
        let Some(now) = node.row.resource.clone() else { return };
        if now.metadata.generation == self.pool.metadata.generation {
            self.pool = now;
        } else {
            let (seen, is) = (self.pool.spec.replicas, now.spec.replicas);
            let by = annotation(&now, labels::REQUESTED_BY).map(|by| format!(" by {by}")).unwrap_or_default();
            self.changed = Some(if seen == is {
                format!("the pool was changed{by} since you opened this: ctrl-r reads it again")
            } else {
                format!("replicas went from {seen} to {is}{by} since you opened this: ctrl-r reads it again")
            });
        }
        if self.idle != snapshot.capacity(&node.row) || self.machines.len() < node.machines.len() {
            self.look(node, snapshot);
        }
    }

    /// Reads the pool again, as it is now.
    pub fn reload(&mut self, snapshot: &Snapshot) {
        let uid = self.pool.metadata.uid.clone().unwrap_or_default();
        let Some(node) = snapshot.pool(&uid) else { return };
        if let Some(pool) = node.row.resource.clone() {
            self.pool = pool;
            self.changed = None;
            self.complaint = None;
            self.opinion = Opinion::NotAsked;
            self.confirm = Line::default();
            self.look(node, snapshot);
        }
    }

    fn look(&mut self, node: &PoolNode, snapshot: &Snapshot) {
        let selector = &self.pool.spec.machine_selector;
        self.idle = snapshot.capacity(&node.row);
        let candidates = snapshot.matching(selector).take(CANDIDATES);
        self.machines = node.machines.iter().chain(candidates).map(|m| m.to_machine()).collect();
        self.operations = snapshot
            .operations
            .iter()
            .filter(|o| o.pool.as_deref() == Some(&*node.row.name) || o.is_final())
            .map(|o| o.resource.clone())
            .collect();
        self.replan();
    }

    fn replan(&mut self) {
        let demand = Demand::of(&self.pool).with_replicas(self.replicas);
        self.plan = plan(&demand, &self.machines, self.operations.iter().map(AsRef::as_ref));
        self.complaint = None;
    }

    pub fn name(&self) -> &str {
        self.pool.metadata.name.as_deref().unwrap_or_default()
    }

    /// Replicas before the change.
    pub fn from(&self) -> i32 {
        self.pool.spec.replicas
    }

    pub fn set_replicas(&mut self, replicas: i32) {
        self.replicas = replicas.clamp(0, 100_000);
        self.replan();
    }

    pub fn step(&mut self, by: i32) {
        self.typing = false;
        self.set_replicas(self.replicas.saturating_add(by));
    }

    /// A digit replaces the number at first and is added to it then.
    pub fn digit(&mut self, digit: i32) {
        let before = if self.typing { self.replicas } else { 0 };
        self.typing = true;
        self.set_replicas(before.saturating_mul(10).saturating_add(digit));
    }

    pub fn backspace(&mut self) {
        self.typing = true;
        self.set_replicas(self.replicas / 10);
    }

    /// How hard the confirmation is: 2, one more for production, one more for taking away a large part.
    pub fn level(&self) -> u8 {
        let leaves = self.from() - self.replicas;
        let large = leaves > 0 && f64::from(leaves) > f64::from(self.from()) * LARGE_SHRINK;
        (2 + u8::from(self.production) + u8::from(large)).min(3)
    }

    /// What has to be typed.
    pub fn phrase(&self) -> String {
        match self.level() {
            3 => format!("{} {}", self.short_name, self.replicas),
            _ => self.short_name.to_string(),
        }
    }

    /// The phrase was typed.
    pub fn is_confirmed(&self) -> bool {
        self.confirm.value().trim() == self.phrase()
    }

    /// Why it cannot be applied, and the way out; the first reason only.
    pub fn blocked(&self, armed: bool) -> Option<String> {
        let say = |s: &str| Some(s.to_owned());
        match () {
            () if self.applying.is_some() => say("it is on its way"),
            () if self.changed.is_some() => self.changed.clone(),
            () if self.replicas == self.from() => say("nothing to change: set another number of replicas"),
            () if self.replicas == 0 && self.pool.spec.role == Role::ControlPlane => {
                say("a control plane needs at least one replica")
            }
            () if !armed => say("read-only: ctrl-o arms writes, ctrl-x exports the change instead"),
            () => match &self.opinion {
                Opinion::Refused { replicas, message } if *replicas == self.replicas => {
                    Some(format!("the server refuses it: {message}"))
                }
                Opinion::Given { replicas, .. } if *replicas == self.replicas && self.is_asked_with_reason() => {
                    self.unconfirmed()
                }
                _ => say("waiting for the server's dry run"),
            },
        }
    }

    fn unconfirmed(&self) -> Option<String> {
        if self.level() >= 3 && self.reason.value().trim().is_empty() {
            return Some("a change of this level needs a reason".into());
        }
        (!self.is_confirmed()).then(|| format!("type `{}` to confirm", self.phrase()))
    }

    /// What a person should know before they confirm, the weightiest first.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(shortfall) = self.plan.shortfall_message() {
            warnings.push(shortfall);
        }
        match &self.plan.halt {
            Some(Halt::Paused) => warnings.push("the pool is paused: nothing happens until it is resumed".into()),
            Some(Halt::DeletionBudgetExceeded(budget)) => warnings.push(format!(
                "{} would leave at once, and {} may without approval: confirming approves it",
                text::plural(usize::try_from(budget.wanted).unwrap_or(0), "node"),
                budget.allowed
            )),
            Some(halt) => warnings.push(halt.message()),
            None => {}
        }
        if self.plan.leaving > 0 {
            warnings.push(format!("{} leaving already", text::plural(self.plan.leaving as usize, "machine")));
        }
        warnings
    }

    /// The dry run that should be asked for now; at most one is under way.
    pub fn wants_opinion(&self) -> bool {
        self.replicas != self.from()
            && self.changed.is_none()
            && self.applying.is_none()
            && match &self.opinion {
                Opinion::NotAsked => true,
                Opinion::Waiting { .. } => false,
                Opinion::Given { replicas, .. } | Opinion::Refused { replicas, .. } => {
                    *replicas != self.replicas || (self.focus != Field::Reason && !self.is_asked_with_reason())
                }
            }
    }

    /// What the server was asked is what would be sent now.
    fn is_asked_with_reason(&self) -> bool {
        self.asked_with == self.reason.value()
    }

    /// The change, bound to what the user is looking at.
    pub fn change(&self, user: &str) -> Change {
        Change {
            target: target(&self.pool),
            patch: self.patch(Some(user)),
            done: format!("{} scales from {} to {}", self.name(), self.from(), self.replicas),
        }
    }

    /// The merge patch without the binding.
    pub fn patch(&self, user: Option<&str>) -> Value {
        let reason = Some(self.reason.value().trim()).filter(|r| !r.is_empty());
        // An approval is for one number; it never outlives the change that it was given for.
        let approved = self.plan.needs_approval().then(|| self.replicas.to_string());
        json!({
            "metadata": {"annotations": {
                labels::REASON: reason,
                labels::REQUESTED_BY: user,
                labels::APPROVED_REPLICAS: approved,
            }},
            "spec": {"replicas": self.replicas},
        })
    }

    /// Keys typed too early are not meant for the dialog.
    pub fn is_guarded(&self, now: Timestamp) -> bool {
        now.as_millisecond() - self.opened_at.as_millisecond() < TYPE_AHEAD_MILLISECONDS
    }
}

/// A pool as something to be changed.
pub fn target(pool: &NodePool) -> Target {
    let metadata = &pool.metadata;
    Target {
        kind: Kind::NodePool,
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        generation: metadata.generation,
    }
}

fn is_production(node: &PoolNode, snapshot: &Snapshot) -> bool {
    node.row.production || snapshot.cluster(&node.row.cluster).is_some_and(|c| c.row.production)
}

fn annotation<'a>(pool: &'a NodePool, key: &str) -> Option<&'a str> {
    pool.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}
