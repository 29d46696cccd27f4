//! What is written for a wish: merge patches, each bound to the object that was looked at.

use serde_json::{Map, Value, json};

use super::{Refusal, Scene, Wish, passage};
use crate::{
    api::{Machine, NodePool, NodeTemplate, Operation, OperationState, Role, labels},
    plan::{
        rollout::is_marked,
        version::Version,
        work::{Work, reservation, state},
    },
};

/// Who asks, and why.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    pub by: &'a str,
    pub reason: Option<&'a str>,
}

impl Author<'_> {
    pub(super) fn nobody() -> Self {
        Self { by: "", reason: None }
    }

    pub(super) fn annotations(&self) -> Value {
        // The reason of the change before does not speak for this one.
        json!({ labels::REQUESTED_BY: self.by, labels::REASON: self.reason })
    }
}

/// One merge patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `ClusterDeployment`, `NodePool`, `Machine` or `Operation`.
    pub kind: &'static str,
    pub name: String,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    /// Without the UID and resourceVersion that it is bound to.
    pub patch: Value,
}

/// What is written for the wish, in this order.
pub fn changes(scene: &Scene, wish: &Wish, author: &Author) -> Result<Vec<Change>, Refusal> {
    let mut changes = written(scene, wish, author)?;
    passage::write(scene, wish, author, &mut changes)?;
    Ok(changes)
}

fn written(scene: &Scene, wish: &Wish, author: &Author) -> Result<Vec<Change>, Refusal> {
    let write = Writer { scene, author };
    match wish {
        Wish::Upgrade { pool: None, version, .. } => {
            let version: Version = version.parse()?;
            Ok(vec![write.deployment(json!({ "version": version.to_string() }))])
        }
        Wish::Upgrade { pool: Some(pool), version, .. } => {
            let version: Version = version.parse()?;
            // A new version is meant for all: what an abort kept before is kept no longer.
            let spec = json!({ "version": version.to_string(), "rollout": { "partition": null } });
            Ok(vec![write.pool(scene.pool(pool)?, spec)])
        }
        // What waits already is only told that it need not.
        Wish::Replace { pool, .. } if passage::waiting(scene.pool(pool)?).is_some() => {
            let pool = scene.pool(pool)?;
            Ok(vec![Change::of(
                "NodePool",
                &pool.metadata,
                json!({ "metadata": { "annotations": write.annotations() } }),
            )])
        }
        Wish::Replace { pool, .. } => Ok(vec![write.pool(
            scene.pool(pool)?,
            json!({ "rollout": { "after": whole_second(scene).to_string(), "partition": null } }),
        )]),
        Wish::ReplaceMachines { pool, machines, .. } => {
            let chosen = chosen(scene, scene.pool(pool)?, machines)?;
            let mark = json!({ labels::REPLACE_MACHINE: scene.now.to_string(), labels::REMEDIATION: null });
            Ok(chosen.into_iter().map(|m| write.machine(m, mark.clone())).collect())
        }
        Wish::Rollback { pool, .. } => Ok(vec![write.pool(scene.pool(pool)?, previous(scene.pool(pool)?)?)]),
        Wish::Pause { pool } => write.flag(pool, "paused", true, |p| p.spec.paused, Refusal::Paused),
        Wish::Resume { pool } => write.flag(pool, "paused", false, |p| !p.spec.paused, Refusal::NotPaused),
        Wish::PauseCluster => write.pause(true),
        Wish::ResumeCluster => write.pause(false),
        Wish::Hold { pool } => write.flag(pool, "hold", true, |p| p.spec.hold, Refusal::Held),
        Wish::Unhold { pool } => write.flag(pool, "hold", false, |p| !p.spec.hold, Refusal::NotHeld),
        Wish::Retry { pool } => write.retry(scene.pool(pool)?),
        Wish::Abort { pool } => write.abort(scene.pool(pool)?),
    }
}

/// Now, as the API keeps it.
pub(super) fn whole_second(scene: &Scene) -> jiff::Timestamp {
    jiff::Timestamp::from_second(scene.now.as_second()).unwrap_or(scene.now)
}

/// The machines that are named, if all of them are members that stay.
pub(super) fn chosen<'a>(scene: &Scene<'a>, pool: &'a NodePool, names: &[String]) -> Result<Vec<&'a Machine>, Refusal> {
    let pool_name = || pool.metadata.name.clone().unwrap_or_default();
    let work = Work::of(scene.operations);
    let mut chosen = Vec::new();
    for name in names {
        let machine = scene
            .members(pool)
            .find(|m| m.metadata.name.as_ref() == Some(name))
            .ok_or_else(|| Refusal::NotAMember { machine: name.clone(), pool: pool_name() })?;
        if work.is_leaving(machine) {
            return Err(Refusal::Leaving(name.clone()));
        }
        chosen.push(machine);
    }
    if chosen.is_empty() { Err(Refusal::Empty(pool_name())) } else { Ok(chosen) }
}

/// Members that are to give way, as the pool stands.
pub(super) fn outdated<'a>(scene: &Scene<'a>, pool: &'a NodePool) -> Vec<&'a Machine> {
    let revision = pool.status.as_ref().and_then(|s| s.rollout.as_ref()).map(|r| r.revision.as_str());
    let begun = Work::of(scene.operations);
    let is_old = |m: &Machine| {
        let made = m.spec.claim_ref.as_ref().and_then(|c| c.revision.as_deref());
        revision.is_some() && made != revision
    };
    scene.members(pool).filter(|m| (is_marked(m) || is_old(m)) && !is_going(m, &begun)).collect()
}

/// It leaves for good: what hosts are worked on for is not stopped any more.
pub(super) fn is_going(machine: &Machine, work: &Work) -> bool {
    work.is_leaving(machine) && work.latest(machine).is_none_or(|o| !is_cancellable(o))
}

/// Work on hosts has not begun.
fn is_cancellable(operation: &Operation) -> bool {
    matches!(state(operation), OperationState::Pending | OperationState::Draining)
}

/// The specification of the revision before.
fn previous(pool: &NodePool) -> Result<Value, Refusal> {
    let none = || Refusal::NoPrevious(pool.metadata.name.clone().unwrap_or_default());
    let before = pool.status.as_ref().and_then(|s| s.previous_revision.as_ref()).ok_or_else(none)?;
    let version = pool.status.as_ref().and_then(|s| s.version.clone());
    if before.version == version && before.template == pool.spec.template {
        return Err(none());
    }
    let mut spec = json!({
        "template": template(&before.template, &pool.spec.template),
        "rollout": { "partition": null, "after": null },
    });
    if pool.spec.role == Role::Worker {
        spec["version"] = json!(before.version);
    }
    Ok(spec)
}

/// A merge patch adds up maps: keys that are gone are written as null.
fn template(wanted: &NodeTemplate, now: &NodeTemplate) -> Value {
    let mut labels: Map<String, Value> = now.labels.keys().map(|k| (k.clone(), Value::Null)).collect();
    labels.extend(wanted.labels.iter().map(|(k, v)| (k.clone(), json!(v))));
    json!({ "labels": labels, "taints": wanted.taints })
}

struct Writer<'a> {
    scene: &'a Scene<'a>,
    author: &'a Author<'a>,
}

impl Writer<'_> {
    fn annotations(&self) -> Value {
        self.author.annotations()
    }

    fn deployment(&self, spec: Value) -> Change {
        let metadata = &self.scene.deployment.metadata;
        let patch = json!({ "metadata": { "annotations": self.annotations() }, "spec": spec });
        Change::of("ClusterDeployment", metadata, patch)
    }

    fn pool(&self, pool: &NodePool, spec: Value) -> Change {
        let patch = json!({ "metadata": { "annotations": self.annotations() }, "spec": spec });
        Change::of("NodePool", &pool.metadata, patch)
    }

    fn machine(&self, machine: &Machine, annotations: Value) -> Change {
        let mut all = self.annotations();
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), annotations) {
            all.extend(more);
        }
        Change::of("Machine", &machine.metadata, json!({ "metadata": { "annotations": all } }))
    }

    fn flag(
        &self,
        pool: &str,
        field: &str,
        value: bool,
        is_there: impl Fn(&NodePool) -> bool,
        refusal: impl Fn(String) -> Refusal,
    ) -> Result<Vec<Change>, Refusal> {
        let pool = self.scene.pool(pool)?;
        if is_there(pool) {
            return Err(refusal(pool.metadata.name.clone().unwrap_or_default()));
        }
        Ok(vec![self.pool(pool, json!({ field: value }))])
    }

    /// The whole cluster: pools keep what they say themselves.
    fn pause(&self, wanted: bool) -> Result<Vec<Change>, Refusal> {
        let name = self.scene.cluster_name().to_owned();
        match (self.scene.deployment.spec.paused, wanted) {
            (true, true) => Err(Refusal::Paused(name)),
            (false, false) => Err(Refusal::ClusterNotPaused(name)),
            _ => Ok(vec![self.deployment(json!({ "paused": wanted }))]),
        }
    }

    fn operations_of<'b>(&'b self, pool: &'b NodePool) -> impl Iterator<Item = &'b Operation> {
        self.scene
            .operations
            .iter()
            .filter(move |o| o.spec.pool_name == pool.metadata.name && o.spec.cluster_name == pool.spec.cluster_name)
    }

    /// Failed operations that still hold a machine.
    fn retry(&self, pool: &NodePool) -> Result<Vec<Change>, Refusal> {
        let holds = |o: &&Operation| self.scene.members(pool).any(|m| reservation(m) == o.metadata.name.as_deref());
        let failed = self.operations_of(pool).filter(|o| state(o) == OperationState::Failed).filter(holds);
        let mark = json!({ "metadata": { "annotations": { labels::RETRY: self.scene.now.to_string() } } });
        let changes: Vec<_> = failed.map(|o| Change::of("Operation", &o.metadata, mark.clone())).collect();
        if changes.is_empty() {
            return Err(Refusal::NothingFailed(pool.metadata.name.clone().unwrap_or_default()));
        }
        Ok(changes)
    }

    /// The pool first, so that nothing new is begun; then what was begun and can be taken back.
    fn abort(&self, pool: &NodePool) -> Result<Vec<Change>, Refusal> {
        let rollout = pool.status.as_ref().and_then(|s| s.rollout.as_ref());
        if rollout.is_none_or(|r| r.outdated <= r.kept && r.in_flight == 0) {
            return Err(Refusal::NothingUnderWay(pool.metadata.name.clone().unwrap_or_default()));
        }
        let outdated = outdated(self.scene, pool);
        let mut changes = vec![self.pool(pool, json!({ "rollout": { "partition": outdated.len() } }))];
        let unmark = json!({ labels::REPLACE_MACHINE: null, labels::REMEDIATION: null });
        changes.extend(outdated.iter().filter(|m| is_marked(m)).map(|m| self.machine(m, unmark.clone())));
        let open = self.operations_of(pool).filter(|o| o.spec.type_.drains() && is_cancellable(o) && !o.spec.cancelled);
        let cancel = json!({ "spec": { "cancelled": true } });
        changes.extend(open.map(|o| Change::of("Operation", &o.metadata, cancel.clone())));
        Ok(changes)
    }
}

impl Change {
    pub(super) fn of(kind: &'static str, metadata: &kube::core::ObjectMeta, patch: Value) -> Self {
        Self {
            kind,
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            patch,
        }
    }
}
