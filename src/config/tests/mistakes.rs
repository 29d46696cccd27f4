//! What is said of each kind of mistake, and that nothing is lost by one: what was right before stays.
//!
//! A row is a file as it is typed and the sentence about it: line, column, what is wrong, and what may stand there. Each row is
//! tried twice: when the console starts, and when the file had been right until then.

mod commands;
mod keymap;
mod settings;
mod themes;

use super::{WORDS, load};
use crate::config::*;
use std::path::Path;

/// Files with something of everything, and nothing wrong.
pub(super) const GOOD: &[(&str, &str)] = &[
    ("config.yaml", "theme: mine\narmMinutes: 5\n"),
    ("keymap.yaml", "half-page-down: '%'\n"),
    ("themes/mine.yaml", "inherits: dark\nroles:\n  good: magenta\n"),
    ("commands.yaml", "ping: {scope: machine, command: [ping, '{address}'], key: '&'}\n"),
];

/// `name` is the file; a sentence with `…` at its end is compared as far as that.
fn check(name: &str, rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (typed, said) in rows {
        let wanted = format!("{name}:{said}");
        if !said.starts_with(|c: char| c.is_ascii_digit()) {
            wrong.push(format!("{typed:?}\n  {wanted} names no line"));
        }
        let heard = at_the_start(name, typed);
        if !is(&heard, &wanted) {
            wrong.push(format!("{typed:?}\n  said   {heard}\n  wanted {wanted}"));
        }
        let heard = later(name, typed);
        if !is(&heard, &wanted) {
            wrong.push(format!("{typed:?}, while the console runs\n  said   {heard}\n  wanted {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is(heard: &str, wanted: &str) -> bool {
    wanted.strip_suffix('…').map_or(heard == wanted, |begin| heard.starts_with(begin))
}

/// One mistake and no other, and everything is as it is built in.
fn at_the_start(name: &str, typed: &str) -> String {
    let (config, said) = load(&[(name, typed)]);
    if !names_no_theme(&said) {
        assert_eq!(config.settings, Settings::default(), "{typed:?}");
    }
    assert_eq!(config.bindings, crate::config::keymap::built_in(), "{typed:?}");
    assert!(config.commands.is_empty() && config.themes.find("mine").is_none(), "{typed:?}");
    said.join("\n")
}

/// The same in a file that was right: all that it said stays, once the mistake is said it is not said again, and when it is
/// mended nothing is left of it.
fn later(name: &str, typed: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), GOOD);
    let before = Config::load(&Paths::below(folder.path()), &WORDS);
    assert!(before.mistakes.is_empty() && before.reload(&WORDS).is_none(), "{:?}", before.mistakes);
    write(folder.path(), &[(name, &format!("{typed}# longer, for a file may be changed twice in a moment\n"))]);
    let after = before.reload(&WORDS).expect("it was changed");
    let prefix = format!("{}/", folder.path().display());
    let said: Vec<String> = after.mistakes.iter().map(|m| m.to_string().replace(&prefix, "")).collect();
    if !names_no_theme(&said) {
        assert_eq!(after.settings, before.settings, "{typed:?}");
    }
    assert_eq!((&after.bindings, &after.commands), (&before.bindings, &before.commands), "{typed:?}");
    assert_eq!(after.themes.find("mine"), before.themes.find("mine"), "{typed:?}");
    assert!(after.reload(&WORDS).is_none(), "{typed:?}: a mistake is said once");
    write(folder.path(), GOOD);
    let mended = after.reload(&WORDS).expect("it was changed");
    assert!(mended.mistakes.is_empty() && mended.settings == before.settings, "{:?}", mended.mistakes);
    said.join("\n")
}

/// The one mistake that leaves the rest of its file as it is typed: the console looks as before.
fn names_no_theme(said: &[String]) -> bool {
    said.iter().any(|said| said.starts_with("config.yaml") && said.contains("there is no theme"))
}

pub(super) fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

/// What is wrong with a whole file has no line.
#[test]
fn files_that_cannot_be_read_are_named() {
    for (name, _) in GOOD {
        let heard = at_the_start(name, "\u{0}\u{1}");
        assert!(heard.starts_with(name), "{heard}");
        let large = format!("# {}\n", "x".repeat(2 << 20));
        assert_eq!(
            at_the_start(name, &large),
            format!("{name}: the file has {} bytes, more than 1048576", large.len())
        );
    }
    let (_, said) = load(&[("themes/a.yaml", "inherits: b\n"), ("themes/b.yaml", "inherits: a\n")]);
    assert!(said.len() == 2 && said.iter().all(|said| said.ends_with("in a circle")), "{said:?}");
}
