//! Wishes in the middle of what was wished before, nodes that fail and persons who interfere, in an order made up by a
//! seed: whatever comes of it, a rollout never takes more than it may, and all ends as the last wishes say.

use std::time::Duration;

use http::Method;
use quarterdeck::embedded::faults::Faults;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::{
    ending,
    fleet::{Fleet, ask},
    runs::{self, Lot, Outcome},
    script,
    seeds::deaths,
};

/// Versions that may be asked for; the first is where it begins.
const VERSIONS: [&str; 4] = ["1.34.2", "1.34.3", "1.34.4", "1.34.5"];
/// Longest between two wishes: about as long as a rollout of a machine takes.
const PAUSE: Duration = Duration::from_secs(40);
/// Versions asked for before the ones before are there. Each may keep a whole pool standing beside the new one (blue-green).
const UNSETTLED: usize = 2;

/// What is asked, or befalls a node, at one moment. Machines are given by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    Scale(usize),
    Roll(&'static str, &'static str),
    Pause(bool),
    Hold(bool),
    /// The kubelet says that it is not ready, or that it is again.
    Fails(usize, bool),
    /// A person cordons the node, or takes that back.
    Cordon(usize, bool),
    /// A person deletes the pods of the node, and it gets a new one if it takes pods.
    Pods(usize),
    /// Everything comes to rest first.
    Settle,
}

impl Turn {
    fn name(self) -> &'static str {
        match self {
            Self::Scale(_) => "scales",
            Self::Roll(_, "InPlace") => "upgrades in place",
            Self::Roll(_, "BlueGreen") => "blue-green rollouts",
            Self::Roll(..) => "rollouts",
            Self::Pause(_) => "pauses",
            Self::Hold(_) => "holds",
            Self::Fails(..) => "node failures",
            Self::Cordon(..) => "foreign cordons",
            Self::Pods(_) => "pods moved",
            Self::Settle => "rests",
        }
    }
}

/// A pool, and what happens to it: after how long, and what.
#[derive(Clone, Debug)]
pub struct Interleaved {
    role: &'static str,
    machines: usize,
    replicas: usize,
    turns: Vec<(Duration, Turn)>,
}

impl Interleaved {
    /// The one of this seed: three in four are of workers.
    pub fn of(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let role = pick(&["Worker", "Worker", "Worker", "ControlPlane"], &mut dice);
        let replicas = if role == "Worker" { dice.random_range(1..=3) } else { 3 };
        let machines = if role == "Worker" { replicas.max(3) * (UNSETTLED + 2) } else { 4 };
        let (mut turns, mut rolls, mut highest) = (Vec::new(), 0, VERSIONS[0]);
        for _ in 0..dice.random_range(3..=9) {
            let mut turn = turn(role, machines, &mut dice);
            if let Turn::Roll(version, strategy) = &mut turn {
                rolls += 1;
                // Neither a control plane nor what stays on its host goes back to an older version.
                match (role, *strategy) {
                    ("Worker", "InPlace") if *version < highest => *strategy = "RollingUpdate",
                    ("Worker", _) => {}
                    _ => *version = highest.max(*version),
                }
                highest = highest.max(*version);
            }
            if rolls > UNSETTLED {
                turn = Turn::Settle;
            }
            if turn == Turn::Settle {
                rolls = 0;
            }
            turns.push((PAUSE.mul_f64(dice.random()), turn));
        }
        Self { role, machines, replicas, turns }
    }

    /// What the last wishes were: how many machines, and of which version.
    fn wanted(&self) -> (usize, &'static str) {
        self.turns.iter().fold((self.replicas, VERSIONS[0]), |(replicas, version), (_, turn)| match *turn {
            Turn::Scale(count) => (count, version),
            Turn::Roll(version, _) => (replicas, version),
            _ => (replicas, version),
        })
    }

    /// Does all that, and lets everything come to rest.
    pub async fn play(&self, fleet: &Fleet) {
        let votes = self.role != "Worker";
        let mut now = Now {
            votes,
            version: VERSIONS[0],
            machines: self.machines,
            replicas: self.replicas,
            low: self.replicas,
            missing: 0,
        };
        if self.role == "Worker" {
            fleet.scale(self.replicas as i32).await;
        }
        fleet.settled(self.replicas).await;
        fleet.ledger.keep_serving(Some(self.replicas));
        for (after, turn) in &self.turns {
            tokio::time::sleep(*after).await;
            fleet.ledger.note(format!("--- {turn:?}"));
            now.take(fleet, *turn).await;
        }
        now.take(fleet, Turn::Settle).await;
    }
}

fn turn(role: &str, machines: usize, dice: &mut StdRng) -> Turn {
    let (machine, yes) = (dice.random_range(0..machines), dice.random_bool(0.6));
    // Machines are claimed in the order of their numbers, so that the first ones matter most.
    let machine = if dice.random_bool(0.7) { machine % 4 } else { machine };
    match dice.random_range(0..12) {
        0 | 1 if role == "Worker" => Turn::Scale(dice.random_range(1..=3)),
        0..=4 => Turn::Roll(pick(&VERSIONS, dice), strategy(role, dice)),
        5 => Turn::Pause(yes),
        6 => Turn::Hold(yes),
        7 | 8 => Turn::Fails(machine, yes),
        9 => Turn::Cordon(machine, yes),
        10 => Turn::Pods(machine),
        _ => Turn::Settle,
    }
}

fn pick<T: Copy>(some: &[T], dice: &mut StdRng) -> T {
    *some.choose(dice).expect("there are some")
}

fn strategy(role: &str, dice: &mut StdRng) -> &'static str {
    let strategies: &[&str] = match role {
        "Worker" => &["RollingUpdate", "InPlace", "BlueGreen"],
        _ => &["RollingUpdate", "InPlace"],
    };
    pick(strategies, dice)
}

/// What is wanted at the moment, and the least of what was since all was at rest.
struct Now {
    votes: bool,
    version: &'static str,
    machines: usize,
    replicas: usize,
    low: usize,
    missing: usize,
}

impl Now {
    async fn take(&mut self, fleet: &Fleet, turn: Turn) {
        match turn {
            Turn::Scale(count) if count == self.replicas => {}
            Turn::Scale(count) => {
                (self.replicas, self.low) = (count, self.low.min(count));
                fleet.ledger.keep_serving(Some(self.low - self.missing.min(self.low)));
                fleet.scale(count as i32).await;
            }
            Turn::Roll(version, strategy) => {
                self.version = version;
                self.missing = self.missing.max(usize::from(strategy == "InPlace"));
                fleet.ledger.keep_serving(Some(self.low - self.missing.min(self.low)));
                match self.votes {
                    true => fleet.roll_cluster(version, strategy).await,
                    false => fleet.roll(version, strategy).await,
                }
            }
            Turn::Pause(yes) => fleet.patch(&json!({"spec": {"paused": yes}})).await,
            Turn::Hold(yes) => fleet.patch(&json!({"spec": {"hold": yes}})).await,
            Turn::Fails(machine, yes) => fails(fleet, machine, yes).await,
            Turn::Cordon(machine, yes) => cordon(fleet, machine, yes).await,
            Turn::Pods(machine) => pods(fleet, machine).await,
            Turn::Settle => {
                fleet.patch(&json!({"spec": {"paused": false, "hold": false}})).await;
                for machine in 0..self.machines {
                    fails(fleet, machine, false).await;
                }
                let version = format!("v{}", self.version);
                let arrived = |node: &Value| node["status"]["nodeInfo"]["kubeletVersion"] == version.as_str();
                // The version of a cluster reaches its pool a moment later.
                let is_there = async || {
                    self.tidy(fleet).await;
                    fleet.list("nodes").await.iter().all(arrived) && fleet.is_rolled(self.replicas).await
                };
                fleet.until("as the last wishes say", is_there).await;
                (self.low, self.missing) = (self.replicas, 0);
                fleet.ledger.keep_serving(Some(self.low));
            }
        }
    }
}

impl Now {
    /// A person takes a cordon back where nothing is under way, and says yes where that is waited for.
    async fn tidy(&self, fleet: &Fleet) {
        for machine in 0..self.machines {
            if fleet.ledger.may_return(&format!("node-m-{machine}")) {
                cordon(fleet, machine, false).await;
            }
        }
        if fleet.asks().await {
            fleet.scale(self.replicas as i32).await;
        }
    }
}

async fn fails(fleet: &Fleet, machine: usize, yes: bool) {
    let status = if yes { "False" } else { "True" };
    let ready =
        json!({"type": "Ready", "status": status, "reason": if yes { "KubeletNotReady" } else { "KubeletReady" }});
    let path = format!("/api/v1/nodes/node-m-{machine}/status");
    // A machine that is no node has no kubelet.
    if ask(&fleet.tenant, Method::PATCH, &path, &json!({"status": {"conditions": [ready]}})).await.is_ok() {
        fleet.ledger.failed(&format!("node-m-{machine}"), yes);
    }
}

/// What others have cordoned a person leaves alone.
async fn cordon(fleet: &Fleet, machine: usize, yes: bool) {
    let (name, path) = (format!("node-m-{machine}"), format!("/api/v1/nodes/node-m-{machine}"));
    let Ok(node) = ask(&fleet.tenant, Method::GET, &path, &Value::Null).await else { return };
    let is_cordoned = node["spec"]["unschedulable"] == true;
    if is_cordoned == yes || (!yes && !fleet.ledger.is_foreign(&name)) {
        return;
    }
    let version = &node["metadata"]["resourceVersion"];
    let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"unschedulable": yes.then_some(true)}});
    if ask(&fleet.tenant, Method::PATCH, &path, &patch).await.is_ok() {
        fleet.ledger.foreign(&name, yes);
    }
}

async fn pods(fleet: &Fleet, machine: usize) {
    let node = format!("node-m-{machine}");
    for pod in fleet.list("pods").await.iter().filter(|pod| pod["spec"]["nodeName"] == node.as_str()) {
        let path = format!("/api/v1/namespaces/default/pods/{}", pod["metadata"]["name"].as_str().unwrap_or_default());
        // It may be gone by now.
        let _ = ask(&fleet.tenant, Method::DELETE, &path, &Value::Null).await;
    }
    let found = ask(&fleet.tenant, Method::GET, &format!("/api/v1/nodes/{node}"), &Value::Null).await;
    if found.is_ok_and(|node| node["spec"]["unschedulable"] != true) {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "pod-", "labels": {"app": "shop"}},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}});
        ask(&fleet.tenant, Method::POST, "/api/v1/namespaces/default/pods", &pod).await.expect("a new pod");
    }
}

/// Idle machines, and as many nodes of the version as were wanted last.
fn expected(interleaved: &Interleaved) -> String {
    let (replicas, version) = interleaved.wanted();
    let idle = "Idle for null null".to_owned();
    let ready = format!("Ready for blue-pool {version}");
    let node = format!("node v{version} null labels [] annotations [] finalizers null");
    let mut lines = vec![idle; interleaved.machines - replicas];
    lines.extend(vec![ready; replicas]);
    lines.extend(vec![node; replicas]);
    lines.sort();
    lines.join("\n")
}

/// Two in three on a bad day, and most with deaths.
async fn one(seed: u64) -> Outcome {
    let interleaved = Interleaved::of(seed);
    let replicas = if interleaved.role == "Worker" { 0 } else { interleaved.replicas };
    let fleet = Fleet::with(interleaved.machines, interleaved.role, replicas).await;
    let faults = if seed.is_multiple_of(3) { Faults::none() } else { Faults::bad_day(seed) };
    let mut outcome = script::perform(&fleet, &faults, &deaths(seed / 3, 90), interleaved.play(&fleet)).await;
    fleet.verdict().await;
    let end = ending::machines(&fleet).await;
    assert_eq!(end, expected(&interleaved), "{interleaved:#?} ends otherwise\n{}", fleet.describe().await);
    for (_, turn) in &interleaved.turns {
        *outcome.entry(turn.name()).or_default() += 1;
    }
    outcome
}

#[test]
fn whatever_happens_meanwhile_the_last_wishes_come_true() {
    runs::each("whatever_happens_meanwhile_the_last_wishes_come_true", Lot::seeds(3, 0.4), one);
}
