//! How a simulated host is: uptime, load, disk, clock and units, from what it remembers and what is wrong with it. The same
//! host says the same at the same time.

use super::{
    dice::Dice,
    host::{Attempt, Memory},
    hosts::Host,
};
use crate::runbook::wire::Outcome;
use std::fmt::Write;

/// No simulated host was started before this: milliseconds since 1970, in the autumn of 2025.
const EPOCH: u64 = 1_760_000_000_000;
const DAY: u64 = 86_400_000;
/// One host in so many has a disk that is nearly full, and one a clock that is off.
const FULL_DISKS: f64 = 0.02;
const WRONG_CLOCKS: f64 = 0.02;

/// What a host was before anything happened in the demo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Born {
    /// Bare: in the inventory, and free.
    #[default]
    Bare,
    Worker,
    ControlPlane,
}

/// A unit of systemd, as far as anybody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Absent,
    Inactive,
    Activating,
    Active,
}

impl Unit {
    /// As `systemctl is-active` says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent | Self::Inactive => "inactive",
            Self::Activating => "activating",
            Self::Active => "active",
        }
    }

    fn show(self) -> String {
        let load = if self == Self::Absent { "not-found" } else { "loaded" };
        format!("LoadState={load} ActiveState={}", self.word())
    }
}

/// How a host is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Vitals {
    /// Milliseconds since 1970, by its own clock.
    pub clock: u64,
    pub uptime_seconds: u64,
    pub load: [f64; 3],
    pub cpus: u64,
    pub disk_percent: u64,
    pub kubelet: Unit,
    pub containerd: Unit,
    /// A static pod: a process, and no unit.
    pub etcd: bool,
}

impl Vitals {
    pub fn of(host: &Host, now: u64) -> Self {
        let memory = host.remembers();
        let mut dice = Dice::new(0, &["vitals", &host.name]);
        let booted = EPOCH + dice.between(0, 40 * DAY);
        let cpus = *dice.pick(&[8, 16, 16, 32]);
        let disk_percent = if dice.chance(FULL_DISKS) { dice.between(86, 93) } else { dice.between(21, 68) };
        let off = if dice.chance(WRONG_CLOCKS) { dice.between(900, 4_000) } else { 0 };
        let busy = memory.running().count() as f64;
        let load = [1, 5, 15].map(|minutes| {
            let slot = (now / (minutes * 60_000)).to_string();
            let quiet = Dice::new(0, &["load", &host.name, &minutes.to_string(), &slot]).unit() * cpus as f64 * 0.3;
            quiet + busy * 1.5 / minutes as f64
        });
        Self {
            clock: now + off,
            uptime_seconds: now.saturating_sub(booted) / 1000,
            load,
            cpus,
            disk_percent,
            kubelet: kubelet(host, &memory),
            containerd: containerd(host, &memory),
            etcd: host.born() == Born::ControlPlane && !was_reset(&memory),
        }
    }

    /// The answer to the console's question.
    pub fn answer(&self) -> String {
        let [one, five, fifteen] = self.load;
        let etcd = if self.etcd { "process=etcd\n" } else { "" };
        format!(
            "clock={}.{:03}000000\nuptime={}.00\nload={one:.2} {five:.2} {fifteen:.2}\ncpus={}\ndisk={}%\nunit=kubelet {}\n\
             unit=containerd {}\nunit=etcd {}\n{etcd}end=here\n",
            self.clock / 1000,
            self.clock % 1000,
            self.uptime_seconds,
            self.cpus,
            self.disk_percent,
            self.kubelet.show(),
            self.containerd.show(),
            Unit::Absent.show(),
        )
    }

    /// As `uptime` says it.
    pub fn uptime(&self) -> String {
        let mut text = String::new();
        let (days, hours, minutes) =
            (self.uptime_seconds / 86_400, self.uptime_seconds / 3600 % 24, self.uptime_seconds / 60 % 60);
        let second = self.clock / 1000 % 86_400;
        let [one, five, fifteen] = self.load;
        let _ = writeln!(
            text,
            " {:02}:{:02}:{:02} up {days} days, {hours:2}:{minutes:02},  0 users,  load average: {one:.2}, {five:.2}, {fifteen:.2}",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        text
    }

    pub fn unit(&self, name: &str) -> Unit {
        match name.trim_end_matches(".service") {
            "kubelet" => self.kubelet,
            "containerd" => self.containerd,
            _ => Unit::Absent,
        }
    }
}

fn kubelet(host: &Host, memory: &Memory) -> Unit {
    let of_kubelet = |a: &&Attempt| matches!(a.phase.as_str(), "Kubelet" | "Join" | "Reset");
    match memory.attempts().iter().rev().find(of_kubelet) {
        Some(last) if last.phase == "Reset" && !is_done(last) => Unit::Active,
        Some(last) if last.phase == "Reset" => Unit::Inactive,
        // Restarted over and over: it finds no configuration until it has joined.
        Some(last) if last.phase == "Kubelet" || !is_done(last) => Unit::Activating,
        _ if host.plight().no_kubelet => Unit::Activating,
        Some(_) => Unit::Active,
        None if host.born() == Born::Bare => Unit::Absent,
        None => Unit::Active,
    }
}

fn containerd(host: &Host, memory: &Memory) -> Unit {
    let last = memory.attempts().iter().rev().find(|a| a.phase == "ContainerRuntime");
    match last {
        Some(last) if is_done(last) => Unit::Active,
        _ if host.born() != Born::Bare || memory.begun().keys().any(|place| place.starts_with("Artifacts/")) => {
            Unit::Active
        }
        Some(last) if last.ended => Unit::Inactive,
        Some(_) => Unit::Activating,
        None => Unit::Absent,
    }
}

fn was_reset(memory: &Memory) -> bool {
    memory.attempts().iter().any(|a| a.phase == "Reset" && is_done(a))
}

fn is_done(attempt: &Attempt) -> bool {
    attempt.ended && matches!(attempt.course.outcome, Outcome::Done | Outcome::Skipped)
}
