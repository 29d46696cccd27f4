//! What went before: a few numbers of each pool, of each cluster and of the fleet, minute by minute, for the last half hour.
//!
//! It is fed with snapshots as they come. A pool that does not change costs nothing, for what is written down is a change, and
//! a reader carries the last value on; a minute in which the line was down is a gap, not a zero. Nothing is kept from one
//! session to the next.

mod ring;

pub use ring::{MINUTES, Minutes};

use super::standing;
use crate::fleet::{ClusterNode, ContextId, Health, PoolNode, Snapshot, StateCounts, Uid};
use jiff::Timestamp;
use ring::Ring;
use std::{collections::HashMap, sync::Arc};

/// Pools and clusters that are written down, at most; 500 bytes each.
const MOST: usize = 20_000;

/// What is remembered of one pool, cluster or meta cluster.
#[derive(Clone, Debug, Default)]
struct Series {
    /// The fewest in each minute, so that one that was away for a second is seen.
    ready: Ring,
    /// The most in each minute.
    moving: Ring,
    /// Machines that a rollout was done with.
    done: Ring,
}

/// The same, as it is drawn: the oldest minute first, the last one is not over yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trend {
    pub ready: Minutes,
    pub moving: Minutes,
    pub done: Minutes,
    /// Changes that came from the server; of pools and clusters nobody counts them.
    pub changes: Minutes,
}

/// A meta cluster.
#[derive(Clone, Debug, Default)]
struct Here {
    series: Series,
    changes: Ring,
    /// 1 where the line was live.
    seen: Ring,
}

/// What there is a history of.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    Fleet,
    Context(ContextId),
    /// A pool or a cluster.
    Row(&'a Uid),
}

#[derive(Clone, Debug, Default)]
pub struct Trends {
    /// The last minute in which anything happened here.
    minute: Option<i64>,
    fleet: Series,
    contexts: Vec<Here>,
    rows: HashMap<Uid, Series>,
}

impl Trends {
    /// Time has passed. Minutes in which nobody was here (the computer slept) were not seen; those in which the screen stood
    /// still were.
    pub fn pass(&mut self, snapshot: &Snapshot, now: Timestamp, was_still: bool) {
        let minute = minute_of(now);
        if self.minute.is_some_and(|last| minute <= last) {
            return;
        }
        let slept = self.minute.is_some_and(|last| minute > last + 2) && !was_still;
        for context in snapshot.contexts() {
            let live = u32::from(snapshot.connection_of(context).is_some_and(|c| c.line.is_live()));
            let here = self.here(context);
            if slept {
                here.seen.forget();
            }
            here.seen.highest(minute, live);
        }
        self.minute = Some(minute);
    }

    /// A newer snapshot. Costs as much as there are clusters, and pools in those that have changed.
    pub fn take(&mut self, before: &Snapshot, after: &Snapshot, now: Timestamp) {
        let minute = minute_of(now);
        let mut done = 0;
        for context in after.contexts() {
            let Some(new) = after.of(context) else { continue };
            let old = before.of(context).filter(|old| old.complete);
            let live = new.connection.line.is_live();
            self.here(context).seen.highest(minute, u32::from(live));
            if !new.complete || old.is_some_and(|old| std::ptr::eq(old, new)) {
                continue;
            }
            let moved = self.clusters(old, new, minute);
            let here = self.here(context);
            here.series.put(&new.counts, moved, minute);
            // What came while everything was listed is no change of anything.
            let came = old.map_or(0, |old| new.changes_seen.saturating_sub(old.changes_seen));
            here.changes.add(minute, u32::try_from(came).unwrap_or(u32::MAX));
            done += moved;
        }
        // What was never listed is not known, and not zero.
        if after.complete
            && after.contexts().all(|context| after.part(context).is_none_or(|part| part.snapshot.complete))
        {
            self.fleet.put(&after.counts, done, minute);
        }
        self.minute = self.minute.max(Some(minute));
        self.tidy(after);
    }

    fn clusters(&mut self, old: Option<&Snapshot>, new: &Snapshot, minute: i64) -> u32 {
        let mut done = 0;
        for (at, cluster) in new.clusters.iter().enumerate() {
            let before = old.and_then(|old| {
                let same = old.clusters.get(at).filter(|before| Arc::ptr_eq(before, cluster));
                same.or_else(|| old.cluster(&cluster.row.uid))
            });
            if before.is_some_and(|before| Arc::ptr_eq(before, cluster)) {
                continue;
            }
            let moved = cluster.pools.iter().map(|pool| self.pool(old, pool, minute)).sum();
            self.row(cluster, moved, minute);
            done += moved;
        }
        done
    }

    /// Returns how many machines its rollout got done with.
    fn pool(&mut self, old: Option<&Snapshot>, pool: &Arc<PoolNode>, minute: i64) -> u32 {
        let before = old.and_then(|old| old.pool(&pool.row.uid));
        if before.is_some_and(|before| Arc::ptr_eq(before, pool)) {
            return 0;
        }
        let moved = before.map_or(0, |before| moved(before, pool));
        if let Some(series) = self.series(&pool.row.uid) {
            series.put(&pool.counts, moved, minute);
        }
        moved
    }

    fn row(&mut self, cluster: &ClusterNode, moved: u32, minute: i64) {
        if let Some(series) = self.series(&cluster.row.uid) {
            series.put(&cluster.counts, moved, minute);
        }
    }

    fn series(&mut self, uid: &Uid) -> Option<&mut Series> {
        if !self.rows.contains_key(uid) && self.rows.len() >= MOST {
            return None;
        }
        Some(self.rows.entry(uid.clone()).or_default())
    }

    fn here(&mut self, context: ContextId) -> &mut Here {
        if self.contexts.len() <= context.index() {
            self.contexts.resize_with(context.index() + 1, Here::default);
        }
        &mut self.contexts[context.index()]
    }

    /// Forgets what is gone, once that is half of all.
    fn tidy(&mut self, snapshot: &Snapshot) {
        let there: usize = snapshot.clusters.iter().map(|cluster| 1 + cluster.pools.len()).sum();
        if self.rows.len() > there * 2 + 64 {
            self.rows.retain(|uid, _| snapshot.pool(uid).is_some() || snapshot.cluster(uid).is_some());
        }
    }

    /// The last half hour; `None` until there are two minutes to compare.
    pub fn of(&self, what: Of, now: Timestamp) -> Option<Trend> {
        let minute = minute_of(now);
        let was_seen = |here: &Here, at: i64| here.seen.at(at) == Some(1);
        let (series, changes, seen) = match what {
            Of::Fleet => {
                // A sum of which a part is not known is not known.
                let all = |at| !self.contexts.is_empty() && self.contexts.iter().all(|here| was_seen(here, at));
                let seen = Minutes::of(minute, |at| all(at).then_some(1));
                let mut sum = Minutes::default();
                self.contexts.iter().for_each(|here| sum.add(&here.changes.minutes(minute)));
                (&self.fleet, sum, seen)
            }
            Of::Context(context) => {
                let here = self.contexts.get(context.index())?;
                let seen = Minutes::of(minute, |at| was_seen(here, at).then_some(1));
                (&here.series, here.changes.minutes(minute), seen)
            }
            Of::Row(uid) => {
                let here = self.contexts.get(uid.context.index())?;
                let seen = Minutes::of(minute, |at| was_seen(here, at).then_some(1));
                (self.rows.get(uid)?, Minutes::default(), seen)
            }
        };
        let masked = |ring: &Ring| ring.minutes(minute).where_known(&seen);
        let trend = Trend {
            ready: masked(&series.ready),
            moving: masked(&series.moving),
            done: masked(&series.done),
            changes: changes.where_known(&seen),
        };
        (trend.ready.known().count() >= 2).then_some(trend)
    }
}

impl Trend {
    /// Only the newest minutes of each.
    pub fn newest(&self, count: usize) -> Self {
        Self {
            ready: self.ready.newest(count),
            moving: self.moving.newest(count),
            done: self.done.newest(count),
            changes: self.changes.newest(count),
        }
    }
}

impl Series {
    fn put(&mut self, counts: &StateCounts, done: u32, minute: i64) {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX - 1);
        self.ready.lowest(minute, number(counts.of(crate::api::MachineState::Ready)));
        self.moving.highest(minute, number(counts.health(Health::Moving)));
        self.done.add(minute, done);
    }
}

/// Machines that the rollout of a pool got done with from one look to the next.
fn moved(before: &PoolNode, after: &PoolNode) -> u32 {
    let of = |node: &PoolNode| {
        let rollout = standing::rollout(node.row.resource.as_ref())?;
        let (done, all) = standing::done(rollout, i32::try_from(node.row.desired).unwrap_or(i32::MAX));
        Some((rollout.revision.clone(), done, all))
    };
    let moved = match (of(before), of(after)) {
        (Some(old), Some(new)) if old.0 == new.0 => new.1 - old.1,
        (None, Some(new)) => new.1,
        // It is through, if it was not ended before.
        (Some(old), None) if standing::kept(after.row.resource.as_ref()).is_none() => old.2 - old.1,
        _ => 0,
    };
    u32::try_from(moved).unwrap_or(0)
}

fn minute_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests;
