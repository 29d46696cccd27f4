//! The table of machines: its order and its columns.

use super::super::{
    message::Effect,
    state::{State, View},
    table::{self, PLAIN, WIDE},
};
use crate::fleet::sort::Key;

/// To be ordered by the next column, or by the one before. From elsewhere this is the way into the table.
pub fn by_column(state: &mut State, forward: bool) {
    if state.view != View::Machines {
        return elsewhere(state);
    }
    state.table.sort_by(forward);
    say(state);
}

/// By this column; by the same one again, the order is turned round.
pub fn by_key(state: &mut State, key: Key) {
    if state.table.key == key {
        return reverse(state);
    }
    (state.table.key, state.table.reversed) = (key, false);
    say(state);
}

pub fn reverse(state: &mut State) {
    if state.view != View::Machines {
        return elsewhere(state);
    }
    state.table.reversed = !state.table.reversed;
    say(state);
}

fn elsewhere(state: &mut State) {
    let key = state.keymap.key(super::Action::ViewMachines);
    state.tell(format!("only the table of machines is sorted: `{key}` shows it; trees stand with problems first"));
}

fn say(state: &mut State) {
    let turned = if state.table.reversed { ", turned round" } else { "" };
    state.tell(format!("ordered by {}{turned}", state.table.key.name()));
}

/// Long lines of an open log; without one, more columns of the table.
pub fn wrap(state: &mut State) {
    if state.log.is_some() || state.view != View::Machines {
        state.log_wraps = !state.log_wraps;
        return;
    }
    let several = state.has_several_contexts();
    let wide = table::built_in(WIDE, several);
    state.table.columns = if state.table.columns == wide { table::built_in(PLAIN, several) } else { wide };
}

/// `:columns …`: shows these columns or those of a set, or keeps what is shown as a set.
pub fn columns(state: &mut State, words: &[String]) -> Result<Vec<Effect>, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut effects = Vec::new();
    match words.as_slice() {
        ["plain"] => state.table.columns = table::built_in(PLAIN, state.has_several_contexts()),
        ["wide"] => state.table.columns = table::built_in(WIDE, state.has_several_contexts()),
        ["save", name] if is_name(name) => {
            state.column_sets.insert((*name).to_owned(), state.table.columns.clone());
            state.tell(format!("kept: `:columns {name}` shows these columns again"));
            effects.push(Effect::Remember);
        }
        ["save", ..] => {
            return Err("write `columns save NAME`, with a name of letters, digits and `-` of its own".into());
        }
        [name] if state.column_sets.contains_key(*name) => state.table.columns = state.column_sets[*name].clone(),
        _ => {
            state.table.columns = table::parse(words.iter().copied()).map_err(|mistake| {
                let sets: Vec<&str> = state.column_sets.keys().map(String::as_str).collect();
                let sets = if sets.is_empty() { String::new() } else { format!("; sets: {}", sets.join(", ")) };
                format!("{mistake}; or plain, wide{sets}")
            })?;
        }
    }
    super::navigate::view(state, View::Machines);
    Ok(effects)
}

/// It can be told from a column and from a word of the command.
fn is_name(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && name.len() <= 40;
    plain && !name.is_empty() && !["plain", "wide", "save"].contains(&name) && !table::names().iter().any(|n| n == name)
}
