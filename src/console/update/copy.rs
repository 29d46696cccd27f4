//! What goes to the clipboard, and how much of it: terminals drop what is too long for them without a word.

use super::super::{
    message::Effect,
    state::{State, Subject, View},
    text::{number, plural},
};

/// Most bytes of a copy. xterm, kitty and tmux take this much; what is longer is written to a file.
pub const MOST_BYTES: usize = 100_000;

/// Copies a text; `what` says what it is, where that is shorter than to count.
pub fn copy(state: &mut State, text: String, what: Option<String>) -> Vec<Effect> {
    if text.len() > MOST_BYTES {
        state.complain(format!(
            "{} bytes are too many for the clipboard of a terminal, which takes {}: save it to a file instead",
            number(text.len()),
            number(MOST_BYTES)
        ));
        return Vec::new();
    }
    let what = what.unwrap_or_else(|| plural(text.len(), "byte"));
    state.tell(format!("copied {what} to the clipboard of your terminal"));
    vec![Effect::Copy(text)]
}

/// All that is marked, a name on each line; without marks, the name under the cursor.
pub fn names(state: &mut State) -> Vec<Effect> {
    let marked: Vec<String> =
        state.marks.iter().filter_map(|uid| state.snapshot.machine(uid)).map(|m| m.name.to_string()).collect();
    if !marked.is_empty() && matches!(state.view, View::Fleet | View::Machines) {
        let what = plural(marked.len(), "name");
        return copy(state, marked.join("\n") + "\n", Some(what));
    }
    let name = match state.subject() {
        Subject::Fleet | Subject::Idle(_) | Subject::Clusters(_) => state.title(),
        Subject::Context(context) => state.context(context).place.context.clone(),
        Subject::Cluster(node) => node.row.name.to_string(),
        Subject::Pool(node) => node.row.name.to_string(),
        Subject::Machine(machine) => machine.name.to_string(),
        Subject::Operation(operation) => operation.name.to_string(),
    };
    let what = super::super::text::cut(&name, 60);
    copy(state, name, Some(what))
}
