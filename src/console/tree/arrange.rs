//! Which rows there are: what is open, what a filter leaves, and what folds because it is equal.

use super::{Kept, Restriction, RowId, Tree, span::Span};
use crate::fleet::{ClusterNode, ContextId, Health, Machines, PoolNode, Snapshot};
use std::{ops::Range, sync::Arc};

/// Equal machines fold from this many on.
const FOLD_MACHINES: usize = 4;
/// Equal clusters fold from this many on.
const FOLD_CLUSTERS: usize = 6;

impl Tree {
    /// Lays the rows out anew and keeps the cursor on its identity, at the same height of the screen.
    pub fn lay_out(&mut self, snapshot: &Snapshot, restriction: Restriction) {
        let height = self.index.saturating_sub(self.top);
        self.spans.clear();
        self.len = 0;
        self.push(Span::Meta);
        if self.shown_open(&RowId::Meta, restriction) {
            snapshot.contexts().for_each(|context| self.context(snapshot, context, restriction));
        }
        self.find_cursor(snapshot);
        self.top = self.index.saturating_sub(height);
    }

    fn push(&mut self, span: Span) {
        let len = span.len();
        if len > 0 {
            self.spans.push((self.len, span));
            self.len += len;
        }
    }

    /// A filter opens what it finds, unless it was closed by hand.
    fn shown_open(&self, id: &RowId, restriction: Restriction) -> bool {
        if restriction.matches.is_some() || restriction.problems_only {
            return !self.closed.contains(id);
        }
        self.open.contains(id)
    }

    /// What one meta cluster has, below a row of its own where there are several.
    fn context(&mut self, snapshot: &Snapshot, context: ContextId, restriction: Restriction) {
        if snapshot.is_of_several() {
            self.push(Span::Context(context));
            if !self.shown_open(&RowId::Context(context), restriction) {
                return;
            }
        }
        self.clusters(snapshot, snapshot.range(context), restriction);
        self.idle(snapshot, context, restriction);
    }

    fn clusters(&mut self, snapshot: &Snapshot, range: Range<usize>, restriction: Restriction) {
        let mut at = range.start;
        while at < range.end {
            let run = if restriction.matches.is_some() || restriction.problems_only {
                1
            } else {
                equal_run(&snapshot.clusters[at..range.end])
            };
            if run < FOLD_CLUSTERS {
                self.cluster(snapshot, at, restriction);
                at += 1;
                continue;
            }
            self.push(Span::Clusters(at..at + run));
            let fold = RowId::Clusters(snapshot.clusters[at].row.uid.clone());
            if self.open.contains(&fold) {
                (at..at + run).for_each(|i| self.cluster(snapshot, i, restriction));
            }
            at += run;
        }
    }

    fn cluster(&mut self, snapshot: &Snapshot, at: usize, restriction: Restriction) {
        let node = &snapshot.clusters[at];
        let kept = |pool: &PoolNode| match restriction.matches {
            Some(matches) => matches.pools.contains_key(&pool.row.uid),
            None => !restriction.problems_only || pool.health.is_problem(),
        };
        let own = match restriction.matches {
            Some(matches) => matches.clusters.contains(&node.row.uid),
            None => !restriction.problems_only || node.health.is_problem(),
        };
        if !own && !node.pools.iter().any(|p| kept(p)) {
            return;
        }
        self.push(Span::Cluster(at));
        if !self.shown_open(&RowId::Cluster(node.row.uid.clone()), restriction) {
            return;
        }
        for (i, pool) in node.pools.iter().enumerate() {
            if kept(pool) || own && restriction.matches.is_some() {
                self.push(Span::Pool(at, i));
                self.machines(snapshot, (at, i), restriction);
            }
        }
    }

    fn machines(&mut self, snapshot: &Snapshot, (cluster, pool): (usize, usize), restriction: Restriction) {
        let node = &snapshot.clusters[cluster].pools[pool];
        let kept = restriction.matches.and_then(|m| m.pools.get(&node.row.uid));
        let id = RowId::Pool(node.row.uid.clone());
        if let Some(Kept::Machines(at)) = kept {
            if !self.closed.contains(&id) {
                self.push(Span::Matches { cluster, pool, at: at.clone() });
            }
            return;
        }
        let problems = node.counts.health(Health::Bad) + node.counts.health(Health::Warning);
        if restriction.problems_only {
            if self.shown_open(&id, restriction) {
                self.push(Span::Machines { cluster, pool, range: 0..problems });
            }
            return;
        }
        if !self.open.contains(&id) {
            return;
        }
        let from = problems + node.counts.health(Health::Moving);
        let len = node.machines.len();
        if len - from < FOLD_MACHINES {
            self.push(Span::Machines { cluster, pool, range: 0..len });
            return;
        }
        self.push(Span::Machines { cluster, pool, range: 0..from });
        let open = self.open.contains(&RowId::Machines(node.row.uid.clone()));
        if let Some(at) = self.pinned(snapshot, node).filter(|at| *at >= from && !open) {
            self.push(Span::Machines { cluster, pool, range: at..at + 1 });
        }
        self.push(Span::Fold { cluster, pool, from });
        if open {
            self.push(Span::Machines { cluster, pool, range: from..len });
        }
    }

    /// The machine under the cursor stays in sight when it becomes one of many.
    fn pinned(&self, snapshot: &Snapshot, node: &PoolNode) -> Option<usize> {
        let RowId::Machine(uid) = &self.cursor else { return None };
        let machine = snapshot.machine(uid)?;
        let pool = snapshot.pool_of(machine)?;
        (pool.row.uid == node.row.uid).then(|| node.machines.position(machine)).flatten()
    }

    fn idle(&mut self, snapshot: &Snapshot, context: ContextId, restriction: Restriction) {
        let all = snapshot.idle(context).map_or(0, Machines::len);
        match restriction.matches {
            Some(matches) => {
                if let Some(at) = matches.idle.get(&context).filter(|at| !at.is_empty()) {
                    self.push(Span::Idle(context));
                    if !self.closed.contains(&RowId::Idle(context)) {
                        self.push(Span::IdleMatches(context, at.clone()));
                    }
                }
            }
            None if restriction.problems_only || all == 0 => {}
            None => {
                self.push(Span::Idle(context));
                if self.open.contains(&RowId::Idle(context)) {
                    self.push(Span::IdleMachines(context, 0..all));
                }
            }
        }
    }
}

/// How many clusters from the first one on are well and of one version.
fn equal_run(clusters: &[Arc<ClusterNode>]) -> usize {
    let Some(first) = clusters.first().filter(|c| c.health >= Health::Good) else { return 0 };
    clusters.iter().take_while(|c| c.health == first.health && c.row.version == first.row.version).count()
}
