//! The log of an operation: lines of JSON made readable, kept in a bounded ring, filtered by machine.

use super::text;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::VecDeque;

/// One line, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `12:04:31`, or nothing if the line says no time.
    pub time: String,
    pub machine: String,
    pub phase: String,
    pub text: String,
    pub tone: Tone,
    pub at: Option<Timestamp>,
    /// Which of several logs it is from.
    pub source: usize,
}

/// How loud a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    /// Output of a step.
    Output,
    Good,
    Attention,
    Bad,
}

/// The fields of an event line that are looked at; others may come and go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    at: Option<Timestamp>,
    machine: Option<String>,
    phase: Option<String>,
    step: Option<String>,
    event: Option<String>,
    line: Option<String>,
    message: Option<String>,
    outcome: Option<String>,
    attempt: Option<i64>,
    milliseconds: Option<i64>,
}

impl Line {
    /// Reads a line of a pod log; one that is not an event is shown as it is.
    pub fn parse(raw: &str) -> Self {
        match serde_json::from_str::<Record>(raw) {
            Ok(record) => Self::of(record),
            Err(_) => Self {
                time: String::new(),
                machine: String::new(),
                phase: String::new(),
                text: text::clean(raw),
                tone: Tone::Plain,
                at: None,
                source: 0,
            },
        }
    }

    /// It is about this machine, or about none; every line is about `None`.
    pub fn is_of(&self, machine: Option<&str>) -> bool {
        machine.is_none_or(|name| self.machine == name || self.machine.is_empty())
    }

    fn of(record: Record) -> Self {
        let event = record.event.clone().unwrap_or_default();
        Self {
            time: record.at.map(text::clock).unwrap_or_default(),
            machine: text::clean(&record.machine.clone().unwrap_or_default()),
            phase: text::clean(&record.phase.clone().unwrap_or_default()),
            tone: tone(&event, record.outcome.as_deref()),
            text: text::clean(&sentence(&event, &record)),
            at: record.at,
            source: 0,
        }
    }
}

fn tone(event: &str, outcome: Option<&str>) -> Tone {
    let word = format!("{} {}", event, outcome.unwrap_or_default()).to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    match () {
        () if event == "output" => Tone::Output,
        () if has(&["fail", "timed", "timeout", "fenced", "unknown", "unverified", "error", "refus"]) => Tone::Bad,
        () if has(&["retry", "lost", "wait", "reconnect", "skip", "cancel"]) => Tone::Attention,
        () if has(&["done", "succe", "complete", "finished"]) => Tone::Good,
        () => Tone::Plain,
    }
}

fn sentence(event: &str, record: &Record) -> String {
    let step = record.step.as_deref().unwrap_or_default();
    let said = record.line.as_deref().or(record.message.as_deref()).unwrap_or_default();
    if event == "output" {
        return said.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    if !step.is_empty() {
        words.push(step.to_owned());
    }
    // `step-finished` and its outcome say the same thing twice.
    let word = event.strip_prefix("step-").or_else(|| event.strip_prefix("phase-")).unwrap_or(event);
    match record.outcome.as_deref() {
        Some(outcome) if word == "finished" => words.push(outcome.to_owned()),
        Some(outcome) if !word.is_empty() => words.push(format!("{word}: {outcome}")),
        _ => words.push(word.to_owned()),
    }
    if let Some(attempt) = record.attempt.filter(|n| *n > 1) {
        words.push(format!("(attempt {attempt})"));
    }
    if let Some(milliseconds) = record.milliseconds {
        words.push(format!("in {}", text::short_duration(milliseconds)));
    }
    if !said.is_empty() {
        words.push(format!("— {said}"));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// The last lines of one log.
#[derive(Clone, Debug)]
pub struct Ring {
    lines: VecDeque<Line>,
    /// Most lines that are kept; older ones fall out.
    capacity: usize,
    /// Lines that have come, with those that fell out.
    pub seen: usize,
}

impl Ring {
    pub fn new(capacity: usize) -> Self {
        Self { lines: VecDeque::new(), capacity: capacity.max(1), seen: 0 }
    }

    /// Takes a line in, and shows what was made of it.
    pub fn push(&mut self, raw: &str) -> &Line {
        if self.lines.len() == self.capacity {
            self.lines.pop_front();
        }
        self.seen += 1;
        self.lines.push_back_mut(Line::parse(raw))
    }

    /// Takes a line of one of several logs in: by its time, where it says one, for the logs come one after another.
    pub fn merge(&mut self, source: usize, raw: &str) {
        let line = Line { source, ..Line::parse(raw) };
        let is_later = |before: &Line| line.at.is_none_or(|at| before.at.is_none_or(|before| before <= at));
        let at = self.lines.iter().rposition(is_later).map_or(0, |at| at + 1);
        self.seen += 1;
        self.lines.insert(at, line);
        if self.lines.len() > self.capacity {
            self.lines.pop_front();
        }
    }

    /// One of several logs begins again: what was there of it goes.
    pub fn forget(&mut self, source: usize) {
        self.lines.retain(|line| line.source != source);
    }

    /// Lines of one machine, or all.
    pub fn matching<'a>(&'a self, machine: Option<&'a str>) -> impl DoubleEndedIterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.is_of(machine))
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let line = Line::parse(raw);
        assert_eq!(format!("{}|{}|{}|{}|{:?}", line.time, line.machine, line.phase, line.text, line.tone), expected);
    }

    #[test]
    fn event_lines_read_like_sentences() {
        check(
            r#"{"at":"2026-11-21T12:00:01.204Z","operation":"o","machine":"m-1","phase":"Join","step":"unpack","event":"output","line":"containerd 2.1.4"}"#,
            "12:00:01|m-1|Join|containerd 2.1.4|Output",
        );
        check(r#"{"event":"started","step":"unpack","attempt":2}"#, "|||unpack started (attempt 2)|Plain");
        check(
            r#"{"event":"step-end","outcome":"failed","step":"unpack","line":"exit 3"}"#,
            "|||unpack end: failed — exit 3|Bad",
        );
        check("plain text \u{1b}[31m", "|||plain text ·[31m|Plain");
    }

    #[test]
    fn several_logs_are_one_by_their_times() {
        let mut ring = Ring::new(4);
        let line = |second: u8, machine: &str| {
            format!(r#"{{"at":"2026-11-21T12:00:{second:02}Z","machine":"{machine}","event":"x"}}"#)
        };
        for (source, second) in [(0, 1), (0, 5), (1, 2), (1, 6), (0, 7)] {
            ring.merge(source, &line(second, &format!("m-{source}")));
        }
        ring.merge(1, "not an event");
        let shown =
            |ring: &Ring| ring.matching(None).map(|l| l.time.replace("12:00:", "")).collect::<Vec<_>>().join(" ");
        assert_eq!(shown(&ring), "05 06 07 ");
        ring.forget(1);
        assert_eq!(shown(&ring), "05 07");
    }

    #[test]
    fn the_ring_is_bounded_and_filters() {
        let mut ring = Ring::new(50);
        for i in 0..60 {
            ring.push(&format!(r#"{{"machine":"m-{}","event":"x"}}"#, i % 2));
        }
        assert_eq!((ring.matching(None).count(), ring.seen), (50, 60));
        assert_eq!(ring.matching(Some("m-1")).count(), 25);
    }
}
