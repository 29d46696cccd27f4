//! Pods of a node, the budgets that protect them, and the one way to ask a pod to leave.

use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode, header};
use k8s_openapi::{
    api::{
        core::v1::Pod,
        policy::v1::{Eviction as Body, PodDisruptionBudget},
    },
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions as Same},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Preconditions},
    core::Status,
};
use serde::de::DeserializeOwned;

use crate::api::BlockerKind;

use super::{Error, Tenant, bounded};

/// Most objects that are asked for at once.
const PAGE: u32 = 500;
/// Bounds of what a server may ask us to wait.
const LEAST_WAIT_SECS: u64 = 1;
const LONGEST_WAIT_SECS: u64 = 60;

/// What the API server answered to an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The pod is on its way out.
    Accepted,
    /// There is no such pod any more; another of its name does not count.
    Gone,
    /// Not now, or not ever: the kind says which. In the words of the server.
    Refused(BlockerKind, String),
    /// The server has too much to do: everybody waits that long, and nobody is asked meanwhile.
    Throttled(Duration),
}

impl Tenant {
    /// All pods whose `spec.nodeName` is `node`, seen live.
    pub async fn pods_on(&self, node: &str) -> Result<Vec<Pod>, Error> {
        let parameters = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let mut pods: Vec<Pod> = self.all(parameters).await?;
        pods.retain(|p| p.spec.as_ref().and_then(|s| s.node_name.as_deref()) == Some(node));
        Ok(pods)
    }

    /// All pods of the cluster that are not over.
    pub async fn pods(&self) -> Result<Vec<Pod>, Error> {
        self.all(ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed")).await
    }

    /// All disruption budgets of the cluster.
    pub async fn budgets(&self) -> Result<Vec<PodDisruptionBudget>, Error> {
        self.all(ListParams::default()).await
    }

    /// A list, page by page; each page has its own time.
    pub(super) async fn all<K>(&self, parameters: ListParams) -> Result<Vec<K>, Error>
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let mut page = parameters.limit(PAGE);
        let mut all = Vec::new();
        loop {
            let list = bounded(api.list(&page)).await?;
            all.extend(list.items);
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    /// Asks this very pod to leave, under its budgets; with its own grace unless another is given.
    ///
    /// `Api::evict` of kube 5.0.0 sends `delete_options` where the API reads `deleteOptions`, so that the UID would be
    /// dropped silently; the body is sent by hand instead. The answer is read raw, for its `Retry-After`.
    pub async fn evict(&self, pod: &Pod, grace_secs: Option<i64>) -> Result<Eviction, Error> {
        if let Some(left) = self.throttled() {
            return Ok(Eviction::Throttled(left));
        }
        let request = request(pod, grace_secs);
        let (head, body) = bounded(async {
            let (head, body) = self.client.send(request.map(kube::client::Body::from)).await?.into_parts();
            Ok((head, body.collect_bytes().await?))
        })
        .await?;
        let answer = answer(&Response::from_parts(head, body.to_vec()))?;
        if let Eviction::Throttled(wait) = answer {
            self.throttle(wait);
        }
        Ok(answer)
    }

    /// Deletes this very pod, past any budget: only where the policy or a person says `Force`.
    pub async fn delete_pod(&self, pod: &Pod, grace_secs: i64) -> Result<(), Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let same = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        // Never 0, which takes the object away while the container may still run.
        let grace = u32::try_from(grace_secs.max(1)).unwrap_or(u32::MAX);
        let parameters = DeleteParams::default().preconditions(same).grace_period(grace);
        match bounded(api.delete(&pod.name_any(), &parameters)).await {
            Err(Error::Api(error)) if matches!(&*error, kube::Error::Api(s) if s.code == 404 || s.code == 409) => {
                Ok(())
            }
            answer => answer.map(|_| ()),
        }
    }
}

fn request(pod: &Pod, grace_secs: Option<i64>) -> Request<Vec<u8>> {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let body = Body {
        metadata: ObjectMeta { name: Some(name.clone()), namespace: Some(namespace.clone()), ..ObjectMeta::default() },
        delete_options: Some(DeleteOptions {
            preconditions: Some(Same { uid: pod.metadata.uid.clone(), resource_version: None }),
            grace_period_seconds: grace_secs,
            ..DeleteOptions::default()
        }),
    };
    Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(&body).expect("an eviction of plain strings serialises"))
        .expect("names of Kubernetes objects make a valid path")
}

/// Reads the answer as the eviction handler of Kubernetes means it.
fn answer(response: &Response<Vec<u8>>) -> Result<Eviction, Error> {
    let code = response.status();
    if code.is_success() {
        return Ok(Eviction::Accepted);
    }
    let status = status(code, response.body());
    let caused = |by: &str| status.details.iter().flat_map(|d| &d.causes).any(|c| c.reason == by);
    let refused = |kind| Ok(Eviction::Refused(kind, status.message.clone()));
    match code.as_u16() {
        404 | 409 => Ok(Eviction::Gone),
        429 if caused("DisruptionBudget") => refused(BlockerKind::Budget),
        429 => Ok(Eviction::Throttled(wait(response.headers(), &status))),
        403 if caused("NamespaceTerminating") => refused(BlockerKind::NamespaceTerminating),
        403 => refused(BlockerKind::Forbidden),
        // Two budgets on one pod: Kubernetes evicts no such pod.
        500 if status.message.contains("more than one PodDisruptionBudget") => refused(BlockerKind::ManyBudgets),
        500.. => refused(BlockerKind::ServerError),
        _ => Err(kube::Error::Api(Box::new(status)).into()),
    }
}

/// What the body says; a proxy in between may answer in plain text.
fn status(code: StatusCode, body: &[u8]) -> Status {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let text: String = String::from_utf8_lossy(body).trim().chars().take(200).collect();
        Status::failure(if text.is_empty() { code.as_str() } else { &text }, "").with_code(code.as_u16())
    })
}

/// How long the server asks us to wait: in the header, else in the body.
fn wait(headers: &HeaderMap, status: &Status) -> Duration {
    let header = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
    let body = status.details.as_ref().map(|d| u64::from(d.retry_after_seconds));
    Duration::from_secs(header.or(body).unwrap_or_default().clamp(LEAST_WAIT_SECS, LONGEST_WAIT_SECS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(code: u16, message: &str, cause: Option<&str>, expected: Option<&Eviction>) {
        let causes: Vec<_> = cause.map(|reason| json!({ "reason": reason })).into_iter().collect();
        let body = json!({ "code": code, "message": message, "details": { "causes": causes } });
        let response = Response::builder().status(code).body(body.to_string().into_bytes()).unwrap();
        assert_eq!(answer(&response).ok().as_ref(), expected, "{code} {message}");
    }

    fn refused(kind: BlockerKind, message: &str) -> Eviction {
        Eviction::Refused(kind, message.to_owned())
    }

    #[test]
    fn each_answer_means_one_thing() {
        check(201, "", None, Some(&Eviction::Accepted));
        check(404, "not found", None, Some(&Eviction::Gone));
        check(409, "the UID in the precondition does not match", None, Some(&Eviction::Gone));
        check(429, "no", Some("DisruptionBudget"), Some(&refused(BlockerKind::Budget, "no")));
        check(429, "busy", None, Some(&Eviction::Throttled(Duration::from_secs(1))));
        check(
            403,
            "terminating",
            Some("NamespaceTerminating"),
            Some(&refused(BlockerKind::NamespaceTerminating, "terminating")),
        );
        check(403, "you may not", None, Some(&refused(BlockerKind::Forbidden, "you may not")));
        let two = "This pod has more than one PodDisruptionBudget, which…";
        check(500, two, None, Some(&refused(BlockerKind::ManyBudgets, two)));
        check(500, "etcd is away", None, Some(&refused(BlockerKind::ServerError, "etcd is away")));
        check(503, "overloaded", None, Some(&refused(BlockerKind::ServerError, "overloaded")));
        check(401, "who are you", None, None);
        check(400, "what", None, None);
    }

    #[test]
    fn a_server_in_need_is_heard_in_plain_text_too() {
        let check = |header: &str, body: &str, secs| {
            let response = Response::builder().status(429).header("Retry-After", header).body(body.into()).unwrap();
            assert_eq!(answer(&response).unwrap(), Eviction::Throttled(Duration::from_secs(secs)));
        };
        check("7", "Too many requests, please try again later.", 7);
        check("soon", r#"{"details": {"retryAfterSeconds": 3}}"#, 3);
        check("86400", "", 60);
    }

    #[test]
    fn the_body_names_this_very_pod() {
        let pod = json!({"metadata": {"name": "db-0", "namespace": "shop", "uid": "u-1"}});
        let request = request(&serde_json::from_value(pod).unwrap(), Some(1));
        assert_eq!(request.uri().path(), "/api/v1/namespaces/shop/pods/db-0/eviction");
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!((&body["apiVersion"], &body["kind"]), (&json!("policy/v1"), &json!("Eviction")));
        assert_eq!(body["deleteOptions"]["preconditions"]["uid"], "u-1");
        assert_eq!(body["deleteOptions"]["gracePeriodSeconds"], 1);
    }
}
