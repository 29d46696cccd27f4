//! What the API server lets this user do: asked of it, remembered, and put into a sentence.
//!
//! What is not known forbids nothing: a server that cannot be asked still answers the request itself. Not to be taken for
//! the console's own read-only mode, which is a guard against slips and no matter of permission.

use super::{
    action::Action,
    message::{Effect, Refusal, Why},
    state::{State, Subject},
};
use crate::fleet::{Connection, Fault, Line};
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
    /// Nothing in the fleet can be changed from here, and why: the server is too old, or we lack every permission for it.
    pub fn only_look(&self) -> Option<String> {
        let lacks = self.permissions.forbids_all_writes().then(|| Need::PatchPools.missing(&self.place.namespace));
        self.place.only_look.clone().or(lacks)
    }

    /// Why the server would refuse what an action does here, as a sentence; `None` if it would not, or if we do not know.
    pub fn why_not(&self, action: Action) -> Option<String> {
        match action {
            Action::Scale | Action::Hold | Action::Rollback => self.lacks(&[Need::PatchPools]),
            Action::Upgrade => match self.subject() {
                Subject::Cluster(_) => self.lacks(&[Need::PatchDeployments]),
                _ => self.lacks(&[Need::PatchPools]),
            },
            Action::Abort => self.lacks(&[Need::PatchPools, Need::PatchOperations]),
            Action::Replace => match self.subject() {
                Subject::Machine(_) => self.lacks(&[Need::PatchMachines]),
                _ if !self.marks.is_empty() => self.lacks(&[Need::PatchMachines]),
                _ => self.lacks(&[Need::PatchPools]),
            },
            Action::Cordon
            | Action::Uncordon
            | Action::Drain
            | Action::DrainWait
            | Action::DrainSkip
            | Action::DrainForce => self.lacks(&[Need::PatchMachines]),
            Action::Pause => match self.subject() {
                Subject::Operation(_) => self.lacks(&[Need::PatchOperations]),
                _ => self.lacks(&[Need::PatchPools]),
            },
            Action::Retry => self.lacks(&[Need::PatchOperations]),
            Action::Logs => self.lacks(&[Need::ListPods, Need::ReadLogs]),
            Action::Arm => self.only_look(),
            _ => None,
        }
    }

    /// The first of these that is missing, as a sentence.
    pub fn lacks(&self, needs: &[Need]) -> Option<String> {
        if let Some(why) = &self.place.only_look
            && needs.iter().any(|need| Need::WRITES.contains(need))
        {
            return Some(why.clone());
        }
        let missing = needs.iter().find(|need| self.permissions.forbids(**need))?;
        Some(missing.missing(&self.place.namespace))
    }
}

/// True if the action may go on; says why not otherwise, and asks the server whether that is still so.
pub fn allows(state: &mut State, action: Action) -> bool {
    let Some(why) = state.why_not(action) else { return true };
    state.complain(why);
    if state.now.duration_since(state.permissions.asked_at).as_secs() >= ASK_AGAIN_SECONDS {
        state.permissions.ask_again();
    }
    false
}

/// What was answered; a change for the better is worth a line.
pub fn reviewed(state: &mut State, answers: Answers) {
    let before = state.only_look();
    state.permissions.learn(answers);
    if before.is_some() && state.only_look().is_none() {
        state.tell("you may change the fleet now");
    }
}

/// We thought that we may, and may not.
pub fn refused(state: &mut State, refusal: &Refusal) {
    if refusal.why == Why::Forbidden {
        state.permissions.ask_again();
    }
}

/// A line that was broken and is there again may belong to somebody else: tokens and certificates are renewed, logins change.
pub fn reconnected(state: &mut State, before: &Connection) {
    let broken = |line: &Line| matches!(line, Line::Reconnecting { .. } | Line::Offline { .. });
    if broken(&before.line) && state.snapshot.connection.line.is_live() {
        state.permissions.ask_again();
    }
}

/// The question, if it is time for it; one at a time.
pub fn ask(state: &mut State) -> Option<Effect> {
    let line = &state.snapshot.connection.line;
    let permissions = &mut state.permissions;
    if !permissions.wanted || permissions.asking || !matches!(line, Line::Connecting | Line::Live) {
        return None;
    }
    (permissions.wanted, permissions.asking, permissions.asked_at) = (false, true, state.now);
    Some(Effect::Review { namespace: state.place.namespace.clone() })
}
