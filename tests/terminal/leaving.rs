//! However the console ends, the terminal is as it was before. On the demo, whose console is in the same process.

use crate::screen::Terminal;
use portable_pty::CommandBuilder;
use std::process::Command;

const CTRL_Z: &str = "\x1a";

#[test]
fn a_panic_gives_the_terminal_back() {
    let mut terminal = Terminal::demo(&[], (80, 24));
    terminal.sees("idle machines");
    assert!(!terminal.is_restored());
    terminal.press("\x1b[24~");
    assert_ne!(terminal.ends(), 0);
    assert!(terminal.is_restored());
    assert!(terminal.text().contains("a test asked for it"), "{}", terminal.text());
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let mut terminal = Terminal::demo(&[], (80, 24));
    terminal.sees("idle machines");
    terminal.signal("-TERM");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let mut terminal = Terminal::demo(&[], (80, 24));
    terminal.sees("idle machines");
    terminal.signal("-HUP");
    assert_eq!(terminal.ends(), 0);
}

/// Between a real shell and the console: stopped, the terminal is the shell's; resumed, every cell is drawn again.
#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let script = "set -m; \"$0\" demo --speed 50; echo \"stopped with $?\"; read word; echo \"now $word\"; fg; echo \"left with $?\"";
    let mut shell = CommandBuilder::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_quarterdeck")]);
    let mut terminal = Terminal::start(shell, (80, 24));
    terminal.sees("idle machines");
    assert!(!terminal.is_restored());
    terminal.press(CTRL_Z);
    terminal.sees("stopped with 148");
    assert!(terminal.is_restored());
    terminal.press("resume\n");
    terminal.until("the whole screen again", |text| text.contains("SIMULATED") && text.contains("idle machines"));
    assert!(!terminal.is_restored());
    terminal.press("?");
    terminal.sees("one row down");
    terminal.press("qq");
    terminal.sees("left with 0");
    assert!(terminal.is_restored());
}

#[test]
fn without_a_terminal_there_is_one_sentence() {
    let output = Command::new(env!("CARGO_BIN_EXE_quarterdeck")).arg("demo").output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the console needs a terminal"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
}
