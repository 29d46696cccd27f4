//! The tour, as somebody meets it who starts the demo for the first time.

use crate::screen::{BEFORE_A_DIALOG, Terminal};
use portable_pty::CommandBuilder;

const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";
const LEFT: &str = "\x1b[D";
const RIGHT: &str = "\x1b[C";

/// A first demo, and a second one in the same home when that has ended.
fn twice() -> Terminal {
    let mut shell = CommandBuilder::new("sh");
    let script = "\"$0\" demo --speed 50 --clusters 1 --machines 12; echo left; read word; exec \"$0\" demo --clusters 1 --machines 12";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_quarterdeck")]);
    Terminal::first(shell, (100, 30))
}

#[test]
fn it_comes_once_and_again_when_it_is_asked_for() {
    let mut terminal = twice();
    terminal.sees("1 of 5");
    assert!(terminal.text().contains("What you look at"));
    std::thread::sleep(BEFORE_A_DIALOG);
    for (key, number) in [(ENTER, 2), (RIGHT, 3), (LEFT, 2), (ENTER, 3), (ENTER, 4), (RIGHT, 5)] {
        terminal.press(key);
        terminal.sees(&format!("{number} of 5"));
    }
    terminal.press(ENTER);
    terminal.until("the tour gone", |text| !text.contains("of 5"));
    let mark = terminal.home.path().join("quarterdeck/tour-seen");
    assert!(mark.exists(), "it is written down");
    // The keys are the fleet's again.
    terminal.press("3");
    terminal.sees("─ Machines ");
    terminal.press("qq");
    terminal.sees("left");
    terminal.press(ENTER);
    terminal.until("the second demo", |text| text.contains("idle machines") && text.contains("live"));
    std::thread::sleep(BEFORE_A_DIALOG);
    assert!(!terminal.text().contains("of 5"), "{}", terminal.text());
    terminal.press(":");
    terminal.type_slowly("tour");
    terminal.press(ENTER);
    terminal.sees("1 of 5");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press(ESCAPE);
    terminal.until("the tour skipped", |text| !text.contains("of 5"));
    terminal.press("q");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}
