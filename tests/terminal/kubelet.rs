//! A stand-in for a scheduler and a kubelet, beside an API server that is real: pods of Jobs become processes of our own
//! binary, on this machine. Their Jobs are the Job controller's, and their logs go through the API server, which asks us.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs::File,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use http_body_util::StreamBody;
use hyper::{Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Binding, ConfigMap, Node, Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener, process::Command, task::JoinSet};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

const NODE: &str = "here";
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs the pods of one namespace. `kubeconfig` is what their programs report with.
pub struct Kubelet {
    pub client: Client,
    pub namespace: String,
    pub kubeconfig: PathBuf,
    /// Logs and volumes.
    pub folder: PathBuf,
}

impl Kubelet {
    /// Until it is dropped.
    pub async fn run(self) {
        let port = serve_logs(self.folder.clone()).await;
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = json!({"metadata": {"name": NODE}});
        let _ = nodes.create(&PostParams::default(), &serde_json::from_value(node).expect("a node")).await;
        let status = json!({"status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }});
        nodes.patch_status(NODE, &PatchParams::default(), &Patch::Merge(status)).await.expect("a node");
        let this = Arc::new(self);
        let mut running = BTreeMap::new();
        let mut pods_at_work = JoinSet::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(pods) = this.pods().list(&ListParams::default()).await else { continue };
            for pod in pods.items {
                let name = pod.name_any();
                if pod.metadata.deletion_timestamp.is_some() {
                    // What runs is aborted, and killed with its task.
                    running.remove(&name).inspect(tokio::task::AbortHandle::abort);
                    let _ = this.pods().delete(&name, &DeleteParams::default().grace_period(0)).await;
                } else if !running.contains_key(&name) && phase(&pod) == "Pending" {
                    running.insert(name, pods_at_work.spawn(this.clone().carry_out(pod)));
                }
            }
        }
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn carry_out(self: Arc<Self>, pod: Pod) {
        let name = pod.name_any();
        let binding = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": NODE}});
        let binding: Binding = serde_json::from_value(binding).expect("a binding");
        let bound: kube::Result<Value> =
            self.pods().create_subresource("binding", &name, &PostParams::default(), &binding).await;
        bound.expect("nobody else schedules");
        let (input, secrets) = self.volumes(&pod).await;
        // Whoever reads that it runs may ask for its log at once.
        let log = File::create(self.folder.join(format!("{name}.log"))).expect("a file");
        self.report(&name, "Running", json!({"running": {"startedAt": jiff::Timestamp::now()}})).await;
        let status = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
            .args(pod.spec.iter().flat_map(|spec| &spec.containers).flat_map(|c| c.args.iter().flatten()))
            .args(["--kubeconfig".as_ref(), self.kubeconfig.as_os_str()])
            .args(["--input".as_ref(), input.as_os_str(), "--secrets".as_ref(), secrets.as_os_str()])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await;
        let code = status.ok().and_then(|status| status.code()).unwrap_or(137);
        File::create(self.folder.join(format!("{name}.over"))).expect("a file");
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        self.report(&name, phase, json!({"terminated": {"exitCode": code}})).await;
    }

    async fn report(&self, pod: &str, phase: &str, state: Value) {
        let container = json!({
            "name": "executor", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": state,
        });
        let status = json!({"status": {"phase": phase, "containerStatuses": [container]}});
        let _ = self.pods().patch_status(pod, &PatchParams::default(), &Patch::Merge(status)).await;
    }

    /// The file of the ConfigMap and the folder of the Secrets that a pod mounts.
    async fn volumes(&self, pod: &Pod) -> (PathBuf, PathBuf) {
        let folder = self.folder.join(pod.name_any());
        let secrets = folder.join("secrets");
        std::fs::create_dir_all(&secrets).expect("a folder");
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let all: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            if let Some(source) = &volume.config_map {
                for (name, text) in maps.get(&source.name).await.expect("it comes first").data.unwrap_or_default() {
                    std::fs::write(folder.join(name), text).expect("a file");
                }
            }
            let projected = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
            for source in projected.filter_map(|source| source.secret.as_ref()) {
                for (name, ByteString(bytes)) in
                    all.get(&source.name).await.expect("it is there").data.unwrap_or_default()
                {
                    std::fs::write(secrets.join(name), bytes).expect("a file");
                }
            }
        }
        (folder.join(quarterdeck::runbook::job::INPUT_KEY), secrets)
    }
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The logs of pods, at the path that a kubelet has for them; the port.
async fn serve_logs(folder: PathBuf) -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, folder) = (acceptor.clone(), folder.clone());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request: Request<Incoming>| {
                    let folder = folder.clone();
                    async move { Ok::<_, Infallible>(Response::new(StreamBody::new(log(&folder, &request)))) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    port
}

/// `/containerLogs/NAMESPACE/POD/CONTAINER`: what is there, and what comes until the pod is over.
fn log(
    folder: &Path,
    request: &Request<Incoming>,
) -> impl futures::Stream<Item = Result<Frame<hyper::body::Bytes>, Infallible>> + use<> {
    let pod = request.uri().path().split('/').nth(3).unwrap_or_default().to_owned();
    let follow = request.uri().query().is_some_and(|query| query.contains("follow=true"));
    let (path, over) = (folder.join(format!("{pod}.log")), folder.join(format!("{pod}.over")));
    futures::stream::unfold(None, move |file: Option<tokio::fs::File>| {
        let (path, over) = (path.clone(), over.clone());
        async move {
            let mut file = match file {
                Some(file) => file,
                None => tokio::fs::File::open(path).await.ok()?,
            };
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let is_over = over.exists();
                match file.read(&mut buffer).await.ok()? {
                    0 if is_over || !follow => return None,
                    0 => tokio::time::sleep(LOOK_EVERY).await,
                    count => {
                        buffer.truncate(count);
                        return Some((Ok(Frame::data(buffer.into())), Some(file)));
                    }
                }
            }
        }
    })
}
