//! Machines and operations as the controllers see them, counted when somebody asks. Who does not lead sees nothing, and
//! says nothing: zeros would be a claim.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use kube::runtime::reflector::Store;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::{
    api::{Machine, MachineState, Operation},
    plan::state_of,
};

use super::Fence;

/// Where objects are seen.
pub enum Source {
    Machines(Store<Machine>),
    Operations(Store<Operation>),
}

impl From<Store<Machine>> for Source {
    fn from(store: Store<Machine>) -> Self {
        Self::Machines(store)
    }
}

impl From<Store<Operation>> for Source {
    fn from(store: Store<Operation>) -> Self {
        Self::Operations(store)
    }
}

/// The sources of the present term: one of each kind for each namespace.
#[derive(Default)]
pub struct Seen {
    pub fence: OnceLock<Fence>,
    sources: Mutex<Vec<Source>>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}

/// Cluster, pool, state.
type Place = (String, String, &'static str);

#[derive(Default)]
struct Counts {
    machines: BTreeMap<Place, i64>,
    /// By type and state.
    operations: BTreeMap<(&'static str, &'static str), i64>,
    /// By cluster and pool.
    blocked: BTreeMap<(String, String), i64>,
}

impl Seen {
    pub fn add(&self, source: Source) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    pub fn clear(&self) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn count(&self) -> Counts {
        let mut counts = Counts::default();
        for source in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            match source {
                Source::Machines(store) => store.state().iter().for_each(|m| counts.machine(m)),
                Source::Operations(store) => store.state().iter().for_each(|o| {
                    *counts.operations.entry((o.spec.type_.as_str(), state_of(o).as_str())).or_default() += 1;
                }),
            }
        }
        counts
    }
}

impl Counts {
    fn machine(&mut self, machine: &Machine) {
        let claim = machine.spec.claim_ref.as_ref();
        let (cluster, pool) = claim.map(|c| (c.cluster_name.clone(), c.pool_name.clone())).unwrap_or_default();
        let status = machine.status.as_ref();
        let state = status.and_then(|s| s.state).unwrap_or_default();
        if state == MachineState::Draining {
            let blocked = status.and_then(|s| s.drain.as_ref()).is_some_and(|d| !d.blockers.is_empty());
            *self.blocked.entry((cluster.clone(), pool.clone())).or_default() += i64::from(blocked);
        }
        *self.machines.entry((cluster, pool, state.as_str())).or_default() += 1;
    }
}

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let counts = self.count();
        let leads = self.fence.get().is_some_and(Fence::is_held);
        let leader = ConstGauge::new(i64::from(leads));
        let help = "1 while this process holds the Lease";
        leader.encode(encoder.encode_descriptor("leader", help, None, MetricType::Gauge)?)?;
        let mut family = |name: &str, help: &str, rows: Vec<(Vec<(&str, &str)>, i64)>| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            rows.iter()
                .try_for_each(|(labels, n)| ConstGauge::new(*n).encode(family.encode_family(&labels.as_slice())?))
        };
        let machines = counts.machines.iter();
        let machines = machines.map(|((c, p, s), n)| (vec![("cluster", &**c), ("pool", &**p), ("state", *s)], *n));
        family("machines", "Machines by cluster, pool and state; idle ones have neither", machines.collect())?;
        let operations = counts.operations.iter().map(|((t, s), n)| (vec![("type", *t), ("state", *s)], *n));
        family("operations", "Operations by type and state, those that are over too", operations.collect())?;
        let blocked = counts.blocked.iter().map(|((c, p), n)| (vec![("cluster", &**c), ("pool", &**p)], *n));
        family("drains_blocked", "Machines whose drain something stands in the way of", blocked.collect())
    }
}
