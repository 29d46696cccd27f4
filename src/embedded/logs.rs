//! Logs of pods that ran in this process: appended line by line, read back whole or followed.
//!
//! Each line is kept behind the moment it was written, as kubelets do. With a data directory a log is a file, so it is still
//! there after a restart; without one it is memory. A log keeps its first [`MAX_BYTES`] and says where it was cut.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{Stream, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::options::LogQuery;

/// Beyond this a log takes no more lines.
const MAX_BYTES: u64 = 64 << 20;
/// What a reader takes at a time.
const CHUNK: u64 = 256 << 10;

/// All logs of one server, by pod UID.
#[derive(Debug, Default)]
pub struct Logs {
    directory: Option<PathBuf>,
    open: Mutex<HashMap<String, Arc<Log>>>,
}

#[derive(Debug)]
struct Log {
    medium: Mutex<Medium>,
    /// Bytes that can be read, and whether more may come.
    length: watch::Sender<(u64, bool)>,
}

#[derive(Debug)]
enum Medium {
    Memory(Vec<u8>),
    File(File),
}

/// Writes the lines of one pod. The log is complete when the last clone is gone.
#[derive(Clone, Debug)]
pub struct LogSink(Arc<Writer>);

#[derive(Debug)]
struct Writer(Arc<Log>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.length.send_modify(|(_, open)| *open = false);
    }
}

impl Logs {
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory: directory.map(|directory| directory.join("logs")), open: Mutex::default() }
    }

    /// Opens the log of a pod for writing.
    pub fn write(&self, uid: &str) -> std::io::Result<LogSink> {
        let medium = match &self.directory {
            None => Medium::Memory(Vec::new()),
            Some(directory) => {
                fs::create_dir_all(directory)?;
                let path = directory.join(format!("{uid}.log"));
                Medium::File(OpenOptions::new().create(true).append(true).read(true).open(path)?)
            }
        };
        let log = Arc::new(Log::over(medium, true)?);
        self.table().insert(uid.to_owned(), log.clone());
        Ok(LogSink(Arc::new(Writer(log))))
    }

    /// Forgets the log of a pod that is gone.
    pub fn remove(&self, uid: &str) {
        self.table().remove(uid);
        if let Some(directory) = &self.directory {
            // Most pods have none.
            let _ = fs::remove_file(directory.join(format!("{uid}.log")));
        }
    }

    /// Reads the log of a pod; one that never wrote anything is empty.
    pub fn read(&self, uid: &str, query: &LogQuery) -> std::io::Result<impl Stream<Item = Bytes> + Send + 'static> {
        let log = self.find(uid)?;
        let since = since(query);
        let position = match &log {
            Some(log) => log.start(query.tail_lines, since)?,
            None => 0,
        };
        let reader = Reader {
            news: log.as_ref().map(|log| log.length.subscribe()),
            log,
            position,
            follow: query.follow,
            timestamps: query.timestamps,
            left: query.limit_bytes.unwrap_or(usize::MAX),
        };
        Ok(stream::unfold(reader, |mut reader| async move {
            let chunk = reader.next().await?;
            Some((chunk, reader))
        }))
    }

    fn find(&self, uid: &str) -> std::io::Result<Option<Arc<Log>>> {
        if let Some(log) = self.table().get(uid) {
            return Ok(Some(log.clone()));
        }
        let Some(path) = self.directory.as_ref().map(|directory| directory.join(format!("{uid}.log"))) else {
            return Ok(None);
        };
        match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(file) => Log::over(Medium::File(file), false).map(|log| Some(Arc::new(log))),
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Log>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn since(query: &LogQuery) -> Option<Timestamp> {
    let ago = |seconds| Timestamp::now().saturating_sub(SignedDuration::from_secs(seconds)).ok();
    let at = query.since_time.as_ref().and_then(|time| time.parse().ok());
    query.since_seconds.and_then(ago).or(at)
}

impl LogSink {
    /// Appends one line; a line break within it would make two.
    pub fn line(&self, text: &str) {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ");
        self.0.0.append(format!("{now} {}\n", text.trim_end_matches('\n')).as_bytes());
    }
}

impl Log {
    fn over(medium: Medium, open: bool) -> std::io::Result<Self> {
        let length = match &medium {
            Medium::Memory(bytes) => bytes.len() as u64,
            Medium::File(file) => file.metadata()?.len(),
        };
        let (length, _) = watch::channel((length, open));
        Ok(Self { medium: Mutex::new(medium), length })
    }

    fn append(&self, line: &[u8]) {
        let mut medium = self.medium.lock().unwrap_or_else(PoisonError::into_inner);
        let (length, _) = *self.length.borrow();
        if length >= MAX_BYTES {
            return;
        }
        let written = match &mut *medium {
            Medium::Memory(bytes) => bytes.write_all(line),
            Medium::File(file) => file.write_all(line),
        };
        match written {
            Ok(()) => self.length.send_modify(|(length, _)| *length += line.len() as u64),
            Err(error) => tracing::warn!(%error, "cannot write a pod's log"),
        }
    }

    fn chunk(&self, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
        let mut medium = self.medium.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *medium {
            Medium::Memory(bytes) => Ok(bytes[from as usize..to as usize].to_vec()),
            Medium::File(file) => {
                let mut chunk = vec![0; (to - from) as usize];
                file.seek(SeekFrom::Start(from))?;
                file.read_exact(&mut chunk)?;
                Ok(chunk)
            }
        }
    }

    /// The position of the first line that is wanted.
    fn start(&self, tail: Option<usize>, since: Option<Timestamp>) -> std::io::Result<u64> {
        if tail.is_none() && since.is_none() {
            return Ok(0);
        }
        let (length, _) = *self.length.borrow();
        let all = self.chunk(0, length)?;
        let mut starts: Vec<usize> = Vec::new();
        let mut at = 0;
        for line in all.split_inclusive(|byte| *byte == b'\n') {
            let written = std::str::from_utf8(line).ok().and_then(|line| line.split(' ').next()?.parse().ok());
            if since.is_none_or(|since| written.is_none_or(|written: Timestamp| written >= since)) {
                starts.push(at);
            }
            at += line.len();
        }
        let skipped = starts.len().saturating_sub(tail.unwrap_or(usize::MAX));
        Ok(starts.get(skipped).map_or(length, |start| *start as u64))
    }
}

/// One reader on its way through a log.
struct Reader {
    log: Option<Arc<Log>>,
    news: Option<watch::Receiver<(u64, bool)>>,
    position: u64,
    follow: bool,
    timestamps: bool,
    left: usize,
}

impl Reader {
    /// The next whole lines; `None` is the end.
    async fn next(&mut self) -> Option<Bytes> {
        let (log, news) = (self.log.clone()?, self.news.as_mut()?);
        loop {
            let (length, open) = *news.borrow_and_update();
            if length > self.position && self.left > 0 {
                let bytes = log.chunk(self.position, length.min(self.position + CHUNK)).ok()?;
                // A chunk may end within a line; what is left of it comes with the next one.
                let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |last| last + 1);
                self.position += whole as u64;
                let mut shown = if self.timestamps { bytes[..whole].to_vec() } else { bare(&bytes[..whole]) };
                shown.truncate(self.left);
                self.left -= shown.len();
                return Some(shown.into());
            }
            if !self.follow || !open || self.left == 0 {
                return None;
            }
            news.changed().await.ok()?;
        }
    }
}

/// Lines without the moments in front of them.
fn bare(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let text = line.iter().position(|byte| *byte == b' ').map_or(line, |space| &line[space + 1..]);
        out.extend_from_slice(text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    async fn check(logs: &Logs, query: LogQuery, expected: &str) {
        let chunks: Vec<Bytes> = logs.read("u", &query).expect("readable").collect().await;
        assert_eq!(String::from_utf8(chunks.concat()).expect("text"), expected);
    }

    #[tokio::test]
    async fn reads_what_was_written_and_follows_until_the_end() {
        let directory = tempfile::tempdir().expect("a directory");
        for place in [None, Some(directory.path().to_owned())] {
            let logs = Logs::new(place.clone());
            check(&logs, LogQuery::default(), "").await;
            let sink = logs.write("u").expect("writable");
            sink.line("one");
            sink.line("two");
            check(&logs, LogQuery::default(), "one\ntwo\n").await;
            check(&logs, LogQuery { tail_lines: Some(1), ..LogQuery::default() }, "two\n").await;
            check(&logs, LogQuery { since_seconds: Some(60), ..LogQuery::default() }, "one\ntwo\n").await;
            let follow = check(&logs, LogQuery { follow: true, ..LogQuery::default() }, "one\ntwo\nthree\n");
            let write = async {
                tokio::task::yield_now().await;
                sink.line("three");
                drop(sink);
            };
            futures::join!(follow, write);
            if place.is_some() {
                check(&Logs::new(place), LogQuery::default(), "one\ntwo\nthree\n").await;
            }
        }
    }
}
