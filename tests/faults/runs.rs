//! Many runs, each with a clock and a thread of its own, as many at once as there are cores.

use std::{
    collections::BTreeMap,
    env,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// After so many failures nobody reads on.
const FAILURES: usize = 3;

/// How many seeds: `QUARTERDECK_SEEDS`, or what a test takes for itself. `QUARTERDECK_SEED` runs one, and shows it.
pub fn seeds(few: u64) -> Vec<u64> {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match number("QUARTERDECK_SEED") {
        Some(one) => vec![one],
        None => (1..=number("QUARTERDECK_SEEDS").unwrap_or(few)).collect(),
    }
}

/// Somebody asked for more than a quick look.
pub fn is_thorough() -> bool {
    ["QUARTERDECK_SEEDS", "QUARTERDECK_SEED", "QUARTERDECK_TEST_ALL"].iter().any(|name| env::var_os(name).is_some())
}

/// Runs `one` for each of `all`, and fails with the command that repeats what went wrong.
pub fn each<F>(test: &str, all: &[u64], one: impl Fn(u64) -> F + Sync)
where
    F: Future<Output = Outcome>,
{
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let (failed, tally) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(item) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
            match panic::catch_unwind(AssertUnwindSafe(|| alone(one(*item)))) {
                Ok(outcome) => add(&mut tally.lock().unwrap(), outcome),
                Err(_) => failed.lock().unwrap().push(*item),
            }
            if failed.lock().unwrap().len() >= FAILURES {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    println!("{test}: {} runs in {:.1?}; {:?}", all.len(), begun.elapsed(), tally.into_inner().unwrap());
    let failed = failed.into_inner().unwrap();
    let again: Vec<_> =
        failed.iter().map(|item| format!("QUARTERDECK_SEED={item} cargo test --test faults {test}")).collect();
    assert!(failed.is_empty(), "to see it again:\n{}", again.join("\n"));
}

/// What happened in a run, and how often.
pub type Outcome = BTreeMap<&'static str, u32>;

fn add(sum: &mut Outcome, one: Outcome) {
    one.into_iter().for_each(|(what, count)| *sum.entry(what).or_default() += count);
}

/// One run on a clock that leaps.
pub fn alone<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without IO").block_on(run)
}
