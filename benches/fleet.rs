//! The read model with 100,000 machines: memory for each machine, cost of changes, of snapshots and of filters.
//!
//! `cargo bench --bench fleet` prints one line for each figure.

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use quarterdeck::fleet::{Filter, Index, Interner};
use rows::{CLUSTERS, MACHINES, POOLS, row};

#[path = "fleet/rows.rs"]
mod rows;

/// As many events as there are in a second, and as many snapshots as there are frames in one.
const EVENTS: usize = 3_000;
const FRAMES: usize = 30;
const SECONDS: usize = 10;

fn main() {
    let before = resident_bytes();
    let mut words = Interner::default();
    let mut index = Index::default();
    rows::pools(&mut words).into_iter().for_each(|pool| index.apply(pool));
    let started = Instant::now();
    for n in 0..MACHINES {
        index.apply(row(n, 0, &mut words));
    }
    let loaded = started.elapsed();
    let mut held = index.publish();
    let after = resident_bytes();
    println!("machines                 {MACHINES} in {} pools", CLUSTERS * POOLS);
    println!("load (project + apply)   {:.1} us a machine", micros(loaded) / MACHINES as f64);
    println!("resident memory          {} bytes a machine", (after - before) / MACHINES);

    let (mut apply, mut publish) = (Duration::ZERO, Vec::new());
    let mut next = 0;
    for second in 1..=SECONDS {
        for _ in 0..FRAMES {
            // Projected beforehand: that is the watch's work, measured above.
            let changes: Vec<_> = (0..EVENTS / FRAMES)
                .map(|_| {
                    next = (next + 7_919) % MACHINES;
                    row(next, second, &mut words)
                })
                .collect();
            let started = Instant::now();
            for change in changes {
                index.apply(change);
            }
            apply += started.elapsed();
            let started = Instant::now();
            // The console holds the last snapshot and drops it for the next.
            held = index.publish();
            publish.push(started.elapsed());
        }
    }
    publish.sort();
    let p95 = publish[publish.len() * 95 / 100];
    let total: Duration = publish.iter().sum();
    println!("apply                    {:.1} us an event", micros(apply) / (EVENTS * SECONDS) as f64);
    println!("publish, p95             {:.0} us  ({FRAMES} a second, {} events between)", micros(p95), EVENTS / FRAMES);
    let share = (apply + total).as_secs_f64() / SECONDS as f64 * 100.0;
    println!("{EVENTS} events a second    {share:.1} % of one core");

    for text in ["state=failed", "rack=r12 state!=ready", "general", "m-04217", "!"] {
        let filter = Filter::parse(text).expect("a good filter");
        let started = Instant::now();
        let found = black_box(filter.machines(&held)).len();
        println!("filter {text:<24}  {:.1} ms, {found} machines", micros(started.elapsed()) / 1000.0);
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).expect("a number of pages");
    pages * 4096
}
