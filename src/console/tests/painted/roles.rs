//! The role of each cell, in a letter: what is lost or mixed up in colour is seen in a difference of text.

use super::buffer;
use crate::{
    config::{Paths, Role, Theme},
    console::{configure, state::State},
};
use ratatui::{
    buffer::Cell,
    style::{Color, Modifier},
};

/// Its number stands for the role; those of the terminal itself are below.
const FIRST: u8 = 16;
/// A letter for each role, in their order.
const LETTERS: &str = "tmbfTagMwBicskArIW$1234567";

/// A theme in which each role can be told from the others. The cursor lies over the colours of its row.
fn theme() -> Theme {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("themes")).expect("a folder");
    let line = |(number, role): (u8, &Role)| match role {
        Role::Cursor => format!("  cursor: on {number}\n"),
        role => format!("  {}: \"{number}\"\n", role.as_str()),
    };
    let roles: String = (FIRST..).zip(Role::ALL).map(line).collect();
    std::fs::write(folder.path().join("themes/roles.yaml"), format!("roles:\n{roles}")).expect("a file");
    let config = configure(&Paths::below(folder.path()));
    assert!(config.mistakes.is_empty(), "{:?}", config.mistakes);
    config.themes.find("roles").expect("it is read").clone()
}

fn role(color: Color) -> Option<Role> {
    let Color::Indexed(number) = color else { return None };
    Role::ALL.get(usize::from(number.checked_sub(FIRST)?)).copied()
}

/// `.` is a cell without anything; what the cursor lies over is marked on the next line.
fn letter(cell: &Cell) -> char {
    if cell.symbol().trim().is_empty() {
        return '.';
    }
    role(cell.fg).map_or('?', |role| LETTERS.chars().nth(role as usize).unwrap_or('?'))
}

fn mark(cell: &Cell) -> char {
    match role(cell.bg) {
        Some(Role::Cursor) => '^',
        Some(_) => '#',
        None if cell.modifier.contains(Modifier::REVERSED) => '%',
        None => ' ',
    }
}

/// A screen, letter by letter, below the names of the roles that are on it.
pub fn grid(state: &State) -> String {
    assert_eq!(LETTERS.chars().count(), Role::ALL.len(), "each role has its letter");
    let painted = buffer(state, &theme());
    let mut shown = String::new();
    let mut seen = vec![false; Role::ALL.len()];
    for row in painted.content.chunks(usize::from(state.size.0)) {
        let letters: String = row.iter().map(letter).collect();
        shown += &format!("{}\n", letters.trim_end_matches('.'));
        let marks: String = row.iter().map(mark).collect();
        if !marks.trim().is_empty() {
            shown += &format!("{}\n", marks.trim_end());
        }
        for role in row.iter().filter(|cell| !cell.symbol().trim().is_empty()).filter_map(|cell| role(cell.fg)) {
            seen[role as usize] = true;
        }
    }
    let legend = Role::ALL.iter().zip(LETTERS.chars()).filter(|(role, _)| seen[**role as usize]);
    let legend: Vec<String> = legend.map(|(role, letter)| format!("{letter} {}", role.as_str())).collect();
    format!("{}\n{shown}", legend.join("  "))
}
