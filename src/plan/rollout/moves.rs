//! How many machines may be claimed, taken away or upgraded now: arithmetic over counts, for the next step and for a
//! preview of all steps alike.

use crate::{
    api::StrategyType,
    plan::{
        quorum,
        window::{Gate, moment},
    },
};

use super::fences::Fences;
use jiff::Timestamp;

/// A pool in the middle of a rollout, as numbers. Machines that leave already are in none but `leaving` and `drained`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub desired: i32,
    /// Machines of an older revision, or marked to be replaced.
    pub outdated: i32,
    /// Of these, the ones that serve.
    pub outdated_available: i32,
    /// Of these, the ones that an upgrade in place has in hand.
    pub upgrading: i32,
    pub updated: i32,
    /// Of these, the ones that have been Ready for long enough.
    pub updated_available: i32,
    /// Machines that are drained and reset.
    pub leaving: i32,
    /// Of these, the ones whose drain is done.
    pub drained: i32,
    /// Of these, the ones whose drain was given up and whose operation is over: the others go on without them.
    pub quarantined: i32,
    /// Machines that may be claimed.
    pub idle: i32,
}

impl Counts {
    fn staying(&self) -> i32 {
        self.outdated + self.updated
    }

    fn available(&self) -> i32 {
        self.outdated_available + self.updated_available
    }
}

/// What bounds a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub strategy: StrategyType,
    pub fences: Fences,
    /// Old machines that are kept.
    pub partition: i32,
    /// Most machines that may be leaving at once: the deletion budget of the pool.
    pub deletions: i32,
    /// Control plane and etcd: one member at a time, and only while all others are well.
    pub one_at_a_time: bool,
    /// Blue-green: the batch before has soaked.
    pub soaked: bool,
    pub hold: bool,
}

/// The next step, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    pub claim: i32,
    /// Outdated machines to take away that do not serve.
    pub remove_unavailable: i32,
    /// Outdated machines to take away that serve.
    pub remove_available: i32,
    /// Outdated machines to upgrade where they are.
    pub upgrade: i32,
    /// Machines that would be claimed if there were any idle.
    pub missing: i32,
    /// Why it is not faster; `None` when nothing more is wanted.
    pub brake: Option<Brake>,
}

impl Moves {
    pub fn remove(&self) -> i32 {
        self.remove_available + self.remove_unavailable
    }

    pub fn is_nothing(&self) -> bool {
        self.claim == 0 && self.remove() == 0 && self.upgrade == 0
    }
}

/// What keeps a rollout from going faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brake {
    Paused,
    Hold,
    /// So many machines are wanted that are not to be had.
    NoIdle(i32),
    /// So many new machines are not available yet.
    NotAvailable(i32),
    /// So many old machines do not serve, which spends what may be missing.
    Unhealthy(i32),
    /// So many machines are on their way out, or are being upgraded, and more may not at once.
    InFlight(i32),
    /// The deletion budget of the pool.
    DeletionBudget(i32),
    /// One member of a control plane at a time, and all others well.
    OneMemberAtATime,
    /// The new pool soaks, or the last batch does.
    Soak,
    /// All old nodes are cordoned before the first is drained.
    Cordon,
    /// So many nodes could not be emptied in time, and nothing else is left to do.
    Quarantine(i32),
    /// As many machines as the policy lets go at once are under way.
    Limit,
    /// Nothing moves by itself: machines are replaced when they are marked.
    OnDelete,
    /// The next maintenance window opens then.
    WindowClosed(Timestamp),
    /// A maintenance window cannot be read.
    WindowInvalid,
}

impl Brake {
    /// Reason of a rollout that waits for a maintenance window.
    pub const WINDOW_CLOSED: &'static str = "WindowClosed";
    /// Reason where a window cannot be read, of rollouts and of the deployment that it stands in.
    pub const WINDOW_INVALID: &'static str = "InvalidMaintenanceWindow";

    /// What the windows say to a rollout that they hold up.
    pub fn of(gate: Gate) -> Self {
        match gate {
            Gate::Open => Self::Limit,
            Gate::Closed { opens } => Self::WindowClosed(opens),
            Gate::Invalid => Self::WindowInvalid,
        }
    }

    /// The word for conditions.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::Hold => "Hold",
            Self::NoIdle(_) => "NotEnoughIdleMachines",
            Self::NotAvailable(_) => "WaitingForNewMachines",
            Self::Unhealthy(_) => "UnhealthyMachines",
            Self::InFlight(_) => "WaitingForMachines",
            Self::DeletionBudget(_) => "DeletionBudget",
            Self::OneMemberAtATime => "OneMemberAtATime",
            Self::Soak => "Soaking",
            Self::Cordon => "CordoningOldNodes",
            Self::Quarantine(_) => "Quarantine",
            Self::Limit => "Limit",
            Self::OnDelete => "OnDelete",
            Self::WindowClosed(_) => Self::WINDOW_CLOSED,
            Self::WindowInvalid => Self::WINDOW_INVALID,
        }
    }

    /// Why it is not faster, in one sentence, with the way to make it so where there is one.
    pub fn message(self) -> String {
        match self {
            Self::Paused => "the pool or its cluster is paused: nothing moves until that ends".to_owned(),
            Self::Hold => "on hold: what is under way is finished, and nothing more is taken away".to_owned(),
            Self::NoIdle(n) => format!(
                "{n} more idle {} needed: add machines, or allow some to be missing with rollout.strategy.rollingUpdate.maxUnavailable",
                are(n)
            ),
            Self::NotAvailable(n) => format!("{n} new {} not available yet", are(n)),
            Self::Unhealthy(n) => {
                format!("{n} {} not Ready, which spends what may be missing: repair or replace those first", are(n))
            }
            Self::InFlight(n) => format!("{n} {} in hand, and maxUnavailable lets no more go", are(n)),
            Self::DeletionBudget(n) => {
                format!("{n} {} leaving, as many as the deletion budget of the pool allows", are(n))
            }
            Self::OneMemberAtATime => {
                "control plane and etcd change by one member at a time, while all others are well".to_owned()
            }
            Self::Soak => "what was just done soaks before more follows".to_owned(),
            Self::Cordon => "all old nodes are cordoned before the first of them is drained".to_owned(),
            Self::Quarantine(n) => format!(
                "{n} {} cordoned because pods did not leave in time, and comes up again after the others: look at what blocks the drain",
                are(n)
            ),
            Self::Limit => "as many machines as maxSurge and maxUnavailable allow are under way".to_owned(),
            Self::OnDelete => "strategy OnDelete: an old machine is replaced when it is marked".to_owned(),
            Self::WindowClosed(opens) => format!("outside of the maintenance window: goes on {}", moment(opens)),
            Self::WindowInvalid => {
                "a maintenance window of the cluster cannot be read, and nothing is begun before it is corrected: the condition Ready of the ClusterDeployment says which and why".to_owned()
            }
        }
    }
}

fn are(n: i32) -> &'static str {
    if n == 1 { "machine is" } else { "machines are" }
}

/// Decides the next step.
pub fn decide(counts: &Counts, bounds: &Bounds) -> Moves {
    let keep = bounds.partition.min(counts.outdated).min(counts.desired).max(0);
    let mut moves = match bounds.strategy {
        StrategyType::InPlace => in_place(counts, bounds, keep),
        StrategyType::BlueGreen => blue_green(counts, bounds, keep),
        StrategyType::RollingUpdate | StrategyType::OnDelete => rolling(counts, bounds, keep),
    };
    if bounds.hold && (moves.remove() > 0 || moves.upgrade > 0) {
        moves = Moves { claim: moves.claim, missing: moves.missing, brake: Some(Brake::Hold), ..Moves::default() };
    }
    moves
}

/// Claims towards `target` updated machines, within the room above `desired`. Answers the claims and what is missing.
fn claims(counts: &Counts, target: i32, surge: i32) -> (i32, i32) {
    let room = (counts.desired.saturating_add(surge) - counts.staying()).max(0);
    let wanted = (target - counts.updated).clamp(0, room);
    let got = wanted.min(counts.idle);
    (got, wanted - got)
}

fn rolling(counts: &Counts, bounds: &Bounds, keep: i32) -> Moves {
    let (claim, missing) = claims(counts, counts.desired - keep, bounds.fences.surge);
    let to_go = (counts.outdated - keep - counts.upgrading).max(0);
    let least = counts.desired - bounds.fences.unavailable;
    let new_unavailable = counts.updated - counts.updated_available;
    // New machines that do not come up hold the old ones back: a broken template stalls itself.
    let total = (counts.staying() - least - new_unavailable).clamp(0, to_go);
    let in_hand = counts.leaving - counts.quarantined;
    let deletions = (bounds.deletions - in_hand).max(0);
    let idle_unwell = counts.outdated - counts.outdated_available - counts.upgrading;
    let remove_unavailable = idle_unwell.clamp(0, total.min(deletions));
    let left = total - remove_unavailable;
    let spare = (counts.available() - least).max(0);
    let remove_available = spare.min(left).min(counts.outdated_available).min(deletions - remove_unavailable);
    let mut moves = Moves { claim, remove_unavailable, remove_available, missing, ..Moves::default() };
    if bounds.one_at_a_time {
        one_member(counts, &mut moves);
    }
    moves.brake = (moves.remove() < to_go).then(|| {
        if moves.missing > 0 && moves.claim == 0 {
            Brake::NoIdle(missing)
        } else if moves.claim > 0 || new_unavailable > 0 {
            Brake::NotAvailable(new_unavailable + moves.claim)
        } else if bounds.one_at_a_time && (total > 0 || counts.leaving > 0) {
            Brake::OneMemberAtATime
        } else if left > 0 && deletions <= moves.remove() {
            Brake::DeletionBudget(in_hand + moves.remove())
        } else if counts.outdated > counts.outdated_available {
            Brake::Unhealthy(counts.outdated - counts.outdated_available)
        } else {
            Brake::Limit
        }
    });
    moves
}

/// A control plane loses one member, the worst first, and only while nothing else is away.
fn one_member(counts: &Counts, moves: &mut Moves) {
    let unsettled = counts.leaving > 0 || counts.updated > counts.updated_available;
    if unsettled {
        (moves.remove_unavailable, moves.remove_available) = (0, 0);
    }
    moves.remove_unavailable = moves.remove_unavailable.min(1);
    moves.remove_available = moves.remove_available.min(1 - moves.remove_unavailable);
    let unwell = counts.staying() - counts.available();
    if unwell > moves.remove_unavailable {
        moves.remove_available = 0;
    }
    let well = moves.remove_available > 0;
    if moves.remove() > 0 && !quorum::may_remove(counts.staying(), counts.available(), well) {
        (moves.remove_unavailable, moves.remove_available) = (0, 0);
    }
    // Nobody joins while somebody leaves: the next has to find the others agreed.
    if unsettled || moves.remove() > 0 {
        (moves.claim, moves.missing) = (0, 0);
    }
    moves.claim = moves.claim.min(1);
}

fn blue_green(counts: &Counts, bounds: &Bounds, keep: i32) -> Moves {
    let target = counts.desired - keep;
    // The old pool, drained or not, stays beside the new one.
    let surge = counts.outdated.max(bounds.fences.surge);
    let (claim, missing) = claims(counts, target, surge);
    let to_go = (counts.outdated - keep - counts.upgrading).max(0);
    let mut moves = Moves { claim, missing, ..Moves::default() };
    moves.brake = if to_go <= 0 {
        None
    } else if missing > 0 {
        Some(Brake::NoIdle(missing))
    } else if counts.updated_available < target {
        Some(Brake::NotAvailable(target - counts.updated_available))
    } else if counts.leaving > counts.drained {
        Some(Brake::InFlight(counts.leaving - counts.drained))
    } else if !bounds.soaked {
        Some(Brake::Soak)
    } else {
        let batch = bounds.fences.batch.min(to_go);
        let unwell = (counts.outdated - counts.outdated_available).max(0);
        moves.remove_unavailable = unwell.min(batch);
        moves.remove_available = batch - moves.remove_unavailable;
        (batch < to_go).then_some(Brake::Soak)
    };
    moves
}

fn in_place(counts: &Counts, bounds: &Bounds, keep: i32) -> Moves {
    // Places that are empty are filled with new machines, as ever.
    let (claim, missing) = claims(counts, counts.updated + (counts.desired - counts.staying()).max(0), 0);
    let to_go = (counts.outdated - keep - counts.upgrading).max(0);
    let least = counts.desired - bounds.fences.unavailable;
    let spare = (counts.available() - least).max(0);
    let unwell = counts.staying() - counts.available() - counts.upgrading;
    let mut upgrade = spare.min(to_go).min(counts.outdated_available).max(0);
    if bounds.one_at_a_time {
        let alone = counts.desired <= 1;
        let quiet = counts.upgrading == 0 && counts.leaving == 0 && unwell <= 0;
        upgrade = if quiet || (alone && counts.upgrading == 0) { upgrade.min(1) } else { 0 };
    }
    let brake = (upgrade < to_go).then(|| {
        if counts.upgrading + upgrade > 0 && bounds.one_at_a_time {
            Brake::OneMemberAtATime
        } else if unwell > 0 && upgrade == 0 {
            Brake::Unhealthy(unwell)
        } else if counts.upgrading + upgrade > 0 {
            Brake::InFlight(counts.upgrading + upgrade)
        } else {
            Brake::Limit
        }
    });
    Moves { claim, upgrade, missing, brake, ..Moves::default() }
}

/// The pool after a step of which everything has gone well: what was claimed serves, what left is idle again.
pub fn after(counts: &Counts, moves: &Moves) -> Counts {
    Counts {
        outdated: counts.outdated - moves.remove() - moves.upgrade,
        outdated_available: counts.outdated_available - moves.remove_available - moves.upgrade,
        updated: counts.updated + moves.claim + moves.upgrade,
        updated_available: counts.updated + moves.claim + moves.upgrade,
        idle: counts.idle - moves.claim + moves.remove() + counts.leaving,
        leaving: 0,
        drained: 0,
        quarantined: 0,
        ..*counts
    }
}

#[cfg(test)]
mod tests;
