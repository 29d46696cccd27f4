//! The row of a Kubernetes Event about one of our kinds.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use crate::{
    api::{GROUP, labels},
    fleet::{Interner, Uid},
};

/// What happened to something, how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    pub uid: Uid,
    /// When it last happened.
    pub at: Timestamp,
    pub first_at: Timestamp,
    /// How often, since `first_at`.
    pub count: u32,
    /// It is a warning, not just news.
    pub warning: bool,
    pub reason: Arc<str>,
    pub message: Arc<str>,
    /// What it is about: `Machine`, `NodePool`, `Operation`, `Cluster`, …
    pub kind: Arc<str>,
    pub name: Arc<str>,
    pub object_uid: Uid,
    /// Who says so.
    pub source: Option<Arc<str>>,
    /// Who wanted it and why, where a console wrote it down.
    pub by: Option<Arc<str>>,
    pub why: Option<Arc<str>>,
}

impl EventRow {
    /// `None` for events about kinds of others, and for those without any time.
    pub fn project(event: Event, interner: &mut Interner) -> Option<Self> {
        let about = event.involved_object;
        let note = |key: &str| event.metadata.annotations.as_ref().and_then(|notes| notes.get(key)).cloned();
        let (by, why) = (note(labels::REQUESTED_BY), note(labels::REASON));
        if !about.api_version.as_deref().is_some_and(|v| v.starts_with(GROUP)) {
            return None;
        }
        let micro = event.event_time.map(|t| t.0);
        let series = event.series.as_ref();
        let created = event.metadata.creation_timestamp.map(|t| t.0);
        let first_at = event.first_timestamp.map(|t| t.0).or(micro).or(created)?;
        let last = series.and_then(|s| s.last_observed_time.as_ref()).map(|t| t.0);
        let count = series.and_then(|s| s.count).or(event.count).unwrap_or(1);
        Some(Self {
            uid: interner.uid(event.metadata.uid.as_deref()),
            at: last.or(event.last_timestamp.map(|t| t.0)).unwrap_or(first_at).max(first_at),
            first_at,
            by: interner.share_some(by.as_deref()),
            why: interner.share_some(why.as_deref()),
            count: u32::try_from(count).unwrap_or(1).max(1),
            warning: event.type_.as_deref() == Some("Warning"),
            reason: interner.share(event.reason.as_deref().unwrap_or_default()),
            message: event.message.unwrap_or_default().into(),
            kind: interner.share(about.kind.as_deref().unwrap_or_default()),
            name: interner.share(about.name.as_deref().unwrap_or_default()),
            object_uid: interner.uid(about.uid.as_deref()),
            source: interner.share_some(
                event.reporting_component.as_deref().or(event.source.as_ref().and_then(|s| s.component.as_deref())),
            ),
        })
    }
}
