//! What is due: controllers, kubelets and the scheduler, each as one function over what was marked.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{Act, Model, PodRow, SetRow, Size};

impl Model {
    /// Everything that has become due, beside what is under way already. What is answered is not answered again, unless
    /// it is touched.
    pub fn due(&mut self, begun: &BTreeSet<Act>) -> Vec<Act> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut acts: Vec<Act> = dirty.nodes.iter().filter_map(|name| self.node_act(name)).collect();
        acts.extend(dirty.pods.iter().filter_map(|uid| self.pod_act(uid)));
        acts.retain(|act| !begun.contains(act));
        let busy: BTreeSet<&str> = begun.iter().filter(|act| !act.is_wait()).filter_map(Act::pod).collect();
        if dirty.places {
            acts.extend(self.bindings(self.waiting.iter(), &busy, begun));
        } else {
            acts.extend(self.bindings(self.waiting.intersection(&dirty.pods), &busy, begun));
        }
        let sets = dirty.sets.iter().filter_map(|uid| Some((uid, self.sets.get(uid)?)));
        acts.extend(sets.flat_map(|(uid, set)| self.set_acts(uid, set, &busy, begun)));
        acts
    }

    fn node_act(&self, name: &str) -> Option<Act> {
        let node = self.nodes.get(name)?;
        let name = name.to_owned();
        match (node.kubelet, node.ready) {
            // It has registered and not said yet what it is.
            (true, false) if node.version.is_empty() => None,
            (true, false) if self.broken.as_ref().is_some_and(|b| b.breaks(&node.version, node.control_plane)) => None,
            (true, false) => Some(Act::NodeReady { node: name }),
            (false, true) => Some(Act::NodeLost { node: name }),
            (false, false) if !node.abandoned => Some(Act::Abandon { node: name }),
            _ => None,
        }
    }

    fn pod_act(&self, uid: &str) -> Option<Act> {
        let pod = self.pods.get(uid)?;
        let uid = uid.to_owned();
        let Some(name) = &pod.node else {
            // Nothing runs yet, so nothing has to end.
            return pod.grace.map(|_| Act::Finish { pod: uid, grace: 0 });
        };
        let Some(node) = self.nodes.get(name) else { return Some(Act::Finish { pod: uid, grace: 0 }) };
        match pod.grace {
            _ if pod.ready && !node.kubelet && !node.ready => Some(Act::Unready { pod: uid }),
            None if node.abandoned && !pod.tolerates_all() => Some(Act::Remove { pod: uid }),
            _ if !node.kubelet => None,
            Some(grace) => Some(Act::Finish { pod: uid, grace }),
            None if pod.over || pod.ready => None,
            None if pod.running => Some(Act::Ready { pod: uid, after_secs: pod.ready_after_secs }),
            None => Some(Act::Start { pod: uid }),
        }
    }

    fn set_acts(&self, uid: &str, set: &SetRow, busy: &BTreeSet<&str>, begun: &BTreeSet<Act>) -> Vec<Act> {
        match set.size {
            Size::EachNode => self.daemons(uid, begun),
            Size::Replicas(replicas) => self.replicas(uid, replicas, busy, begun),
            Size::Ordinals(replicas) => self.ordinals(uid, set, replicas, begun).into_iter().collect(),
        }
    }

    fn daemons(&self, uid: &str, begun: &BTreeSet<Act>) -> Vec<Act> {
        let coming = begun.iter().filter_map(|act| act.creates(uid)?.0);
        let served: BTreeSet<_> = self.pods_of(uid).filter_map(|(_, p)| p.node.as_deref()).chain(coming).collect();
        let unserved = self.nodes.iter().filter(|(name, n)| n.kubelet && !served.contains(name.as_str()));
        unserved.map(|(name, _)| Act::Create { set: uid.to_owned(), node: Some(name.clone()), nth: 0 }).collect()
    }

    fn replicas(&self, uid: &str, replicas: usize, busy: &BTreeSet<&str>, begun: &BTreeSet<Act>) -> Vec<Act> {
        let alive: Vec<_> = self.pods_of(uid).filter(|(_, p)| p.grace.is_none()).collect();
        let coming: BTreeSet<_> = begun.iter().filter_map(|act| Some(act.creates(uid)?.1)).collect();
        let missing = replicas.saturating_sub(alive.len() + coming.len());
        let free = (0..).filter(|nth| !coming.contains(nth));
        let create = free.take(missing).map(|nth| Act::Create { set: uid.to_owned(), node: None, nth });
        // Those that do not run leave first, then the youngest.
        let idle = alive.iter().filter(|(pod, _)| !busy.contains(pod.as_str()));
        let mut leaving: Vec<_> = idle.map(|(pod, row)| (row.running, Reverse(row.revision), *pod)).collect();
        leaving.sort();
        let is_alive = |pod: &String| alive.iter().any(|(uid, _)| *uid == pod);
        let removing = begun.iter().filter(|a| matches!(a, Act::Remove { pod } if is_alive(pod))).count();
        let excess = alive.len().saturating_sub(replicas + removing);
        let remove = leaving.into_iter().take(excess).map(|(_, _, pod)| Act::Remove { pod: pod.clone() });
        create.chain(remove).collect()
    }

    /// One at a time: the last one too many goes, or the first that is missing comes, once those before it are ready.
    fn ordinals(&self, uid: &str, set: &SetRow, replicas: usize, begun: &BTreeSet<Act>) -> Option<Act> {
        let number =
            |pod: &PodRow| pod.name.strip_prefix(&set.name)?.strip_prefix('-').and_then(|n| n.parse::<usize>().ok());
        let mut all: Vec<_> = self.pods_of(uid).filter_map(|(pod, row)| Some((number(row)?, pod, row))).collect();
        all.sort_by_key(|(nth, ..)| *nth);
        if let Some((nth, pod, row)) = all.last()
            && *nth >= replicas
        {
            let act = Act::Remove { pod: (*pod).clone() };
            return (row.grace.is_none() && !begun.contains(&act)).then_some(act);
        }
        for nth in 0..replicas {
            match all.iter().find(|(of, ..)| *of == nth) {
                Some((_, _, row)) if row.ready && row.grace.is_none() => {}
                Some(_) => return None,
                None => {
                    let act = Act::Create { set: uid.to_owned(), node: None, nth };
                    return (!begun.contains(&act)).then_some(act);
                }
            }
        }
        None
    }
}

impl Act {
    /// The node and number of a pod that it creates for this set.
    fn creates(&self, of: &str) -> Option<(Option<&str>, usize)> {
        match self {
            Self::Create { set, node, nth } if set == of => Some((node.as_deref(), *nth)),
            _ => None,
        }
    }
}
