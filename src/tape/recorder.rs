//! Writes what comes by.

use super::{Entry, Error, Head, What};
use base64::Engine as _;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tower::BoxError;

/// More than this is not written: somebody has forgotten that it runs.
const LARGEST_BYTES: u64 = 2 << 30;
/// More than this does not wait in memory for a disk that takes nothing: the recording ends there.
pub(super) const MOST_WAITING_BYTES: usize = 64 << 20;
/// What an entry takes besides its texts, roughly.
const ENTRY_BYTES: usize = 128;
/// How long entries may wait in memory.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Takes entries from wherever they come from; a thread of its own writes them, so that nobody waits for a disk.
#[derive(Clone, Debug)]
pub struct Recorder {
    sender: mpsc::Sender<Option<Entry>>,
    backlog: Arc<Backlog>,
    began: Instant,
    ids: Arc<AtomicU64>,
}

/// What was noted and is not written yet.
#[derive(Debug)]
struct Backlog {
    most_bytes: usize,
    /// `None`: it was too much. Nothing is noted any more, for a recording has no holes.
    bytes: Mutex<Option<usize>>,
}

impl Backlog {
    /// Does it if there is room, which it takes.
    fn take(&self, bytes: usize, note: impl FnOnce()) {
        let mut waiting = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = waiting.map(|waiting| waiting + bytes).filter(|waiting| *waiting <= self.most_bytes);
        if waiting.is_some() {
            note();
        }
    }

    fn give(&self, bytes: usize) {
        let mut waiting = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = waiting.map(|waiting| waiting.saturating_sub(bytes));
    }

    fn was_too_much(&self) -> bool {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// How far a recording goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Up to the largest size of a file.
    Full,
    /// Up to where the disk was too slow.
    Slow,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<std::io::Result<bool>>,
    backlog: Arc<Backlog>,
    /// `None` ends it: clients keep recorders for longer than anybody waits.
    sender: mpsc::Sender<Option<Entry>>,
}

impl Writer {
    /// Waits until everything that was noted so far is written; how much that is. Nothing is noted afterwards.
    pub fn finish(self) -> std::io::Result<Extent> {
        let _ = self.sender.send(None);
        let is_full = self.thread.join();
        let is_full = is_full.unwrap_or_else(|_| Err(std::io::Error::other("the thread that writes it broke")))?;
        Ok(match (is_full, self.backlog.was_too_much()) {
            (true, _) => Extent::Full,
            (false, true) => Extent::Slow,
            (false, false) => Extent::Whole,
        })
    }
}

impl Recorder {
    /// Begins a recording in a file that must not exist yet.
    pub fn begin(path: &Path, head: &Head) -> Result<(Self, Writer), Error> {
        let created = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
        let mut file = created.map(BufWriter::new).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_owned() },
            _ => Error::Unwritable { path: path.to_owned(), source },
        })?;
        let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
        let first = serde_json::to_vec(head).expect("a head has nothing that JSON lacks");
        file.write_all(&first).and_then(|()| file.write_all(b"\n")).map_err(unwritable)?;
        Self::into(file, MOST_WAITING_BYTES).map_err(|source| Error::Unwritable { path: path.to_owned(), source })
    }

    /// Into whatever takes it, while no more than so many bytes wait for that.
    pub(super) fn into(file: impl Write + Send + 'static, most_bytes: usize) -> std::io::Result<(Self, Writer)> {
        let backlog = Arc::new(Backlog { most_bytes, bytes: Mutex::new(Some(0)) });
        let (sender, entries) = mpsc::channel();
        let waiting = backlog.clone();
        let thread = std::thread::Builder::new().name("recorder".into());
        let thread = thread.spawn(move || write(file, &entries, &waiting))?;
        let writer = Writer { thread, backlog: backlog.clone(), sender: sender.clone() };
        Ok((Self { sender, backlog, began: Instant::now(), ids: Arc::default() }, writer))
    }

    /// Notes something that happened now.
    pub fn note(&self, what: What) {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.backlog.take(bytes_of(&what), || {
            // The thread ends early only where nothing more can be written.
            let _ = self.sender.send(Some(Entry { at, what }));
        });
    }

    /// The same client, and what it is answered is noted; `context` is its place in the head.
    pub fn around(&self, client: kube::Client, context: usize) -> kube::Client {
        let namespace = client.default_namespace().to_owned();
        let recorder = self.clone();
        let send = tower::service_fn(move |request: Request<Body>| {
            let (client, recorder) = (client.clone(), recorder.clone());
            async move { recorder.exchange(client, request, context).await }
        });
        kube::Client::new(send, namespace)
    }

    async fn exchange(
        self,
        client: kube::Client,
        request: Request<Body>,
        context: usize,
    ) -> Result<Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let method = request.method().to_string();
        let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        let answer = match client.send(request).await {
            Ok(answer) => answer,
            Err(error) => {
                self.note(What::Lost { id, method, path, why: error.to_string(), context });
                return Err(error.into());
            }
        };
        let content = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (status, content) = (answer.status().as_u16(), content.map(ToOwned::to_owned));
        self.note(What::Answer { id, method, path, status, content, context });
        Ok(answer.map(|body| StreamBody::new(self.chunks(id, BodyStream::new(body))).boxed_unsync()))
    }

    /// The body, noted as it passes.
    fn chunks(
        self,
        id: u64,
        body: BodyStream<Body>,
    ) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static {
        futures::stream::unfold((self, body), move |(recorder, mut body)| async move {
            let frame = body.next().await;
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        recorder.note(chunk(id, bytes));
                    }
                }
                Some(Err(_)) => recorder.note(What::End { id, whole: false }),
                None => recorder.note(What::End { id, whole: true }),
            }
            Some((frame?.map_err(BoxError::from), (recorder, body)))
        })
    }
}

fn chunk(id: u64, bytes: &Bytes) -> What {
    match std::str::from_utf8(bytes) {
        Ok(text) => What::Chunk { id, text: text.to_owned() },
        Err(_) => What::Bytes { id, base64: base64::engine::general_purpose::STANDARD.encode(bytes) },
    }
}

/// What an entry takes in memory, roughly.
fn bytes_of(what: &What) -> usize {
    let texts = match what {
        What::Key(text) | What::Paste(text) | What::Chunk { text, .. } | What::Bytes { base64: text, .. } => text.len(),
        What::Answer { method, path, content, .. } => {
            method.len() + path.len() + content.as_ref().map_or(0, String::len)
        }
        What::Lost { method, path, why, .. } => method.len() + path.len() + why.len(),
        What::Joined { namespace, only_look, .. } => namespace.len() + only_look.as_ref().map_or(0, String::len),
        What::Focus(_) | What::End { .. } => 0,
    };
    ENTRY_BYTES + texts
}

/// Until it is told to end, or there is no more room; then true.
fn write(mut file: impl Write, entries: &mpsc::Receiver<Option<Entry>>, backlog: &Backlog) -> std::io::Result<bool> {
    let mut written = 0;
    loop {
        let next = match entries.recv_timeout(FLUSH_AFTER) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                file.flush()?;
                // Nothing to write is nothing to wake up for.
                entries.recv().ok()
            }
            next => next.ok(),
        };
        let Some(entry) = next.flatten() else {
            file.flush()?;
            return Ok(false);
        };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        written += line.len() as u64;
        if written > LARGEST_BYTES {
            file.flush()?;
            return Ok(true);
        }
        file.write_all(&line)?;
        backlog.give(bytes_of(&entry.what));
    }
}
