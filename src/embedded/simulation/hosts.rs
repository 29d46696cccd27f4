//! All simulated hosts of a demo: who they are, what they remember, and the steps that run on them.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::BoxFuture;
use russh::{MethodKind, MethodSet, server};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    host::{Attempt, Decision, Memory},
    journal::{Journal, Record},
    keys::Keyring,
    plight::Plight,
    timing::Pace,
    vitals::Born,
};
use crate::runbook::wire::{Start, StepHeader};

/// What a step that ended did to the host; awaited before anybody hears of the end, and perhaps told twice.
pub type OnEnd = Arc<dyn Fn(String, Attempt) -> BoxFuture<'static, ()> + Send + Sync>;

/// One simulated host.
pub struct Host {
    pub name: String,
    pub address: Ipv4Addr,
    memory: Mutex<Memory>,
    plight: Mutex<Plight>,
    /// What it was before anything happened here.
    born: OnceLock<Born>,
    /// Told when it is not reached any more.
    lost: Notify,
    /// Told whenever a step ends.
    ended: Notify,
    config: OnceLock<Arc<server::Config>>,
}

/// All of them.
pub struct Hosts {
    hosts: Vec<Arc<Host>>,
    by_address: HashMap<Ipv4Addr, Arc<Host>>,
    pub keyring: Keyring,
    pub pace: Pace,
    journal: Journal,
    on_end: OnEnd,
    pub tasks: TaskTracker,
    pub cancel: CancellationToken,
}

/// What hosts are made from.
pub struct HostsOptions {
    pub machines: Vec<(String, Ipv4Addr)>,
    pub keyring: Keyring,
    pub pace: Pace,
    pub journal: Journal,
    pub memories: BTreeMap<String, Memory>,
    pub on_end: OnEnd,
    pub cancel: CancellationToken,
}

impl Hosts {
    /// Makes the hosts, and lets go on what was running when the process ended.
    pub fn start(mut options: HostsOptions) -> Arc<Self> {
        let host = |(name, address): (String, Ipv4Addr)| {
            let memory = Mutex::new(options.memories.remove(&name).unwrap_or_default());
            let (plight, lost, ended) = (Mutex::default(), Notify::new(), Notify::new());
            Arc::new(Host {
                name,
                address,
                memory,
                plight,
                born: OnceLock::new(),
                lost,
                ended,
                config: OnceLock::new(),
            })
        };
        let hosts: Vec<_> = options.machines.into_iter().map(host).collect();
        let this = Arc::new(Self {
            by_address: hosts.iter().map(|h| (h.address, h.clone())).collect(),
            hosts,
            keyring: options.keyring,
            pace: options.pace,
            journal: options.journal,
            on_end: options.on_end,
            tasks: TaskTracker::new(),
            cancel: options.cancel,
        });
        for host in &this.hosts {
            let running: Vec<_> = host.memory().running().cloned().collect();
            for attempt in running {
                this.carry_on(host.clone(), attempt);
            }
        }
        this
    }

    pub fn at(&self, address: Ipv4Addr) -> Option<Arc<Host>> {
        self.by_address.get(&address).cloned()
    }

    pub fn all(&self) -> &[Arc<Host>] {
        &self.hosts
    }

    /// What the SSH server of a host is configured with; its key is made at the first connection.
    pub fn config(&self, host: &Host) -> Arc<server::Config> {
        let make = || {
            Arc::new(server::Config {
                server_id: russh::SshId::Standard("SSH-2.0-Quarterdeck_simulated".into()),
                methods: MethodSet::from(&[MethodKind::PublicKey][..]),
                keys: vec![self.keyring.host(&host.plight().identity(&host.name))],
                auth_rejection_time: Duration::from_millis(200),
                auth_rejection_time_initial: Some(Duration::ZERO),
                inactivity_timeout: None,
                // Somebody who went away without a word is found out.
                keepalive_interval: Some(Duration::from_mins(5)),
                nodelay: true,
                ..server::Config::default()
            })
        };
        host.config.get_or_init(make).clone()
    }

    /// Answers a request for a step, and begins it if that is the answer.
    pub fn ask(self: &Arc<Self>, host: &Arc<Host>, header: &StepHeader) -> io::Result<Decision> {
        let mut memory = host.memory();
        let mut decision = memory.decide(header, &self.pace, now());
        if let Decision::Begin(attempt) = &mut decision {
            host.plight().shape(&mut attempt.course, header.timeout_seconds);
        }
        match &decision {
            Decision::Begin(attempt) => {
                self.journal.write(&host.name, &Record::Begin(attempt.clone()))?;
                memory.begin(attempt.clone());
                self.carry_on(host.clone(), attempt.clone());
            }
            Decision::Refuse(_) => {}
            _ => {
                if memory.raise_fence(header.fence) {
                    self.journal.write(&host.name, &Record::Fence(header.fence))?;
                }
            }
        }
        Ok(decision)
    }

    /// Lets an attempt come to its end, whether or not anybody listens.
    fn carry_on(self: &Arc<Self>, host: Arc<Host>, attempt: Attempt) {
        let this = self.clone();
        self.tasks.spawn(async move {
            let work = async {
                wait(until(attempt.ends_at())).await;
                (this.on_end)(host.name.clone(), attempt.clone()).await;
            };
            if this.cancel.run_until_cancelled(work).await.is_none() {
                return;
            }
            if let Err(error) = this.journal.write(&host.name, &Record::End(attempt.clone())) {
                tracing::warn!(host = host.name, %error, "the journal of simulated hosts cannot be written");
            }
            host.memory().end(&attempt);
            host.ended.notify_waiters();
        });
    }
}

impl Host {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with it.
    pub fn plight(&self) -> Plight {
        *self.plight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this is wrong with it. Another key shows from the next start of the process at the latest: who has
    /// connected has seen the old one.
    pub fn suffer(&self, plight: Plight) {
        *self.plight.lock().unwrap_or_else(PoisonError::into_inner) = plight;
        if plight.lost {
            self.lost.notify_waiters();
        }
    }

    /// What it was before anything happened in the demo.
    pub fn born(&self) -> Born {
        self.born.get().copied().unwrap_or_default()
    }

    /// It is a node from the beginning. Only the first word counts.
    pub fn is_born(&self, born: Born) {
        let _ = self.born.set(born);
    }

    /// A host that nobody serves, for tests of what it would say.
    #[cfg(test)]
    pub fn alone(name: &str, memory: Memory, plight: Plight, born: Born) -> Self {
        Self {
            name: name.to_owned(),
            address: Ipv4Addr::LOCALHOST,
            memory: Mutex::new(memory),
            plight: Mutex::new(plight),
            born: born.into(),
            lost: Notify::new(),
            ended: Notify::new(),
            config: OnceLock::new(),
        }
    }

    /// Returns when it is not reached any more.
    pub async fn until_lost(&self) {
        let lost = self.lost.notified();
        tokio::pin!(lost);
        lost.as_mut().enable();
        if !self.plight().lost {
            lost.await;
        }
    }

    /// A copy of what it remembers.
    pub fn remembers(&self) -> Memory {
        self.memory().clone()
    }

    pub fn has_ended(&self, attempt: &Attempt) -> bool {
        self.memory().has_ended(attempt)
    }

    /// Returns when the attempt has ended.
    pub async fn wait_for(&self, attempt: &Attempt) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.has_ended(attempt) {
                return;
            }
            ended.await;
        }
    }
}

impl Decision {
    /// What the start line says, and which attempt is to be followed, if one is.
    pub fn start(&self) -> (Start, Option<&Attempt>) {
        match self {
            Self::Refuse(_) => (Start::Fresh, None),
            Self::Receipt(_) => (Start::Receipt, None),
            Self::Replay(attempt) | Self::Attach(attempt) => (Start::Attached, Some(attempt)),
            Self::Begin(attempt) => (Start::Fresh, Some(attempt)),
        }
    }
}

/// Sleeps; not at all for no time, where a timer would take a millisecond.
async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// How long it is until a moment in milliseconds since 1970; nothing if it has passed.
pub fn until(moment: u64) -> Duration {
    Duration::from_millis(moment.saturating_sub(now()))
}
