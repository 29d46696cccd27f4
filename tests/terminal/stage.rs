//! A fleet of simulated machines behind an API server, embedded or real, and the ways into it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, RoleBinding},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use quarterdeck::{
    api::{Machine, NodePool},
    embedded::{
        Identity, Listener,
        simulation::{self, NAMESPACE, Pace, Simulation},
    },
    install,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{kubelet::Kubelet, line::Line, real};

const BINARY: &str = env!("CARGO_BIN_EXE_quarterdeck");
/// Fast, and slow enough for what happens meanwhile to be seen.
const SPEED: f64 = 20.0;

const SSH_SECRET: &str = "fleet-ssh";

/// Goes with all that it started.
pub struct Stage {
    folder: tempfile::TempDir,
    /// Of the administrator, as the server made it.
    kubeconfig: Value,
    pub line: Line,
    /// The demo without its console, or the controllers.
    process: Child,
    runtime: Runtime,
    pub client: Client,
    pub is_real: bool,
    /// Where there is no demo that has them: the hosts, and the door to the business clusters.
    _simulated: Option<(Simulation, Listener)>,
}

impl Stage {
    pub fn open() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().expect("threads");
        match real::kubeconfig() {
            Some(path) => Self::real(runtime, &path),
            None => Self::embedded(runtime, &[]),
        }
    }

    /// On the embedded server, in the middle of something.
    pub fn in_scenario(name: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().expect("threads");
        Self::embedded(runtime, &["--scenario", name])
    }

    fn embedded(runtime: Runtime, arguments: &[&str]) -> Self {
        let mut demo = Command::new(BINARY);
        let mut demo = demo.args(["demo", "--headless", "--speed"]).arg(SPEED.to_string()).args(arguments);
        demo = demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = demo.spawn().expect("it starts");
        let mut ready = String::new();
        BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut ready).expect("a line");
        let ready: Value = serde_json::from_str(&ready).expect("one line of JSON");
        let path = PathBuf::from(ready["kubeconfig"].as_str().expect("a path"));
        let client = runtime.block_on(real::client(path.clone()));
        Self::with(runtime, client, &path, process, None)
    }

    /// The API server and the Job controller are real, and so are the controllers and the executors; hosts are simulated.
    fn real(runtime: Runtime, path: &Path) -> Self {
        let client = runtime.block_on(real::client(path.to_owned()));
        let simulated = runtime.block_on(async {
            real::install_kinds(&client).await;
            let listener = Listener::start(([127, 0, 0, 1], 0).into(), Identity::open(None).expect("an identity"));
            let listener = listener.await.expect("a port");
            let pace = Pace { seed: 1, speed: SPEED, fault: 0.0 };
            let options = simulation::Options { clusters: 3, machines: 60, pace, scenario: None, directory: None };
            let hosts = simulation::start(options, client.clone(), &listener).await.expect("a fleet");
            (hosts, listener)
        });
        let mut controller = Command::new(BINARY);
        controller.args(["controller", "--namespace", NAMESPACE, "--kubeconfig"]).arg(path).stdin(Stdio::null());
        let process = controller.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let stage = Self::with(runtime, client, path, process, Some(simulated));
        let kubelet = Kubelet {
            client: stage.client.clone(),
            namespace: NAMESPACE.to_owned(),
            kubeconfig: path.to_owned(),
            folder: stage.folder.path().to_owned(),
        };
        stage.runtime.spawn(kubelet.run());
        stage.runtime.block_on(stage.roles());
        stage
    }

    fn with(
        runtime: Runtime,
        client: Client,
        path: &Path,
        process: Child,
        simulated: Option<(Simulation, Listener)>,
    ) -> Self {
        let text = std::fs::read_to_string(path).expect("a kubeconfig");
        let kubeconfig: Value = serde_saphyr::from_str(&text).expect("a kubeconfig");
        let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().expect("a server");
        let port = server.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        let (line, is_real) = (Line::to(port), simulated.is_some());
        Self { folder, kubeconfig, line, process, runtime, client, is_real, _simulated: simulated }
    }

    /// The roles that `quarterdeck install` brings.
    async fn roles(&self) {
        let roles: Api<ClusterRole> = Api::all(self.client.clone());
        for role in install::objects(&install::Options::default()).iter().filter(|o| o["kind"] == "ClusterRole") {
            let name = role["metadata"]["name"].as_str().expect("a name");
            roles.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(role)).await.expect("a role");
        }
    }

    /// A kubeconfig over the line that can be cut.
    pub fn administrator(&self) -> PathBuf {
        self.way_in("admin", self.kubeconfig["users"][0]["user"].clone())
    }

    /// That of an account which may do nothing yet; on a real server only, for the embedded one lets everybody.
    pub fn account(&self, name: &str) -> PathBuf {
        let token = self.runtime.block_on(async {
            let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), NAMESPACE);
            let account = serde_json::from_value(json!({"metadata": {"name": name}})).expect("an account");
            accounts.create(&PostParams::default(), &account).await.expect("an account");
            let (post, request) = (PostParams::default(), TokenRequest::default());
            let token = accounts.create_token_request(name, &post, &request).await;
            token.expect("a token").status.expect("a token").token
        });
        self.way_in(name, json!({"token": token}))
    }

    fn way_in(&self, name: &str, user: Value) -> PathBuf {
        let mut kubeconfig = self.kubeconfig.clone();
        kubeconfig["clusters"][0]["cluster"]["server"] = json!(format!("https://127.0.0.1:{}", self.line.port));
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(NAMESPACE);
        kubeconfig["users"][0]["user"] = user;
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string()).expect("a file");
        path
    }

    /// Gives an account a role in the namespace of the fleet.
    pub fn grant(&self, account: &str, role: &str) {
        let binding = json!({
            "metadata": {"name": format!("{account}-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
        });
        let binding: RoleBinding = serde_json::from_value(binding).expect("a binding");
        let bindings: Api<RoleBinding> = Api::namespaced(self.client.clone(), NAMESPACE);
        self.runtime.block_on(bindings.create(&PostParams::default(), &binding)).expect("bound");
    }

    /// As somebody else would, and not over the line.
    pub fn scale(&self, pool: &str, replicas: i32) {
        let pools: Api<NodePool> = Api::namespaced(self.client.clone(), NAMESPACE);
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.runtime.block_on(pools.patch(pool, &PatchParams::default(), &patch)).expect("scaled");
    }

    /// What the pool asks for.
    pub fn replicas(&self, pool: &str) -> i32 {
        let pools: Api<NodePool> = Api::namespaced(self.client.clone(), NAMESPACE);
        self.runtime.block_on(pools.get(pool)).expect("a pool").spec.replicas
    }

    /// The machines that the pool has, each as `NAME@MOMENT`, when it was claimed: one that was given back and taken again is
    /// another one.
    pub fn members(&self, pool: &str) -> Vec<String> {
        let machines: Api<Machine> = Api::namespaced(self.client.clone(), NAMESPACE);
        let all = self.runtime.block_on(machines.list(&ListParams::default())).expect("machines");
        let claim = |m: &Machine| {
            let claim = m.spec.claim_ref.as_ref().filter(|claim| claim.pool_name == pool)?;
            Some(format!("{}@{:?}", m.name_any(), claim.claimed_at))
        };
        all.items.iter().filter_map(claim).collect()
    }

    /// The key that executors log in with.
    pub fn ssh_key(&self) -> String {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let secret = self.runtime.block_on(secrets.get(SSH_SECRET)).expect("it was made with the fleet");
        let key = secret.data.and_then(|mut data| data.remove("ssh-privatekey")).expect("a key");
        String::from_utf8(key.0).expect("a key is text")
    }

    pub fn set_ssh_key(&self, key: &str) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let patch = Patch::Merge(json!({"stringData": {"ssh-privatekey": key}}));
        self.runtime.block_on(secrets.patch(SSH_SECRET, &PatchParams::default(), &patch)).expect("written");
    }

    /// Runs the binary to its end.
    pub fn command(&self, kubeconfig: &Path, words: &str) -> Output {
        let mut command = Command::new(BINARY);
        command.args(words.split_whitespace()).arg("--kubeconfig").arg(kubeconfig).stdin(Stdio::null());
        command.output().expect("it starts")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // In order, so that it takes its own folder along.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..200 {
            match self.process.try_wait() {
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(50)),
                _ => return,
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
