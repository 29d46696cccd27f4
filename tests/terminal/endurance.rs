//! What a terminal and a line do to whoever leaves a console open all day.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use portable_pty::CommandBuilder;

use crate::{
    hands::{ESCAPE, ESCAPE_ALONE, SIZE, console, leave},
    screen::Terminal,
    stage::Stage,
};

/// Three minutes without a server: the console stays, says how old what it shows is, answers keys, and goes on by itself.
#[test]
fn a_server_that_is_lost_for_three_minutes_ends_nothing() {
    let stage = Stage::in_scenario("blocked-drain");
    let mut terminal = console(&stage.administrator());
    stage.line.cut();
    terminal.until("that the line is broken", |text| text.contains(" old"));
    let broken = Instant::now();
    while broken.elapsed() < Duration::from_secs(180) {
        std::thread::sleep(Duration::from_secs(30));
        terminal.press("3");
        terminal.sees("MESSAGE");
        terminal.press("1");
        terminal.until("the tree", |text| text.contains("idle machines") && !text.contains("MESSAGE"));
    }
    terminal.until("an age in minutes", |text| text.contains("3m") && text.contains(" old"));
    terminal.sees("again in");
    stage.line.heal();
    terminal.sees("● live");
    leave(terminal);
}

/// Sizes as a window that is dragged gives them, down to nothing, with keys in between.
#[test]
fn a_storm_of_sizes_leaves_a_screen_that_is_right() {
    let mut terminal = Terminal::demo(&[], SIZE);
    terminal.sees("idle machines");
    let (mut width, mut height) = (7_u16, 3_u16);
    let keys = ["j", "3", "?", ESCAPE, "G", "1", "k", "2", "Z", ESCAPE_ALONE];
    for (turn, key) in keys.iter().cycle().take(200).enumerate() {
        (width, height) = ((width * 31 + 17) % 300 + 1, (height * 29 + 11) % 100 + 1);
        terminal.resize(if turn % 9 == 0 { (1, 1) } else { (width, height) });
        terminal.press(key);
        std::thread::sleep(Duration::from_millis(4));
    }
    terminal.resize(SIZE);
    // The console may still be drawing the storm, and read all of these at once.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(200));
        terminal.press(ESCAPE_ALONE);
    }
    std::thread::sleep(Duration::from_millis(200));
    terminal.press("1");
    let text = terminal.until("the tree", |text| text.contains("idle machines") && text.contains("1 Fleet"));
    assert!(text.lines().all(|line| line.chars().count() <= SIZE.0.into()), "{text}");
    terminal.press("\x0c");
    terminal.sees("idle machines");
    leave(terminal);
}

/// At rest the clock on screen moves once a minute: a key that only waited for that would be late.
#[test]
fn every_key_is_taken_when_it_comes() {
    let mut terminal = Terminal::demo(&[], SIZE);
    terminal.sees("idle machines");
    std::thread::sleep(Duration::from_secs(3));
    let start = Instant::now();
    for _ in 0..5 {
        terminal.press("3");
        terminal.sees("MESSAGE");
        terminal.press("1");
        terminal.until("the tree", |text| !text.contains("MESSAGE"));
    }
    assert!(start.elapsed() < Duration::from_secs(40), "ten keys took {:?}", start.elapsed());
    leave(terminal);
}

#[test]
fn without_colours_nothing_is_coloured() {
    let mut shell = CommandBuilder::new("sh");
    shell.args(["-c", "NO_COLOR=1 exec \"$0\" demo", env!("CARGO_BIN_EXE_quarterdeck")]);
    let mut terminal = Terminal::start(shell, SIZE);
    terminal.sees("idle machines");
    for keys in ["j", "3", "?", ESCAPE, "W", "1", "s"] {
        terminal.press(keys);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(terminal.coloured_cells(), 0, "after {keys:?}:\n{}", terminal.text());
    }
    terminal.signal("-TERM");
    assert_eq!(terminal.ends(), 0);
}

/// What one person saw, another one sees: the same keys at the same distances, without a server.
#[test]
fn what_is_recorded_can_be_played_back() {
    let stage = Stage::in_scenario("blocked-drain");
    let folder = tempfile::tempdir().expect("a folder");
    let tape = folder.path().join("tape");
    let run = |arguments: &[&str], file: &Path| {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(arguments);
        command.arg(file);
        Terminal::start(command, SIZE)
    };
    let kubeconfig = stage.administrator();
    let kubeconfig = kubeconfig.to_str().expect("plain");
    let mut terminal = run(&["--kubeconfig", kubeconfig, "record"], &tape);
    terminal.until("a live fleet", |text| text.contains("● live") && text.contains("idle machines"));
    terminal.press("3");
    terminal.sees("problems first");
    terminal.press("o");
    terminal.sees("by name");
    leave(terminal);
    drop(stage);

    let again = run(&["replay", "--speed", "2"], &tape);
    again.sees("REPLAY");
    again.sees("by name");
    leave(again);
    let mut free = run(&["replay", "--free"], &tape);
    free.sees("idle machines");
    free.press("W");
    free.sees("this is a recording: there is nothing that could be changed");
    leave(free);
    let mut over = run(&["--kubeconfig", kubeconfig, "record"], &tape);
    assert_ne!(over.ends(), 0);
}
