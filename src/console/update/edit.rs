//! Editing an object: it is read, given to the user's editor, and what they changed is asked about like any other change.

use super::{
    super::{
        action::Action,
        edit::{Draft, Edited},
        message::{Effect, Kind},
        permissions::Need,
        sheet::{self, About, Form, Reading},
        state::{Overlay, State},
        typed::TypedDialog,
    },
    change,
};

/// What it takes where nothing is at stake: the difference, and the name typed.
const LEVEL: u8 = 2;

/// Of the kinds that are shown, the one that is written; a sentence where there is none.
fn kind(about: &About) -> Result<Kind, String> {
    match about.kind {
        sheet::Kind::Cluster => Ok(Kind::ClusterDeployment),
        sheet::Kind::NodePool => Ok(Kind::NodePool),
        sheet::Kind::Machine => Ok(Kind::Machine),
        sheet::Kind::Operation => Ok(Kind::Operation),
        sheet::Kind::MachineSet => Err("a MachineSet is made by its pool: edit that".to_owned()),
        sheet::Kind::Other(_) => Err("only clusters, pools, machines and operations are edited here".to_owned()),
    }
}

/// Has the object read that is to be edited.
pub fn begin(state: &mut State, about: Option<About>) -> Vec<Effect> {
    let Some(about) = about else {
        state.complain("there is nothing to edit here: put the cursor on a cluster, a pool, a machine or an operation");
        return Vec::new();
    };
    let needs = kind(&about).map(Kind::need);
    let missing = |need: Need| state.lacks(about.context, &[need]);
    if let Some(why) = needs.map_or_else(Some, missing) {
        state.complain(why);
        return Vec::new();
    }
    if !change::is_armed(state) {
        return Vec::new();
    }
    state.tickets += 1;
    let ticket = state.tickets;
    state.overlay = Overlay::None;
    state.tell(format!("reading {} {} for your editor …", about.kind.as_str(), about.name));
    state.editing = Some((ticket, about.clone()));
    vec![Effect::Read { ticket, about, form: Form::Yaml }]
}

/// A key that comes before the editor does is for the console, and an editor that opens under somebody's hands is none.
pub fn give_up(state: &mut State) {
    if let Some((_, about)) = state.editing.take() {
        state.tell(format!("{} {} is not edited: another key came first", about.kind.as_str(), about.name));
    }
}

/// Gives what was read to the editor.
pub fn opened(state: &mut State, outcome: Result<Box<Reading>, String>) -> Vec<Effect> {
    let Some((_, about)) = state.editing.take() else { return Vec::new() };
    let draft = outcome.and_then(|reading| {
        let kind = kind(&about)?;
        // A cluster comes with what is there of it; what is asked for is the other one.
        let is_it = |object: &&serde_json::Value| object["kind"] == kind.as_str();
        let object = reading.objects.iter().find(is_it);
        let object =
            object.ok_or_else(|| format!("{} has no {}: there is nothing to edit", about.name, kind.as_str()))?;
        Ok(Draft::new(about.context, kind, object))
    });
    match draft {
        Ok(draft) => vec![Effect::Edit(Box::new(draft))],
        Err(why) => {
            state.complain(why);
            Vec::new()
        }
    }
}

/// Asks about what came out of the editor.
pub fn edited(state: &mut State, draft: &Draft, outcome: Result<String, String>) -> Vec<Effect> {
    let order = match outcome.map(|text| draft.read(&text, &state.user)) {
        Ok(Edited::Changed(order)) => order,
        Ok(Edited::Again(draft)) => return vec![Effect::Edit(draft)],
        Ok(Edited::Unchanged) => {
            state.tell(format!("{} is as it was: nothing is written", draft.what()));
            return Vec::new();
        }
        Err(why) => {
            state.complain(format!("{} is not changed: {why}", draft.what()));
            return Vec::new();
        }
    };
    let mut meaning: Vec<String> = state.managed_by(&order, Some("x")).into_iter().collect();
    if matches!(draft.target.kind, Kind::NodePool | Kind::ClusterDeployment) {
        let [scale, upgrade, replace] =
            [Action::Scale, Action::Upgrade, Action::Replace].map(|action| state.keymap.key(action));
        meaning.push(format!(
            "What it means for machines is not planned here: `{scale}`, `{upgrade}` and `{replace}` show that first"
        ));
    }
    let words = (format!("Write what you changed of {}?", draft.what()), meaning, draft.target.name.clone());
    let stakes = state.stakes_of(&order);
    let dialog = TypedDialog::new(words, (order, LEVEL, stakes), &state.user, state.now);
    state.overlay = Overlay::Typed(Box::new(dialog));
    Vec::new()
}
