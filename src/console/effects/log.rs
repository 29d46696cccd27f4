//! The end of the log of a pod: what it has said last, as much of it as a person looks through.
//!
//! The server is asked for lines and never for bytes: it would count those from the first line on, and leave out the last.

use super::{name::name, read::sentence};
use crate::console::{sheet::About, text};
use futures::{AsyncRead, AsyncReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};
use std::{io, pin::pin, time::Duration};

/// What is shown of it at most.
const LINES: usize = 5_000;
const BYTES: usize = 1 << 20;
/// What is read at a time.
const CHUNK: usize = 64 << 10;
/// How long its lines may be under way: less than the wait for an answer, so that it is said what took so long.
const WITHIN: Duration = Duration::from_secs(15);

/// The end of the log of `POD`, or of `POD/CONTAINER`; `Err` is a sentence.
pub async fn end(client: &Client, about: &About) -> Result<String, String> {
    let (pod, container) = match about.name.split_once('/') {
        Some((pod, container)) => (name(pod)?, Some(name(container)?.to_owned())),
        None => (name(&about.name)?, None),
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), &about.namespace);
    // One more than is shown tells whether there are more.
    let tail_lines = i64::try_from(LINES + 1).ok();
    let wanted = LogParams { container, tail_lines, timestamps: true, ..LogParams::default() };
    let failed = |error| sentence(&error, "get", "pods/log", about.namespace.as_str());
    let stream = pin!(api.log_stream(pod, &wanted).await.map_err(failed)?);
    let mut end = End::default();
    match tokio::time::timeout(WITHIN, end.read(stream)).await {
        Ok(Ok(())) => Ok(end.text()),
        Ok(Err(error)) => {
            Err(format!("the line broke before the end of the log was here: {error}; `f` reads it again"))
        }
        Err(_) => Err(format!(
            "the last {} lines of the log were not here within {} s: `kubectl logs --tail=100` asks for fewer",
            text::number(LINES),
            WITHIN.as_secs()
        )),
    }
}

/// What is kept of a log while it comes: its end, in memory that does not grow with it.
#[derive(Default)]
struct End {
    kept: Vec<u8>,
    is_cut: bool,
}

impl End {
    async fn read(&mut self, mut log: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match log.read(&mut chunk).await? {
                0 => return Ok(()),
                len => self.add(&chunk[..len]),
            }
        }
    }

    /// What is kept moves only when as much again has come.
    fn add(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > 2 * BYTES {
            self.keep(BYTES + 1);
        }
    }

    fn keep(&mut self, len: usize) {
        let first = self.kept.len().saturating_sub(len);
        self.is_cut |= first > 0;
        self.kept.drain(..first);
    }

    /// Whole lines, and before them how much of it they are, if that is not all.
    fn text(mut self) -> String {
        // The byte before the first one tells whether a line begins there.
        self.keep(BYTES + 1);
        let from = if self.is_cut || self.kept.len() > BYTES { self.begin() } else { 0 };
        let lines: Vec<&[u8]> = self.kept[from..].split_inclusive(|byte| *byte == b'\n').collect();
        let shown = &lines[lines.len().saturating_sub(LINES)..];
        let text = String::from_utf8_lossy(&shown.concat()).into_owned();
        match (text.is_empty(), from > 0 || self.is_cut || shown.len() < lines.len()) {
            (true, _) => "It has said nothing so far.\n".to_owned(),
            (false, false) => text,
            (false, true) => {
                let (lines, size) = (text::plural(shown.len(), "line"), text::number(text.len().div_ceil(1024)));
                format!("(only its end: the last {lines}, {size} KiB; `kubectl logs` shows what was before)\n{text}")
            }
        }
    }

    /// Where the first whole line begins. One that is longer than all that is kept begins where it was cut.
    fn begin(&self) -> usize {
        let line = self.kept.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        line.filter(|at| *at < self.kept.len()).unwrap_or(self.kept.len().saturating_sub(BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines of which length the log has, and: what stands before, how many are shown, and the first of them.
    async fn check(count: usize, len: usize, expected: (&str, usize, &str)) {
        let line = |n: usize| format!("{n} {}\n", "x".repeat(len));
        let log: String = (0..count).map(line).collect();
        let mut end = End::default();
        end.read(futures::io::Cursor::new(&log)).await.expect("it is in memory");
        assert!(end.kept.capacity() <= 8 * BYTES, "{}", end.kept.capacity());
        let text = end.text();
        let (before, shown) = match text.starts_with('(') {
            true => text.split_once('\n').expect("a line"),
            false => ("", &*text),
        };
        assert!(before.contains(expected.0) && before.is_empty() == expected.0.is_empty(), "{before}");
        let first = shown.split(' ').next().unwrap_or_default();
        assert_eq!((shown.lines().count(), first), (expected.1, expected.2), "{before}");
        assert!(log.is_empty() || log.ends_with(shown), "what was said last is what is shown");
        assert!(shown.len() <= BYTES, "{}", shown.len());
    }

    #[tokio::test]
    async fn what_was_said_last_is_kept_and_what_is_cut_is_said() {
        check(0, 0, ("", 1, "It")).await;
        check(LINES, 20, ("", LINES, "0")).await;
        check(LINES + 1, 20, ("the last 5,000 lines, 126 KiB", LINES, "1")).await;
        // With a number of four digits a line is 1,024 bytes.
        check(100, 1_019, ("", 100, "0")).await;
        check(4_000, 1_018, ("the last 1,024 lines, 1,024 KiB", 1_024, "2976")).await;
        check(5_001, 9_000, ("the last 116 lines", 116, "4885")).await;
        // One line that is longer than what is kept.
        check(1, 3 * BYTES, ("the last 1 line, 1,024 KiB", 1, &format!("{}\n", "x".repeat(BYTES - 1)))).await;
    }
}
