//! The real binary in a pseudo-terminal: what a user sees, and how the terminal is left.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::{
    io::{Read, Write},
    num::NonZeroU16,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the end may take: whoever closes a terminal does not wait for controllers to finish their lists.
const END_WITHIN: Duration = Duration::from_secs(20);
/// Longer than the guard against keys that were typed ahead.
const BEFORE_A_DIALOG: Duration = Duration::from_millis(400);

/// One run of the binary, and what its terminal shows.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    home: tempfile::TempDir,
}

impl Terminal {
    fn demo(arguments: &[&str], size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(["demo", "--speed", "50"]);
        command.args(arguments);
        Self::start(command, size)
    }

    fn start(mut command: CommandBuilder, size: (u16, u16)) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let pair = native_pty_system().openpty(pty_size(size)).expect("a pseudo-terminal");
        for (name, value) in [
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
            ("LANG", "C.UTF-8"),
            ("USER", "tester"),
            ("RUST_BACKTRACE", "0"),
            ("QUARTERDECK_TEST_PANIC_KEY", "f12"),
        ] {
            command.env(name, value);
        }
        for name in ["NO_COLOR", "LC_ALL", "LC_CTYPE", "SSH_TTY", "SSH_CONNECTION", "QUARTERDECK_USER"] {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", home.path());
        command.env("XDG_STATE_HOME", home.path());
        command.cwd(home.path());
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(size.1), cells(size.0), 0)));
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let shown = screen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shown.lock().expect("no panic while it is held").process(&buffer[..count]);
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        Self { child, master: pair.master, keys, screen, home }
    }

    fn text(&self) -> String {
        self.screen.lock().expect("no panic while it is held").screen().contents()
    }

    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if holds(&text) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}; the screen is\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn sees(&self, words: &str) -> String {
        self.until(words, |text| text.contains(words))
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    /// One key after the other, as a person types.
    fn type_slowly(&mut self, text: &str) {
        for c in text.chars() {
            self.press(&c.to_string());
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    fn resize(&self, size: (u16, u16)) {
        self.screen.lock().expect("no panic while it is held").set_size(cells(size.1), cells(size.0));
        self.master.resize(pty_size(size)).expect("it can be resized");
    }

    /// Waits for the end, and for what was said last to arrive; the exit code.
    fn ends(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                std::thread::sleep(Duration::from_millis(100));
                return status.exit_code();
            }
            assert!(start.elapsed() < END_WITHIN, "it does not end; the screen is\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Line mode and echo are on, the cursor can be seen, and the screen before is back.
    fn is_restored(&self) -> bool {
        let flags = self.master.get_termios().map(|t| format!("{:?}", t.local_flags)).unwrap_or_default();
        let parser = self.screen.lock().expect("no panic while it is held");
        let screen = parser.screen();
        let modes = screen.alternate_screen() || screen.hide_cursor() || screen.bracketed_paste();
        !modes && flags.contains("ICANON") && flags.contains("ECHO")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.process_id().expect("it runs").to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill is there").success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}

const CTRL_Z: &str = "\x1a";
const UP: &str = "\x1b[A";
const RIGHT: &str = "\x1b[C";
const ENTER: &str = "\r";

/// Opens the demo and puts the cursor on the pool `general` of the first cluster.
fn on_a_pool(size: (u16, u16)) -> Terminal {
    let mut terminal = Terminal::demo(&[], size);
    terminal.until("a live fleet", |text| text.contains("SIMULATED") && text.contains("idle machines"));
    terminal.press(":");
    terminal.type_slowly("pool ap-south-1/general");
    terminal.press(ENTER);
    terminal.sees("ap-south-1 / general");
    terminal
}

#[test]
fn a_pool_is_scaled_from_the_keyboard_until_all_is_ready() {
    let mut terminal = on_a_pool((120, 40));
    terminal.sees("6/6");
    terminal.press("s");
    terminal.sees("server dry run");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press("W");
    terminal.press(UP);
    terminal.press(UP);
    terminal.sees("[ 8 ]");
    terminal.until("the server's dry run", |text| text.contains("dry run ✔") && text.contains("replicas: 8"));
    terminal.press(ENTER);
    terminal.type_slowly("more room");
    terminal.press(ENTER);
    terminal.type_slowly("general");
    terminal.sees("enter applies it");
    terminal.press(ENTER);
    terminal.sees("scales from 6 to 8");
    terminal.press(RIGHT);
    terminal.sees("8/8");

    // The terminal grows and shrinks, and the screen with it.
    terminal.resize((160, 48));
    terminal.sees("QUARTERDECK");
    terminal.resize((50, 10));
    terminal.sees("50x10 is too small");
    terminal.resize((80, 24));
    terminal.sees("8/8");

    terminal.press("q");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}

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
fn a_change_is_exported_instead_of_applied() {
    let mut terminal = on_a_pool((120, 40));
    terminal.sees("6/6");
    terminal.press("s");
    terminal.sees("server dry run");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press(UP);
    terminal.sees("[ 7 ]");
    // Still read-only: that is when an export is of use.
    terminal.press("x");
    terminal.sees("kubectl --namespace fleet patch nodepools.quarterdeck.dev ap-south-1-general");
    terminal.press("\t\t");
    terminal.sees("apiVersion: quarterdeck.dev/v1alpha1");
    terminal.press("w");
    terminal.sees("written to");
    let text = std::fs::read_to_string(terminal.home.path().join("ap-south-1-general.yaml")).expect("it is written");
    assert!(text.contains("replicas: 7") && text.contains("kind: NodePool"), "{text}");
    // Nothing was changed, and what is written is not written over.
    assert!(terminal.text().contains("6/6"), "{}", terminal.text());
    terminal.press("s");
    terminal.sees("server dry run");
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press(UP);
    terminal.sees("[ 7 ]");
    terminal.press("x");
    terminal.sees("kubectl command");
    terminal.press("\t\tw");
    terminal.sees("cannot write");
    terminal.press("q");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn without_a_terminal_there_is_one_sentence() {
    let output = Command::new(env!("CARGO_BIN_EXE_quarterdeck")).arg("demo").output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the console needs a terminal"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
}
