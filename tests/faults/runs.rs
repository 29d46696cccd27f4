//! Many runs, each with a clock and a thread of its own, as many at once as there are cores.

use std::{
    cell::Cell,
    collections::BTreeMap,
    env,
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

/// After so many failures nobody reads on.
const FAILURES: usize = 3;
/// More than anybody has time for.
const MOST: u64 = 1_000_000;

/// Each test has all cores while it runs, so that the time that it is given is worth the same each time.
static TURN: Mutex<()> = Mutex::new(());

/// The runs of a test, by number: from `first` on every `stride`th, at least `least` of them, and until the time is over at
/// most `most`.
#[derive(Clone, Copy, Debug)]
pub struct Lot {
    first: u64,
    stride: u64,
    least: u64,
    most: u64,
    time: Duration,
}

impl Lot {
    /// Seeds: `QUARTERDECK_SEED` is one, which is shown; `QUARTERDECK_SEEDS` so many; `QUARTERDECK_SEEDS_SECONDS` as many
    /// as can be run in this test's share of so many seconds, and at least `few`, which are all when nobody asks. They
    /// begin with `QUARTERDECK_SEEDS_FROM`, or 1.
    pub fn seeds(few: u64, share: f64) -> Self {
        let first = number("QUARTERDECK_SEEDS_FROM").unwrap_or(1);
        let lot = |first, least, most| Self { first, stride: 1, least, most, time: Duration::ZERO };
        match (number("QUARTERDECK_SEED"), number("QUARTERDECK_SEEDS"), number("QUARTERDECK_SEEDS_SECONDS")) {
            (Some(one), _, _) => lot(one, 1, 1),
            (_, Some(all), _) => lot(first, all, all),
            (_, _, Some(seconds)) => {
                Self { time: Duration::from_secs(seconds).mul_f64(share), ..lot(first, few, MOST) }
            }
            _ => lot(first, few, few),
        }
    }

    /// All points up to the last one, or every `stride`th, or the one that `QUARTERDECK_SEED` names.
    pub fn points(last: u64, stride: u64) -> Self {
        let lot = |first, count| Self { first, stride, least: count, most: count, time: Duration::ZERO };
        number("QUARTERDECK_SEED").map_or_else(|| lot(stride, last / stride), |one| lot(one, 1))
    }

    fn has(&self, index: u64, elapsed: Duration) -> bool {
        index < self.least || (index < self.most && elapsed < self.time)
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Somebody asked for more than a quick look.
pub fn is_thorough() -> bool {
    ["QUARTERDECK_SEEDS", "QUARTERDECK_SEED", "QUARTERDECK_SEEDS_SECONDS"]
        .iter()
        .any(|name| env::var_os(name).is_some())
}

/// Runs `one` for each of the lot, and fails with the command that repeats what went wrong.
pub fn each<F>(test: &str, lot: Lot, one: impl Fn(u64) -> F + Sync)
where
    F: Future<Output = Outcome>,
{
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    let (next, ran) = (AtomicU64::new(0), AtomicUsize::new(0));
    let (failed, tally) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            if !lot.has(index, begun.elapsed()) || failed.lock().unwrap().len() >= FAILURES {
                return;
            }
            let number = lot.first + index * lot.stride;
            match panic::catch_unwind(AssertUnwindSafe(|| alone(one(number)))) {
                Ok(outcome) => add(&mut tally.lock().unwrap(), outcome),
                Err(_) => failed.lock().unwrap().push(number),
            }
            ran.fetch_add(1, Ordering::SeqCst);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    drop(turn);
    say(test, ran.into_inner(), begun.elapsed(), &tally.into_inner().unwrap());
    let failed = failed.into_inner().unwrap();
    let again: Vec<_> =
        failed.iter().map(|number| format!("QUARTERDECK_SEED={number} cargo test --test faults {test}")).collect();
    assert!(failed.is_empty(), "to see it again:\n{}", again.join("\n"));
}

/// The figures, past the capture of test output: `tests/run` repeats them.
fn say(test: &str, runs: usize, took: Duration, tally: &Outcome) {
    let counts: Vec<_> = tally.iter().map(|(what, count)| format!("{count} {what}")).collect();
    writeln!(io::stderr(), "ran: {test}: {runs} runs in {:.1} s: {}", took.as_secs_f64(), counts.join(", "))
        .expect("standard error is there");
}

/// What happened in a run, and how often.
pub type Outcome = BTreeMap<&'static str, u32>;

fn add(sum: &mut Outcome, one: Outcome) {
    one.into_iter().for_each(|(what, count)| *sum.entry(what).or_default() += count);
}

/// One run on a clock that leaps.
pub fn alone<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without IO").block_on(async {
        BEGUN.set(Some(tokio::time::Instant::now()));
        run.await
    })
}

thread_local! {
    /// When the run of this thread began.
    static BEGUN: Cell<Option<tokio::time::Instant>> = const { Cell::new(None) };
}

/// What time it is in the run of this thread: it begins in 2026, and leaps with the clock.
pub fn now() -> Timestamp {
    let begun = BEGUN.get().expect("a run is under way in this thread");
    Timestamp::constant(1_767_225_600, 0) + begun.elapsed()
}
