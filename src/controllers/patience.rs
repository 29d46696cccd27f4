//! No request waits for ever. A connection that has silently gone, as behind a load balancer, would otherwise hold the
//! reconcile of an object until the process ends, and no other begins for that object meanwhile.
//!
//! Nothing is tried again here: every reconcile starts with a live look, so whoever called decides what a missing answer
//! means. In particular no eviction and no deletion is repeated blindly.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use tokio::time::timeout;
use tower::BoxError;

/// Longest that an answer of the meta cluster may take, to its last byte; kube-apiserver gives up after a minute itself.
pub const META: Duration = Duration::from_secs(30);
/// The same for a business cluster: short enough for a second attempt before its nodes count as unknown.
pub const TENANT: Duration = Duration::from_secs(10);

/// There was no answer in time; whether a write was carried out is not known.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
pub struct Late(Duration);

/// The same client, which gives up in time. Watches only have to begin: the watcher looks after a silent one.
pub fn bound(client: Client, limit: Duration) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move { timeout(limit, whole(client, request)).await.map_err(|_| BoxError::from(Late(limit)))? }
    });
    Client::new(service, namespace)
}

async fn whole(client: Client, request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let watches = request.uri().query().is_some_and(|q| q.split('&').any(|part| part == "watch=true"));
    let answer = client.send(request).await?;
    if watches {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, Body::from(body.collect().await?.to_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, api::ListParams};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let silent = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, BoxError>>());
        let api: Api<ConfigMap> = Api::namespaced(bound(Client::new(silent, "x"), META), "x");
        let begun = Instant::now();
        let error = api.list(&ListParams::default()).await.expect_err("nobody answers");
        assert!(error.to_string().contains("no answer within"), "{error}");
        assert!(begun.elapsed() <= META + Duration::from_secs(1));
    }
}
