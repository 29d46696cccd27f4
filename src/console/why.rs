//! Why a machine is not Ready: what the page about it keeps, and the chain of causes that stands on top.
//!
//! Below stand the log of its operation and the journals of its host, merged by time.

use super::{
    hosts::journal::{self, Entry},
    log,
    message::OperationKey,
    state::State,
    text,
};
use crate::{
    api::{Machine, PhaseState},
    fleet::{Health, Interner, MachineRow, OperationRow, PhaseRow, Uid},
};
use jiff::Timestamp;
use serde::Deserialize;
use std::{collections::VecDeque, sync::Arc};

/// Lines that are kept of all sources together.
const MOST_ENTRIES: usize = 3_000;
/// Lines of its past that are asked for of each journal.
pub const JOURNAL_LINES: usize = 300;
/// Lines of its past that are asked for of the operation's log, which tells of other machines as well.
pub const LOG_LINES: usize = 2_000;
/// What the log of the operation is called among the sources.
const RUNBOOK: &str = "runbook";

/// The page.
#[derive(Clone, Debug)]
pub struct Why {
    /// Which question the journals belong to, and the log.
    pub ticket: u64,
    pub uid: Uid,
    pub name: Arc<str>,
    pub operation: Option<OperationKey>,
    pub entries: Entries,
    /// Lines below the window; 0 while it follows.
    pub scroll: usize,
    pub following: bool,
    /// Why no more comes from the host.
    pub ended: Option<String>,
}

impl Why {
    pub fn new(ticket: u64, machine: &MachineRow, operation: Option<OperationKey>) -> Self {
        Self {
            ticket,
            uid: machine.uid.clone(),
            name: machine.name.clone(),
            operation,
            entries: Entries::default(),
            scroll: 0,
            following: true,
            ended: None,
        }
    }

    /// Takes lines in. What is being read stays where it is, unless it falls out.
    pub fn take(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let bottom = self.entries.len().saturating_sub(self.scroll);
            if self.entries.insert(entry).is_some_and(|at| at >= bottom) && !self.following {
                self.scroll += 1;
            }
        }
        self.scroll = self.scroll.min(self.entries.len());
    }
}

/// Lines of several sources in the order of their time; the oldest fall out.
#[derive(Clone, Debug, Default)]
pub struct Entries(VecDeque<Entry>);

impl Entries {
    /// Where it was put; nowhere if it is older than all that there is room for.
    fn insert(&mut self, entry: Entry) -> Option<usize> {
        let mut at = self.0.partition_point(|known| known.at <= entry.at);
        if self.0.len() >= MOST_ENTRIES {
            at = at.checked_sub(1)?;
            self.0.pop_front();
        }
        self.0.insert(at, entry);
        Some(at)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From the newest back.
    pub fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().rev()
    }

    /// How many lines came from this source.
    pub fn of(&self, source: &str) -> usize {
        self.0.iter().filter(|entry| entry.line.phase == source).count()
    }

    /// Forgets what came from the log of the operation, which begins anew.
    pub fn forget_log(&mut self) {
        self.0.retain(|entry| entry.line.phase != RUNBOOK);
    }
}

/// The moment of a line of an operation's log.
#[derive(Deserialize)]
struct Moment {
    at: Timestamp,
}

/// A line of the operation's log, if it is about this machine and says when.
pub fn of_log(raw: &str, machine: &str) -> Option<Entry> {
    let Moment { at } = serde_json::from_str(raw).ok()?;
    let line = log::Line::parse(raw);
    if line.machine != machine {
        return None;
    }
    let text = if line.phase.is_empty() { line.text } else { format!("{}: {}", line.phase, line.text) };
    Some(Entry { at, line: log::Line { tone: line.tone, ..journal::line(at, RUNBOOK, &text) } })
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub health: Health,
    pub what: String,
    /// In the words of whoever found out; may be long.
    pub said: String,
}

/// What is wrong with a machine, from what is seen of it outward down to what happened on it.
pub fn causes(state: &State, machine: &MachineRow) -> Vec<Cause> {
    let resource = state.resource_of(machine).map(AsRef::as_ref);
    let mut causes = of_conditions(resource, state.now);
    causes.extend(of_node(machine, state.now));
    causes.extend(of_phase(state, machine, resource));
    causes.extend(of_drain(machine));
    // What stands farther down again, and there at its place, is said once.
    for at in (1..causes.len()).rev() {
        let (before, here) = causes.split_at_mut(at);
        let same = |cause: &&mut Cause| !here[0].said.is_empty() && cause.said.ends_with(&here[0].said);
        before.iter_mut().filter(same).for_each(|cause| cause.said.clear());
    }
    if causes.is_empty() && machine.health.is_problem() {
        let said = machine.message.as_deref().unwrap_or("nobody has said why").to_owned();
        causes.push(Cause { health: machine.health, what: machine.state.as_str().to_owned(), said });
    }
    causes
}

fn of_conditions(resource: Option<&Machine>, now: Timestamp) -> Vec<Cause> {
    let conditions = resource.and_then(|m| m.status.as_ref()).map_or(&[][..], |status| &status.conditions);
    // One of them is good news when it is not true.
    let good = |type_: &str| if type_ == "DrainBlocked" { "False" } else { "True" };
    let wrong = conditions.iter().filter(|condition| condition.status != good(&condition.type_));
    let cause = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| Cause {
        health: if condition.status == "False" && condition.type_ == "Ready" { Health::Bad } else { Health::Warning },
        what: format!(
            "condition {} is {}, {} {}",
            condition.type_,
            condition.status,
            condition.reason,
            text::duration(text::seconds_between(condition.last_transition_time.0, now))
        ),
        said: condition.message.clone(),
    };
    wrong.map(cause).collect()
}

fn of_node(machine: &MachineRow, now: Timestamp) -> Option<Cause> {
    let node = machine.node.as_ref().filter(|node| node.ready != Some(true))?;
    let since = node.since.map(|at| format!(" {}", text::duration(text::seconds_between(at, now)))).unwrap_or_default();
    let word = if node.ready.is_some() { "NotReady" } else { "unknown" };
    Some(Cause {
        health: if node.ready.is_some() { Health::Bad } else { Health::Warning },
        what: format!("node {} is {word}{since}", node.name.as_deref().unwrap_or("–")),
        said: node.reason.as_deref().unwrap_or_default().to_owned(),
    })
}

/// The phase that failed last, with what its step said.
fn of_phase(state: &State, machine: &MachineRow, resource: Option<&Machine>) -> Option<Cause> {
    let kept;
    let phases: &[PhaseRow] = if machine.phases.is_empty() {
        kept = MachineRow::project(resource?.clone(), &mut Interner::default()).phases;
        &kept
    } else {
        &machine.phases
    };
    let phase = phases.iter().rev().find(|phase| phase.state == PhaseState::Failed)?;
    let operation =
        machine.operation.as_deref().and_then(|name| state.snapshot.operation_named(machine.uid.context, name));
    let failure = operation.and_then(|o| o.failures.iter().rev().find(|failure| failure.machine == *machine.name));
    let class = failure.map(|failure| format!(" ({:?})", failure.class)).unwrap_or_default();
    let step = phase.step.as_deref().map(|step| format!(" › {step}")).unwrap_or_default();
    let ago = phase.finished_at.map(|at| format!(", {} ago", text::duration(text::seconds_between(at, state.now))));
    let said = failure.map(|f| f.message.as_str()).or(phase.message.as_deref()).or(machine.message.as_deref());
    Some(Cause {
        health: Health::Bad,
        what: format!("phase {}{step} failed{class}{}", phase.name, ago.unwrap_or_default()),
        said: said.unwrap_or_default().to_owned(),
    })
}

fn of_drain(machine: &MachineRow) -> Option<Cause> {
    let drain = machine.drain.as_deref().filter(|drain| drain.completed_at.is_none())?;
    let blocker = drain.blockers.first()?;
    let left = drain.blockers.len();
    Some(Cause {
        health: Health::Warning,
        what: format!("its drain is blocked by {}", text::plural(left, "pod")),
        said: format!("{}: {}", blocker.pod, blocker.message),
    })
}

/// A machine of an operation that failed there.
pub fn failed_machine<'a>(state: &'a State, operation: &OperationRow) -> Option<&'a Arc<MachineRow>> {
    let context = operation.uid.context;
    let failed = operation.failures.last().map(|failure| failure.machine.as_str());
    let is_it = |machine: &&Arc<MachineRow>| match failed {
        Some(name) => *machine.name == *name,
        None => machine.health == Health::Bad && machine.operation.as_deref() == Some(&*operation.name),
    };
    let pool = state.snapshot.pool_named(context, operation.pool.as_deref()?);
    let of_pool = pool.and_then(|node| node.machines.iter().find(is_it));
    // It may have left the pool since; then it is among those that nobody has claimed.
    of_pool.or_else(|| state.snapshot.idle(context)?.iter().find(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: i64, source: &str) -> Entry {
        let at = Timestamp::from_second(second).expect("a moment");
        Entry { at, line: journal::line(at, source, &second.to_string()) }
    }

    fn shown(why: &Why) -> String {
        let all: Vec<&str> = why.entries.newest_first().map(|entry| entry.line.text.as_str()).collect();
        all.join(" ")
    }

    fn page() -> Why {
        let snapshot = crate::fleet::testing::snapshot("cluster eu-1\npool gpu\nmachine m-1 Ready");
        Why::new(1, snapshot.machine(&crate::fleet::testing::uid("m-1")).expect("it is there"), None)
    }

    #[test]
    fn sources_are_merged_by_time() {
        let mut why = page();
        why.take([1, 4, 9].map(|at| entry(at, "kubelet")));
        why.take([3, 4, 10].map(|at| entry(at, "containerd")));
        assert_eq!(shown(&why), "10 9 4 4 3 1");
        assert_eq!(why.entries.of("kubelet"), 3);
    }

    #[test]
    fn what_is_read_stays_where_it_is() {
        let mut why = page();
        why.take((0..10).map(|at| entry(at, "kubelet")));
        (why.following, why.scroll) = (false, 4);
        why.take([entry(2, "etcd"), entry(8, "etcd"), entry(20, "etcd")]);
        assert_eq!(why.scroll, 6, "two of them are below the window");
    }

    #[test]
    fn the_oldest_fall_out_and_what_is_older_still_does_not_come_in() {
        let mut why = page();
        why.take((100..100 + MOST_ENTRIES as i64 + 5).map(|at| entry(at, "kubelet")));
        assert_eq!(why.entries.len(), MOST_ENTRIES);
        why.take([entry(1, "etcd")]);
        assert_eq!((why.entries.len(), why.entries.of("etcd")), (MOST_ENTRIES, 0));
    }

    #[test]
    fn lines_of_the_log_are_those_of_the_machine() {
        let raw = |machine: &str| {
            format!(
                r#"{{"at":"2026-11-21T12:00:01Z","machine":"{machine}","phase":"Join","event":"output","line":"ok"}}"#
            )
        };
        assert_eq!(of_log(&raw("m-1"), "m-1").map(|e| e.line.text), Some("Join: ok".to_owned()));
        assert_eq!(of_log(&raw("m-2"), "m-1"), None);
        assert_eq!(of_log("plain", "m-1"), None);
    }
}
