//! Writes down who changed what and why: an Event about each object that the console has changed.
//!
//! An object says in its annotations who wanted the last change of it; its Events say who wanted each, for as long as the
//! cluster keeps them. Whoever may not write Events is not kept from the change: then only the annotation says it, and the console
//! says so.

use super::{
    super::{
        message::{Change, Order},
        text,
    },
    root_cause,
};
use crate::{
    api::{GROUP, labels},
    fleet::Clients,
};
use futures::{StreamExt as _, future::ready, stream};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{Api, api::PostParams};
use std::{collections::BTreeMap, time::Duration};

/// For each of them.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// Events that are written at once.
const AT_ONCE: usize = 16;
/// The reason of such an Event.
const REASON: &str = "Changed";
/// The API takes at most 1 kB.
const MESSAGE: usize = 900;

/// Records the changes that were made, the first of the order. A sentence if some are not recorded: one that fails does not
/// keep the others from it.
pub async fn record(clients: &Clients, order: &Order, made: usize, user: &str) -> Option<String> {
    let all: Vec<_> = order.changes[..made].iter().map(|change| one(clients, change, &order.done, user)).collect();
    let failed = stream::iter(all).buffer_unordered(AT_ONCE).filter_map(|written| ready(written.err()));
    let failed: Vec<String> = failed.collect().await;
    let why = failed.first()?;
    let all_made = made == order.changes.len();
    let news = if all_made { format!("{}; ", order.done) } else { String::new() };
    Some(format!("{news}{} of {} {} not in the audit: {why}", failed.len(), made, are(made)))
}

fn are(changes: usize) -> &'static str {
    if changes == 1 { "change is" } else { "changes are" }
}

async fn one(clients: &Clients, change: &Change, done: &str, user: &str) -> Result<(), String> {
    let client = clients.of(change.target.context).ok_or("the meta cluster has not answered yet")?;
    let events: Api<Event> = Api::namespaced(client, &change.target.namespace);
    let (parameters, event) = (PostParams::default(), event(change, done, user, Timestamp::now()));
    match tokio::time::timeout(WRITTEN_WITHIN, events.create(&parameters, &event)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) => Err(status.message),
        Ok(Err(error)) => Err(root_cause(&error)),
        Err(_) => Err(format!("the API server did not take it within {} s", WRITTEN_WITHIN.as_secs())),
    }
}

fn event(change: &Change, done: &str, user: &str, now: Timestamp) -> Event {
    let target = &change.target;
    let note = |key: &str| {
        let notes = change.patch.pointer("/metadata/annotations")?;
        notes.get(key)?.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned)
    };
    let (by, why) = (note(labels::REQUESTED_BY).unwrap_or_else(|| user.to_owned()), note(labels::REASON));
    let because = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let mut annotations = BTreeMap::from([(labels::REQUESTED_BY.to_owned(), by.clone())]);
    annotations.extend(why.map(|why| (labels::REASON.to_owned(), why)));
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", text::cut(&target.name, 200).trim_end_matches('…'))),
            namespace: Some(target.namespace.clone()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(format!("{GROUP}/v1alpha1")),
            kind: Some(target.kind.as_str().to_owned()),
            name: Some(target.name.clone()),
            namespace: Some(target.namespace.clone()),
            uid: Some(target.uid.clone()),
            ..ObjectReference::default()
        },
        type_: Some("Normal".to_owned()),
        reason: Some(REASON.to_owned()),
        message: Some(format!("{done}, by {by}{because}").chars().take(MESSAGE).collect()),
        source: Some(EventSource { component: Some(labels::CONSOLE_MANAGER.to_owned()), host: None }),
        reporting_component: Some(labels::CONSOLE_MANAGER.to_owned()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        console::message::{Kind, Target},
        fleet::{ContextId, EventRow, Interner},
    };
    use serde_json::json;

    #[test]
    fn the_event_says_who_and_why_to_people_and_to_programs() {
        let target = Target {
            context: ContextId::FIRST,
            kind: Kind::NodePool,
            namespace: "fleet".into(),
            name: "eu-1-gpu".into(),
            uid: "u-1".into(),
            resource_version: "7".into(),
            generation: Some(2),
        };
        let notes = json!({labels::REQUESTED_BY: "alice", labels::REASON: "launch"});
        let change = Change { target, patch: json!({"metadata": {"annotations": notes}, "spec": {"replicas": 9}}) };
        let written = event(&change, "eu-1-gpu scales from 3 to 9", "bob", Timestamp::UNIX_EPOCH);
        assert_eq!(written.message.as_deref(), Some("eu-1-gpu scales from 3 to 9, by alice: launch"));
        let row = EventRow::project(written, &mut Interner::default()).expect("it is of ours");
        assert_eq!((row.by.as_deref(), row.why.as_deref()), (Some("alice"), Some("launch")));
        assert_eq!(row.source.as_deref(), Some("quarterdeck-console"));
        let bare = Change { patch: json!({"spec": {"paused": true}}), ..change };
        let written = event(&bare, "it is paused", "bob", Timestamp::UNIX_EPOCH);
        assert_eq!(written.message.as_deref(), Some("it is paused, by bob"));
    }
}
