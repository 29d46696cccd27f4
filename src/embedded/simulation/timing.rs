//! How long a step would take on a real host, and what may go wrong with it: decided once, when an attempt begins.

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use crate::runbook::wire::{Outcome, StepHeader};

/// Of all faults: the share that drops the connection in the middle, and the share that no new attempt repairs.
const DROPS: f64 = 0.30;
const HARD: f64 = 0.03;
/// Steps that fail now and then on real hosts and mend themselves, since they need something beyond the host. Any other
/// step that is struck loses its connection instead.
const SHAKY: [&str; 9] =
    ["apt", "package", "install", "image", "pull", "download", "fetch", "healthy", "containers run"];
/// One host in so many has a slow disk.
const SLOW_HOSTS: f64 = 0.06;

/// Words in the name of a phase or step, and the seconds that such a step mostly takes. The first match counts.
const MEDIANS: &[(&str, f64)] = &[
    ("control plane of", 40.0),
    ("configuration of kubelet", 3.0),
    ("get ahead", 0.4),
    ("answers", 0.4),
    ("to be had", 2.0),
    ("has the version", 4.0),
    ("api server of", 5.0),
    ("clear", 1.0),
    ("repository", 4.0),
    ("install containerd", 14.0),
    ("install kubelet", 12.0),
    ("install kubeadm", 9.0),
    ("apt", 16.0),
    ("package", 16.0),
    ("swap", 0.6),
    ("module", 0.9),
    ("sysctl", 0.8),
    ("hostname", 0.5),
    ("clock", 0.7),
    ("image", 17.0),
    ("pull", 17.0),
    ("download", 12.0),
    ("fetch", 9.0),
    ("unpack", 5.0),
    ("install", 6.0),
    ("restart", 3.0),
    ("start", 3.5),
    ("token", 1.5),
    ("join", 15.0),
    ("ready", 4.0),
    ("wait", 4.0),
    ("reset", 9.0),
    ("stop", 3.0),
    ("write", 0.6),
    ("configure", 0.8),
    ("check", 0.6),
    // Phases, for steps whose own names say nothing.
    ("preflight", 0.8),
    ("bootstrapos", 3.0),
    ("containerruntime", 3.0),
    ("artifacts", 8.0),
    ("kubelet", 2.5),
    ("verify", 2.0),
    ("cleanup", 1.5),
];

/// What is asked for on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    pub seed: u64,
    /// Times are divided by this.
    pub speed: f64,
    /// The share of attempts that something goes wrong with.
    pub fault: f64,
}

/// How one attempt will go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// From it, the lines of output are made again whenever they are asked for.
    pub roll: u64,
    pub milliseconds: u64,
    pub outcome: Outcome,
    pub status: i32,
    /// The connection breaks at this time, while the step goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_at: Option<u64>,
    /// Every further attempt of the same run fails alike.
    #[serde(default)]
    pub hard: bool,
}

impl Pace {
    /// The course of an attempt; `nth` counts how often this host has begun this step, `doomed` says that an earlier
    /// attempt of this run failed hard.
    pub fn course(&self, header: &StepHeader, nth: u32, done_before: bool, doomed: bool) -> Course {
        let nth = nth.to_string();
        let mut dice = Dice::new(self.seed, &[&header.machine, &header.phase, &header.step, &nth]);
        let roll = dice.roll();
        let seconds = if done_before { dice.around(0.25, 0.2) } else { self.seconds(header, &mut dice) };
        let milliseconds = self.scaled(seconds);
        let faulty = dice.chance(self.fault);
        let (kind, share) = (dice.unit(), 0.3 + 0.5 * dice.unit());
        let partway = (milliseconds as f64 * share) as u64;
        let well = if done_before { Outcome::Skipped } else { Outcome::Done };
        let mut course = Course { roll, milliseconds, outcome: well, status: 0, drop_at: None, hard: doomed };
        let hard = doomed || kind >= 1.0 - HARD;
        let shaky = !header.once && SHAKY.iter().any(|word| header.step.contains(word));
        if doomed || (faulty && !done_before && kind >= DROPS && (hard || shaky)) {
            course.hard = hard;
            (course.milliseconds, course.outcome, course.status) = (partway, Outcome::Failed, 1);
        } else if faulty && !done_before {
            course.drop_at = Some(partway);
        }
        self.cut_at_timeout(header, course)
    }

    /// Seconds of the real world as milliseconds of the demo.
    pub fn scaled(&self, seconds: f64) -> u64 {
        (seconds * 1000.0 / self.speed.max(0.001)) as u64
    }

    fn seconds(&self, header: &StepHeader, dice: &mut Dice) -> f64 {
        let slow = Dice::new(self.seed, &["slow", &header.machine]).chance(SLOW_HOSTS);
        dice.around(median(&header.phase, &header.step), 0.28) * if slow { 1.7 } else { 1.0 }
    }

    fn cut_at_timeout(self, header: &StepHeader, mut course: Course) -> Course {
        let limit = u64::from(header.timeout_seconds) * 1000;
        if limit > 0 && course.milliseconds > limit {
            (course.milliseconds, course.outcome, course.status) = (limit, Outcome::TimedOut, 124);
        }
        course
    }
}

fn median(phase: &str, step: &str) -> f64 {
    let (phase, step) = (phase.to_lowercase(), step.to_lowercase());
    let by = |text: &str| MEDIANS.iter().find(|(word, _)| text.contains(word)).map(|(_, seconds)| *seconds);
    by(&step).or_else(|| by(&phase)).unwrap_or(2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::simulation::host::tests::header;

    fn course(fault: f64, machine: usize, doomed: bool) -> Course {
        let pace = Pace { seed: 3, speed: 10.0, fault };
        pace.course(&header(&format!("m-{machine}"), "Artifacts", "install packages", 1), 0, false, doomed)
    }

    #[test]
    fn a_seed_decides_everything() {
        for machine in 0..50 {
            assert_eq!(course(0.5, machine, false), course(0.5, machine, false));
        }
        assert_ne!(course(0.0, 1, false), course(0.0, 2, false));
    }

    #[test]
    fn faults_come_in_three_kinds_and_only_if_asked_for() {
        let all: Vec<_> = (0..1000).map(|m| course(1.0, m, false)).collect();
        let dropped = all.iter().filter(|c| c.drop_at.is_some_and(|at| at < c.milliseconds)).count();
        let hard = all.iter().filter(|c| c.hard).count();
        let failed = all.iter().filter(|c| c.outcome == Outcome::Failed).count();
        assert!((250..350).contains(&dropped) && (10..60).contains(&hard), "{dropped} {hard}");
        assert_eq!(dropped + failed, 1000);
        assert!((0..200).all(|m| course(0.0, m, false).outcome == Outcome::Done));
        assert_eq!(course(0.0, 1, true).outcome, Outcome::Failed);
        let pace = Pace { seed: 3, speed: 10.0, fault: 1.0 };
        let sturdy = |m| pace.course(&header(&format!("m-{m}"), "Join", "kubeadm join", 1), 0, false, false);
        assert!((0..200).map(sturdy).all(|c| c.drop_at.is_some() || c.hard));
    }

    #[test]
    fn times_are_those_of_the_real_world_divided_by_the_speed() {
        let mut times: Vec<_> = (0..301).map(|m| course(0.0, m, false).milliseconds).collect();
        times.sort_unstable();
        assert!((1_400..1_800).contains(&times[150]), "{}", times[150]);
    }
}
