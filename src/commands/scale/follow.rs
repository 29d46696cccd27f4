//! How it goes, until it is done: bars on a terminal, lines elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::{
    api::{Machine, MachineState, NodePool, Operation, OperationState, find_condition, labels},
    commands::{
        connect,
        exit::{Ended, Exit},
    },
};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Failed looks in a row after which the meta cluster counts as gone.
const PATIENCE: u32 = 60;
/// Machines that have a line of their own on a terminal.
const LINES: usize = 12;
/// How long "held up" has to last before we give up: the controllers may not have looked yet.
const HELD_UP: u32 = 6;

/// Waits until the pool has what it asks for. Answers a sentence, or what went wrong.
pub async fn until_done(client: &Client, namespace: &str, pool: &NodePool) -> Result<String, Ended> {
    let mut screen = Screen::new(pool);
    let (mut failures, mut held_up) = (0, 0);
    // Operations that were over before say nothing about this change.
    let mut old: Option<BTreeSet<String>> = None;
    loop {
        match Look::take(client, namespace, pool).await {
            Err(error) if failures >= PATIENCE => {
                return Err(connect::failed(&error, "list", "machines", Some(namespace)));
            }
            Err(_) => failures += 1,
            Ok(look) => {
                failures = 0;
                let old = old.get_or_insert_with(|| look.over().map(|o| o.uid().unwrap_or_default()).collect());
                screen.show(&look);
                if let Some(failed) = look.failed(old) {
                    screen.clear();
                    return Err(Ended::new(Exit::Failed, failed));
                }
                if look.is_done(pool) {
                    screen.clear();
                    return Ok(look.summary());
                }
                match look.held_up() {
                    Some(why) if held_up >= HELD_UP => {
                        screen.clear();
                        return Err(Ended::new(Exit::Declined, why));
                    }
                    Some(_) => held_up += 1,
                    None => held_up = 0,
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What one look showed.
struct Look {
    pool: NodePool,
    machines: Vec<Machine>,
    operations: Vec<Operation>,
}

impl Look {
    async fn take(client: &Client, namespace: &str, pool: &NodePool) -> Result<Self, kube::Error> {
        let name = pool.name_any();
        let ours = ListParams::default().labels(&format!("{}={name}", labels::POOL));
        let operations: Api<Operation> = Api::namespaced(client.clone(), namespace);
        let machines: Api<Machine> = Api::namespaced(client.clone(), namespace);
        let pools: Api<NodePool> = Api::namespaced(client.clone(), namespace);
        Ok(Self {
            pool: pools.get(&name).await?,
            machines: machines.list(&ours).await?.items,
            operations: operations.list(&ours).await?.items,
        })
    }

    fn over(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|o| o.status.as_ref().and_then(|s| s.state).is_some_and(OperationState::is_final))
    }

    /// An operation that failed since we began.
    fn failed(&self, old: &BTreeSet<String>) -> Option<String> {
        let failed = self.over().find(|o| {
            !old.contains(&o.uid().unwrap_or_default())
                && o.status.as_ref().and_then(|s| s.state) == Some(OperationState::Failed)
        })?;
        let status = failed.status.as_ref()?;
        let first = status.failures.first().map(|f| format!("; {}: {}", f.machine, f.message)).unwrap_or_default();
        let name = failed.name_any();
        let message = status.message.clone().unwrap_or_default();
        Some(format!("{name} failed: {message}{first}. See  quarterdeck logs {name}"))
    }

    fn is_done(&self, asked: &NodePool) -> bool {
        let status = self.pool.status.clone().unwrap_or_default();
        let wanted = self.pool.spec.replicas;
        status.observed_generation >= asked.metadata.generation
            && status.replicas == wanted
            && status.ready_replicas == wanted
            && self.over().count() == self.operations.len()
            && i32::try_from(self.machines.len()) == Ok(wanted)
    }

    /// What stands in the way while nothing else is under way.
    fn held_up(&self) -> Option<String> {
        if self.over().count() < self.operations.len() {
            return None;
        }
        let conditions = self.pool.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
        if find_condition(conditions, "Paused").is_some_and(|c| c.status == "True") {
            return Some(format!("{} is paused: it goes on when the pause is lifted", self.pool.name_any()));
        }
        ["ScalingDown", "ScalingUp"].into_iter().find_map(|type_| {
            let condition = find_condition(conditions, type_)?;
            let resting = condition.reason == format!("Not{type_}");
            (condition.status == "False" && !resting).then(|| format!("{}: {}", condition.reason, condition.message))
        })
    }

    fn ready(&self) -> usize {
        self.machines.iter().filter(|m| state(m) == MachineState::Ready).count()
    }

    fn summary(&self) -> String {
        format!("{}: {} of {} machines are Ready", self.pool.name_any(), self.ready(), self.pool.spec.replicas)
    }
}

fn state(machine: &Machine) -> MachineState {
    machine.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

/// State, phase and what stands in the way, of one machine.
fn words(machine: &Machine) -> String {
    let status = machine.status.clone().unwrap_or_default();
    let state = state(machine).as_str();
    let blocker = status.drain.as_ref().filter(|d| d.completed_at.is_none()).and_then(|d| d.blockers.first());
    match (blocker, status.current_phase, status.message) {
        (Some(b), ..) => format!("{state}  {}: {}", b.pod, b.message),
        (None, Some(phase), _) => format!("{state}  {phase}"),
        (None, None, Some(message)) => format!("{state}  {message}"),
        (None, None, None) => state.to_owned(),
    }
}

/// Where progress is shown; always on standard error.
enum Screen {
    Bars { all: MultiProgress, total: ProgressBar, lines: BTreeMap<String, ProgressBar> },
    Lines { last: BTreeMap<String, String> },
}

impl Screen {
    fn new(pool: &NodePool) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { last: BTreeMap::new() };
        }
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(u64::from(pool.spec.replicas.unsigned_abs().max(1))));
        let style = ProgressStyle::with_template("{msg} [{bar:32}] {pos}/{len} Ready  {elapsed}");
        total.set_style(style.expect("the template is valid").progress_chars("=> "));
        total.set_message(pool.name_any());
        Self::Bars { all, total, lines: BTreeMap::new() }
    }

    fn show(&mut self, look: &Look) {
        match self {
            Self::Lines { last } => {
                for machine in &look.machines {
                    let (name, words) = (machine.name_any(), words(machine));
                    if last.get(&name) != Some(&words) {
                        eprintln!("{name}  {words}");
                        last.insert(name, words);
                    }
                }
                let gone: Vec<_> =
                    last.keys().filter(|n| look.machines.iter().all(|m| m.name_any() != **n)).cloned().collect();
                for name in gone {
                    eprintln!("{name}  Released");
                    last.remove(&name);
                }
            }
            Self::Bars { all, total, lines } => {
                total.set_position(look.ready() as u64);
                let at_rest = |m: &Machine| state(m) == MachineState::Ready;
                let moving: Vec<_> = look.machines.iter().filter(|m| !at_rest(m)).take(LINES).collect();
                lines.retain(|name, bar| {
                    let stays = moving.iter().any(|m| m.name_any() == *name);
                    if !stays {
                        bar.finish_and_clear();
                    }
                    stays
                });
                for machine in moving {
                    let bar = lines.entry(machine.name_any()).or_insert_with(|| {
                        let bar = all.add(ProgressBar::new(1));
                        bar.set_style(ProgressStyle::with_template("  {msg}").expect("the template is valid"));
                        bar
                    });
                    bar.set_message(format!("{}  {}", machine.name_any(), words(machine)));
                }
            }
        }
    }

    fn clear(&mut self) {
        if let Self::Bars { total, lines, .. } = self {
            lines.values().for_each(ProgressBar::finish_and_clear);
            total.finish();
        }
    }
}
