//! Faults in the path to an API server, brought about on purpose: what a real client meets sooner or later.
//!
//! [`Faults`] says how often what goes wrong; [`Faults::layer`] makes a `tower::Layer` of it for any client, of the embedded
//! server or of a real one. What happens to a request follows from the seed, from what is asked (verb and resource; names
//! are random and left out) and from how often that was asked before. So a seed brings the same faults again wherever the
//! requests come again in the same order; what is scheduled at random, as in `select!`, may still put them in another.
//! It never changes an answer that it lets through, and keeps what is needed for that in memory, within bounds.

mod answers;
mod question;
mod stream;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use kube::client::Body;
use tower::{BoxError, Layer, Service, ServiceExt};

use super::simulation::dice::Dice;
use question::{Question, Verb};
use stream::{Ending, Trouble};

/// Answers to one question that are kept, to be given once more when they are out of date.
const MAX_PAST: usize = 4;
/// Questions whose answers are kept.
const MAX_QUESTIONS: usize = 64;

/// How often what goes wrong: chances between 0 and 1 for each request that it can happen to.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    pub seed: u64,
    /// 409 to a write, which is not carried out.
    pub conflict: f64,
    /// 429 with `Retry-After`; nothing is carried out.
    pub throttled: f64,
    /// 500; nothing is carried out.
    pub failed: f64,
    /// 504 to a write that is carried out.
    pub lost: f64,
    /// The connection breaks without an answer; a write was carried out, or not.
    pub cut: f64,
    /// There is never an answer; a write was carried out, or not.
    pub silent: f64,
    /// A watch ends early, in the middle of a line at times.
    pub watch_dropped: f64,
    /// A watch is told that its revision is too old: at once, or later.
    pub watch_expired: f64,
    /// A list that is content with any version (`resourceVersion=0`) gets an earlier one.
    pub stale: f64,
    /// Longest that a request is under way.
    pub latency: Duration,
    /// Longest that an event of a watch is under way.
    pub lag: Duration,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self {
            seed: 0,
            conflict: 0.0,
            throttled: 0.0,
            failed: 0.0,
            lost: 0.0,
            cut: 0.0,
            silent: 0.0,
            watch_dropped: 0.0,
            watch_expired: 0.0,
            stale: 0.0,
            latency: Duration::ZERO,
            lag: Duration::ZERO,
        }
    }

    /// An API server on a bad day: about one request in six does not go as it should, and watches lag behind.
    pub fn bad_day(seed: u64) -> Self {
        Self {
            seed,
            conflict: 0.03,
            throttled: 0.03,
            failed: 0.03,
            lost: 0.05,
            cut: 0.03,
            silent: 0.002,
            watch_dropped: 0.3,
            watch_expired: 0.2,
            stale: 0.5,
            latency: Duration::from_millis(80),
            lag: Duration::from_millis(400),
        }
    }

    /// The layer that brings them about. Its clones, and the services that it makes, count together.
    pub fn layer(&self) -> FaultLayer {
        FaultLayer { shared: Arc::new(Shared { faults: Mutex::new(self.clone()), state: Mutex::default() }) }
    }
}

/// Puts faults around a service.
#[derive(Clone, Debug)]
pub struct FaultLayer {
    shared: Arc<Shared>,
}

impl FaultLayer {
    /// The same client, and things go wrong.
    pub fn around(&self, client: kube::Client) -> kube::Client {
        let namespace = client.default_namespace().to_owned();
        let send = tower::service_fn(move |request: Request<Body>| {
            let client = client.clone();
            async move { client.send(request).await.map_err(BoxError::from) }
        });
        kube::Client::new(self.layer(send), namespace)
    }

    /// From now on other things go wrong, or nothing.
    pub fn turn(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How often what has gone wrong so far.
    pub fn tally(&self) -> BTreeMap<&'static str, u32> {
        self.shared.state().tally.clone()
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty { inner, shared: self.shared.clone() }
    }
}

/// A service that things go wrong with.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    faults: Mutex<Faults>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often what was asked.
    asked: HashMap<String, u64>,
    tally: BTreeMap<&'static str, u32>,
    /// Earlier answers to lists.
    past: HashMap<String, VecDeque<Bytes>>,
}

/// What happens to one request.
#[derive(Clone, Debug)]
enum Fate {
    Passes,
    Conflict,
    Throttled {
        seconds: u64,
    },
    Failed,
    Lost,
    Cut {
        applied: bool,
    },
    Silent {
        applied: bool,
    },
    Watched(Trouble),
    /// An old answer, if there is one; the number says which.
    Stale(u64),
}

impl Fate {
    fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Passes => return None,
            Self::Conflict => "conflict",
            Self::Throttled { .. } => "throttled",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Cut { applied: true } => "cut-applied",
            Self::Cut { applied: false } => "cut",
            Self::Silent { applied: true } => "silent-applied",
            Self::Silent { applied: false } => "silent",
            Self::Watched(Trouble { ending: Some(Ending::Expired), .. }) => "watch-expired",
            Self::Watched(Trouble { ending: Some(_), .. }) => "watch-dropped",
            Self::Watched(_) => return None,
            Self::Stale(_) => "stale",
        })
    }
}

impl Shared {
    fn faults(&self) -> Faults {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what happens to a request, and how long it is under way.
    fn decide(&self, question: &Question) -> (Fate, Duration) {
        let (shape, faults) = (question.shape(), self.faults());
        let mut state = self.state();
        let count = state.asked.entry(shape.clone()).or_default();
        *count += 1;
        let mut dice = Dice::new(faults.seed, &[&shape, &count.to_string()]);
        let latency = dice.share(faults.latency);
        let fate = faults.fate(question.verb, &mut dice);
        if let Some(name) = fate.name() {
            *state.tally.entry(name).or_default() += 1;
        }
        (fate, latency)
    }

    fn remember(&self, question: &Question, answer: &Bytes) {
        let mut state = self.state();
        if state.past.len() >= MAX_QUESTIONS && !state.past.contains_key(&question.selection) {
            return;
        }
        let past = state.past.entry(question.selection.clone()).or_default();
        past.push_back(answer.clone());
        if past.len() > MAX_PAST {
            past.pop_front();
        }
    }

    fn recall(&self, question: &Question, which: u64) -> Option<Bytes> {
        let state = self.state();
        let past = state.past.get(&question.selection)?;
        past.get(which as usize % past.len()).cloned()
    }
}

impl Faults {
    fn fate(&self, verb: Verb, dice: &mut Dice) -> Fate {
        let mut roll = dice.unit();
        let mut within = |chance: f64| {
            roll -= chance;
            roll < 0.0
        };
        if verb == Verb::Write && within(self.conflict) {
            return Fate::Conflict;
        } else if within(self.throttled) {
            return Fate::Throttled { seconds: dice.between(1, 5) };
        } else if within(self.failed) {
            return Fate::Failed;
        } else if verb == Verb::Write && within(self.lost) {
            return Fate::Lost;
        } else if within(self.cut) {
            return Fate::Cut { applied: dice.chance(0.5) };
        } else if within(self.silent) {
            return Fate::Silent { applied: dice.chance(0.5) };
        }
        match verb {
            Verb::Watch if within(self.watch_dropped) => Fate::Watched(Trouble::ends(
                if dice.chance(0.5) { Ending::Dropped } else { Ending::Torn },
                self.lag,
                dice,
            )),
            Verb::Watch if within(self.watch_expired) => Fate::Watched(Trouble::ends(Ending::Expired, self.lag, dice)),
            Verb::Watch => Fate::Watched(Trouble::lags(self.lag, dice)),
            Verb::AnyList if within(self.stale) => Fate::Stale(dice.roll()),
            _ => Fate::Passes,
        }
    }
}

/// What comes back, whatever body the server gave it.
pub type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

type Answer = Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send>>;

impl<S, R> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), BoxError>> {
        // Each request waits for a clone of its own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let (inner, shared) = (self.inner.clone(), self.shared.clone());
        Box::pin(async move {
            let question = Question::of(&request);
            let (fate, latency) = shared.decide(&question);
            tokio::time::sleep(latency).await;
            let pass = async {
                let answer = inner.oneshot(request).await.map_err(Into::into)?;
                Ok::<_, BoxError>(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
            };
            meet(fate, &question, &shared, pass).await
        })
    }
}

/// Lets a request meet its fate.
async fn meet(
    fate: Fate,
    question: &Question,
    shared: &Shared,
    pass: impl Future<Output = Result<Reply, BoxError>> + Send,
) -> Result<Reply, BoxError> {
    match fate {
        Fate::Passes if question.is_list() && shared.faults().stale > 0.0 => {
            let (head, body) = pass.await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            if head.status.is_success() {
                shared.remember(question, &bytes);
            }
            Ok(Response::from_parts(head, answers::whole(bytes)))
        }
        Fate::Passes => pass.await,
        Fate::Conflict => Ok(answers::conflict()),
        Fate::Throttled { seconds } => Ok(answers::throttled(seconds)),
        Fate::Failed => Ok(answers::failed()),
        Fate::Lost => {
            drop(pass.await);
            Ok(answers::timeout())
        }
        Fate::Cut { applied } => {
            if applied {
                drop(pass.await);
            }
            Err("connection reset by peer".into())
        }
        Fate::Silent { applied } => {
            if applied {
                drop(pass.await);
            }
            std::future::pending().await
        }
        Fate::Watched(trouble) => Ok(stream::troubled(pass.await?, trouble)),
        Fate::Stale(which) => match shared.recall(question, which) {
            Some(bytes) => Ok(answers::json(200, bytes)),
            None => pass.await,
        },
    }
}

#[cfg(test)]
mod tests;
