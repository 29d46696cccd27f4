//! What the user has said yes to, told from what stands on the screen, and what may leave without a yes.

use super::super::wire::Sent;
use crate::{
    api::labels,
    console::{
        action::{Action, Layer},
        confirm::Deed,
        form::{Ask, Field, Opinion, TYPE_AHEAD_MILLISECONDS},
        keys::Chord,
        layout::Class,
        message::Order,
        state::{Overlay, State, Subject},
    },
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use http::Method;
use serde_json::Value;

/// With alt a key is an Esc in front of it, and with ctrl none may change anything.
fn is_plain(key: KeyEvent) -> bool {
    !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// What one key may bring about.
#[derive(Debug)]
pub enum Confirmed {
    Nothing,
    /// At most one change, and that stops something.
    Stop,
    /// These changes; after a dry run of the same, where that is asked for.
    Order(Order, bool),
}

/// What the user has said yes to with this key, as the screen shows it.
pub fn confirmed(state: &State, key: KeyEvent) -> Confirmed {
    if state.layout().class == Class::TooSmall {
        return Confirmed::Nothing;
    }
    let old =
        |opened: jiff::Timestamp| state.seen_at().as_millisecond() - opened.as_millisecond() >= TYPE_AHEAD_MILLISECONDS;
    let dialog: &dyn Ask = match &state.overlay {
        Overlay::None => return stops(state, key),
        Overlay::Palette(_) if key.code == KeyCode::Enter => return Confirmed::Stop,
        Overlay::Confirm(question) => {
            let yes = match key.code {
                _ if !is_plain(key) => false,
                KeyCode::Char('y' | 'Y') => true,
                KeyCode::Enter => question.yes,
                _ => false,
            };
            return match &question.deed {
                Deed::Change(order) if yes => Confirmed::Order(order.clone(), false),
                _ => Confirmed::Nothing,
            };
        }
        Overlay::Scale(dialog) => &**dialog,
        Overlay::Rollout(dialog) => &**dialog,
        Overlay::Typed(dialog) => &**dialog,
        _ => return Confirmed::Nothing,
    };
    let form = dialog.form();
    let submits = key.code == KeyCode::Enter && is_plain(key) && matches!(form.focus, Field::Confirm | Field::Apply);
    let is_typed = form.confirm.value().trim() == dialog.phrase();
    let has_reason = dialog.level() < 3 || !form.reason.value().trim().is_empty();
    let is_tried = matches!(form.opinion, Opinion::Given(_));
    let is_fresh = form.changed.is_none() && form.applying.is_none() && old(form.opened_at);
    match dialog.order() {
        Ok(order) if submits && is_typed && has_reason && is_tried && is_fresh => Confirmed::Order(order, true),
        _ => Confirmed::Nothing,
    }
}

/// A key that stops something does so at once.
fn stops(state: &State, key: KeyEvent) -> Confirmed {
    let chord = Chord::from(key);
    let on_drain = state.chooses_drain().then(|| state.keymap.action_on(Layer::BlockedDrain, chord)).flatten();
    match on_drain.or_else(|| state.keymap.action(chord)) {
        Some(Action::Pause | Action::Hold | Action::DrainWait) => Confirmed::Stop,
        _ => Confirmed::Nothing,
    }
}

/// Whether a key that stops has to stop something here, where that can be told from what is shown.
pub fn must_stop(state: &State, key: KeyEvent) -> Option<bool> {
    let action = state.keymap.action(Chord::from(key))?;
    let is_busy = !state.sent.is_empty() || state.blocked_drain().is_some();
    if !matches!(state.overlay, Overlay::None) || state.why.is_some() || is_busy {
        return None;
    }
    let pool = || state.pool_in_reach().filter(|pool| pool.row.resource.is_some());
    match (action, state.subject()) {
        (Action::Pause, Subject::Operation(operation)) => Some(!operation.is_final() && !operation.paused),
        (Action::Pause, _) => Some(pool().is_some_and(|pool| !pool.row.paused)),
        (Action::Hold, _) => Some(pool().is_some_and(|pool| !pool.row.hold)),
        _ => None,
    }
}

pub fn is_stop(body: &Value) -> bool {
    let spec = &body["spec"];
    let choice = body["metadata"]["annotations"][labels::DRAIN_CHOICE].as_str().unwrap_or_default();
    let fields = spec.as_object().map_or(0, serde_json::Map::len);
    (fields == 1 && (spec["paused"] == true || spec["hold"] == true)) || (fields == 0 && choice.ends_with("=wait"))
}

/// The mark that has pods counted, and nothing else.
pub fn is_count(sent: &Sent) -> bool {
    let marks = sent.body["metadata"]["annotations"].as_object();
    let only = marks.is_some_and(|marks| marks.len() == 1 && marks.contains_key(labels::FORECAST_REQUESTED_AT));
    sent.verb == Method::PATCH && sent.kind() == "clusters" && only && sent.body.get("spec").is_none()
}

/// The patch without what binds it to the version that was looked at.
pub fn unbound(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    body
}
