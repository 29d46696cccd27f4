//! What hosts remember, on disk: a file of records that is only ever appended to, and rewritten when it is opened.
//!
//! One record is one line and one write, so the end of the process at any moment loses nothing that was answered; a
//! last line that is cut off is dropped. Power loss is not provided for: the machines are simulated.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::host::{Attempt, Memory};

/// One thing that happened on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    Memory(Memory),
    Begin(Attempt),
    End(Attempt),
    Fence(i64),
}

#[derive(Serialize, Deserialize)]
struct Line<R> {
    host: String,
    record: R,
}

/// Where records go; nowhere, for a demo that leaves nothing behind.
#[derive(Debug, Default)]
pub struct Journal(Option<Mutex<File>>);

impl Journal {
    /// Reads the file, if there is one, writes it anew without what is over, and goes on behind that.
    pub fn open(path: &Path) -> io::Result<(Self, BTreeMap<String, Memory>)> {
        let memories = match File::open(path) {
            Ok(file) => replay(file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let fresh = path.with_extension("new");
        let mut file = io::BufWriter::new(File::create(&fresh)?);
        for (host, memory) in &memories {
            file.write_all(line(host, &Record::Memory(memory.clone())).as_bytes())?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&fresh, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok((Self(Some(Mutex::new(file))), memories))
    }

    /// Writes one record down.
    pub fn write(&self, host: &str, record: &Record) -> io::Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line(host, record).as_bytes())
    }
}

impl Memory {
    /// What one record changes.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Memory(memory) => *self = memory,
            Record::Begin(attempt) => self.begin(attempt),
            Record::End(attempt) => self.end(&attempt),
            Record::Fence(fence) => {
                self.raise_fence(fence);
            }
        }
    }
}

fn line(host: &str, record: &Record) -> String {
    let line = Line { host: host.to_owned(), record };
    format!("{}\n", serde_json::to_string(&line).expect("words and numbers"))
}

fn replay(file: File) -> io::Result<BTreeMap<String, Memory>> {
    let mut memories = BTreeMap::<String, Memory>::new();
    for text in BufReader::new(file).lines() {
        // A line that cannot be read is one that was being written when the process ended.
        let Ok(line) = serde_json::from_str::<Line<Record>>(&text?) else { continue };
        memories.entry(line.host).or_default().apply(line.record);
    }
    Ok(memories)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::simulation::{
        host::{Decision, tests::header},
        timing::Pace,
    };

    #[test]
    fn what_was_written_is_remembered_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts.jsonl");
        let pace = Pace { seed: 1, speed: 1.0, fault: 0.0 };
        let (journal, empty) = Journal::open(&path).unwrap();
        assert!(empty.is_empty());
        let asked = header("m-1", "Join", "kubeadm join", 1);
        let Decision::Begin(attempt) = Memory::default().decide(&asked, &pace, 10) else { panic!("begins") };
        journal.write("m-1", &Record::Begin(attempt.clone())).unwrap();
        journal.write("m-1", &Record::End(attempt.clone())).unwrap();
        journal.write("m-2", &Record::Fence(9)).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"host\":\"m-3\",\"rec").unwrap();
        drop(journal);
        for _ in 0..2 {
            let (_, memories) = Journal::open(&path).unwrap();
            assert_eq!(memories.len(), 2);
            assert!(matches!(memories["m-1"].decide(&asked, &pace, 20), Decision::Receipt(_)));
            assert!(matches!(memories["m-2"].decide(&asked, &pace, 20), Decision::Refuse(_)));
        }
    }
}
