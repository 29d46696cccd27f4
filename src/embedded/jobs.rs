//! The Job runner: what kubelets and the Job controller do elsewhere, in this process.
//!
//! A pod of a Job is a call of [`RunPod`] with the arguments of its first container and the files of its volumes. Exit code 0
//! completes the Job; anything else is tried again up to `backoffLimit`. A process that ends takes its pods along: at the
//! next start they are marked as interrupted, which does not count against the limit, and unfinished Jobs get a new pod.

mod files;
mod report;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::ApiServer;

pub use super::logs::LogSink;

/// How long a cancelled pod may take to end by itself.
const GRACE: Duration = Duration::from_secs(30);
/// How long after its first failure a Job gets a new pod; doubles each time.
const BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// How often Jobs are looked at without news, for deadlines and failed writes.
const RESYNC: Duration = Duration::from_secs(2);

/// Carries one pod out and answers with its exit code.
pub type RunPod = Arc<dyn Fn(PodRun) -> BoxFuture<'static, i32> + Send + Sync>;

/// One pod of a Job.
pub struct PodRun {
    pub namespace: String,
    pub pod: String,
    pub job: String,
    /// Of the first container.
    pub args: Vec<String>,
    /// What its volumes hold, by absolute path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Its standard output.
    pub log: LogSink,
    /// The Job or the pod was deleted: end soon.
    pub cancel: CancellationToken,
}

struct Runner {
    server: ApiServer,
    client: Client,
    run_pod: RunPod,
    /// By UID of the Job.
    running: HashMap<String, Running>,
    /// Jobs that failed, and when they may have a new pod.
    later: HashMap<String, Instant>,
    ended: JoinSet<Ended>,
}

struct Running {
    pod: String,
    cancel: CancellationToken,
}

/// What a pod's task leaves.
struct Ended {
    job: String,
    namespace: String,
    pod: String,
    code: i32,
}

/// Runs the Jobs of a server until it is cancelled, then cancels their pods and waits for them.
pub async fn run(server: ApiServer, run_pod: RunPod, stop: CancellationToken) {
    let mut jobs = server.store().news("jobs.batch");
    let mut pods = server.store().news("pods");
    let client = server.client();
    let mut runner =
        Runner { server, client, run_pod, running: HashMap::new(), later: HashMap::new(), ended: JoinSet::new() };
    runner.interrupt_leftovers().await;
    loop {
        jobs.borrow_and_update();
        pods.borrow_and_update();
        if let Err(error) = runner.reconcile().await {
            tracing::warn!(%error, "cannot look after the Jobs");
        }
        let pause = runner.pause();
        tokio::select! {
            () = stop.cancelled() => break,
            Some(Ok(ended)) = runner.ended.join_next() => runner.finish(ended).await,
            _ = jobs.changed() => {}
            _ = pods.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    runner.running.values().for_each(|running| running.cancel.cancel());
    let _ = tokio::time::timeout(GRACE, async { while runner.ended.join_next().await.is_some() {} }).await;
}

impl Runner {
    /// Pods that an earlier process left behind are over.
    async fn interrupt_leftovers(&self) {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let Ok(all) = pods.list(&ListParams::default().labels(report::JOB_NAME)).await else { return };
        for pod in all.items.iter().filter(|pod| !report::is_over(pod)) {
            let namespace = pod.namespace().unwrap_or_default();
            report::interrupted(&self.client, &namespace, &pod.name_any()).await;
        }
    }

    /// How long nothing has to happen by itself.
    fn pause(&self) -> Duration {
        let next = self.later.values().min().map(|at| at.saturating_duration_since(Instant::now()));
        next.map_or(RESYNC, |next| next.min(RESYNC)).max(Duration::from_millis(10))
    }

    async fn reconcile(&mut self) -> Result<(), kube::Error> {
        let all = Api::<Job>::all(self.client.clone()).list(&ListParams::default()).await?.items;
        self.cancel_orphans(&all).await?;
        for job in all {
            let uid = job.uid().unwrap_or_default();
            let going = job.metadata.deletion_timestamp.is_some();
            let held = job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or_default();
            let waiting = self.later.get(&uid).is_some_and(|at| *at > Instant::now());
            if report::is_finished(&job) || going || held || waiting || self.running.contains_key(&uid) {
                continue;
            }
            self.later.remove(&uid);
            self.advance(&job, &uid).await?;
        }
        Ok(())
    }

    /// Cancels pods whose Job is gone, going, suspended or too late, or which were deleted themselves.
    async fn cancel_orphans(&mut self, jobs: &[Job]) -> Result<(), kube::Error> {
        for (uid, running) in &self.running {
            let job = jobs.iter().find(|job| job.uid().as_deref() == Some(uid));
            let alive = match job {
                None => false,
                Some(job) => {
                    let pods: Api<Pod> = Api::namespaced(self.client.clone(), &job.namespace().unwrap_or_default());
                    let pod = pods.get_metadata_opt(&running.pod).await?;
                    pod.is_some_and(|pod| pod.metadata.deletion_timestamp.is_none()) && !report::must_stop(job)
                }
            };
            if !alive {
                running.cancel.cancel();
            }
        }
        Ok(())
    }

    /// Gives a Job its next pod, or ends it.
    async fn advance(&mut self, job: &Job, uid: &str) -> Result<(), kube::Error> {
        let namespace = job.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let mut mine = pods.list(&ListParams::default().labels(report::JOB_NAME)).await?.items;
        mine.retain(|pod| pod.owner_references().iter().any(|owner| owner.uid == uid));
        let failures = mine.iter().filter(|pod| report::counts_as_failure(pod)).count();
        let limit = job.spec.as_ref().and_then(|spec| spec.backoff_limit).unwrap_or(6);
        if mine.iter().any(report::succeeded) {
            return report::complete(&self.client, job).await;
        }
        if report::is_late(job) {
            return report::fail(
                &self.client,
                job,
                failures,
                "DeadlineExceeded",
                "Job was active longer than specified deadline",
            )
            .await;
        }
        if let Some(code) = report::given_up(job, &mine) {
            let message = format!("a container ended with exit code {code}, on which the Job is given up");
            return report::fail(&self.client, job, failures, "PodFailurePolicy", &message).await;
        }
        if failures > usize::try_from(limit).unwrap_or_default() {
            return report::fail(
                &self.client,
                job,
                failures,
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            )
            .await;
        }
        self.start(job, uid, failures).await
    }

    async fn start(&mut self, job: &Job, uid: &str, failures: usize) -> Result<(), kube::Error> {
        let namespace = job.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let pod = pods.create(&PostParams::default(), &report::pod(job)).await?;
        let log = match self.server.logs().write(&pod.uid().unwrap_or_default()) {
            Ok(log) => log,
            Err(error) => {
                tracing::error!(%error, "cannot open the log of a pod");
                return Ok(());
            }
        };
        report::started(&self.client, job, &pod, failures).await?;
        let cancel = CancellationToken::new();
        self.running.insert(uid.to_owned(), Running { pod: pod.name_any(), cancel: cancel.clone() });
        let ended = |code| Ended { job: uid.to_owned(), namespace: namespace.clone(), pod: pod.name_any(), code };
        let (aborted, finished) = (ended(report::ABORTED), ended(0));
        let (client, run_pod, job) = (self.client.clone(), self.run_pod.clone(), job.clone());
        self.ended.spawn(async move {
            let work = execute(client, run_pod, job, pod, log, cancel.clone());
            tokio::select! {
                code = work => Ended { code, ..finished },
                () = async { cancel.cancelled().await; tokio::time::sleep(GRACE).await } => aborted,
            }
        });
        Ok(())
    }

    async fn finish(&mut self, ended: Ended) {
        self.running.remove(&ended.job);
        let failures = report::ended(&self.client, &ended.namespace, &ended.pod, ended.code).await;
        if ended.code != 0 {
            let pause = BACKOFF.saturating_mul(1 << failures.min(6)).min(MAX_BACKOFF);
            self.later.insert(ended.job, Instant::now() + pause);
        }
    }
}

/// One pod: waits for what its volumes name, then runs.
async fn execute(client: Client, run_pod: RunPod, job: Job, pod: Pod, log: LogSink, cancel: CancellationToken) -> i32 {
    let namespace = pod.namespace().unwrap_or_default();
    let Some(files) = cancel.run_until_cancelled(files::gather(&client, &namespace, &pod)).await else {
        return report::ABORTED;
    };
    report::running(&client, &namespace, &pod.name_any()).await;
    let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    let args = container.and_then(|container| container.args.clone()).unwrap_or_default();
    let (pod, job) = (pod.name_any(), job.name_any());
    run_pod(PodRun { namespace, pod, job, args, files, log, cancel }).await
}

#[cfg(test)]
mod tests;
