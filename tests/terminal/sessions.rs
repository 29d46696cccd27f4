//! `S`: another program has the terminal, and the console comes back. On the demo, whose hosts are simulated.

use crate::{
    hands::command,
    program,
    screen::{BEFORE_A_DIALOG, Terminal},
};
use portable_pty::CommandBuilder;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const CTRL_C: &str = "\x03";
const SSH: &str = "/usr/bin/ssh";

/// Says what it was given, and hears one line.
const STAND_IN: &str = "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"${0%/*}/arguments\"\nprintf 'say> '\nread -r word\n\
                        echo \"$word\" > \"${0%/*}/heard\"\nexit 7\n";

/// A demo whose settings name this program.
fn demo(program: &Path) -> Terminal {
    let script = "mkdir -p \"$XDG_CONFIG_HOME/quarterdeck\"; printf 'ssh:\\n  command: %s\\n' \"$1\" \
                  > \"$XDG_CONFIG_HOME/quarterdeck/config.yaml\"; exec \"$0\" demo --speed 50";
    let mut shell = CommandBuilder::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_quarterdeck")]);
    shell.arg(program);
    shell.env_remove("QUARTERDECK_SSH");
    Terminal::start(shell, (100, 30))
}

/// On the host of one machine, whatever the others are about.
fn on_a_host(terminal: &mut Terminal) {
    terminal.sees("idle machines");
    command(terminal, "machine m-0001");
    terminal.until("the machine", |text| text.contains("m-0001") && !text.contains("tab completes"));
    terminal.press("5");
    terminal.sees("─ Hosts");
    terminal.until("the hosts to have answered", |text| text.contains("m-0001") && !text.contains("asking"));
}

#[test]
fn a_session_has_the_terminal_for_itself_and_gives_it_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("stand-in");
    fs::write(&program, STAND_IN).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    let mut terminal = demo(&program);
    on_a_host(&mut terminal);
    terminal.press("S");
    terminal.sees("say>");
    assert!(terminal.is_restored(), "it is the program's");
    // Each key reaches the program: the console reads none of them.
    terminal.type_slowly("every key of it");
    terminal.press("\r");
    terminal.sees("ended with status 7");
    assert!(!terminal.is_restored(), "it is the console's again");
    assert_eq!(fs::read_to_string(folder.path().join("heard")).expect("a line"), "every key of it\n");
    let arguments = fs::read_to_string(folder.path().join("arguments")).expect("lines");
    let arguments: Vec<&str> = arguments.lines().collect();
    let [.., dashes, address] = arguments.as_slice() else { panic!("{arguments:?}") };
    assert!(*dashes == "--" && address.starts_with("127.") && arguments.contains(&"-i"), "{arguments:?}");
    // A key that is meant for the program does not end the console.
    terminal.press("S");
    // The words of the first time are on that screen as well.
    terminal.until("the program again", |text| text.matches("say>").count() == 2);
    terminal.press(CTRL_C);
    terminal.sees("ended with status 130");
    terminal.press("?");
    terminal.sees("Here: Hosts");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press(CTRL_C);
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}

/// A demo whose `S` is this script.
fn demo_with(folder: &Path, script: &str) -> Terminal {
    let program = folder.join("stand-in");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    let mut terminal = demo(&program);
    on_a_host(&mut terminal);
    terminal.press("S");
    terminal
}

#[test]
fn why_a_session_failed_stays_until_it_was_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut terminal = demo_with(folder.path(), "stty raw -echo; echo 'Host key verification failed.'; exit 255");
    terminal.sees("enter goes back");
    terminal.sees("Host key verification failed.");
    // No other key ends it: it may have been meant for the session.
    terminal.press("q");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.sees("enter goes back");
    terminal.press("\r");
    terminal.sees("ended with status 255: `ssh` has said why, or the line broke");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press(CTRL_C);
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}

#[test]
fn what_a_session_leaves_behind_is_set_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut terminal = demo_with(folder.path(), "stty raw -echo; exit 3");
    terminal.sees("ended with status 3");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press(CTRL_C);
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}

#[test]
fn a_signal_during_a_session_ends_both_and_gives_the_terminal_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let script =
        "trap 'echo it > \"${0%/*}/asked\"; exit' TERM; stty raw -echo; printf 'here> '; while :; do sleep 0.1; done";
    let mut terminal = demo_with(folder.path(), script);
    terminal.sees("here>");
    terminal.signal("-TERM");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
    assert!(folder.path().join("asked").exists(), "it is asked to end before it is made to");
    // One that does not want to is ended all the same.
    let script = "trap '' TERM; stty raw -echo; printf 'here> '; while :; do sleep 0.1; done";
    let mut terminal = demo_with(folder.path(), script);
    terminal.sees("here>");
    terminal.signal("-TERM");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}

#[test]
fn a_program_that_is_not_there_is_one_sentence() {
    let mut terminal = demo(Path::new("/nowhere/ssh"));
    on_a_host(&mut terminal);
    terminal.press("S");
    terminal.sees("there is no program `/nowhere/ssh` here");
    assert!(!terminal.is_restored());
    terminal.press("?");
    terminal.sees("Here: Hosts");
}

#[test]
fn needs_ssh_takes_the_keys_of_the_demo_along() {
    if !program::present("needs_ssh_takes_the_keys_of_the_demo_along", SSH, "openssh-client") {
        return;
    }
    let mut terminal = demo(Path::new(SSH));
    on_a_host(&mut terminal);
    terminal.press("S");
    terminal.sees("(simulated):~#");
    terminal.type_slowly("hostname");
    terminal.press("\r");
    terminal.until("its name", |text| text.lines().any(|line| line.trim_end() == "m-0001"));
    terminal.type_slowly("exit");
    terminal.press("\r");
    terminal.sees("the session on m-0001 has ended");
    assert!(!terminal.is_restored());
    // Why it is as it is, with the journals of the same host.
    terminal.press("i");
    terminal.until("its journals", |text| text.contains("kubelet ") && text.contains("containerd "));
    terminal.press("\x1b");
    terminal.sees("all well");
}
