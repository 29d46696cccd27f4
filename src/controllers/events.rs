//! Kubernetes Events: the story that people read with `kubectl describe` and in the event feed.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::api::labels;

/// Writes events; one that cannot be written is logged and forgotten.
pub struct Events {
    recorder: Recorder,
}

impl Events {
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter =
            Reporter { controller: labels::CONTROLLER_MANAGER.to_owned(), instance: Some(identity.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Something went as it should.
    pub async fn normal<K: Resource<DynamicType = ()>>(&self, about: &K, reason: &str, note: impl Into<String>) {
        self.publish(about.object_ref(&()), EventType::Normal, reason, note.into()).await;
    }

    /// Something that a person should look at.
    pub async fn warning<K: Resource<DynamicType = ()>>(&self, about: &K, reason: &str, note: impl Into<String>) {
        self.publish(about.object_ref(&()), EventType::Warning, reason, note.into()).await;
    }

    async fn publish(&self, about: ObjectReference, type_: EventType, reason: &str, note: String) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            // The API takes at most 1 kB.
            note: Some(note.chars().take(900).collect()),
            action: reason.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &about).await {
            tracing::debug!(%error, reason, "an event was not written");
        }
    }
}
