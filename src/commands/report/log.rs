//! The log of the executor, as far as it is still there: the newest lines, and what is missing.

use std::collections::VecDeque;

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::LogParams};

use crate::{
    api::Operation,
    commands::{connect, logs},
};

/// Lines that are kept; a run of a thousand machines writes fewer.
const MOST_LINES: usize = 200_000;

/// What the pods of all runs have written.
#[derive(Debug, Default)]
pub struct Log {
    /// The oldest first.
    pub lines: VecDeque<String>,
    /// Older ones that were too many.
    pub left_out: usize,
    /// What could not be read, and why.
    pub gaps: Vec<String>,
}

impl Log {
    /// What can be had. A pod that does not hand its log over is a gap: the others have theirs.
    pub async fn of(pods: &Api<Pod>, namespace: &str, operation: &Operation) -> Self {
        let mut log = Self::default();
        let all = match logs::pods(pods, operation).await {
            Ok(all) => all,
            Err(error) => {
                let why = connect::failed(&error, "list", "pods", Some(namespace)).message;
                log.gaps.push(format!("the log of the executor could not be read: {why}"));
                return log;
            }
        };
        for pod in all {
            let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
            if matches!(phase, "" | "Pending") {
                continue;
            }
            let name = pod.name_any();
            match pods.log_stream(&name, &LogParams::default()).await {
                Ok(stream) => log.read(&name, stream).await,
                Err(error) => {
                    let why = connect::failed(&error, "get", "pods/log", Some(namespace)).message;
                    log.gaps.push(format!("the log of the pod {name} could not be read: {why}"));
                }
            }
        }
        log
    }

    /// Takes in what a pod has written; bytes that are no text do not end it.
    async fn read(&mut self, pod: &str, mut stream: impl AsyncBufRead + Unpin) {
        let mut line = Vec::new();
        loop {
            line.clear();
            match stream.read_until(b'\n', &mut line).await {
                Ok(0) => return,
                Ok(_) => self.push(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => return self.gaps.push(format!("the log of the pod {pod} breaks off: {error}")),
            }
        }
    }

    /// The newest are worth most: they say how it ended.
    fn push(&mut self, line: String) {
        if self.lines.len() == MOST_LINES {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(line);
    }

    /// There is nothing of it, and nobody knows why.
    pub fn is_gone(&self) -> bool {
        self.lines.is_empty() && self.gaps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::{AsyncReadExt as _, BufReader, Cursor};
    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::json;

    #[tokio::test]
    async fn bytes_that_are_no_text_are_shown_as_such_and_end_nothing() {
        let mut log = Log::default();
        log.read("a", BufReader::new(Cursor::new(b"one\r\n\xfftwo\nthree".to_vec()))).await;
        assert_eq!(Vec::from(log.lines), ["one", "\u{fffd}two", "three"]);
        assert!(log.gaps.is_empty());
    }

    #[tokio::test]
    async fn of_too_many_lines_the_newest_are_kept_and_the_others_counted() {
        let mut log = Log::default();
        let text: String = (0..MOST_LINES + 5).map(|n| format!("{n}\n")).collect();
        log.read("a", BufReader::new(Cursor::new(text))).await;
        assert_eq!((log.left_out, log.lines.len(), log.lines[0].as_str()), (5, MOST_LINES, "5"));
    }

    #[tokio::test]
    async fn a_log_that_breaks_off_says_so() {
        let mut log = Log::default();
        let breaks = futures::stream::iter([Ok(b"one\n".to_vec()), Err(std::io::Error::other("the line is gone"))]);
        log.read("a", BufReader::new(futures::TryStreamExt::into_async_read(breaks).chain(Cursor::new("")))).await;
        assert_eq!(
            (Vec::from(log.lines), log.gaps),
            (vec!["one".to_owned()], vec!["the log of the pod a breaks off: the line is gone".to_owned()])
        );
    }

    /// Two pods: one of them has no log.
    #[tokio::test]
    async fn a_pod_without_a_log_is_a_gap_among_the_others() {
        let answer = |path: &str| match path {
            "/api/v1/namespaces/fleet/pods" => {
                let pod = |name: &str| json!({"metadata": {"name": name}, "status": {"phase": "Failed"}});
                (200, json!({"metadata": {}, "items": [pod("a"), pod("b")]}).to_string())
            }
            "/api/v1/namespaces/fleet/pods/b/log" => (200, "one\n".to_owned()),
            _ => {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "BadRequest",
                    "message": "container executor in pod a is waiting to start", "code": 400});
                (400, status.to_string())
            }
        };
        let serve = move |request: Request<Body>| {
            let (status, body) = answer(request.uri().path());
            let answer = Response::builder().status(status).body(Body::from(body.into_bytes())).expect("an answer");
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        };
        let pods = Api::namespaced(Client::new(tower::service_fn(serve), "fleet"), "fleet");
        let mut operation = Operation::new("up-1", Default::default());
        operation.metadata.namespace = Some("fleet".to_owned());
        let log = Log::of(&pods, "fleet", &operation).await;
        assert_eq!(Vec::from(log.lines), ["one"]);
        assert!(
            matches!(log.gaps.as_slice(), [gap] if gap.starts_with("the log of the pod a could not be read: ")
                && gap.contains("is waiting to start")),
            "{:?}",
            log.gaps
        );
    }
}
