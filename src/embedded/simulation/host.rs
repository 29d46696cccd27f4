//! What one simulated host remembers of steps, and what it answers when it is asked for one: the host's side of
//! `runbook::wire`, as pure decisions over records.
//!
//! A step, once begun, goes on whether or not anybody listens, as a detached job on a real host does. How it will go
//! is decided when it begins, so an attempt is only a beginning and a course: what it has printed by now follows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::timing::{Course, Pace};
use crate::runbook::wire::{End, Outcome, StepHeader};

/// Most attempts that are remembered; those of operations that are over go first.
const ATTEMPTS: usize = 256;
/// What these phases do to a host lasts until it is reinstalled: a later run finds it done.
const LASTING: [&str; 3] = ["BootstrapOS", "ContainerRuntime", "Artifacts"];
/// What these steps would repair has not happened to a simulated host.
const NEEDLESS: [&str; 2] = ["clear a half-finished join", "records of old operations"];

/// All that a host remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// The highest term of a controller that was seen.
    fence: i64,
    /// How often each step was begun, ever.
    begun: BTreeMap<String, u32>,
    /// Steps whose effect lasts.
    installed: BTreeSet<String>,
    attempts: Vec<Attempt>,
}

/// One attempt at one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub operation: String,
    pub run: i32,
    pub phase: String,
    pub step: String,
    pub digest: String,
    pub attempt: i32,
    pub machine_uid: String,
    pub cluster: String,
    pub fence: i64,
    /// Of a step that only looks: the nonce of who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Milliseconds since 1970.
    pub begun_at: u64,
    pub course: Course,
    #[serde(default)]
    pub ended: bool,
}

/// What to do when a step is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing runs; this is the answer.
    Refuse(End),
    /// An earlier attempt did it.
    Receipt(End),
    /// This very attempt has ended while nobody listened: its output and its end are told again.
    Replay(Attempt),
    /// It runs: follow it.
    Attach(Attempt),
    /// It begins now.
    Begin(Attempt),
}

impl Attempt {
    /// When it ends, by itself.
    pub fn ends_at(&self) -> u64 {
        self.begun_at + self.course.milliseconds
    }

    pub fn end(&self, replayed: bool) -> End {
        End { outcome: self.course.outcome, status: self.course.status, replayed }
    }

    fn is_of(&self, header: &StepHeader) -> bool {
        // What differs most comes first: all attempts of a host are compared.
        (&self.step, &self.phase, &self.operation) == (&header.step, &header.phase, &header.operation)
    }

    fn place(&self) -> String {
        place(&self.phase, &self.step)
    }

    fn same_as(&self, other: &Attempt) -> bool {
        (self.attempt, self.run, &self.step, &self.phase, &self.operation)
            == (other.attempt, other.run, &other.step, &other.phase, &other.operation)
    }
}

impl Memory {
    /// What to answer now.
    pub fn decide(&self, header: &StepHeader, pace: &Pace, now: u64) -> Decision {
        if header.fence < self.fence {
            return Decision::Refuse(End { outcome: Outcome::Fenced, status: 75, replayed: false });
        }
        let known: Vec<&Attempt> = self.attempts.iter().rev().filter(|a| a.is_of(header)).collect();
        let find = |wanted: &dyn Fn(&Attempt) -> bool| known.iter().copied().find(|a| wanted(a)).cloned();
        let valid = |a: &Attempt| a.asked.as_ref().is_none_or(|nonce| *nonce == header.nonce);
        if let Some(done) = find(&|a| a.ended && valid(a) && a.course.status == 0 && a.digest == header.digest) {
            return Decision::Receipt(done.end(true));
        }
        if let Some(running) = find(&|a| !a.ended) {
            return Decision::Attach(running);
        }
        if let Some(ended) = find(&|a| valid(a) && (a.run, a.attempt) == (header.run, header.attempt)) {
            return Decision::Replay(ended);
        }
        let doomed = known.iter().any(|a| a.run == header.run && a.course.hard);
        Decision::Begin(self.attempt(header, pace, now, doomed))
    }

    fn attempt(&self, header: &StepHeader, pace: &Pace, now: u64, doomed: bool) -> Attempt {
        let place = place(&header.phase, &header.step);
        let nth = self.begun.get(&place).copied().unwrap_or(0);
        let needless = NEEDLESS.contains(&header.step.as_str());
        let done_before = !header.once && (needless || self.installed.contains(&place));
        Attempt {
            operation: header.operation.clone(),
            run: header.run,
            phase: header.phase.clone(),
            step: header.step.clone(),
            digest: header.digest.clone(),
            attempt: header.attempt,
            machine_uid: header.machine_uid.clone(),
            cluster: header.cluster.clone(),
            fence: header.fence,
            asked: header.looks.then(|| header.nonce.clone()),
            begun_at: now,
            course: pace.course(header, nth, done_before, doomed),
            ended: false,
        }
    }

    /// Remembers that an attempt began.
    pub fn begin(&mut self, attempt: Attempt) {
        self.fence = self.fence.max(attempt.fence);
        *self.begun.entry(attempt.place()).or_default() += 1;
        if self.attempts.len() >= ATTEMPTS {
            self.attempts.retain(|a| a.operation == attempt.operation || !a.ended);
        }
        self.attempts.push(attempt);
    }

    /// Remembers that an attempt ended.
    pub fn end(&mut self, attempt: &Attempt) {
        // There is one at most, and mostly it is the newest.
        if let Some(ended) = self.attempts.iter_mut().rev().find(|a| a.same_as(attempt)) {
            ended.ended = true;
        }
        if attempt.course.status == 0 && LASTING.contains(&attempt.phase.as_str()) {
            self.installed.insert(attempt.place());
        }
    }

    /// Remembers the term of a controller that was heard.
    pub fn raise_fence(&mut self, fence: i64) -> bool {
        let higher = fence > self.fence;
        self.fence = self.fence.max(fence);
        higher
    }

    /// Whether this attempt has ended.
    pub fn has_ended(&self, attempt: &Attempt) -> bool {
        self.attempts.iter().rev().find(|a| a.same_as(attempt)).is_none_or(|a| a.ended)
    }

    /// Attempts that have begun and not ended.
    pub fn running(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|a| !a.ended)
    }

    /// How often each step was begun, for tests that count.
    pub fn begun(&self) -> &BTreeMap<String, u32> {
        &self.begun
    }

    /// Every attempt that is remembered.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

fn place(phase: &str, step: &str) -> String {
    format!("{phase}/{step}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn header(machine: &str, phase: &str, step: &str, attempt: i32) -> StepHeader {
        StepHeader {
            operation: "op-1".into(),
            run: 1,
            machine: machine.into(),
            machine_uid: "u-1".into(),
            cluster: "c-1".into(),
            phase: phase.into(),
            step: step.into(),
            digest: "d".into(),
            attempt,
            fence: 3,
            once: false,
            looks: false,
            timeout_seconds: 600,
            nonce: "n".into(),
            offset: 0,
        }
    }

    /// Plays `words` on one host: `N:begin` asks for attempt N and begins it if that is the answer, `N:end` lets it end;
    /// each answers with a word. `N:look` asks, under another nonce each time, for a step that only looks.
    fn check(fault: f64, phase: &str, words: &str, expected: &str) {
        let pace = Pace { seed: 5, speed: 1.0, fault };
        let mut memory = Memory::default();
        let mut said = vec![];
        for word in words.split(' ') {
            let (number, verb) = word.split_once(':').unwrap();
            let (operation, number) = number.split_once('/').unwrap_or(("op-1", number));
            let mut asked = header("m-1", phase, "install a step", number.parse().unwrap());
            asked.operation = operation.into();
            asked.looks = matches!(verb, "look" | "seen");
            if verb == "look" {
                asked.nonce = said.len().to_string();
            }
            asked.fence = if verb == "old" { 2 } else { 3 };
            let decision = memory.decide(&asked, &pace, 100);
            said.push(match &decision {
                Decision::Refuse(_) => "refused".to_owned(),
                Decision::Receipt(_) => "receipt".into(),
                Decision::Replay(a) => format!("replay{:?}", a.course.outcome),
                Decision::Attach(a) => format!("attached{}", a.attempt),
                Decision::Begin(a) => format!("began{:?}", a.course.outcome),
            });
            match decision {
                Decision::Begin(attempt) => memory.begin(attempt),
                Decision::Attach(attempt) if matches!(verb, "end" | "seen") => memory.end(&attempt),
                _ => {}
            }
        }
        assert_eq!(said.join(" "), expected);
    }

    #[test]
    fn nothing_is_done_twice() {
        check(0.0, "Join", "1:ask 1:ask 1:end 1:ask 2:ask", "beganDone attached1 attached1 receipt receipt");
        check(0.0, "Join", "1:ask 2:ask", "beganDone attached1");
        check(0.0, "Join", "1:ask 1:end 1:old", "beganDone attached1 refused");
    }

    #[test]
    fn what_only_looks_looks_again() {
        check(
            0.0,
            "Preflight",
            "1:look 1:seen 1:look 1:seen 2:look",
            "beganDone attached1 beganDone attached1 beganDone",
        );
    }

    #[test]
    fn another_operation_does_it_again_unless_its_effect_lasts() {
        check(0.0, "Join", "1:ask 1:end op-2/1:ask", "beganDone attached1 beganDone");
        check(0.0, "Artifacts", "1:ask 1:end op-2/1:ask", "beganDone attached1 beganSkipped");
    }

    #[test]
    fn a_failed_attempt_is_told_again_and_the_next_one_begins() {
        check(1.0, "Artifacts", "1:ask 1:end 1:ask 2:ask", "beganFailed attached1 replayFailed beganFailed");
    }
}
