//! The stages of a wish, and for each pool in them the batches.

use std::collections::BTreeMap;

use super::{Preview, Refusal, Scene, Wish};
use crate::{
    api::{Machine, MachineState, NodePool, OperationType, Role, StrategyType, labels},
    plan::{
        are,
        budget::Budget,
        estimate::{Estimate, estimate},
        rollout::{
            fences::Fences,
            moves::{Bounds, Brake, Counts},
            preview::{Batch, Course, course},
        },
        scale::{DEFAULT_PARALLELISM, is_candidate},
        skew,
        upgrade::{ClusterView, Stage, stages},
        version::Version,
        work::{Work, machine_state},
    },
};

/// Pools that go together.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StagePreview {
    pub pools: Vec<PoolPreview>,
    /// `ControlPlane`, `Worker` or `Etcd`.
    pub role: String,
    /// Kubernetes versions; empty where none changes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
}

/// How one pool gets there.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolPreview {
    pub pool: String,
    pub strategy: String,
    /// Machines that will be drained.
    pub machines: i32,
    pub surge: i32,
    pub unavailable: i32,
    pub batches: Vec<Batch>,
    /// There are more batches than are listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// Seconds, typically and if it is slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<(i64, i64)>,
    /// What keeps it from its end as things are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brake: Option<String>,
}

pub(super) fn preview(scene: &Scene, wish: &Wish) -> Result<Preview, Refusal> {
    let mut preview = match wish {
        Wish::Upgrade { pool, version, .. } => upgrade(scene, pool.as_deref(), version)?,
        Wish::Replace { pool, .. } => replace(scene, wish, scene.pool(pool)?)?,
        Wish::ReplaceMachines { pool, machines, .. } => {
            let pool = scene.pool(pool)?;
            let chosen = super::changes::chosen(scene, pool, machines)?;
            let title = format!("Replace {} of {}", count_words(chosen.len(), "machine"), name(pool));
            Preview { confirm: format!("replace {}", chosen.len()), ..replacement(scene, pool, &chosen, title)? }
        }
        Wish::Rollback { pool, .. } => rollback(scene, scene.pool(pool)?)?,
        Wish::Abort { pool } => abort(scene, scene.pool(pool)?)?,
        Wish::PauseCluster | Wish::ResumeCluster => still(scene, wish),
        Wish::Pause { pool }
        | Wish::Resume { pool }
        | Wish::Hold { pool }
        | Wish::Unhold { pool }
        | Wish::Retry { pool } => {
            let pool = scene.pool(pool)?;
            Preview { title: format!("{} {}", capital(wish.verb()), name(pool)), ..Preview::default() }
        }
    };
    preview.level = level(scene, wish, &preview);
    // What could not be written is refused here already.
    super::changes::changes(scene, wish, &super::Author::nobody())?;
    Ok(preview)
}

/// All machines of a pool; or those that are left, where that waits for a window which it need not wait for.
fn replace(scene: &Scene, wish: &Wish, pool: &NodePool) -> Result<Preview, Refusal> {
    let (all, title) = match super::passage::waiting(pool) {
        Some(rollout) if !wish.is_outside_window() => {
            let left = rollout.outdated - rollout.kept;
            return Err(Refusal::WaitsForWindow { pool: name(pool).to_owned(), left });
        }
        Some(_) => {
            let left = super::changes::outdated(scene, pool);
            let title = format!("Replace what is left of {}: {}", name(pool), count_words(left.len(), "machine"));
            (left, title)
        }
        None => {
            refuse_second(pool, None)?;
            (scene.members(pool).collect(), format!("Replace all machines of {}", name(pool)))
        }
    };
    Ok(Preview { confirm: name(pool).to_owned(), ..replacement(scene, pool, &all, title)? })
}

/// A whole cluster stops, or goes on but for the pools that are paused themselves.
fn still(scene: &Scene, wish: &Wish) -> Preview {
    let title = format!("{} {} with all of its pools", capital(wish.verb()), scene.cluster_name());
    let paused = scene.pools.iter().filter(|p| p.spec.paused && *wish == Wish::ResumeCluster);
    let warnings = paused.map(|p| format!("{} is paused itself and stays so: resume it as well", name(p))).collect();
    Preview { title, warnings, ..Preview::default() }
}

fn level(scene: &Scene, wish: &Wish, preview: &Preview) -> u8 {
    let base = match wish {
        Wish::Pause { .. } | Wish::PauseCluster | Wish::Hold { .. } => return 0,
        Wish::Resume { .. } | Wish::ResumeCluster | Wish::Unhold { .. } | Wish::Retry { .. } => return 1,
        Wish::Abort { .. } => return 3,
        Wish::Upgrade { .. } | Wish::Replace { .. } | Wish::ReplaceMachines { .. } | Wish::Rollback { .. } => 2,
    };
    let pool = wish.pool().and_then(|p| scene.pool(p).ok());
    let is_production =
        labels::is_production(&scene.deployment.metadata) || pool.is_some_and(|p| labels::is_production(&p.metadata));
    let all = preview.stages.iter().flat_map(|s| &s.pools);
    // More than a tenth of a pool may be missing at a time.
    let is_large = all.clone().any(|p| p.unavailable > 1 && p.unavailable * 10 > p.machines);
    let is_let_through = wish.is_outside_window() && !scene.deployment.spec.maintenance_windows.is_empty();
    (base + u8::from(is_production || is_large) + u8::from(is_let_through)).min(3)
}

/// Another rollout of the same pool has to come to its end first; going on to the same version is no second one.
fn refuse_second(pool: &NodePool, to: Option<&Version>) -> Result<(), Refusal> {
    let Some(rollout) = pool.status.as_ref().and_then(|s| s.rollout.as_ref()) else { return Ok(()) };
    let left = rollout.outdated - rollout.kept;
    let same = to.is_some_and(|to| rollout.version.as_deref() == Some(&to.to_string()));
    if left <= 0 || same {
        return Ok(());
    }
    let version = rollout.version.clone().unwrap_or_else(|| rollout.revision.clone());
    Err(Refusal::UnderWay { pool: name(pool).to_owned(), version, left })
}

/// The stages of an upgrade of the cluster, or those of one of its pools.
pub(super) fn way(scene: &Scene, pool: Option<&str>, to: &Version) -> Result<(ClusterView, Vec<Stage>), Refusal> {
    let mut deployment = scene.deployment.clone();
    let mut pools = scene.pools.to_vec();
    match pool {
        None => deployment.spec.version = to.to_string(),
        Some(wanted) => {
            let chosen = scene.pool(wanted)?;
            if chosen.spec.role != Role::Worker {
                return Err(Refusal::ControlPlanePool(wanted.to_owned()));
            }
            let at = pools.iter().position(|p| p.metadata.name == chosen.metadata.name).expect("it was just found");
            pools[at].spec.version = Some(to.to_string());
        }
    }
    let view = ClusterView::of(&deployment, scene.cluster, &pools, scene.machines)
        .ok_or_else(|| crate::plan::version::NotAVersion(scene.deployment.spec.version.clone()))?;
    let all = stages(&view)?;
    let mine: Vec<Stage> = match pool {
        None => all,
        Some(wanted) => {
            all.into_iter().filter(|s| s.pools.iter().any(|p| p == wanted)).map(|s| only(s, wanted)).collect()
        }
    };
    Ok((view, mine))
}

fn upgrade(scene: &Scene, pool: Option<&str>, version: &str) -> Result<Preview, Refusal> {
    let to: Version = version.parse()?;
    let (view, mine) = way(scene, pool, &to)?;
    let what = pool.map_or_else(|| scene.cluster_name().to_owned(), str::to_owned);
    for stage in &mine {
        for name in &stage.pools {
            refuse_second(scene.pool(name)?, Some(&to))?;
        }
    }
    let asked =
        pool.map_or(Some(scene.deployment.spec.version.as_str()), |p| scene.pool(p).ok()?.spec.version.as_deref());
    if mine.is_empty() && asked == Some(&to.to_string()) {
        return Err(Refusal::SameVersion(what));
    }
    let from = mine.iter().map(|s| &s.from).min().map(ToString::to_string);
    let title = from.map_or_else(|| format!("Upgrade {what} to {to}"), |from| format!("Upgrade {what} {from} → {to}"));
    let mut walk = Walk::new(scene, &view, pool.is_none());
    let previews = mine.iter().map(|stage| walk.stage(stage)).collect::<Result<Vec<_>, _>>()?;
    let mut preview = Preview { title, stages: previews, confirm: what, ..Preview::default() };
    sum_up(&mut preview);
    if pool.is_none() {
        for pinned in view.pools.iter().filter(|p| p.pinned.as_ref().is_some_and(|v| *v != to)) {
            let version = pinned.pinned.as_ref().expect("it was just looked at");
            preview.warnings.push(format!("{} keeps {version}, a version of its own", pinned.name));
        }
    }
    Ok(preview)
}

fn only(stage: Stage, pool: &str) -> Stage {
    Stage { pools: vec![pool.to_owned()], ..stage }
}

/// Machines that give way to others of the same kind, or of the revision before.
fn replacement(scene: &Scene, pool: &NodePool, chosen: &[&Machine], title: String) -> Result<Preview, Refusal> {
    if chosen.is_empty() {
        return Err(Refusal::Empty(name(pool).to_owned()));
    }
    let strategy = match pool.spec.strategy() {
        // What is replaced does not stay where it is.
        StrategyType::InPlace | StrategyType::OnDelete => StrategyType::RollingUpdate,
        other => other,
    };
    // A partition keeps old revisions, not machines that are to go.
    let preview = pool_preview(scene, pool, strategy, 0, &|m| chosen.iter().any(|c| c.metadata.uid == m.metadata.uid));
    if pool.spec.role != Role::Worker && preview.batches.iter().all(|b| b.remove == 0) {
        return Err(Refusal::LastMember(name(pool).to_owned()));
    }
    let stage =
        StagePreview { role: pool.spec.role.as_str().to_owned(), pools: vec![preview], ..StagePreview::default() };
    let mut preview = Preview { title, stages: vec![stage], ..Preview::default() };
    sum_up(&mut preview);
    Ok(preview)
}

fn rollback(scene: &Scene, pool: &NodePool) -> Result<Preview, Refusal> {
    let none = || Refusal::NoPrevious(name(pool).to_owned());
    let previous = pool.status.as_ref().and_then(|s| s.previous_revision.as_ref()).ok_or_else(none)?;
    let now = pool.status.as_ref().and_then(|s| s.version.clone());
    if pool.spec.role != Role::Worker && previous.version != now {
        let (from, to) = (now.unwrap_or_default(), previous.version.clone().unwrap_or_default());
        return Err(Refusal::ControlPlaneBack { pool: name(pool).to_owned(), from, to });
    }
    check_way_back(scene, pool, previous.version.as_deref())?;
    // Machines from before revisions were written down are known by their set.
    let set = format!("{}-{}", name(pool), previous.revision);
    let stays = |m: &Machine| {
        m.spec.claim_ref.as_ref().is_some_and(|claim| match &claim.revision {
            Some(revision) => *revision == previous.revision,
            None => claim.name == set,
        })
    };
    let preview = pool_preview(scene, pool, pool.spec.strategy(), 0, &|m| !stays(m));
    let version = previous.version.clone().unwrap_or_default();
    let title = format!("Roll {} back to {version}", name(pool));
    let to = previous.version.clone().unwrap_or_default();
    let from = pool.status.as_ref().and_then(|s| s.version.clone()).unwrap_or_default();
    let stage = StagePreview { role: pool.spec.role.as_str().to_owned(), pools: vec![preview], from, to };
    let mut preview = Preview { title, stages: vec![stage], confirm: name(pool).to_owned(), ..Preview::default() };
    sum_up(&mut preview);
    if pool.spec.version.is_none() {
        preview.warnings.push(format!("the pool gets version {version} of its own, and no longer follows its cluster"));
    }
    Ok(preview)
}

/// The version of before goes with what the control plane has by now.
fn check_way_back(scene: &Scene, pool: &NodePool, version: Option<&str>) -> Result<(), Refusal> {
    let mut pools = scene.pools.to_vec();
    for same in pools.iter_mut().filter(|p| p.metadata.name == pool.metadata.name && p.spec.role == Role::Worker) {
        same.spec.version = version.map(str::to_owned).or(same.spec.version.take());
    }
    let view = ClusterView::of(scene.deployment, scene.cluster, &pools, scene.machines);
    let (Some(view), Some(Ok(version))) = (view, version.map(str::parse::<Version>)) else { return Ok(()) };
    if let Some(control_plane) = view.control_plane().filter(|_| pool.spec.role == Role::Worker) {
        skew::kubelet(&version, &control_plane).map_err(crate::plan::upgrade::Refusal::from)?;
    }
    stages(&view)?;
    Ok(())
}

fn abort(scene: &Scene, pool: &NodePool) -> Result<Preview, Refusal> {
    let outdated = super::changes::outdated(scene, pool).len();
    let work = Work::of(scene.operations);
    let here = scene.members(pool).filter(|m| !super::changes::is_going(m, &work)).count();
    let updated = here.saturating_sub(outdated);
    let surplus = here.saturating_sub(usize::try_from(pool.spec.replicas).unwrap_or(0));
    let mut preview = Preview {
        title: format!("Abort the rollout of {}", name(pool)),
        confirm: name(pool).to_owned(),
        ..Preview::default()
    };
    preview.warnings.push(format!(
        "{} of the new revision and {outdated} of the old one, and stay so; nodes that are being emptied are given back, and work that was begun on hosts is finished",
        are(updated, "machine")
    ));
    // Whoever stopped it first does not wait for what only a pool that goes on does.
    let paused = [(pool.spec.paused, "pool"), (scene.deployment.spec.paused, "cluster")];
    if let Some((_, what)) = paused.into_iter().find(|(is_paused, _)| *is_paused) {
        preview.warnings.push(format!(
            "the {what} is paused and stays so: what is more than the pool's replicas leaves only when it is resumed"
        ));
    }
    if surplus > 0 {
        preview.warnings.push(format!(
            "{} more than the pool has replicas: drained and released afterwards, as when it is scaled down",
            count_words(surplus, "machine")
        ));
    }
    Ok(preview)
}

/// What the stages before have come to, while the stages are gone through.
struct Walk<'a> {
    scene: &'a Scene<'a>,
    control_plane: Option<Version>,
    /// Partitions hold: a wish for one pool lifts them.
    keeps: bool,
    /// The oldest kubelet of each pool.
    oldest: BTreeMap<String, Version>,
}

impl<'a> Walk<'a> {
    fn new(scene: &'a Scene<'a>, view: &ClusterView, keeps: bool) -> Self {
        let oldest = view.pools.iter().filter_map(|p| Some((p.name.clone(), p.lowest()?.clone())));
        Self { scene, control_plane: view.control_plane(), keeps, oldest: oldest.collect() }
    }

    fn stage(&mut self, stage: &Stage) -> Result<StagePreview, Refusal> {
        let mut pools = Vec::new();
        for name in &stage.pools {
            let pool = self.scene.pool(name)?;
            let to = stage.to.clone();
            let is_first = self.oldest.get(name) != Some(&to);
            let partition = if self.keeps { pool.spec.rollout.partition() } else { 0 };
            let mut preview =
                pool_preview(self.scene, pool, pool.spec.strategy(), partition, &|m| !is_first || !has(m, &to));
            for batch in &mut preview.batches {
                batch.skew = self.skew(name, stage, batch);
            }
            pools.push(preview);
        }
        if stage.role == Role::ControlPlane {
            self.control_plane = Some(stage.to.clone());
        }
        for name in &stage.pools {
            self.oldest.insert(name.clone(), stage.to.clone());
        }
        Ok(StagePreview {
            pools,
            role: stage.role.as_str().to_owned(),
            from: stage.from.to_string(),
            to: stage.to.to_string(),
        })
    }

    /// Minor versions between the control plane and the oldest kubelet once the batch is done.
    fn skew(&self, pool: &str, stage: &Stage, batch: &Batch) -> Option<i64> {
        let control_plane =
            if stage.role == Role::ControlPlane { Some(&stage.to) } else { self.control_plane.as_ref() };
        let mine = if batch.outdated > 0 { &stage.from } else { &stage.to };
        let others = self.oldest.iter().filter(|(name, _)| *name != pool).map(|(_, v)| v);
        others.chain([mine]).min()?.minors_behind(control_plane?)
    }
}

/// Its kubelet reports this version.
fn has(machine: &Machine, version: &Version) -> bool {
    let node = machine.status.as_ref().and_then(|s| s.node.as_ref());
    node.and_then(|n| n.kubelet_version.as_deref()).is_some_and(|v| v.trim_start_matches('v') == version.to_string())
}

fn pool_preview(
    scene: &Scene,
    pool: &NodePool,
    strategy: StrategyType,
    partition: i32,
    is_outdated: &dyn Fn(&Machine) -> bool,
) -> PoolPreview {
    let work = Work::of(scene.operations);
    let mut counts = Counts { desired: pool.spec.replicas, ..Counts::default() };
    for machine in scene.members(pool) {
        let serves = i32::from(machine_state(machine) == MachineState::Ready);
        if work.is_leaving(machine) {
            counts.leaving += 1;
        } else if is_outdated(machine) {
            counts.outdated += 1;
            counts.outdated_available += serves;
        } else {
            counts.updated += 1;
            counts.updated_available += serves;
        }
    }
    let idle = scene.machines.iter().filter(|m| is_candidate(m, &pool.spec.machine_selector)).count();
    counts.idle = i32::try_from(idle).unwrap_or(i32::MAX);
    let members = usize::try_from(counts.outdated + counts.updated + counts.leaving).unwrap_or(0);
    let fences = Fences::of(&pool.spec.rollout, strategy, pool.spec.replicas);
    let bounds = Bounds {
        strategy: if strategy == StrategyType::OnDelete { StrategyType::RollingUpdate } else { strategy },
        fences,
        partition,
        deletions: Budget::allowance(pool.spec.deletion_budget, members),
        one_at_a_time: pool.spec.role != Role::Worker,
        soaked: true,
        hold: false,
    };
    let course = course(&counts, &bounds);
    PoolPreview {
        pool: name(pool).to_owned(),
        strategy: strategy.as_str().to_owned(),
        machines: course.batches.iter().map(|b| b.remove + b.upgrade).sum(),
        surge: fences.surge,
        unavailable: fences.unavailable,
        seconds: seconds(scene, &course),
        brake: course.brake.map(Brake::message),
        batches: course.batches,
        is_cut: course.is_cut,
    }
}

/// What history says the batches take; `None` if it says nothing of one kind of work in them.
fn seconds(scene: &Scene, course: &Course) -> Option<(i64, i64)> {
    let parallelism = scene.deployment.spec.executor.parallelism.and_then(|n| usize::try_from(n).ok());
    let one = |kind| estimate(scene.operations, kind, None, 1, 1);
    let parallelism = parallelism.unwrap_or(DEFAULT_PARALLELISM).max(1);
    let (mut typical, mut slow) = (0, 0);
    let mut add = |n: i32, unit: Option<Estimate>| {
        let waves = i64::try_from(usize::try_from(n).ok()?.div_ceil(parallelism)).ok()?;
        if waves > 0 {
            let unit = unit?;
            typical += waves * i64::try_from(unit.typical.as_secs()).ok()?.max(1);
            slow += waves * i64::try_from(unit.slow.as_secs()).ok()?.max(1);
        }
        Some(())
    };
    let join = one(OperationType::ScaleUp);
    let leave = one(OperationType::Replace).or_else(|| one(OperationType::ScaleDown));
    let upgrade = one(OperationType::Upgrade);
    for batch in &course.batches {
        add(batch.claim, join)?;
        add(batch.remove, leave)?;
        add(batch.upgrade, upgrade)?;
    }
    (!course.batches.is_empty() && !course.is_cut).then_some((typical, slow))
}

/// Totals and warnings over the stages.
fn sum_up(preview: &mut Preview) {
    let pools = || preview.stages.iter().flat_map(|s| &s.pools);
    preview.machines = pools().map(|p| p.machines).sum();
    let each: Option<Vec<(i64, i64)>> = preview
        .stages
        .iter()
        // Pools of one stage go side by side.
        .map(|s| {
            s.pools.iter().map(|p| p.seconds).try_fold((0, 0), |all, one| one.map(|o| (o.0.max(all.0), o.1.max(all.1))))
        })
        .collect();
    preview.estimate = each.filter(|e| !e.is_empty()).map(|e| e.iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)));
    let mut warnings: Vec<String> = Vec::new();
    for pool in pools() {
        warnings.extend(pool.brake.as_ref().map(|why| format!("{} will stop before its end: {why}", pool.pool)));
        let silent = pool.batches.iter().filter_map(|b| b.quorum.as_deref()).find(|q| q.contains("does not answer"));
        warnings.extend(silent.map(|_| {
            format!("{} has no quorum while its member is upgraded: its API server is away for some minutes", pool.pool)
        }));
    }
    warnings.dedup();
    preview.warnings = warnings;
}

fn name(pool: &NodePool) -> &str {
    pool.metadata.name.as_deref().unwrap_or_default()
}

fn count_words(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
