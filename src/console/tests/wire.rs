//! The line between the console and an API server: what leaves the process is noted by verb, and the line may be cut.

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, BodyStream, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tower::BoxError;

/// Something that was asked of the server.
#[derive(Clone, Debug)]
pub struct Sent {
    pub verb: Method,
    /// Without the question mark and what follows.
    pub path: String,
    pub dry_run: bool,
    pub body: Value,
    /// What the server said; 0 while the line is cut.
    pub status: u16,
}

impl Sent {
    /// It writes, if it is carried out. A review is a question that has to be posted.
    pub fn is_mutation(&self) -> bool {
        let is_question = self.path.starts_with("/apis/authorization.k8s.io/");
        !self.dry_run && !is_question && !matches!(self.verb, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    pub fn is_made(&self) -> bool {
        self.is_mutation() && (200..300).contains(&self.status)
    }

    /// The plural of its kind.
    pub fn kind(&self) -> &str {
        let after = self.path.split_once("/namespaces/").and_then(|(_, rest)| rest.split_once('/'));
        after.map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default())
    }
}

/// Whether a request is answered with a refusal in the server's place: its code and its message.
pub type Refuse = fn(&Sent) -> Option<(u16, &'static str)>;

#[derive(Default)]
struct Inner {
    sent: Vec<Sent>,
    refuse: Option<Refuse>,
    /// How long a dry run takes.
    thinks: Duration,
    /// How long a change takes.
    works: Duration,
    cut: CancellationToken,
}

/// The line. Clones are the same one.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<Inner>>);

impl Wire {
    /// The same client, over this line.
    pub fn around(&self, client: Client) -> Client {
        let (namespace, wire) = (client.default_namespace().to_owned(), self.clone());
        let send = tower::service_fn(move |request: Request<Body>| {
            let (client, wire) = (client.clone(), wire.clone());
            async move { wire.exchange(client, request).await }
        });
        Client::new(send, namespace)
    }

    async fn exchange(
        self,
        client: Client,
        request: Request<Body>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect_bytes().await?;
        let mut sent = Sent {
            verb: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            dry_run: parts.uri.query().is_some_and(|query| query.split('&').any(|part| part == "dryRun=All")),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            status: 0,
        };
        let (cut, refuse, thinks, works) =
            self.with(|inner| (inner.cut.clone(), inner.refuse, inner.thinks, inner.works));
        if cut.is_cancelled() {
            self.with(|inner| inner.sent.push(sent));
            return Err("connection refused".into());
        }
        if let Some((code, message)) = refuse.and_then(|refuse| refuse(&sent)) {
            sent.status = code;
            self.with(|inner| inner.sent.push(sent));
            return Ok(refusal(code, message));
        }
        if sent.dry_run && !thinks.is_zero() {
            tokio::time::sleep(thinks).await;
        }
        if sent.verb == Method::PATCH && !sent.dry_run {
            tokio::time::sleep(works).await;
        }
        let answer = client.send(Request::from_parts(parts, Body::from(bytes))).await?;
        sent.status = answer.status().as_u16();
        self.with(|inner| inner.sent.push(sent));
        Ok(answer.map(|body| {
            let frames = BodyStream::new(body).map(|frame| frame.map_err(BoxError::from));
            StreamBody::new(frames.take_until(cut.cancelled_owned())).boxed_unsync()
        }))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything since the last time.
    pub fn take(&self) -> Vec<Sent> {
        self.with(|inner| std::mem::take(&mut inner.sent))
    }

    /// Breaks all that is open, and lets nothing through until it is mended.
    pub fn cut(&self) {
        self.with(|inner| inner.cut.cancel());
    }

    pub fn mend(&self) {
        self.with(|inner| inner.cut = CancellationToken::new());
    }

    /// Dry runs take so long from now on.
    pub fn think(&self, time: Duration) {
        self.with(|inner| inner.thinks = time);
    }

    /// Changes take so long from now on.
    pub fn work(&self, time: Duration) {
        self.with(|inner| inner.works = time);
    }

    pub fn refuse(&self, refuse: Refuse) {
        self.with(|inner| inner.refuse = Some(refuse));
    }
}

fn refusal(code: u16, message: &str) -> Response<UnsyncBoxBody<Bytes, BoxError>> {
    let reason = if code == 403 { "Forbidden" } else { "Invalid" };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code});
    let body = http_body_util::Full::new(Bytes::from(status.to_string())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a status code");
    response
}
