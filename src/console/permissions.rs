//! What the API server lets this user do: asked of it, remembered, and put into a sentence.
//!
//! What is not known forbids nothing: a server that cannot be asked still answers the request itself. Not to be taken for
//! the console's own read-only mode, which is a guard against slips and no matter of permission.

use super::{
    action::Action,
    contexts::{self, Context},
    message::{Effect, Order, Refusal, Why},
    state::{State, Subject},
};
use crate::fleet::{ContextId, Fault, Line, Snapshot};
use jiff::Timestamp;

/// Whoever presses a key again and again that is not for them does not make us ask more often.
const ASK_AGAIN_SECONDS: i64 = 5;

/// One thing that the console asks of the API server, and that may be refused to some of those who may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    PatchPools,
    PatchOperations,
    PatchDeployments,
    PatchMachines,
    ListPods,
    ReadLogs,
}

/// Verb, group, resource and subresource of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: &'static str,
    pub subresource: Option<&'static str>,
}

impl Need {
    pub const ALL: [Self; 6] = [
        Self::PatchPools,
        Self::PatchOperations,
        Self::PatchDeployments,
        Self::PatchMachines,
        Self::ListPods,
        Self::ReadLogs,
    ];
    /// What changes something in the fleet.
    pub const WRITES: [Self; 4] =
        [Self::PatchPools, Self::PatchOperations, Self::PatchDeployments, Self::PatchMachines];

    pub fn request(self) -> Request {
        let (verb, group, resource, subresource) = match self {
            Self::PatchPools => ("patch", crate::api::GROUP, "nodepools", None),
            Self::PatchOperations => ("patch", crate::api::GROUP, "operations", None),
            Self::PatchDeployments => ("patch", crate::api::GROUP, "clusterdeployments", None),
            Self::PatchMachines => ("patch", crate::api::GROUP, "machines", None),
            Self::ListPods => ("list", "", "pods", None),
            Self::ReadLogs => ("get", "", "pods", Some("log")),
        };
        Request { verb, group, resource, subresource }
    }

    /// That it is missing, in a few words.
    fn missing_in_brief(self) -> String {
        let Request { verb, resource, subresource, .. } = self.request();
        let subresource = subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
        format!("no permission to {verb} {resource}{subresource}")
    }

    /// That it is missing, and which role has it.
    pub fn missing(self, namespace: &str) -> String {
        let Request { verb, resource, subresource, .. } = self.request();
        let resource = subresource.map_or_else(|| resource.to_owned(), |sub| format!("{resource}/{sub}"));
        Fault::forbidden(verb, &resource, Some(namespace)).to_string()
    }
}

/// For each of [`Need::ALL`], in its order; `None` where the server did not say.
pub type Answers = [Option<bool>; Need::ALL.len()];

/// What we know, and whether it is time to ask.
#[derive(Clone, Debug)]
pub struct Permissions {
    answers: Answers,
    wanted: bool,
    /// An answer is waited for.
    asking: bool,
    asked_at: Timestamp,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { answers: Answers::default(), wanted: true, asking: false, asked_at: Timestamp::MIN }
    }
}

impl Permissions {
    fn forbids(&self, need: Need) -> bool {
        self.answers[need as usize] == Some(false)
    }

    /// Nothing in the fleet can be changed.
    fn forbids_all_writes(&self) -> bool {
        Need::WRITES.iter().all(|need| self.forbids(*need))
    }

    fn forbids_any(&self) -> bool {
        self.answers.contains(&Some(false))
    }

    fn ask_again(&mut self) {
        self.wanted = true;
    }

    /// A question that stays without an answer leaves what was known before.
    fn learn(&mut self, answers: Answers) {
        self.asking = false;
        for (known, said) in self.answers.iter_mut().zip(answers) {
            *known = said.or(*known);
        }
    }
}

impl State {
    /// Nothing in the fleet can be changed from here, and why: all of it is only to be looked at.
    pub fn only_look(&self) -> Option<String> {
        let each = (0..self.contexts.len()).map(|at| self.only_look_in(ContextId::at(at)));
        each.collect::<Option<Vec<_>>>()?.into_iter().next()
    }

    /// Nothing in that context can be changed from here, and why: the server is too old, or we lack every permission for
    /// it.
    pub fn only_look_in(&self, context: ContextId) -> Option<String> {
        let Context { place, locked, permissions, .. } = self.context(context);
        let lacks = permissions.forbids_all_writes().then(|| Need::PatchPools.missing(&place.namespace));
        locked.clone().or(place.only_look.clone()).or(lacks)
    }

    /// Why the server would refuse what an action does here, as a sentence; `None` if it would not, or if we do not know.
    pub fn why_not(&self, action: Action) -> Option<String> {
        match action {
            // What cannot be armed says so where it is asked for, though others can be.
            Action::Arm => match self.context_here() {
                Some(context) => self.only_look_in(context),
                None => self.only_look(),
            },
            _ => self.lacks_here(self.needs(action)),
        }
    }

    /// Why an action is refused here at the moment, in a few words: by the server, or because the console is read-only.
    pub fn refusal_in_brief(&self, action: Action) -> Option<String> {
        let (needs, writes) = (self.needs(action), action.entry().writes);
        if let Some(context) = self.context_of(needs) {
            let Context { place, locked, permissions, .. } = self.context(context);
            let is_locked = writes && (locked.is_some() || place.only_look.is_some());
            let missing = needs.iter().find(|need| permissions.forbids(**need));
            if is_locked || missing.is_some() {
                let missing = missing.filter(|_| !is_locked);
                return Some(missing.map_or_else(|| "only to be looked at".to_owned(), |need| need.missing_in_brief()));
            }
        }
        (writes && !self.is_armed()).then(|| "read-only".to_owned())
    }

    /// What an action takes of the server here.
    fn needs(&self, action: Action) -> &'static [Need] {
        match action {
            Action::Scale | Action::Hold | Action::Rollback => &[Need::PatchPools],
            Action::Upgrade => match self.subject() {
                Subject::Cluster(_) => &[Need::PatchDeployments],
                _ => &[Need::PatchPools],
            },
            Action::Abort => &[Need::PatchPools, Need::PatchOperations],
            Action::Replace => match self.subject() {
                Subject::Machine(_) => &[Need::PatchMachines],
                _ if !self.marks.is_empty() => &[Need::PatchMachines],
                _ => &[Need::PatchPools],
            },
            Action::Cordon
            | Action::Uncordon
            | Action::Drain
            | Action::DrainWait
            | Action::DrainSkip
            | Action::DrainForce => &[Need::PatchMachines],
            Action::Edit => match self.subject() {
                Subject::Cluster(_) => &[Need::PatchDeployments],
                Subject::Pool(_) => &[Need::PatchPools],
                Subject::Machine(_) => &[Need::PatchMachines],
                Subject::Operation(_) => &[Need::PatchOperations],
                _ => &[],
            },
            Action::Pause => match self.subject() {
                Subject::Operation(_) => &[Need::PatchOperations],
                _ => &[Need::PatchPools],
            },
            Action::Retry => &[Need::PatchOperations],
            Action::Logs | Action::AllLogs => &[Need::ListPods, Need::ReadLogs],
            _ => &[],
        }
    }

    /// The first of these that is missing where the marked machines are, or where the cursor is.
    fn lacks_here(&self, needs: &[Need]) -> Option<String> {
        self.lacks(self.context_of(needs)?, needs)
    }

    /// Where these would be needed: where the marked machines are, or where the cursor is.
    fn context_of(&self, needs: &[Need]) -> Option<ContextId> {
        let of_marks =
            needs.contains(&Need::PatchMachines).then(|| self.marks.first().map(|uid| uid.context)).flatten();
        of_marks.or_else(|| self.context_here())
    }

    /// The first of these that is missing in a context, as a sentence.
    pub fn lacks(&self, context: ContextId, needs: &[Need]) -> Option<String> {
        let Context { place, locked, permissions, .. } = self.context(context);
        if let Some(why) = locked.as_ref().or(place.only_look.as_ref())
            && needs.iter().any(|need| Need::WRITES.contains(need))
        {
            return Some(why.clone());
        }
        let missing = needs.iter().find(|need| permissions.forbids(**need))?;
        Some(missing.missing(&place.namespace))
    }

    /// What is missing for an order, as a sentence: each of its changes is looked at where it goes.
    pub fn lacks_for(&self, order: &Order) -> Option<String> {
        order.contexts().into_iter().find_map(|context| self.lacks(context, &order.needs()))
    }
}

/// True if the action may go on; says why not otherwise, and asks the server whether that is still so.
pub fn allows(state: &mut State, action: Action) -> bool {
    let Some(why) = state.why_not(action) else { return true };
    state.complain(why);
    let now = state.now;
    for Context { permissions, .. } in &mut state.contexts {
        if permissions.forbids_any() && now.duration_since(permissions.asked_at).as_secs() >= ASK_AGAIN_SECONDS {
            permissions.ask_again();
        }
    }
    false
}

/// What was answered; a change for the better is worth a line.
pub fn reviewed(state: &mut State, context: ContextId, answers: Answers) {
    let before = state.only_look_in(context);
    let Some(known) = state.contexts.get_mut(context.index()) else { return };
    known.permissions.learn(answers);
    if before.is_some() && state.only_look_in(context).is_none() {
        state.tell("you may change the fleet now");
    }
}

/// We thought that we may, and may not.
pub fn refused(state: &mut State, refusal: &Refusal) {
    if refusal.why == Why::Forbidden {
        state.contexts.iter_mut().for_each(|context| context.permissions.ask_again());
    }
}

/// A line that was broken and is there again may belong to somebody else: tokens and certificates are renewed, logins change.
pub fn reconnected(state: &mut State, before: &Snapshot) {
    let snapshot = state.snapshot.clone();
    for (context, known) in snapshot.contexts().zip(&mut state.contexts) {
        let broken = |line: &Line| matches!(line, Line::Reconnecting { .. } | Line::Offline { .. });
        let was_broken = before.connection_of(context).is_some_and(|connection| broken(&connection.line));
        if was_broken && contexts::is_live(&snapshot, context) {
            known.permissions.ask_again();
        }
    }
}

/// The questions that it is time for; one at a time for each context.
pub fn ask(state: &mut State) -> Vec<Effect> {
    let (snapshot, now) = (state.snapshot.clone(), state.now);
    let mut effects = Vec::new();
    for (context, known) in snapshot.contexts().zip(&mut state.contexts) {
        let Context { place, permissions, .. } = known;
        let line = snapshot.connection_of(context).map(|connection| &connection.line);
        // One of several may not have answered yet: then there is nobody to ask.
        let there = snapshot.part(context).is_none_or(|part| part.welcome.is_some());
        let open = matches!(line, Some(Line::Connecting | Line::Live));
        if permissions.wanted && !permissions.asking && open && there {
            (permissions.wanted, permissions.asking, permissions.asked_at) = (false, true, now);
            effects.push(Effect::Review { context, namespace: place.namespace.clone() });
        }
    }
    effects
}
