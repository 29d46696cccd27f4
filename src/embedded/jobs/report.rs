//! What the Job runner writes: pods, their status, and the status of Jobs.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::embedded::names;

/// Label that every pod of a Job carries.
pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Exit code of what did not end by itself: 128 + SIGKILL.
pub const ABORTED: i32 = 137;
/// Reason of pods that ended with their process.
const INTERRUPTED: &str = "Interrupted";

pub fn is_over(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

pub fn succeeded(pod: &Pod) -> bool {
    phase(pod) == "Succeeded"
}

pub fn counts_as_failure(pod: &Pod) -> bool {
    let reason = pod.status.as_ref().and_then(|status| status.reason.as_deref());
    phase(pod) == "Failed" && reason != Some(INTERRUPTED)
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Complete or failed for good.
pub fn is_finished(job: &Job) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|c| c.status == "True" && (c.type_ == "Complete" || c.type_ == "Failed"))
}

/// Its running pod has to end.
pub fn must_stop(job: &Job) -> bool {
    let suspended = job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or_default();
    job.metadata.deletion_timestamp.is_some() || suspended || is_late(job)
}

/// The exit code for which its `podFailurePolicy` gives the Job up at once, if a pod ended with one.
pub fn given_up(job: &Job, pods: &[Pod]) -> Option<i32> {
    let rules = job.spec.iter().flat_map(|spec| &spec.pod_failure_policy).flat_map(|policy| &policy.rules);
    let codes: Vec<_> =
        rules.filter(|rule| rule.action == "FailJob").filter_map(|rule| rule.on_exit_codes.as_ref()).collect();
    let ended = pods.iter().filter(|pod| counts_as_failure(pod)).filter_map(exit_code);
    ended.into_iter().find(|code| {
        codes.iter().any(|rule| match rule.operator.as_str() {
            "In" => rule.values.contains(code),
            "NotIn" => !rule.values.contains(code),
            _ => false,
        })
    })
}

fn exit_code(pod: &Pod) -> Option<i32> {
    let container = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    Some(container.state.as_ref()?.terminated.as_ref()?.exit_code)
}

/// Longer active than `activeDeadlineSeconds`.
pub fn is_late(job: &Job) -> bool {
    let limit = job.spec.as_ref().and_then(|spec| spec.active_deadline_seconds);
    let start = job.status.as_ref().and_then(|status| status.start_time.as_ref());
    match (limit, start) {
        (Some(limit), Some(start)) => Timestamp::now().duration_since(start.0) > SignedDuration::from_secs(limit),
        _ => false,
    }
}

/// The next pod of a Job.
pub fn pod(job: &Job) -> Pod {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let mut pod = Pod { spec: template.spec, metadata: template.metadata.unwrap_or_default(), ..Pod::default() };
    pod.metadata.name = Some(format!("{}-{}", job.name_any().chars().take(57).collect::<String>(), names::suffix()));
    pod.metadata.namespace = job.namespace();
    pod.labels_mut().insert(JOB_NAME.to_owned(), job.name_any());
    pod.metadata.owner_references = Some(job.controller_owner_ref(&()).into_iter().collect());
    pod
}

/// The pod exists: the Job is active.
pub async fn started(client: &Client, job: &Job, pod: &Pod, failures: usize) -> Result<(), kube::Error> {
    let start = job.status.as_ref().and_then(|status| status.start_time.clone());
    let start = start.map_or_else(now, |start| start.0.to_string());
    let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
    let status = json!({"phase": "Pending", "startTime": now(), "containerStatuses": [container(pod, &waiting)]});
    patch_pod(client, &job.namespace().unwrap_or_default(), &pod.name_any(), status).await;
    patch_job(client, job, json!({"startTime": start, "active": 1, "ready": 0, "failed": failures})).await
}

/// The volumes are there and the work begins.
pub async fn running(client: &Client, namespace: &str, name: &str) {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let Ok(Some(pod)) = api.get_opt(name).await else { return };
    let state = json!({"running": {"startedAt": now()}});
    patch_pod(client, namespace, name, json!({"phase": "Running", "containerStatuses": [container(&pod, &state)]}))
        .await;
}

/// The pod ended; answers how many pods of the Job failed before it.
pub async fn ended(client: &Client, namespace: &str, name: &str, code: i32) -> usize {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let Ok(Some(pod)) = api.get_opt(name).await else { return 0 };
    let (phase, reason) = if code == 0 { ("Succeeded", "Completed") } else { ("Failed", "Error") };
    let state = json!({"terminated": {"exitCode": code, "reason": reason, "finishedAt": now()}, "running": null, "waiting": null});
    patch_pod(client, namespace, name, json!({"phase": phase, "containerStatuses": [container(&pod, &state)]})).await;
    let job = pod.labels().get(JOB_NAME).cloned().unwrap_or_default();
    let job = Api::<Job>::namespaced(client.clone(), namespace).get_opt(&job).await.ok().flatten();
    job.and_then(|job| job.status?.failed).and_then(|failed| usize::try_from(failed).ok()).unwrap_or_default()
}

/// The process that ran the pod is gone.
pub async fn interrupted(client: &Client, namespace: &str, name: &str) {
    let message = "the process that ran this pod ended";
    patch_pod(client, namespace, name, json!({"phase": "Failed", "reason": INTERRUPTED, "message": message})).await;
}

pub async fn complete(client: &Client, job: &Job) -> Result<(), kube::Error> {
    let conditions = json!([
        condition("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"),
        condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods"),
    ]);
    let status = json!({"active": null, "ready": 0, "succeeded": 1, "completionTime": now(), "conditions": conditions});
    patch_job(client, job, status).await
}

pub async fn fail(client: &Client, job: &Job, failures: usize, reason: &str, message: &str) -> Result<(), kube::Error> {
    let conditions = json!([condition("FailureTarget", reason, message), condition("Failed", reason, message)]);
    patch_job(client, job, json!({"active": null, "ready": 0, "failed": failures, "conditions": conditions})).await
}

fn condition(kind: &str, reason: &str, message: &str) -> Value {
    let now = now();
    json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastProbeTime": now, "lastTransitionTime": now})
}

fn container(pod: &Pod, state: &Value) -> Value {
    let first = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    let (name, image) = first.map_or(("", ""), |c| (c.name.as_str(), c.image.as_deref().unwrap_or_default()));
    let running = state.get("running").is_some_and(Value::is_object);
    json!({
        "name": name, "image": image, "imageID": "", "restartCount": 0,
        "ready": running, "started": running, "state": state,
    })
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

async fn patch_pod(client: &Client, namespace: &str, name: &str, status: Value) {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"status": status}));
    if let Err(error) = api.patch_status(name, &PatchParams::default(), &patch).await {
        // It was deleted in between, most likely.
        tracing::debug!(%error, name, "cannot write the status of a pod");
    }
}

async fn patch_job(client: &Client, job: &Job, status: Value) -> Result<(), kube::Error> {
    let api: Api<Job> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
    let patch = Patch::Merge(json!({"status": status}));
    match api.patch_status(&job.name_any(), &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
