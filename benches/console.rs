//! The console under load: key to frame at 160x48 with 100,000 machines and 3,000 changes a second, and at rest.
//!
//! The real loop, the real index and the real view, on a writer that counts. Run it with
//! `cargo bench --bench console`; the figures of the day are in the README.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use futures::stream;
use quarterdeck::{
    api::{Machine, MachineState},
    config::Config,
    console::{self, Environment, Options, run::Loop, state::Place, terminal},
    fleet::{Change, Index, Interner, MachineRow, testing},
};
use tokio::sync::{mpsc, watch};

const CLUSTERS: usize = 128;
const POOLS: usize = 16;
const MACHINES: usize = 100_000;
const CHANGES_PER_SECOND: u64 = 3_000;
const KEYS: usize = 400;
const SIZE: (u16, u16) = (160, 48);

/// Counts bytes and remembers when the last frame was flushed.
#[derive(Clone, Default)]
struct Counter {
    bytes: Arc<AtomicU64>,
    flushed: Arc<Mutex<Option<Instant>>>,
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

/// A fleet of 128 clusters with 16 pools each, and a few things that are wrong.
fn fleet() -> Index {
    let each = MACHINES / (CLUSTERS * POOLS);
    let mut text = String::new();
    for cluster in 0..CLUSTERS {
        text.push_str(&format!("cluster c-{cluster:03} version=1.34.2\n"));
        for pool in 0..POOLS {
            text.push_str(&format!("pool p{pool:02} replicas={each}\n"));
            for machine in 0..each {
                let state = if machine == 0 && cluster < 8 { "Provisioning" } else { "Ready" };
                text.push_str(&format!(
                    "machine m-{cluster:03}-{pool:02}-{machine:03} {state} rack=r{:02}\n",
                    machine % 40
                ));
            }
        }
    }
    let left = MACHINES - each * CLUSTERS * POOLS;
    text.push_str(&format!("idle {left} spare-\n"));
    testing::fleet(&text)
}

/// Changes machines all over the fleet, and publishes at most 30 times a second, as the feed does.
fn churn(mut index: Index, sender: watch::Sender<Arc<quarterdeck::fleet::Snapshot>>, stop: Arc<AtomicU64>) {
    let mut rows: Vec<Arc<MachineRow>> = index.publish().all_machines().cloned().collect();
    let mut interner = Interner::default();
    let (start, mut done, mut at) = (Instant::now(), 0u64, 0usize);
    while stop.load(Ordering::Relaxed) == 0 {
        let due = (start.elapsed().as_secs_f64() * CHANGES_PER_SECOND as f64) as u64;
        while done < due {
            at = (at + 7_919) % rows.len();
            rows[at] = Arc::new(turned(&rows[at], done, &mut interner));
            index.apply(Change::Machine(rows[at].clone()));
            done += 1;
        }
        sender.send_replace(index.publish());
        std::thread::sleep(Duration::from_millis(33));
    }
}

/// The same machine in another state.
fn turned(machine: &MachineRow, round: u64, interner: &mut Interner) -> MachineRow {
    let mut resource: Machine = machine.to_machine();
    let status = resource.status.get_or_insert_default();
    status.state = Some(match (round / 50_000 + round) % 4 {
        0 => MachineState::Ready,
        1 => MachineState::NotReady,
        2 => MachineState::Draining,
        _ => MachineState::Ready,
    });
    status.message = Some(format!("change {}", round % 10));
    MachineRow::project(resource, interner)
}

fn assemble(counter: &Counter, snapshot: &Arc<quarterdeck::fleet::Snapshot>) -> Loop<Counter> {
    let client =
        kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().expect("a URL"))).expect("a client");
    let options = Options {
        client,
        place: Place { context: "bench".into(), namespace: "fleet".into(), user: "bench".into() },
        config: Config::built_in(),
        environment: Environment { color_term: Some("truecolor".into()), ..Environment::default() },
    };
    let screen = terminal::screen(counter.clone(), SIZE.0, SIZE.1).expect("a screen of a stated size");
    let mut console = console::assemble(options, screen, SIZE);
    console.state.snapshot = snapshot.clone();
    console.state.lay_out();
    console
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// Presses keys at odd moments and measures until the frame that shows them is flushed.
async fn keys(counter: Counter, sender: mpsc::Sender<io::Result<Input>>) -> (Vec<Duration>, u64) {
    let script = ["j", "j", "j", "k", "l", "j", "j", "j", "h", "G", "g", "j", "j"];
    let mut took = Vec::with_capacity(KEYS);
    let mut written = 0;
    for n in 0..KEYS {
        tokio::time::sleep(Duration::from_millis(20 + (n as u64 * 37) % 41)).await;
        let key = script[n % script.len()].chars().next().expect("a key");
        let (before, bytes) = (Instant::now(), counter.bytes.load(Ordering::Relaxed));
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
        written += counter.bytes.load(Ordering::Relaxed) - bytes;
    }
    took.sort_unstable();
    (took, written / KEYS as u64)
}

fn input(receiver: mpsc::Receiver<io::Result<Input>>) -> impl futures::Stream<Item = io::Result<Input>> + Unpin {
    Box::pin(stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|event| (event, receiver)) }))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let started = Instant::now();
    let mut index = fleet();
    let snapshot = index.publish();
    println!("fleet          {} machines, built in {:.1?}", snapshot.counts.total(), started.elapsed());

    // Under load.
    let counter = Counter::default();
    let mut console = assemble(&counter, &snapshot);
    let (sender, receiver) = mpsc::channel(16);
    let (publish, data) = watch::channel(snapshot.clone());
    let stop = Arc::new(AtomicU64::new(0));
    let (halt, changes) = (stop.clone(), publish);
    let churning = std::thread::spawn(move || churn(index, changes, halt));
    let typing = tokio::spawn(keys(counter.clone(), sender));
    let began = Instant::now();
    // It ends when the typist hangs up: to the loop, the terminal is gone.
    let _ = console.run(input(receiver), data).await;
    let seconds = began.elapsed().as_secs_f64();
    let (took, bytes) = typing.await.expect("the typist does not panic");
    stop.store(1, Ordering::Relaxed);
    churning.join().expect("the churn does not panic");
    println!(
        "key to frame   p50 {:.2?}  p95 {:.2?}  max {:.2?}   ({} keys, {CHANGES_PER_SECOND} changes/s, {}x{})",
        percentile(&took, 50),
        percentile(&took, 95),
        took[took.len() - 1],
        took.len(),
        SIZE.0,
        SIZE.1
    );
    println!("bytes per key  {bytes}");
    println!(
        "frames         {:.1}/s, {} B/s",
        console.frames as f64 / seconds,
        (counter.bytes.load(Ordering::Relaxed) as f64 / seconds) as u64
    );

    // At rest: everything is Ready, nothing comes.
    let calm = testing::snapshot("cluster a\npool p replicas=2\nmachine m-1 Ready\nmachine m-2 Ready\n");
    let counter = Counter::default();
    let mut console = assemble(&counter, &calm);
    let (hold, receiver) = mpsc::channel(1);
    let (_publish, data) = watch::channel(calm.clone());
    let rest = Duration::from_secs(5);
    let warm = tokio::time::timeout(Duration::from_millis(300), console.run(input(receiver), data)).await;
    assert!(warm.is_err(), "the loop runs until somebody ends it");
    drop(hold);
    let (bytes, wakes) = (counter.bytes.load(Ordering::Relaxed), console.wakes);
    let (_hold, receiver) = mpsc::channel(1);
    let (_publish, data) = watch::channel(calm);
    let first = console.frames;
    let _ = tokio::time::timeout(rest, console.run(input(receiver), data)).await;
    println!(
        "at rest        {} bytes, {} wake-ups, {} frames in {rest:?} (the clock ticks once a minute)",
        counter.bytes.load(Ordering::Relaxed) - bytes,
        console.wakes - wakes,
        console.frames - first,
    );
}
