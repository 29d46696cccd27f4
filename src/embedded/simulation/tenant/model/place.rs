//! The scheduler: which node a waiting pod goes to.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Act, Model, NodeRow, PodRow};

impl Model {
    /// Places each of these waiting pods on the node with the fewest pods that it tolerates; nodes that are to be avoided
    /// come last, those that are kept for such pods first. A pod that fits nowhere goes on waiting.
    pub(super) fn bindings<'a>(
        &self,
        waiting: impl Iterator<Item = &'a String>,
        busy: &BTreeSet<&str>,
        begun: &BTreeSet<Act>,
    ) -> Vec<Act> {
        let mut coming: BTreeMap<&str, usize> = BTreeMap::new();
        for act in begun {
            if let Act::Bind { node, .. } = act {
                *coming.entry(node).or_default() += 1;
            }
        }
        let mut acts = vec![];
        for uid in waiting.filter(|uid| !busy.contains(uid.as_str())) {
            let Some(pod) = self.pods.get(uid).filter(|pod| pod.grace.is_none() && !pod.over) else { continue };
            let Some(node) = self.place(pod, &coming) else { continue };
            *coming.entry(node).or_default() += 1;
            acts.push(Act::Bind { pod: uid.clone(), node: node.to_owned() });
        }
        acts
    }

    fn place(&self, pod: &PodRow, coming: &BTreeMap<&str, usize>) -> Option<&str> {
        let load = |name: &str| {
            self.on_node.get(name).map_or(0, BTreeSet::len) + coming.get(name).copied().unwrap_or_default()
        };
        let rank = |name: &str, node: &NodeRow| {
            let kept_for_it = !pod.tolerates.is_empty() && !node.taints.is_empty();
            (!pod.tolerates(&node.avoided), Reverse(kept_for_it), load(name))
        };
        let fits = |node: &NodeRow| node.is_open() && pod.tolerates(&node.taints);
        let open = self.nodes.iter().filter(|(_, node)| fits(node));
        open.min_by_key(|(name, node)| rank(name, node)).map(|(name, _)| name.as_str())
    }
}
