//! The console: key to frame and bytes for each key, quiet and under load, nearby and at the end of a slow line; memory for
//! each machine; and how still it is at rest. 160x48, 100,000 machines.
//!
//! The real loop, the real index and the real view, on a writer that counts. Run it with
//! `cargo bench --bench console`; the figures of the day are in the README.

use std::{
    fs,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use quarterdeck::{
    api::{Machine, MachineState},
    fleet::{Change, Index, Interner, MachineRow, Snapshot, testing},
};
use tokio::sync::{mpsc, watch};
use typist::{Counter, Link, SIZE, Typed, assemble, input, keys, percentile};

#[path = "fleet/rows.rs"]
mod rows;
#[path = "console/typist.rs"]
mod typist;

const CLUSTERS: usize = 128;
const POOLS: usize = 16;
const MACHINES: usize = 100_000;
const CHANGES_PER_SECOND: u64 = 3_000;
const KEYS: usize = 400;
/// What people do, key by key.
const SCRIPTS: [(&str, &str); 4] = [
    // Down and up again within the first screen, for what a cursor key costs by itself.
    ("cursor", "j j j j j j j j k k k k k k k k"),
    // Every row of the screen is another one each time, in the table of all machines.
    ("page", "3 ctrl-f ctrl-f ctrl-d ctrl-d G ctrl-b ctrl-b ctrl-u g 1"),
    // Each letter looks through everything.
    ("filter", "/ r 1 2 backspace 3 backspace backspace esc"),
    // Moves, opens, closes, jumps.
    ("look around", "j j j right j right j j h G g j j"),
];
const REST: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    memory();
    let started = Instant::now();
    let mut index = fleet();
    let snapshot = index.publish();
    println!("fleet           {} machines, built in {:.1?}", snapshot.counts.total(), started.elapsed());
    for link in [Link::NEAR, Link::FAR] {
        for (what, script) in SCRIPTS {
            let (_publish, data) = watch::channel(snapshot.clone());
            println!("quiet           {}", session(&snapshot, data, link, what, script).await);
        }
    }
    let (publish, data) = watch::channel(snapshot.clone());
    let stop = Arc::new(AtomicU64::new(0));
    let halt = stop.clone();
    let churning = std::thread::spawn(move || churn(index, publish, halt));
    for link in [Link::NEAR, Link::FAR] {
        for (what, script) in SCRIPTS {
            println!("{CHANGES_PER_SECOND} changes/s  {}", session(&snapshot, data.clone(), link, what, script).await);
        }
    }
    stop.store(1, Ordering::Relaxed);
    churning.join().expect("the churn does not panic");
    rest().await;
}

/// One console, and somebody who types until they hang up: to the loop, the terminal is gone then.
async fn session(
    snapshot: &Arc<Snapshot>,
    data: watch::Receiver<Arc<Snapshot>>,
    link: Link,
    what: &str,
    script: &'static str,
) -> String {
    let counter = Counter::at(link);
    let mut console = assemble(&counter, snapshot);
    let (sender, receiver) = mpsc::channel(16);
    let count = if link.is_far() { KEYS / 4 } else { KEYS };
    let typing = tokio::spawn(keys(counter.clone(), sender, script, count));
    let began = Instant::now();
    let _ = console.run(input(receiver), data).await;
    let seconds = began.elapsed().as_secs_f64();
    let Typed { took, bytes } = typing.await.expect("the typist does not panic");
    format!(
        "{what}{}: key to frame p50 {:.2?}, p95 {:.2?}, max {:.2?}; bytes a key p50 {}, p95 {}, mean {}; {:.1} frames/s, {:.0} B/s \
         ({} keys, {}x{})",
        if link.is_far() { ", 80 ms and 64 kB/s away" } else { "" },
        percentile(&took, 50),
        percentile(&took, 95),
        percentile(&took, 100),
        percentile(&bytes, 50),
        percentile(&bytes, 95),
        bytes.iter().sum::<u64>() / bytes.len().max(1) as u64,
        console.frames as f64 / seconds,
        counter.bytes() as f64 / seconds,
        took.len(),
        SIZE.0,
        SIZE.1,
    )
}

/// Resident memory of read model and console for each machine, beyond a console that shows an empty fleet.
fn memory() {
    let counter = Counter::at(Link::NEAR);
    let mut console = assemble(&counter, &Arc::default());
    console.draw().expect("a writer that only counts");
    let before = resident_bytes();
    let (mut words, mut index) = (Interner::default(), Index::default());
    rows::pools(&mut words).into_iter().for_each(|pool| index.apply(pool));
    (0..rows::MACHINES).for_each(|n| index.apply(rows::row(n, 0, &mut words)));
    console.state.snapshot = index.publish();
    console.state.lay_out();
    console.draw().expect("a writer that only counts");
    let shown = resident_bytes();
    // Everything matches, so the filter keeps as much as it ever does.
    console.state.sifter.apply("name:m-", &console.state.snapshot.clone());
    console.state.lay_out();
    console.draw().expect("a writer that only counts");
    let filtered = resident_bytes();
    let each = |after: usize| after.saturating_sub(before) / rows::MACHINES;
    println!(
        "memory          {} bytes a machine, {} while a filter matches all of them; base {:.1} MB ({} machines)",
        each(shown),
        each(filtered),
        before as f64 / 1e6,
        rows::MACHINES
    );
}

/// Everything is Ready and nothing comes: what is written, and what wakes up.
async fn rest() {
    let calm = testing::snapshot("cluster a\npool p replicas=2\nmachine m-1 Ready\nmachine m-2 Ready\n");
    let counter = Counter::at(Link::NEAR);
    let mut console = assemble(&counter, &calm);
    let (_hold, receiver) = mpsc::channel(1);
    let (_publish, data) = watch::channel(calm);
    wait_for_a_still_minute().await;
    let minute = minute();
    let (bytes, written, switches, switched);
    {
        let mut running = pin!(console.run(input(receiver), data));
        // The first frame.
        let _ = tokio::time::timeout(Duration::from_millis(300), &mut running).await;
        (bytes, switches) = (counter.bytes(), voluntary_switches());
        let _ = tokio::time::timeout(REST, &mut running).await;
        (written, switched) = (counter.bytes() - bytes, voluntary_switches() - switches);
    }
    let tick =
        if self::minute() == minute { "no tick of the clock fell in it" } else { "a tick of the clock fell in it" };
    println!(
        "at rest         {written} bytes, {} wake-ups of the loop, {} frames after the first, {switched} wake-ups of the process \
         (its own timer included) in {REST:?}; {tick}",
        console.wakes,
        console.frames - 1,
    );
}

/// The clock in the header ticks at full minutes while nothing counts seconds.
async fn wait_for_a_still_minute() {
    let second = since_epoch().as_millis() % 60_000;
    let needed = REST.as_millis() + 1_000;
    if second + needed > 60_000 {
        tokio::time::sleep(Duration::from_millis((60_100 - second) as u64)).await;
    }
}

fn minute() -> u64 {
    since_epoch().as_secs() / 60
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is right")
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).expect("a number of pages");
    pages * 4096
}

/// How often threads of this process have gone to sleep of their own accord; each time they were woken up.
fn voluntary_switches() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux");
    let count = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    threads.flatten().filter_map(|thread| count(fs::read_to_string(thread.path().join("status")).ok()?)).sum()
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
fn churn(mut index: Index, sender: watch::Sender<Arc<Snapshot>>, stop: Arc<AtomicU64>) {
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
