//! The console's read model: watches to index to immutable snapshot.
//!
//! [`watch`] starts one watch for each kind and returns a [`Feed`]; an [`Index`] takes changes in, at a cost that is
//! proportional to what changed, and publishes an [`Arc<Snapshot>`](Snapshot) that never changes again. The console
//! draws from snapshots only. Nothing here writes to the API server, and nothing here draws.

mod backoff;
pub mod connection;
mod counts;
mod fault;
pub mod filter;
mod history;
mod inbox;
mod index;
mod intern;
mod machines;
mod newest;
mod rows;
mod several;
mod snapshot;
pub mod sort;
pub mod testing;
mod uid;
mod watch;

pub use connection::{Connection, Contact, Line};
pub use counts::StateCounts;
pub use fault::{Fault, OPERATOR, VIEWER};
pub use filter::{Filter, FilterError};
pub use history::{PhaseHistory, PhaseStatistics};
pub use index::{Change, Index, Kind};
pub use intern::Interner;
pub use machines::{Machines, natural};
pub use rows::{ClusterRow, EventRow, Health, MachineRow, NodeRow, OperationRow, PhaseRow, PoolRow, Rank};
pub use several::{Clients, Feeds, Open, Part, Welcome, merge};
pub use snapshot::{ClusterNode, PoolNode, Selection, Snapshot};
pub use uid::{ContextId, Uid};
pub use watch::{Feed, watch, watch_as};
