//! Labels, annotations and field managers: the words that resources carry for people, selectors and other controllers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// On pools, sets, machines, operations: the cluster that they belong to.
pub const CLUSTER: &str = "quarterdeck.dev/cluster";
/// On sets, machines, operations: the pool that they belong to.
pub const POOL: &str = "quarterdeck.dev/pool";
/// On sets and the nodes made from them: the digest of the template.
pub const REVISION: &str = "quarterdeck.dev/revision";
/// On jobs, config maps, pods: the operation that they carry out. On machines: the one that they are reserved for.
pub const OPERATION: &str = "quarterdeck.dev/operation";
/// On anything whose hosts are simulated, so that every screen can say so.
pub const SIMULATED: &str = "quarterdeck.dev/simulated";
/// On clusters and pools: `production` raises the level at which a change is confirmed by one.
pub const ENVIRONMENT: &str = "quarterdeck.dev/environment";

/// A label, or an annotation, says that this cluster or pool is production.
pub fn is_production(meta: &ObjectMeta) -> bool {
    let marks = [meta.labels.as_ref(), meta.annotations.as_ref()];
    marks.into_iter().flatten().find_map(|marks| marks.get(ENVIRONMENT)).is_some_and(|value| value == "production")
}

/// On a pool: why the last change was made; copied into the operations that it causes.
pub const REASON: &str = "quarterdeck.dev/reason";
/// On a pool: who asked for the last change; copied into the operations that it causes. On a machine: who made the choice.
pub const REQUESTED_BY: &str = "quarterdeck.dev/requested-by";
/// On a pool: the number of replicas down to which a person has agreed to go, beyond the deletion budget.
///
/// A shrink that would remove more machines than the budget stops and asks; setting this to the wanted
/// `spec.replicas` is the answer.
pub const APPROVED_REPLICAS: &str = "quarterdeck.dev/approved-replicas";
/// On a pool: the revisions, with commas between them, whose rollout need not wait for a maintenance window; a person has
/// said so, and it ends with that rollout. On a machine that is marked to be replaced: the mark that it holds for.
pub const OUTSIDE_WINDOW: &str = "quarterdeck.dev/outside-window";
/// On a machine: take this one first when the pool shrinks.
pub const DELETE_MACHINE: &str = "quarterdeck.dev/delete-machine";
/// On a machine: replace it by another one, which joins first where the rollout of the pool has room; the value says when
/// it was asked for.
pub const REPLACE_MACHINE: &str = "quarterdeck.dev/replace-machine";
/// On a machine that is marked so: the remediation of its pool did it, not a person; the value says why.
pub const REMEDIATION: &str = "quarterdeck.dev/remediation";
/// Taint of nodes that are to be replaced: what leaves one of them is not to land on another, if it can be helped.
pub const OUTDATED_TAINT: &str = "quarterdeck.dev/outdated-revision";
/// On a node in a business cluster: we cordoned it, for this operation. Only such nodes are uncordoned by us.
pub const CORDONED_BY: &str = "quarterdeck.dev/cordoned-by";
/// On a machine whose drain is blocked: what a person decides, as `OPERATION=wait`, `=skip` or `=force`. Consumed once;
/// one for another operation is not obeyed.
pub const DRAIN_CHOICE: &str = "quarterdeck.dev/drain-choice";
/// On a pod, as label or annotation: `skip` leaves it alone, `wait-completed` waits until it has completed by itself.
pub const DRAIN: &str = "quarterdeck.dev/drain";
/// On a pod, as label or annotation: a number; pods of a higher one are asked to leave when those of a lower one are
/// gone. 0 if it says nothing.
pub const DRAIN_ORDER: &str = "quarterdeck.dev/drain-order";
/// On a Cluster: when somebody asked what emptying its nodes would mean (RFC 3339); its pods are counted for ten minutes.
pub const FORECAST_REQUESTED_AT: &str = "quarterdeck.dev/forecast-requested-at";
/// On an operation: the person asks that what failed is tried again; any new value counts.
pub const RETRY: &str = "quarterdeck.dev/retry";

/// On an operation: it is paused because its pool or cluster is; so the pause ends with theirs.
pub const PAUSED_BY: &str = "quarterdeck.dev/paused-by";

/// Finalizer of deployments, pools and sets: they go when their machines are released, not before.
pub const RELEASE_FINALIZER: &str = "quarterdeck.dev/release-machines";

/// Field manager and reporting component of the controllers.
pub const CONTROLLER_MANAGER: &str = "quarterdeck-controller";
/// Field manager of the executor.
pub const EXECUTOR_MANAGER: &str = "quarterdeck-executor";
/// Field manager of the console and the command line.
pub const CONSOLE_MANAGER: &str = "quarterdeck-console";
