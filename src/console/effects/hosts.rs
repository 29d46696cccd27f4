//! Asks hosts over SSH: many at once for how they are, and one for its journals, which are then followed.
//!
//! The connection to a host lasts for one question, those to jump hosts for a round of them. A host key that is not known is
//! never taken.

mod gates;

use super::{
    super::{
        hosts::{
            Access, Answer, Way,
            journal::{self, Entry, Reader},
            probe::{self, Reading},
        },
        message::Event,
    },
    ANSWER_WITHIN,
};
use crate::{
    api::Machine,
    fleet::Clients,
    ssh::{self, Connection, Connector, Credentials, Error, HostKeyRule, HostKeys, Output, Target},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use gates::Gates;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

/// Hosts that are asked at once.
const AT_ONCE: usize = 16;
/// Times that more are handed in while those before wait: the view bounds how many hosts that are.
const BATCHES: usize = 128;
/// When nobody has been handed in for so long, connections to jump hosts are given up.
const IDLE: Duration = Duration::from_secs(30);
/// How long one host may take, its connection included.
const HOST_WITHIN: Duration = Duration::from_secs(10);
/// The key under which a ConfigMap has the file, and the fact under which a machine has its key.
const KNOWN_HOSTS: &str = "known_hosts";
const HOST_KEY: &str = "hostKey";
/// Host keys that OpenSSH trusts for every user.
const OF_ALL_USERS: &str = "/etc/ssh/ssh_known_hosts";
/// A file of host keys that is larger is not read.
const MOST_KEY_BYTES: u64 = 8 << 20;
/// A line of a journal that does not end is given up here.
const MOST_LINE_BYTES: usize = 64 * 1024;

/// What it takes to reach hosts.
#[derive(Clone)]
pub struct Reach {
    clients: Clients,
    access: Arc<Access>,
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
    async fn connector(&self, way: &Way) -> Connector {
        let mut options = self.options.clone();
        if let Some((name, client)) = way.known_hosts.as_deref().zip(self.clients.of(way.uid.context)) {
            let maps: Api<ConfigMap> = Api::namespaced(client, &way.namespace);
            match tokio::time::timeout(ANSWER_WITHIN, maps.get(name)).await {
                Ok(Ok(map)) => {
                    options.host_keys.known_hosts +=
                        &map.data.and_then(|mut data| data.remove(KNOWN_HOSTS)).unwrap_or_default()
                }
                // Whoever may not read it has the keys in a file of their own, or hears that they are not known.
                Ok(Err(error)) => tracing::debug!(name, %error, "host keys are not read"),
                Err(_) => tracing::debug!(name, "host keys are not read in time"),
            }
        }
        Connector::new(options)
    }

    /// The key that the executor has written down for this machine, where its cluster takes what is new.
    async fn pinned_key(&self, way: &Way) -> Option<String> {
        if !way.pins {
            return None;
        }
        let machines: Api<Machine> = Api::namespaced(self.clients.of(way.uid.context)?, &way.namespace);
        machines.get(&way.name).await.ok()?.status?.facts.remove(HOST_KEY)
    }

    async fn connect(&self, connector: &Connector, way: &Way) -> Result<Connection, String> {
        let target = self.access.target(way, self.pinned_key(way).await);
        connector.connect_alone(&target).await.map_err(|error| self.sentence(&error, &target))
    }

    /// Why a host is not reached, and what would help.
    fn sentence(&self, error: &Error, target: &Target) -> String {
        let said = with_sources(error);
        match error {
            Error::UnknownHostKey { .. } => {
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
            Error::Authentication { .. } => {
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

/// The lines of a file of host keys, with a break at the end; none if there is none.
fn key_lines(file: &PathBuf) -> String {
    let small = std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.len() <= MOST_KEY_BYTES);
    let text = if small { std::fs::read(file).unwrap_or_default() } else { Vec::new() };
    String::from_utf8_lossy(&text).into_owned() + "\n"
}

/// The whole chain in one sentence.
fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

/// A round of questions that is under way.
pub struct Asking {
    round: u64,
    /// What its hosts are reached with.
    access: Arc<Access>,
    more: mpsc::Sender<Vec<Way>>,
    /// The last one takes more hosts; those before it ask the ones that they have.
    tasks: Vec<AbortHandle>,
}

impl Asking {
    /// Hosts to be asked in the same round; handed back where whoever asks would do so with other settings, or is gone.
    pub fn also(&self, round: u64, access: &Arc<Access>, ways: Vec<Way>) -> Option<Vec<Way>> {
        if round != self.round || !Arc::ptr_eq(access, &self.access) {
            return Some(ways);
        }
        self.more.try_send(ways).err().map(mpsc::error::TrySendError::into_inner)
    }

    /// The same with a task that has begun anew. What is still asked in this round is asked to its end, with what it was begun
    /// with; a round before is given up.
    pub fn renewed(
        before: Option<Self>,
        round: u64,
        access: Arc<Access>,
        more: mpsc::Sender<Vec<Way>>,
        task: AbortHandle,
    ) -> Self {
        let mut tasks = before.map_or_else(Vec::new, |before| {
            if before.round != round {
                before.tasks.iter().for_each(AbortHandle::abort);
            }
            before.tasks
        });
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        Self { round, access, more, tasks }
    }
}

/// Asks these hosts and those that are handed in later, several at once, and sends each answer as it comes. It is over when
/// nobody is handed in for a while.
pub fn ask(
    reach: impl Future<Output = Reach> + Send + 'static,
    round: u64,
    ways: Vec<Way>,
    answers: mpsc::Sender<Event>,
) -> (mpsc::Sender<Vec<Way>>, impl Future<Output = ()> + Send + 'static) {
    let (more, later) = mpsc::channel(BATCHES);
    (more, ask_all(reach, round, ways, later, answers))
}

async fn ask_all(
    reach: impl Future<Output = Reach>,
    round: u64,
    ways: Vec<Way>,
    later: mpsc::Receiver<Vec<Way>>,
    answers: mpsc::Sender<Event>,
) {
    let reach = reach.await;
    let gates = Gates::default();
    let one = |way: Way| {
        let (reach, answers, gates) = (&reach, &answers, &gates);
        async move {
            let connector = gates.connector(reach, &way).await;
            let looked = tokio::time::timeout(HOST_WITHIN, look(reach, &connector, &way)).await;
            let late = || Err(format!("{} did not answer within {} s", way.name, HOST_WITHIN.as_secs()));
            let answer = looked.unwrap_or_else(|_| late()).map_or_else(Answer::Failed, Answer::Read);
            let _ = answers.send(Event::Host { round, uid: way.uid, answer }).await;
        }
    };
    let later = stream::unfold(later, |mut later| async move {
        let ways = tokio::time::timeout(IDLE, later.recv()).await.ok().flatten()?;
        Some((ways, later))
    });
    let all = stream::once(async { ways }).chain(later).flat_map(stream::iter);
    all.map(one).buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
    gates.close().await;
}

/// One host: one connection, one answer. Who pages through thousands of hosts holds no more connections than are needed at once.
async fn look(reach: &Reach, connector: &Connector, way: &Way) -> Result<Reading, String> {
    let connection = reach.connect(connector, way).await?;
    let reading = question(&connection, way).await;
    connection.close().await;
    reading
}

/// One command.
async fn question(connection: &Connection, way: &Way) -> Result<Reading, String> {
    let (asked_at, begun) = (Timestamp::now().as_millisecond(), Instant::now());
    let mut channel = connection.exec("sh -s", Bytes::from(probe::script())).await.map_err(|e| with_sources(&e))?;
    let (mut text, mut round_trip) = (Vec::new(), None);
    while let Some(output) = channel.next().await {
        match output {
            Output::Stdout(data) => {
                round_trip.get_or_insert_with(|| i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX));
                text.extend_from_slice(&data);
            }
            Output::Stderr(_) => {}
            Output::Exit(_) => break,
            Output::Lost(reason) => return Err(format!("the connection to {} was lost: {reason}", way.name)),
        }
        if text.len() > probe::MOST_BYTES {
            break;
        }
    }
    text.truncate(probe::MOST_BYTES);
    let seen = probe::read(&String::from_utf8_lossy(&text))?;
    Ok(Reading::new(seen, asked_at, round_trip.unwrap_or(0)))
}

/// Follows the journals of a host until it is told to stop; what keeps it from doing so is sent as well.
pub async fn follow(
    reach: impl Future<Output = Reach>,
    ticket: u64,
    way: Way,
    lines: usize,
    news: mpsc::Sender<Event>,
) {
    let reach = reach.await;
    let connector = reach.connector(&way).await;
    let connected = tokio::time::timeout(HOST_WITHIN, reach.connect(&connector, &way)).await;
    let late = || Err(format!("{} did not answer within {} s", way.name, HOST_WITHIN.as_secs()));
    let why = match connected.unwrap_or_else(|_| late()) {
        Err(why) => why,
        Ok(connection) => {
            let all = journal::UNITS.iter().map(|unit| unit_of(&connection, ticket, unit, lines, &news));
            let ends: Vec<Option<String>> = futures::future::join_all(all).await;
            ends.into_iter().flatten().next().unwrap_or_else(|| "the journals have ended".to_owned())
        }
    };
    let _ = news.send(Event::JournalsEnded { ticket, why }).await;
    connector.close().await;
}

/// Follows one journal to its end; why it ended, if that says anything.
async fn unit_of(
    connection: &Connection,
    ticket: u64,
    unit: &'static str,
    lines: usize,
    news: &mpsc::Sender<Event>,
) -> Option<String> {
    let script = Bytes::from(journal::script(unit, lines));
    let mut channel = match connection.exec("sh -s", script).await {
        Ok(channel) => channel,
        Err(error) => return Some(with_sources(&error)),
    };
    let (mut reader, mut held, mut complaint) = (Reader::default(), Vec::new(), String::new());
    while let Some(output) = channel.next().await {
        match output {
            Output::Stdout(data) => {
                held.extend_from_slice(&data);
                let entries = entries(&mut held, unit, &mut reader);
                if !entries.is_empty() && news.send(Event::Journal { ticket, entries }).await.is_err() {
                    return None;
                }
            }
            Output::Stderr(data) if complaint.len() < 200 => complaint += &String::from_utf8_lossy(&data),
            Output::Stderr(_) => {}
            Output::Exit(0) => return None,
            Output::Exit(status) => {
                let said = complaint.lines().next().unwrap_or("it says no more").trim().to_owned();
                return Some(format!("the journal of {unit} cannot be read (status {status}): {said}"));
            }
            Output::Lost(reason) => return Some(format!("the connection was lost: {reason}")),
        }
    }
    None
}

/// Takes whole lines out of what has arrived.
fn entries(held: &mut Vec<u8>, unit: &str, reader: &mut Reader) -> Vec<Entry> {
    let Some(end) = held.iter().rposition(|byte| *byte == b'\n') else {
        held.truncate(MOST_LINE_BYTES);
        return Vec::new();
    };
    let whole: Vec<u8> = held.drain(..=end).collect();
    String::from_utf8_lossy(&whole).lines().filter_map(|line| reader.read(unit, line)).collect()
}
