//! Changes of level 0 and 1, and the arming of writes.

use super::super::{
    action::Action,
    confirm::{self, Confirmation, Deed},
    export::ExportDialog,
    form::{TYPE_AHEAD_MILLISECONDS, is_plain},
    keys::Chord,
    message::{Effect, Order},
    permissions,
    state::{Overlay, State, Subject},
    typed::TypedDialog,
};
use crate::api::OperationState;
use crossterm::event::{KeyCode, KeyEvent};

/// Allows writes for a while, or forbids them again at once.
pub fn arm(state: &mut State) {
    if !permissions::allows(state, Action::Arm) {
        return;
    }
    if state.is_armed() {
        state.armed_until = None;
        state.tell("read-only");
    } else {
        state.armed_until = Some(state.now + jiff::SignedDuration::from_secs(state.armed_seconds));
        let minutes = state.armed_seconds / 60;
        let locked = state.contexts.iter().filter(|context| context.locked.is_some());
        let locked: Vec<&str> = locked.map(|context| context.place.context.as_str()).collect();
        let rest = if locked.is_empty() { String::new() } else { format!("; {} stays read-only", locked.join(", ")) };
        state.tell(format!("armed for {minutes} min: each change is still confirmed{rest}"));
    }
}

/// True if the server lets us, and writes are armed; says what to do otherwise.
pub fn may_write(state: &mut State, action: Action) -> bool {
    if !permissions::allows(state, action) {
        return false;
    }
    if state.is_armed() {
        return true;
    }
    say_how_to_arm(state);
    false
}

/// True if writes are armed at all, whatever the server lets us do; says what to do otherwise.
pub fn is_armed(state: &mut State) -> bool {
    if !state.is_armed() {
        say_how_to_arm(state);
    }
    state.is_armed()
}

fn say_how_to_arm(state: &mut State) {
    let key = state.keymap.key(Action::Arm);
    state.complain(format!("read-only: `{key}` arms writes for {} minutes", state.armed_seconds / 60));
}

/// Pausing is immediate, for stopping must be the easiest act; going on asks first.
pub fn pause(state: &mut State) -> Vec<Effect> {
    if !permissions::allows(state, Action::Pause) {
        return Vec::new();
    }
    // Nobody arms writes to be told that.
    if matches!(state.subject(), Subject::Operation(operation) if operation.is_final()) {
        state.complain("the operation is over: there is nothing to pause");
        return Vec::new();
    }
    if !may_write(state, Action::Pause) {
        return Vec::new();
    }
    if let Subject::Operation(operation) = state.subject() {
        let (order, name, paused) =
            (confirm::pause_operation(operation, !operation.paused), operation.name.clone(), operation.paused);
        let question = format!("Let {name} go on?");
        return stop_or_ask(state, order, !paused, &question, "it begins the machines that wait");
    }
    let Some(node) = state.pool_in_reach().cloned() else { return nothing_here(state, "pause") };
    let Some(pool) = &node.row.resource else { return nothing_here(state, "pause") };
    let order = confirm::pause_pool(node.row.uid.context, pool, !node.row.paused, &state.user);
    let question = format!("Let {} go on?", node.row.name);
    stop_or_ask(
        state,
        order,
        !node.row.paused,
        &question,
        "its controllers act on it again, with whatever is wanted by now",
    )
}

/// Holding is immediate, lifting the hold asks first.
pub fn hold(state: &mut State) -> Vec<Effect> {
    if !may_write(state, Action::Hold) {
        return Vec::new();
    }
    let Some(node) = state.pool_in_reach().cloned() else { return nothing_here(state, "hold") };
    let Some(pool) = &node.row.resource else { return nothing_here(state, "hold") };
    let order = confirm::hold_pool(node.row.uid.context, pool, !node.row.hold, &state.user);
    let question = format!("Lift the hold of {}?", node.row.name);
    stop_or_ask(state, order, !node.row.hold, &question, "nodes may be taken away again")
}

fn nothing_here(state: &mut State, verb: &str) -> Vec<Effect> {
    state.complain(format!("nothing to {verb} here: put the cursor on a pool or an operation"));
    Vec::new()
}

/// True if a change of the same object has no answer yet, and says so: what it comes to decides about the next one.
pub fn is_on_its_way(state: &mut State, order: &Order) -> bool {
    let is_sent = |uid: &String| state.sent.iter().any(|(_, uids)| uids.contains(uid));
    let Some(change) = order.changes.iter().find(|change| is_sent(&change.target.uid)) else { return false };
    state.complain(format!("a change of {} is on its way: wait for its answer", change.what()));
    true
}

fn stop_or_ask(state: &mut State, mut order: Order, stops: bool, question: &str, meaning: &str) -> Vec<Effect> {
    if is_on_its_way(state, &order) {
        return Vec::new();
    }
    if stops {
        if let Some(warning) = state.managed_by(&order, None) {
            order.done = format!("{}; {warning}", order.done);
        }
        return vec![state.apply(order)];
    }
    ask(state, order, question, meaning);
    Vec::new()
}

pub fn ask(state: &mut State, order: Order, question: &str, meaning: &str) {
    let meaning = match state.managed_by(&order, Some("x")) {
        Some(warning) => format!("{meaning}. {warning}"),
        None => meaning.to_owned(),
    };
    let stakes = state.stakes_of(&order);
    if stakes.level(1) > 1 {
        let phrase = match order.changes.as_slice() {
            [one] => one.target.name.clone(),
            several => several.len().to_string(),
        };
        let words = (question.to_owned(), vec![meaning], phrase);
        let dialog = TypedDialog::new(words, (order, 1, stakes), &state.user, state.now);
        state.overlay = Overlay::Typed(Box::new(dialog));
        return;
    }
    state.overlay = Overlay::Confirm(Box::new(Confirmation {
        question: question.to_owned(),
        meaning,
        deed: Deed::Change(order),
        opened_at: state.now,
        yes: state.confirms_quickly,
    }));
}

/// Tries again what failed in the operation in reach.
pub fn retry(state: &mut State) {
    if matches!(state.subject(), Subject::Pool(_)) {
        if may_write(state, Action::Retry) {
            super::rollout::retry(state);
        }
        return;
    }
    if !permissions::allows(state, Action::Retry) {
        return;
    }
    let Some(operation) = state.operation_in_reach().cloned() else {
        return state.complain("no operation has worked here yet: there is nothing to retry");
    };
    if operation.state != OperationState::Failed {
        return state.complain(format!(
            "{} is {}: only a failed operation is tried again",
            operation.name,
            operation.state.as_str()
        ));
    }
    if !may_write(state, Action::Retry) {
        return;
    }
    let failed = operation.progress.failed.max(1);
    let question = format!("Try {} again?", operation.name);
    let meaning = format!(
        "{} failed; what is done already is not done again",
        crate::console::text::plural(usize::try_from(failed).unwrap_or(1), "machine")
    );
    let order = confirm::retry(&operation, state.now);
    ask(state, order, &question, &meaning);
}

/// Yes or no; Enter means what has the focus, and that is no.
pub fn answer(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let (seen_at, armed) = (state.seen_at(), state.is_armed());
    let action = state.keymap.action(Chord::from(key));
    let Overlay::Confirm(confirmation) = &mut state.overlay else { return Vec::new() };
    if seen_at.as_millisecond() - confirmation.opened_at.as_millisecond() < TYPE_AHEAD_MILLISECONDS {
        return Vec::new();
    }
    let yes = match key.code {
        KeyCode::Char('y' | 'Y') if is_plain(key) => true,
        KeyCode::Enter if is_plain(key) => confirmation.yes,
        KeyCode::Char('x') => {
            let Deed::Change(order) = confirmation.deed.clone() else { return Vec::new() };
            let back = std::mem::take(&mut state.overlay);
            state.overlay = Overlay::Export(Box::new(ExportDialog::new(order, back, state.now)));
            return Vec::new();
        }
        KeyCode::Left | KeyCode::Right | KeyCode::Tab | KeyCode::BackTab => {
            confirmation.yes = !confirmation.yes;
            return Vec::new();
        }
        KeyCode::Esc | KeyCode::Char('n' | 'N' | 'q') => false,
        _ if action == Some(Action::Back) => false,
        _ => return Vec::new(),
    };
    let deed = confirmation.deed.clone();
    state.overlay = Overlay::None;
    match deed {
        _ if !yes => Vec::new(),
        Deed::Change(order) => make(state, order, armed),
        // It may have taken its time to be confirmed.
        Deed::Run(run) if !super::custom::may_run(state, &run) => Vec::new(),
        Deed::Run(run) => super::custom::begin(state, run),
    }
}

fn make(state: &mut State, order: Order, armed: bool) -> Vec<Effect> {
    match state.lacks_for(&order) {
        Some(why) => state.complain(why),
        None if armed => return vec![state.apply(order)],
        None => say_how_to_arm(state),
    }
    Vec::new()
}
