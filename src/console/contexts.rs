//! The meta clusters that the console shows: what each is called, what is known of it before it answers, and what it lets
//! us do.
//!
//! What comes from one is never mixed with what comes from another: a row knows its context by its UID, and a change
//! carries that on to the server.

use super::{
    permissions::Permissions,
    state::{Place, State, Subject},
    text,
};
use crate::{
    config::{Accent, ContextSettings},
    fleet::{ContextId, Line, Snapshot},
};
use jiff::Timestamp;
use std::path::Path;

/// One meta cluster.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub place: Place,
    /// The colour that it is marked with.
    pub accent: Option<Accent>,
    pub tags: Vec<String>,
    /// It takes one level more to change anything there.
    pub production: bool,
    /// Why nothing may be changed there from here, if the user has said so in a file.
    pub locked: Option<String>,
    pub permissions: Permissions,
}

impl Context {
    /// One of which nothing more is said than where it is.
    pub fn plain(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// As it stands in `file`.
    pub fn new(place: Place, settings: &ContextSettings, file: &Path) -> Self {
        let locked = settings.read_only.then(|| {
            let (name, file) = (&settings.name, file.display());
            format!("{name} is read-only: `readOnly: true` of that context in {file} says so, and no key arms it")
        });
        Self {
            place,
            accent: settings.accent,
            tags: settings.tags.clone(),
            production: settings.is_production(),
            locked,
            permissions: Permissions::default(),
        }
    }
}

impl State {
    /// What is known of a context.
    ///
    /// # Panics
    /// For one that is not shown, which no row can name.
    pub fn context(&self, context: ContextId) -> &Context {
        &self.contexts[context.index()]
    }

    /// There is more than one meta cluster.
    pub fn has_several_contexts(&self) -> bool {
        self.contexts.len() > 1
    }

    /// What the whole is called.
    pub fn title(&self) -> String {
        match self.contexts.as_slice() {
            [one] => one.place.context.clone(),
            several => format!("{} contexts", several.len()),
        }
    }

    /// The context that what the cursor is on belongs to; none where it is on all of them.
    pub fn context_here(&self) -> Option<ContextId> {
        match self.subject() {
            Subject::Context(context) | Subject::Idle(context) => Some(context),
            Subject::Cluster(node) => Some(node.row.uid.context),
            Subject::Pool(node) => Some(node.row.uid.context),
            Subject::Machine(machine) => Some(machine.uid.context),
            Subject::Operation(operation) => Some(operation.uid.context),
            Subject::Fleet | Subject::Clusters(_) if !self.has_several_contexts() => Some(ContextId::FIRST),
            Subject::Fleet | Subject::Clusters(_) => None,
        }
    }
}

/// Takes over what a meta cluster said of itself when it first answered.
pub fn learn(state: &mut State) {
    let snapshot = state.snapshot.clone();
    for (context, known) in snapshot.contexts().zip(&mut state.contexts) {
        if let Some(welcome) = snapshot.part(context).and_then(|part| part.welcome.as_deref()) {
            known.place.namespace.clone_from(&welcome.namespace);
            known.place.only_look.clone_from(&welcome.only_look);
        }
    }
}

/// How the line to a context is, if there is any sign of it.
pub fn is_live(snapshot: &Snapshot, context: ContextId) -> bool {
    snapshot.connection_of(context).is_some_and(|connection| connection.line.is_live())
}

/// The line to a context broke: what is shown of it is what was last seen.
pub fn is_stale(snapshot: &Snapshot, context: ContextId) -> bool {
    let line = snapshot.connection_of(context).map(|connection| &connection.line);
    matches!(line, Some(Line::Reconnecting { .. } | Line::Offline { .. }))
}

/// The moment that what is shown of a context is of: nothing is known to have gone on since.
pub fn as_of(state: &State, context: ContextId) -> Timestamp {
    let connection = state.snapshot.connection_of(context).filter(|_| is_stale(&state.snapshot, context));
    connection.and_then(|connection| connection.contact.last()).unwrap_or(state.now)
}

/// That what is shown of a context is old, where it is.
pub fn staleness(state: &State, context: ContextId) -> Option<String> {
    let connection = state.snapshot.connection_of(context).filter(|_| is_stale(&state.snapshot, context))?;
    let name = &state.context(context).place.context;
    let age = connection.contact.age(state.now).map(|age| text::duration(age.as_secs() as i64));
    Some(match age {
        Some(age) => format!("as of {age} ago: {name} is not reached"),
        None => format!("{name} is not reached"),
    })
}

/// What is known of what a context has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Everything was listed at least once: what is not shown is not there, or was not.
    Listed,
    Reading,
    /// It was never reached, and why.
    NotReached(String),
}

/// What is known of what a context has.
pub fn knowledge(snapshot: &Snapshot, context: ContextId) -> Knowledge {
    match snapshot.of(context) {
        Some(here) if here.complete || here.connection.line.is_live() => Knowledge::Listed,
        Some(here) => here
            .connection
            .line
            .error()
            .map_or(Knowledge::Reading, |error| Knowledge::NotReached(error.trim_end_matches('.').to_owned())),
        None => Knowledge::Reading,
    }
}

/// Of a context, or of all of them, nothing is known yet: there is no number of anything.
pub fn is_unknown(snapshot: &Snapshot, context: Option<ContextId>) -> bool {
    let of = |context: ContextId| {
        let has_rows = snapshot.of(context).is_some_and(|here| !here.clusters.is_empty() || here.counts.total() > 0);
        !has_rows && knowledge(snapshot, context) != Knowledge::Listed
    };
    context.map_or_else(|| snapshot.contexts().all(of), of)
}

/// Why more may be there than is shown, of a context or of all of them; nothing where all was listed.
pub fn unread(state: &State, context: Option<ContextId>) -> Vec<String> {
    let snapshot = &*state.snapshot;
    let of = |here: &ContextId| context.is_none_or(|context| context == *here);
    let known: Vec<_> = snapshot.contexts().filter(of).map(|here| (here, knowledge(snapshot, here))).collect();
    let away = known.iter().filter_map(|(here, known)| match known {
        Knowledge::NotReached(why) => Some(format!("{} is not reached: {why}.", state.context(*here).place.context)),
        Knowledge::Listed | Knowledge::Reading => None,
    });
    let reading = known.iter().any(|(_, known)| *known == Knowledge::Reading);
    away.chain(reading.then(|| "Reading the fleet …".to_owned())).collect()
}
