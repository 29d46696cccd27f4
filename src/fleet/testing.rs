//! A fleet in a few lines of text, for tests of whatever draws from a [`Snapshot`]: no server, no watch, no clock.
//!
//! One line is one object. A pool belongs to the cluster above it, a machine to the pool above it; `idle` machines
//! belong to nobody. What is not a known word and has a `=` becomes a label. A value with spaces stands in `"…"`.
//!
//! ```text
//! cluster eu-1 version=1.34.2 phase=Running production simulated
//! pool gpu replicas=3 role=Worker phase=Ready selector.gpu=h100 paused
//! machine m-1 Ready node=n-1 kubelet=1.34.2 rack=r12
//! machine m-2 Provisioning phases=Preflight:ok:20,Kubelet:run:12,Join op=eu-1-gpu-up since=32
//! machine m-3 Failed phases=Preflight:ok:20,Kubelet:fail:9 message="kubelet does not start"
//! operation eu-1-gpu-up ScaleUp Running 1/3 by=alice reason="launch" machines=m-2,m-3
//! event Warning DrainBlocked Machine/m-3 "pdb web/api allows 0" ago=5 count=37
//! idle 4 spare- gpu=h100 rack=r13
//! offline "the server does not answer"
//! ```
//!
//! A cluster may offer `versions=1.33.6,1.34.2` and have a `window="0 9 * * 2-4 +240"` (schedule and minutes), and its pods may be `counted` or `uncounted` for a forecast; a pool may be `to=1.34.2 from=1.33.6` with `updated=2 outdated=4`, and then
//! `rev=new` marks the machines that are there; `previous=1.33.6` is what it goes back to; `blocked=web/api` names the budget
//! that holds a drain up; an event that says `by=alice why=reason` was written by a console; and `maintained` is a machine that somebody cordoned by hand.
//!
//! The UID of an object is `uid-` and its name. The time is [`NOW`]; `since`, `ago` and the numbers of phases are
//! seconds, the last phase that has begun ends (or runs) at [`NOW`].

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{Event, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};

use super::{
    Change, Connection, Contact, ContextId, EventRow, Index, Interner, Kind, Line, MachineRow, OperationRow, Part,
    PoolRow, Snapshot, Uid, Welcome, merge,
};
use crate::api::{
    ArtifactsSpec, BudgetStanding, ClaimReference, Cluster, ClusterDeployment, ClusterDeploymentSpec, ClusterSpec,
    ClusterStatus, DeprecatedApi, Disruption, Machine, MachineReference, MachineSpec, MachineState, MachineStatus,
    Maintenance, MaintenanceWindow, NodePool, NodePoolSpec, NodePoolStatus, NodeStatus, Operation, OperationProgress,
    OperationSpec, OperationStatus, PhaseState, PreviousRevision, Role, labels,
};

mod values;
mod words;

use values::{blocked, budget, phases, rollout};
use words::{Words, parsed};

/// What time it is in such a fleet.
pub const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0); // 2026-11-21T12:00:00Z

/// The snapshot of the fleet that `text` describes.
///
/// # Panics
/// On a line that it does not understand, with that line.
pub fn snapshot(text: &str) -> Arc<Snapshot> {
    fleet(text).publish()
}

/// An index that holds that fleet, to apply further changes to.
pub fn fleet(text: &str) -> Index {
    fleet_of(ContextId::FIRST, text)
}

/// The identity of the object of that name.
pub fn uid(name: &str) -> Uid {
    uid_in(ContextId::FIRST, name)
}

/// The identity of the object of that name in one of several contexts.
pub fn uid_in(context: ContextId, name: &str) -> Uid {
    Uid::new(context, format!("uid-{name}"))
}

/// Several meta clusters, each with its name and a fleet. What has the same name has the same UID, as in one that was
/// restored from the backup of another.
pub fn several(contexts: &[(&str, &str)]) -> Arc<Snapshot> {
    let part = |(at, (name, text)): (usize, &(&str, &str))| Part {
        name: (*name).into(),
        snapshot: fleet_of(ContextId::at(at), text).publish(),
        welcome: Some(Arc::new(Welcome { namespace: "fleet".to_owned(), only_look: None })),
    };
    Arc::new(merge(contexts.iter().enumerate().map(part).collect(), &Snapshot::default()))
}

fn fleet_of(context: ContextId, text: &str) -> Index {
    let mut builder = Builder {
        index: Index::of(context),
        interner: Interner::of(context),
        cluster: String::new(),
        pool: String::new(),
        simulated: false,
        line: Line::Live,
        events: 0,
    };
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        assert!(builder.line(line).is_some(), "cannot read this line of a fleet: {line}");
    }
    builder.finish()
}

struct Builder {
    index: Index,
    interner: Interner,
    cluster: String,
    pool: String,
    simulated: bool,
    line: Line,
    events: usize,
}

fn ago(seconds: i64) -> Time {
    Time(NOW - SignedDuration::from_secs(seconds))
}

fn window(words: &str) -> Option<MaintenanceWindow> {
    let (schedule, minutes) = words.split_once(" +")?;
    Some(MaintenanceWindow { schedule: schedule.to_owned(), duration_minutes: minutes.parse().ok()?, time_zone: None })
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some("fleet".to_owned()),
        uid: Some(format!("uid-{name}")),
        resource_version: Some("1".to_owned()),
        creation_timestamp: Some(ago(3600)),
        ..ObjectMeta::default()
    }
}

impl Builder {
    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = Words::of(line);
        match words.bare.first()?.as_str() {
            "cluster" => self.cluster(&mut words),
            "pool" => self.pool(&mut words),
            "machine" => self.machine(&mut words),
            "idle" => self.idle(&words),
            "operation" => self.operation(&mut words),
            "event" => self.event(&mut words),
            "connecting" => {
                self.line = Line::Connecting;
                Some(())
            }
            "offline" => {
                let error = words.at(1).unwrap_or_else(|| "the server does not answer".to_owned()).into();
                let next = NOW + SignedDuration::from_secs(12);
                self.line = Line::Offline { since: ago(180).0, attempt: 4, next, error };
                Some(())
            }
            _ => None,
        }
    }

    fn cluster(&mut self, words: &mut Words) -> Option<()> {
        self.cluster = words.at(1)?;
        self.simulated = words.flag("simulated");
        let mut meta = metadata(&self.cluster);
        let mut marks = BTreeMap::new();
        if words.flag("production") {
            marks.insert(labels::ENVIRONMENT.to_owned(), "production".to_owned());
        }
        if self.simulated {
            marks.insert(labels::SIMULATED.to_owned(), "true".to_owned());
        }
        meta.labels = Some(marks);
        let version = words.take("version").unwrap_or_else(|| "1.34.2".to_owned());
        let versions = words.take("versions").unwrap_or_default();
        let versions = versions.split(',').filter(|v| !v.is_empty()).map(ToOwned::to_owned).collect();
        let windows = words.take("window").map_or(Some(Vec::new()), |w| Some(vec![window(&w)?]))?;
        let spec = ClusterDeploymentSpec {
            maintenance_windows: windows,
            version: version.clone(),
            paused: words.flag("paused"),
            artifacts: ArtifactsSpec { versions },
            ..Default::default()
        };
        let phase = words.take("phase").unwrap_or_else(|| "Running".to_owned());
        let counted = words.flag("counted");
        let budgets: Vec<BudgetStanding> =
            words.take("budgets").unwrap_or_default().split_terminator(',').filter_map(budget).collect();
        let disruption = (counted || words.flag("uncounted")).then(|| Disruption {
            pods_counted_at: counted.then(|| ago(1)),
            budgets_total: i32::try_from(budgets.len()).unwrap_or(i32::MAX),
            budgets,
            ..Disruption::default()
        });
        let deprecated = |text: String| {
            let (api, release) = text.split_once('@')?;
            let (version, resource) = api.rsplit_once('/')?;
            let (api_version, resource) = (version.to_owned(), resource.to_owned());
            Some(vec![DeprecatedApi { api_version, resource, removed_in: release.to_owned() }])
        };
        let status = ClusterStatus {
            phase: Some(parsed(&phase)?),
            version: Some(version),
            endpoint: Some(format!("https://{}.example", self.cluster)),
            last_probe_time: Some(ago(2)),
            disruption,
            deprecated_apis: words.take("deprecated").and_then(deprecated),
            ..ClusterStatus::default()
        };
        let mut observed = meta.clone();
        observed.uid = Some(format!("uid-observed-{}", self.cluster));
        self.index.apply(Change::Deployment(Arc::new(ClusterDeployment { metadata: meta, spec, status: None })));
        let cluster = Cluster {
            metadata: observed,
            spec: ClusterSpec { deployment_name: self.cluster.clone() },
            status: Some(status),
        };
        self.index.apply(Change::Cluster(Arc::new(cluster)));
        Some(())
    }

    fn pool(&mut self, words: &mut Words) -> Option<()> {
        self.pool = format!("{}-{}", self.cluster, words.at(1)?);
        let selector =
            words.values.iter().filter_map(|(k, v)| Some((k.strip_prefix("selector.")?.to_owned(), v.clone())));
        let replicas = words.values.get("replicas").map_or(Some(0), |n| n.parse().ok())?;
        let spec = NodePoolSpec {
            cluster_name: self.cluster.clone(),
            replicas,
            machine_selector: selector.collect(),
            role: words.values.get("role").map_or(Some(Role::default()), |r| parsed(r))?,
            version: words.take("version"),
            paused: words.flag("paused"),
            ..NodePoolSpec::default()
        };
        let phase = words.take("phase").map_or(Some(None), |p| parsed(&p).map(Some))?;
        let previous_revision = words.take("previous").map(|version| PreviousRevision {
            revision: "before".to_owned(),
            version: Some(version),
            ..PreviousRevision::default()
        });
        let rollout = words.take("to").map(|version| rollout(words, version));
        let version = rollout.as_ref().and_then(|r| r.version.clone());
        let status =
            NodePoolStatus { replicas, phase, version, previous_revision, rollout, ..NodePoolStatus::default() };
        let pool = NodePool { metadata: metadata(&self.pool), spec, status: Some(status) };
        self.index.apply(Change::Pool(Arc::new(PoolRow::project(pool, &mut self.interner))));
        Some(())
    }

    fn idle(&mut self, words: &Words) -> Option<()> {
        let (count, prefix) = (words.at(1)?.parse::<usize>().ok()?, words.at(2)?);
        for n in 1..=count {
            let mut machine = host(&format!("{prefix}{n}"), words.values.clone());
            machine.status = Some(MachineStatus { state: Some(MachineState::Idle), ..MachineStatus::default() });
            self.put(machine);
        }
        Some(())
    }

    fn machine(&mut self, words: &mut Words) -> Option<()> {
        let state: MachineState = parsed(&words.at(2)?)?;
        let phases = words.take("phases").map_or(Some(Vec::new()), |p| phases(&p))?;
        let current = phases.iter().rfind(|p| p.state != PhaseState::Pending).map(|p| p.name.clone());
        let serves = matches!(state, MachineState::Ready | MachineState::NotReady | MachineState::Draining);
        let node = words.take("node").or_else(|| serves.then(|| format!("{}-node", words.bare[1])));
        let kubelet = words.take("kubelet").unwrap_or_else(|| "1.34.2".to_owned());
        let ready = if state == MachineState::NotReady { "False" } else { "True" };
        let status = MachineStatus {
            state: Some(state),
            state_since: Some(ago(words.take("since").map_or(Some(60), |s| s.parse().ok())?)),
            message: words.take("message"),
            current_phase: words.take("phase").or(current).filter(|_| state != MachineState::Ready),
            operation: words.take("op"),
            phases,
            node: node.map(|name| NodeStatus {
                uid: Some(format!("uid-{name}")),
                name: Some(name),
                ready: ready.to_owned(),
                unschedulable: state == MachineState::Draining || words.flag("cordoned"),
                kubelet_version: Some(kubelet),
                ..NodeStatus::default()
            }),
            drain: words.take("blocked").map(|pdb| blocked(&pdb)),
            ..MachineStatus::default()
        };
        let revision = words.take("rev");
        let mut machine = host(&words.at(1)?, std::mem::take(&mut words.values));
        machine.spec.claim_ref = (state != MachineState::Idle).then(|| ClaimReference {
            name: format!("{}-abc12", self.pool),
            uid: format!("uid-{}-abc12", self.pool),
            cluster_name: self.cluster.clone(),
            pool_name: self.pool.clone(),
            claimed_at: Some(ago(600)),
            revision,
            ..ClaimReference::default()
        });
        machine.spec.paused = words.flag("paused");
        machine.spec.maintenance = words.flag("maintained").then(Maintenance::default);
        machine.status = Some(status);
        self.put(machine);
        Some(())
    }

    fn put(&mut self, mut machine: Machine) {
        if self.simulated {
            let labels = machine.metadata.labels.get_or_insert_default();
            labels.insert(labels::SIMULATED.to_owned(), "true".to_owned());
        }
        self.index.apply(Change::Machine(Arc::new(MachineRow::project(machine, &mut self.interner))));
    }

    fn operation(&mut self, words: &mut Words) -> Option<()> {
        let counts = words.at(4).unwrap_or_else(|| "0/1".to_owned());
        let (done, total) = counts.split_once('/')?;
        let (succeeded, total) = (done.parse().ok()?, total.parse().ok()?);
        let machines = words.take("machines").unwrap_or_default();
        let machine = |name: &str| MachineReference { name: name.to_owned(), uid: format!("uid-{name}") };
        let state = parsed(&words.at(3)?)?;
        let spec = OperationSpec {
            type_: parsed(&words.at(2)?)?,
            cluster_name: self.cluster.clone(),
            pool_name: Some(self.pool.clone()),
            machines: machines.split(',').filter(|n| !n.is_empty()).map(machine).collect(),
            runbook: "node-join".to_owned(),
            requested_by: words.take("by"),
            reason: words.take("reason"),
            paused: words.flag("paused"),
            ..OperationSpec::default()
        };
        let failed = words.take("failed").map_or(Some(0), |n| n.parse().ok())?;
        let name = words.at(1)?;
        let over = crate::api::OperationState::is_final(state);
        let status = OperationStatus {
            state: Some(state),
            job_name: Some(format!("op-{name}-1")),
            run: 1,
            started_at: Some(ago(120)),
            finished_at: over.then(|| ago(10)),
            progress: Some(OperationProgress { total, succeeded, failed, ..OperationProgress::default() }),
            message: words.take("message"),
            ..OperationStatus::default()
        };
        let operation = Operation { metadata: metadata(&name), spec, status: Some(status) };
        self.index.apply(Change::Operation(Arc::new(OperationRow::project(operation, &mut self.interner))));
        Some(())
    }

    fn event(&mut self, words: &mut Words) -> Option<()> {
        self.events += 1;
        let about = words.at(3)?;
        let (kind, name) = about.split_once('/')?;
        let at = ago(words.take("ago").map_or(Some(self.events as i64), |s| s.parse().ok())?);
        let notes = [(labels::REQUESTED_BY, words.take("by")), (labels::REASON, words.take("why"))];
        let notes: BTreeMap<_, _> = notes.into_iter().filter_map(|(key, note)| Some((key.to_owned(), note?))).collect();
        let console = (!notes.is_empty()).then(|| labels::CONSOLE_MANAGER.to_owned());
        let event = Event {
            reporting_component: console,
            metadata: ObjectMeta { annotations: Some(notes), ..metadata(&format!("event-{}", self.events)) },
            type_: Some(words.at(1)?),
            reason: Some(words.at(2)?),
            message: words.at(4),
            count: words.take("count").map_or(Some(Some(1)), |n| n.parse().ok().map(Some))?,
            first_timestamp: Some(at.clone()),
            last_timestamp: Some(at),
            involved_object: ObjectReference {
                api_version: Some(format!("{}/{}", crate::api::GROUP, crate::api::VERSION)),
                kind: Some(kind.to_owned()),
                name: Some(name.to_owned()),
                uid: Some(format!("uid-{name}")),
                ..ObjectReference::default()
            },
            ..Event::default()
        };
        self.index.apply(Change::Event(Arc::new(EventRow::project(event, &mut self.interner)?)));
        Some(())
    }

    fn finish(mut self) -> Index {
        let contact = Contact::default();
        contact.touch(NOW);
        let line = self.line;
        self.index.apply(Change::Connection(Connection { line, contact, refused: Arc::default() }));
        for kind in Kind::ALL {
            self.index.apply(Change::Complete(kind));
        }
        self.index
    }
}

fn host(name: &str, labels: BTreeMap<String, String>) -> Machine {
    let mut metadata = metadata(name);
    metadata.labels = Some(labels);
    let spec = MachineSpec { address: format!("{name}.example"), ..MachineSpec::default() };
    Machine { metadata, spec, status: None }
}

#[cfg(test)]
mod tests;
