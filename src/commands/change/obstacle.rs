//! What keeps a machine from being empty, in words.

use jiff::Timestamp;

use super::show::clock;
use crate::api::Machine;

/// `blocked by PDB shop/db since 4m`, and the same without the time; empty if nothing is known to.
pub fn obstacle(machine: &Machine, now: Timestamp) -> (String, String) {
    let drain = machine.status.as_ref().and_then(|s| s.drain.as_ref()).filter(|d| d.completed_at.is_none());
    let Some(blocker) = drain.and_then(|d| d.blockers.first()) else { return Default::default() };
    let what = match &blocker.pdb {
        Some(budget) => format!("blocked by PDB {budget}"),
        None => format!("blocked by pod {}: {}", blocker.pod, blocker.message),
    };
    let since = blocker.since.as_ref().map(|t| now.duration_since(t.0).as_secs().max(0));
    let with = since.map_or_else(|| what.clone(), |secs| format!("{what} since {}", clock(secs)));
    (with, what)
}
