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
use tokio::sync::mpsc;

/// Lines of the past that are asked for.
const TAIL_LINES: i64 = 2_000;
/// Most lines that are handed over at once.
const BATCH: usize = 256;
/// How often is looked for a pod that is not there yet, or for the next one.
const LOOK_AGAIN: Duration = Duration::from_millis(1_000);
/// How often a failing server is asked before we give up; the user may ask again.
const ATTEMPTS: u32 = 30;

/// Sends the lines of one operation until it is over; the last event says why it ended.
pub async fn follow(client: Client, key: OperationKey, follow: u64, lines: mpsc::Sender<Event>) -> Option<Event> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &key.namespace);
    let operations: Api<Operation> = Api::namespaced(client, &key.namespace);
    let mut read: Vec<String> = Vec::new();
    let mut failures = 0;
    let ended = |why: Option<String>| Some(Event::LogEnded { follow, why });
    loop {
        // Asked before the pods are: a pod that is there when the operation is over has been seen.
        let over = match operations.get(&key.name).await {
            Ok(operation) => operation.status.and_then(|s| s.state).unwrap_or_default().is_final(),
            Err(kube::Error::Api(status)) if status.code == 404 => return ended(Some("the operation is gone".into())),
            Err(_) => false,
        };
        match next_pod(&pods, &key.name, &read).await {
            Ok(Some(pod)) => match stream(&pods, &pod, follow, &lines).await {
                Ok(()) => {
                    failures = 0;
                    read.push(pod);
                }
                Err(error) => {
                    failures += 1;
                    if failures > ATTEMPTS {
                        return ended(Some(root_cause(&error)));
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            },
            Ok(None) if over && read.is_empty() => return ended(Some("its log is no longer kept".into())),
            Ok(None) if over => return ended(None),
            Ok(None) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => {
                failures += 1;
                if failures > ATTEMPTS {
                    return ended(Some(root_cause(&error)));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// The oldest pod of the operation that has not been read.
async fn next_pod(pods: &Api<Pod>, operation: &str, read: &[String]) -> kube::Result<Option<String>> {
    let selector = format!("{}={operation}", labels::OPERATION);
    let mut list = pods.list(&ListParams::default().labels(&selector)).await?.items;
    list.retain(|pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_some_and(|phase| phase != "Pending"));
    list.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|at| at.0));
    Ok(list.into_iter().filter_map(|pod| pod.metadata.name).find(|name| !read.contains(name)))
}

async fn stream(pods: &Api<Pod>, pod: &str, follow: u64, lines: &mpsc::Sender<Event>) -> kube::Result<()> {
    let parameters = LogParams { follow: true, tail_lines: Some(TAIL_LINES), ..LogParams::default() };
    let log = pods.log_stream(pod, &parameters).await?;
    let mut chunks = pin!(log.lines().ready_chunks(BATCH));
    while let Some(chunk) = chunks.next().await {
        let lines_read: Vec<String> = chunk.into_iter().map_while(Result::ok).collect();
        if lines_read.is_empty() || lines.send(Event::LogLines { follow, lines: lines_read }).await.is_err() {
            break;
        }
    }
    Ok(())
}
