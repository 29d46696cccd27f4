//! Watches: the initial state if it is asked for, then every event after a revision, bookmarks, and 410 for who came too late.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

use super::{
    ApiServer,
    http::{Accept, Call, Reply},
    kind::Kind,
    object::Object,
    reading,
    refusal::Refusal,
    selector::Selector,
    store::{Event, Happening},
    table::{self, Include},
};

/// How long a watch lasts if it does not say; kube-apiserver takes 30 to 60 minutes.
const DEFAULT_SECONDS: u64 = 1800;
/// How often a quiet watch is told how far it is.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);
/// Events that are taken from the ring, or objects of the initial state that are sent, at a time.
const BATCH: usize = 256;

/// One watch on its way through the ring.
struct Watcher {
    server: ApiServer,
    kind: Arc<Kind>,
    namespace: Option<String>,
    selector: Selector,
    accept: Accept,
    initial: VecDeque<Arc<Object>>,
    /// A bookmark that says that the initial state is complete is still to be sent.
    announce: bool,
    bookmarks: bool,
    revision: u64,
    news: Receiver<u64>,
    ends: Instant,
    next_bookmark: Instant,
    /// Columns are sent with the first row only.
    columns: bool,
    include: Include,
    /// True once the client was told that it came too late.
    over: bool,
}

/// Answers with a stream of JSON lines.
pub fn watch(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    call.query.check_list()?;
    let selector = Selector::parse(kind, &call.query.label_selector, &call.query.field_selector)?;
    // Before anything is read, so that no news is missed.
    let news = server.store().news(&kind.collection);
    let asked =
        reading::revision(&call.query.resource_version).map_err(|refusal| Refusal::unworded(refusal.message))?;
    let from_now = matches!(asked, None | Some(0)) || call.query.send_initial_events == Some(true);
    let (initial, revision) = if let (Some(asked), false) = (asked, from_now) {
        (VecDeque::new(), asked)
    } else {
        let (mut all, revision) = server.store().list(&kind.collection, reading::namespace(kind, call)?, None);
        all.retain(|object| selector.matches(object));
        (all.into(), revision)
    };
    if revision > server.store().revision() {
        return Ok(Reply::stream("application/json", stream::iter([too_large(revision)])));
    }
    let seconds = call.query.timeout_seconds.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_SECONDS);
    let now = Instant::now();
    let kind =
        server.kinds().find(&kind.group, &kind.version, &kind.plural).cloned().ok_or_else(Refusal::no_resource)?;
    let watcher = Watcher {
        server: server.clone(),
        kind,
        namespace: call.resource.namespace.clone(),
        selector,
        accept: call.accept,
        initial,
        announce: call.query.send_initial_events == Some(true) && call.query.allow_watch_bookmarks,
        bookmarks: call.query.allow_watch_bookmarks,
        revision,
        news,
        ends: now + Duration::from_secs(seconds),
        next_bookmark: now + BOOKMARK_INTERVAL,
        columns: true,
        include: call.query.include,
        over: false,
    };
    Ok(Reply::stream("application/json", watcher.lines()))
}

/// A revision from the future is from another life of this server: the client has to begin anew.
fn too_large(revision: u64) -> Bytes {
    line("ERROR", &bytes(&Refusal::expired(format!("Too large resource version: {revision}")).status()))
}

impl Watcher {
    fn lines(self) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold(self, |mut watcher| async move {
            let chunk = watcher.next().await?;
            Some((chunk, watcher))
        })
    }

    /// The next lines, as many as are at hand; `None` is the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if !self.initial.is_empty() {
            let objects: Vec<_> = self.initial.drain(..self.initial.len().min(BATCH)).collect();
            let lines: Vec<Bytes> = objects.iter().map(|object| line("ADDED", &self.shown(object))).collect();
            return Some(join(lines.into_iter()));
        }
        if std::mem::take(&mut self.announce) {
            return Some(self.bookmark(true));
        }
        loop {
            self.news.borrow_and_update();
            match self.server.store().events(&self.kind.collection, self.revision, BATCH) {
                Err(expired) => {
                    self.over = true;
                    return Some(line("ERROR", &bytes(&Refusal::expired(expired.to_string()).status())));
                }
                Ok((events, complete)) if !events.is_empty() => {
                    self.revision = complete;
                    let lines: Vec<Bytes> = events.iter().filter_map(|event| self.seen(event)).collect();
                    if !lines.is_empty() {
                        return Some(join(lines.into_iter()));
                    }
                }
                Ok((_, complete)) => {
                    self.revision = complete;
                    let wake = if self.bookmarks { self.next_bookmark.min(self.ends) } else { self.ends };
                    tokio::select! {
                        changed = self.news.changed() => changed.ok()?,
                        () = sleep_until(wake) => return self.bookmark_or_end(),
                    }
                }
            }
        }
    }

    fn bookmark_or_end(&mut self) -> Option<Bytes> {
        if Instant::now() >= self.ends {
            self.over = true;
            return self.bookmarks.then(|| self.bookmark(false));
        }
        self.next_bookmark = Instant::now() + BOOKMARK_INTERVAL;
        Some(self.bookmark(false))
    }

    fn bookmark(&self, complete: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if complete {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let mut object = json!({"kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata});
        if self.accept == Accept::PartialMetadata {
            object = reading::partial(&object);
        }
        line("BOOKMARK", &bytes(&object))
    }

    /// An event as this watch sees it: what comes into its view is added, what leaves it is deleted.
    fn seen(&mut self, event: &Event) -> Option<Bytes> {
        let here = |object: &Object| {
            self.namespace.as_deref().is_none_or(|namespace| namespace == &*object.key.namespace)
                && self.selector.matches(object)
        };
        let before = event.previous.as_deref().is_some_and(here);
        let after = event.happening != Happening::Deleted && here(&event.object);
        let kind = match (before, after) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        // What leaves the view is told as it was in it.
        if let (Some(previous), "DELETED", Happening::Modified) = (&event.previous, kind, event.happening) {
            let left = Object::seal(previous.value(), event.object.revision, &self.kind.selectable);
            return Some(line(kind, &self.shown(&left)));
        }
        Some(line(kind, &self.shown(&event.object)))
    }

    fn shown(&mut self, object: &Object) -> Bytes {
        if self.accept == Accept::Table {
            let metadata = json!({"resourceVersion": object.revision.to_string()});
            let columns = std::mem::take(&mut self.columns);
            return bytes(&table::table(&self.kind, &[object.value()], self.include, &metadata, columns));
        }
        reading::shown(&self.kind, self.accept, object)
    }
}

fn bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("a JSON value serialises").into()
}

fn line(kind: &str, object: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + 40);
    line.put_slice(b"{\"type\":\"");
    line.put_slice(kind.as_bytes());
    line.put_slice(b"\",\"object\":");
    line.put_slice(object);
    line.put_slice(b"}\n");
    line.freeze()
}

fn join(lines: impl Iterator<Item = Bytes>) -> Bytes {
    let mut all = BytesMut::new();
    lines.for_each(|line| all.put_slice(&line));
    all.freeze()
}
