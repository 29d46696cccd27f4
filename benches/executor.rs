//! What the executor costs above what the wire costs: 200 simulated machines with 40 quick steps each, against as many
//! bare commands on the same connections. `cargo bench --bench executor`; `MACHINES` and `STEPS` change the numbers.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use futures::future::join_all;
use quarterdeck::{
    api::{HostKeyPolicy, Role},
    embedded::simulation::{BareHosts, Pace},
    executor::{self, Context, Limits, LineSink, Secrets, Session, SshTransport, Transport},
    runbook::{
        job::{InventoryMachine, JobInput, PRIVATE_KEY, SshAccess},
        wire::StepHeader,
    },
    ssh::Output,
};
use tokio_util::sync::CancellationToken;

/// After one that only warms up.
const ROUNDS: usize = 9;

fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn runbook(steps: usize) -> String {
    let mut text = String::from("name: bench\nrevision: 1\nphases:\n- name: P\n  steps:\n");
    for step in 0..steps {
        let _ = writeln!(text, "  - {{name: step {step}, once: true, run: 'echo {{{{ machine.name }}}}'}}");
    }
    text
}

async fn hosts(count: usize) -> (BareHosts, JobInput, Secrets) {
    let pace = Pace { seed: 1, speed: 1e9, fault: 0.0 };
    let hosts = BareHosts::start(count, pace).await.expect("loopback addresses");
    let secrets = Secrets::new([(PRIVATE_KEY.to_owned(), hosts.private_key.clone())]);
    let machine = |(name, address, port): &(String, Ipv4Addr, u16)| InventoryMachine {
        name: name.clone(),
        uid: format!("uid-{name}"),
        address: address.to_string(),
        port: *port,
        user: None,
        role: Role::Worker,
        labels: BTreeMap::new(),
        variables: BTreeMap::new(),
        host_key: None,
    };
    let input = JobInput {
        namespace: "default".into(),
        operation: String::new(),
        run: 1,
        fence: 1,
        cluster: "bench".into(),
        runbook: String::new(),
        phases: vec![],
        parallelism: count as u32,
        variables: BTreeMap::new(),
        machines: hosts.places.iter().map(machine).collect(),
        ssh: SshAccess {
            user: "root".into(),
            sudo: false,
            host_key_policy: HostKeyPolicy::Strict,
            known_hosts: hosts.known_hosts.clone(),
            jump_hosts: vec![],
            keepalive_seconds: 15,
            max_handshakes: 8,
            state_directory: "/var/lib/quarterdeck".into(),
        },
    };
    (hosts, input, secrets)
}

/// `count` bare commands, one after the other.
async fn bare(session: &dyn Session, count: usize) {
    for _ in 0..count {
        let mut answer = session.exec("true", Bytes::new()).await.expect("a channel");
        while let Some(output) = answer.next().await {
            assert!(!matches!(output, Output::Lost(_)), "{output:?}");
        }
    }
}

/// Wall clock, and processor time of this process, which other work on the machine does not stretch.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
}

/// Seconds of processor time so far; the kernel counts hundredths.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

async fn measured<T>(work: impl Future<Output = T>) -> (Cost, T) {
    let (began, before) = (Instant::now(), processor());
    let result = work.await;
    (Cost { wall: began.elapsed().as_secs_f64(), processor: processor() - before }, result)
}

/// Steps asked for by hand, with a script of the usual length: what wire and simulated hosts cost without an executor.
async fn by_hand(session: &dyn Session, machine: &InventoryMachine, count: usize, round: usize) {
    let rest = "# a line of what follows the header, as long as such a line is\n".repeat(110);
    for step in 0..count {
        let header = StepHeader {
            operation: format!("hand-{round}"),
            run: 1,
            machine: machine.name.clone(),
            machine_uid: machine.uid.clone(),
            cluster: "bench".into(),
            phase: "P".into(),
            step: format!("step {step}"),
            digest: "0".repeat(64),
            attempt: 1,
            fence: 1,
            once: true,
            looks: false,
            timeout_seconds: 600,
            nonce: format!("{step:032}"),
            offset: 0,
        };
        let mut answer = session.exec("sh -s", Bytes::from(header.line() + &rest)).await.expect("a channel");
        while let Some(output) = answer.next().await {
            assert!(!matches!(output, Output::Lost(_)), "{output:?}");
        }
    }
}

async fn steps(input: JobInput, secrets: &Secrets, transport: &Arc<SshTransport>) -> usize {
    let lines = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lines);
    let events: LineSink = Arc::new(move |line| {
        count.fetch_add(usize::from(!line.is_empty()), Ordering::Relaxed);
    });
    let context = Context {
        input,
        secrets: secrets.clone(),
        transport: Arc::clone(transport) as Arc<dyn Transport>,
        status: None,
        events,
        cancel: CancellationToken::new(),
        limits: Limits::default(),
    };
    let summary = executor::run(context).await.expect("a good input");
    assert_eq!(summary.exit_code(), 0, "{summary:?}");
    lines.load(Ordering::Relaxed)
}

async fn measure() {
    let (machines, count) = (number("MACHINES", 200), number("STEPS", 40));
    let (hosts, mut input, secrets) = hosts(machines).await;
    input.runbook = runbook(count);
    let transport = Arc::new(SshTransport::new(&input, &secrets));
    let began = Instant::now();
    let sessions: Vec<Box<dyn Session>> = join_all(input.machines.iter().map(|machine| transport.connect(machine)))
        .await
        .into_iter()
        .map(|session| session.expect("a connection"))
        .collect();
    println!("{machines} connections in {:.2} s", began.elapsed().as_secs_f64());
    let mut ratios = Vec::new();
    for round in 0..=ROUNDS {
        // One task for each machine, as in the executor, which makes one round trip more for each, to learn its facts.
        let all = sessions.iter().map(|session| bare(session.as_ref(), count + 1));
        let (bare, _) = measured(join_all(all)).await;
        let all = sessions.iter().zip(&input.machines).map(|(session, m)| by_hand(session.as_ref(), m, count, round));
        let (hand, _) = measured(join_all(all)).await;
        input.operation = format!("bench-{round}");
        let (whole, lines) = measured(steps(input.clone(), &secrets, &transport)).await;
        let (ratio, processor) = (whole.wall / bare.wall, whole.processor / bare.processor);
        println!(
            "round {round}: {} of each; wall and processor seconds: bare commands {:.3} {:.2}, steps by hand {:.3} {:.2}, \
             executor {:.3} {:.2} ({lines} events), ratio {ratio:.2}, of processor time {processor:.2}",
            machines * count,
            bare.wall,
            bare.processor,
            hand.wall,
            hand.processor,
            whole.wall,
            whole.processor,
        );
        if round > 0 {
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2} (goal: at most 1.50)", ratios[ROUNDS / 2]);
    drop(hosts);
}

fn main() {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure());
}
