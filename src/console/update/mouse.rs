//! The mouse, where it is switched on: the wheel scrolls what it is over, a click goes where it points. Nothing is ever confirmed or
//! changed by it: dialogs and questions do not hear it.

use super::{
    super::{
        action::Action,
        message::Effect,
        mouse::{self, Hit, NOTCH},
        state::{Overlay, Pane, State},
    },
    act, audit, help, navigate, places, sort, why,
};
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

/// Takes the terminal's mouse, or leaves it to the terminal.
pub fn switch(state: &mut State, on: bool) -> Vec<Effect> {
    state.mouse = on;
    let said = if on {
        "the mouse is the console's: shift, in most terminals, selects text all the same"
    } else {
        "the mouse is the terminal's again: it selects text"
    };
    state.tell(said);
    vec![Effect::Mouse(on)]
}

/// What else it reports, such as a button that is let go, means nothing and is not even drawn for.
pub fn take(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    let notches = match event.kind {
        MouseEventKind::ScrollDown => Some(NOTCH),
        MouseEventKind::ScrollUp => Some(-NOTCH),
        MouseEventKind::Down(MouseButton::Left) => None,
        _ => return Vec::new(),
    };
    if !state.mouse || state.tour.is_some() {
        return Vec::new();
    }
    state.revision += 1;
    match notches {
        Some(rows) => wheel(state, rows, event),
        None => click(state, event),
    }
}

fn wheel(state: &mut State, rows: isize, event: MouseEvent) -> Vec<Effect> {
    if state.help.is_some() {
        help::scroll(state, rows);
        return Vec::new();
    }
    match &mut state.overlay {
        Overlay::None | Overlay::Filter => {}
        Overlay::Pager(pager) => {
            pager.scroll(rows);
            return Vec::new();
        }
        Overlay::Audit(_) => {
            audit::travel(state, rows);
            return Vec::new();
        }
        _ => return Vec::new(),
    }
    if state.why.is_some() {
        why::scroll(state, rows);
        return Vec::new();
    }
    let pane = match mouse::hit(state, event.column, event.row) {
        Some(Hit::Row(_) | Hit::Column(_)) => Pane::Main,
        Some(Hit::Pane(pane)) => pane,
        Some(Hit::Tab(_)) | None => return Vec::new(),
    };
    places::note(state, true);
    navigate::scroll_pane(state, pane, rows);
    places::note(state, true);
    Vec::new()
}

fn click(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    let is_free = matches!(state.overlay, Overlay::None) && state.help.is_none() && state.why.is_none();
    if !is_free {
        return match &state.overlay {
            Overlay::Audit(_) if state.help.is_none() => audit::click(state, event.row),
            _ => Vec::new(),
        };
    }
    state.notice = None;
    let Some(hit) = mouse::hit(state, event.column, event.row) else { return Vec::new() };
    places::note(state, true);
    let (effects, is_step) = match hit {
        Hit::Tab(view) => (act(state, Action::of_view(view)), false),
        Hit::Column(key) => {
            sort::by_key(state, key);
            (Vec::new(), true)
        }
        Hit::Pane(pane) => {
            state.pane = pane;
            (Vec::new(), true)
        }
        Hit::Row(row) => {
            let was_there = state.pane == Pane::Main && mouse::cursor(state) == row;
            state.pane = Pane::Main;
            if was_there {
                (act(state, Action::Open), false)
            } else {
                let here = isize::try_from(mouse::cursor(state)).unwrap_or(isize::MAX);
                let rows = isize::try_from(row).unwrap_or(isize::MAX).saturating_sub(here);
                navigate::scroll_pane(state, Pane::Main, rows);
                (Vec::new(), true)
            }
        }
    };
    places::note(state, is_step);
    effects
}
