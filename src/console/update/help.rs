//! The help page: what it does with a key.

use super::super::{action::Action, help::Help, input::Line, keys::Chord, message::Effect, state::State, view};
use crossterm::event::{KeyCode, KeyEvent};

/// Lines of half a page: the page is as high as the screen allows.
const HALF: usize = 10;

pub fn open(state: &mut State) {
    state.help = Some(Box::default());
}

/// Esc, or whatever asks for going back or for the help page, closes it; while words are typed they are taken away first.
pub fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let action = state.keymap.action(Chord::from(key));
    let Some(mut help) = state.help.take() else { return Vec::new() };
    let stays = if help.typing { typed(&mut help, key) } else { moved(state, &mut help, key, action) };
    if stays {
        let farthest = view::help::farthest(state, &help);
        help.scroll = help.scroll.min(farthest);
        state.help = Some(help);
    }
    Vec::new()
}

/// Pasted text goes to the words that are typed, and nowhere else.
pub fn paste(help: &mut Help, text: &str) {
    if help.typing {
        help.filter.paste_line(text);
        help.scroll = 0;
    }
}

/// So many lines down, or up if negative.
pub fn scroll(state: &mut State, rows: isize) {
    let Some(mut help) = state.help.take() else { return };
    let farthest = view::help::farthest(state, &help);
    help.scroll = help.scroll.saturating_add_signed(rows).min(farthest);
    state.help = Some(help);
}

fn typed(help: &mut Help, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Enter => help.typing = false,
        KeyCode::Esc => (help.typing, help.filter) = (false, Line::default()),
        KeyCode::Backspace if help.filter.is_empty() => help.typing = false,
        KeyCode::Down => help.scroll += 1,
        KeyCode::Up => help.scroll = help.scroll.saturating_sub(1),
        KeyCode::PageDown => help.scroll += HALF,
        KeyCode::PageUp => help.scroll = help.scroll.saturating_sub(HALF),
        _ => {
            if help.filter.key(key) {
                help.scroll = 0;
            }
        }
    }
    true
}

fn moved(state: &State, help: &mut Help, key: KeyEvent, action: Option<Action>) -> bool {
    match (key.code, action) {
        (KeyCode::Esc, _) if !help.filter.is_empty() => (help.filter, help.scroll) = (Line::default(), 0),
        (KeyCode::Esc | KeyCode::Enter, _) | (_, Some(Action::Help | Action::Back | Action::Quit)) => return false,
        (_, Some(Action::Filter)) => help.typing = true,
        (_, Some(Action::Down)) => help.scroll += 1,
        (_, Some(Action::Up)) => help.scroll = help.scroll.saturating_sub(1),
        (_, Some(Action::HalfPageDown | Action::PageDown)) => help.scroll += HALF,
        (_, Some(Action::HalfPageUp | Action::PageUp)) => help.scroll = help.scroll.saturating_sub(HALF),
        (_, Some(Action::First)) => help.scroll = 0,
        (_, Some(Action::Last)) => help.scroll = view::help::farthest(state, help),
        _ => {}
    }
    true
}
