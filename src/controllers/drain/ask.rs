//! One round of asking: pods are asked to leave, some at a time, and what does not leave is written down.

use std::{collections::BTreeMap, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::{
    api::{DrainBlocker, DrainPolicy, DrainStatus, Machine},
    plan::{
        disruption::budgets_of,
        drain::{
            Answer, Treatment,
            blocker::{self, attached, before, hint, wants_hint},
            timing::{deletion_grace_secs, is_due, next_look},
        },
    },
    tenant::{Eviction, Tenant},
};

use super::{
    super::{Context, Error},
    look::Seen,
};

/// Evictions under way at once, for one node.
const PARALLEL: usize = 5;
/// Longest that one round asks pods to leave; the rest is asked in the next.
const ROUND: Duration = Duration::from_secs(10);
/// Owners whose autoscaler is asked for in one round.
const OWNERS: usize = 10;
/// With this grace pods are asked whose node does not answer: nobody there would use more.
const UNREACHABLE_GRACE_SECS: i64 = 1;

/// What came of a round.
pub struct Round {
    pub blockers: Vec<DrainBlocker>,
    /// How soon to look again.
    pub next: Duration,
}

/// What was done about one pod.
enum Done {
    NotAsked,
    Evicted(Eviction),
    Deleted(i64),
}

pub async fn round(
    context: &Context,
    machine: &Machine,
    tenant: &Tenant,
    seen: &Seen,
    treated: &[(&Pod, Treatment)],
    drain: &DrainStatus,
    policy: &DrainPolicy,
) -> Result<Round, Error> {
    let now = context.now();
    let begun = tokio::time::Instant::now();
    let asking: Vec<BoxFuture<'_, _>> = treated
        .iter()
        .filter(|(_, treatment)| treatment.holds_node())
        .map(|&(pod, treatment)| {
            let asked = async move {
                let late = begun.elapsed() >= ROUND;
                (
                    pod,
                    treatment,
                    if late { Ok(Done::NotAsked) } else { act(tenant, seen, pod, treatment, drain, policy, now).await },
                )
            };
            asked.boxed()
        })
        .collect();
    let mut answers = stream::iter(asking).buffer_unordered(PARALLEL);
    let mut round = Round { blockers: Vec::new(), next: ROUND };
    let (mut leaving, mut throttled) = (leaving(treated, now), None);
    while let Some((pod, treatment, done)) = answers.next().await {
        let answer = match done? {
            Done::Evicted(Eviction::Refused(kind, said)) => {
                round.blockers.extend(said_of(pod, treatment, Answer::Refused(kind, &said), seen, drain, now));
                continue;
            }
            Done::Evicted(Eviction::Throttled(wait)) => {
                throttled = throttled.max(Some(wait));
                Answer::NotAsked
            }
            Done::Evicted(Eviction::Accepted | Eviction::Gone) => Answer::Leaving,
            Done::Deleted(grace_secs) => {
                let note = format!(
                    "{}/{} past its budget, with {grace_secs}s to end",
                    pod.namespace().unwrap_or_default(),
                    pod.name_any()
                );
                context.events.warning(machine, "DrainForced", note).await;
                Answer::Leaving
            }
            Done::NotAsked => Answer::NotAsked,
        };
        if answer == Answer::Leaving {
            leaving = Some(now);
        }
        round.blockers.extend(said_of(pod, treatment, answer, seen, drain, now));
    }
    round.blockers.extend(seen.attached.iter().map(|volume| {
        let name = format!("volume/{volume}");
        attached(volume, drain.blockers.iter().find(|b| b.pod == name), now)
    }));
    add_hints(tenant, seen, &mut round.blockers, now).await;
    blocker::sort(&mut round.blockers);
    round.next = next_look(&round.blockers, leaving, now).max(throttled.unwrap_or_default());
    Ok(round)
}

/// Asks one pod, or deletes it where that was decided and it was asked before.
async fn act(
    tenant: &Tenant,
    seen: &Seen,
    pod: &Pod,
    treatment: Treatment,
    drain: &DrainStatus,
    policy: &DrainPolicy,
    now: Timestamp,
) -> Result<Done, Error> {
    let last = before(&drain.blockers, pod);
    let grace = deletion_grace_secs(pod, drain, policy, now);
    match (treatment, grace) {
        (Treatment::Evict, Some(grace)) if last.is_some_and(|b| b.refused > 0) => {
            tenant.delete_pod(pod, grace).await?;
            Ok(Done::Deleted(grace))
        }
        (Treatment::Evict, _) if is_due(last, budget_opened(seen, pod), now) => {
            let grace = seen.known.unreachable.then_some(UNREACHABLE_GRACE_SECS);
            Ok(Done::Evicted(tenant.evict(pod, grace).await?))
        }
        // It leaves, but not before the deadline: deadlines only tighten.
        (Treatment::Terminating, Some(grace)) if ends_after(pod, now, grace) => {
            tenant.delete_pod(pod, grace).await?;
            Ok(Done::Deleted(grace))
        }
        _ => Ok(Done::NotAsked),
    }
}

/// The one budget of the pod allows a disruption now.
fn budget_opened(seen: &Seen, pod: &Pod) -> bool {
    let of = budgets_of(pod, &seen.budgets);
    matches!(of.as_slice(), [one] if one.status.as_ref().is_some_and(|s| s.disruptions_allowed > 0))
}

fn ends_after(pod: &Pod, now: Timestamp, grace_secs: i64) -> bool {
    let latest = now.saturating_add(SignedDuration::from_secs(grace_secs + 1)).unwrap_or(now);
    pod.metadata.deletion_timestamp.as_ref().is_some_and(|end| end.0 > latest)
}

fn said_of(
    pod: &Pod,
    treatment: Treatment,
    answer: Answer<'_>,
    seen: &Seen,
    drain: &DrainStatus,
    now: Timestamp,
) -> Option<DrainBlocker> {
    blocker::blocker(pod, treatment, answer, &seen.budgets, before(&drain.blockers, pod), now)
}

/// When the first of the pods that are leaving should be gone; those that are long overdue do not hurry us.
fn leaving(treated: &[(&Pod, Treatment)], now: Timestamp) -> Option<Timestamp> {
    let ending = treated.iter().filter(|(_, t)| *t == Treatment::Terminating);
    let ends = ending.filter_map(|(pod, _)| pod.metadata.deletion_timestamp.as_ref().map(|end| end.0));
    ends.filter(|end| now.as_second() - end.as_second() <= 60).min()
}

/// What would help those that were refused in this round; asked for once an owner.
async fn add_hints(tenant: &Tenant, seen: &Seen, blockers: &mut [DrainBlocker], now: Timestamp) {
    let mut known: BTreeMap<(String, String), Option<Option<String>>> = BTreeMap::new();
    for blocker in blockers.iter_mut().filter(|b| b.hint.is_none() && wants_hint(b)) {
        if blocker.last_refused_at.as_ref().is_none_or(|at| at.0 != now) {
            continue;
        }
        let namespace = blocker.pod.split('/').next().unwrap_or_default().to_owned();
        let owner = (namespace, blocker.owner.clone().unwrap_or_default());
        if !known.contains_key(&owner) && known.len() < OWNERS {
            // Who may not be asked gives no hint: it could be the wrong one.
            let autoscaler = tenant.autoscaler_of(&owner.0, &owner.1).await.ok();
            known.insert(owner.clone(), autoscaler);
        }
        if let Some(Some(autoscaler)) = known.get(&owner) {
            blocker.hint = hint(blocker, &seen.budgets, autoscaler.as_deref());
        }
    }
}
