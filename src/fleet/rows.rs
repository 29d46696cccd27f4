//! What is kept of each resource: one slim row, projected from the object, which is then dropped.
//!
//! Identity is the UID. Strings that many rows share are one copy ([`Interner`](super::Interner)). Times are instants;
//! "4m ago" is the console's to compute from its own `now`.

mod cluster;
mod event;
mod machine;
mod operation;
mod pool;

pub use cluster::ClusterRow;
pub use event::EventRow;
pub use machine::{MachineRow, NodeRow, PhaseRow};
pub use operation::{OperationRow, Rank};
pub use pool::PoolRow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How urgently something wants attention, the most urgent first: the order of every list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Health {
    /// Failed, or should serve and does not.
    Bad,
    /// Something stands in the way, or nobody knows.
    Warning,
    /// Work is under way.
    Moving,
    #[default]
    Good,
    /// In the inventory, free.
    Idle,
}

impl Health {
    pub const ALL: [Self; 5] = [Self::Bad, Self::Warning, Self::Moving, Self::Good, Self::Idle];

    /// Somebody should look at it.
    pub fn is_problem(self) -> bool {
        self <= Self::Warning
    }
}

fn instant(time: Option<&Time>) -> Option<jiff::Timestamp> {
    time.map(|t| t.0)
}
