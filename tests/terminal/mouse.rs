//! The mouse: asked for only where it is wanted, heard, and given back with the terminal.

use crate::screen::Terminal;
use portable_pty::CommandBuilder;

/// Columns and rows count from 1 there.
fn click(terminal: &mut Terminal, words: &str) {
    let text = terminal.sees(words);
    let (row, line) = text.lines().enumerate().find(|(_, line)| line.contains(words)).expect("it is there");
    let column = line[..line.find(words).expect("it is there")].chars().count();
    terminal.press(&format!("\x1b[<0;{};{}M\x1b[<0;{};{}m", column + 1, row + 1, column + 1, row + 1));
}

#[test]
fn it_is_heard_where_it_is_wanted_and_given_back() {
    let mut shell = CommandBuilder::new("sh");
    let script = "printf 'mouse: true\\n' > \"$XDG_CONFIG_HOME/quarterdeck/config.yaml\"; \
                  exec \"$0\" demo --speed 50 --clusters 2 --machines 20";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_quarterdeck")]);
    let mut terminal = Terminal::start(shell, (100, 30));
    terminal.until("a live fleet", |text| text.contains("live SIMULATED") && text.contains("idle machines"));
    assert!(terminal.hears_mouse());
    click(&mut terminal, "3 Machines");
    terminal.sees("─ Machines ");
    click(&mut terminal, "1 Fleet");
    terminal.sees("─ Fleet ");
    click(&mut terminal, "▸ us-east-1");
    terminal.sees("▌  ▸ us-east-1");
    click(&mut terminal, "▸ us-east-1");
    terminal.sees("▾ us-east-1");
    terminal.press("\x1b[<64;10;6M");
    terminal.until("the cursor elsewhere", |text| !text.contains("▌  ▾ us-east-1"));
    terminal.press(":");
    terminal.type_slowly("mouse off");
    terminal.press("\r");
    terminal.sees("the mouse is the terminal's again");
    terminal.until("the terminal to have it", |_| !terminal.hears_mouse());
    terminal.press(":");
    terminal.type_slowly("mouse on");
    terminal.press("\r");
    terminal.sees("the mouse is the console's");
    terminal.until("the console to have it", |_| terminal.hears_mouse());
    terminal.press("\x03");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored() && !terminal.hears_mouse());
}

#[test]
fn nobody_is_asked_for_it_otherwise() {
    let mut terminal = Terminal::demo(&["--clusters", "1", "--machines", "10"], (80, 24));
    terminal.sees("idle machines");
    assert!(!terminal.hears_mouse());
    terminal.press("\x03");
    assert_eq!(terminal.ends(), 0);
}
