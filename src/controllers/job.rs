//! From an operation to what its Job is given: inventory and variables in a `ConfigMap`, secrets beside it.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
            PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
        },
        core::v1::{
            Capabilities, ConfigMap, ConfigMapVolumeSource, Container, KeyToPath, PodSecurityContext, PodSpec,
            PodTemplateSpec, ProjectedVolumeSource, SeccompProfile, SecretProjection, SecurityContext, Volume,
            VolumeMount, VolumeProjection,
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Resource, ResourceExt};

use crate::{
    api::{
        ClusterDeployment, Machine, MachineSet, NodeTemplate, Operation, OperationType, Role, SecretKeyReference,
        SshSpec, Taint, labels,
    },
    plan::version::Version,
    runbook::job::{
        EXIT_BAD_INPUT, EXIT_MACHINES_FAILED, HOST_KEY_FACT, INPUT_DIRECTORY, INPUT_KEY, InventoryMachine, JobInput,
        PASSWORD, PRIVATE_KEY, SECRET_DIRECTORY, SUDO_PASSWORD, SshAccess,
    },
};

/// Starts of the pod before the Job is given up: each goes on where the last one stopped.
const BACKOFF_LIMIT: i32 = 6;
/// In a real meta cluster it may talk to our kinds, and to nothing else.
const SERVICE_ACCOUNT: &str = "quarterdeck-executor";
/// That of our image.
const USER: i64 = 65532;
const DEFAULT_IMAGE: &str = concat!("quarterdeck:", env!("CARGO_PKG_VERSION"));

/// All that an operation is rendered from.
pub struct Source<'a> {
    pub operation: &'a Operation,
    pub deployment: &'a ClusterDeployment,
    /// The set of the machines, if it still exists.
    pub set: Option<&'a MachineSet>,
    pub machines: &'a [&'a Machine],
    pub runbook: &'a str,
    pub known_hosts: &'a str,
    pub run: i32,
    pub fence: i64,
    /// Taken if the deployment names none.
    pub image: Option<&'a str>,
}

/// Name of the Job, and of its `ConfigMap`, of one run.
pub fn name(operation: &Operation, run: i32) -> String {
    format!("op-{}-{run}", operation.name_any())
}

/// What the executor reads.
pub fn input(source: &Source) -> JobInput {
    let operation = source.operation;
    let deployment = &source.deployment.spec;
    let parallelism = deployment.executor.parallelism.unwrap_or(30);
    JobInput {
        namespace: operation.namespace().unwrap_or_default(),
        operation: operation.name_any(),
        run: source.run,
        fence: source.fence,
        cluster: operation.spec.cluster_name.clone(),
        runbook: source.runbook.to_owned(),
        phases: operation.spec.phases.clone(),
        parallelism: parallelism.unsigned_abs(),
        variables: variables(source),
        machines: source
            .machines
            .iter()
            .map(|m| inventory(m, source.set.map_or(Role::Worker, |s| s.spec.role)))
            .collect(),
        ssh: access(&deployment.ssh, source.known_hosts),
    }
}

/// What the pool is made like comes first; what the administrator wrote wins.
fn variables(source: &Source) -> BTreeMap<String, String> {
    let deployment = &source.deployment.spec;
    let version = source.set.and_then(|s| s.spec.version.as_ref()).unwrap_or(&deployment.version);
    let none = NodeTemplate::default();
    let template = source.set.map_or(&none, |s| &s.spec.template);
    let mut variables = BTreeMap::from([
        ("kubernetes_version".to_owned(), version.clone()),
        ("node_labels".to_owned(), joined(template.labels.iter().map(|(k, v)| format!("{k}={v}")))),
        ("node_taints".to_owned(), joined(template.taints.iter().map(taint))),
    ]);
    if is_way_back(source, version) {
        variables.insert("way_back".to_owned(), "yes".to_owned());
    }
    variables.extend(deployment.variables.clone());
    variables
}

/// Some of the machines have a newer version than the one that they get where they are.
fn is_way_back(source: &Source, version: &str) -> bool {
    let Ok(wanted) = version.parse::<Version>() else { return false };
    let has = |m: &&Machine| m.status.as_ref()?.node.as_ref()?.kubelet_version.as_deref()?.parse::<Version>().ok();
    source.operation.spec.type_ == OperationType::Upgrade
        && source.machines.iter().any(|m| has(m).is_some_and(|has| has > wanted))
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(",")
}

fn taint(taint: &Taint) -> String {
    format!("{}={}:{}", taint.key, taint.value.as_deref().unwrap_or_default(), taint.effect)
}

fn inventory(machine: &Machine, role: Role) -> InventoryMachine {
    let fact = |key: &str| machine.status.as_ref().and_then(|s| s.facts.get(key)).cloned();
    InventoryMachine {
        name: machine.name_any(),
        uid: machine.metadata.uid.clone().unwrap_or_default(),
        address: machine.spec.address.clone(),
        port: machine.spec.port(),
        user: machine.spec.user.clone(),
        role,
        labels: machine.labels().clone(),
        variables: BTreeMap::new(),
        host_key: fact(HOST_KEY_FACT),
    }
}

fn access(ssh: &SshSpec, known_hosts: &str) -> SshAccess {
    SshAccess {
        user: ssh.user.clone().unwrap_or_else(|| "root".to_owned()),
        sudo: ssh.sudo,
        host_key_policy: ssh.host_key_policy,
        known_hosts: known_hosts.to_owned(),
        jump_hosts: ssh.jump_hosts.clone(),
        keepalive_seconds: ssh.keepalive_seconds.unwrap_or(15).unsigned_abs(),
        max_handshakes: ssh.max_handshakes.unwrap_or(8).unsigned_abs(),
        state_directory: ssh.state_directory.clone().unwrap_or_else(|| "/var/lib/quarterdeck".to_owned()),
    }
}

/// The `ConfigMap` with the input.
pub fn config_map(source: &Source) -> ConfigMap {
    let input = serde_json::to_string(&input(source)).expect("an input of strings and numbers serialises");
    ConfigMap {
        metadata: metadata(source),
        data: Some(BTreeMap::from([(INPUT_KEY.to_owned(), input)])),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// The Job whose pod runs the executor.
pub fn job(source: &Source) -> Job {
    let ssh = &source.deployment.spec.ssh;
    let name = name(source.operation, source.run);
    let mut volumes = vec![Volume {
        name: "operation".to_owned(),
        config_map: Some(ConfigMapVolumeSource { name, ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    }];
    let mut mounts = vec![mount("operation", INPUT_DIRECTORY)];
    let sources = secrets(ssh);
    if !sources.is_empty() {
        let projected = ProjectedVolumeSource { sources: Some(sources), default_mode: Some(0o400) };
        volumes.push(Volume { name: "ssh".to_owned(), projected: Some(projected), ..Volume::default() });
        mounts.push(mount("ssh", SECRET_DIRECTORY));
    }
    let container = Container {
        name: "executor".to_owned(),
        image: Some(image(source).to_owned()),
        args: Some(vec!["executor".to_owned()]),
        volume_mounts: Some(mounts),
        security_context: Some(confined()),
        ..Container::default()
    };
    let pod = PodSpec {
        containers: vec![container],
        volumes: Some(volumes),
        restart_policy: Some("Never".to_owned()),
        service_account_name: Some(SERVICE_ACCOUNT.to_owned()),
        security_context: Some(nobody()),
        ..PodSpec::default()
    };
    let metadata = metadata(source);
    let template = ObjectMeta { labels: metadata.labels.clone(), ..ObjectMeta::default() };
    Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(BACKOFF_LIMIT),
            pod_failure_policy: Some(failure_policy()),
            template: PodTemplateSpec { metadata: Some(template), spec: Some(pod) },
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

fn image<'a>(source: &'a Source) -> &'a str {
    source.deployment.spec.executor.image.as_deref().or(source.image).unwrap_or(DEFAULT_IMAGE)
}

/// A user that owns nothing. The group reads the mounted Secrets, whose mode lets nobody else; the kubelet sees to that.
fn nobody() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
        ..PodSecurityContext::default()
    }
}

/// The executor opens connections, reads what is mounted and writes to standard output; it needs nothing else.
fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        ..SecurityContext::default()
    }
}

/// A pod that died is started again; one that reported failed machines is not.
fn failure_policy() -> PodFailurePolicy {
    let evicted = PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
        }]),
        ..PodFailurePolicyRule::default()
    };
    let reported = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some("executor".to_owned()),
            operator: "In".to_owned(),
            values: vec![EXIT_MACHINES_FAILED, EXIT_BAD_INPUT],
        }),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy { rules: vec![evicted, reported] }
}

fn metadata(source: &Source) -> ObjectMeta {
    let operation = source.operation;
    ObjectMeta {
        name: Some(name(operation, source.run)),
        namespace: operation.namespace(),
        labels: Some(BTreeMap::from([
            (labels::OPERATION.to_owned(), operation.name_any()),
            (labels::CLUSTER.to_owned(), operation.spec.cluster_name.clone()),
        ])),
        owner_references: operation.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), read_only: Some(true), ..VolumeMount::default() }
}

/// The Secrets, straight from where they are: nothing of them passes through us.
///
/// The Secret of the private key comes whole (passphrase, join token), the others by the one key that is named.
fn secrets(ssh: &SshSpec) -> Vec<VolumeProjection> {
    let mut sources = Vec::new();
    if let Some(key) = &ssh.private_key {
        sources.push(projection(key, None));
        if key.key.as_deref().is_some_and(|k| k != PRIVATE_KEY) {
            sources.push(projection(key, Some(PRIVATE_KEY)));
        }
    }
    sources.extend(ssh.password.as_ref().map(|key| projection(key, Some(PASSWORD))));
    sources.extend(ssh.sudo_password.as_ref().map(|key| projection(key, Some(SUDO_PASSWORD))));
    sources
}

fn projection(reference: &SecretKeyReference, path: Option<&str>) -> VolumeProjection {
    let items = path.map(|path| {
        let key = reference.key.clone().unwrap_or_else(|| "password".to_owned());
        vec![KeyToPath { key, path: path.to_owned(), mode: None }]
    });
    let secret = SecretProjection { name: reference.name.clone(), items, optional: None };
    VolumeProjection { secret: Some(secret), ..VolumeProjection::default() }
}
