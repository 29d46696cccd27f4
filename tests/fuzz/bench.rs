//! Runs one reader on one case after the other, and watches over time and memory.

use std::{
    env, fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use super::mutation::{Broken, broken};

/// What a case may take of a processor, with the slowest of builds in mind.
const TIME: Duration = Duration::from_secs(3);
/// After this a case hangs: nothing can end it but the end of the program.
const HANGS: Duration = Duration::from_secs(120);
/// What a case may take of memory: inputs have 128 KiB at most.
const MEMORY_KIB: u64 = 256 * 1024;
/// So few that all checks take a few seconds.
const CASES: u32 = 60;

/// Memory is of the whole process, so cases run one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// Since when the present case runs.
static SINCE: Mutex<Option<Instant>> = Mutex::new(None);

/// Breaks examples and gives them to a reader, which says what is wrong with its answer.
pub fn check<T: AsRef<[u8]>>(name: &str, examples: &[T], read: impl Fn(&[u8]) -> Result<(), String>) {
    for example in examples {
        let example = example.as_ref();
        let said = guarded(name, &|| read(example), &|| String::from_utf8_lossy(example).into_owned());
        said.unwrap_or_else(|why| panic!("{name}: an example that is right: {why}"));
    }
    run(name, 1, broken(), |case: &Broken| {
        let bytes = case.bytes(examples);
        guarded(name, &|| read(&bytes), &|| String::from_utf8_lossy(&bytes).into_owned())
    });
}

/// Runs as many cases as are asked for, divided by what one of them costs, and panics with the smallest one that fails.
pub fn run<S: Strategy>(name: &str, cost: u32, strategy: S, judge: impl Fn(&S::Value) -> Result<(), String>) {
    let cases = env::var("QUARTERDECK_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let seed: u64 = env::var("QUARTERDECK_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: (cases / cost).max(1),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&strategy, |case| judge(&case).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{name}, seed {seed}: {why}\n{case:#?}"),
        Err(TestError::Abort(why)) => panic!("{name}: {why}"),
    }
}

/// Runs one case and measures it; `show` is what to look at if it never ends.
pub fn guarded(name: &str, case: &dyn Fn() -> Result<(), String>, show: &dyn Fn() -> String) -> Result<(), String> {
    let _one: MutexGuard<'_, ()> = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // What overflows the stack cannot be caught: here stands what it was.
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    fs::write(&place, show()).expect("the folder of the tests can be written");
    watch(&place);
    let (memory, time) = (peak_kib(true), busy());
    let outcome = case();
    let (memory, time) = (peak_kib(false).saturating_sub(memory), busy().saturating_sub(time));
    *SINCE.lock().unwrap_or_else(PoisonError::into_inner) = None;
    outcome?;
    match () {
        () if time > TIME => Err(format!("it took {time:?}: {}", place.display())),
        () if memory > MEMORY_KIB => Err(format!("it took {memory} KiB: {}", place.display())),
        () => Ok(()),
    }
}

/// Ends the program if the case that begins now is still there in two minutes.
fn watch(place: &std::path::Path) {
    static WATCHDOG: std::sync::Once = std::sync::Once::new();
    let begun = Instant::now();
    *SINCE.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
    let folder = place.parent().map(std::path::Path::to_owned).unwrap_or_default();
    WATCHDOG.call_once(|| {
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(1));
                let since = *SINCE.lock().unwrap_or_else(PoisonError::into_inner);
                if since.is_some_and(|since| since.elapsed() > HANGS) {
                    eprintln!("a case hangs: it is the newest file fuzz-* in {}", folder.display());
                    std::process::abort();
                }
            }
        });
    });
}

/// The most memory that this process had at once, since it was last asked to forget. 0 where there is no such thing.
fn peak_kib(forget: bool) -> u64 {
    if forget {
        fs::write("/proc/self/clear_refs", "5").ok();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// The time that this thread had a processor for.
fn busy() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// What is said to people is one sentence that a terminal can show.
pub fn sentence(text: &str) -> Result<(), String> {
    match () {
        () if text.trim().is_empty() => Err("it says nothing".into()),
        () if text.lines().count() > 1 => Err(format!("it says more than one line: {text:?}")),
        () if text.chars().any(char::is_control) => Err(format!("it says control characters: {text:?}")),
        () if text.chars().count() > 1300 => Err(format!("it goes on and on: {text:?}")),
        () => Ok(()),
    }
}
