//! Merge patches that hold only for the objects that were looked at.

use std::collections::BTreeMap;

use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    api::{ClusterDeployment, Machine, NodePool, Operation, labels},
    commands::{
        Globals, connect,
        exit::{Ended, Exit},
    },
    plan::lifecycle::Change,
};

use super::stakes::Stakes;

/// How often a patch is tried when only the status of its object has moved.
const ATTEMPTS: usize = 8;

/// What people change of an object: while it is the same, the plan holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub spec: Value,
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Seen {
    pub fn of<K: Resource + Serialize>(object: &K) -> Self {
        let spec = serde_json::to_value(object).ok().and_then(|v| v.get("spec").cloned()).unwrap_or_default();
        Self { spec, annotations: object.meta().annotations.clone().filter(|a| !a.is_empty()) }
    }
}

/// A patch and what it was made for.
#[derive(Clone, Debug)]
pub struct Bound {
    pub change: Change,
    pub seen: Seen,
}

impl Bound {
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |c: &Change| (c.kind, c.name.clone(), c.uid.clone());
        key(&self.change) == key(&other.change)
    }
}

/// Writes, or lets the server say what it would write.
#[derive(Clone)]
pub struct Writer {
    pub client: Client,
    pub namespace: String,
    /// Why more is asked for here than elsewhere.
    pub stakes: Option<Stakes>,
}

impl Writer {
    /// To where the flags, or else the kubeconfig, say; a server that is too old is refused.
    pub async fn open(globals: &Globals) -> Result<Self, Ended> {
        let stakes = Stakes::of(globals)?;
        let (client, namespace) = connect::writer(globals).await?;
        Ok(Self { client, namespace, stakes })
    }

    /// All of them, in order; what the server stored. It stops at the first that is refused, and says how far it came.
    pub async fn all(&self, changes: &[Bound], dry_run: bool) -> Result<Vec<Value>, Ended> {
        let mut stored = Vec::new();
        for bound in changes {
            match self.one(bound, dry_run).await {
                Ok(object) => stored.push(object),
                Err(ended) if stored.is_empty() || dry_run => return Err(ended),
                Err(ended) => {
                    let done: Vec<_> = changes[..stored.len()].iter().map(|b| b.change.name.as_str()).collect();
                    let message = format!("{}; written before that: {}", ended.message, done.join(", "));
                    return Err(Ended::new(Exit::Failed, message));
                }
            }
        }
        Ok(stored)
    }

    /// Holds only for the object that was looked at: if no more than its status has moved since, it is tried again.
    pub async fn one(&self, bound: &Bound, dry_run: bool) -> Result<Value, Ended> {
        let parameters =
            PatchParams { dry_run, field_manager: Some(labels::CONSOLE_MANAGER.to_owned()), ..PatchParams::default() };
        let change = &bound.change;
        let api = self.api(change.kind);
        let mut version = change.resource_version.clone();
        for _ in 0..ATTEMPTS {
            let mut patch = change.patch.clone();
            patch["metadata"]["uid"] = json!(change.uid);
            patch["metadata"]["resourceVersion"] = json!(version);
            match api.patch(&change.name, &parameters, &Patch::Merge(patch)).await {
                Ok(object) => return serde_json::to_value(object).map_err(|e| unreadable(&e)),
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    version = self.unchanged_since(&api, bound).await?;
                }
                Err(kube::Error::Api(status)) if status.code == 422 || status.code == 400 => {
                    return Err(Ended::new(Exit::BadInput, status.message.clone()));
                }
                Err(kube::Error::Api(status)) if status.code == 404 && named(&status) => return Err(gone(bound)),
                Err(error) => return Err(self.failed(&error, "patch", change.kind)),
            }
        }
        Err(Ended::new(Exit::Declined, format!("{} changes all the time: nothing was changed; try again", change.name)))
    }

    /// The resourceVersion of now, if nobody has changed what people change.
    async fn unchanged_since(&self, api: &Api<DynamicObject>, bound: &Bound) -> Result<Option<String>, Ended> {
        let change = &bound.change;
        let now = api.get_opt(&change.name).await.map_err(|e| self.failed(&e, "get", change.kind))?;
        let now = now.filter(|now| now.metadata.uid == change.uid).ok_or_else(|| gone(bound))?;
        if Seen::of(&now) == bound.seen {
            return Ok(now.metadata.resource_version);
        }
        let name = &change.name;
        let why = format!("{name} was changed by somebody else meanwhile: nothing was changed; look again");
        Err(Ended::new(Exit::Declined, why))
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    fn failed(&self, error: &kube::Error, verb: &'static str, kind: &str) -> Ended {
        connect::failed(error, verb, &resource(kind).plural, Some(&self.namespace))
    }
}

/// The answer is about the object; otherwise it is the kind that is not there.
fn named(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|d| !d.name.is_empty())
}

fn gone(bound: &Bound) -> Ended {
    let why = format!("{} is not there any more: nothing was changed; look again", bound.change.name);
    Ended::new(Exit::NotFound, why)
}

fn unreadable(error: &serde_json::Error) -> Ended {
    Ended::new(Exit::Failed, format!("the answer of the API server cannot be read: {error}"))
}

fn resource(kind: &str) -> ApiResource {
    match kind {
        "ClusterDeployment" => ApiResource::erase::<ClusterDeployment>(&()),
        "Machine" => ApiResource::erase::<Machine>(&()),
        "Operation" => ApiResource::erase::<Operation>(&()),
        _ => ApiResource::erase::<NodePool>(&()),
    }
}
