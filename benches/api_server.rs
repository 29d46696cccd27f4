//! The embedded API server: how fast it takes writes, lists, and tells its watchers. Prints figures, asserts nothing.
//!
//! `cargo bench --bench api_server` measures in process, on disk; `-- --tls` measures through the loopback listener.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use quarterdeck::{
    api::{Machine, MachineSpec, definitions},
    embedded::{ApiServer, Identity, Listener, Options},
};
use serde_json::json;

const MACHINES: usize = 20_000;
const WRITERS: usize = 64;
const WRITES_PER_SECOND: u64 = 500;
const WATCHED: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() {
    let tls = std::env::args().any(|arg| arg == "--tls");
    let directory = tempfile::tempdir().expect("a directory");
    let options =
        Options { directory: Some(directory.path().to_owned()), name: "bench".to_owned(), ..Options::default() };
    let server = ApiServer::open(options).expect("it opens");
    server.install(definitions()).await.expect("the kinds are valid");
    let listener =
        Listener::start("127.0.0.1:0".parse().expect("an address"), Identity::open(None).expect("made")).await;
    let listener = listener.expect("listening");
    listener.mount("", server.clone());
    let client = if tls { over_tls(&listener.kubeconfig("", "bench", "default")).await } else { server.client() };
    println!("{}, on disk", if tls { "loopback TLS" } else { "in process" });
    let api: Api<Machine> = Api::default_namespaced(client);
    create(&api).await;
    list(&api).await;
    watch(&api).await;
}

async fn over_tls(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("it is a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("it is complete")).expect("the certificates are good")
}

async fn create(api: &Api<Machine>) {
    let begin = Instant::now();
    let one = |at: usize| {
        let address = format!("10.{}.{}.{}", at >> 16, (at >> 8) & 255, at & 255);
        let machine = Machine::new(&format!("m-{at:05}"), MachineSpec { address, ..MachineSpec::default() });
        async move { api.create(&PostParams::default(), &machine).await.map(drop) }
    };
    stream::iter(0..MACHINES).map(one).buffer_unordered(WRITERS).try_collect::<()>().await.expect("created");
    let rate = MACHINES as f64 / begin.elapsed().as_secs_f64();
    println!("create {MACHINES} machines, {WRITERS} at a time: {rate:.0}/s");
}

async fn list(api: &Api<Machine>) {
    let begin = Instant::now();
    let all = api.list(&ListParams::default()).await.expect("listed");
    println!("list {} machines, decoded: {:.0} ms", all.items.len(), begin.elapsed().as_secs_f64() * 1e3);
}

/// Writes at a steady rate and measures how long after the request, and after its answer, each event arrives.
async fn watch(api: &Api<Machine>) {
    let from = api.list(&ListParams::default().limit(1)).await.expect("listed").metadata.resource_version;
    let arrivals: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let (seen, watching) = (arrivals.clone(), api.clone());
    let watcher = tokio::spawn(async move {
        let events = watching.watch(&WatchParams::default().timeout(290), &from.unwrap_or_default()).await;
        let mut events = events.expect("watching").boxed();
        while let Some(event) = events.try_next().await.expect("no error") {
            if let WatchEvent::Modified(machine) = event {
                let now = Instant::now();
                seen.lock().expect("not poisoned").insert(machine.resource_version().unwrap_or_default(), now);
            }
        }
    });
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / WRITES_PER_SECOND));
    let mut writes = tokio::task::JoinSet::new();
    let begin = Instant::now();
    let mut count = 0_u64;
    while begin.elapsed() < WATCHED {
        ticks.tick().await;
        count += 1;
        let (api, name) = (api.clone(), format!("m-{:05}", count * 37 % MACHINES as u64));
        writes.spawn(async move {
            let patch = Patch::Merge(json!({"status": {"currentPhase": format!("Phase{count}")}}));
            let sent = Instant::now();
            let done = api.patch_status(&name, &PatchParams::default(), &patch).await.expect("patched");
            (done.resource_version().unwrap_or_default(), sent, Instant::now())
        });
    }
    let writes = writes.join_all().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    watcher.abort();
    let arrivals = arrivals.lock().expect("not poisoned");
    let after = |since: fn(&(String, Instant, Instant)) -> Instant| {
        let times =
            writes.iter().filter_map(|w| Some(arrivals.get(&w.0)?.saturating_duration_since(since(w)))).collect();
        percentiles(times)
    };
    println!("watch under {WRITES_PER_SECOND} writes/s, {} of {} events seen", arrivals.len(), writes.len());
    println!("  after the request: {}", after(|w| w.1));
    println!("  after its answer:  {}", after(|w| w.2));
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)));
    let text = |share| at(share).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    format!("p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms", text(0.5), text(0.95), text(0.99))
}
