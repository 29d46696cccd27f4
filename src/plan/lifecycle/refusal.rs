//! Why something that was asked for will not happen, with the way out.

use crate::plan::{upgrade, version::NotAVersion};

/// Why something that was asked for will not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Version(#[from] NotAVersion),
    #[error(transparent)]
    Upgrade(#[from] upgrade::Refusal),
    #[error("there is no pool {0} in this cluster")]
    NoPool(String),
    #[error("{0} has that version already")]
    SameVersion(String),
    #[error("{0} is part of the control plane, which has one version: upgrade the whole cluster")]
    ControlPlanePool(String),
    #[error("{0} has no machines to replace")]
    Empty(String),
    #[error("{machine} is no machine of {pool} any more: look again")]
    NotAMember { machine: String, pool: String },
    #[error("{0} is leaving already")]
    Leaving(String),
    #[error("no revision of {0} from before is known: there is nothing to go back to")]
    NoPrevious(String),
    #[error(
        "{pool} is a control plane, and Kubernetes does not support taking one from {from} back to {to}: its objects in etcd may be of the newer version already; pause or abort to stop where it is, then mend what failed and retry, or restore etcd from a snapshot of before"
    )]
    ControlPlaneBack { pool: String, from: String, to: String },
    #[error(
        "{pool} is being rolled out to {version} already ({left} machines left): wait, or abort or roll it back first"
    )]
    UnderWay { pool: String, version: String, left: i32 },
    #[error(
        "{pool} is being replaced already and waits for a maintenance window ({left} machines left): wait, or say that it begins now (`ctrl-n`, `--outside-window`)"
    )]
    WaitsForWindow { pool: String, left: i32 },
    #[error("{0} is paused already")]
    Paused(String),
    #[error("{0} is not paused; if its cluster is, resume that")]
    NotPaused(String),
    #[error("{0} is not paused; pools of it may be: resume those")]
    ClusterNotPaused(String),
    #[error("{0} is on hold already")]
    Held(String),
    #[error("{0} is not on hold")]
    NotHeld(String),
    #[error("nothing of {0} has failed: there is nothing to retry")]
    NothingFailed(String),
    #[error(
        "no rollout of {0} is under way to be ended; a change of its size is taken back by asking for the former replicas"
    )]
    NothingUnderWay(String),
    #[error(
        "the last member of a control plane cannot be replaced without another to join first: give {0} rollout.strategy.rollingUpdate.maxSurge 1 and an idle machine"
    )]
    LastMember(String),
}
