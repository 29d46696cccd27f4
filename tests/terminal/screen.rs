//! A run of the binary in a pseudo-terminal, and what stands on it.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::{
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long the end may take: whoever closes a terminal does not wait for controllers to finish their lists.
const END_WITHIN: Duration = Duration::from_secs(20);
/// For what was said last to arrive, where something that goes on keeps the terminal open.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(10);
/// Longer than the guard against keys that were typed ahead.
pub const BEFORE_A_DIALOG: Duration = Duration::from_millis(400);

/// Where keys go, and what the terminal itself says.
type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

/// What every terminal answers when it is asked what it is, and what one with a dark background says of it.
const QUESTION: &[u8] = b"\x1b[c";
const ANSWER: &[u8] = b"\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\\x1b[?62;22c";

/// One run of the binary, and what its terminal shows.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Keys,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: JoinHandle<()>,
    pub home: tempfile::TempDir,
}

impl Terminal {
    pub fn demo(arguments: &[&str], size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.args(["demo", "--speed", "50"]);
        command.args(arguments);
        Self::start(command, size)
    }

    /// The console on whatever fleet a kubeconfig names.
    pub fn on(kubeconfig: &Path, size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.arg("--kubeconfig");
        command.arg(kubeconfig);
        Self::start(command, size)
    }

    pub fn start(command: CommandBuilder, size: (u16, u16)) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        // Whoever looks at something else has seen the tour.
        let state = home.path().join("quarterdeck");
        std::fs::create_dir(&state).and_then(|()| std::fs::write(state.join("tour-seen"), "")).expect("a file");
        Self::at_home(command, size, home)
    }

    /// Somebody who has never seen it.
    pub fn first(command: CommandBuilder, size: (u16, u16)) -> Self {
        Self::at_home(command, size, tempfile::tempdir().expect("a folder"))
    }

    fn at_home(mut command: CommandBuilder, size: (u16, u16), home: tempfile::TempDir) -> Self {
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
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let shown = screen.clone();
        let keys: Keys = Arc::new(Mutex::new(pair.master.take_writer().expect("a writer")));
        let answers = keys.clone();
        let reader = std::thread::spawn(move || {
            let (mut buffer, mut pending) = ([0; 16 * 1024], Vec::new());
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if buffer[..count].windows(QUESTION.len()).any(|bytes| bytes == QUESTION) {
                    let _ = answers.lock().expect("no panic while it is held").write_all(ANSWER);
                }
                pending.extend_from_slice(&buffer[..count]);
                // What is drawn in one piece is seen in one piece, however it is read.
                let last = |mark: &[u8]| pending.windows(mark.len()).rposition(|bytes| bytes == mark);
                if last(b"\x1b[?2026h") <= last(b"\x1b[?2026l") {
                    shown.lock().expect("no panic while it is held").process(&std::mem::take(&mut pending));
                }
            }
            shown.lock().expect("no panic while it is held").process(&pending);
        });
        Self { child, master: pair.master, keys, screen, reader, home }
    }

    pub fn text(&self) -> String {
        self.screen.lock().expect("no panic while it is held").screen().contents()
    }

    /// Cells that are not of the terminal's own colours.
    pub fn coloured_cells(&self) -> usize {
        let parser = self.screen.lock().expect("no panic while it is held");
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        let plain = vt100::Color::Default;
        let is_coloured = |(row, column)| {
            screen.cell(row, column).is_some_and(|cell| cell.fgcolor() != plain || cell.bgcolor() != plain)
        };
        cells.filter(|cell| is_coloured(*cell)).count()
    }

    pub fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
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

    pub fn sees(&self, words: &str) -> String {
        self.until(words, |text| text.contains(words))
    }

    pub fn press(&mut self, keys: &str) {
        let mut terminal = self.keys.lock().expect("no panic while it is held");
        terminal.write_all(keys.as_bytes()).expect("the terminal takes keys");
        terminal.flush().expect("the terminal takes keys");
    }

    /// One key after the other, as a person types.
    pub fn type_slowly(&mut self, text: &str) {
        for c in text.chars() {
            self.press(&c.to_string());
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    pub fn resize(&self, size: (u16, u16)) {
        self.screen.lock().expect("no panic while it is held").set_size(cells(size.1), cells(size.0));
        self.master.resize(pty_size(size)).expect("it can be resized");
    }

    /// Waits for the end, and for what was said last to arrive; the exit code.
    pub fn ends(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                self.hears_the_rest();
                return status.exit_code();
            }
            assert!(start.elapsed() < END_WITHIN, "it does not end; the screen is\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn hears_the_rest(&self) {
        let ended = Instant::now();
        while !self.reader.is_finished() && ended.elapsed() < LAST_WORDS_WITHIN {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Line mode and echo are on, the cursor can be seen, and the screen before is back.
    pub fn is_restored(&self) -> bool {
        let flags = self.master.get_termios().map(|t| format!("{:?}", t.local_flags)).unwrap_or_default();
        let parser = self.screen.lock().expect("no panic while it is held");
        let screen = parser.screen();
        let modes = screen.alternate_screen() || screen.hide_cursor() || screen.bracketed_paste();
        !modes && flags.contains("ICANON") && flags.contains("ECHO")
    }

    /// Buttons and the wheel are asked for, and no motion.
    pub fn hears_mouse(&self) -> bool {
        let parser = self.screen.lock().expect("no panic while it is held");
        let mode = parser.screen().mouse_protocol_mode();
        assert!(
            matches!(mode, vt100::MouseProtocolMode::None | vt100::MouseProtocolMode::PressRelease),
            "{mode:?} is more than is needed"
        );
        mode == vt100::MouseProtocolMode::PressRelease
    }

    pub fn signal(&self, name: &str) {
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
