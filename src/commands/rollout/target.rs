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
        outside_window: bool,
    },
    Replace {
        pool: Option<(String, String)>,
        machines: Vec<String>,
        outside_window: bool,
    },
    OfPool {
        verb: Verb,
        cluster: String,
        pool: String,
        outside_window: bool,
    },
    /// A whole cluster.
    Still {
        cluster: String,
        wish: Wish,
    },
}

impl Asked {
    pub(super) fn upgrade(target: &str, version: String, outside_window: bool) -> Result<Self, Ended> {
        if target.is_empty() {
            return Err(Ended::new(Exit::BadInput, "name the cluster, or the pool as in  eu-west-1/general"));
        }
        let (cluster, pool) = match target.contains('/') {
            true => pool_words(target).map(|(cluster, pool)| (cluster, Some(pool.to_owned())))?,
            false => (target, None),
        };
        Ok(Self::Upgrade { cluster: cluster.to_owned(), pool, version, outside_window })
    }

    pub(super) fn replace(pool: Option<&str>, mut machines: Vec<String>, outside_window: bool) -> Result<Self, Ended> {
        let owned = |(cluster, pool): (&str, &str)| (cluster.to_owned(), pool.to_owned());
        machines.retain(|m| !m.is_empty());
        if machines.is_empty() && pool.is_none() {
            return Err(Ended::new(Exit::BadInput, "name machines, as in  --machines m-17,m-18"));
        }
        machines.sort();
        machines.dedup();
        Ok(Self::Replace { pool: pool.map(pool_words).transpose()?.map(owned), machines, outside_window })
    }

    pub(super) fn of_pool(verb: Verb, target: &str, outside_window: bool) -> Result<Self, Ended> {
        let whole = match verb {
            Verb::Pause => Some(Wish::PauseCluster),
            Verb::Resume => Some(Wish::ResumeCluster),
            _ => None,
        };
        if let Some(wish) = whole.filter(|_| !target.is_empty() && !target.contains('/')) {
            return Ok(Self::Still { cluster: target.to_owned(), wish });
        }
        let (cluster, pool) = pool_words(target)?;
        Ok(Self::OfPool { verb, cluster: cluster.to_owned(), pool: pool.to_owned(), outside_window })
    }

    /// The cluster that it is about, and the wish with the full names.
    pub(super) fn choose(&self, scene: &Scene) -> Result<(String, Wish), Ended> {
        match self {
            Self::Upgrade { cluster, pool: None, version, outside_window } => {
                let wish = Wish::Upgrade { pool: None, version: version.clone(), outside_window: *outside_window };
                Ok((scene.deployment(cluster)?.name_any(), wish))
            }
            Self::Upgrade { cluster, pool: Some(pool), version, outside_window } => {
                let pool = scene.pool(cluster, pool)?;
                let version = version.clone();
                Ok(about(pool, |pool| Wish::Upgrade { pool: Some(pool), version, outside_window: *outside_window }))
            }
            Self::Replace { pool: Some((cluster, pool)), machines, outside_window } if machines.is_empty() => {
                let outside_window = *outside_window;
                Ok(about(scene.pool(cluster, pool)?, |pool| Wish::Replace { pool, outside_window }))
            }
            Self::Replace { pool, machines, outside_window } => {
                let named = pool.as_ref().map(|(cluster, pool)| scene.pool(cluster, pool)).transpose()?;
                let pool = pool_of(scene, machines, named)?;
                let (machines, outside_window) = (machines.clone(), *outside_window);
                Ok(about(pool, |pool| Wish::ReplaceMachines { pool, machines, outside_window }))
            }
            Self::Still { cluster, wish } => Ok((scene.deployment(cluster)?.name_any(), wish.clone())),
            Self::OfPool { verb, cluster, pool, outside_window } => {
                Ok(about(scene.pool(cluster, pool)?, |pool| verb.wish(pool, *outside_window)))
            }
        }
    }
}

impl Verb {
    fn wish(self, pool: String, outside_window: bool) -> Wish {
        match self {
            Self::Rollback => Wish::Rollback { pool, outside_window },
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
