//! Follows the pod log of an operation through the API, over all pods that its Job starts, until it is over.

use super::{
    effects::root_cause,
    message::{Event, OperationKey},
};
use crate::api::{Operation, labels};
use futures::{AsyncBufReadExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ListParams, LogParams},
};
use std::{pin::pin, time::Duration};
use tokio::{sync::mpsc, task::JoinSet};

/// Most lines that are handed over at once.
const BATCH: usize = 256;
/// How often is looked for a pod that is not there yet, or for the next one.
const LOOK_AGAIN: Duration = Duration::from_millis(1_000);
/// How often a failing server is asked before we give up; the user may ask again.
const ATTEMPTS: u32 = 30;

/// What is followed, and how much of its past is wanted.
pub struct Request {
    pub follow: u64,
    pub operation: OperationKey,
    /// Most lines of the past for each pod.
    pub tail_lines: usize,
    /// Which of several it is; `None`: it is the only one.
    pub source: Option<usize>,
}

/// Sends the lines of one operation until it is over; the last event says why it ended.
///
/// A line that breaks begins again with the first pod, and the screen with it: lines have no number to go on from.
pub async fn follow(client: Client, request: Request, lines: mpsc::Sender<Event>) -> Option<Event> {
    let follow = request.follow;
    let mut reader = Reader::new(client, request, lines);
    let mut failures = 0;
    loop {
        match reader.read().await {
            Ok(Step::Read) => failures = 0,
            Ok(Step::Wait) => tokio::time::sleep(LOOK_AGAIN).await,
            Ok(Step::Over(why)) => return Some(Event::LogEnded { follow, why }),
            Err(error) => {
                failures += 1;
                if failures > ATTEMPTS {
                    return Some(Event::LogEnded { follow, why: Some(root_cause(&error)) });
                }
                reader.begin_again();
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Sends the lines of several operations as they come, until all are over. One that cannot be read does not end the others.
pub async fn follow_all(requests: Vec<(Client, Request)>, lines: mpsc::Sender<Event>) -> Option<Event> {
    let number = requests.first().map(|(_, request)| request.follow)?;
    let mut readers = JoinSet::new();
    for (client, request) in requests {
        let (source, lines) = (request.source, lines.clone());
        readers.spawn(async move { (source, follow(client, request, lines).await) });
    }
    while let Some(done) = readers.join_next().await {
        let Ok((Some(source), Some(Event::LogEnded { why: Some(why), .. }))) = done else { continue };
        // Nobody listens any more: then there is nobody to be told.
        let _ = lines.send(Event::MergedLines { follow: number, source, anew: false, lines: vec![why] }).await;
    }
    Some(Event::LogEnded { follow: number, why: None })
}

/// What one look at the operation came to.
enum Step {
    /// A pod was read to its end.
    Read,
    /// There is nothing to read yet.
    Wait,
    /// There will be no more, and why if that is not simply the end.
    Over(Option<String>),
}

struct Reader {
    pods: Api<Pod>,
    operations: Api<Operation>,
    request: Request,
    lines: mpsc::Sender<Event>,
    /// Pods that were read to their end.
    read: Vec<String>,
    /// The next lines take the place of those that were sent before.
    anew: bool,
}

impl Reader {
    fn new(client: Client, request: Request, lines: mpsc::Sender<Event>) -> Self {
        let namespace = &request.operation.namespace;
        let (pods, operations) = (Api::namespaced(client.clone(), namespace), Api::namespaced(client, namespace));
        Self { pods, operations, request, lines, read: Vec::new(), anew: true }
    }

    fn begin_again(&mut self) {
        self.read.clear();
        self.anew = true;
    }

    async fn read(&mut self) -> kube::Result<Step> {
        // Asked before the pods are: a pod that is there when the operation is over has been seen.
        let over = match self.operations.get(&self.request.operation.name).await {
            Ok(operation) => operation.status.and_then(|s| s.state).unwrap_or_default().is_final(),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Ok(Step::Over(Some("the operation is gone".into())));
            }
            Err(error) => return Err(error),
        };
        if let Some(pod) = self.next_pod().await? {
            self.stream(&pod).await?;
            self.read.push(pod);
            return Ok(Step::Read);
        }
        Ok(match (over, self.read.is_empty()) {
            (true, true) => Step::Over(Some("its log is no longer kept".into())),
            (true, false) => Step::Over(None),
            (false, _) => Step::Wait,
        })
    }

    /// The oldest pod of the operation that has not been read.
    async fn next_pod(&self) -> kube::Result<Option<String>> {
        let selector = format!("{}={}", labels::OPERATION, self.request.operation.name);
        let mut list = self.pods.list(&ListParams::default().labels(&selector)).await?.items;
        list.retain(|pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_some_and(|phase| phase != "Pending"));
        list.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|at| at.0));
        Ok(list.into_iter().filter_map(|pod| pod.metadata.name).find(|name| !self.read.contains(name)))
    }

    /// Sends what the pod says until it says no more; an error means that there may be more.
    async fn stream(&mut self, pod: &str) -> kube::Result<()> {
        let tail_lines = i64::try_from(self.request.tail_lines).ok();
        let parameters = LogParams { follow: true, tail_lines, ..LogParams::default() };
        let mut chunks = pin!(self.pods.log_stream(pod, &parameters).await?.lines().ready_chunks(BATCH));
        while let Some(chunk) = chunks.next().await {
            let (lines, broken): (Vec<_>, Vec<_>) = chunk.into_iter().partition(Result::is_ok);
            let lines: Vec<String> = lines.into_iter().flatten().collect();
            if !lines.is_empty() {
                let anew = std::mem::take(&mut self.anew);
                let follow = self.request.follow;
                let event = match self.request.source {
                    None => Event::LogLines { follow, anew, lines },
                    Some(source) => Event::MergedLines { follow, source, anew, lines },
                };
                if self.lines.send(event).await.is_err() {
                    return Ok(());
                }
            }
            if let Some(Err(error)) = broken.into_iter().next() {
                return Err(kube::Error::ReadEvents(error));
            }
        }
        Ok(())
    }
}
