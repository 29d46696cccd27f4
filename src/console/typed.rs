//! A dialog without a plan: one order, what it means in a few sentences, and the typed yes.

use super::{
    form::{Ask, Form, Pressed},
    message::{Order, Target},
};
use crate::fleet::{Snapshot, Uid};
use crossterm::event::KeyEvent;
use jiff::Timestamp;

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
    pub fn new(title: String, meaning: Vec<String>, phrase: String, order: Order, user: &str, now: Timestamp) -> Self {
        Self { form: Form::new(user, false, now), title, meaning, phrase, level: 2, order }
    }

    /// A machine that is to be changed is another one, or gone.
    fn is_stale(target: &Target, snapshot: &Snapshot) -> bool {
        snapshot
            .machine(&Uid::new(target.context, target.uid.as_str()))
            .is_none_or(|machine| machine.generation != target.generation)
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
        Ok(self.order.clone())
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

    /// There is nothing to plan anew: whoever wants it still asks again.
    fn reload(&mut self, snapshot: &Snapshot, now: Timestamp) {
        self.refresh(snapshot, now);
    }

    fn press_value(&mut self, _: KeyEvent) -> Pressed {
        Pressed::Taken
    }
}
