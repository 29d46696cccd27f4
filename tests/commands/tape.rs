//! `record` and `replay` in a terminal, with the configuration of whoever sits there.

use std::{fmt::Write as _, time::Duration};

use quarterdeck::{
    api::definitions,
    embedded::{ApiServer, Options},
};

use crate::{door::Door, pty::Pty};

const COMMANDS: &str =
    "touch: {key: f6, scope: fleet, command: [touch, WITNESS], output: notice, description: a witness}\n";

/// Longer than keys are not taken at the start because the terminal has said nothing.
const DEAF: Duration = Duration::from_secs(5);

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

/// What is recorded is the console as always, a command that is told of the kubeconfig too; so it comes again in the replay.
#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_recorded_a_command_is_told_of_the_kubeconfig() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    server.install(definitions()).await.expect("the kinds are right");
    let door = Door::open(&server).await;
    let kubeconfig = door.kubeconfig();
    let drive = move || {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("quarterdeck");
        std::fs::create_dir_all(&own).expect("a folder");
        let told =
            "told: {key: f6, scope: fleet, command: [basename, '{kubeconfig}'], output: notice, description: a test}\n";
        std::fs::write(own.join("commands.yaml"), told).expect("written");
        let (tape, path) = (folder.path().join("tape").display().to_string(), folder.path().display().to_string());
        let open = |verb: &str| Pty::open(&format!("{verb} {tape}"), &kubeconfig, &[("XDG_CONFIG_HOME", &path)]);
        let mut recorded = open("record");
        recorded.sees("live");
        std::thread::sleep(DEAF);
        recorded.types("\x1b[17~");
        recorded.sees("told: kubeconfig");
        recorded.types("q");
        assert_eq!(recorded.ends(), 0, "{}", recorded.text());
        let mut replayed = open("replay");
        replayed.sees("told: not run: this is a recording");
        replayed.types("q");
        assert_eq!(replayed.ends(), 0, "{}", replayed.text());
    };
    tokio::task::spawn_blocking(drive).await.expect("it ends well");
}
