//! Who did what, when and why: one table of all that is known of it, for a part of the fleet or for all.
//!
//! It is made of what the read model has already: the Events that consoles write about what they change, and the
//! Operations that came of it. Both are bounded, so this is. Nothing is asked of a server.

use super::{
    columns::{self, In},
    input::Line,
    state::{State, Subject},
};
use crate::{
    api::labels,
    fleet::{ContextId, EventRow, Filter, OperationRow, Selection, Snapshot, Uid, filter::Scratch},
};
use jiff::Timestamp;
use std::sync::Arc;

/// What it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Context(ContextId),
    Cluster(ContextId, Arc<str>),
    /// By the name of the `NodePool`.
    Pool(ContextId, Arc<str>),
    /// A machine or an operation.
    Object(Uid),
}

/// One thing that somebody did, or that came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Timestamp,
    pub who: Arc<str>,
    pub what: String,
    /// What it was done to.
    pub name: Arc<str>,
    /// `NodePool`, `Machine`, `Operation`, …
    pub kind: Arc<str>,
    pub why: Option<Arc<str>>,
    /// Where Enter goes.
    pub uid: Uid,
}

/// The table, while it is open.
#[derive(Clone, Debug)]
pub struct Audit {
    pub scope: Scope,
    pub title: String,
    pub rows: Vec<Entry>,
    pub index: usize,
    pub top: usize,
    pub filter: Line,
    /// The filter is being typed.
    pub typing: bool,
    /// Why the filter cannot be read: the one before is in force.
    pub mistake: Option<String>,
    /// How many there are without the filter.
    pub of_all: usize,
    /// What could be read of it.
    read: Filter,
    /// What the rows were made of.
    events: Arc<[Arc<EventRow>]>,
    operations: Arc<[Arc<OperationRow>]>,
}

impl Audit {
    /// Of what the cursor is on.
    pub fn open(state: &State) -> Self {
        let (scope, title) = scope(state);
        let mut audit = Self {
            scope,
            title,
            rows: Vec::new(),
            index: 0,
            top: 0,
            filter: Line::default(),
            typing: false,
            mistake: None,
            of_all: 0,
            read: Filter::default(),
            events: state.snapshot.events.clone(),
            operations: state.snapshot.operations.clone(),
        };
        audit.look(&state.snapshot);
        audit
    }

    /// Takes a newer snapshot in; costs nothing if neither events nor operations are other ones.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        let same = Arc::ptr_eq(&self.events, &snapshot.events) && Arc::ptr_eq(&self.operations, &snapshot.operations);
        if !same {
            (self.events, self.operations) = (snapshot.events.clone(), snapshot.operations.clone());
            self.look(snapshot);
        }
    }

    /// Makes the rows anew, and keeps the cursor on its row.
    pub fn look(&mut self, snapshot: &Snapshot) {
        let before = self.rows.get(self.index).cloned();
        match Filter::parse_for(self.filter.value(), columns::AUDIT) {
            Ok(filter) => (self.read, self.mistake) = (filter, None),
            Err(mistake) => self.mistake = Some(mistake.to_string()),
        }
        self.rows = entries(snapshot, &self.scope);
        self.of_all = self.rows.len();
        let mut scratch = Scratch::default();
        self.rows.retain(|entry| self.read.row(&In(entry, snapshot), &mut scratch));
        let kept = before.and_then(|entry| self.rows.iter().position(|row| *row == entry));
        self.index = kept.unwrap_or(self.index).min(self.rows.len().saturating_sub(1));
    }

    pub fn travel(&mut self, rows: isize) {
        self.index = self.index.saturating_add_signed(rows).min(self.rows.len().saturating_sub(1));
    }

    /// Scrolls so that the cursor is in a window of that height.
    pub fn scroll(&mut self, height: usize) {
        self.top = self.top.max((self.index + 1).saturating_sub(height)).min(self.index);
    }
}

impl Entry {
    fn of_event(event: &EventRow) -> Option<Self> {
        let by_console = event.source.as_deref() == Some(labels::CONSOLE_MANAGER);
        let who = event.by.clone().filter(|_| by_console)?;
        // The sentence says at its end what has columns of its own.
        let end = format!(", by {who}");
        let what = event.message.rsplit_once(&*end).map_or(&*event.message, |(what, _)| what);
        let named = what.strip_prefix(&*event.name).and_then(|rest| rest.strip_prefix(' '));
        let what = named.unwrap_or(what).to_owned();
        let (name, why) = (event.name.clone(), event.why.clone());
        Some(Self { at: event.at, who, what, name, kind: event.kind.clone(), why, uid: event.object_uid.clone() })
    }

    fn of_operation(operation: &OperationRow) -> Option<Self> {
        let who = operation.by.clone()?;
        let replicas = operation.from_replicas.zip(operation.to_replicas);
        let change = replicas.map(|(from, to)| format!(" {from} to {to}")).unwrap_or_default();
        let what = format!("{}{change}: {}", operation.type_.as_str(), operation.state.as_str());
        let (name, why) = (operation.name.clone(), operation.reason.clone());
        Some(Self {
            at: operation.created_at?,
            who,
            what,
            name,
            kind: "Operation".into(),
            why,
            uid: operation.uid.clone(),
        })
    }
}

/// The newest first.
fn entries(snapshot: &Snapshot, scope: &Scope) -> Vec<Entry> {
    let events = snapshot.events.iter().filter_map(|event| Entry::of_event(event));
    let operations = snapshot.operations.iter().filter_map(|operation| Entry::of_operation(operation));
    let mut all: Vec<Entry> = events.chain(operations).filter(|entry| scope.has(&entry.uid, snapshot)).collect();
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.uid.cmp(&b.uid)));
    all
}

impl Scope {
    fn has(&self, uid: &Uid, snapshot: &Snapshot) -> bool {
        match self {
            Self::All => true,
            Self::Context(context) => uid.context == *context,
            Self::Object(object) => {
                uid == object
                    || snapshot.operation(uid).is_some_and(|operation| works_on(operation, object))
                    || snapshot.operation(object).is_some_and(|operation| works_on(operation, uid))
            }
            Self::Cluster(context, name) => uid.context == *context && place(uid, snapshot).0.as_ref() == Some(name),
            Self::Pool(context, name) => uid.context == *context && place(uid, snapshot).1.as_ref() == Some(name),
        }
    }
}

fn works_on(operation: &OperationRow, object: &Uid) -> bool {
    operation.uid.context == object.context
        && operation.resource.spec.machines.iter().any(|machine| machine.uid == object.as_str())
}

/// Names of the cluster and of the pool that an object belongs to, as far as it is still there.
fn place(uid: &Uid, snapshot: &Snapshot) -> (Option<Arc<str>>, Option<Arc<str>>) {
    match snapshot.find(uid) {
        Some(Selection::Cluster(node)) => (Some(node.row.name.clone()), None),
        Some(Selection::Pool(cluster, node)) => (Some(cluster.row.name.clone()), Some(node.row.name.clone())),
        Some(Selection::Machine(machine)) => (machine.cluster.clone(), machine.pool.clone()),
        Some(Selection::Operation(operation)) => (Some(operation.cluster.clone()), operation.pool.clone()),
        None => (None, None),
    }
}

fn scope(state: &State) -> (Scope, String) {
    match state.subject() {
        Subject::Fleet | Subject::Clusters(_) => (Scope::All, "the fleet".into()),
        Subject::Context(context) | Subject::Idle(context) => match state.has_several_contexts() {
            true => (Scope::Context(context), state.context(context).place.context.clone()),
            false => (Scope::All, "the fleet".into()),
        },
        Subject::Cluster(node) => {
            (Scope::Cluster(node.row.uid.context, node.row.name.clone()), node.row.name.to_string())
        }
        Subject::Pool(node) => (Scope::Pool(node.row.uid.context, node.row.name.clone()), node.row.name.to_string()),
        Subject::Machine(machine) => (Scope::Object(machine.uid.clone()), machine.name.to_string()),
        Subject::Operation(operation) => (Scope::Object(operation.uid.clone()), operation.name.to_string()),
    }
}
