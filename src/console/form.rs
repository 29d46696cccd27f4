//! What every dialog that changes something has in common: a reason, the typed yes, the server's opinion, three buttons.
//!
//! A dialog never sends anything itself: `update` does, if [`Ask::blocked`] finds no reason against it.

use super::{
    input::Line,
    message::{DryRun, Order},
    stakes::Stakes,
};
use crate::fleet::Snapshot;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;

/// Keys that were already on their way when the dialog came into sight are not meant for it.
pub const TYPE_AHEAD_MILLISECONDS: i64 = 150;

/// Why nothing is sent while the server has not answered.
pub const WAITING: &str = "waiting for the server's dry run";

/// A key by itself, or with shift, on which terminals disagree.
pub fn is_plain(key: KeyEvent) -> bool {
    key.modifiers.difference(KeyModifiers::SHIFT).is_empty()
}

/// What keys go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What the dialog asks for: a number, a version.
    Value,
    Reason,
    Confirm,
    Cancel,
    Export,
    Apply,
}

impl Field {
    const ORDER: [Self; 6] = [Self::Value, Self::Reason, Self::Confirm, Self::Cancel, Self::Export, Self::Apply];
}

/// Where the server's opinion stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Opinion {
    #[default]
    NotAsked,
    Waiting {
        ticket: u64,
    },
    Given(DryRun),
    Refused(String),
}

/// What a key asks the dialog for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    Taken,
    Cancel,
    Arm,
    Reload,
    Export,
    /// Whether it waits for a maintenance window, the other way round.
    Window,
    Submit,
    /// It is for the field of the value.
    Value,
}

/// The part that all dialogs share.
#[derive(Clone, Debug)]
pub struct Form {
    pub user: String,
    pub opened_at: Timestamp,
    /// There is a value to be set, not just a question.
    has_value: bool,
    /// That value is being typed: the next character is added to it; else it takes its place.
    pub typing_value: bool,
    /// What makes it harder to confirm than it is by itself.
    pub stakes: Stakes,
    pub reason: Line,
    pub confirm: Line,
    pub focus: Field,
    pub opinion: Opinion,
    /// What the server was asked about last.
    pub asked: Option<Order>,
    /// Somebody changed what is looked at since the dialog was opened.
    pub changed: Option<String>,
    /// The change is on its way.
    pub applying: Option<u64>,
    /// What the server or the dialog said last.
    pub complaint: Option<String>,
    /// Lines of the preview that are scrolled away.
    pub scroll: usize,
}

impl Form {
    pub fn new(user: &str, has_value: bool, now: Timestamp) -> Self {
        Self {
            user: user.to_owned(),
            opened_at: now,
            has_value,
            typing_value: false,
            stakes: Stakes::default(),
            reason: Line::default(),
            confirm: Line::default(),
            focus: if has_value { Field::Value } else { Field::Reason },
            opinion: Opinion::NotAsked,
            asked: None,
            changed: None,
            applying: None,
            complaint: None,
            scroll: 0,
        }
    }

    /// Keys typed too early are not meant for the dialog.
    fn is_guarded(&self, seen_at: Timestamp) -> bool {
        seen_at.as_millisecond() - self.opened_at.as_millisecond() < TYPE_AHEAD_MILLISECONDS
    }

    pub fn step(&mut self, forward: bool) {
        let fields = &Field::ORDER[usize::from(!self.has_value)..];
        let at = fields.iter().position(|f| *f == self.focus).unwrap_or(0);
        self.focus = fields[(at + if forward { 1 } else { fields.len() - 1 }) % fields.len()];
        self.typing_value = false;
    }

    /// Another value is wanted: who typed a yes typed it for the one before.
    pub fn value_changed(&mut self) {
        self.complaint = None;
        self.confirm = Line::default();
    }

    /// Everything is asked and confirmed anew.
    pub fn begin_again(&mut self) {
        self.changed = None;
        self.complaint = None;
        self.opinion = Opinion::NotAsked;
        self.confirm = Line::default();
    }

    /// The reason, if one is given.
    pub fn reason(&self) -> Option<&str> {
        Some(self.reason.value().trim()).filter(|r| !r.is_empty())
    }

    /// `seen_at`: what was on the screen by then was seen by whoever pressed the key.
    pub fn press(&mut self, key: KeyEvent, seen_at: Timestamp) -> Pressed {
        if key.code == KeyCode::Esc {
            return Pressed::Cancel;
        }
        if self.is_guarded(seen_at) || self.applying.is_some() {
            return Pressed::Taken;
        }
        let typing = matches!(self.focus, Field::Reason | Field::Confirm);
        match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
            (KeyCode::Char('o'), true) => return Pressed::Arm,
            (KeyCode::Char('r'), true) => return Pressed::Reload,
            (KeyCode::Char('x'), true) => return Pressed::Export,
            (KeyCode::Char('n'), true) => return Pressed::Window,
            (KeyCode::Char('d'), true) => self.scroll = self.scroll.saturating_add(4),
            (KeyCode::Char('u'), true) if !typing => self.scroll = self.scroll.saturating_sub(4),
            (KeyCode::Tab, _) => self.step(true),
            (KeyCode::BackTab, _) => self.step(false),
            _ => return self.press_field(key),
        }
        Pressed::Taken
    }

    fn press_field(&mut self, key: KeyEvent) -> Pressed {
        // No key with ctrl sends anything.
        if key.code == KeyCode::Enter && !is_plain(key) {
            return Pressed::Taken;
        }
        match (self.focus, key.code) {
            (Field::Value, _) => return Pressed::Value,
            (Field::Reason | Field::Confirm, KeyCode::Down) => self.step(true),
            (Field::Reason | Field::Confirm, KeyCode::Up) => self.step(false),
            (Field::Reason, KeyCode::Enter) => self.focus = Field::Confirm,
            (Field::Confirm | Field::Apply, KeyCode::Enter) => return Pressed::Submit,
            (Field::Reason | Field::Confirm, _) => {
                let line = if self.focus == Field::Reason { &mut self.reason } else { &mut self.confirm };
                line.key(key);
                self.complaint = None;
            }
            (_, KeyCode::Left | KeyCode::Up) => self.step(false),
            (_, KeyCode::Right | KeyCode::Down) => self.step(true),
            (Field::Cancel, KeyCode::Enter) => return Pressed::Cancel,
            (Field::Export, KeyCode::Enter) | (_, KeyCode::Char('x')) => return Pressed::Export,
            _ => {}
        }
        Pressed::Taken
    }

    /// Only the reason may be pasted: the name has to be typed.
    pub fn paste(&mut self, text: &str, seen_at: Timestamp) {
        if self.is_guarded(seen_at) {
            return;
        }
        match self.focus {
            Field::Reason => self.reason.paste(text),
            Field::Confirm => self.complaint = Some("the confirmation is typed, not pasted".into()),
            _ => {}
        }
    }

    /// What the server was asked is what would be sent now.
    pub fn is_asked(&self, order: &Order) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.is_same(order))
    }
}

/// A dialog that asks for a change.
pub trait Ask {
    fn form(&self) -> &Form;
    fn form_mut(&mut self) -> &mut Form;
    /// What would be sent now; `Err` says why nothing would.
    fn order(&self) -> Result<Order, String>;
    /// How hard the confirmation is.
    fn level(&self) -> u8;
    /// What has to be typed.
    fn phrase(&self) -> String;
    /// Takes a newer snapshot in. What somebody else changed is said, not taken over: the user decided on what they saw.
    fn refresh(&mut self, snapshot: &Snapshot, now: Timestamp);
    /// Reads what it is about again, as it is now.
    fn reload(&mut self, snapshot: &Snapshot, now: Timestamp);
    /// A key for the field of the value.
    fn press_value(&mut self, key: KeyEvent) -> Pressed;
    /// It begins now, whatever a maintenance window says, or waits again; nothing where none is in the way.
    fn turn_window(&mut self) {}
    /// After each key: what is to be sent may have another reason by now.
    fn settle(&mut self) {}

    /// The phrase was typed.
    fn is_confirmed(&self) -> bool {
        self.form().confirm.value().trim() == self.phrase()
    }

    /// Why it cannot be applied, and the way out; the first reason only.
    fn blocked(&self, armed: bool) -> Option<String> {
        let form = self.form();
        if form.applying.is_some() {
            return Some("it is on its way".into());
        }
        if form.changed.is_some() {
            return form.changed.clone();
        }
        let order = match self.order() {
            Ok(order) => order,
            Err(why) => return Some(why),
        };
        if !armed {
            return Some("read-only: ctrl-o arms writes, ctrl-x exports the change instead".into());
        }
        match &form.opinion {
            Opinion::Refused(message) if form.is_asked(&order) => Some(format!("the server refuses it: {message}")),
            Opinion::Given(_) if form.is_asked(&order) => self.unconfirmed(),
            _ => Some(WAITING.into()),
        }
    }

    /// What is not typed yet.
    fn unconfirmed(&self) -> Option<String> {
        if self.level() >= 3 && self.form().reason().is_none() {
            return Some("a change of this level needs a reason".into());
        }
        (!self.is_confirmed()).then(|| format!("type `{}` to confirm", self.phrase()))
    }

    /// The dry run that should be asked for now; at most one is under way.
    fn wants_opinion(&self) -> Option<Order> {
        let form = self.form();
        if form.changed.is_some() || form.applying.is_some() {
            return None;
        }
        let order = self.order().ok()?;
        let wanted = match &form.opinion {
            Opinion::NotAsked => true,
            Opinion::Waiting { .. } => false,
            // Not with every letter of a reason.
            Opinion::Given(_) | Opinion::Refused(_) => form.focus != Field::Reason && !form.is_asked(&order),
        };
        wanted.then_some(order)
    }
}
