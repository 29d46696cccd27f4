//! What a simulated business cluster does next: sets keep their number, the scheduler places, kubelets start and end pods,
//! nodes become ready and cease to be. Pure: from what is there to what is due.
//!
//! What is heard marks what it concerns, and only that is looked at again: a cluster at rest costs nothing, and one pod
//! more costs the same in a large cluster as in a small one, but for the choice of its node.

mod due;
mod place;
mod rows;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, ReplicaSet, StatefulSet},
    core::v1::{Node, Pod},
};
use kube::ResourceExt;

pub use rows::{KUBELET_STOPPED, NodeRow, PodRow, READY_AFTER, SetRow, Size};

#[cfg(test)]
pub use rows::node_ready;

use super::Broken;

/// What is there, by uid; nodes by name.
#[derive(Debug, Default)]
pub struct Model {
    nodes: BTreeMap<String, NodeRow>,
    pods: BTreeMap<String, PodRow>,
    sets: BTreeMap<String, SetRow>,
    of_set: BTreeMap<String, BTreeSet<String>>,
    on_node: BTreeMap<String, BTreeSet<String>>,
    /// Pods that have no node.
    waiting: BTreeSet<String>,
    dirty: Dirty,
    broken: Option<Broken>,
}

/// What has to be looked at again.
#[derive(Debug, Default)]
struct Dirty {
    nodes: BTreeSet<String>,
    pods: BTreeSet<String>,
    sets: BTreeSet<String>,
    /// A node takes pods that took none, or others.
    places: bool,
}

/// One thing to do. Its form is also its identity: the same thing is not begun twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A pod that is missing of a set, on a node already for daemon sets; `nth` tells apart what is under way at once, and
    /// is the number of the pod in a stateful set.
    Create {
        set: String,
        node: Option<String>,
        nth: usize,
    },
    /// One pod too many, or one whose node is lost for good.
    Remove {
        pod: String,
    },
    Bind {
        pod: String,
        node: String,
    },
    Start {
        pod: String,
    },
    /// It has warmed up.
    Ready {
        pod: String,
        after_secs: u64,
    },
    /// Its node is not heard of any more.
    Unready {
        pod: String,
    },
    /// The grace of a deleted pod is used.
    Finish {
        pod: String,
        grace: i64,
    },
    NodeReady {
        node: String,
    },
    NodeLost {
        node: String,
    },
    /// A wait: a node that is lost for so long has lost its pods.
    Abandon {
        node: String,
    },
}

impl Act {
    /// The pod that it is about, if that exists.
    pub fn pod(&self) -> Option<&str> {
        match self {
            Self::Remove { pod }
            | Self::Bind { pod, .. }
            | Self::Start { pod }
            | Self::Ready { pod, .. }
            | Self::Unready { pod }
            | Self::Finish { pod, .. } => Some(pod),
            Self::Create { .. } | Self::NodeReady { .. } | Self::NodeLost { .. } | Self::Abandon { .. } => None,
        }
    }

    /// It is mostly waiting, perhaps for minutes.
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Abandon { .. })
    }
}

impl Model {
    pub fn new(broken: Option<Broken>) -> Self {
        Self { broken, ..Self::default() }
    }

    pub fn has_pods(&self) -> bool {
        !self.pods.is_empty()
    }

    pub fn pod_row(&self, uid: &str) -> Option<&PodRow> {
        self.pods.get(uid)
    }

    pub fn set_row(&self, uid: &str) -> Option<&SetRow> {
        self.sets.get(uid)
    }

    /// Names of the nodes whose kubelets run.
    pub fn alive(&self) -> impl Iterator<Item = &String> {
        self.nodes.iter().filter(|(_, n)| n.kubelet).map(|(name, _)| name)
    }

    pub fn node(&mut self, node: &Node) {
        self.put_node(node.name_any(), NodeRow::of(node));
    }

    pub fn node_gone(&mut self, name: &str) {
        if self.nodes.remove(name).is_some() {
            self.touch_pods_on(name);
        }
    }

    /// So long is a node lost that its pods are given up.
    pub fn abandon(&mut self, name: &str) {
        if let Some(row) = self.nodes.get_mut(name).filter(|row| !row.kubelet) {
            row.abandoned = true;
            self.touch_pods_on(name);
        }
    }

    pub fn pod(&mut self, pod: &Pod) {
        if let Some(uid) = pod.uid() {
            self.put_pod(uid, PodRow::of(pod));
        }
    }

    /// Whether it was there.
    pub fn pod_gone(&mut self, uid: &str) -> bool {
        self.touch_pod(uid);
        self.unlink(uid);
        self.pods.remove(uid).is_some()
    }

    pub fn replica_set(&mut self, set: &ReplicaSet) {
        self.put_set(SetRow::of_replica_set(set));
    }

    pub fn stateful_set(&mut self, set: &StatefulSet) {
        self.put_set(SetRow::of_stateful_set(set));
    }

    pub fn daemon_set(&mut self, set: &DaemonSet) {
        self.put_set(SetRow::of_daemon_set(set));
    }

    pub fn set_gone(&mut self, uid: &str) {
        self.sets.remove(uid);
    }

    /// An act has ended, or could not be begun: what it was about is looked at again.
    pub fn touch(&mut self, act: &Act) {
        match act {
            Act::Create { set, .. } => drop(self.dirty.sets.insert(set.clone())),
            Act::NodeReady { node } | Act::NodeLost { node } | Act::Abandon { node } => {
                self.dirty.nodes.insert(node.clone());
            }
            _ => self.touch_pod(act.pod().expect("all others are about a pod")),
        }
    }

    fn put_node(&mut self, name: String, mut row: NodeRow) {
        let old = self.nodes.get(&name);
        if old.is_some_and(|old| old.revision >= row.revision) {
            return;
        }
        row.abandoned = old.is_some_and(|old| old.abandoned) && !row.kubelet;
        let (is_new, lives_otherwise) = (old.is_none(), old.is_none_or(|old| old.kubelet != row.kubelet));
        if old.is_none_or(|old| old.ready != row.ready) || lives_otherwise {
            self.touch_pods_on(&name);
        }
        if self.nodes.get(&name).is_none_or(|old| !old.places_as(&row)) {
            self.dirty.places = true;
        }
        if is_new || lives_otherwise {
            let daemons = self.sets.iter().filter(|(_, set)| set.size == Size::EachNode);
            self.dirty.sets.extend(daemons.map(|(uid, _)| uid.clone()));
        }
        self.dirty.nodes.insert(name.clone());
        self.nodes.insert(name, row);
    }

    fn put_pod(&mut self, uid: String, row: PodRow) {
        if self.pods.get(&uid).is_some_and(|old| old.revision >= row.revision) {
            return;
        }
        self.unlink(&uid);
        if let Some(owner) = &row.owner {
            self.of_set.entry(owner.clone()).or_default().insert(uid.clone());
        }
        match &row.node {
            Some(node) => drop(self.on_node.entry(node.clone()).or_default().insert(uid.clone())),
            None => drop(self.waiting.insert(uid.clone())),
        }
        self.pods.insert(uid.clone(), row);
        self.touch_pod(&uid);
    }

    fn put_set(&mut self, row: Option<SetRow>) {
        let Some(row) = row else { return };
        self.dirty.sets.insert(row.owner.uid.clone());
        self.sets.insert(row.owner.uid.clone(), row);
    }

    /// Takes a pod out of what is kept by set and by node.
    fn unlink(&mut self, uid: &str) {
        let Some(row) = self.pods.get(uid) else { return };
        for (index, key) in [(&mut self.of_set, &row.owner), (&mut self.on_node, &row.node)] {
            let Some(key) = key else { continue };
            if index.get_mut(key).is_some_and(|uids| uids.remove(uid) && uids.is_empty()) {
                index.remove(key);
            }
        }
        self.waiting.remove(uid);
    }

    fn touch_pod(&mut self, uid: &str) {
        if let Some(owner) = self.pods.get(uid).and_then(|row| row.owner.clone()) {
            self.dirty.sets.insert(owner);
        }
        self.dirty.pods.insert(uid.to_owned());
    }

    fn touch_pods_on(&mut self, node: &str) {
        self.dirty.pods.extend(self.on_node.get(node).into_iter().flatten().cloned());
    }

    /// Pods of a set, those that are over left out.
    fn pods_of<'a>(&'a self, set: &str) -> impl Iterator<Item = (&'a String, &'a PodRow)> + Clone {
        let uids = self.of_set.get(set).into_iter().flatten();
        uids.filter_map(|uid| self.pods.get_key_value(uid)).filter(|(_, pod)| !pod.over)
    }
}
