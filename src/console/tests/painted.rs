//! What screens look like beyond their characters: the role of each cell, whether it can be read in every theme, and that the
//! characters are the same in all of them.

mod contrast;
mod roles;

use super::{FLEET, agree, audit, hosts, press, rollout, state, why};
use crate::{
    config::{Settings, Theme, Themes},
    console::{Environment, glyphs::Glyphs, setup, state::State, terminal, view::view},
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
};

const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (160, 48)];

/// What is shown, in a size.
type Scene = fn((u16, u16)) -> State;

/// The main screens, each with something of everything that it can show.
const SCENES: [(&str, Scene); 12] = [
    ("pool", |size| pressed(FLEET, "j right j right", size)),
    ("machine", |size| pressed(FLEET, "j right j right j enter", size)),
    ("scale", |size| pressed(FLEET, "W j right j s up up tab 'CHG-1' tab 'gp'", size)),
    ("machines", |size| pressed(FLEET, "3 j space space", size)),
    ("why", |size| why::page(size).0),
    ("operations", |size| pressed(FLEET, "2", size)),
    ("events", |size| pressed(FLEET, "4 j", size)),
    ("hosts", hosts::answered),
    ("audit", |size| audit::opened("T j", size)),
    ("help", |size| pressed(FLEET, "?", size)),
    ("abort", |size| pressed(rollout::ROLLING, ": 'pool eu-1/general' enter W A", size)),
    ("refused", |size| pressed(FLEET, "j right j p", size)),
];

fn pressed(fleet: &str, keys: &str, size: (u16, u16)) -> State {
    let mut state = state(fleet, size);
    let effects = press(&mut state, keys);
    agree(&mut state, &effects);
    state
}

fn buffer(state: &State, theme: &Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).expect("a test backend");
    terminal.draw(|frame| view(state, theme, frame)).expect("a test backend");
    terminal.backend().buffer().clone()
}

/// Its characters, line by line.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width).map(|row| row.iter().map(Cell::symbol).collect::<String>());
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn every_theme_says_the_same() {
    let themes = Themes::built_in();
    for (name, scene) in SCENES {
        for size in SIZES {
            let state = scene(size);
            let default = text(&buffer(&state, themes.find_or_default("dark")));
            for theme in ["light", "none", "16"] {
                let other = text(&buffer(&state, themes.find(theme).expect("it is built in")));
                assert_eq!(default, other, "{name} {size:?} in {theme}");
            }
        }
    }
}

#[test]
fn ascii_is_ascii_on_every_screen() {
    let themes = Themes::built_in();
    let mut all = String::new();
    for (name, scene) in SCENES {
        for size in SIZES {
            let mut state = scene(size);
            state.glyphs = Glyphs::Ascii;
            let shown = text(&buffer(&state, themes.find_or_default("dark")));
            let beyond: Vec<char> = shown.chars().filter(|c| !c.is_ascii()).collect();
            assert!(beyond.is_empty(), "{name} {size:?}: {beyond:?}\n{shown}");
            if size == (80, 24) && name != "help" {
                all += &format!("== {name}\n{shown}");
            }
        }
    }
    insta::assert_snapshot!("painted_ascii_80x24", all);
}

#[test]
fn what_is_painted_how() {
    for (name, scene) in SCENES {
        insta::assert_snapshot!(format!("roles_{name}_80x24"), roles::grid(&scene((80, 24))));
    }
}

/// The smallest screens one below the other; and of the larger ones those that have no file of their own in that size. The help
/// page has files of its own: here it would change with each action.
#[test]
fn what_they_say() {
    let themes = Themes::built_in();
    for (size, names) in [
        (SIZES[0], "pool machine scale machines why operations events hosts audit abort refused"),
        (SIZES[1], "operations events"),
        (SIZES[2], "why hosts audit"),
        (SIZES[3], "operations events"),
    ] {
        let wanted = SCENES.iter().filter(|(name, _)| names.split(' ').any(|wanted| wanted == *name));
        let shown: String = wanted
            .map(|(name, scene)| format!("== {name}\n{}", text(&buffer(&scene(size), themes.find_or_default("dark")))))
            .collect();
        insta::assert_snapshot!(format!("painted_{}x{}", size.0, size.1), shown);
    }
}

/// Under `NO_COLOR` nothing that leaves for the terminal sets a colour, whatever the settings name.
#[test]
fn no_color_leaves_no_colour() {
    let environment = Environment { no_color: true, color_term: Some("truecolor".into()), ..Environment::default() };
    let settings = Settings { theme: "dark".into(), ..Settings::default() };
    let themes = Themes::built_in();
    let written = |theme: &Theme| {
        let paper = super::desk::Paper::default();
        for (_, scene) in SCENES {
            let state = scene((120, 40));
            let mut screen = terminal::screen(paper.clone(), 120, 40).expect("a screen of a stated size");
            screen.draw(|frame| view(&state, theme, frame)).expect("paper takes everything");
        }
        paper.take()
    };
    let plain = written(themes.find_or_default(setup::theme(&settings, &environment)));
    assert_eq!(colours(&plain), [""; 0]);
    assert!(plain.contains("\x1b[1m"), "weight is not colour");
    assert!(!colours(&written(themes.find_or_default("dark"))).is_empty(), "or nothing would be found");
}

/// The sequences that set a colour.
fn colours(written: &str) -> Vec<&str> {
    let sequences = written.split("\x1b[").skip(1).filter_map(|after| Some(after.split_once('m')?.0));
    let sets = |words: &&str| {
        let numbers: Option<Vec<u16>> = words.split(';').map(|word| word.parse().ok()).collect();
        numbers.is_some_and(|all| all.iter().any(|n| matches!(n, 30..=38 | 40..=48 | 90..=97 | 100..=107)))
    };
    sequences.filter(sets).collect()
}
