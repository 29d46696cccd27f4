//! The file behind a store: one redb table of objects, written by one thread in groups.
//!
//! The thread takes everything that waits, commits it in one transaction (with the revision, and with an fsync), and lets the
//! store publish it. While it waits for the disk the next group gathers, so the cost of an fsync is shared.

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Accepted, State, lock};
use crate::embedded::object::{Index, Key, Object};

/// `collection \0 namespace \0 name` → canonical JSON. Names hold no NUL.
const OBJECTS: TableDefinition<&str, &[u8]> = TableDefinition::new("objects");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const REVISION: &str = "revision";
/// How long a file that is open elsewhere is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(10);
/// Cache of the database; the objects are in memory anyway.
const CACHE_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub struct Disk {
    wake: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A stored object as it is read back.
pub struct Row {
    pub collection: String,
    key: Key,
    bytes: Vec<u8>,
}

impl Disk {
    /// Opens the file and starts the thread; answers the last revision and all rows.
    pub fn open(directory: &Path, state: Arc<Mutex<State>>) -> Result<(Self, u64, Vec<Row>), String> {
        std::fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        let path = directory.join("objects.redb");
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = open(&builder, &path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (revision, rows) = load(&database).map_err(|e| format!("{}: {e}", path.display()))?;
        // One token is enough: it says that there is work, not how much.
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&database, &state, &woken))
            .map_err(|e| e.to_string())?;
        Ok((Self { wake: Some(wake), thread: Some(thread) }, revision, rows))
    }

    /// Says that there is something in the queue.
    pub fn wake(&self) {
        if let Some(wake) = &self.wake {
            // Full means that the thread will look anyway.
            let _ = wake.try_send(());
        }
    }
}

/// Waits for the thread, so that the file is closed when the store is gone.
impl Drop for Disk {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Row {
    pub fn object(&self) -> Result<Object, String> {
        let value: serde_json::Value = serde_json::from_slice(&self.bytes).map_err(|e| e.to_string())?;
        let revision = value["metadata"]["resourceVersion"].as_str().and_then(|r| r.parse().ok());
        let revision = revision.ok_or_else(|| format!("{} {:?} has no revision", self.collection, self.key))?;
        let index = Index::of(&value, &[]);
        let key = self.key.clone();
        Ok(Object { key, bytes: self.bytes.clone().into(), revision, index })
    }
}

/// Opens the file; one that is still open may be about to be closed by a server of this process that just ended.
fn open(builder: &redb::Builder, path: &Path) -> Result<Database, redb::DatabaseError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match builder.create(path) {
            Err(redb::DatabaseError::DatabaseAlreadyOpen) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_RETRY);
            }
            other => return other,
        }
    }
}

fn load(database: &Database) -> Result<(u64, Vec<Row>), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(META)?;
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let revision = transaction.open_table(META)?.get(REVISION)?.map_or(0, |revision| revision.value());
    let mut rows = Vec::new();
    for row in transaction.open_table(OBJECTS)?.iter()? {
        let (path, bytes) = row?;
        let mut parts = path.value().splitn(3, '\0');
        let mut part = || parts.next().unwrap_or_default();
        let (collection, namespace, name) = (part().to_owned(), part(), part());
        rows.push(Row { collection, key: Key::new(namespace, name), bytes: bytes.value().to_vec() });
    }
    Ok((revision, rows))
}

fn run(database: &Database, state: &Mutex<State>, woken: &mpsc::Receiver<()>) {
    let mut open = true;
    while open {
        // After the last wake there may be one more group, accepted just before the store was closed.
        open = woken.recv().is_ok();
        let group = std::mem::take(&mut lock(state).queue);
        if group.is_empty() {
            continue;
        }
        match write(database, &group) {
            Ok(()) => lock(state).commit(group),
            Err(error) => return refuse(state, group, &error.to_string()),
        }
    }
}

/// The disk failed: what was accepted is taken back, and every later write is refused, since the thread ends.
fn refuse(state: &Mutex<State>, group: Vec<Accepted>, error: &str) {
    tracing::error!(error, "cannot write to the data directory");
    let mut state = lock(state);
    state.failed = Some(error.to_owned());
    let later = std::mem::take(&mut state.queue);
    for change in group.into_iter().chain(later) {
        state.collection(&change.collection).pending.remove(&change.key);
        if let Some(done) = change.done {
            let _ = done.send(Err(error.to_owned()));
        }
    }
}

fn write(database: &Database, group: &[Accepted]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut objects = transaction.open_table(OBJECTS)?;
        let mut meta = transaction.open_table(META)?;
        for change in group {
            let path = format!("{}\0{}\0{}", change.collection, change.key.namespace, change.key.name);
            match change.deleted {
                true => drop(objects.remove(path.as_str())?),
                false => drop(objects.insert(path.as_str(), &*change.object.bytes)?),
            }
            meta.insert(REVISION, change.object.revision)?;
        }
    }
    transaction.commit()?;
    Ok(())
}
