//! What is at stake in a change: where it is, how much of it, what it overrides. Each of these raises by one how hard the
//! confirmation is, and the dialog says why. Stopping never gets harder.

use super::{
    message::{Change, Kind, Order, Target},
    state::State,
    text,
};
use crate::fleet::{ContextId, MachineRow, PoolNode, Uid};
use serde_json::Value;
use std::collections::BTreeMap;

/// More than this part of a pool at once is much: one in so many.
const LARGE_PART: usize = 10;
/// The hardest confirmation.
const HARDEST: u8 = 3;

/// What raises the level of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stakes {
    /// It is in production; who says so.
    pub production: Option<String>,
    /// So many machines of so many, where that is much.
    pub share: Option<(usize, usize)>,
    /// It goes past a disruption budget.
    pub overrides: bool,
}

impl Stakes {
    /// The level of a change that takes `base` where nothing is at stake. What is immediate stays so.
    pub fn level(&self, base: u8) -> u8 {
        let raised = u8::from(self.production.is_some()) + u8::from(self.share.is_some()) + u8::from(self.overrides);
        if base == 0 { 0 } else { (base + raised).min(HARDEST) }
    }

    /// Why the level is what it is.
    pub fn why(&self) -> Vec<String> {
        let share = |(part, whole): (usize, usize)| {
            format!("{} of {} are more than a tenth of the pool", text::number(part), text::plural(whole, "machine"))
        };
        let overrides = self.overrides.then(|| "it goes past a disruption budget".to_owned());
        self.production.clone().into_iter().chain(self.share.map(share)).chain(overrides).collect()
    }
}

impl State {
    /// What the configuration says of a context.
    pub fn stakes_in(&self, context: ContextId) -> Stakes {
        let context = self.context(context);
        let production = context.production.then(|| format!("context {} is tagged production", context.place.context));
        Stakes { production, ..Stakes::default() }
    }

    /// What is at stake in an order.
    pub fn stakes_of(&self, order: &Order) -> Stakes {
        let tagged = order.contexts().into_iter().find_map(|context| self.stakes_in(context).production);
        let labelled = || order.changes.iter().find_map(|change| self.labelled(&change.target));
        // What is given back is not missing.
        let takes = |change: &&Change| change.patch.pointer("/spec/maintenance") != Some(&Value::Null);
        let machines = order.changes.iter().filter(|change| change.target.kind == Kind::Machine).filter(takes);
        let machines = machines.filter_map(|change| self.snapshot.machine(&identity(&change.target)));
        Stakes {
            production: tagged.or_else(labelled),
            share: self.share(machines.map(AsRef::as_ref)),
            overrides: false,
        }
    }

    /// How many machines of a pool these are, where that is much; of several pools the one that loses most. One machine
    /// is never much: who works with a small pool works with single ones.
    pub fn share<'a>(&self, machines: impl Iterator<Item = &'a MachineRow>) -> Option<(usize, usize)> {
        let mut pools: BTreeMap<&Uid, (usize, usize)> = BTreeMap::new();
        for node in machines.filter_map(|machine| self.snapshot.pool_of(machine)) {
            pools.entry(&node.row.uid).or_insert((0, node.machines.len())).0 += 1;
        }
        let large = pools.into_values().filter(|(part, whole)| *part > 1 && part * LARGE_PART > *whole);
        large.max_by(|(a, all_a), (b, all_b)| (a * all_b).cmp(&(b * all_a)))
    }

    /// Who says that what is to be changed is in production: a label of the pool or of its cluster.
    fn labelled(&self, target: &Target) -> Option<String> {
        let (snapshot, uid) = (&self.snapshot, identity(target));
        let pool = match target.kind {
            Kind::NodePool => snapshot.pool(&uid),
            Kind::Machine => snapshot.pool_of(snapshot.machine(&uid)?),
            Kind::Operation => snapshot.pool_named(uid.context, snapshot.operation(&uid)?.pool.as_deref()?),
            Kind::ClusterDeployment => None,
        };
        let cluster = match target.kind {
            Kind::ClusterDeployment => snapshot.cluster(&uid),
            _ => snapshot.cluster_of(&pool?.row),
        };
        let of_pool = |pool: &PoolNode| format!("pool {} is labelled production", pool.row.name);
        pool.filter(|pool| pool.row.production).map(|pool| of_pool(pool)).or_else(|| {
            let cluster = cluster.filter(|cluster| cluster.row.production)?;
            Some(format!("cluster {} is labelled production", cluster.row.name))
        })
    }
}

fn identity(target: &Target) -> Uid {
    Uid::new(target.context, target.uid.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is at stake, as letters, and the levels of changes that take 0, 1, 2 and 3 without.
    fn check(letters: &str, expected: [u8; 4]) {
        let stakes = Stakes {
            production: letters.contains('p').then(|| "context prod is tagged production".to_owned()),
            share: letters.contains('s').then_some((3, 12)),
            overrides: letters.contains('o'),
        };
        assert_eq!([0, 1, 2, 3].map(|base| stakes.level(base)), expected, "{stakes:?}");
        assert_eq!(stakes.why().len(), letters.len(), "each says why");
    }

    #[test]
    fn each_raises_by_one_and_what_stops_stays_immediate() {
        check("", [0, 1, 2, 3]);
        check("p", [0, 2, 3, 3]);
        check("s", [0, 2, 3, 3]);
        check("o", [0, 2, 3, 3]);
        check("ps", [0, 3, 3, 3]);
        check("po", [0, 3, 3, 3]);
        check("pso", [0, 3, 3, 3]);
    }
}
