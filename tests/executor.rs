//! The executor as the Job runner of the embedded meta cluster calls it: Jobs in, simulated hosts worked on, status out.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, ListParams, LogParams, PostParams};
use kube::{Client, ResourceExt};
use quarterdeck::api::{HostKeyPolicy, Machine, MachineSpec, Operation, OperationSpec, PhaseState, Role, definitions};
use quarterdeck::commands::executor::in_process;
use quarterdeck::embedded::simulation::{BareHosts, Pace};
use quarterdeck::embedded::{ApiServer, Options, jobs};
use quarterdeck::runbook::job::{
    INPUT_DIRECTORY, INPUT_KEY, InventoryMachine, JobInput, PRIVATE_KEY, SECRET_DIRECTORY, SshAccess,
};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const RUNBOOK: &str = "name: test
revision: 1
phases:
- name: Preflight
  steps:
  - {name: ports, once: true, run: 'true'}
- name: Join
  steps:
  - {name: kubeadm join, once: true, run: kubeadm join}
";

/// A meta cluster with one operation on as many simulated hosts as it has machines.
struct World {
    server: ApiServer,
    hosts: BareHosts,
    input: JobInput,
}

impl World {
    async fn new(count: usize, speed: f64) -> Self {
        let hosts = BareHosts::start(count, Pace { seed: 4, speed, fault: 0.0 }).await.expect("hosts");
        let server = ApiServer::open(Options::default()).expect("a server");
        server.install(definitions()).await.expect("installed");
        let machines: Api<Machine> = Api::namespaced(server.client(), "default");
        let mut inventory = Vec::new();
        for (name, address, port) in &hosts.places {
            let spec = MachineSpec { address: address.to_string(), ..MachineSpec::default() };
            let machine = machines.create(&PostParams::default(), &Machine::new(name, spec)).await.expect("created");
            inventory.push(InventoryMachine {
                name: name.clone(),
                uid: machine.uid().expect("a UID"),
                address: address.to_string(),
                port: *port,
                user: None,
                role: Role::Worker,
                labels: BTreeMap::new(),
                variables: BTreeMap::new(),
                host_key: None,
            });
        }
        let spec = OperationSpec { cluster_name: "east".into(), runbook: "test".into(), ..OperationSpec::default() };
        let operations: Api<Operation> = Api::namespaced(server.client(), "default");
        operations.create(&PostParams::default(), &Operation::new("op-1", spec)).await.expect("created");
        let input = input(inventory, hosts.known_hosts.clone());
        Self { server, hosts, input }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.server.client(), "default")
    }

    /// Runs Jobs until the token is cancelled, as a process does until it ends.
    fn start(&self) -> (CancellationToken, JoinHandle<()>) {
        let stop = CancellationToken::new();
        let client: Client = self.server.client();
        let running = tokio::spawn(jobs::run(self.server.clone(), in_process(client), stop.clone()));
        (stop, running)
    }

    /// A Job with this input and these arguments, which gets one pod unless its process ends.
    async fn order(&self, name: &str, input: &str, verb: &str) {
        let map = json!({"metadata": {"name": name}, "data": {INPUT_KEY: input}});
        let secret = json!({"metadata": {"name": name}, "stringData": {PRIVATE_KEY: self.hosts.private_key}});
        let job = json!({"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "executor", "image": "i", "args": [verb], "volumeMounts": [
                {"name": "input", "mountPath": INPUT_DIRECTORY}, {"name": "ssh", "mountPath": SECRET_DIRECTORY}]}],
            "volumes": [{"name": "input", "configMap": {"name": name}}, {"name": "ssh", "secret": {"secretName": name}}]
        }}}});
        let read = "an object of the test";
        let make = PostParams::default();
        self.api::<ConfigMap>().create(&make, &serde_json::from_value(map).expect(read)).await.expect("a map");
        self.api::<Secret>().create(&make, &serde_json::from_value(secret).expect(read)).await.expect("a secret");
        self.api::<Job>().create(&make, &serde_json::from_value(job).expect(read)).await.expect("a job");
    }

    /// Exit code and log of each pod of a Job, the oldest first, once the Job is over; no code if its process ended.
    async fn outcome(&self, name: &str) -> Vec<(Option<i32>, String)> {
        self.until("the job is over", async || {
            let status = self.api::<Job>().get(name).await.expect("the job").status.unwrap_or_default();
            status.conditions.unwrap_or_default().iter().any(|c| c.status == "True")
        })
        .await;
        let pods = ListParams::default().labels(&format!("job-name={name}"));
        let mut pods = self.api::<Pod>().list(&pods).await.expect("pods").items;
        pods.sort_by_key(|pod| pod.resource_version().and_then(|version| version.parse::<u64>().ok()));
        let mut outcomes = Vec::new();
        for pod in pods {
            let log = self.api::<Pod>().logs(&pod.name_any(), &LogParams::default()).await.expect("a log");
            let statuses = pod.status.and_then(|s| s.container_statuses).unwrap_or_default();
            let code = statuses.first().and_then(|s| s.state.as_ref()?.terminated.as_ref()).map(|t| t.exit_code);
            outcomes.push((code, log));
        }
        outcomes
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..3000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not within 60 s: {what}");
    }

    async fn phases(&self, machine: &str) -> Vec<PhaseState> {
        let status = self.api::<Machine>().get(machine).await.expect("the machine").status.unwrap_or_default();
        status.phases.iter().map(|phase| phase.state).collect()
    }
}

fn input(machines: Vec<InventoryMachine>, known_hosts: String) -> JobInput {
    JobInput {
        namespace: "default".into(),
        operation: "op-1".into(),
        run: 1,
        fence: 1,
        cluster: "east".into(),
        runbook: RUNBOOK.into(),
        phases: vec![],
        parallelism: 4,
        variables: BTreeMap::new(),
        machines,
        ssh: SshAccess {
            user: "root".into(),
            sudo: false,
            host_key_policy: HostKeyPolicy::Strict,
            known_hosts,
            jump_hosts: vec![],
            keepalive_seconds: 15,
            max_handshakes: 8,
            state_directory: "/var/lib/quarterdeck".into(),
        },
    }
}

fn text(input: &JobInput) -> String {
    serde_json::to_string(input).expect("it serialises")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_carried_out_and_its_last_state_is_in_the_meta_cluster() {
    let world = World::new(2, 1000.0).await;
    let (stop, running) = world.start();
    world.order("op-1", &text(&world.input), "executor").await;
    let outcome = world.outcome("op-1").await;
    let [(Some(0), log)] = outcome.as_slice() else { panic!("{outcome:?}") };
    let last = log.lines().last().expect("a line");
    assert!(last.contains(r#""event":"operation-finished","outcome":"done""#), "{last}");
    assert!(last.contains(r#""succeeded":2,"failed":0,"changes":4"#), "{last}");
    for machine in ["m-0000", "m-0001"] {
        assert_eq!(world.phases(machine).await, [PhaseState::Succeeded; 2], "{machine}");
        let status = world.api::<Machine>().get(machine).await.expect("the machine").status.expect("a status");
        assert_eq!(status.facts["bootId"], format!("simulated-{machine}"));
        assert!(status.facts["hostKey"].starts_with("ssh-"), "{:?}", status.facts);
    }
    let progress =
        world.api::<Operation>().get("op-1").await.expect("it").status.and_then(|s| s.progress).expect("some");
    assert_eq!((progress.succeeded, progress.running, progress.steps_done, progress.steps_total), (2, 0, 4, 4));
    stop.cancel();
    running.await.expect("the runner ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_cannot_be_used_is_said_and_touches_no_host() {
    let world = World::new(1, 1000.0).await;
    let (stop, running) = world.start();
    let broken = JobInput { runbook: "name: test\nphasse: []\n".into(), ..world.input.clone() };
    for (name, input, verb, said) in [
        ("a-1", text(&world.input), "console", "only pods that run `executor` can run in this process"),
        ("a-2", "{".to_owned(), "executor", "the input is not right"),
        ("a-3", text(&world.input).replace("\"run\"", "\"runn\""), "executor", "unknown field `runn`"),
        ("a-4", text(&broken), "executor", "unknown key `phasse`"),
    ] {
        world.order(name, &input, verb).await;
        let outcome = world.outcome(name).await;
        let [(Some(2), log)] = outcome.as_slice() else { panic!("{name}: {outcome:?}") };
        assert!(log.contains(said), "{name}: {log}");
    }
    assert_eq!(world.phases("m-0000").await, []);
    stop.cancel();
    running.await.expect("the runner ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_in_the_middle_of_a_step_is_followed_by_one_that_takes_it_up() {
    // Joining takes more than five seconds: the process ends in the middle of it, however slow this machine is.
    let world = World::new(1, 2.0).await;
    let (stop, running) = world.start();
    world.order("op-1", &text(&world.input), "executor").await;
    world
        .until("the machine joins", async || {
            let pods = world.api::<Pod>().list(&ListParams::default()).await.expect("pods").items;
            let Some(pod) = pods.first() else { return false };
            let log = world.api::<Pod>().logs(&pod.name_any(), &LogParams::default()).await.unwrap_or_default();
            log.contains(r#""step":"kubeadm join","event":"step-started""#)
        })
        .await;
    stop.cancel();
    running.await.expect("the runner ends");
    assert_eq!(world.phases("m-0000").await, [PhaseState::Succeeded, PhaseState::Running]);

    let (stop, running) = world.start();
    let outcome = world.outcome("op-1").await;
    let [(None, first), (Some(0), second)] = outcome.as_slice() else { panic!("{outcome:?}") };
    assert!(first.contains("cancelled before all machines were through"), "{first}");
    assert!(!first.contains("machine-finished"), "{first}");
    let replayed = second.lines().filter(|line| line.contains(r#""start":"receipt""#)).count();
    let attached = second.lines().filter(|line| line.contains(r#""start":"attached""#)).count();
    assert_eq!((replayed, attached, second.contains(r#""start":"fresh""#)), (1, 1, false), "{second}");
    assert_eq!(world.phases("m-0000").await, [PhaseState::Succeeded; 2]);
    stop.cancel();
    running.await.expect("the runner ends");
}
