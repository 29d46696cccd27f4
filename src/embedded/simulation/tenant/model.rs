//! What a simulated business cluster does next: replica sets keep their number, the scheduler places, kubelets start and
//! end pods, nodes become ready and cease to be. Pure: from what is there to what is due.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, ReplicaSet},
        core::v1::{Node, Pod, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::ResourceExt;

/// On a simulated node: its kubelet does not run.
pub const KUBELET_STOPPED: &str = "quarterdeck.dev/simulated-kubelet-stopped";

/// What is there, by uid; nodes by name.
#[derive(Debug, Default)]
pub struct Model {
    pub nodes: BTreeMap<String, NodeRow>,
    pub pods: BTreeMap<String, PodRow>,
    pub sets: BTreeMap<String, SetRow>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NodeRow {
    pub uid: String,
    pub revision: u64,
    pub ready: bool,
    pub schedulable: bool,
    pub kubelet: bool,
    /// Keys of its taints that keep pods away.
    pub taints: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PodRow {
    pub namespace: String,
    pub name: String,
    pub revision: u64,
    pub owner: Option<String>,
    pub node: Option<String>,
    pub running: bool,
    pub over: bool,
    /// It is being deleted, with this many seconds of grace.
    pub grace: Option<i64>,
    pub tolerates: BTreeSet<String>,
}

/// A replica set, or a daemon set, which wants one for each node.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRow {
    pub namespace: String,
    pub name: String,
    pub replicas: Option<usize>,
    pub owner: OwnerReference,
    pub template: PodTemplateSpec,
}

/// One thing to do. Its form is also its identity: the same thing is not begun twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A pod that is missing of a set, on a node already for daemon sets; `nth` tells apart what is under way at once.
    Create {
        set: String,
        node: Option<String>,
        nth: usize,
    },
    /// One pod too many.
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
}

impl Model {
    pub fn node(&mut self, node: &Node) {
        let row = NodeRow {
            uid: node.uid().unwrap_or_default(),
            revision: revision(&node.metadata),
            ready: node_ready(node).is_some_and(|status| status == "True"),
            schedulable: node.spec.as_ref().and_then(|s| s.unschedulable) != Some(true),
            kubelet: !node.annotations().contains_key(KUBELET_STOPPED),
            taints: node.spec.iter().flat_map(|s| s.taints.iter().flatten()).map(|t| t.key.clone()).collect(),
        };
        if self.nodes.get(&node.name_any()).is_none_or(|old| old.revision < row.revision) {
            self.nodes.insert(node.name_any(), row);
        }
    }

    pub fn pod(&mut self, pod: &Pod) {
        let Some(uid) = pod.uid() else { return };
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        let spec = pod.spec.as_ref();
        let row = PodRow {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            revision: revision(&pod.metadata),
            owner: pod.owner_references().iter().find(|o| o.controller == Some(true)).map(|o| o.uid.clone()),
            node: spec.and_then(|s| s.node_name.clone()).filter(|n| !n.is_empty()),
            running: phase == "Running",
            over: matches!(phase, "Succeeded" | "Failed"),
            grace: pod
                .metadata
                .deletion_timestamp
                .as_ref()
                .map(|_| pod.metadata.deletion_grace_period_seconds.unwrap_or(0)),
            tolerates: spec
                .iter()
                .flat_map(|s| s.tolerations.iter().flatten())
                .map(|t| t.key.clone().unwrap_or_default())
                .collect(),
        };
        if self.pods.get(&uid).is_none_or(|old| old.revision < row.revision) {
            self.pods.insert(uid, row);
        }
    }

    pub fn replica_set(&mut self, set: &ReplicaSet) {
        let Some(spec) = &set.spec else { return };
        let replicas = Some(spec.replicas.unwrap_or(1).max(0) as usize);
        let template = spec.template.clone().unwrap_or_default();
        self.set("ReplicaSet", &set.metadata, replicas, template);
    }

    pub fn daemon_set(&mut self, set: &DaemonSet) {
        let Some(spec) = &set.spec else { return };
        self.set("DaemonSet", &set.metadata, None, spec.template.clone());
    }

    fn set(&mut self, kind: &str, metadata: &ObjectMeta, replicas: Option<usize>, template: PodTemplateSpec) {
        let (Some(name), Some(uid)) = (metadata.name.clone(), metadata.uid.clone()) else { return };
        let owner = OwnerReference {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            name: name.clone(),
            uid: uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        };
        let namespace = metadata.namespace.clone().unwrap_or_default();
        self.sets.insert(uid, SetRow { namespace, name, replicas, owner, template });
    }

    /// Everything that is due now, beside what is under way already.
    pub fn due(&self, begun: &BTreeSet<Act>) -> Vec<Act> {
        let mut acts: Vec<Act> = self.node_acts().collect();
        acts.extend(self.pods.iter().filter_map(|(uid, pod)| self.pod_act(uid, pod)));
        acts.retain(|act| !begun.contains(act));
        let busy: BTreeSet<&str> = begun.iter().filter_map(Act::pod).collect();
        acts.extend(self.bindings(&busy));
        acts.extend(self.sets.iter().flat_map(|(uid, set)| self.set_acts(uid, set, &busy, begun)));
        acts
    }

    fn node_acts(&self) -> impl Iterator<Item = Act> + '_ {
        self.nodes.iter().filter_map(|(name, node)| match (node.kubelet, node.ready) {
            (true, false) => Some(Act::NodeReady { node: name.clone() }),
            (false, true) => Some(Act::NodeLost { node: name.clone() }),
            _ => None,
        })
    }

    fn pod_act(&self, uid: &str, pod: &PodRow) -> Option<Act> {
        let Some(name) = &pod.node else {
            // Nothing runs yet, so nothing has to end.
            return pod.grace.map(|_| Act::Finish { pod: uid.to_owned(), grace: 0 });
        };
        let Some(node) = self.nodes.get(name) else { return Some(Act::Finish { pod: uid.to_owned(), grace: 0 }) };
        match pod.grace {
            _ if !node.kubelet => None,
            Some(grace) => Some(Act::Finish { pod: uid.to_owned(), grace }),
            None if pod.running || pod.over => None,
            None => Some(Act::Start { pod: uid.to_owned() }),
        }
    }

    /// Places each waiting pod on the node with the fewest pods that it tolerates.
    fn bindings(&self, busy: &BTreeSet<&str>) -> Vec<Act> {
        let mut load: BTreeMap<&str, usize> = self.nodes.keys().map(|name| (name.as_str(), 0)).collect();
        for node in self.pods.values().filter_map(|p| p.node.as_deref()) {
            *load.entry(node).or_default() += 1;
        }
        let mut acts = vec![];
        let waiting = |p: &PodRow| p.node.is_none() && p.grace.is_none();
        for (uid, pod) in self.pods.iter().filter(|(uid, p)| waiting(p) && !busy.contains(uid.as_str())) {
            let fits = |n: &&NodeRow| n.ready && n.kubelet && n.schedulable && n.taints.is_subset(&pod.tolerates);
            let open = self.nodes.iter().filter(|(_, n)| fits(n));
            if let Some((name, _)) =
                open.min_by_key(|(name, n)| (n.taints.is_empty() && !pod.tolerates.is_empty(), load[name.as_str()]))
            {
                *load.get_mut(name.as_str()).expect("every node has a load") += 1;
                acts.push(Act::Bind { pod: uid.clone(), node: name.clone() });
            }
        }
        acts
    }

    fn set_acts(&self, uid: &str, set: &SetRow, busy: &BTreeSet<&str>, begun: &BTreeSet<Act>) -> Vec<Act> {
        let mine = self.pods.iter().filter(|(_, p)| p.owner.as_deref() == Some(uid) && !p.over);
        let coming: Vec<_> = begun.iter().filter_map(|act| act.creates(uid)).collect();
        let Some(replicas) = set.replicas else {
            let served: BTreeSet<_> =
                mine.filter_map(|(_, p)| p.node.as_deref()).chain(coming.iter().filter_map(|c| c.0)).collect();
            let unserved = self.nodes.iter().filter(|(name, n)| n.kubelet && !served.contains(name.as_str()));
            return unserved
                .map(|(name, _)| Act::Create { set: uid.to_owned(), node: Some(name.clone()), nth: 0 })
                .collect();
        };
        let alive: Vec<_> = mine.filter(|(_, p)| p.grace.is_none()).collect();
        let missing = replicas.saturating_sub(alive.len() + coming.len());
        let free = (0..).filter(|nth| coming.iter().all(|(_, taken)| taken != nth));
        let create = free.take(missing).map(|nth| Act::Create { set: uid.to_owned(), node: None, nth });
        // Those that do not run leave first, then the youngest.
        let idle = alive.iter().filter(|(pod, _)| !busy.contains(pod.as_str()));
        let mut leaving: Vec<_> = idle.map(|(pod, row)| (row.running, std::cmp::Reverse(row.revision), *pod)).collect();
        leaving.sort();
        let removing =
            begun.iter().filter(|a| matches!(a, Act::Remove { pod } if alive.iter().any(|(uid, _)| *uid == pod)));
        let excess = alive.len().saturating_sub(replicas + removing.count());
        let remove = leaving.into_iter().take(excess).map(|(_, _, pod)| Act::Remove { pod: pod.clone() });
        create.chain(remove).collect()
    }
}

impl Act {
    /// The pod that it is about, if that exists.
    pub fn pod(&self) -> Option<&str> {
        match self {
            Self::Remove { pod } | Self::Bind { pod, .. } | Self::Start { pod } | Self::Finish { pod, .. } => Some(pod),
            Self::Create { .. } | Self::NodeReady { .. } | Self::NodeLost { .. } => None,
        }
    }

    /// The node and number of a pod that it creates for this set.
    fn creates(&self, of: &str) -> Option<(Option<&str>, usize)> {
        match self {
            Self::Create { set, node, nth } if set == of => Some((node.as_deref(), *nth)),
            _ => None,
        }
    }
}

/// Status of the Ready condition.
pub fn node_ready(node: &Node) -> Option<&str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.status.as_str())
}

fn revision(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes `name` with flags: `!` not ready, `x` cordoned, `~` kubelet stopped, `g` tainted. Pods `name@node` with flags:
    /// `.` not running, `-` being deleted, `g` tolerating; all belong to one set of `replicas`.
    fn check(nodes: &str, pods: &str, replicas: usize, expected: &str) {
        let mut model = Model::default();
        for word in nodes.split_whitespace() {
            let (name, flags) = word.split_at(2);
            let taints = flags.contains('g').then(|| "gpu".to_owned()).into_iter().collect();
            let row = NodeRow {
                uid: name.into(),
                revision: 1,
                ready: !flags.contains('!'),
                schedulable: !flags.contains('x'),
                kubelet: !flags.contains('~'),
                taints,
            };
            model.nodes.insert(name.into(), row);
        }
        for word in pods.split_whitespace() {
            let (name, rest) = word.split_once('@').unwrap();
            let (node, flags) = rest.split_at(rest.len().min(2));
            let row = PodRow {
                namespace: "x".into(),
                name: name.into(),
                revision: 1,
                owner: Some("set".into()),
                node: (node != "--").then(|| node.into()),
                running: !flags.contains('.'),
                over: false,
                grace: flags.contains('-').then_some(30),
                tolerates: flags.contains('g').then(|| "gpu".to_owned()).into_iter().collect(),
            };
            model.pods.insert(name.into(), row);
        }
        let metadata = ObjectMeta { name: Some("set".into()), uid: Some("set".into()), ..ObjectMeta::default() };
        model.set("ReplicaSet", &metadata, Some(replicas), PodTemplateSpec::default());
        let word = |act: Act| match act {
            Act::Create { nth, .. } => format!("create{nth}"),
            Act::Remove { pod } => format!("remove {pod}"),
            Act::Bind { pod, node } => format!("bind {pod} {node}"),
            Act::Start { pod } => format!("start {pod}"),
            Act::Finish { pod, grace } => format!("finish {pod} {grace}"),
            Act::NodeReady { node } => format!("ready {node}"),
            Act::NodeLost { node } => format!("lost {node}"),
        };
        assert_eq!(
            model.due(&BTreeSet::new()).into_iter().map(word).collect::<Vec<_>>().join(", "),
            expected,
            "{nodes} | {pods}"
        );
    }

    #[test]
    fn a_set_keeps_its_number_and_evicted_pods_are_replaced_elsewhere() {
        check("n1 n2", "a@n1 b@n2", 2, "");
        check("n1 n2", "a@n1 b@n2", 3, "create0");
        check("n1x n2", "a@n1- b@n2", 2, "finish a 30, create0");
        check("n1x n2", "c@--. b@n2", 2, "bind c n2");
        check("n1x n2", "c@n2. b@n2", 2, "start c");
        check("n1 n2", "a@n1 b@n2.", 1, "start b, remove b");
    }

    #[test]
    fn pods_go_where_there_is_room_and_they_are_tolerated() {
        check("n1 n2 n3", "a@n1 b@n2 c@--. d@--.", 4, "bind c n3, bind d n1");
        check("n1! n2x n3g", "c@--.", 1, "ready n1");
        check("n1 n2 n3g", "c@--.g", 1, "bind c n3");
    }

    #[test]
    fn a_dead_kubelet_ends_nothing_and_a_gone_node_takes_its_pods_along() {
        check("n1~ n2", "a@n1-", 0, "lost n1");
        check("n2", "a@n1 b@n1-", 0, "finish a 0, finish b 0, remove a");
    }
}
