//! What was typed, and what it names among the things that are there.

use kube::ResourceExt;

use crate::{
    api::NodePool,
    commands::{
        change::scene::{Scene, pool_words},
        exit::{Ended, Exit},
    },
    plan::lifecycle::Wish,
};

/// What can be asked of one pool.
#[derive(Clone, Copy, Debug)]
pub enum Verb {
    Rollback,
    Pause,
    Resume,
    Hold,
    Unhold,
    Retry,
    Abort,
}

/// What was typed.
pub(super) enum Asked {
    Upgrade {
        cluster: String,
        pool: Option<String>,
        version: String,
    },
    Replace {
        pool: Option<(String, String)>,
        machines: Vec<String>,
    },
    OfPool {
        verb: Verb,
        cluster: String,
        pool: String,
    },
    /// A whole cluster.
    Still {
        cluster: String,
        wish: Wish,
    },
}

impl Asked {
    pub(super) fn upgrade(target: &str, version: String) -> Result<Self, Ended> {
        if target.is_empty() {
            return Err(Ended::new(Exit::BadInput, "name the cluster, or the pool as in  eu-west-1/general"));
        }
        let (cluster, pool) = match target.contains('/') {
            true => pool_words(target).map(|(cluster, pool)| (cluster, Some(pool.to_owned())))?,
            false => (target, None),
        };
        Ok(Self::Upgrade { cluster: cluster.to_owned(), pool, version })
    }

    pub(super) fn replace(pool: Option<&str>, mut machines: Vec<String>) -> Result<Self, Ended> {
        let owned = |(cluster, pool): (&str, &str)| (cluster.to_owned(), pool.to_owned());
        machines.retain(|m| !m.is_empty());
        if machines.is_empty() && pool.is_none() {
            return Err(Ended::new(Exit::BadInput, "name machines, as in  --machines m-17,m-18"));
        }
        machines.sort();
        machines.dedup();
        Ok(Self::Replace { pool: pool.map(pool_words).transpose()?.map(owned), machines })
    }

    pub(super) fn of_pool(verb: Verb, target: &str) -> Result<Self, Ended> {
        let whole = match verb {
            Verb::Pause => Some(Wish::PauseCluster),
            Verb::Resume => Some(Wish::ResumeCluster),
            _ => None,
        };
        if let Some(wish) = whole.filter(|_| !target.is_empty() && !target.contains('/')) {
            return Ok(Self::Still { cluster: target.to_owned(), wish });
        }
        let (cluster, pool) = pool_words(target)?;
        Ok(Self::OfPool { verb, cluster: cluster.to_owned(), pool: pool.to_owned() })
    }

    /// The cluster that it is about, and the wish with the full names.
    pub(super) fn choose(&self, scene: &Scene) -> Result<(String, Wish), Ended> {
        match self {
            Self::Upgrade { cluster, pool: None, version } => {
                let wish = Wish::Upgrade { pool: None, version: version.clone() };
                Ok((scene.deployment(cluster)?.name_any(), wish))
            }
            Self::Upgrade { cluster, pool: Some(pool), version } => {
                let pool = scene.pool(cluster, pool)?;
                Ok(about(pool, |pool| Wish::Upgrade { pool: Some(pool), version: version.clone() }))
            }
            Self::Replace { pool: Some((cluster, pool)), machines } if machines.is_empty() => {
                Ok(about(scene.pool(cluster, pool)?, |pool| Wish::Replace { pool }))
            }
            Self::Replace { pool, machines } => {
                let named = pool.as_ref().map(|(cluster, pool)| scene.pool(cluster, pool)).transpose()?;
                let pool = pool_of(scene, machines, named)?;
                Ok(about(pool, |pool| Wish::ReplaceMachines { pool, machines: machines.clone() }))
            }
            Self::Still { cluster, wish } => Ok((scene.deployment(cluster)?.name_any(), wish.clone())),
            Self::OfPool { verb, cluster, pool } => Ok(about(scene.pool(cluster, pool)?, |pool| verb.wish(pool))),
        }
    }
}

impl Verb {
    fn wish(self, pool: String) -> Wish {
        match self {
            Self::Rollback => Wish::Rollback { pool },
            Self::Pause => Wish::Pause { pool },
            Self::Resume => Wish::Resume { pool },
            Self::Hold => Wish::Hold { pool },
            Self::Unhold => Wish::Unhold { pool },
            Self::Retry => Wish::Retry { pool },
            Self::Abort => Wish::Abort { pool },
        }
    }
}

fn about(pool: &NodePool, wish: impl FnOnce(String) -> Wish) -> (String, Wish) {
    (pool.spec.cluster_name.clone(), wish(pool.name_any()))
}

/// The one pool that all of the machines belong to.
fn pool_of<'a>(scene: &'a Scene, machines: &[String], named: Option<&'a NodePool>) -> Result<&'a NodePool, Ended> {
    let bad = |why: String| Ended::new(Exit::BadInput, format!("{why}; nothing was changed"));
    let mut common: Option<(&NodePool, &str)> = named.map(|pool| (pool, ""));
    for name in machines {
        let claim = scene.machine(name)?.spec.claim_ref.as_ref();
        let claim = claim.ok_or_else(|| bad(format!("{name} belongs to no pool: there is nothing to replace")))?;
        let pool = scene.pool(&claim.cluster_name, &claim.pool_name)?;
        match common {
            None => common = Some((pool, name)),
            Some((other, _)) if other.metadata.uid == pool.metadata.uid => {}
            Some((other, "")) => {
                let why = format!("{name} is a machine of {}, not of {}", pool.name_any(), other.name_any());
                return Err(bad(why));
            }
            Some((other, first)) => {
                let (one, two) = (other.name_any(), pool.name_any());
                return Err(bad(format!("{first} is of {one} and {name} of {two}: replace them pool by pool")));
            }
        }
    }
    common.map(|(pool, _)| pool).ok_or_else(|| bad("no machine is named".to_owned()))
}
