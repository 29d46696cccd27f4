//! Publishes what disruption a cluster allows, so that a dialog can foretell a drain without a connection of its own.
//!
//! Budgets are listed once in a while. Pods are listed only where somebody has asked lately, or a drain is under way: a
//! fleet of quiet clusters costs one small request each. What has not changed is not written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, ResourceExt};
use tokio::{sync::Notify, time::Instant};

use crate::{
    api::{Cluster, ClusterDeployment, Disruption, labels},
    plan::forecast::{Observed, observe},
    tenant::{self, Tenant},
};

use super::{
    Context, Error,
    write::{self, Foreseen},
};

/// How often the budgets of a cluster are looked at.
const EVERY: Duration = Duration::from_secs(30);
/// How soon to look again for a cluster that nobody has written down yet.
const SOON: Duration = Duration::from_secs(2);
/// How long a question is answered: as long as somebody may look at a dialog.
const ASKED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// How far a clock of somebody who asks may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// A drain that was heard of so long ago may be over.
const DRAIN_FOR: Duration = Duration::from_secs(60);

/// Clusters in which a drain is under way: told by the drains themselves, so that nobody has to list machines for it.
#[derive(Debug, Default)]
pub struct Drains(Mutex<BTreeMap<(String, String), Instant>>);

impl Drains {
    /// A node of the cluster is being emptied now.
    pub fn tell(&self, namespace: &str, cluster: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < DRAIN_FOR);
        told.insert((namespace.to_owned(), cluster.to_owned()), Instant::now());
    }

    fn is_under_way(&self, namespace: &str, cluster: &str) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&(namespace.to_owned(), cluster.to_owned())).is_some_and(|at| at.elapsed() < DRAIN_FOR)
    }
}

/// Looks at one cluster for good: at its time, and when `wake` says that somebody may have asked.
pub async fn follow(context: Arc<Context>, deployment: ClusterDeployment, wake: Arc<Notify>) {
    let mut answered: Option<Timestamp> = None;
    let mut next = Instant::now();
    loop {
        let asked = asked(&context, &deployment).await;
        let news = asked.is_some_and(|at| answered.is_none_or(|last| at > last));
        if news || Instant::now() >= next {
            let looked = look(&context, &deployment, asked, news).await;
            next = Instant::now() + if matches!(looked, Ok(false)) { SOON } else { EVERY };
            match looked {
                Ok(true) => answered = asked.or(answered),
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(cluster = %deployment.name_any(), %error, "what disruption it allows was not seen");
                }
            }
        }
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// When somebody asked for a forecast, if that is not too long ago.
async fn asked(context: &Context, deployment: &ClusterDeployment) -> Option<Timestamp> {
    let clusters: Api<Cluster> = context.api(&deployment.namespace().unwrap_or_default());
    let cluster = clusters.get_opt(&deployment.name_any()).await.ok()??;
    let at: Timestamp = cluster.annotations().get(labels::FORECAST_REQUESTED_AT)?.parse().ok()?;
    let age = context.now().duration_since(at);
    (age < ASKED_FOR && age > -AHEAD).then_some(at)
}

/// Answers whether there is a `Cluster` to tell. A new question is worth more than a look once in a while: the metrics of
/// an API server are megabytes.
async fn look(
    context: &Context,
    deployment: &ClusterDeployment,
    asked: Option<Timestamp>,
    is_news: bool,
) -> Result<bool, Error> {
    let (namespace, name) = (deployment.namespace().unwrap_or_default(), deployment.name_any());
    let clusters: Api<Cluster> = context.api(&namespace);
    let Some(cluster) = clusters.get_opt(&name).await? else { return Ok(false) };
    let tenant = context.tenants.connect(deployment).await?;
    let wanted = asked.is_some() || context.drains.is_under_way(&namespace, &name);
    let next = seen(&tenant, wanted, context.now()).await?;
    let status = cluster.status.clone().unwrap_or_default();
    let before = Foreseen { disruption: status.disruption, deprecated_apis: status.deprecated_apis };
    let deprecated_apis = match is_news {
        // Whoever may not read metrics leaves it unsaid.
        true => tenant.deprecated_apis().await.ok(),
        false => before.deprecated_apis.clone(),
    };
    let disruption = Some(unchanged_or(before.disruption.as_ref(), next, asked));
    write::foreseen(&clusters, &cluster, &before, &Foreseen { disruption, deprecated_apis }).await?;
    Ok(true)
}

async fn seen(tenant: &Tenant, wanted: bool, now: Timestamp) -> Result<Disruption, tenant::Error> {
    let budgets = tenant.budgets().await?;
    let pods = if wanted { Some(tenant.pods().await?) } else { None };
    // Where our account may not ask for them: all DaemonSets exist, and no volume is local.
    let daemon_sets = if wanted { tenant.daemon_sets().await.ok() } else { None };
    let local_claims = if wanted { tenant.local_claims().await.unwrap_or_default() } else { BTreeSet::new() };
    Ok(observe(&budgets, &Observed { pods: pods.as_deref(), daemon_sets, local_claims, now }))
}

/// What was counted again with the same outcome is no news, unless somebody asked after the last count.
fn unchanged_or(before: Option<&Disruption>, next: Disruption, asked: Option<Timestamp>) -> Disruption {
    let Some(before) = before else { return next };
    let counted: Option<Time> = before.pods_counted_at.clone();
    let answers = asked.is_none_or(|at| counted.as_ref().is_some_and(|c| c.0 >= at));
    let same = Disruption { pods_counted_at: counted.clone(), ..next.clone() };
    if counted.is_some() == next.pods_counted_at.is_some() && answers && same == *before { same } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_with_the_same_outcome_is_news_only_to_who_asked() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let seen = |counted: Option<i64>, budgets| Disruption {
            pods_counted_at: counted.map(|s| Time(at(s))),
            budgets_total: budgets,
            ..Disruption::default()
        };
        let check = |before: Option<Disruption>, next: &Disruption, asked: Option<i64>, is_news: bool| {
            let after = unchanged_or(before.as_ref(), next.clone(), asked.map(at));
            assert_eq!(Some(&after) != before.as_ref(), is_news, "{before:?} {next:?}");
            assert!(after == *next || Some(&after) == before.as_ref());
        };
        check(None, &seen(None, 1), None, true);
        check(Some(seen(Some(10), 1)), &seen(Some(40), 1), None, false);
        check(Some(seen(Some(10), 1)), &seen(Some(40), 2), None, true);
        check(Some(seen(Some(10), 1)), &seen(Some(40), 1), Some(5), false);
        check(Some(seen(Some(10), 1)), &seen(Some(40), 1), Some(11), true);
        check(Some(seen(Some(10), 1)), &seen(None, 1), None, true);
        check(Some(seen(None, 1)), &seen(None, 1), None, false);
    }
}
