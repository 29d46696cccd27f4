//! A person's word that a rollout need not wait for a maintenance window, written together with the wish.
//!
//! It names the revisions that the rollout goes through, and marked machines carry it for their mark: so it ends with that
//! rollout and opens no window for the next. A later wish that does not say so takes it back.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::{Author, Change, Refusal, Scene, Wish, changes::whole_second, stage};
use crate::{
    api::{NodePool, NodePoolSpec, RolloutStatus, labels},
    plan::rollout::moves::Brake,
};

/// Adds it to what is written for the wish, or what takes an earlier one back.
pub(super) fn write(scene: &Scene, wish: &Wish, author: &Author, changes: &mut Vec<Change>) -> Result<(), Refusal> {
    if !wish.waits_for_window() && !matches!(wish, Wish::Abort { .. }) {
        return Ok(());
    }
    for change in changes.iter_mut() {
        let annotations = match change.kind {
            "NodePool" => scene.pool(&change.name)?.metadata.annotations.as_ref(),
            "Machine" => scene
                .machines
                .iter()
                .find(|m| m.metadata.name.as_ref() == Some(&change.name))
                .and_then(|m| m.metadata.annotations.as_ref()),
            _ => continue,
        };
        let was_said = annotations.is_some_and(|a| a.contains_key(labels::OUTSIDE_WINDOW));
        let said = match change.kind {
            "NodePool" => revisions(scene, wish, scene.pool(&change.name)?)?,
            _ if is_said(scene, wish) => Some(change.patch["metadata"]["annotations"][labels::REPLACE_MACHINE].clone()),
            _ => None,
        };
        if said.is_some() || was_said {
            change.patch["metadata"]["annotations"][labels::OUTSIDE_WINDOW] = said.unwrap_or_default();
        }
    }
    if matches!(wish, Wish::Upgrade { pool: None, .. }) {
        for pool in scene.pools {
            changes.extend(of_cluster(scene, wish, author, pool)?);
        }
    }
    Ok(())
}

/// A replacement of all machines that waits for a window, and how many are left: to ask for it again begins no second one.
pub(super) fn waiting(pool: &NodePool) -> Option<&RolloutStatus> {
    let rollout = pool.status.as_ref()?.rollout.as_ref()?;
    let reason = rollout.reason.as_deref();
    let waits = reason == Some(Brake::WINDOW_CLOSED) || reason == Some(Brake::WINDOW_INVALID);
    let stays = rollout.from_versions.iter().all(|from| Some(from) == rollout.version.as_ref());
    Some(rollout).filter(|r| waits && stays && pool.spec.rollout.after.is_some() && r.outdated > r.kept)
}

/// Where there are no windows there is nothing to say.
fn is_said(scene: &Scene, wish: &Wish) -> bool {
    wish.is_outside_window() && !scene.deployment.spec.maintenance_windows.is_empty()
}

/// What an upgrade of the whole cluster says on one of its pools, which it does not change otherwise.
fn of_cluster(scene: &Scene, wish: &Wish, author: &Author, pool: &NodePool) -> Result<Option<Change>, Refusal> {
    let said = revisions(scene, wish, pool)?;
    let was_said = pool.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(labels::OUTSIDE_WINDOW));
    if said.is_none() && !was_said {
        return Ok(None);
    }
    let mut annotations = author.annotations();
    annotations[labels::OUTSIDE_WINDOW] = said.unwrap_or_default();
    Ok(Some(Change::of("NodePool", &pool.metadata, json!({ "metadata": { "annotations": annotations } }))))
}

/// The revisions that the rollout takes this pool through, with commas between them; `None` if it takes it nowhere, or
/// waits for windows.
fn revisions(scene: &Scene, wish: &Wish, pool: &NodePool) -> Result<Option<Value>, Refusal> {
    if !is_said(scene, wish) {
        return Ok(None);
    }
    let name = pool.metadata.name.as_deref().unwrap_or_default();
    let mut all: Vec<String> = match wish {
        Wish::Upgrade { pool: one, version, .. } => {
            let (_, stages) = stage::way(scene, one.as_deref(), &version.parse()?)?;
            let ours = stages.iter().filter(|s| s.pools.iter().any(|p| p == name));
            let spec = made_like(&pool.spec, scene.now);
            ours.map(|s| spec.revision(Some(&s.to.to_string()))).collect()
        }
        Wish::Replace { .. } if let Some(rollout) = waiting(pool) => vec![rollout.revision.clone()],
        Wish::Replace { .. } => {
            let mut spec = pool.spec.clone();
            spec.rollout.after = Some(Time(whole_second(scene)));
            versions(scene, pool).iter().map(|version| spec.revision(Some(version))).collect()
        }
        Wish::Rollback { .. } => {
            let before = pool.status.as_ref().and_then(|s| s.previous_revision.clone()).unwrap_or_default();
            let mut spec = pool.spec.clone();
            (spec.template, spec.rollout.after) = (before.template, None);
            vec![spec.revision(before.version.as_deref()), before.revision]
        }
        _ => Vec::new(),
    };
    all.dedup();
    Ok((!all.is_empty()).then(|| json!(all.join(","))))
}

/// A moment that is still to come makes no revision yet.
fn made_like(spec: &NodePoolSpec, now: Timestamp) -> NodePoolSpec {
    let mut spec = spec.clone();
    spec.rollout.after = spec.rollout.after.filter(|after| after.0 <= now);
    spec
}

/// The version that its machines are made with now, and the one that it waits for.
fn versions(scene: &Scene, pool: &NodePool) -> Vec<String> {
    let now = pool.status.as_ref().and_then(|s| s.version.clone());
    let asked = pool.spec.version.clone().unwrap_or_else(|| scene.deployment.spec.version.clone());
    let mut all: Vec<String> = now.into_iter().chain([asked]).collect();
    all.dedup();
    all
}
