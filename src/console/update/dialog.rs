//! The dialogs that ask for a change: opening, keys, the server's opinion. Nothing here sends a change but [`submit`], and
//! that asks `blocked` first.

use super::super::{
    action::Action,
    export::ExportDialog,
    form::{Ask, Opinion, Pressed, WAITING},
    message::{DryRun, Effect, Refusal, Why},
    permissions,
    scale::ScaleDialog,
    state::{Overlay, State, Subject, Undo},
};
use crossterm::event::KeyEvent;

/// Opens the scale dialog on the pool in reach.
pub fn scale(state: &mut State, replicas: Option<i32>) {
    if !permissions::allows(state, Action::Scale) {
        return;
    }
    let Some(node) = state.pool_in_reach().cloned() else {
        let way_out = match state.subject() {
            Subject::Cluster(_) => "this cluster has several pools: put the cursor on one of them",
            _ => "put the cursor on a pool, or write `:scale CLUSTER/POOL N`",
        };
        return state.complain(format!("only pools are scaled: {way_out}"));
    };
    match ScaleDialog::open(&node, &state.snapshot, replicas, &state.user, state.now) {
        Some(mut dialog) => {
            dialog.form.stakes = state.stakes_in(node.row.uid.context);
            state.overlay = Overlay::Scale(Box::new(dialog));
        }
        None => state.complain(format!(
            "{} does not exist: machines are claimed for it, but there is no such NodePool",
            node.row.name
        )),
    }
}

/// The dialog that is open.
pub fn current(overlay: &mut Overlay) -> Option<&mut dyn Ask> {
    match overlay {
        Overlay::Scale(dialog) => Some(&mut **dialog),
        Overlay::Rollout(dialog) => Some(&mut **dialog),
        Overlay::Typed(dialog) => Some(&mut **dialog),
        _ => None,
    }
}

/// Takes a newer snapshot in.
pub fn refresh(state: &mut State) {
    if let Some(dialog) = current(&mut state.overlay) {
        dialog.refresh(&state.snapshot, state.now);
    }
}

/// Asks the server what the change would do, if that is wanted and allowed.
pub fn ask_for_opinion(state: &mut State) -> Option<Effect> {
    // A dry run is a write to the server's eyes: nothing of the kind leaves while we are read-only, or may not write.
    if !state.is_armed() {
        return None;
    }
    let order = current(&mut state.overlay)?.wants_opinion()?;
    if state.lacks_for(&order).is_some() {
        return None;
    }
    state.tickets += 1;
    let ticket = state.tickets;
    let form = current(&mut state.overlay)?.form_mut();
    form.opinion = Opinion::Waiting { ticket };
    form.asked = Some(order.clone());
    Some(Effect::DryRun { ticket, order })
}

/// Has the pods of a cluster counted whose machines are about to be drained, if we may write: the mark is a write as well.
pub fn ask_to_count(state: &mut State) -> Option<Effect> {
    let Overlay::Rollout(dialog) = &state.overlay else { return None };
    let (context, order) = (dialog.about.cluster.context, dialog.order().ok()?);
    if !state.is_armed() || state.lacks_for(&order).is_some() {
        return None;
    }
    let at = state.now;
    let Overlay::Rollout(dialog) = &mut state.overlay else { return None };
    dialog.wants_count(at).map(|(namespace, cluster)| Effect::Count { context, namespace, cluster, at })
}

/// Takes the server's answer in, if it is the one that is waited for.
pub fn opinion(state: &mut State, ticket: u64, outcome: Result<DryRun, Refusal>) -> Vec<Effect> {
    if let Err(refusal) = &outcome {
        permissions::refused(state, refusal);
    }
    if let Some(dialog) = current(&mut state.overlay)
        && dialog.form().opinion == (Opinion::Waiting { ticket })
    {
        let form = dialog.form_mut();
        form.opinion = match outcome {
            Ok(answer) => Opinion::Given(answer),
            Err(refusal) => Opinion::Refused(refusal.message),
        };
        // What was waited for is here.
        form.complaint.take_if(|complaint| *complaint == WAITING);
    }
    Vec::new()
}

pub fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let seen_at = state.seen_at();
    let Some(dialog) = current(&mut state.overlay) else { return Vec::new() };
    let pressed = match dialog.form_mut().press(key, seen_at) {
        Pressed::Value => dialog.press_value(key),
        pressed => pressed,
    };
    if pressed == Pressed::Window {
        dialog.turn_window();
    }
    dialog.settle();
    match pressed {
        Pressed::Cancel => cancel(state),
        Pressed::Arm => super::change::arm(state),
        Pressed::Reload => reload(state),
        Pressed::Export => export(state),
        Pressed::Submit => return submit(state),
        Pressed::Taken | Pressed::Value | Pressed::Window => {}
    }
    Vec::new()
}

fn reload(state: &mut State) {
    if let Some(dialog) = current(&mut state.overlay) {
        dialog.reload(&state.snapshot, state.now);
    }
}

fn cancel(state: &mut State) {
    let sent = current(&mut state.overlay).is_some_and(|dialog| dialog.form().applying.is_some());
    state.overlay = Overlay::None;
    if sent {
        state.complain("the change is on its way already: what became of it is said here");
    }
}

fn export(state: &mut State) {
    let Some(dialog) = current(&mut state.overlay) else { return };
    match dialog.order() {
        Ok(order) => {
            let back = std::mem::take(&mut state.overlay);
            state.overlay = Overlay::Export(Box::new(ExportDialog::new(order, back, state.now)));
        }
        Err(why) => dialog.form_mut().complaint = Some(format!("nothing to export: {why}")),
    }
}

/// The one way from the dialog to a change.
fn submit(state: &mut State) -> Vec<Effect> {
    let armed = state.is_armed();
    let Some(dialog) = current(&mut state.overlay) else { return Vec::new() };
    let (order, blocked) = (dialog.order(), dialog.blocked(armed));
    let lacks = order.as_ref().ok().and_then(|order| state.lacks_for(order));
    let why = lacks.or(blocked);
    let ticket = state.tickets + 1;
    let Some(dialog) = current(&mut state.overlay) else { return Vec::new() };
    let form = dialog.form_mut();
    match (why, order) {
        (Some(why), _) | (None, Err(why)) => {
            form.complaint = Some(why);
            Vec::new()
        }
        (None, Ok(order)) => {
            form.applying = Some(ticket);
            form.complaint = None;
            state.tickets = ticket;
            vec![Effect::Apply { ticket, order }]
        }
    }
}

/// What became of the change that this dialog sent; `false` if it sent none of that number.
pub fn applied(state: &mut State, ticket: u64, outcome: &Result<String, Refusal>) -> bool {
    let Some(dialog) = current(&mut state.overlay).filter(|d| d.form().applying == Some(ticket)) else { return false };
    match outcome {
        Ok(done) => {
            let undo = match &state.overlay {
                Overlay::Scale(dialog) => {
                    Some(Undo { pool: dialog.uid.clone(), from: dialog.from(), to: dialog.replicas })
                }
                // A rollout has a way back of its own.
                _ => None,
            };
            let back = undo.as_ref().map(|_| format!(", `{}` plans the way back", state.keymap.key(Action::Rollback)));
            (state.overlay, state.undo) = (Overlay::None, undo);
            let key = state.keymap.key(Action::Logs);
            state.tell(format!("{done}: watch it here, `{key}` shows its log{}", back.unwrap_or_default()));
        }
        Err(refusal) => {
            let form = dialog.form_mut();
            form.applying = None;
            form.complaint = Some(refusal.message.clone());
            if refusal.why == Why::Conflict {
                dialog.reload(&state.snapshot, state.now);
                dialog.form_mut().complaint = Some(refusal.message.clone());
            }
        }
    }
    true
}

pub fn paste(state: &mut State, text: &str) {
    let seen_at = state.seen_at();
    if let Some(dialog) = current(&mut state.overlay) {
        dialog.form_mut().paste(text, seen_at);
    }
}
