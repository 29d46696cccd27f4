//! What happened before: finished operations, from which estimates are made.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt, api::Patch};
use serde_json::{Value, json};

use super::{NAMESPACE, Seed, all, params};
use crate::{
    api::{Machine, Operation, PhaseDuration, labels},
    embedded::simulation::{inventory::MachinePlan, timing::Pace},
    runbook::{self, wire::StepHeader},
};

/// Machines that durations are summed up over.
const SAMPLE: usize = 40;
/// An operation names at most this many machines.
const MACHINES: usize = 1000;

/// One operation that is over.
struct Past {
    name: String,
    cluster: String,
    pool: String,
    type_: &'static str,
    runbook: &'static str,
    machines: Vec<Value>,
    reason: &'static str,
    from: usize,
    to: usize,
    ago: Duration,
}

impl Seed {
    /// The operation that a pool's machines came with.
    pub(super) fn first_operation(cluster: &str, pool: &str) -> String {
        format!("{cluster}-{pool}-first")
    }

    /// Writes down how the fleet came to be.
    pub(super) async fn history(&self, machines: &[Machine]) -> Result<(), kube::Error> {
        let mut past = vec![];
        for (index, cluster) in self.inventory.clusters.iter().enumerate() {
            for (number, pool) in cluster.pools.iter().enumerate() {
                let of = |(plan, machine): (&MachinePlan, &Machine)| {
                    let is_member = plan.member == Some((index, number));
                    is_member.then(|| json!({"name": plan.name, "uid": machine.uid()}))
                };
                let members = self.inventory.machines.iter().zip(machines);
                let machines: Vec<_> = members.filter_map(of).take(MACHINES).collect();
                let replicas = machines.len();
                past.push(Past {
                    name: Self::first_operation(&cluster.name, &pool.name),
                    cluster: cluster.name.clone(),
                    pool: format!("{}-{}", cluster.name, pool.name),
                    type_: if number == 0 { "Install" } else { "ScaleUp" },
                    runbook: "node-join",
                    machines,
                    reason: "first machines of the pool",
                    from: 0,
                    to: replicas,
                    ago: Duration::from_hours(24 * (90 - index as u64 % 30)),
                });
            }
        }
        past.extend(self.shrunk(machines));
        past.extend(self.upgraded(machines));
        let durations = ["node-join", "node-reset", "node-upgrade"].map(|book| (book, durations(&self.pace, book)));
        let api: Api<Operation> = Api::namespaced(self.client.clone(), NAMESPACE);
        let write = |past: Past| {
            let durations = durations.iter().find(|(book, _)| *book == past.runbook).map_or(&[][..], |(_, d)| d);
            let (object, status) = (past.object(), past.status(durations));
            let api = api.clone();
            async move {
                self.create(&api, object).await?;
                api.patch_status(&past.name, &params(), &Patch::Merge(json!({"status": status}))).await
            }
        };
        all(past.into_iter().map(write)).await.map(drop)
    }

    /// Once a pool gave a machine back.
    fn shrunk(&self, machines: &[Machine]) -> Option<Past> {
        let cluster = self.inventory.clusters.first()?;
        let pool = cluster.pools.get(1)?;
        let idle = self.inventory.machines.iter().zip(machines).find(|(plan, _)| plan.member.is_none())?;
        Some(Past {
            name: format!("{}-{}-autumn", cluster.name, pool.name),
            cluster: cluster.name.clone(),
            pool: format!("{}-{}", cluster.name, pool.name),
            type_: "ScaleDown",
            runbook: "node-reset",
            machines: vec![json!({"name": idle.0.name, "uid": idle.1.uid()})],
            reason: "less to do after the summer",
            from: pool.replicas as usize + 1,
            to: pool.replicas as usize,
            ago: Duration::from_hours(24 * 30),
        })
    }
}

impl Seed {
    /// The last version was brought to the first control plane in place.
    fn upgraded(&self, machines: &[Machine]) -> Option<Past> {
        let cluster = self.inventory.clusters.first()?;
        let members = self.inventory.machines.iter().zip(machines).filter(|(plan, _)| plan.member == Some((0, 0)));
        let machines: Vec<_> = members.map(|(plan, m)| json!({"name": plan.name, "uid": m.uid()})).collect();
        let replicas = machines.len();
        Some(Past {
            name: format!("{}-control-plane-to-{}", cluster.name, cluster.version.replace('.', "-")),
            cluster: cluster.name.clone(),
            pool: format!("{}-control-plane", cluster.name),
            type_: "Upgrade",
            runbook: "node-upgrade",
            machines,
            reason: "the autumn release",
            from: replicas,
            to: replicas,
            ago: Duration::from_hours(24 * 45),
        })
    }
}

impl Past {
    fn object(&self) -> Value {
        json!({
            "metadata": {"name": self.name, "labels": {
                (labels::CLUSTER): self.cluster,
                (labels::POOL): self.pool,
                (labels::SIMULATED): "true",
            }},
            "spec": {
                "type": self.type_,
                "clusterName": self.cluster,
                "poolName": self.pool,
                "machines": self.machines,
                "runbook": self.runbook,
                "requestedBy": "demo",
                "reason": self.reason,
                "fromReplicas": self.from,
                "toReplicas": self.to,
            },
        })
    }

    fn status(&self, durations: &[PhaseDuration]) -> Value {
        let total: i64 = durations.iter().map(|d| d.p95_milliseconds).sum();
        let finished = Timestamp::now() - self.ago;
        let started = finished - Duration::from_millis(total as u64);
        let count = self.machines.len();
        json!({
            "state": "Succeeded",
            "run": 1,
            "startedAt": started,
            "finishedAt": finished,
            "progress": {
                "total": count, "running": 0, "succeeded": count, "failed": 0, "stepsTotal": count, "stepsDone": count,
            },
            "phaseDurations": durations,
            "message": format!("{count} of {count} machines done"),
        })
    }
}

/// How long each phase of a runbook takes on simulated hosts.
fn durations(pace: &Pace, name: &str) -> Vec<PhaseDuration> {
    let book = runbook::builtin(name).and_then(|text| runbook::parse(text).ok());
    let pace = Pace { fault: 0.0, ..*pace };
    let phase = |phase: &runbook::Phase| {
        let on = |machine: usize| -> i64 {
            let step = |step: &runbook::Step| {
                let header = header(machine, &phase.name.value, &step.name.value);
                pace.course(&header, 0, false, false).milliseconds as i64
            };
            phase.steps.iter().map(step).sum()
        };
        let mut all: Vec<i64> = (0..SAMPLE).map(on).collect();
        all.sort_unstable();
        PhaseDuration {
            phase: phase.name.value.clone(),
            machines: SAMPLE as i32,
            p50_milliseconds: all[SAMPLE / 2],
            p95_milliseconds: all[SAMPLE * 95 / 100],
        }
    };
    book.iter().flat_map(|book| &book.phases).map(phase).collect()
}

fn header(machine: usize, phase: &str, step: &str) -> StepHeader {
    StepHeader {
        operation: String::new(),
        run: 1,
        machine: format!("before-{machine}"),
        machine_uid: String::new(),
        cluster: String::new(),
        phase: phase.to_owned(),
        step: step.to_owned(),
        digest: String::new(),
        attempt: 1,
        fence: 0,
        once: false,
        looks: false,
        timeout_seconds: 0,
        nonce: String::new(),
        offset: 0,
    }
}
