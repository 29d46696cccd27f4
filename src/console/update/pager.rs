//! The pager: what opens it, and what it does with a key. Its keys are its own; only moving is as everywhere.

use super::super::{
    action::Action,
    keys::Chord,
    message::Effect,
    pager::{Look, Pager, Source, Text},
    sheet::{self, About, Form, Kind, Reading},
    state::{Overlay, State, View},
    text,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Opens what the cursor is on as text.
pub fn show(state: &mut State, form: Form) -> Vec<Effect> {
    match under_cursor(state) {
        Some(about) => open(state, about, form),
        None => {
            state.complain("there is no object here: put the cursor on a cluster, a pool, a machine or an operation");
            Vec::new()
        }
    }
}

/// In the list of events, the object that an event is about.
pub(super) fn under_cursor(state: &State) -> Option<About> {
    if state.view != View::Events {
        return sheet::about(state);
    }
    let event = state.sieves.events.get(state.events.index)?;
    let kind = Kind::of_event(&event.kind)?;
    let context = event.uid.context;
    let namespace = state.context(context).place.namespace.clone();
    Some(About { context, kind, namespace, name: event.name.to_string() })
}

/// What the console has said so far.
pub fn messages(state: &mut State) {
    let mut pager = Pager::new("Messages".into(), "messages.txt".into(), Source::Messages, Look::Plain, state.size);
    pager.take(Text { folded: state.said.text(), whole: None });
    state.overlay = Overlay::Pager(Box::new(pager));
}

/// What is kept of the log that is followed, or of the journals of the page, to be searched, copied and saved.
pub fn kept(state: &mut State) {
    let Some((title, text)) = kept_text(state) else { return };
    if text.is_empty() {
        return state.complain("nothing has come yet: there is nothing to search");
    }
    let file = format!("{}.log", text::plain(title.rsplit(' ').next().unwrap_or("kept")));
    let mut pager = Pager::new(title, file, Source::Kept, Look::Plain, state.size);
    // What is found in a long line is read with its beginning, which says when and whose it is.
    pager.wraps = true;
    pager.take(Text { folded: text, whole: None });
    pager.go_to_end();
    pager.search.open(pager.top);
    state.overlay = Overlay::Pager(Box::new(pager));
}

/// The title, which ends with whose it is, and the lines, the oldest first.
fn kept_text(state: &State) -> Option<(String, String)> {
    let line = |line: &crate::console::log::Line| {
        let words = [&line.time, &line.machine, &line.phase, &line.text];
        words.into_iter().filter(|word| !word.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ") + "\n"
    };
    if let Some(page) = &state.why {
        let mut lines: Vec<String> = page.entries.newest_first().map(|entry| line(&entry.line)).collect();
        lines.reverse();
        return Some((format!("Journals {}", page.name), lines.concat()));
    }
    let log = state.log.as_ref()?;
    let whose = log.machine.as_deref().map(ToOwned::to_owned);
    let whose = whose.or_else(|| Some(log.operations.first()?.name.clone())).unwrap_or_default();
    Some((format!("Log {whose}"), log.ring.matching(log.machine.as_deref()).map(line).collect()))
}

/// Opens an object as text; it is read live.
pub fn open(state: &mut State, about: About, form: Form) -> Vec<Effect> {
    let context = &state.context(about.context).place.context;
    let place = if state.has_several_contexts() { format!("  in {context}") } else { String::new() };
    let title = format!("{}  {} {}{place}", form.title(), about.kind.as_str(), about.name);
    let file = format!("{}.{}", text::plain(&about.name), form.extension());
    let source = Source::Object { about, form };
    state.overlay = Overlay::Pager(Box::new(Pager::new(title, file, source, form.look(), state.size)));
    read(state)
}

/// Asks for the text, once more or for the first time.
fn read(state: &mut State) -> Vec<Effect> {
    let ticket = state.tickets + 1;
    if matches!(&state.overlay, Overlay::Pager(pager) if pager.source == Source::Kept) {
        let newer = kept_text(state);
        let Overlay::Pager(pager) = &mut state.overlay else { return Vec::new() };
        newer.into_iter().for_each(|(_, text)| pager.take(Text { folded: text, whole: None }));
        pager.go_to_end();
        return Vec::new();
    }
    let Overlay::Pager(pager) = &mut state.overlay else { return Vec::new() };
    let Source::Object { about, form } = &pager.source else { return Vec::new() };
    let effect = Effect::Read { ticket, about: about.clone(), form: *form };
    (pager.waiting, state.tickets) = (Some(ticket), ticket);
    vec![effect]
}

/// What the server said, if it is still waited for.
pub fn answered(state: &mut State, ticket: u64, outcome: Result<Box<Reading>, String>) -> Vec<Effect> {
    let now = state.now;
    let Overlay::Pager(pager) = &mut state.overlay else { return Vec::new() };
    if pager.waiting != Some(ticket) {
        return Vec::new();
    }
    pager.waiting = None;
    match (outcome, &pager.source) {
        (Ok(reading), Source::Object { form, .. }) => {
            let (text, is_log) = (sheet::render(&reading, *form, now), *form == Form::Log);
            let is_first = pager.text().is_empty();
            pager.take(text);
            // What was said last is what is asked for; a person who has gone elsewhere in it stays there.
            if is_log && is_first {
                pager.go_to_end();
            }
        }
        (Ok(_), Source::Command { .. } | Source::Messages | Source::Kept) => {}
        // What was read before is still worth looking at.
        (Err(why), _) if pager.page.len() > 0 => state.complain(why),
        (Err(why), _) => pager.failed = Some(why),
    }
    Vec::new()
}

pub fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let action = state.keymap.action(Chord::from(key));
    let Overlay::Pager(pager) = &mut state.overlay else { return Vec::new() };
    if pager.search.typing {
        type_search(pager, key);
        return Vec::new();
    }
    let page = isize::try_from(pager.height()).unwrap_or(isize::MAX);
    let plain = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match (key.code, action) {
        (KeyCode::Char('/'), _) if plain => pager.search.open(pager.top),
        (KeyCode::Char('n'), _) if plain => pager.next_hit(true),
        (KeyCode::Char('N'), _) if plain => pager.next_hit(false),
        (KeyCode::Char('w'), _) if plain => pager.toggle_wrap(),
        (KeyCode::Char('m'), _) if plain => pager.toggle_fold(),
        (KeyCode::Char('f'), _) if plain => return read(state),
        (KeyCode::Esc, _) if pager.is_running() && !pager.search.is_on() => return super::custom::stop(state),
        (KeyCode::Char('Y'), _) if plain => {
            let text = pager.text().to_owned();
            return super::copy::copy(state, text, None);
        }
        (KeyCode::Char('s'), _) if plain => {
            return vec![Effect::Save { name: pager.file.clone(), text: pager.text().to_owned() }];
        }
        (_, Some(Action::Edit)) => {
            let Source::Object { about, .. } = &pager.source else { return Vec::new() };
            let about = about.clone();
            return super::edit::begin(state, Some(about));
        }
        (KeyCode::Char('h') | KeyCode::Left, _) if plain => pager.sideways(false),
        (KeyCode::Char('l') | KeyCode::Right, _) if plain => pager.sideways(true),
        (KeyCode::Char(' '), _) if plain => pager.scroll(page),
        (KeyCode::Esc, _) if pager.search.is_on() => pager.search = Default::default(),
        (KeyCode::Esc | KeyCode::Char('q'), _) | (_, Some(Action::Back | Action::Quit)) => return close(state),
        (_, Some(Action::Help)) => super::help::open(state),
        (_, Some(action)) => travel(pager, action, page),
        _ => {}
    }
    Vec::new()
}

fn travel(pager: &mut Pager, action: Action, page: isize) {
    match action {
        Action::Down => pager.scroll(1),
        Action::Up => pager.scroll(-1),
        Action::HalfPageDown => pager.scroll(page / 2),
        Action::HalfPageUp => pager.scroll(-(page / 2)),
        Action::PageDown => pager.scroll(page),
        Action::PageUp => pager.scroll(-page),
        Action::First => pager.go_to_begin(),
        Action::Last => pager.go_to_end(),
        _ => {}
    }
}

/// What runs for it ends with it.
fn close(state: &mut State) -> Vec<Effect> {
    let is_running = matches!(&state.overlay, Overlay::Pager(pager) if pager.is_running());
    state.overlay = Overlay::None;
    if is_running { super::custom::stop(state) } else { Vec::new() }
}

/// The text follows each key; Esc goes back to where the search began, Enter keeps it.
fn type_search(pager: &mut Pager, key: KeyEvent) {
    match key.code {
        KeyCode::Esc => {
            pager.top = pager.search.began;
            pager.search = Default::default();
        }
        KeyCode::Backspace if pager.search.line.is_empty() => pager.search = Default::default(),
        KeyCode::Enter => pager.search.typing = false,
        _ => {
            if pager.search.line.key(key) {
                pager.search_again();
            }
        }
    }
}

/// Pasted text goes to the search that is typed, and nowhere else.
pub fn paste(pager: &mut Pager, text: &str) {
    if pager.search.typing {
        pager.search.line.paste_line(text);
        pager.search_again();
    }
}
