//! The stages on the way from what a cluster has to what is wanted of it.

use std::fmt;

use super::cluster::{ClusterView, PoolView};
use crate::{
    api::Role,
    plan::{
        skew::{self, Skew},
        version::Version,
    },
};

/// Pools that go to one version together.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Names of the `NodePool`s.
    pub pools: Vec<String>,
    #[serde(serialize_with = "as_text")]
    pub role: Role,
    /// The oldest version among their machines.
    #[serde(serialize_with = "display")]
    pub from: Version,
    #[serde(serialize_with = "display")]
    pub to: Version,
}

impl Stage {
    /// Who goes, in words.
    pub fn who(&self) -> String {
        match (self.role, self.pools.as_slice()) {
            (Role::ControlPlane, _) => "the control plane".to_owned(),
            (_, [one]) => one.clone(),
            (_, pools) => format!("{} pools", pools.len()),
        }
    }
}

fn display<S: serde::Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_text<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.as_str())
}

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Skew(#[from] Skew),
    #[error("{version} is not among the versions that are to be had ({}): choose one of them, or add it to spec.artifacts.versions", some(.offered))]
    NotOffered { version: Version, offered: Vec<Version> },
    #[error(
        "{from} to {to} leads over {missing}, of which no version is known to be had: list one in spec.artifacts.versions, or upgrade by one minor version first"
    )]
    NoStep { from: Version, to: Version, missing: String },
    #[error(
        "pool {pool} is pinned to {pinned}, and the control plane may not go beyond three minor versions from it: change the version of the pool first"
    )]
    Pinned { pool: String, pinned: Version },
}

/// The first few.
fn some(versions: &[Version]) -> String {
    let mut words: Vec<String> = versions.iter().rev().take(6).map(ToString::to_string).collect();
    if versions.len() > words.len() {
        words.push("…".to_owned());
    }
    words.join(", ")
}

/// The stages that are left, the first one first; none when everything is as wanted.
pub fn stages(cluster: &ClusterView) -> Result<Vec<Stage>, Refusal> {
    let mut walk =
        Walk { cluster, stages: Vec::new(), workers: workers(cluster), control_plane: cluster.control_plane() };
    walk.check()?;
    walk.control_plane()?;
    let targets: Vec<Version> = walk.workers.iter().map(|w| w.wanted.clone()).collect();
    let mut highest: Vec<&Version> = targets.iter().collect();
    highest.sort();
    highest.dedup();
    for target in highest {
        walk.workers_to(target, |w| w.wanted == *target)?;
    }
    Ok(walk.stages)
}

/// A pool of workers on its way.
struct Walker<'a> {
    view: &'a PoolView,
    /// The oldest kubelet among its machines.
    lowest: Version,
    wanted: Version,
}

fn workers(cluster: &ClusterView) -> Vec<Walker<'_>> {
    let walker = |view| {
        let lowest = PoolView::lowest(view)?.clone();
        Some(Walker { view, lowest, wanted: view.wanted(cluster).clone() })
    };
    // A pool without machines is at any version; machines that a partition keeps count as they are.
    cluster.workers().filter_map(walker).collect()
}

struct Walk<'a> {
    cluster: &'a ClusterView,
    stages: Vec<Stage>,
    workers: Vec<Walker<'a>>,
    control_plane: Option<Version>,
}

impl Walk<'_> {
    /// What is asked for is to be had, and goes with itself.
    fn check(&self) -> Result<(), Refusal> {
        let offered = &self.cluster.offered;
        let has = |version: &Version| self.cluster.pools.iter().any(|p| p.versions.contains_key(version));
        for version in std::iter::once(&self.cluster.wanted).chain(self.workers.iter().map(|w| &w.wanted)) {
            if !offered.is_empty() && !offered.contains(version) && !has(version) {
                return Err(Refusal::NotOffered {
                    version: version.clone(),
                    offered: offered.iter().cloned().collect(),
                });
            }
        }
        for worker in &self.workers {
            if self.manages_control_plane() {
                skew::kubelet(&worker.wanted, &self.cluster.wanted).map_err(|skew| match skew {
                    Skew::KubeletBehind { .. } => {
                        Refusal::Pinned { pool: worker.view.name.clone(), pinned: worker.wanted.clone() }
                    }
                    other => other.into(),
                })?;
            } else if let Some(control_plane) = &self.control_plane {
                // Somebody else's control plane: what it reports is all that nodes may have.
                skew::kubelet(&worker.wanted, control_plane)?;
            }
        }
        Ok(())
    }

    fn manages_control_plane(&self) -> bool {
        self.cluster.members().any(|p| !p.versions.is_empty())
    }

    /// The control plane, minor by minor, the workers behind it wherever they would be left behind too far.
    fn control_plane(&mut self) -> Result<(), Refusal> {
        let Some(mut now) = self.control_plane.clone().filter(|_| self.manages_control_plane()) else { return Ok(()) };
        let wanted = self.cluster.wanted.clone();
        if wanted < now {
            return Err(Skew::Downgrade { from: now, to: wanted }.into());
        }
        if now.major() != wanted.major() {
            return Err(Skew::Major { from: now, to: wanted }.into());
        }
        let pools: Vec<String> = self.cluster.members().map(|p| p.name.clone()).collect();
        let behind = |p: &PoolView| !p.is_at(&wanted);
        while now < wanted || (self.stages.is_empty() && self.cluster.members().any(behind)) {
            let next = self.step(&now, &wanted)?;
            self.catch_up(&now, &next)?;
            let from = now;
            self.stages.push(Stage { pools: pools.clone(), role: Role::ControlPlane, from, to: next.clone() });
            now = next;
        }
        Ok(())
    }

    /// The next version of a control plane that has `now`: the wanted one, or the newest of the next minor.
    fn step(&self, now: &Version, wanted: &Version) -> Result<Version, Refusal> {
        if skew::control_plane(now, wanted).is_ok() {
            return Ok(wanted.clone());
        }
        let minor = now.minor() + 1;
        let newest = self.cluster.offered.iter().rev().find(|v| v.major() == now.major() && v.minor() == minor);
        newest.cloned().ok_or_else(|| Refusal::NoStep {
            from: now.clone(),
            to: wanted.clone(),
            missing: format!("{}.{minor}", now.major()),
        })
    }

    /// Before the control plane goes to `next`: pools that it would leave too far behind go to what it has `now`.
    ///
    /// In place a node goes minor by minor, as kubeadm does, and so never falls behind by more than one.
    fn catch_up(&mut self, now: &Version, next: &Version) -> Result<(), Refusal> {
        let late = |w: &Walker| {
            let too_far = skew::kubelet(&w.lowest, next).is_err();
            let in_place = w.view.in_place && w.lowest.minor() < now.minor();
            w.lowest < *now && (too_far || in_place)
        };
        if let Some(pinned) =
            self.workers.iter().find(|w| late(w) && w.wanted < *now && skew::kubelet(&w.wanted, next).is_err())
        {
            return Err(Refusal::Pinned { pool: pinned.view.name.clone(), pinned: pinned.wanted.clone() });
        }
        self.workers_to(now, late)
    }

    fn workers_to(&mut self, to: &Version, which: impl Fn(&Walker) -> bool) -> Result<(), Refusal> {
        let (mut pools, mut from) = (Vec::new(), None::<Version>);
        for worker in self.workers.iter_mut().filter(|w| which(w)) {
            // Never beyond what is wanted of it; and a pool may go back if its machines are replaced.
            let target = if worker.wanted < *to { worker.wanted.clone() } else { to.clone() };
            let is_there = worker.lowest >= target || worker.view.is_at(&target);
            let is_beyond = worker.wanted == target && worker.view.highest().is_some_and(|h| *h > target);
            if is_there && !is_beyond {
                continue;
            }
            from = Some(from.map_or(worker.lowest.clone(), |f| f.min(worker.lowest.clone())));
            pools.push(worker.view.name.clone());
            worker.lowest = target;
        }
        if let Some(from) = from {
            self.stages.push(Stage { pools, role: Role::Worker, from, to: to.clone() });
        }
        Ok(())
    }
}
