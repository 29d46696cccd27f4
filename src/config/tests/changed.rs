//! Files that come and go while the console runs.

use super::{
    WORDS,
    mistakes::{GOOD, write},
};
use crate::config::*;
use std::path::Path;

#[test]
fn a_command_whose_key_was_given_away_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), GOOD);
    let before = Config::load(&Paths::below(folder.path()), &WORDS);
    write(folder.path(), &[("keymap.yaml", "half-page-down: '%'\nquit: '&'\n")]);
    let after = before.reload(&WORDS).expect("it was changed");
    let said = after.mistakes[0].to_string();
    assert!(said.contains("the key `&` of `ping` is that of `quit` already"), "{said}");
    assert!(after.commands.is_empty() && after.bindings.iter().any(|b| b.action == "quit" && b.keys == ["&"]));
}

#[test]
fn a_file_that_is_taken_away_is_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), GOOD);
    let before = Config::load(&Paths::below(folder.path()), &WORDS);
    for (name, _) in GOOD {
        std::fs::remove_file(folder.path().join(name)).expect("it was there");
    }
    let after = before.reload(&WORDS).expect("it was changed");
    assert_eq!(after.settings, Settings::default());
    assert_eq!(after.bindings, keymap::built_in());
    assert!(after.commands.is_empty() && after.themes.find("mine").is_none() && after.mistakes.is_empty());
}

#[test]
fn a_mistake_that_is_no_longer_in_the_file_is_not_told() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &[("config.yaml", "theme: drak\n")]);
    let before = Config::load(&Paths::below(folder.path()), &WORDS);
    assert!(before.mistakes[0].to_string().contains("there is no theme `drak`"), "{:?}", before.mistakes);
    write(folder.path(), &[("config.yaml", "armMinutes: 9999999999999\n")]);
    let after = before.reload(&WORDS).expect("it was changed");
    assert!(after.mistakes.len() == 1 && !after.mistakes[0].message.contains("drak"), "{:?}", after.mistakes);
}

#[test]
fn commands_are_read() {
    let text = "top:\n  key: f5\n  scope: [machine, pool]\n  command: [watch, -n, '5', 'x {name} {{}}', 3]\n  \
                description: look\n  dangerous: true\n  confirm: true\n  output: terminal\n  timeoutSeconds: 5\n";
    let words = Vocabulary { key: |key| Ok(key.to_owned()), ..WORDS };
    let commands = commands::parse(text, Path::new("c"), &words, &keymap::built_in()).expect("it is right");
    let [top] = commands.as_slice() else { panic!("{commands:?}") };
    let filled: Vec<String> = top.argv.iter().map(|word| word.fill(|_| Ok("a b".into())).expect("a value")).collect();
    assert_eq!(filled, ["watch", "-n", "5", "x a b {}", "3"]);
    assert_eq!((top.key.as_deref(), top.dangerous, top.confirm, top.timeout_seconds), (Some("f5"), true, true, 5));
    assert_eq!(
        (top.output, top.scopes.as_slice()),
        (commands::Output::Terminal, [commands::Scope::Machine, commands::Scope::Pool].as_slice())
    );
}
