//! The binary in a pseudo-terminal: what stands on the screen, and every byte that was sent there.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::door::BINARY;

const PATIENCE: Duration = Duration::from_secs(60);
/// For what was said last to arrive, where something that goes on keeps the terminal open.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(10);

pub struct Pty {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Pty {
    /// 24 lines of 80 columns.
    pub fn open(words: &str, kubeconfig: &Path, environment: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(BINARY);
        command.args(words.split_whitespace());
        command.env("KUBECONFIG", kubeconfig);
        command.env("TERM", "xterm-256color");
        command.env("USER", "alice");
        command.env_remove("NO_COLOR");
        environment.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        drop(pair.slave);
        let size = |n| NonZeroU16::new(n).expect("a size");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(24), size(80), 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let keys = pair.master.take_writer().expect("a writer");
        let (shown, kept) = (screen.clone(), raw.clone());
        let reader = std::thread::spawn(move || {
            let _master = pair.master;
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                shown.lock().expect("no panic while it is held").process(&buffer[..count]);
                kept.lock().expect("no panic while it is held").extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, keys, screen, raw, reader }
    }

    pub fn text(&self) -> String {
        self.screen.lock().expect("no panic while it is held").screen().contents()
    }

    /// All that was written, control sequences included.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw.lock().expect("no panic while it is held")).into_owned()
    }

    pub fn sees(&self, words: &str) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if text.contains(words) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for {words}; the screen is\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("the terminal takes keys");
    }

    pub fn ends(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                self.hears_the_rest();
                return status.exit_code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end; the screen is\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn hears_the_rest(&self) {
        let ended = Instant::now();
        while !self.reader.is_finished() && ended.elapsed() < LAST_WORDS_WITHIN {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
