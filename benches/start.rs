//! The console from the start of its process, against an API server over TLS that holds a fleet of 100,000 machines: when the
//! first frame is there and when the whole fleet is, nearby and at the end of a slow line; what it then takes to keep it open.
//! Prints figures; judges nothing.
//!
//! `cargo bench --bench start`. With `-- --cold`, as root, the kernel's caches of files are dropped before each start as well.

use std::{
    fs,
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use quarterdeck::{
    api::{
        ClaimReference, Cluster, ClusterDeployment, ClusterDeploymentSpec, ClusterSpec, Machine, MachineSpec, NodePool,
        NodePoolSpec, definitions,
    },
    embedded::{ApiServer, Identity, Listener, Options},
};
use serde_json::json;

const CLUSTERS: usize = 100;
const POOLS: usize = 10;
const MACHINES: usize = 100;
const WRITERS: usize = 64;
const STARTS: usize = 3;
/// Columns and rows of the terminal.
const SIZE: (u16, u16) = (160, 48);
const PATIENCE: Duration = Duration::from_mins(2);
const REST: Duration = Duration::from_secs(10);
/// There and back, and bytes a second.
const FAR: (Duration, f64) = (Duration::from_millis(80), 64e3);

#[tokio::main]
async fn main() {
    let server =
        ApiServer::open(Options { name: "bench".to_owned(), ..Options::default() }).expect("it opens in memory");
    server.install(definitions()).await.expect("the kinds are valid");
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = Listener::start(address, Identity::open(None).expect("made")).await.expect("listening");
    listener.mount("", server.clone());
    let began = Instant::now();
    fill(&server.client()).await;
    println!("fleet                         {} machines, {:.1?}", CLUSTERS * POOLS * MACHINES, began.elapsed());
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, listener.kubeconfig("", "bench", "default")).expect("written");
    let cold = std::env::args().any(|argument| argument == "--cold");
    tokio::task::spawn_blocking(move || starts(&kubeconfig, cold)).await.expect("it does not panic");
}

fn starts(kubeconfig: &Path, cold: bool) {
    for far in [false, true] {
        for cold in [false, true].into_iter().filter(|wanted| cold || !wanted) {
            let mut times: Vec<(Duration, Duration)> = (0..STARTS)
                .map(|_| {
                    if cold {
                        fs::write("/proc/sys/vm/drop_caches", "3").expect("only root drops the caches");
                    }
                    let console = Console::start(kubeconfig, far);
                    let times = (console.first, console.whole);
                    console.quit();
                    times
                })
                .collect();
            times.sort();
            let (first, whole) = times[STARTS / 2];
            println!(
                "start, {:23} first frame {first:.0?}, whole fleet {whole:.1?} (median of {STARTS}, {}x{})",
                format!("{}, {}:", if far { "80 ms away" } else { "nearby" }, if cold { "cold" } else { "warm" }),
                SIZE.0,
                SIZE.1
            );
        }
    }
    Console::start(kubeconfig, false).rest();
}

/// A console in a terminal, with the whole fleet on its screen.
struct Console {
    child: Box<dyn Child + Send + Sync>,
    /// Kept open for as long as somebody writes to it.
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    first: Duration,
    whole: Duration,
}

impl Console {
    fn start(kubeconfig: &Path, far: bool) -> Self {
        let home = kubeconfig.parent().expect("it is in a folder");
        let size = PtySize { cols: SIZE.0, rows: SIZE.1, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quarterdeck"));
        command.arg("--kubeconfig");
        command.arg(kubeconfig);
        let environment = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")];
        environment.iter().for_each(|(name, value)| command.env(name, value));
        ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].iter().for_each(|name| command.env(name, home));
        ["NO_COLOR", "TMUX", "SSH_TTY", "SSH_CONNECTION"].iter().for_each(|name| command.env_remove(name));
        if far {
            command.env("SSH_TTY", "/dev/pts/0");
        }
        let began = Instant::now();
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        drop(pair.slave);
        let keys = pair.master.take_writer().expect("a writer");
        let output = read(pair.master.try_clone_reader().expect("a reader"), far);
        let (first, whole) = (Duration::ZERO, Duration::ZERO);
        let mut console = Self { child, _master: pair.master, keys, output, first, whole };
        console.watch(began, far);
        console
    }

    /// Until all machines are on screen, as the person at the terminal sees it.
    fn watch(&mut self, began: Instant, far: bool) {
        let cells = |count| NonZeroU16::new(count).expect("a terminal has cells");
        let mut screen = vt100::Parser::new(cells(SIZE.1), cells(SIZE.0), 0);
        while self.whole.is_zero() {
            let bytes = self.output.recv_timeout(PATIENCE).expect("it writes, and does not end");
            screen.process(&bytes);
            // As a terminal would that is asked what it is.
            if bytes.windows(3).any(|bytes| bytes == b"\x1b[c") {
                std::thread::sleep(if far { FAR.0 / 2 } else { Duration::ZERO });
                self.keys.write_all(b"\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\\x1b[?62;22c").expect("it takes answers");
            }
            let text = screen.screen().contents();
            if self.first.is_zero() && text.contains("QUARTERDECK") {
                self.first = began.elapsed();
            }
            if text.contains("live") && text.contains("100,000 machines") {
                self.whole = began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "the fleet is not there: {text}");
        }
    }

    /// Left alone for a while: what it writes, how much it works, and how large it is.
    fn rest(self) {
        let process = self.child.process_id().expect("it runs");
        // What was still on its way, and the first second of everything.
        std::thread::sleep(Duration::from_secs(5));
        while self.output.try_recv().is_ok() {}
        let before = ticks(process);
        let until = Instant::now() + REST;
        let mut written = 0;
        while let Ok(bytes) = self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
            written += bytes.len();
        }
        let busy = ticks(process) - before;
        let [resident, peak] = memory(process);
        println!(
            "open, nothing happens         {written} bytes and {} ms of a core in {REST:?} (one tick of the clock in the header is \
             possible); resident {:.0} MB, at most {:.0} MB while it read the fleet",
            busy * 10,
            resident as f64 / 1e6,
            peak as f64 / 1e6
        );
        self.quit();
    }

    fn quit(mut self) {
        self.keys.write_all(b"q").expect("it takes keys");
        // What is still written has to be read, or nobody could end.
        std::thread::spawn(move || while self.output.recv().is_ok() {});
        self.child.wait().expect("it ends");
    }
}

/// What a terminal gets; far away, when it gets it.
fn read(mut reader: Box<dyn Read + Send>, far: bool) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if far {
                std::thread::sleep(Duration::from_secs_f64(count as f64 / FAR.1));
            }
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    if !far {
        return receiver;
    }
    delayed(receiver)
}

/// Half a round trip later.
fn delayed(receiver: Receiver<Vec<u8>>) -> Receiver<Vec<u8>> {
    let (stamped, stamps) = mpsc::channel();
    std::thread::spawn(move || receiver.iter().try_for_each(|bytes| stamped.send((Instant::now() + FAR.0 / 2, bytes))));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for (at, bytes) in stamps {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if sender.send(bytes).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Time on a core, in hundredths of a second.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux");
    let fields = stat.rsplit(')').next().expect("after its name").split_whitespace().skip(11);
    fields.take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// Resident bytes, now and at most.
fn memory(process: u32) -> [u64; 2] {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    })
}

/// Clusters, pools and machines that serve.
async fn fill(client: &Client) {
    let deployments: Api<ClusterDeployment> = Api::default_namespaced(client.clone());
    let clusters: Api<Cluster> = Api::default_namespaced(client.clone());
    let pools: Api<NodePool> = Api::default_namespaced(client.clone());
    let machines: Api<Machine> = Api::default_namespaced(client.clone());
    let create = PostParams::default();
    for cluster in (0..CLUSTERS).map(|n| format!("c-{n:03}")) {
        let spec = ClusterDeploymentSpec { version: "1.34.2".to_owned(), ..ClusterDeploymentSpec::default() };
        deployments.create(&create, &ClusterDeployment::new(&cluster, spec)).await.expect("created");
        let spec = ClusterSpec { deployment_name: cluster.clone() };
        clusters.create(&create, &Cluster::new(&cluster, spec)).await.expect("created");
        for pool in (0..POOLS).map(|n| format!("{cluster}-p{n}")) {
            let replicas = i32::try_from(MACHINES).expect("few");
            let spec = NodePoolSpec { cluster_name: cluster.clone(), replicas, ..NodePoolSpec::default() };
            let made = pools.create(&create, &NodePool::new(&pool, spec)).await.expect("created");
            let uid = made.uid().expect("the server gives it");
            let one = |n: usize| serve(&machines, &cluster, &pool, &uid, n);
            stream::iter(0..MACHINES).map(one).buffer_unordered(WRITERS).try_collect::<()>().await.expect("created");
        }
    }
}

async fn serve(machines: &Api<Machine>, cluster: &str, pool: &str, uid: &str, n: usize) -> kube::Result<()> {
    let name = format!("{pool}-m{n:03}");
    let claim = ClaimReference {
        name: format!("{pool}-abc12"),
        uid: uid.to_owned(),
        cluster_name: cluster.to_owned(),
        pool_name: pool.to_owned(),
        ..ClaimReference::default()
    };
    let address = format!("{name}.example");
    let mut machine = Machine::new(&name, MachineSpec { address, claim_ref: Some(claim), ..MachineSpec::default() });
    machine.labels_mut().insert("rack".to_owned(), format!("r{:02}", n % 40));
    machines.create(&PostParams::default(), &machine).await?;
    let node = json!({"name": format!("node-{name}"), "ready": "True", "kubeletVersion": "1.34.2"});
    let status = json!({"status": {"state": "Ready", "node": node}});
    machines.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.map(drop)
}
