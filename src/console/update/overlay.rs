//! Filter, palette and export: what they do with a key.

use super::{
    super::{
        action::Action,
        export::Form,
        input::Line,
        message::Effect,
        named,
        palette::{Command, Palette, Recall},
        sheet::{About, Kind},
        state::{Overlay, State},
    },
    act, dialog, lists, navigate, sort,
};
use crate::fleet::{ContextId, Uid};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub fn open_filter(state: &mut State) {
    state.zoom = false;
    state.pane = super::super::state::Pane::Main;
    state.filter_before = state.line().value().to_owned();
    state.cursors_before = (state.tree.cursor.clone(), state.table.list.cursor.clone());
    state.overlay = Overlay::Filter;
}

/// The list follows each key; Esc takes it back, Enter keeps it. One that cannot be read is not kept: it is mended first.
pub fn filter(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => {
            state.overlay = Overlay::None;
            (state.tree.cursor, state.table.list.cursor) = state.cursors_before.clone();
            set_filter(state, &state.filter_before.clone());
        }
        KeyCode::Enter => match state.mistake().map(ToOwned::to_owned) {
            Some(mistake) => state.complain(mistake),
            None => {
                state.overlay = Overlay::None;
                lists::keep(state);
            }
        },
        KeyCode::Down | KeyCode::Up => {
            navigate::travel(state, if key.code == KeyCode::Down { Action::Down } else { Action::Up });
        }
        _ => {
            if state.line_mut().key(key) {
                sift(state);
            }
        }
    }
    Vec::new()
}

pub fn set_filter(state: &mut State, text: &str) {
    *state.line_mut() = Line::with(text);
    sift(state);
}

fn sift(state: &mut State) {
    state.sifter.type_in(state.filter.value(), &state.snapshot);
    state.sift_lists();
    lists::keep(state);
}

pub fn clear_filter(state: &mut State) {
    state.problems_only = false;
    set_filter(state, "");
}

pub fn toggle_problems(state: &mut State) {
    state.problems_only = !state.problems_only;
    if state.problems_only {
        let key = state.keymap.key(Action::Problems);
        state.tell(format!("only what has a problem: `{key}` shows everything again"));
    }
    sift(state);
}

pub fn open_palette(state: &mut State) {
    let own = state.commands.iter().map(|custom| (custom.command.name.clone(), custom.about(state))).collect();
    let sets = state.column_sets.keys().cloned();
    let columns = ["plain", "wide", "save "].map(ToOwned::to_owned).into_iter().chain(sets);
    let columns = columns.chain(super::super::table::names()).collect();
    let mut palette = Palette { own, columns, recall: Recall::of(&state.command_lines), ..Palette::default() };
    palette.complete(&state.snapshot, &state.themes);
    state.overlay = Overlay::Palette(palette);
}

pub fn palette(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Overlay::Palette(palette) = &mut state.overlay else { return Vec::new() };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (key.code, control) {
        (KeyCode::Esc, _) => state.overlay = Overlay::None,
        (KeyCode::Backspace, false) if palette.line.is_empty() => state.overlay = Overlay::None,
        (KeyCode::Up, _) if palette.recall.is_on() || palette.line.is_empty() => {
            palette.go_back(true);
            palette.complete(&state.snapshot, &state.themes);
        }
        (KeyCode::Down, _) if palette.recall.is_on() => {
            palette.go_back(false);
            palette.complete(&state.snapshot, &state.themes);
        }
        (KeyCode::Down, _) | (KeyCode::Char('n'), true) => palette.select(true),
        (KeyCode::Up, _) | (KeyCode::Char('p'), true) => palette.select(false),
        (KeyCode::Tab, _) => {
            if palette.accept() {
                palette.complete(&state.snapshot, &state.themes);
            }
        }
        (KeyCode::Enter, _) => return run_line(state),
        _ => {
            if palette.line.key(key) {
                palette.recall.end();
                palette.complete(&state.snapshot, &state.themes);
            }
        }
    }
    Vec::new()
}

/// Enter: what stands there if it can be carried out, else the selected completion.
fn run_line(state: &mut State) -> Vec<Effect> {
    let Overlay::Palette(palette) = &mut state.overlay else { return Vec::new() };
    let typed = palette.line.value().to_owned();
    let command = palette.read(&typed).map(|command| (command, typed)).or_else(|mistake| {
        let chosen = palette.completions.get(palette.selected).map(|c| c.text.clone());
        chosen.and_then(|text| Some((palette.read(&text).ok()?, text))).ok_or(mistake)
    });
    match command.and_then(|(command, line)| Ok((run(state, command)?, line))) {
        Ok((effects, line)) => {
            state.command_lines.add(&line);
            effects
        }
        Err(mistake) => {
            if let Overlay::Palette(palette) = &mut state.overlay {
                if !palette.accept() {
                    palette.complaint = Some(mistake);
                } else {
                    palette.complete(&state.snapshot, &state.themes);
                }
            }
            Vec::new()
        }
    }
}

/// Carries a command out. The palette closes only if it could be.
fn run(state: &mut State, command: Command) -> Result<Vec<Effect>, String> {
    let snapshot = state.snapshot.clone();
    let mut go = |uid: &Uid| navigate::reveal(state, uid).then(Vec::new).ok_or_else(|| "it is gone".to_owned());
    let effects = match command {
        Command::Pool(name) => go(&named::pool(&snapshot, &name)?)?,
        Command::Cluster(name) => go(&named::cluster(&snapshot, &name)?.row.uid)?,
        Command::Machine(name) => go(&named::machine(&snapshot, &name)?)?,
        Command::Operation(name) => go(&named::operation(&snapshot, &name)?)?,
        Command::Scale { pool, replicas } => {
            go(&named::pool(&snapshot, &pool)?)?;
            state.overlay = Overlay::None;
            dialog::scale(state, replicas);
            return Ok(Vec::new());
        }
        Command::Filter(text) => {
            let before = state.line().value().to_owned();
            set_filter(state, &text);
            if let Some(mistake) = state.mistake().map(ToOwned::to_owned) {
                set_filter(state, &before);
                return Err(mistake);
            }
            lists::keep(state);
            Vec::new()
        }
        Command::Show { form, kind, name } => {
            let about = about(state, kind, &name)?;
            return Ok(super::pager::open(state, about, form));
        }
        Command::Own(name) => {
            state.overlay = Overlay::None;
            return Ok(super::custom::run(state, &name));
        }
        Command::Columns(words) => sort::columns(state, &words)?,
        Command::Messages => {
            super::pager::messages(state);
            return Ok(Vec::new());
        }
        Command::Mouse(on) => super::mouse::switch(state, on),
        Command::Tour => {
            super::tour::open(state);
            Vec::new()
        }
        Command::Theme(name) => vec![Effect::Theme(name)],
        Command::Do(Action::Quit) => return Ok(vec![Effect::Quit]),
        Command::Do(action) => {
            state.overlay = Overlay::None;
            return Ok(act(state, action));
        }
    };
    state.overlay = Overlay::None;
    Ok(effects)
}

/// What a kind and a name stand for. Sets are not kept: the server knows them, in the context that the cursor is in.
fn about(state: &State, kind: Kind, written: &str) -> Result<About, String> {
    let snapshot = &state.snapshot;
    let gone = || "it is gone".to_owned();
    let (context, name) = match &kind {
        Kind::Cluster => {
            let row = &named::cluster(snapshot, written)?.row;
            (row.uid.context, row.name.to_string())
        }
        Kind::NodePool => {
            let uid = named::pool(snapshot, written)?;
            (uid.context, snapshot.pool(&uid).ok_or_else(gone)?.row.name.to_string())
        }
        Kind::Machine => {
            let uid = named::machine(snapshot, written)?;
            (uid.context, snapshot.machine(&uid).ok_or_else(gone)?.name.to_string())
        }
        Kind::Operation => {
            let uid = named::operation(snapshot, written)?;
            (uid.context, snapshot.operation(&uid).ok_or_else(gone)?.name.to_string())
        }
        Kind::MachineSet | Kind::Other(_) => (only_here(state)?, written.to_owned()),
    };
    let namespace = state.context(context).place.namespace.clone();
    Ok(About { context, kind, namespace, name })
}

/// The context that the cursor is in: of what is not kept here, each may have one of the same name.
fn only_here(state: &State) -> Result<ContextId, String> {
    state.context_here().ok_or_else(|| {
        let names: Vec<&str> = state.contexts.iter().map(|context| context.place.context.as_str()).collect();
        format!("put the cursor into a context first, for each may have one of that name: {}", names.join(", "))
    })
}

pub fn export(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let seen_at = state.seen_at();
    let Overlay::Export(dialog) = &mut state.overlay else { return Vec::new() };
    if key.code != KeyCode::Esc && dialog.is_guarded(seen_at) {
        return Vec::new();
    }
    let at = Form::ALL.iter().position(|f| *f == dialog.form).unwrap_or(0);
    match key.code {
        KeyCode::Esc | KeyCode::Char('q') => {
            if let Overlay::Export(dialog) = std::mem::take(&mut state.overlay) {
                state.overlay = dialog.back(state.now);
            }
        }
        KeyCode::Tab | KeyCode::Right | KeyCode::Down => dialog.form = Form::ALL[(at + 1) % Form::ALL.len()],
        KeyCode::BackTab | KeyCode::Left | KeyCode::Up => {
            dialog.form = Form::ALL[(at + Form::ALL.len() - 1) % Form::ALL.len()];
        }
        KeyCode::Char(c @ '1'..='3') => dialog.form = Form::ALL[c as usize - '1' as usize],
        KeyCode::Char('w') | KeyCode::Enter => {
            let effect = Effect::Save { name: dialog.file_name(), text: dialog.text() };
            state.overlay = Overlay::None;
            return vec![effect];
        }
        KeyCode::Char('y') => {
            let text = dialog.text();
            state.overlay = Overlay::None;
            return super::copy::copy(state, text, None);
        }
        _ => {}
    }
    Vec::new()
}

/// Pasted text goes where typed text would; elsewhere it is dropped, for it would be taken for keys.
pub fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    if state.tour.is_some() {
        return Vec::new();
    }
    if let Some(help) = &mut state.help {
        super::help::paste(help, text);
        return Vec::new();
    }
    match &mut state.overlay {
        Overlay::Filter => {
            state.line_mut().paste_line(text);
            sift(state);
        }
        Overlay::Palette(palette) => {
            palette.line.paste_line(text);
            palette.complete(&state.snapshot, &state.themes);
        }
        Overlay::Scale(_) | Overlay::Rollout(_) | Overlay::Typed(_) => dialog::paste(state, text),
        Overlay::Pager(pager) => super::pager::paste(pager, text),
        Overlay::Audit(audit) => super::audit::paste(audit, &state.snapshot, text),
        _ => {}
    }
    Vec::new()
}
