//! The start of a run: the last look before hosts are worked on, then the Job and what it reads.

use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};

use super::{Observed, gone};
use crate::{
    api::{ClusterDeployment, Machine, MachineReference, MachineSet, Operation},
    controllers::{Context, Error, cluster_deployment::created, job, write},
    runbook, tenant,
};

pub(super) enum Launch {
    Done,
    /// A node is not empty after all; it is emptied again first.
    NotEmpty(String),
}

/// Creates `ConfigMap` and Job of the run, unless they are there.
pub(super) async fn launch(
    context: &Context,
    operation: &Operation,
    observed: &Observed,
    machines: &[MachineReference],
    run: i32,
) -> Result<Launch, Error> {
    let namespace = operation.namespace().unwrap_or_default();
    let deployment = observed
        .deployment
        .as_ref()
        .ok_or_else(|| Error::Missing(format!("there is no ClusterDeployment {}", operation.spec.cluster_name)))?;
    let machines: Vec<&Machine> =
        observed.machines.iter().filter(|m| machines.iter().any(|r| Some(&r.uid) == m.metadata.uid.as_ref())).collect();
    if operation.spec.type_.drains()
        && let Some(why) = not_empty(context, deployment, &machines).await?
    {
        return Ok(Launch::NotEmpty(why));
    }
    let set = match operation.spec.machine_set.as_deref() {
        Some(name) => context.api::<MachineSet>(&namespace).get_opt(name).await?,
        None => None,
    };
    let runbook = runbook(context, &namespace, &operation.spec.runbook).await?;
    let known_hosts = known_hosts(context, &namespace, deployment).await?;
    let source = job::Source {
        operation,
        deployment,
        set: set.as_ref(),
        machines: &machines,
        runbook: &runbook,
        known_hosts: &known_hosts,
        run,
        fence: context.fence.term(),
        image: context.executor_image.as_deref(),
    };
    provide(context, &namespace, &job::config_map(&source)).await?;
    if created(context.api(&namespace).create(&PostParams::default(), &job::job(&source)).await)? {
        let note = format!("run {run} of {} on {} machines", operation.spec.runbook, machines.len());
        context.events.normal(operation, "Started", note).await;
    }
    Ok(Launch::Done)
}

/// Makes sure of the input of a run.
///
/// One that an attempt left behind which died before it made the Job may name machines that are not ready any more, and
/// a term that hosts refuse by now: it is made anew. Once there is a Job, its input stays.
async fn provide(context: &Context, namespace: &str, input: &ConfigMap) -> Result<(), Error> {
    let (maps, jobs): (Api<ConfigMap>, Api<Job>) = (context.api(namespace), context.api(namespace));
    let name = input.name_any();
    if created(maps.create(&PostParams::default(), input).await)? || jobs.get_opt(&name).await?.is_some() {
        return Ok(());
    }
    if let Some(left) = maps.get_opt(&name).await? {
        if left.data == input.data {
            return Ok(());
        }
        let same = Preconditions { uid: left.metadata.uid, resource_version: None };
        gone(maps.delete(&name, &DeleteParams::default().preconditions(same)).await)?;
    }
    maps.create(&PostParams::default(), input).await?;
    Ok(())
}

/// The last look before hosts are reset: each node is still cordoned, or gone. One that is not loses its receipt, so
/// that the machine controller empties it again.
async fn not_empty(
    context: &Context,
    deployment: &ClusterDeployment,
    machines: &[&Machine],
) -> Result<Option<String>, Error> {
    let tenant = context.tenants.connect(deployment).await?;
    let cordoned = tenant.cordoned().await?;
    for machine in machines {
        let Some(drain) = machine.status.as_ref().and_then(|s| s.drain.as_ref()) else { continue };
        if drain.node.name.is_empty() || cordoned.contains(&drain.node.uid) {
            continue;
        }
        let node = tenant.node(&drain.node.name, &drain.node.uid).await?;
        if node.is_some_and(|n| !tenant::node::is_cordoned(&n)) {
            let mut status = machine.status.clone().unwrap_or_default();
            if let Some(drain) = &mut status.drain {
                drain.completed_at = None;
            }
            let before = machine.status.clone().unwrap_or_default();
            let api = context.api(&machine.namespace().unwrap_or_default());
            write::status(&api, *machine, &before, &status).await?;
            return Ok(Some(format!("node {} was uncordoned meanwhile and is emptied again", drain.node.name)));
        }
    }
    Ok(None)
}

/// A `ConfigMap` `runbook-NAME` wins over what is compiled in.
async fn runbook(context: &Context, namespace: &str, name: &str) -> Result<String, Error> {
    let map = context.api::<ConfigMap>(namespace).get_opt(&format!("runbook-{name}")).await?;
    let text = map.and_then(|m| m.data).and_then(|mut d| d.remove("runbook.yaml"));
    text.or_else(|| runbook::builtin(name).map(str::to_owned)).ok_or_else(|| Error::NoRunbook(name.to_owned()))
}

async fn known_hosts(context: &Context, namespace: &str, deployment: &ClusterDeployment) -> Result<String, Error> {
    let Some(name) = deployment.spec.ssh.known_hosts_config_map.as_deref() else { return Ok(String::new()) };
    let map = context.api::<ConfigMap>(namespace).get_opt(name).await?;
    let map = map.ok_or_else(|| Error::Missing(format!("there is no ConfigMap {name} with the known_hosts file")))?;
    Ok(map.data.and_then(|mut d| d.remove("known_hosts")).unwrap_or_default())
}
