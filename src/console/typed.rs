//! A dialog without a plan: one order, what it means in a few sentences, and the typed yes.

use super::{
    form::{Ask, Form, Pressed},
    message::{Kind, Order, Target},
    stakes::Stakes,
};
use crate::{
    api::labels,
    fleet::{Snapshot, Uid},
};
use crossterm::event::KeyEvent;
use jiff::Timestamp;
use serde_json::json;

/// The dialog.
#[derive(Clone, Debug)]
pub struct TypedDialog {
    pub form: Form,
    pub title: String,
    /// What it means; the weightiest first.
    pub meaning: Vec<String>,
    pub phrase: String,
    pub level: u8,
    order: Order,
}

impl TypedDialog {
    /// `level` is what it takes where nothing is at stake.
    pub fn new(
        (title, meaning, phrase): (String, Vec<String>, String),
        (order, level, stakes): (Order, u8, Stakes),
        user: &str,
        now: Timestamp,
    ) -> Self {
        let mut form = Form::new(user, false, now);
        form.stakes = stakes;
        Self { level: form.stakes.level(level), form, title, meaning, phrase, order }
    }

    /// What is to be changed is another one, or gone.
    fn is_stale(target: &Target, snapshot: &Snapshot) -> bool {
        let uid = Uid::new(target.context, target.uid.as_str());
        let generation = match target.kind {
            Kind::Machine => snapshot.machine(&uid).map(|machine| machine.generation),
            Kind::NodePool => {
                snapshot.pool(&uid).map(|pool| pool.row.resource.as_ref().and_then(|pool| pool.metadata.generation))
            }
            Kind::Operation => snapshot.operation(&uid).map(|operation| operation.resource.metadata.generation),
            Kind::ClusterDeployment => snapshot
                .cluster(&uid)
                .map(|cluster| cluster.row.deployment.as_ref().and_then(|cluster| cluster.metadata.generation)),
        };
        generation.is_none_or(|generation| generation != target.generation)
    }
}

impl Ask for TypedDialog {
    fn form(&self) -> &Form {
        &self.form
    }

    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn order(&self) -> Result<Order, String> {
        let mut order = self.order.clone();
        if let Some(reason) = self.form.reason() {
            for change in &mut order.changes {
                let note = json!({"metadata": {"annotations": {labels::REASON: reason}}});
                json_patch::merge(&mut change.patch, &note);
            }
        }
        Ok(order)
    }

    fn level(&self) -> u8 {
        self.level
    }

    fn phrase(&self) -> String {
        self.phrase.clone()
    }

    fn refresh(&mut self, snapshot: &Snapshot, _: Timestamp) {
        let stale = self.order.changes.iter().map(|c| &c.target).find(|target| Self::is_stale(target, snapshot));
        if let Some(target) = stale {
            self.form.changed = Some(format!("{} was changed, or is gone: esc closes this, look again", target.name));
        }
    }

    /// There is nothing to plan anew. The server is asked again, unless what is to be changed is another one by now.
    fn reload(&mut self, snapshot: &Snapshot, now: Timestamp) {
        self.refresh(snapshot, now);
        if self.form.changed.is_none() {
            self.form.begin_again();
        }
    }

    fn press_value(&mut self, _: KeyEvent) -> Pressed {
        Pressed::Taken
    }
}
