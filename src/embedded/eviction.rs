//! The eviction subresource of pods: a deletion that asks the pod's disruption budget first.
//!
//! That the pod is the one that is meant is asked after the budget, as Kubernetes does: a wrong uid is a conflict only
//! where the pod may go. Budgets are computed from the pods that are there now, under a lock, so that two evictions at once cannot both take
//! the last disruption that is allowed.

use serde_json::{Value, json};

use super::{
    ApiServer, body,
    budget::{self, Budget},
    deletion,
    http::{Call, Reply},
    kind::Kind,
    object::{Object, text},
    options::DeleteOptions,
    reading,
    refusal::{Cause, Refusal},
};

/// `POST` of an eviction.
pub async fn evict(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let key = reading::key(kind, call)?;
    let body = body::decode(call)?;
    check_kind(&body)?;
    let named = text(&body["metadata"]["name"]);
    if !named.is_empty() && named != &*key.name {
        return Err(Refusal::bad_request("name in URL does not match name in Eviction object"));
    }
    let options = DeleteOptions::parse(&body["deleteOptions"], &call.query)?;
    let _one_at_a_time = server.shared.evictions.lock().await;
    let pod = server.store().latest(&kind.collection, &key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
    if is_guarded(&pod.value()) {
        check_budgets(server, &pod)?;
    }
    deletion::delete(server, kind, &key, &options).await?;
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Reply::json(201, &done))
}

/// The body is an eviction, if it says what it is.
fn check_kind(body: &Value) -> Result<(), Refusal> {
    match body["kind"].as_str().unwrap_or("Eviction") {
        "Eviction" => Ok(()),
        other => Err(Refusal::bad_request(format!(
            "{other} in version \"v1\" cannot be handled as a Eviction: converting (v1.{other}) to (policy.Eviction): \
             unknown conversion"
        ))),
    }
}

/// Pods that do not run, or go already, disrupt nothing.
fn is_guarded(pod: &Value) -> bool {
    let phase = text(&pod["status"]["phase"]);
    !matches!(phase, "Succeeded" | "Failed" | "Pending") && !pod["metadata"]["deletionTimestamp"].is_string()
}

fn check_budgets(server: &ApiServer, pod: &Object) -> Result<(), Refusal> {
    let budgets = budget::covering(server, pod);
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Refusal::unworded(why));
        }
    };
    match allows(budget, &pod.value()) {
        true => Ok(()),
        false => Err(refuse(budget)),
    }
}

/// An unhealthy pod may go if the budget says so, or if enough others are healthy.
fn allows(budget: &Budget, pod: &Value) -> bool {
    let unhealthy_may_go =
        budget.always_allow_unhealthy || budget.desired_healthy > 0 && budget.current_healthy >= budget.desired_healthy;
    budget.disruptions_allowed() > 0 || !budget::is_healthy(pod) && unhealthy_may_go
}

fn refuse(budget: &Budget) -> Refusal {
    let message = format!(
        "The disruption budget {} needs {} healthy pods and has {} currently",
        budget.name, budget.desired_healthy, budget.current_healthy
    );
    let cause = Cause::new("DisruptionBudget", "", message);
    Refusal::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", &[cause])
}
