//! Starts operations. Their names follow from the machines in them, so that a crash between deciding and writing cannot
//! make two.

use std::collections::BTreeMap;

use kube::{Api, ResourceExt, api::PostParams};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Observed;
use crate::{
    api::{MachineReference, MachineSet, Operation, OperationSpec, OperationType, labels},
    controllers::{Context, Error, cluster_deployment::created, node_pool, write},
    plan::{rollout::is_marked, scale::Plan, state_of},
};

/// Creates the operation for these machines, unless it is there.
pub(super) async fn start(
    context: &Context,
    set: &MachineSet,
    observed: &Observed,
    plan: &Plan,
    type_: OperationType,
    machines: &[MachineReference],
) -> Result<(), Error> {
    let operation = operation(set, observed, plan, type_, machines);
    let api: Api<Operation> = context.api(&set.namespace().unwrap_or_default());
    if created(api.create(&PostParams::default(), &operation).await)? {
        let verb = match type_ {
            OperationType::ScaleUp => "joining",
            OperationType::Upgrade => "upgrading",
            _ => "releasing",
        };
        let note = format!("{}: {verb} {}", operation.name_any(), some_names(machines));
        context.events.normal(&observed.pool, type_.as_str(), note).await;
    }
    Ok(())
}

/// Tries operations again of which only quarantined machines are left: nothing else is to be done.
pub(super) async fn again(
    context: &Context,
    set: &MachineSet,
    observed: &Observed,
    names: &[String],
) -> Result<(), Error> {
    let api: Api<Operation> = context.api(&set.namespace().unwrap_or_default());
    for operation in observed.operations.iter().filter(|o| names.contains(&o.name_any())) {
        let asked = json!({ "metadata": { "annotations": { labels::RETRY: context.now().to_string() } } });
        write::object(&api, operation, asked).await?;
        let note =
            format!("{}: the others are done, and what was left in quarantine is drained again", operation.name_any());
        context.events.normal(&observed.pool, "Revisited", note).await;
    }
    Ok(())
}

fn operation(
    set: &MachineSet,
    observed: &Observed,
    plan: &Plan,
    type_: OperationType,
    machines: &[MachineReference],
) -> Operation {
    let sizes = sizes(set, observed, plan);
    // What was asked of single machines is not what was last asked of the pool.
    let named = machines.iter().filter_map(|r| observed.machine(r)).find(|m| is_marked(m));
    let asked = named.map_or_else(|| observed.pool.annotations(), ResourceExt::annotations);
    let annotation = |key: &str| asked.get(key).cloned();
    let runbooks = observed.deployment.as_ref().map(|d| d.spec.executor.runbooks.clone()).unwrap_or_default();
    let runbook = match type_ {
        OperationType::ScaleDown | OperationType::Replace => runbooks.reset.unwrap_or_else(|| "node-reset".to_owned()),
        OperationType::Upgrade => runbooks.upgrade.unwrap_or_else(|| "node-upgrade".to_owned()),
        _ => runbooks.join.unwrap_or_else(|| "node-join".to_owned()),
    };
    let mut operation = Operation::new(
        &name(set, observed, type_, machines),
        OperationSpec {
            type_,
            cluster_name: set.spec.cluster_name.clone(),
            pool_name: Some(set.spec.pool_name.clone()),
            machine_set: Some(set.name_any()),
            machines: machines.to_vec(),
            runbook,
            requested_by: annotation(labels::REQUESTED_BY),
            reason: annotation(labels::REASON),
            from_replicas: sizes.map(|(from, _)| from),
            to_replicas: sizes.map(|(_, to)| to),
            version: set.spec.version.clone().filter(|_| !type_.takes_away()),
            ..OperationSpec::default()
        },
    );
    // No owner: the record outlives the pool.
    operation.metadata.labels = Some(BTreeMap::from([
        (labels::CLUSTER.to_owned(), set.spec.cluster_name.clone()),
        (labels::POOL.to_owned(), set.spec.pool_name.clone()),
    ]));
    for key in [labels::SIMULATED, labels::ENVIRONMENT] {
        let value = observed.deployment.as_ref().and_then(|d| d.labels().get(key)).cloned();
        operation.labels_mut().extend(value.map(|v| (key.to_owned(), v)));
    }
    operation
}

/// From how many machines to how many the pool goes. In a rollout some join and others leave: neither is a change of size.
fn sizes(set: &MachineSet, observed: &Observed, plan: &Plan) -> Option<(i32, i32)> {
    let from = set.status.as_ref()?.replicas;
    let to = node_pool::wanted_replicas(&observed.pool);
    (plan.rollout.is_none() && from != to).then_some((from, to))
}

/// The name follows from the machines and their claims: whoever decides the same again finds it there.
///
/// If an operation of that name is over, the next one is numbered.
fn name(set: &MachineSet, observed: &Observed, type_: OperationType, machines: &[MachineReference]) -> String {
    let mut claims: Vec<String> = machines
        .iter()
        .map(|reference| {
            let claim = observed.machine(reference).and_then(|m| m.spec.claim_ref.as_ref());
            let since = claim.and_then(|c| c.claimed_at.as_ref()).map_or(0, |t| t.0.as_second());
            format!("{}@{since}", reference.uid)
        })
        .collect();
    claims.sort();
    let digest = node_pool::short(&Sha256::digest(claims.join(",")));
    let verb = match type_ {
        OperationType::ScaleDown => "down",
        OperationType::Replace => "replace",
        OperationType::Upgrade => "upgrade",
        _ => "up",
    };
    // It becomes part of the name of a Job, which is a label value: 63 characters, with `op-` and a run.
    let pool: String = set.spec.pool_name.chars().take(31).collect();
    let base = format!("{}-{verb}-{digest}", pool.trim_end_matches(['-', '.']));
    let over = |name: &str| observed.operations.iter().any(|o| o.name_any() == name && state_of(o).is_final());
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !over(name)).unwrap_or(base)
}

fn some_names(machines: &[MachineReference]) -> String {
    let named: Vec<_> = machines.iter().take(5).map(|m| m.name.as_str()).collect();
    match machines.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{MachineSetStatus, NodePool};

    /// The sizes of the set and of the pool, and what an operation says of them.
    fn check(from: i32, to: i32, is_rolling: bool, expected: Option<(i32, i32)>) {
        let mut set = MachineSet::new("eu-gpu-1", Default::default());
        set.status = Some(MachineSetStatus { replicas: from, ..MachineSetStatus::default() });
        let mut pool = NodePool::new("eu-gpu", Default::default());
        pool.spec.replicas = to;
        let observed = Observed { pool, deployment: None, machines: Vec::new(), operations: Vec::new() };
        let plan = Plan { rollout: is_rolling.then(Default::default), ..Plan::default() };
        for type_ in [OperationType::ScaleUp, OperationType::ScaleDown] {
            let spec = operation(&set, &observed, &plan, type_, &[]).spec;
            assert_eq!(spec.from_replicas.zip(spec.to_replicas), expected, "{from} {to} {is_rolling}");
        }
    }

    #[test]
    fn only_a_change_of_size_says_its_sizes() {
        check(3, 5, false, Some((3, 5)));
        check(5, 3, false, Some((5, 3)));
        check(5, 4, true, None);
        check(4, 4, false, None);
    }
}
