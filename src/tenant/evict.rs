//! Pods of a node, the budgets that protect them, and the one way to ask a pod to leave.

use k8s_openapi::{
    api::{
        core::v1::Pod,
        policy::v1::{Eviction as Body, PodDisruptionBudget},
    },
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions as Same},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Preconditions},
};

use super::{Error, Tenant, bounded};

/// What the API server answered to an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The pod is on its way out.
    Accepted,
    /// There is no such pod any more; another of its name does not count.
    Gone,
    /// A budget, or more than one, protects it: in the words of the server.
    Blocked(String),
    /// The server has too much to do: everybody waits that long.
    Throttled { retry_after_secs: u32 },
    /// It will not happen by asking again: in the words of the server.
    Refused(String),
}

impl Tenant {
    /// All pods whose `spec.nodeName` is `node`, seen live.
    pub async fn pods_on(&self, node: &str) -> Result<Vec<Pod>, Error> {
        let api: Api<Pod> = Api::all(self.client.clone());
        let list = bounded(api.list(&ListParams::default().fields(&format!("spec.nodeName={node}")))).await?;
        let here = |p: &Pod| p.spec.as_ref().and_then(|s| s.node_name.as_deref()) == Some(node);
        Ok(list.items.into_iter().filter(here).collect())
    }

    /// All disruption budgets of the cluster.
    pub async fn budgets(&self) -> Result<Vec<PodDisruptionBudget>, Error> {
        let api: Api<PodDisruptionBudget> = Api::all(self.client.clone());
        Ok(bounded(api.list(&ListParams::default())).await?.items)
    }

    /// Asks this very pod to leave, under its budgets.
    ///
    /// `Api::evict` of kube 5.0.0 sends `delete_options` where the API reads `deleteOptions`, so that the UID would be
    /// dropped silently; the body is sent by hand instead.
    pub async fn evict(&self, pod: &Pod) -> Result<Eviction, Error> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let body = Body {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            delete_options: Some(DeleteOptions {
                preconditions: Some(Same { uid: pod.metadata.uid.clone(), resource_version: None }),
                ..DeleteOptions::default()
            }),
        };
        let body = serde_json::to_vec(&body).expect("an eviction of plain strings serialises");
        let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .expect("names of Kubernetes objects make a valid path");
        match bounded(self.client.request_text(request)).await {
            Ok(_) => Ok(Eviction::Accepted),
            Err(Error::Api(error)) => match *error {
                kube::Error::Api(status) => answer(&status),
                other => Err(other.into()),
            },
            Err(error) => Err(error),
        }
    }

    /// Deletes this very pod, past any budget: only for a drain policy that says `Force`.
    pub async fn delete_pod(&self, pod: &Pod) -> Result<(), Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let same = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        match bounded(api.delete(&pod.name_any(), &DeleteParams::default().preconditions(same))).await {
            Err(Error::Api(error)) if matches!(&*error, kube::Error::Api(s) if s.code == 404 || s.code == 409) => {
                Ok(())
            }
            answer => answer.map(|_| ()),
        }
    }
}

/// Reads the answer as the eviction handler of Kubernetes means it.
fn answer(status: &kube::core::Status) -> Result<Eviction, Error> {
    let budget = status.details.iter().flat_map(|d| &d.causes).any(|c| c.reason == "DisruptionBudget");
    match status.code {
        404 | 409 => Ok(Eviction::Gone),
        429 if budget => Ok(Eviction::Blocked(status.message.clone())),
        429 => {
            let after = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
            Ok(Eviction::Throttled { retry_after_secs: after.clamp(1, 60) })
        }
        403 => Ok(Eviction::Refused(status.message.clone())),
        // Two budgets on one pod: Kubernetes evicts no such pod.
        500 if status.message.contains("more than one PodDisruptionBudget") => {
            Ok(Eviction::Blocked(status.message.clone()))
        }
        _ => Err(kube::Error::Api(Box::new(status.clone())).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn check(code: u16, message: &str, cause: Option<&str>, expected: Option<&Eviction>) {
        let causes: Vec<_> = cause.map(|reason| serde_json::json!({ "reason": reason })).into_iter().collect();
        let body = serde_json::json!({ "code": code, "message": message, "details": { "causes": causes } });
        let status: Status = serde_json::from_value(body).unwrap();
        assert_eq!(answer(&status).ok().as_ref(), expected, "{code} {message}");
    }

    #[test]
    fn each_answer_means_one_thing() {
        check(404, "not found", None, Some(&Eviction::Gone));
        check(409, "the UID in the precondition does not match", None, Some(&Eviction::Gone));
        check(429, "no", Some("DisruptionBudget"), Some(&Eviction::Blocked("no".to_owned())));
        check(429, "busy", None, Some(&Eviction::Throttled { retry_after_secs: 1 }));
        check(403, "terminating", None, Some(&Eviction::Refused("terminating".to_owned())));
        check(
            500,
            "This pod has more than one PodDisruptionBudget, which…",
            None,
            Some(&Eviction::Blocked("This pod has more than one PodDisruptionBudget, which…".to_owned())),
        );
        check(500, "etcd is away", None, None);
    }
}
