//! Every pair of ink and ground that a screen shows, in every theme, by the contrast of WCAG 2.2.
//!
//! Text has at least 4.5 to 1 (1.4.3). Lines, blocks and other shapes, and what is muted because it matters less, have at least
//! 3 to 1 (1.4.11). `16` and `none` take the terminal's own colours, which are its user's to choose: they are left out.

use super::{SCENES, buffer};
use crate::config::{Role, Theme, Themes, contrast::contrast};
use ratatui::{
    buffer::Cell,
    style::{Color, Modifier},
};
use std::collections::BTreeMap;

/// The ground that a theme is made for, and the ink where it names none.
const GROUNDS: [(&str, &str, &str); 8] = [
    ("dark", "#1a1b26", "#c8d0e0"),
    ("gruvbox", "#282828", "#ebdbb2"),
    ("high-contrast", "#000000", "#ffffff"),
    ("light", "#ffffff", "#24292f"),
    ("nord", "#2e3440", "#d8dee9"),
    ("okabe-ito", "#101010", "#e0e0e0"),
    ("solarized-dark", "#002b36", "#93a1a1"),
    ("solarized-light", "#fdf6e3", "#586e75"),
];
/// What is read whatever else has its ink.
const READ: &[Role] =
    &[Role::Text, Role::Title, Role::Good, Role::Moving, Role::Warning, Role::Bad, Role::Accent, Role::Key];
const TEXT: f64 = 4.5;
const SHAPES: f64 = 3.0;

/// Frames, blocks, bars: what is not read letter by letter.
fn is_shape(symbol: &str) -> bool {
    symbol.chars().all(|c| matches!(c, '\u{2500}'..='\u{25ff}' | '\u{2800}'..='\u{28ff}' | '·' | '…'))
}

struct Pair {
    ink: Color,
    ground: Color,
    needed: f64,
}

fn pair(cell: &Cell, theme: &Theme, ground: Color, ink: Color) -> Pair {
    let own = |color: Color, otherwise: Color| if color == Color::Reset { otherwise } else { color };
    let (ink, ground) = (own(cell.fg, ink), own(cell.bg, ground));
    let turned = cell.modifier.contains(Modifier::REVERSED);
    let is_of = |roles: &[Role]| roles.iter().any(|role| theme.style(*role).fg == Some(cell.fg));
    let lesser = is_of(&[Role::Muted, Role::Border, Role::Idle]) && !is_of(READ);
    let needed = if lesser || is_shape(cell.symbol()) { SHAPES } else { TEXT };
    let (ink, ground) = if turned { (ground, ink) } else { (ink, ground) };
    Pair { ink, ground, needed }
}

#[test]
fn every_pair_that_is_shown_can_be_read() {
    let themes = Themes::built_in();
    let known: Vec<&str> = GROUNDS.iter().map(|(name, ..)| *name).chain(["16", "none"]).collect();
    assert!(themes.names().all(|name| known.contains(&name)), "{:?}", themes.names().collect::<Vec<_>>());
    let states: Vec<_> = SCENES.iter().map(|(name, scene)| (*name, scene((160, 48)))).collect();
    let mut poor: BTreeMap<String, String> = BTreeMap::new();
    for (name, ground, ink) in GROUNDS {
        let theme = themes.find(name).expect("it is built in");
        let (ground, ink) = (ground.parse().expect("a colour"), ink.parse().expect("a colour"));
        for (scene, state) in &states {
            let painted = buffer(state, theme);
            for (at, cell) in painted.content.iter().enumerate().filter(|(_, cell)| !cell.symbol().trim().is_empty()) {
                let pair = pair(cell, theme, ground, ink);
                let seen = contrast(pair.ink, pair.ground);
                if seen < pair.needed {
                    let key = format!("{name}: {} on {} has {seen:.2} of {}", pair.ink, pair.ground, pair.needed);
                    poor.entry(key)
                        .or_insert_with(|| format!("{scene} {:?} `{}`", (at / 160, at % 160), cell.symbol()));
                }
            }
        }
    }
    let all: Vec<String> = poor.iter().map(|(pair, place)| format!("{pair}, as in {place}")).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}
