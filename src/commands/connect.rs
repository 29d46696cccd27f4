//! A client for the meta cluster, or one sentence that says why there is none and what to do.

mod kubeconfig;
mod version;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config, api::ListParams};
use tokio::time::timeout;

use super::{
    Globals,
    exit::{Ended, Exit},
    lines,
};
use crate::{api::NodePool, config::plain, fleet::Fault};

use kubeconfig::config;
pub use kubeconfig::current_context;
pub use version::{OLDEST, TooOld};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the first answers, all retries of lower layers included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "there is no kubeconfig: {} does not exist, and this is not a pod. \
         Name one with --kubeconfig or KUBECONFIG, or try  quarterdeck demo  which needs none", path.display()
    )]
    NoKubeconfig { path: PathBuf },
    #[error("the kubeconfig {} does not exist: check --kubeconfig and KUBECONFIG", path.display())]
    MissingFile { path: PathBuf },
    #[error("the kubeconfig {} cannot be read: {reason}", path.display())]
    UnreadableFile { path: PathBuf, reason: String },
    #[error("the kubeconfig has no context {name}: it has {known}; choose one with --context")]
    NoContext { name: String, known: String },
    #[error(
        "--context names several ({names}), and this command works on one: only the console, `quarterdeck` without a \
         command, shows several together"
    )]
    SeveralContexts { names: String },
    #[error("the kubeconfig has no current context: choose one with --context; it has {known}")]
    NoCurrentContext { known: String },
    #[error("the kubeconfig is not right: {reason}")]
    BadKubeconfig { reason: String },
    #[error("{fault}{}", server.as_ref().map_or_else(String::new, |s| format!(" (server: {s})")))]
    Server { fault: Fault, server: Option<String> },
    #[error(
        "the namespace {namespace} does not exist: choose one with --namespace, or  kubectl create namespace {namespace}"
    )]
    NoNamespace { namespace: String },
}

impl ConnectError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Server { fault, .. } => exit_of(fault),
            Self::NoNamespace { .. } => Exit::NotFound,
            _ => Exit::BadInput,
        }
    }
}

impl From<ConnectError> for Ended {
    fn from(error: ConnectError) -> Self {
        Self::new(error.exit(), plain(&error.to_string()))
    }
}

/// The exit code of a fault.
pub fn exit_of(fault: &Fault) -> Exit {
    match fault {
        Fault::Unauthorized { .. } | Fault::Login { .. } | Fault::Forbidden { .. } | Fault::Denied { .. } => {
            Exit::Forbidden
        }
        Fault::Unreachable { .. } | Fault::Tls { .. } | Fault::NoKinds { .. } | Fault::Busy { .. } => Exit::Unreachable,
        Fault::Expired | Fault::Other { .. } => Exit::Failed,
    }
}

/// What a failed request means for the user: `verb` and `resource` (plural) are what was tried.
pub fn failed(error: &kube::Error, verb: &'static str, resource: &str, namespace: Option<&str>) -> Ended {
    let fault = Fault::of(error, verb, resource, namespace);
    Ended::new(exit_of(&fault), fault.to_string())
}

/// The server knows the request and does not want it from us: asking again does not help.
pub fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}

/// A meta cluster that has answered and has our kinds.
pub struct Connected {
    pub client: Client,
    /// To work in.
    pub namespace: String,
    /// It may be looked at, and nothing is written to it.
    pub too_old: Option<TooOld>,
}

/// For reading: a server that is too old is said, and read.
pub async fn client(globals: &Globals) -> Result<(Client, String), Ended> {
    let Connected { client, namespace, too_old } = open(globals).await?;
    if let Some(why) = too_old {
        lines::err(&format!("quarterdeck: warning: {why}"));
    }
    Ok((client, namespace))
}

/// For writing: a server that is too old is refused.
pub async fn writer(globals: &Globals) -> Result<(Client, String), Ended> {
    new_enough(open(globals).await?)
}

/// For writing, where the caller may look at another namespace than its own: that is where our kinds are looked for.
pub async fn writer_in(globals: &Globals, namespace: &str) -> Result<(Client, String), Ended> {
    new_enough(connect(globals, Check::In(namespace)).await?)
}

/// For whoever brings our kinds, or takes them away: they may not be there.
pub async fn writer_without_kinds(globals: &Globals) -> Result<(Client, String), Ended> {
    new_enough(connect(globals, Check::Nothing).await?)
}

fn new_enough(Connected { client, namespace, too_old }: Connected) -> Result<(Client, String), Ended> {
    too_old.map_or(Ok((client, namespace)), |why| Err(Ended::new(Exit::Unreachable, why.to_string())))
}

/// For whoever decides by itself what to do with an old server.
pub async fn open(globals: &Globals) -> Result<Connected, Ended> {
    Ok(connect(globals, Check::Own).await?)
}

/// What flags and kubeconfigs come to; no server is asked.
pub async fn resolved(globals: &Globals) -> Result<Config, Ended> {
    Ok(config(globals).await?)
}

/// Where to look whether the server has our kinds.
#[derive(Clone, Copy)]
enum Check<'a> {
    Own,
    In(&'a str),
    Nothing,
}

async fn connect(globals: &Globals, check: Check<'_>) -> Result<Connected, ConnectError> {
    let mut config = config(globals).await?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Each caller knows better what may be tried again, and says so on the screen.
    config.default_retry = false;
    if config.cluster_url.host().is_some_and(is_loopback) {
        config.proxy_url = None;
    }
    let namespace = globals.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let server = Some(config.cluster_url.to_string().trim_end_matches('/').to_owned());
    let refuse = |fault| ConnectError::Server { fault, server: server.clone() };
    let login = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
    let client =
        Client::try_from(config).map_err(|e| refuse(Fault::of(&e, "get", "version", None).naming(login.as_deref())))?;
    let late = || Fault::Unreachable { detail: format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()) };
    let seen = async {
        match check {
            Check::Own => look(&client, &namespace, globals.namespace.is_some()).await,
            Check::In(other) => look(&client, other, false).await,
            Check::Nothing => Ok(()),
        }
    };
    let answers = async { tokio::join!(seen, client.apiserver_version()) };
    let (seen, info) = timeout(ANSWER_TIMEOUT, answers).await.map_err(|_| refuse(late()))?;
    seen.map_err(|found| match found {
        Found::Fault(fault) => refuse(fault),
        Found::NoNamespace => ConnectError::NoNamespace { namespace: namespace.clone() },
    })?;
    if let (Check::Nothing, Err(error)) = (check, &info) {
        return Err(refuse(Fault::of(error, "get", "version", None)));
    }
    // A server that does not say its version is not refused for that.
    let too_old = info.ok().and_then(|info| version::check(&info).err());
    Ok(Connected { client, namespace, too_old })
}

enum Found {
    Fault(Fault),
    NoNamespace,
}

/// One small list of ours: it answers at once whether the server is there, knows us, lets us, and has our kinds.
async fn look(client: &Client, namespace: &str, named: bool) -> Result<(), Found> {
    let pools = Api::<NodePool>::namespaced(client.clone(), namespace);
    let listed = pools.list(&ListParams::default().limit(1)).await;
    listed.map_err(|e| Found::Fault(Fault::of(&e, "list", "nodepools", Some(namespace))))?;
    if named && let Err(kube::Error::Api(status)) = Api::<Namespace>::all(client.clone()).get(namespace).await {
        // No permission to look at namespaces is no reason to stop.
        if status.is_not_found() {
            return Err(Found::NoNamespace);
        }
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn kubeconfig(server: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: one\ncontexts:\n- name: one\n  context: {{cluster: c, user: u}}\n\
             clusters:\n- name: c\n  cluster: {{server: {server}}}\nusers:\n- name: u\n  user: {{token: t}}\n"
        )
    }

    /// What is known of a server that answers.
    async fn connected(content: &str) -> Connected {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, content).unwrap();
        open(&Globals { kubeconfig: Some(path), ..Globals::default() }).await.expect("it answers")
    }

    /// Connects with a kubeconfig of that content.
    async fn attempt(content: Option<&str>, context: Option<&str>) -> Ended {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let globals = Globals {
            kubeconfig: Some(path),
            contexts: context.map(Into::into).into_iter().collect(),
            ..Globals::default()
        };
        client(&globals).await.err().expect("there is nothing to connect to")
    }

    async fn check(content: Option<&str>, context: Option<&str>, exit: Exit, sentence: &str) {
        let ended = attempt(content, context).await;
        assert!(ended.message.contains(sentence), "{}", ended.message);
        assert_eq!(ended.exit, exit, "{}", ended.message);
    }

    #[test]
    fn the_roles_that_are_asked_for_are_those_that_are_installed() {
        use crate::{fleet, install};
        assert_eq!([fleet::VIEWER, fleet::OPERATOR], [install::VIEWER_ROLE, install::OPERATOR_ROLE]);
    }

    #[tokio::test]
    async fn each_mistake_in_a_kubeconfig_has_its_sentence() {
        check(None, None, Exit::BadInput, "does not exist: check --kubeconfig").await;
        check(Some("{"), None, Exit::BadInput, "cannot be read").await;
        check(Some("contexts: 7"), None, Exit::BadInput, "cannot be read").await;
        check(Some("apiVersion: v1\nkind: Config\n"), None, Exit::BadInput, "no current context").await;
        let good = kubeconfig("https://127.0.0.1:1");
        check(Some(&good), Some("two"), Exit::BadInput, "has no context two: it has one;").await;
        let dangling = good.replace("- name: c\n", "- name: d\n");
        check(Some(&dangling), None, Exit::BadInput, "the kubeconfig is not right").await;
    }

    #[tokio::test]
    async fn a_program_for_logging_in_that_fails_is_named() {
        let with = |exec: &str| {
            let exec = format!(
                "user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, {exec}}}}}"
            );
            kubeconfig("https://127.0.0.1:1").replace("user: {token: t}", &exec)
        };
        let missing = with("command: /no/such/kubelogin, args: [hush]");
        let said = "the program kubelogin that the kubeconfig names for logging in cannot be started (";
        check(Some(&missing), None, Exit::Forbidden, said).await;
        let failing = with("command: sh, args: [-c, 'echo hush; echo run aws sso login >&2; exit 3']");
        let said = "the program sh that the kubeconfig names for logging in ended with status 3: run aws sso login";
        check(Some(&failing), None, Exit::Forbidden, said).await;
        assert!(!attempt(Some(&failing), None).await.message.contains("hush"));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        let refused = kubeconfig("https://127.0.0.1:1");
        check(Some(&refused), None, Exit::Unreachable, "cannot be reached").await;
        check(Some(&refused), None, Exit::Unreachable, "127.0.0.1:1").await;
    }

    /// A server that gives the same answer to every request.
    fn answering(status: &'static str, body: &'static str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        kubeconfig(&format!("http://{address}"))
    }

    #[tokio::test]
    async fn each_refusal_of_a_server_has_its_sentence() {
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"token expired","reason":"Unauthorized","code":401}"#;
        check(Some(&answering("401 Unauthorized", status)), None, Exit::Forbidden, "log in again").await;
        let status =
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"Forbidden","code":403}"#;
        let sentence = "you may not list nodepools in namespace default (RBAC: ask for ClusterRole quarterdeck-viewer)";
        check(Some(&answering("403 Forbidden", status)), None, Exit::Forbidden, sentence).await;
        let missing = answering("404 Not Found", "404 page not found\n");
        check(Some(&missing), None, Exit::Unreachable, "install them with  quarterdeck install").await;
        // Every path answers with it, which is a version to one of them and no list to the other.
        let old = answering("200 OK", r#"{"major":"1","minor":"30","gitVersion":"v1.30.2","items":[],"metadata":{}}"#);
        let connected = connected(&old).await;
        assert!(
            connected.too_old.expect("it is").to_string().contains("is Kubernetes 1.30, and Quarterdeck needs 1.31")
        );
        let tls = answering("200 OK", "{}").replace("http://", "https://");
        check(Some(&tls), None, Exit::Unreachable, "no secure connection").await;
    }
}
