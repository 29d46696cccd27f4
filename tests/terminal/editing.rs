//! `e`: an object in the user's own editor, which is another program with the whole terminal. On the demo, where the object
//! is a pool that a simulated fleet stands on.

use crate::{
    hands::{arm, command, fill_in, leave},
    screen::{BEFORE_A_DIALOG, Terminal},
};
use portable_pty::CommandBuilder;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// A demo whose editor is this script; what it was given each time is in `given.N`.
fn demo(folder: &Path, script: &str) -> Terminal {
    let program = folder.join("my editor");
    let given = "n=$(($(cat \"${0%/*}/times\" 2> /dev/null || echo 0) + 1)); echo $n > \"${0%/*}/times\"\n\
                 cp \"$2\" \"${0%/*}/given.$n\"; ls -ld \"${2%/*}\" > \"${0%/*}/folder\"; shift";
    fs::write(&program, format!("#!/bin/sh\n{given}\n{script}\n")).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["demo", "--speed", "50"]);
    for name in ["KUBE_EDITOR", "VISUAL"] {
        command.env_remove(name);
    }
    command.env("EDITOR", format!("'{}' --wait", program.display()));
    command.env("TMPDIR", folder);
    let mut terminal = Terminal::start(command, (120, 40));
    terminal.sees("idle machines");
    on_the_pool(&mut terminal);
    terminal
}

fn on_the_pool(terminal: &mut Terminal) {
    command(terminal, "pool eu-west-1/general");
    terminal.sees("eu-west-1 / general");
    arm(terminal);
}

#[test]
fn what_was_changed_in_the_editor_is_asked_about_and_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "sed -i 's/^spec:/spec:\\n  paused: true/; s/^  paused: false//' \"$1\"";
    let mut terminal = demo(folder.path(), script);
    terminal.press("e");
    terminal.sees("Write what you changed of NodePool eu-west-1-general?");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.until("the server's opinion", |text| text.contains("dry run ✔") && text.contains("paused: true"));
    fill_in(&mut terminal, "CHG-7", "eu-west-1-general");
    terminal.sees("NodePool eu-west-1-general is changed");
    terminal.press("y");
    terminal.until("what is written", |text| text.contains("paused: true") && text.contains("CHG-7"));
    terminal.press("q");
    let given = fs::read_to_string(folder.path().join("given.1")).expect("a text");
    assert!(
        given.contains("kind: NodePool") && !given.contains("managedFields") && !given.contains("status:"),
        "{given}"
    );
    let access = fs::read_to_string(folder.path().join("folder")).expect("its folder");
    assert!(access.starts_with("drwx------"), "nobody else looks into it: {access}");
    leave(terminal);
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("quarterdeck-")), "{left:?}");
}

#[test]
fn a_text_that_cannot_be_taken_is_given_back_and_one_that_is_left_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    // A mistake at first; what comes back is left as it is.
    let script = "[ -f \"${0%/*}/given.2\" ] || sed -i 's/^kind: NodePool/kind: Machine/' \"$1\"";
    let mut terminal = demo(folder.path(), script);
    terminal.press("e");
    terminal.sees("NodePool eu-west-1-general is as it was: nothing is written");
    let given = fs::read_to_string(folder.path().join("given.2")).expect("it came back");
    assert!(given.contains("# kind cannot be changed here") && given.contains("\nkind: Machine\n"), "{given}");
    leave(terminal);
}

#[test]
fn an_editor_that_is_left_with_an_error_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut terminal = demo(folder.path(), "echo > \"$1\"; exit 1");
    terminal.press("e");
    terminal.sees("NodePool eu-west-1-general is not changed: the editor ended with status 1");
    assert!(!terminal.is_restored(), "the console has the terminal again");
    leave(terminal);
}
