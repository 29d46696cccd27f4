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

use crossterm::event::Event as Input;
use futures::stream;
use quarterdeck::{
    config::Config,
    console::{
        self, Environment, Options,
        contexts::Context,
        keys::Chord,
        run::{FRAME_FAR_AWAY, Loop},
        state::Place,
        terminal,
    },
    fleet::{Clients, Snapshot},
};
use tokio::sync::mpsc;

pub const SIZE: (u16, u16) = (160, 48);

/// What lies between the console and the eyes of the person.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub round_trip: Duration,
    /// Bytes a second; `None`: as many as there are.
    pub rate: Option<f64>,
}

impl Link {
    /// The same desk.
    pub const NEAR: Self = Self { round_trip: Duration::ZERO, rate: None };
    /// A hotel, or another continent.
    pub const FAR: Self = Self { round_trip: Duration::from_millis(80), rate: Some(64e3) };
    /// What the sockets on the way hold before a writer has to wait.
    const HELD: Duration = Duration::from_millis(500);

    pub fn is_far(self) -> bool {
        !self.round_trip.is_zero()
    }
}

/// A terminal at the end of a link: counts bytes, and knows when the last frame has arrived there.
#[derive(Clone)]
pub struct Counter {
    link: Link,
    bytes: Arc<AtomicU64>,
    line: Arc<Mutex<Line>>,
}

#[derive(Default)]
struct Line {
    /// Until when it is at work on what was written.
    busy_until: Option<Instant>,
    /// When the last frame was flushed, and when it is all there.
    flushed: Option<(Instant, Instant)>,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let Some(rate) = self.link.rate else { return Ok(bytes.len()) };
        let now = Instant::now();
        let mut line = self.line.lock().expect("one thread at a time");
        let begin = line.busy_until.map_or(now, |until| until.max(now));
        let until = begin + Duration::from_secs_f64(bytes.len() as f64 / rate);
        line.busy_until = Some(until);
        drop(line);
        std::thread::sleep(until.saturating_duration_since(now + Link::HELD));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let mut line = self.line.lock().expect("one thread at a time");
        let there = line.busy_until.map_or(now, |until| until.max(now)) + self.link.round_trip / 2;
        line.flushed = Some((now, there));
        Ok(())
    }
}

impl Counter {
    pub fn at(link: Link) -> Self {
        Self { link, bytes: Arc::default(), line: Arc::default() }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When the last frame was flushed, and when it is all at the terminal.
    fn flushed(&self) -> Option<(Instant, Instant)> {
        self.line.lock().expect("one thread at a time").flushed
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
        tour: None,
        session: None,
        clock: console::clock::Clock::default(),
        replayed: false,
    };
    let screen = terminal::screen(counter.clone(), SIZE.0, SIZE.1).expect("a screen of a stated size");
    let mut console = console::assemble(options, screen, SIZE);
    console.state.snapshot = snapshot.clone();
    console.state.lay_out();
    if counter.link.is_far() {
        (console.frame, console.state.rests_behind) = (FRAME_FAR_AWAY, true);
    }
    console
}

/// What came of the keys.
pub struct Typed {
    /// From each key to the frame that shows it, in order of length.
    pub took: Vec<Duration>,
    /// What was written for each key, in order of length.
    pub bytes: Vec<u64>,
}

/// The value that so many percent do not exceed.
pub fn percentile<T: Copy>(sorted: &[T], percent: usize) -> T {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// Presses keys at odd moments and measures until the frame that shows them is at the terminal.
pub async fn keys(counter: Counter, sender: mpsc::Sender<io::Result<Input>>, script: &str, count: usize) -> Typed {
    let mut typed = Typed { took: Vec::with_capacity(count), bytes: Vec::with_capacity(count) };
    let script: Vec<Input> =
        script.split(' ').map(|key| Input::Key(key.parse::<Chord>().expect("a key").into())).collect();
    for (n, key) in script.iter().cycle().take(count).enumerate() {
        tokio::time::sleep(Duration::from_millis(20 + (n as u64 * 37) % 41)).await;
        let pressed = Instant::now();
        tokio::time::sleep(counter.link.round_trip / 2).await;
        let (arrived, bytes) = (Instant::now(), counter.bytes());
        if sender.send(Ok(key.clone())).await.is_err() {
            break;
        }
        let there = loop {
            tokio::task::yield_now().await;
            match counter.flushed() {
                Some((at, there)) if at > arrived => break there,
                _ if arrived.elapsed() > Duration::from_secs(2) => break Instant::now(),
                _ => {}
            }
        };
        typed.took.push(there - pressed);
        typed.bytes.push(counter.bytes() - bytes);
    }
    typed.took.sort_unstable();
    typed.bytes.sort_unstable();
    typed
}

/// Keys as the loop wants them.
pub fn input(receiver: mpsc::Receiver<io::Result<Input>>) -> Pin<Box<impl futures::Stream<Item = io::Result<Input>>>> {
    Box::pin(stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|event| (event, receiver)) }))
}
