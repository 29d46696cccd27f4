//! The console on a writer that counts, and somebody who types.

use std::{
    io::{self, Write},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use futures::stream;
use quarterdeck::{
    config::Config,
    console::{self, Environment, Options, contexts::Context, run::Loop, state::Place, terminal},
    fleet::{Clients, Snapshot},
};
use tokio::sync::mpsc;

pub const SIZE: (u16, u16) = (160, 48);

/// Counts bytes and remembers when the last frame was flushed.
#[derive(Clone, Default)]
pub struct Counter {
    pub bytes: Arc<AtomicU64>,
    pub flushed: Arc<Mutex<Option<Instant>>>,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        *self.flushed.lock().expect("one thread at a time") = Some(Instant::now());
        Ok(())
    }
}

impl Counter {
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A console that shows a snapshot.
pub fn assemble(counter: &Counter, snapshot: &Arc<Snapshot>) -> Loop<Counter> {
    let client =
        kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().expect("a URL"))).expect("a client");
    let place = Place { context: "bench".into(), namespace: "fleet".into(), user: "bench".into(), ..Place::default() };
    let options = Options {
        clients: Clients::of_one(client),
        contexts: vec![Context::plain(place)],
        config: Config::built_in(),
        access: None,
        environment: Environment { color_term: Some("truecolor".into()), ..Environment::default() },
        session: None,
        clock: console::clock::Clock::default(),
    };
    let screen = terminal::screen(counter.clone(), SIZE.0, SIZE.1).expect("a screen of a stated size");
    let mut console = console::assemble(options, screen, SIZE);
    console.state.snapshot = snapshot.clone();
    console.state.lay_out();
    console
}

/// What came of the keys.
pub struct Typed {
    /// From each key to the frame that shows it, in order of length.
    pub took: Vec<Duration>,
    pub bytes_per_key: u64,
}

impl Typed {
    pub fn percentile(&self, percent: usize) -> Duration {
        self.took[(self.took.len() * percent / 100).min(self.took.len() - 1)]
    }
}

/// Presses keys at odd moments and measures until the frame that shows them is flushed.
pub async fn keys(counter: Counter, sender: mpsc::Sender<io::Result<Input>>, script: &str, count: usize) -> Typed {
    let mut took = Vec::with_capacity(count);
    let mut written = 0;
    for (n, key) in script.chars().cycle().take(count).enumerate() {
        tokio::time::sleep(Duration::from_millis(20 + (n as u64 * 37) % 41)).await;
        let (before, bytes) = (Instant::now(), counter.bytes());
        let event = Input::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
        if sender.send(Ok(event)).await.is_err() {
            break;
        }
        let done = loop {
            tokio::task::yield_now().await;
            match *counter.flushed.lock().expect("one thread at a time") {
                Some(at) if at > before => break at,
                _ if before.elapsed() > Duration::from_secs(2) => break Instant::now(),
                _ => {}
            }
        };
        took.push(done - before);
        written += counter.bytes() - bytes;
    }
    took.sort_unstable();
    Typed { bytes_per_key: written / took.len().max(1) as u64, took }
}

/// Keys as the loop wants them.
pub fn input(receiver: mpsc::Receiver<io::Result<Input>>) -> Pin<Box<impl futures::Stream<Item = io::Result<Input>>>> {
    Box::pin(stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|event| (event, receiver)) }))
}
