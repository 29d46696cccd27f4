//! `replay` in a terminal, with the configuration of whoever looks.

use std::{fmt::Write as _, time::Duration};

use crate::pty::Pty;

const COMMANDS: &str =
    "touch: {key: f6, scope: fleet, command: [touch, WITNESS], output: notice, description: a witness}\n";

/// Keys mean what they mean to whoever looks, and run nothing of theirs.
#[test]
fn a_recording_runs_no_command_of_whoever_looks_at_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tape, witness) = (folder.path().join("tape"), folder.path().join("ran"));
    let own = folder.path().join("quarterdeck");
    std::fs::create_dir_all(&own).expect("a folder");
    let commands = COMMANDS.replace("WITNESS", &witness.display().to_string());
    std::fs::write(own.join("commands.yaml"), commands).expect("written");
    let head = r#"{"recording":1,"startedAt":"2026-01-01T00:00:00Z","context":"demo","namespace":"fleet","user":"alice","version":"0.1.0"}"#;
    let mut text = format!("{head}\n");
    // Later than keys may be what a terminal answers too late, as this one may.
    for at in [4_000, 8_000, 16_000] {
        writeln!(text, r#"{{"at":{at},"key":"f6"}}"#).expect("it is memory");
    }
    std::fs::write(&tape, text).expect("written");
    let path = folder.path().display().to_string();
    let words = ["replay".to_owned(), tape.display().to_string()].join(" ");
    let mut terminal = Pty::open(&words, &folder.path().join("none"), &[("XDG_CONFIG_HOME", &path)]);
    terminal.sees("touch: not run: this is a recording");
    std::thread::sleep(Duration::from_millis(200));
    assert!(!witness.exists(), "{}", terminal.text());
    terminal.types("q");
    assert_eq!(terminal.ends(), 0, "{}", terminal.text());
}
