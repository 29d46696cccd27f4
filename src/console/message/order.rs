//! A change as it is asked for: bound to what the user was looking at, and to the meta cluster that it came from.

use super::super::permissions::Need;
use crate::fleet::ContextId;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The kinds that the console writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    NodePool,
    Operation,
    ClusterDeployment,
    Machine,
}

impl Kind {
    const ALL: [Self; 4] = [Self::NodePool, Self::Operation, Self::ClusterDeployment, Self::Machine];

    /// The kind of a name, as a planner writes it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NodePool => "NodePool",
            Self::Operation => "Operation",
            Self::ClusterDeployment => "ClusterDeployment",
            Self::Machine => "Machine",
        }
    }

    /// What writing one takes.
    pub fn need(self) -> Need {
        match self {
            Self::NodePool => Need::PatchPools,
            Self::Operation => Need::PatchOperations,
            Self::ClusterDeployment => Need::PatchDeployments,
            Self::Machine => Need::PatchMachines,
        }
    }

    pub fn plural(self) -> &'static str {
        match self {
            Self::NodePool => "nodepools",
            Self::Operation => "operations",
            Self::ClusterDeployment => "clusterdeployments",
            Self::Machine => "machines",
        }
    }
}

/// An object as the user was looking at it, in the meta cluster that the row came from: a change goes there and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub context: ContextId,
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// Moves with every change of the spec, and not with status.
    pub generation: Option<i64>,
}

/// A merge patch of one object, bound to its identity and to the version that the user was looking at.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub target: Target,
    /// Without the binding; [`Change::body`] adds it.
    pub patch: Value,
}

impl Change {
    /// The patch as it is sent: a new object of the same name, or a newer version of this one, refuses it.
    pub fn body(&self) -> Value {
        let mut body = self.patch.clone();
        json_patch::merge(
            &mut body,
            &json!({"metadata": {"uid": self.target.uid, "resourceVersion": self.target.resource_version}}),
        );
        body
    }

    /// The same change, whatever was written of status in between.
    pub fn is_same(&self, other: &Self) -> bool {
        let bare = |target: &Target| Target { resource_version: String::new(), ..target.clone() };
        self.patch == other.patch && bare(&self.target) == bare(&other.target)
    }

    /// Kind and name, as a person says them.
    pub fn what(&self) -> String {
        format!("{} {}", self.target.kind.as_str(), self.target.name)
    }
}

/// Changes that are made one after another, the first one first.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub changes: Vec<Change>,
    /// In the past tense, for the moment when all are made.
    pub done: String,
}

impl Order {
    pub fn one(change: Change, done: String) -> Self {
        Self { changes: vec![change], done }
    }

    /// What they are about, as a person says it.
    pub fn what(&self) -> String {
        match self.changes.as_slice() {
            [] => "nothing".to_owned(),
            [one] => one.what(),
            [first, rest @ ..] => format!("{} and {} more", first.what(), rest.len()),
        }
    }

    /// What making them takes, each need once.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs: Vec<Need> = Vec::new();
        for change in &self.changes {
            let need = change.target.kind.need();
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        needs
    }

    /// The meta clusters that it changes something in, each once.
    pub fn contexts(&self) -> BTreeSet<ContextId> {
        self.changes.iter().map(|change| change.target.context).collect()
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.changes.len() == other.changes.len() && self.changes.iter().zip(&other.changes).all(|(a, b)| a.is_same(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_bound_to_what_was_seen() {
        let target = Target {
            context: ContextId::FIRST,
            kind: Kind::NodePool,
            namespace: "fleet".into(),
            name: "gpu".into(),
            uid: "u-1".into(),
            resource_version: "7".into(),
            generation: Some(2),
        };
        let patch = json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"replicas": 3}});
        let body = Change { target, patch }.body();
        assert_eq!(
            body,
            json!({"metadata": {"annotations": {"a": "b"}, "uid": "u-1", "resourceVersion": "7"}, "spec": {"replicas": 3}})
        );
    }
}
