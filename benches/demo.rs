//! The demo as a person meets it: from the start of the process to the ready line and to the first full frame, and from a
//! change of `replicas` to all machines Ready. Prints figures; judges nothing.
//!
//! `cargo bench --bench demo`

use std::{
    io::{BufRead, BufReader, Read, Write},
    num::NonZeroU16,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use quarterdeck::api::NodePool;
use serde_json::{Value, json};

const STARTS: usize = 5;
/// Columns and rows of the terminal.
const SIZE: (u16, u16) = (160, 48);
const POOL: &str = "eu-west-1-general";
const MORE: i32 = 20;
const PATIENCE: Duration = Duration::from_mins(5);

fn main() {
    for machines in ["60", "1000"] {
        let mut times: Vec<_> = (0..STARTS).map(|_| start(&["--machines", machines]).2).collect();
        times.sort();
        let (median, worst) = (times[STARTS / 2], times[STARTS - 1]);
        println!(
            "start to ready line, 3 clusters, {machines} machines: median {median:.0?}, worst {worst:.0?} of {STARTS}"
        );
    }
    let mut times: Vec<_> = (0..STARTS).map(|_| first_frame()).collect();
    times.sort();
    let (median, worst) = (times[STARTS / 2], times[STARTS - 1]);
    println!(
        "start to first full frame, 3 clusters, 60 machines, {}x{}: median {median:.0?}, worst {worst:.0?} of {STARTS}",
        SIZE.0, SIZE.1
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(scale());
}

/// From the start of the process until a pseudo-terminal shows the whole fleet; then `q`, and a wait for the end.
fn first_frame() -> Duration {
    let size = PtySize { cols: SIZE.0, rows: SIZE.1, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quarterdeck"));
    command.args(["demo", "--clusters", "3", "--machines", "60"]);
    [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")]
        .iter()
        .for_each(|(name, value)| command.env(name, value));
    command.env_remove("NO_COLOR");
    // The tour was seen: what is measured is the fleet.
    let home = tempfile::tempdir().expect("a folder");
    let state = home.path().join("quarterdeck");
    std::fs::create_dir(&state).and_then(|()| std::fs::write(state.join("tour-seen"), "")).expect("a file");
    command.env("XDG_STATE_HOME", home.path());
    let begin = Instant::now();
    let mut demo = pair.slave.spawn_command(command).expect("the binary starts");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut keys = pair.master.take_writer().expect("a writer");
    let cells = |count| NonZeroU16::new(count).expect("a terminal has cells");
    let mut screen = vt100::Parser::new(cells(SIZE.1), cells(SIZE.0), 0);
    let mut buffer = vec![0; 64 * 1024];
    let took = loop {
        let count = reader.read(&mut buffer).expect("the terminal is there until its program ends");
        assert!(count > 0 && begin.elapsed() < PATIENCE, "no full frame: {}", screen.screen().contents());
        screen.process(&buffer[..count]);
        // As a terminal would that is asked what it is.
        if buffer[..count].windows(3).any(|bytes| bytes == b"\x1b[c") {
            keys.write_all(b"\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\\x1b[?62;22c").expect("it takes answers");
        }
        let text = screen.screen().contents();
        if ["live", "9 pools", "60 machines", "idle machines"].iter().all(|words| text.contains(words)) {
            break begin.elapsed();
        }
    };
    keys.write_all(b"q").expect("it takes keys");
    // What is still written has to be read, or nobody could end.
    std::thread::spawn(move || while matches!(reader.read(&mut buffer), Ok(1..)) {});
    demo.wait().expect("it ends");
    took
}

/// A demo, what it said, and how long that took.
fn start(arguments: &[&str]) -> (Process, Value, Duration) {
    let begin = Instant::now();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
        .args(["demo", "--headless"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(demo.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let took = begin.elapsed();
    (Process(demo), serde_json::from_str(&line).expect("one line of JSON"), took)
}

/// Told to end, and waited for.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

async fn scale() {
    let (_demo, ready, _) = start(&["--machines", "60", "--speed", "20"]);
    let path = ready["kubeconfig"].as_str().expect("a path");
    let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    let pools: Api<NodePool> = Api::namespaced(Client::try_from(config).expect("a client"), "fleet");
    let wanted = pools.get(POOL).await.expect("the pool").spec.replicas + MORE;
    let begin = Instant::now();
    let patch = Patch::Merge(json!({"spec": {"replicas": wanted}}));
    pools.patch(POOL, &PatchParams::default(), &patch).await.expect("it can be scaled");
    loop {
        let status = pools.get(POOL).await.expect("the pool").status.unwrap_or_default();
        if status.ready_replicas == wanted {
            println!("{MORE} machines more, at --speed 20: all Ready after {:.1?}", begin.elapsed());
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{} of {wanted} after {PATIENCE:?}", status.ready_replicas);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
