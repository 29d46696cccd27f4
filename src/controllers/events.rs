//! Kubernetes Events: the story that people read with `kubectl describe` and in the event feed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::Instant;

use crate::api::labels;

/// So long after it was last said, a text is a new event and no longer counted on: the time of kube's recorder.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(6);
/// So many texts of one reason about one object stand beside each other, and one more that counts all further ones and says
/// so. What never says the same twice would fill the server otherwise; bound and words are those of client-go's correlator.
const MOST_TEXTS: usize = 10;
const COMBINED: &str = "(combined from similar events): ";

/// Writes events; one that cannot be written is logged and forgotten.
pub struct Events {
    client: Client,
    reporter: Reporter,
    said: Mutex<HashMap<About, Vec<Said>>>,
}

/// An object, by its UID, and the reason of what is said of it.
type About = (Option<String>, String);

/// A text that was said, with the recorder that counts how often: one recorder takes all that has one reason for the same
/// and keeps the first text, so that each text has its own.
struct Said {
    note: String,
    recorder: Recorder,
    last: Instant,
}

impl Events {
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter =
            Reporter { controller: labels::CONTROLLER_MANAGER.to_owned(), instance: Some(identity.to_owned()) };
        Self { client, reporter, said: Mutex::default() }
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
        // The API takes at most 1 kB.
        let note: String = note.chars().take(900).collect();
        let (recorder, note) = self.recorder((about.uid.clone(), reason.to_owned()), note);
        let event =
            Event { type_, reason: reason.to_owned(), note: Some(note), action: reason.to_owned(), secondary: None };
        if let Err(error) = recorder.publish(&event, &about).await {
            tracing::debug!(%error, reason, "an event was not written");
        }
    }

    /// The recorder that has said this before, or a new one, and what it is to say.
    fn recorder(&self, about: About, note: String) -> (Recorder, String) {
        let now = Instant::now();
        let mut all = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, said| {
            said.retain(|said| now.duration_since(said.last) < FORGOTTEN_AFTER);
            !said.is_empty()
        });
        let said = all.entry(about).or_default();
        let known = said.iter().position(|said| said.note == note).unwrap_or(said.len()).min(MOST_TEXTS);
        if let Some(known) = said.get_mut(known) {
            known.last = now;
            return (known.recorder.clone(), note);
        }
        let text = if said.len() == MOST_TEXTS { format!("{COMBINED}{note}") } else { note.clone() };
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        said.push(Said { note, recorder: recorder.clone(), last: now });
        (recorder, text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::Value;

    use super::*;

    /// A server that takes every event, and what it was sent: `new` or `again`, and the text.
    fn listening() -> (Events, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ear, method) = (heard.clone(), |method: &http::Method| if method == "POST" { "new" } else { "again" });
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let ear = ear.clone();
            async move {
                let method = method(request.method());
                let body = request.into_body().collect_bytes().await?;
                let event: Value = serde_json::from_slice(&body).expect("an event");
                ear.lock().unwrap().push(format!("{method} {}", event["note"].as_str().unwrap_or_default()));
                Ok::<_, kube::Error>(http::Response::new(Body::from(body)))
            }
        });
        (Events::new(Client::new(service, "default"), "one"), heard)
    }

    #[tokio::test(start_paused = true)]
    async fn each_text_is_said_and_the_same_one_counted() {
        let (events, heard) = listening();
        let mut pool = ConfigMap::default();
        pool.metadata.uid = Some("a".into());
        for note in ["joining m-1", "joining m-2", "joining m-1"] {
            events.normal(&pool, "ScaleUp", note).await;
        }
        assert_eq!(*heard.lock().unwrap(), ["new joining m-1", "new joining m-2", "again joining m-1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_says_the_same_twice_does_not_fill_the_server() {
        let (events, heard) = listening();
        for round in 0..30 {
            events.warning(&ConfigMap::default(), "DrainWaits", format!("{round} s")).await;
        }
        let heard = heard.lock().unwrap();
        assert_eq!(heard.iter().filter(|said| said.starts_with("new")).count(), MOST_TEXTS + 1);
        assert_eq!(heard[MOST_TEXTS], format!("new {COMBINED}10 s"));
        assert_eq!(*heard.last().unwrap(), format!("again {COMBINED}10 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_long_ago_is_forgotten() {
        let (events, _) = listening();
        events.normal(&ConfigMap::default(), "Ready", "node a is Ready").await;
        tokio::time::advance(FORGOTTEN_AFTER).await;
        events.normal(&ConfigMap::default(), "Cordoned", "node b").await;
        assert_eq!(events.said.lock().unwrap().len(), 1);
    }
}
