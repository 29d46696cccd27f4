//! `quarterdeck demo` in a folder that it has used before.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::door::BINARY;

fn command(data: &Path, words: &str) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["demo", "--headless", "--data"]).arg(data).args(words.split_whitespace());
    command
}

/// Starts it, and ends it as soon as it says that it is ready; that line.
fn begin(data: &Path, words: &str) -> Value {
    let mut child = command(data, words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    end(&mut child);
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
}

fn end(child: &mut Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_folder_keeps_its_fleet_and_says_so_to_whoever_wants_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let first = begin(&data, "--clusters 1 --machines 9 --seed 7");
    let again = begin(&data, "");
    for key in ["clusters", "machines", "seed", "kubeconfig", "server"] {
        assert_eq!(first[key], again[key], "{key} is that of the folder");
    }
    let journal = std::fs::read(data.join("hosts.jsonl")).ok();
    let Output { status, stdout, stderr } = command(&data, "--machines 12 --seed 8").output().expect("it starts");
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("has a fleet of 1 cluster and 9 machines with seed 7"), "{said}");
    assert!(said.contains("leave --machines and --seed out") && said.contains("another folder"), "{said}");
    assert_eq!((said.lines().count(), stdout.len()), (1, 0), "one sentence: {said}");
    assert_eq!(std::fs::read(data.join("hosts.jsonl")).ok(), journal, "nothing was touched");
}
