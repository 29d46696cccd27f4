//! Makes changes: the only code of the console that changes what is wanted of the fleet.

use super::{
    super::message::{Change, Kind, Order, Refusal, Target, Why},
    root_cause, within,
};
use crate::{
    api::{ClusterDeployment, Machine, NodePool, Operation, labels},
    fleet::{Clients, Fault},
};
use futures::{StreamExt as _, TryStreamExt as _, future::ready, stream};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};

pub async fn try_out(api: &Api<DynamicObject>, change: &Change) -> Result<DynamicObject, Refusal> {
    patch(api, change, &PatchParams { dry_run: true, ..parameters() }).await.map_err(certain)
}

/// Makes the changes, one after another, and says how many are made. Several are tried out first, all of them, so that what one of them would be
/// refused for is known before the first is made; what still fails midway says what is written and what is not.
pub async fn apply(clients: &Clients, order: &Order) -> (usize, Result<String, Refusal>) {
    let mut made = 0;
    let outcome = apply_all(clients, order, &mut made).await;
    (made, outcome)
}

async fn apply_all(clients: &Clients, order: &Order, made: &mut usize) -> Result<String, Refusal> {
    if order.changes.len() > 1 {
        let all: Vec<_> = order.changes.iter().map(|change| try_in_time(clients, change)).collect();
        stream::iter(all).buffered(AT_ONCE).try_for_each(|()| ready(Ok(()))).await?;
    }
    for change in &order.changes {
        let api = api(clients, &change.target).map_err(|refusal| midway(order, *made, refusal))?;
        let outcome = within(patch(&api, change, &parameters())).await;
        outcome.map_err(|refusal| midway(order, *made, refusal))?;
        *made += 1;
    }
    Ok(order.done.clone())
}

async fn try_in_time(clients: &Clients, change: &Change) -> Result<(), Refusal> {
    let api = api(clients, &change.target)?;
    within(try_out(&api, change)).await.map(|_| ()).map_err(certain)
}

/// The refusal of one change out of several, with what is written, what is not, and what nobody knows of.
fn midway(order: &Order, made: usize, refusal: Refusal) -> Refusal {
    if order.changes.len() == 1 {
        return refusal;
    }
    let names = |changes: &[Change]| {
        let mut names: Vec<String> = changes.iter().take(DIFFS).map(Change::what).collect();
        if changes.len() > DIFFS {
            names.push(format!("{} more", changes.len() - DIFFS));
        }
        names.join(", ")
    };
    let (written, open) = order.changes.split_at(made);
    let is_unknown = refusal.why == Why::Unknown;
    let (unknown, open) = open.split_at(usize::from(is_unknown).min(open.len()));
    let part = |word: &str, changes: &[Change]| (!changes.is_empty()).then(|| format!("{word}: {}", names(changes)));
    let nothing = || (!is_unknown).then(|| "nothing is written".to_owned());
    let parts = [
        part("written", written).or_else(nothing),
        part("not known, look at it", unknown),
        part(if is_unknown { "not sent" } else { "not written" }, open),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Refusal { message: format!("{}. {}", refusal.message, parts.join("; ")), ..refusal }
}

/// The refusal of something that cannot have changed anything.
fn certain(refusal: Refusal) -> Refusal {
    let why = if refusal.why == Why::Unknown { Why::Other } else { refusal.why };
    Refusal { why, ..refusal }
}

/// Sends the patch under the version that the user was looking at.
///
/// Controllers write status all the time, which moves that version. So where it has moved and the spec has not
/// (same UID, same generation), the patch is sent again under the new one: what the user decided on still stands.
async fn patch(api: &Api<DynamicObject>, change: &Change, parameters: &PatchParams) -> Result<DynamicObject, Refusal> {
    let mut change = change.clone();
    for _ in 0..CONFLICTS {
        match api.patch(&change.target.name, parameters, &Patch::Merge(change.body())).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let live = api.get(&change.target.name).await;
                // The patch itself was refused.
                let live = live.map_err(|e| certain(refusal(&e, &change.target)))?.metadata;
                let same =
                    live.uid.as_deref() == Some(&change.target.uid) && live.generation == change.target.generation;
                let moved = live.resource_version.filter(|version| *version != change.target.resource_version);
                match moved.filter(|_| same) {
                    Some(version) => change.target.resource_version = version,
                    None => return Err(refusal(&kube::Error::Api(status), &change.target)),
                }
            }
            outcome => return outcome.map_err(|e| refusal(&e, &change.target)),
        }
    }
    Err(Refusal { message: format!("{} changes too fast: try again", change.target.name), why: Why::Conflict })
}

pub fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(labels::CONSOLE_MANAGER.to_owned()), ..PatchParams::default() }
}

/// The only way to an object that is to be changed: on the server of its own context.
pub fn api(clients: &Clients, target: &Target) -> Result<Api<DynamicObject>, Refusal> {
    let client = clients.of(target.context).ok_or_else(|| Refusal {
        message: format!("the meta cluster of {} has not answered yet: nothing is sent", target.name),
        why: Why::Other,
    })?;
    let resource = match target.kind {
        Kind::NodePool => ApiResource::erase::<NodePool>(&()),
        Kind::Operation => ApiResource::erase::<Operation>(&()),
        Kind::ClusterDeployment => ApiResource::erase::<ClusterDeployment>(&()),
        Kind::Machine => ApiResource::erase::<Machine>(&()),
    };
    Ok(Api::namespaced_with(client, &target.namespace, &resource))
}

/// The error as a sentence with the way out.
pub fn refusal(error: &kube::Error, target: &Target) -> Refusal {
    let (kind, name) = (target.kind.as_str(), &target.name);
    let (message, why) = match error {
        kube::Error::Api(status) => match status.code {
            409 => (
                format!("{kind} {name} was changed by somebody else: it is shown anew, look and try again"),
                Why::Conflict,
            ),
            404 => (format!("{kind} {name} is gone: it was deleted while you were looking at it"), Why::Other),
            403 => {
                let fault = Fault::of(error, "patch", target.kind.plural(), Some(&target.namespace));
                let lacks = matches!(fault, Fault::Forbidden { .. });
                (fault.to_string(), if lacks { Why::Forbidden } else { Why::Other })
            }
            401 => (
                "the API server no longer accepts your credentials: log in again, the console stays open".into(),
                Why::Other,
            ),
            // It may have been carried out before that.
            500.. => (status.message.clone(), Why::Unknown),
            _ => (status.message.clone(), Why::Other),
        },
        other => {
            let why = if was_sent(other) { Why::Unknown } else { Why::Other };
            (format!("cannot reach the API server: {}", root_cause(other)), why)
        }
    };
    Refusal { message, why }
}

/// The server may have heard of it: only where nobody answered the door is it certain that it has not.
fn was_sent(error: &kube::Error) -> bool {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut kinds = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    !kinds.any(|kind| kind == std::io::ErrorKind::ConnectionRefused)
}

/// How often a change is sent again because status was written in between.
const CONFLICTS: u32 = 5;

/// Changes of one order that are tried out at once.
pub const AT_ONCE: usize = 8;

/// Changes of one order that are shown or named one by one.
pub const DIFFS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::ContextId;
    use kube::core::Status;
    use serde_json::json;

    fn order(names: &str) -> Order {
        let target = |name: &str| Target {
            context: ContextId::FIRST,
            kind: Kind::Machine,
            namespace: "fleet".into(),
            name: name.into(),
            uid: String::new(),
            resource_version: String::new(),
            generation: None,
        };
        let changes = names.split(' ').map(|name| Change { target: target(name), patch: json!({}) }).collect();
        Order { changes, done: String::new() }
    }

    /// What is said when the change after so many was not answered with a yes.
    fn check(names: &str, made: usize, why: Why, expected: &str) {
        let refusal = Refusal { message: "no".into(), why };
        assert_eq!(midway(&order(names), made, refusal).message.replace("Machine ", ""), expected, "{names} {made}");
    }

    #[test]
    fn midway_it_is_said_what_is_written_what_is_not_and_what_is_not_known() {
        check("a", 0, Why::Unknown, "no");
        check("a b", 0, Why::Other, "no. nothing is written; not written: a, b");
        check("a b c", 2, Why::Forbidden, "no. written: a, b; not written: c");
        check("a b", 0, Why::Unknown, "no. not known, look at it: a; not sent: b");
        check("a b c d e", 2, Why::Unknown, "no. written: a, b; not known, look at it: c; not sent: d, e");
        check("a b", 1, Why::Unknown, "no. written: a; not known, look at it: b");
    }

    #[test]
    fn only_an_answer_that_is_a_refusal_says_that_nothing_was_done() {
        let target = &order("a").changes[0].target;
        for (code, expected) in
            [(409, Why::Conflict), (404, Why::Other), (422, Why::Other), (429, Why::Other), (500, Why::Unknown)]
        {
            let status = Status { code, message: "no".into(), ..Status::default() };
            assert_eq!(refusal(&kube::Error::Api(Box::new(status)), target).why, expected, "{code}");
        }
        for (kind, expected) in [
            (std::io::ErrorKind::ConnectionRefused, Why::Other),
            (std::io::ErrorKind::ConnectionReset, Why::Unknown),
            (std::io::ErrorKind::BrokenPipe, Why::Unknown),
        ] {
            let error = kube::Error::Service(std::io::Error::from(kind).into());
            assert_eq!(refusal(&error, target).why, expected, "{kind}");
        }
    }
}
