//! The scale dialog: how many, whether they are there, what will happen, why, and the typed yes.
//!
//! It holds what the user is looking at, and asks the planner the question that the controller will ask.

use super::{
    form::{Ask, Form, Pressed},
    message::{Change, Kind, Order, Target},
    text,
};
use crate::{
    api::{Machine, NodePool, Operation, Role, labels},
    fleet::{ContextId, PoolNode, Snapshot, Uid},
    plan::{
        quorum,
        scale::{Demand, Halt, Plan, plan},
    },
};
use crossterm::event::{KeyCode, KeyEvent};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Taking away more than this part of a pool raises the level.
const LARGE_SHRINK: f64 = 0.10;
/// Idle machines that are handed to the planner; nobody reads further, and a pool has at most 100,000.
const CANDIDATES: usize = 2_000;

/// The dialog.
#[derive(Clone, Debug)]
pub struct ScaleDialog {
    pub uid: Uid,
    /// The pool as the user is looking at it.
    pub pool: Arc<NodePool>,
    /// `gpu` of `eu-1-gpu`: what is typed to confirm.
    pub short_name: Arc<str>,
    pub production: bool,
    pub replicas: i32,
    pub form: Form,
    pub plan: Plan,
    machines: Vec<Machine>,
    operations: Vec<Arc<Operation>>,
    /// Idle machines that match.
    pub idle: usize,
    /// The last key was a sign: a digit behind it would look like a difference.
    signed: bool,
}

/// Most replicas of a pool.
pub const MOST: i32 = 100_000;

impl ScaleDialog {
    /// Opens on a pool; `replicas` is what to begin with.
    pub fn open(
        node: &PoolNode,
        snapshot: &Snapshot,
        replicas: Option<i32>,
        user: &str,
        now: Timestamp,
    ) -> Option<Self> {
        let pool = node.row.resource.clone()?;
        let mut dialog = Self {
            uid: node.row.uid.clone(),
            short_name: node.row.short_name.clone(),
            production: is_production(node, snapshot),
            replicas: replicas.unwrap_or(pool.spec.replicas),
            form: Form::new(user, true, now),
            plan: Plan::default(),
            machines: Vec::new(),
            operations: Vec::new(),
            idle: 0,
            signed: false,
            pool,
        };
        dialog.look(node, snapshot);
        Some(dialog)
    }

    fn look(&mut self, node: &PoolNode, snapshot: &Snapshot) {
        let selector = &self.pool.spec.machine_selector;
        self.idle = snapshot.capacity(&node.row);
        let candidates = snapshot.matching(self.uid.context, selector).take(CANDIDATES);
        self.machines = node.machines.iter().chain(candidates).map(|m| m.to_machine()).collect();
        self.operations = snapshot
            .operations_in(self.uid.context)
            .iter()
            .filter(|o| o.pool.as_deref() == Some(&*node.row.name) || o.is_final())
            .map(|o| o.resource.clone())
            .collect();
        self.replan();
    }

    fn replan(&mut self) {
        let demand = Demand::of(&self.pool).with_replicas(self.replicas);
        self.plan = plan(&demand, &self.machines, self.operations.iter().map(AsRef::as_ref)).foretold(&self.pool);
        self.form.complaint = None;
    }

    pub fn name(&self) -> &str {
        self.pool.metadata.name.as_deref().unwrap_or_default()
    }

    /// Replicas before the change.
    pub fn from(&self) -> i32 {
        self.pool.spec.replicas
    }

    pub fn set_replicas(&mut self, replicas: i32) {
        self.replicas = replicas.clamp(0, MOST);
        self.form.value_changed();
        self.replan();
    }

    pub fn step(&mut self, by: i32) {
        self.form.typing_value = false;
        self.set_replicas(self.replicas.saturating_add(by));
    }

    /// A digit replaces the number at first and is added to it then.
    pub fn digit(&mut self, digit: i32) {
        let before = if self.form.typing_value { self.replicas } else { 0 };
        self.form.typing_value = true;
        let typed = before.saturating_mul(10).saturating_add(digit);
        self.set_replicas(typed);
        if typed > MOST {
            self.form.complaint = Some(format!("a pool has {} replicas at most", text::number(MOST as usize)));
        }
    }

    /// A sign is one more or one less at once; `-5` is neither five less nor five.
    fn sign(&mut self, by: i32) {
        self.step(by);
        self.signed = true;
    }

    fn refuse_difference(&mut self) {
        self.signed = true;
        let said = "a difference is not read, `+` and `-` are one each: backspace, and then the number of replicas";
        self.form.complaint = Some(said.into());
    }

    pub fn backspace(&mut self) {
        self.form.typing_value = true;
        self.set_replicas(self.replicas / 10);
    }

    /// What a person should know before they confirm, the weightiest first.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(shortfall) = self.plan.shortfall_message() {
            warnings.push(shortfall);
        }
        warnings.extend(quorum::caution(&self.pool, self.replicas));
        match &self.plan.halt {
            Some(Halt::DeletionBudgetExceeded(budget)) if self.pool.spec.role != Role::Worker => {
                warnings.push(format!(
                    "{} would leave, one after the other, and {} may without approval: confirming approves it",
                    text::plural(usize::try_from(budget.wanted).unwrap_or(0), "member"),
                    budget.allowed
                ));
            }
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

    /// The merge patch without the binding.
    fn patch(&self) -> Value {
        // An approval is for one number; it never outlives the change that it was given for.
        let approved = self.plan.needs_approval().then(|| self.replicas.to_string());
        json!({
            "metadata": {"annotations": {
                labels::REASON: self.form.reason(),
                labels::REQUESTED_BY: self.form.user,
                labels::APPROVED_REPLICAS: approved,
            }},
            "spec": {"replicas": self.replicas},
        })
    }
}

impl Ask for ScaleDialog {
    fn form(&self) -> &Form {
        &self.form
    }

    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    /// The change, bound to what the user is looking at.
    fn order(&self) -> Result<Order, String> {
        if self.replicas == self.from() {
            return Err("nothing to change: set another number of replicas".into());
        }
        if self.replicas == 0 && self.pool.spec.role == Role::ControlPlane {
            return Err("a control plane needs at least one replica".into());
        }
        let change = Change { target: target(self.uid.context, &self.pool), patch: self.patch() };
        Ok(Order::one(change, format!("{} scales from {} to {}", self.name(), self.from(), self.replicas)))
    }

    /// 2, one more for production, one more for taking away a large part.
    fn level(&self) -> u8 {
        let leaves = self.from() - self.replicas;
        let large = leaves > 0 && f64::from(leaves) > f64::from(self.from()) * LARGE_SHRINK;
        let production = self.production || self.form.stakes.production.is_some();
        (2 + u8::from(production) + u8::from(large)).min(3)
    }

    fn phrase(&self) -> String {
        match self.level() {
            3 => format!("{} {}", self.short_name, self.replicas),
            _ => self.short_name.to_string(),
        }
    }

    fn refresh(&mut self, snapshot: &Snapshot, _: Timestamp) {
        let Some(node) = snapshot.pool(&self.uid) else {
            self.form.changed = Some("the pool was deleted: Esc closes this".into());
            return;
        };
        let Some(now) = node.row.resource.clone() else { return };
        if now.metadata.generation == self.pool.metadata.generation {
            self.pool = now;
        } else {
            let (seen, is) = (self.pool.spec.replicas, now.spec.replicas);
            let by = annotation(&now, labels::REQUESTED_BY).map(|by| format!(" by {by}")).unwrap_or_default();
            self.form.changed = Some(if seen == is {
                format!("the pool was changed{by} since you opened this: ctrl-r reads it again")
            } else {
                format!("replicas went from {seen} to {is}{by} since you opened this: ctrl-r reads it again")
            });
        }
        if self.idle != snapshot.capacity(&node.row) || self.machines.len() < node.machines.len() {
            self.look(node, snapshot);
        }
    }

    fn reload(&mut self, snapshot: &Snapshot, _: Timestamp) {
        let Some(node) = snapshot.pool(&self.uid) else { return };
        if let Some(pool) = node.row.resource.clone() {
            self.pool = pool;
            self.form.begin_again();
            self.look(node, snapshot);
        }
    }

    fn press_value(&mut self, key: KeyEvent) -> Pressed {
        let signed = std::mem::take(&mut self.signed);
        match key.code {
            KeyCode::Char(sign @ ('+' | '-')) => self.sign(if sign == '+' { 1 } else { -1 }),
            KeyCode::Char(c) if signed && c.is_ascii_digit() => self.refuse_difference(),
            // The next digit begins anew.
            KeyCode::Backspace if signed => self.step(0),
            KeyCode::Up | KeyCode::Char('k' | '=') => self.step(1),
            KeyCode::Down | KeyCode::Char('j') => self.step(-1),
            KeyCode::PageUp => self.step(10),
            KeyCode::PageDown => self.step(-10),
            KeyCode::Char(c) if c.is_ascii_digit() => self.digit(c as i32 - '0' as i32),
            KeyCode::Backspace => self.backspace(),
            KeyCode::Enter => self.form.step(true),
            KeyCode::Char('x') => return Pressed::Export,
            KeyCode::Char('W') => return Pressed::Arm,
            KeyCode::Char('q') => return Pressed::Cancel,
            _ => {}
        }
        Pressed::Taken
    }
}

/// A pool as something to be changed.
pub fn target(context: ContextId, pool: &NodePool) -> Target {
    let metadata = &pool.metadata;
    Target {
        context,
        kind: Kind::NodePool,
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        generation: metadata.generation,
    }
}

fn is_production(node: &PoolNode, snapshot: &Snapshot) -> bool {
    node.row.production || snapshot.cluster_of(&node.row).is_some_and(|c| c.row.production)
}

fn annotation<'a>(pool: &'a NodePool, key: &str) -> Option<&'a str> {
    pool.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::testing;

    #[test]
    fn a_control_plane_that_tolerates_no_loss_is_said() {
        let fleet = "cluster eu-1\npool control replicas=3 role=ControlPlane\nmachine a Ready\nmachine b Ready\nmachine c Ready\nidle 2 spare-";
        let snapshot = testing::snapshot(fleet);
        let node = snapshot.pool(&testing::uid("eu-1-control")).expect("the pool");
        let check = |replicas: i32, expected: &[&str]| {
            let dialog = ScaleDialog::open(node, &snapshot, Some(replicas), "alice", testing::NOW).expect("a dialog");
            assert_eq!(dialog.warnings(), expected, "{replicas}");
        };
        check(3, &[]);
        check(2, &["a control plane of 2: none of them may fail, or etcd stops"]);
        check(4, &["a control plane of 4 is no safer than one of 3: no more than 1 of them may fail"]);
        check(
            1,
            &[
                "a control plane of 1: if it fails, nothing answers",
                "2 members would leave, one after the other, and 1 may without approval: confirming approves it",
            ],
        );
    }
}
