//! What it takes to reach hosts: the user's keys, and whose word is taken for those of the hosts.

use super::super::root_cause;
use crate::{
    api::Machine,
    console::hosts::{Access, Way},
    fleet::Clients,
    ssh::{self, Connection, Connector, Credentials, Error, HostKeyRule, HostKeys, Target},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The key under which a ConfigMap has the file, and the fact under which a machine has its key.
const KNOWN_HOSTS: &str = "known_hosts";
const HOST_KEY: &str = "hostKey";
/// Host keys that OpenSSH trusts for every user.
const OF_ALL_USERS: &str = "/etc/ssh/ssh_known_hosts";
/// A file of host keys that is larger is not read.
const MOST_KEY_BYTES: u64 = 8 << 20;
/// How long the server may take to hand out host keys: the host itself has to answer in what is left.
const KEYS_WITHIN: Duration = Duration::from_secs(4);

/// What it takes to reach hosts.
#[derive(Clone)]
pub struct Reach {
    clients: Clients,
    pub access: Arc<Access>,
    /// Key files that only a passphrase opens: the agent may have them.
    locked: Arc<Vec<PathBuf>>,
    options: ssh::Options,
}

impl Reach {
    /// Reads the user's files.
    pub async fn open(clients: Clients, access: Arc<Access>) -> Self {
        let of = access.clone();
        let read = move || {
            let (locked, keys): (Vec<_>, Vec<_>) =
                of.key_files.iter().cloned().partition(|file| ssh::needs_passphrase(file));
            let mut trusted = vec![of.known_hosts.clone()];
            trusted.extend((!of.only_this).then(|| PathBuf::from(OF_ALL_USERS)));
            (locked, keys, trusted.iter().map(key_lines).collect::<String>())
        };
        let (locked, key_files, known_hosts) = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        let options = ssh::Options {
            credentials: Credentials { agent: !access.only_this, key_files, ..Credentials::default() },
            host_keys: HostKeys { policy: HostKeyRule::Strict, known_hosts },
            connect_timeout: access.connect_timeout,
            ..ssh::Options::default()
        };
        Self { clients, access, locked: Arc::new(locked), options }
    }

    /// A client that also trusts the keys in this ConfigMap, as far as it can be read.
    pub async fn open_for(&self, way: &Way) -> Opened {
        let (mut options, mut unread) = (self.options.clone(), None);
        if let Some((name, client)) = way.known_hosts.as_deref().zip(self.clients.of(way.uid.context)) {
            let maps: Api<ConfigMap> = Api::namespaced(client, &way.namespace);
            match in_time(maps.get(name)).await {
                Ok(map) => {
                    options.host_keys.known_hosts +=
                        &map.data.and_then(|mut data| data.remove(KNOWN_HOSTS)).unwrap_or_default()
                }
                // Whoever may not read it may have the keys in a file of their own.
                Err(Unread { why, lasts }) => {
                    let why = format!("the host keys in ConfigMap {name} could not be read: {why}");
                    unread = Some(Unread { why, lasts });
                }
            }
        }
        Opened { connector: Connector::new(options), unread }
    }

    /// The key that the executor has written down for this machine, where its cluster takes what is new.
    async fn pinned_key(&self, way: &Way) -> Result<Option<String>, Unread> {
        let Some(client) = self.clients.of(way.uid.context).filter(|_| way.pins) else { return Ok(None) };
        let machines: Api<Machine> = Api::namespaced(client, &way.namespace);
        let machine = in_time(machines.get(&way.name)).await.map_err(|Unread { why, lasts }| Unread {
            why: format!("the host key in the status of {} could not be read: {why}", way.name),
            lasts,
        })?;
        Ok(machine.status.and_then(|mut status| status.facts.remove(HOST_KEY)))
    }

    pub async fn connect(&self, opened: &Opened, way: &Way) -> Result<Connection, String> {
        let (pinned, unread) = match self.pinned_key(way).await {
            Ok(pinned) => (pinned, opened.unread.clone()),
            Err(unread) => (None, Some(unread)),
        };
        let target = self.access.target(way, pinned);
        let connected = opened.connector.connect_alone(&target).await;
        connected.map_err(|error| self.sentence(&error, &target, unread.as_ref()))
    }

    /// Why a host is not reached, and what would help. A key may be unknown because those that we know could not be read: then
    /// nobody is told how to trust it.
    fn sentence(&self, error: &Error, target: &Target, unread: Option<&Unread>) -> String {
        let said = with_sources(error);
        match (error, unread) {
            (Error::UnknownHostKey { .. }, Some(Unread { why, .. })) => {
                format!("{said}: {why}. Do not trust it for that")
            }
            (Error::UnknownHostKey { .. }, None) => {
                let hop =
                    target.jumps.iter().find(|jump| said.starts_with(&jump.to_string())).unwrap_or(&target.endpoint);
                format!(
                    "{said}: compare it with the host's own, then `ssh -p {} {}@{}` adds it to {}",
                    hop.port,
                    hop.user,
                    hop.host,
                    self.access.known_hosts.display()
                )
            }
            (Error::Authentication { .. }, _) => {
                let locked =
                    self.locked.first().map(|file| format!("; {} has a passphrase: `ssh-add` it", file.display()));
                format!(
                    "{said}{}; `ssh.user` and `ssh.identityFiles` of config.yaml say who",
                    locked.unwrap_or_default()
                )
            }
            _ => said,
        }
    }
}

/// A client, and what it does not know.
#[derive(Clone)]
pub struct Opened {
    pub connector: Connector,
    unread: Option<Unread>,
}

impl Opened {
    /// The same would come of opening it again: all keys were read, or will not be.
    pub fn lasts(&self) -> bool {
        self.unread.as_ref().is_none_or(|unread| unread.lasts)
    }
}

/// Why host keys could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unread {
    why: String,
    /// The server said no, and says so again if it is asked again.
    lasts: bool,
}

async fn in_time<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, Unread> {
    match tokio::time::timeout(KEYS_WITHIN, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => {
            let lasts = matches!(status.code, 403 | 404);
            Err(Unread { why: status.message, lasts })
        }
        Ok(Err(error)) => Err(Unread { why: root_cause(&error), lasts: false }),
        Err(_) => {
            let why = format!("the API server did not answer within {} s", KEYS_WITHIN.as_secs());
            Err(Unread { why, lasts: false })
        }
    }
}

/// The lines of a file of host keys, with a break at the end; none if there is none.
fn key_lines(file: &PathBuf) -> String {
    let small = std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.len() <= MOST_KEY_BYTES);
    let text = if small { std::fs::read(file).unwrap_or_default() } else { Vec::new() };
    String::from_utf8_lossy(&text).into_owned() + "\n"
}

/// The whole chain in one sentence.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        fleet::{ContextId, Uid},
        ssh::Endpoint,
    };
    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::json;

    /// Reaches hosts with the keys that a server hands out, which answers so; 0: never.
    fn reach(code: u16) -> Reach {
        let serve = tower::service_fn(move |_: Request<Body>| async move {
            let answer = match code {
                0 => std::future::pending().await,
                200 => json!({"metadata": {"name": "keys"}, "data": {"known_hosts": ""}}),
                code => json!({"kind": "Status", "status": "Failure", "code": code, "message": "not now"}),
            };
            Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()))
        });
        let mut access = Access::of(&Config::built_in().settings.ssh, None);
        access.known_hosts = "/home/alice/.ssh/known_hosts".into();
        let host_keys = HostKeys { policy: HostKeyRule::Strict, known_hosts: String::new() };
        Reach {
            clients: Clients::of_one(Client::new(serve, "fleet")),
            access: Arc::new(access),
            locked: Arc::default(),
            options: ssh::Options { host_keys, ..ssh::Options::default() },
        }
    }

    fn way() -> Way {
        Way {
            uid: Uid::new(ContextId::FIRST, "u-1"),
            name: "m-1".into(),
            namespace: "fleet".into(),
            host: "10.0.0.1".into(),
            port: 22,
            user: "root".into(),
            jumps: Vec::new(),
            known_hosts: Some("keys".into()),
            pins: false,
        }
    }

    /// What is said of a key that is not known, and whether the client is good for other hosts as well.
    async fn check(code: u16, expected: &str, lasts: bool) {
        let (reach, way) = (reach(code), way());
        let opened = reach.open_for(&way).await;
        let unknown = Error::UnknownHostKey { host: "m-1".into(), fingerprint: "SHA256:x".into() };
        let target = Target {
            endpoint: Endpoint { host: way.host.clone(), port: 22, user: "root".into() },
            ..reach.access.target(&way, None)
        };
        let said = reach.sentence(&unknown, &target, opened.unread.as_ref());
        let said =
            said.strip_prefix("m-1 presented a host key that we do not know: SHA256:x: ").expect("the host is named");
        assert_eq!((said, opened.lasts()), (expected, lasts), "{code}");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_could_not_be_read_are_not_called_unknown() {
        let advice =
            "compare it with the host's own, then `ssh -p 22 root@10.0.0.1` adds it to /home/alice/.ssh/known_hosts";
        check(200, advice, true).await;
        let unread =
            |why: &str| format!("the host keys in ConfigMap keys could not be read: {why}. Do not trust it for that");
        check(403, &unread("not now"), true).await;
        check(500, &unread("not now"), false).await;
        check(0, &unread("the API server did not answer within 4 s"), false).await;
    }
}
