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
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::join_all;
use quarterdeck::{
    api::{HostKeyPolicy, Role},
    embedded::simulation::{BareHosts, Pace},
    executor::{self, Context, Limits, LineSink, Secrets, Session, SshTransport, Transport},
    runbook::job::{InventoryMachine, JobInput, PRIVATE_KEY, SshAccess},
    ssh::Output,
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 5;

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

async fn raw(sessions: &[Box<dyn Session>], steps: usize) -> Duration {
    let began = Instant::now();
    // One task for each machine, as in the executor.
    join_all(sessions.iter().map(|session| bare(session.as_ref(), steps))).await;
    began.elapsed()
}

async fn steps(input: JobInput, secrets: &Secrets, transport: &Arc<SshTransport>) -> (Duration, usize) {
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
    let began = Instant::now();
    let summary = executor::run(context).await.expect("a good input");
    assert_eq!(summary.exit_code(), 0, "{summary:?}");
    (began.elapsed(), lines.load(Ordering::Relaxed))
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
    for round in 0..ROUNDS {
        // The facts are one round trip more for each machine.
        let bare = raw(&sessions, count).await;
        input.operation = format!("bench-{round}");
        let (whole, lines) = steps(input.clone(), &secrets, &transport).await;
        let ratio = whole.as_secs_f64() / bare.as_secs_f64();
        println!(
            "round {round}: {} bare commands {:.3} s, {} steps {:.3} s ({lines} events), ratio {ratio:.2}",
            machines * count,
            bare.as_secs_f64(),
            machines * count,
            whole.as_secs_f64()
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2} (goal: at most 1.50)", ratios[ROUNDS / 2]);
    drop(hosts);
}

fn main() {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure());
}
