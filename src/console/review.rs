//! Asks the API server what we may do: one review for each [`Need`], all at once.

use super::permissions::{Answers, Need, Request};
use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use std::time::Duration;

/// Nobody waits for this answer: it is late, then we go without.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the server says of each need in a namespace; nothing where it does not know reviews, or does not answer.
pub async fn review(client: &Client, namespace: &str) -> Answers {
    let asked = join_all(Need::ALL.map(|need| async move {
        tokio::time::timeout(ANSWER_WITHIN, may(client, namespace, need.request())).await.ok().flatten()
    }));
    asked.await.try_into().unwrap_or_default()
}

async fn may(client: &Client, namespace: &str, request: Request) -> Option<bool> {
    let words = |word: &str| Some(word.to_owned());
    let attributes = ResourceAttributes {
        namespace: words(namespace),
        verb: words(request.verb),
        group: words(request.group),
        resource: words(request.resource),
        subresource: request.subresource.and_then(words),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    match Api::all(client.clone()).create(&PostParams::default(), &review).await {
        // A no that comes with an error is the authorizer's trouble, and no answer.
        Ok(answer) => answer
            .status
            .filter(|s| s.allowed || s.evaluation_error.as_deref().is_none_or(str::is_empty))
            .map(|s| s.allowed),
        Err(error) => {
            tracing::debug!(%error, "the server does not review access");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::client::Body;
    use serde_json::{Value, json};

    /// A server that allows everything but patches, and does not know of logs; `code` is that of every answer.
    fn server(code: u16) -> Client {
        let service = tower::service_fn(move |request: http::Request<Body>| async move {
            let body = request.into_body().collect_bytes().await?;
            let mut review: Value = serde_json::from_slice(&body)?;
            let asked = review["spec"]["resourceAttributes"].clone();
            assert_eq!(asked["namespace"], "fleet");
            review["status"] = json!({"allowed": asked["verb"] != "patch"});
            if asked["subresource"] == "log" {
                review["status"] = json!({"allowed": false, "evaluationError": "no webhook"});
            }
            if code != 201 {
                review = json!({"kind": "Status", "code": code, "status": "Failure", "message": "no"});
            }
            let answer = http::Response::builder().status(code).body(Body::from(review.to_string().into_bytes()));
            Ok::<_, tower::BoxError>(answer?)
        });
        Client::new(service, "fleet")
    }

    #[tokio::test]
    async fn each_need_is_asked_for_and_silence_is_no_answer() {
        assert_eq!(
            review(&server(201), "fleet").await,
            [Some(false), Some(false), Some(false), Some(false), Some(true), None]
        );
        assert_eq!(review(&server(404), "fleet").await, Answers::default());
        assert_eq!(review(&server(403), "fleet").await, Answers::default());
    }
}
