//! What hands do in every flow: open the console, go somewhere, fill a dialog in, leave.

use std::path::Path;

use crate::screen::{BEFORE_A_DIALOG, Terminal};

pub const ENTER: &str = "\r";
pub const ESCAPE: &str = "\x1b";
/// The same key as terminals of newer protocols say it: whatever is read together with it stays a key of its own.
pub const ESCAPE_ALONE: &str = "\x1b[27u";
pub const RIGHT: &str = "\x1b[C";
pub const SIZE: (u16, u16) = (120, 40);
const CTRL_O: &str = "\x0f";
/// Where a dialog has its buttons.
const BUTTONS: &str = "Export (ctrl-x)";

pub fn console(kubeconfig: &Path) -> Terminal {
    let terminal = Terminal::on(kubeconfig, SIZE);
    terminal.until("a live fleet", |text| text.contains("● live SIMULATED") && text.contains("idle machines"));
    terminal
}

pub fn command(terminal: &mut Terminal, line: &str) {
    terminal.press(":");
    terminal.type_slowly(line);
    terminal.press(ENTER);
}

/// The cursor on a pool.
pub fn go_to_pool(terminal: &mut Terminal, cluster: &str, pool: &str) {
    command(terminal, &format!("pool {cluster}/{pool}"));
    terminal.sees(&format!("{cluster} / {pool}"));
}

/// The console with the cursor on a pool.
pub fn on_a_pool(kubeconfig: &Path, cluster: &str, pool: &str) -> Terminal {
    let mut terminal = console(kubeconfig);
    go_to_pool(&mut terminal, cluster, pool);
    terminal
}

/// Writes are armed, if they are not.
pub fn arm(terminal: &mut Terminal) {
    if !terminal.text().contains("WRITE") {
        terminal.press("W");
        terminal.sees("WRITE");
    }
}

/// The dialog of a key, armed, with the server's opinion in it.
pub fn open(terminal: &mut Terminal, key: &str, title: &str) {
    terminal.press(key);
    terminal.sees(title);
    std::thread::sleep(BEFORE_A_DIALOG);
    if !terminal.text().contains("WRITE") {
        terminal.press(CTRL_O);
    }
    terminal.sees("dry run ✔");
}

/// Fills in what a dialog that is open asks for, and sends it.
pub fn fill_in(terminal: &mut Terminal, reason: &str, phrase: &str) {
    // From the version, where there is one, to the reason.
    if terminal.text().contains("on offer") {
        terminal.press(ENTER);
    }
    terminal.type_slowly(reason);
    terminal.press(ENTER);
    terminal.type_slowly(phrase);
    terminal.sees("enter applies it");
    terminal.press(ENTER);
    terminal.until("the dialog gone", |text| !text.contains(BUTTONS));
}

/// Answers a question with yes; in production that is a reason, and what is to be typed.
pub fn yes(terminal: &mut Terminal, key: &str, question: &str) {
    terminal.press(key);
    terminal.sees(question);
    std::thread::sleep(BEFORE_A_DIALOG);
    let text = terminal.text();
    if text.contains(BUTTONS) {
        terminal.sees("dry run ✔");
        let line = text.lines().find(|line| line.contains("confirm    [")).expect("something to type");
        let phrase = line.split("]  type ").nth(1).and_then(|rest| rest.split('│').next()).expect("what to type");
        return fill_in(terminal, "CHG-5", phrase.trim());
    }
    terminal.press("y");
    terminal.until("the question gone", |text| !text.contains(question));
}

pub fn leave(mut terminal: Terminal) {
    terminal.press("\x03");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}
