//! Gives the answers of then.

use super::{Entry, What, question};
use base64::Engine as _;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use serde_json::json;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tower::BoxError;

/// When something of a recording is due: so many times as fast as it was.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    began: Instant,
    speed: f64,
}

impl Pace {
    /// Begins now.
    pub fn begin(speed: f64) -> Self {
        Self { began: Instant::now(), speed }
    }

    /// Waits for a moment of the recording, in milliseconds since its start.
    pub async fn until(&self, at: u64) {
        let after = Duration::from_millis(at).div_f64(self.speed.max(0.001));
        tokio::time::sleep_until(self.began + after).await;
    }
}

/// One answer.
#[derive(Debug)]
struct Exchange {
    at: u64,
    outcome: Result<(u16, Option<String>), String>,
    chunks: Vec<(u64, Bytes)>,
    /// When it ended, and whether it was whole; `None`: it went on beyond the recording.
    end: Option<(u64, bool)>,
}

/// The answers of a recording, each given once; of what is asked more often than then, the last one again.
#[derive(Clone, Debug)]
pub struct Player {
    pace: Pace,
    state: Arc<Mutex<HashMap<String, Answers>>>,
}

#[derive(Debug, Default)]
struct Answers {
    waiting: VecDeque<Arc<Exchange>>,
    last: Option<Arc<Exchange>>,
}

type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

impl Player {
    /// Of one context, by its place in the head: another one's answers are never given.
    pub fn new(entries: &[Entry], context: usize, pace: Pace) -> Self {
        let mut state: HashMap<String, Answers> = HashMap::new();
        for (question, exchange) in exchanges(entries, context) {
            state.entry(question).or_default().waiting.push_back(Arc::new(exchange));
        }
        Self { pace, state: Arc::new(Mutex::new(state)) }
    }

    /// A client that is answered from the recording, and by nobody else.
    pub fn client(&self, namespace: &str) -> kube::Client {
        let player = self.clone();
        let send = tower::service_fn(move |request: Request<Body>| {
            let player = player.clone();
            let path = request.uri().path_and_query().map_or("", |path| path.as_str());
            let question = question(request.method().as_str(), path);
            async move { player.answer(question).await }
        });
        kube::Client::new(send, namespace.to_owned())
    }

    async fn answer(&self, question: String) -> Result<Reply, BoxError> {
        let is_watch = question.contains("watch=");
        let exchange = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let answers = state.entry(question).or_default();
            match answers.waiting.pop_front() {
                Some(next) => {
                    answers.last = Some(next.clone());
                    Some(next)
                }
                // A watch that was told everything once would be told it twice.
                None if is_watch => None,
                None => answers.last.clone(),
            }
        };
        match exchange {
            Some(exchange) => self.give(exchange).await,
            None if is_watch => reply(200, None, StreamBody::new(futures::stream::pending()).boxed_unsync()),
            None => not_recorded(),
        }
    }

    async fn give(&self, exchange: Arc<Exchange>) -> Result<Reply, BoxError> {
        self.pace.until(exchange.at).await;
        let (status, content) = match &exchange.outcome {
            Ok((status, content)) => (*status, content.clone()),
            Err(why) => return Err(why.clone().into()),
        };
        reply(status, content, StreamBody::new(self.body(exchange)).boxed_unsync())
    }

    fn body(&self, exchange: Arc<Exchange>) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static {
        let pace = self.pace;
        futures::stream::unfold(0, move |next| {
            let exchange = exchange.clone();
            async move {
                if let Some((at, bytes)) = exchange.chunks.get(next) {
                    pace.until(*at).await;
                    return Some((Ok(Frame::data(bytes.clone())), next + 1));
                }
                match exchange.end {
                    None => futures::future::pending().await,
                    Some((at, true)) => {
                        pace.until(at).await;
                        None
                    }
                    Some((at, false)) if next == exchange.chunks.len() => {
                        pace.until(at).await;
                        Some((Err("the connection broke, as it did then".into()), next + 1))
                    }
                    Some(_) => None,
                }
            }
        })
        .boxed()
    }
}

fn reply(status: u16, content: Option<String>, body: UnsyncBoxBody<Bytes, BoxError>) -> Result<Reply, BoxError> {
    let content = content.unwrap_or_else(|| "application/json".to_owned());
    let status = StatusCode::from_u16(status)?;
    Ok(Response::builder().status(status).header(header::CONTENT_TYPE, content).body(body)?)
}

fn not_recorded() -> Result<Reply, BoxError> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404, "reason": "NotFound",
        "message": "this was not asked while it was recorded",
    });
    let body = http_body_util::Full::new(Bytes::from(status.to_string())).map_err(BoxError::from);
    reply(404, None, body.boxed_unsync())
}

/// Answers of one context with what was asked, in the order in which they came.
fn exchanges(entries: &[Entry], of: usize) -> Vec<(String, Exchange)> {
    let mut found: Vec<(String, Exchange)> = Vec::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    for Entry { at, what } in entries {
        let (id, bytes) = match what {
            What::Answer { context, .. } | What::Lost { context, .. } if *context != of => continue,
            What::Answer { id, method, path, status, content, .. } => {
                places.insert(*id, found.len());
                let outcome = Ok((*status, content.clone()));
                found.push((question(method, path), Exchange { at: *at, outcome, chunks: Vec::new(), end: None }));
                continue;
            }
            What::Lost { method, path, why, .. } => {
                let outcome = Err(why.clone());
                found.push((question(method, path), Exchange { at: *at, outcome, chunks: Vec::new(), end: None }));
                continue;
            }
            What::End { id, whole } => {
                if let Some((_, exchange)) = places.get(id).and_then(|place| found.get_mut(*place)) {
                    exchange.end = Some((*at, *whole));
                }
                continue;
            }
            What::Chunk { id, text } => (id, Bytes::from(text.clone())),
            What::Bytes { id, base64 } => {
                (id, base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default().into())
            }
            What::Key(_) | What::Paste(_) | What::Focus(_) | What::Joined { .. } => continue,
        };
        if let Some((_, exchange)) = places.get(id).and_then(|place| found.get_mut(*place)) {
            exchange.chunks.push((*at, bytes));
        }
    }
    found
}
