//! The scale dialog's keys. Nothing here sends a change but [`submit`], and that asks `blocked` first.

use super::super::{
    action::Action,
    export::{ExportDialog, Form},
    message::{DryRun, Effect, Refusal},
    permissions,
    scale::{Field, Opinion, ScaleDialog},
    state::{Overlay, State, Subject},
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Opens the dialog on the pool in reach.
pub fn open(state: &mut State, replicas: Option<i32>) {
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
    match ScaleDialog::open(&node, &state.snapshot, replicas, state.now) {
        Some(dialog) => state.overlay = Overlay::Scale(Box::new(dialog)),
        None => state.complain(format!(
            "{} does not exist: machines are claimed for it, but there is no such NodePool",
            node.row.name
        )),
    }
}

/// Asks the server what the change would do, if that is wanted and allowed.
pub fn ask_for_opinion(state: &mut State) -> Option<Effect> {
    // A dry run is a write to the server's eyes: nothing of the kind leaves while we are read-only, or may not write.
    if !state.is_armed() || state.why_not(Action::Scale).is_some() {
        return None;
    }
    let user = state.place.user.clone();
    let Overlay::Scale(dialog) = &mut state.overlay else { return None };
    if !dialog.wants_opinion() {
        return None;
    }
    state.tickets += 1;
    dialog.opinion = Opinion::Waiting { ticket: state.tickets, replicas: dialog.replicas };
    dialog.reason.value().clone_into(&mut dialog.asked_with);
    Some(Effect::DryRun { ticket: state.tickets, change: dialog.change(&user) })
}

/// Takes the server's answer in, if it is the one that is waited for.
pub fn opinion(state: &mut State, ticket: u64, outcome: Result<DryRun, Refusal>) -> Vec<Effect> {
    if let Err(refusal) = &outcome {
        permissions::refused(state, refusal);
    }
    if let Overlay::Scale(dialog) = &mut state.overlay
        && let Opinion::Waiting { ticket: waited_for, replicas } = dialog.opinion
        && waited_for == ticket
    {
        dialog.opinion = match outcome {
            Ok(answer) => Opinion::Given { replicas, answer },
            Err(refusal) => Opinion::Refused { replicas, message: refusal.message },
        };
    }
    Vec::new()
}

pub fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let now = state.now;
    let Overlay::Scale(dialog) = &mut state.overlay else { return Vec::new() };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if key.code == KeyCode::Esc {
        return cancel(state);
    }
    if dialog.is_guarded(now) || dialog.applying.is_some() {
        return Vec::new();
    }
    match (key.code, control) {
        (KeyCode::Char('o'), true) => super::change::arm(state),
        (KeyCode::Char('r'), true) => dialog.reload(&state.snapshot),
        (KeyCode::Char('x'), true) => return export(state),
        (KeyCode::Char('d'), true) => dialog.scroll = dialog.scroll.saturating_add(4),
        (KeyCode::Char('u'), true) if dialog.focus == Field::Replicas => {
            dialog.scroll = dialog.scroll.saturating_sub(4)
        }
        (KeyCode::Tab, _) => dialog.focus = dialog.focus.step(true),
        (KeyCode::BackTab, _) => dialog.focus = dialog.focus.step(false),
        _ => return press_field(state, key),
    }
    Vec::new()
}

fn press_field(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Overlay::Scale(dialog) = &mut state.overlay else { return Vec::new() };
    match dialog.focus {
        Field::Replicas => return press_replicas(state, key),
        Field::Reason | Field::Confirm => match key.code {
            KeyCode::Down => dialog.focus = dialog.focus.step(true),
            KeyCode::Up => dialog.focus = dialog.focus.step(false),
            KeyCode::Enter if dialog.focus == Field::Reason => dialog.focus = Field::Confirm,
            KeyCode::Enter => return submit(state),
            _ => {
                let line = if dialog.focus == Field::Reason { &mut dialog.reason } else { &mut dialog.confirm };
                line.key(key);
                dialog.complaint = None;
            }
        },
        Field::Cancel | Field::Export | Field::Apply => match (key.code, dialog.focus) {
            (KeyCode::Left | KeyCode::Up, _) => dialog.focus = dialog.focus.step(false),
            (KeyCode::Right | KeyCode::Down, _) => dialog.focus = dialog.focus.step(true),
            (KeyCode::Enter, Field::Cancel) => return cancel(state),
            (KeyCode::Enter, Field::Export) | (KeyCode::Char('x'), _) => return export(state),
            (KeyCode::Enter, _) => return submit(state),
            _ => {}
        },
    }
    Vec::new()
}

fn press_replicas(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Overlay::Scale(dialog) = &mut state.overlay else { return Vec::new() };
    match key.code {
        KeyCode::Up | KeyCode::Char('k' | '+' | '=') => dialog.step(1),
        KeyCode::Down | KeyCode::Char('j' | '-') => dialog.step(-1),
        KeyCode::PageUp => dialog.step(10),
        KeyCode::PageDown => dialog.step(-10),
        KeyCode::Char(c) if c.is_ascii_digit() => dialog.digit(c as i32 - '0' as i32),
        KeyCode::Backspace => dialog.backspace(),
        KeyCode::Enter => dialog.focus = Field::Reason,
        KeyCode::Char('x') => return export(state),
        KeyCode::Char('W') => super::change::arm(state),
        KeyCode::Char('q') => return cancel(state),
        _ => {}
    }
    Vec::new()
}

fn cancel(state: &mut State) -> Vec<Effect> {
    let Overlay::Scale(dialog) = &state.overlay else { return Vec::new() };
    let sent = dialog.applying.is_some();
    state.overlay = Overlay::None;
    if sent {
        state.complain("the change is on its way already: what became of it is said here");
    }
    Vec::new()
}

fn export(state: &mut State) -> Vec<Effect> {
    let user = state.place.user.clone();
    let Overlay::Scale(dialog) = &mut state.overlay else { return Vec::new() };
    if dialog.replicas == dialog.from() {
        dialog.complaint = Some("nothing to export: set another number of replicas".into());
        return Vec::new();
    }
    let change = dialog.change(&user);
    state.overlay = Overlay::Export(Box::new(ExportDialog { change, form: Form::default() }));
    Vec::new()
}

/// The one way from the dialog to a change.
fn submit(state: &mut State) -> Vec<Effect> {
    let (armed, lacks, user) = (state.is_armed(), state.why_not(Action::Scale), state.place.user.clone());
    let Overlay::Scale(dialog) = &mut state.overlay else { return Vec::new() };
    if let Some(why) = lacks.or_else(|| dialog.blocked(armed)) {
        dialog.complaint = Some(why);
        return Vec::new();
    }
    state.tickets += 1;
    dialog.applying = Some(state.tickets);
    dialog.complaint = None;
    vec![Effect::Apply { ticket: state.tickets, change: dialog.change(&user) }]
}

/// Only the reason may be pasted: the name has to be typed.
pub fn paste(state: &mut State, text: &str) {
    let Overlay::Scale(dialog) = &mut state.overlay else { return };
    match dialog.focus {
        Field::Reason => dialog.reason.paste(text),
        Field::Confirm => dialog.complaint = Some("the confirmation is typed, not pasted".into()),
        _ => {}
    }
}
