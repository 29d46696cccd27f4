//! A recording: what an API server answered and what was typed, with times, in one file; and that file played back.
//!
//! It is taken below everything else, around the client, so a console that plays it works as it did: it asks, and is given the
//! answers of then, at the distance of then. No request of a recording ever leaves the process that plays it.
//!
//! One line of JSON for each thing: a [`Head`], then [`Entry`] after entry. Of requests only method and path are kept, so no
//! token and nothing that was sent is in it; of answers everything is, and of typed text all keys. It is readable by its owner
//! alone, and it is for the owner to decide who gets it.

mod player;
mod recorder;

pub use player::{Pace, Player};
pub use recorder::{Extent, Recorder, Writer};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fs::File, io, io::BufRead as _, path::Path, path::PathBuf};

/// The format that this program writes; it reads no other.
const FORMAT: u32 = 1;
/// Longest line: an answer is cut into chunks, and none of those is larger than what comes off the wire at once.
const LONGEST_LINE: u64 = 64 << 20;

/// What stands at the start of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The version of the format.
    pub recording: u32,
    pub started_at: Timestamp,
    pub context: String,
    pub namespace: String,
    pub user: String,
    /// All of them where there are several; the one above is the first then. Recordings from before there were any have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<Place>,
    /// The program that wrote it.
    pub version: String,
}

impl Head {
    pub fn new(context: &str, namespace: &str, user: &str, started_at: Timestamp) -> Self {
        Self {
            recording: FORMAT,
            started_at,
            context: context.to_owned(),
            namespace: namespace.to_owned(),
            user: user.to_owned(),
            contexts: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// One of several contexts, and how it was marked: what it took to confirm a change is part of what was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub context: String,
    pub namespace: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub read_only: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the start.
    pub at: u64,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// A key, as keymaps write it.
    Key(String),
    Paste(String),
    Focus(bool),
    /// The head of an answer; its body follows in chunks.
    Answer {
        id: u64,
        method: String,
        path: String,
        status: u16,
        content: Option<String>,
        /// Whose server it was, by its place in the head.
        #[serde(default, skip_serializing_if = "is_first")]
        context: usize,
    },
    Chunk {
        id: u64,
        text: String,
    },
    /// Bytes that are no text, in base64.
    Bytes {
        id: u64,
        base64: String,
    },
    /// The body is complete, or broke off.
    End {
        id: u64,
        whole: bool,
    },
    /// There was no answer; why.
    Lost {
        id: u64,
        method: String,
        path: String,
        why: String,
        #[serde(default, skip_serializing_if = "is_first")]
        context: usize,
    },
    /// One of several contexts has answered for the first time.
    Joined {
        context: usize,
        namespace: String,
        /// Why nothing may be written there.
        only_look: Option<String>,
    },
}

/// Where there is one context nothing is said of it: so it was before there were several.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_first(context: &usize) -> bool {
    *context == 0
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the recording {} cannot be written: {source}; choose another place for it", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{} is there already: a recording is not written over anything, so choose another name", path.display())]
    Exists { path: PathBuf },
    #[error("the recording {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is no recording: {reason}; `quarterdeck record FILE` makes one", path.display())]
    NoRecording { path: PathBuf, reason: String },
}

/// Reads a recording. What was cut off at its end, as when the recorder was killed, is left out.
pub fn read(path: &Path) -> Result<(Head, Vec<Entry>), Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let no_recording = |reason: String| Error::NoRecording { path: path.to_owned(), reason };
    let file = File::open(path).map_err(unreadable)?;
    let mut lines = io::BufReader::new(file);
    let mut next = || -> Result<Option<String>, Error> {
        let mut line = Vec::new();
        let count = io::Read::take(&mut lines, LONGEST_LINE).read_until(b'\n', &mut line).map_err(unreadable)?;
        Ok((count > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
    };
    let first = next()?.ok_or_else(|| no_recording("it is empty".to_owned()))?;
    let head: Head =
        serde_json::from_str(&first).map_err(|_| no_recording("its first line is none of ours".to_owned()))?;
    if head.recording != FORMAT {
        return Err(no_recording(format!("its format is {}, and this program reads {FORMAT}", head.recording)));
    }
    let mut entries = Vec::new();
    let mut number = 1;
    while let Some(line) = next()? {
        number += 1;
        match serde_json::from_str(&line) {
            Ok(entry) => entries.push(entry),
            Err(_) if !line.ends_with('\n') => break,
            Err(error) => return Err(no_recording(format!("line {number} cannot be read ({error})"))),
        }
    }
    Ok((head, entries))
}

/// What is asked, whatever the moment: requests that differ only in what a client happens to know are the same one.
fn question(method: &str, path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let passing = ["resourceVersion=", "timeoutSeconds="];
    let mut terms: Vec<&str> =
        query.split('&').filter(|term| !term.is_empty() && !passing.iter().any(|p| term.starts_with(p))).collect();
    terms.sort_unstable();
    format!("{method} {path}?{}", terms.join("&"))
}

#[cfg(test)]
mod tests;
