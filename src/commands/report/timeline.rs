//! What happened in an operation, in one order: what was asked, what the controllers said, what the executor did.

use std::collections::BTreeMap;

use jiff::{Timestamp, Unit};
use serde::Serialize;
use serde_json::Value;

use super::log::Log;
use crate::{
    api::{Operation, OperationState},
    commands::logs::has_begun,
    console::text::{clean, duration},
    fleet::EventRow,
};

/// Moments that a report lists; more is not read by anybody.
const MOST_MOMENTS: usize = 2_000;
/// Lines of output before a failure.
const TAIL: usize = 20;

/// A report before it is written down. Texts are clean of what a terminal would obey, and not escaped for anything else.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub title: String,
    pub outcome: String,
    pub is_bad: bool,
    /// Name and value.
    pub facts: Vec<(String, String)>,
    pub failures: Vec<Broken>,
    pub machines: Vec<Course>,
    pub moments: Vec<Moment>,
    /// What is missing here, and why.
    pub gaps: Vec<String>,
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// What it is ordered by: more happens within a second than is written of it.
    #[serde(skip)]
    pub instant: Timestamp,
    pub at: String,
    pub what: String,
    pub text: String,
    pub is_bad: bool,
}

/// A step that failed, and what it said last.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Broken {
    pub machine: String,
    pub place: String,
    pub message: String,
    pub output: Vec<String>,
}

/// One machine through its phases.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Course {
    pub name: String,
    pub phases: Vec<Phase>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Phase {
    pub name: String,
    pub state: String,
    pub took: String,
    /// Where it stands in the whole operation, in percent.
    pub left: f64,
    pub width: f64,
    #[serde(skip)]
    begun: Option<Timestamp>,
    #[serde(skip)]
    ended: Option<Timestamp>,
}

/// All that is known.
pub fn report(operation: &Operation, events: &[EventRow], log: &Log) -> Report {
    let status = operation.status.clone().unwrap_or_default();
    let state = status.state.unwrap_or_default();
    let lines: Vec<Value> = log.lines.iter().filter_map(|l| serde_json::from_str(l).ok()).collect();
    let mut report = Report {
        title: title(operation),
        outcome: format!("{}: {}", state.as_str(), clean(status.message.as_deref().unwrap_or_default())),
        is_bad: matches!(state, OperationState::Failed | OperationState::Cancelled),
        facts: facts(operation),
        failures: failures(operation, &lines),
        machines: courses(&lines),
        ..Report::default()
    };
    let mut moments: Vec<Moment> = events.iter().map(of_event).chain(lines.iter().filter_map(of_line)).collect();
    moments.extend(asked(operation));
    moments.sort();
    moments.dedup();
    if moments.len() > MOST_MOMENTS {
        let more = moments.len() - MOST_MOMENTS;
        report.gaps.push(format!("{more} later moments are left out: quarterdeck logs {} has them", name(operation)));
        moments.truncate(MOST_MOMENTS);
    }
    report.moments = moments;
    report.gaps.extend(log.gaps.iter().map(|gap| clean(gap)));
    if log.left_out > 0 {
        let (more, name) = (log.left_out, name(operation));
        report.gaps.push(format!(
            "{more} older lines of the executor are left out: quarterdeck logs {name} has them; phases that begin in them are not shown"
        ));
    }
    if log.is_gone() {
        report.gaps.push(no_log(state.is_final(), has_begun(operation)).to_owned());
    }
    if events.is_empty() {
        report.gaps.push("no events are left: API servers keep them for an hour unless told otherwise".to_owned());
    }
    if !state.is_final() {
        report.gaps.push("the operation is not over yet: this is how it stood when the report was made".to_owned());
    }
    report
}

/// Why there is nothing of the executor.
fn no_log(is_over: bool, has_begun: bool) -> &'static str {
    match (is_over, has_begun) {
        (true, true) => "the log of the executor is gone: it is kept for six hours after the end",
        (true, false) => "no run was begun: there is no log",
        (false, true) => "the executor has written nothing yet",
        (false, false) => "no run was begun yet: there is no log",
    }
}

fn name(operation: &Operation) -> &str {
    operation.metadata.name.as_deref().unwrap_or_default()
}

fn title(operation: &Operation) -> String {
    let spec = &operation.spec;
    let place = spec.pool_name.as_deref().map_or_else(|| spec.cluster_name.clone(), ToOwned::to_owned);
    let version = spec.version.as_deref().map(|v| format!(" to {v}")).unwrap_or_default();
    let count = spec.machines.len();
    clean(&format!("{} of {place}{version}, {count} {}", spec.type_.as_str(), plural(count)))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "machine" } else { "machines" }
}

fn facts(operation: &Operation) -> Vec<(String, String)> {
    let (spec, status) = (&operation.spec, operation.status.clone().unwrap_or_default());
    let time = |at: Option<Timestamp>| at.map(written);
    let created = operation.metadata.creation_timestamp.as_ref().map(|t| t.0);
    let (begun, ended) = (status.started_at.map(|t| t.0), status.finished_at.map(|t| t.0));
    let took = begun.zip(ended).map(|(a, b)| duration(b.duration_since(a).as_secs()));
    let replicas = spec.from_replicas.zip(spec.to_replicas).map(|(from, to)| format!("{from} to {to}"));
    let all = [
        ("operation", Some(name(operation).to_owned())),
        ("cluster", Some(spec.cluster_name.clone())),
        ("pool", spec.pool_name.clone()),
        ("replicas", replicas),
        ("version", spec.version.clone()),
        ("runbook", Some(spec.runbook.clone())),
        ("asked for by", spec.requested_by.clone()),
        ("reason", spec.reason.clone()),
        ("created", time(created)),
        ("begun", time(begun)),
        ("ended", time(ended)),
        ("took", took),
        ("runs", (status.run > 1).then(|| status.run.to_string())),
        ("machines", Some(spec.machines.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", "))),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), clean(&value?)))).collect()
}

fn asked(operation: &Operation) -> Option<Moment> {
    let at = operation.metadata.creation_timestamp.as_ref()?.0;
    let by = operation.spec.requested_by.as_deref().unwrap_or("a controller");
    let why = operation.spec.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
    let text = clean(&format!("asked for by {by}{why}"));
    Some(Moment { instant: at, at: written(at), what: name(operation).to_owned(), text, is_bad: false })
}

fn of_event(event: &EventRow) -> Moment {
    let times =
        if event.count > 1 { format!(" (×{} since {})", event.count, written(event.first_at)) } else { String::new() };
    Moment {
        instant: event.at,
        at: written(event.at),
        what: clean(&event.name),
        text: clean(&format!("{}: {}{times}", event.reason, event.message)),
        is_bad: event.warning,
    }
}

/// Only what is worth a line: phases have a table of their own, and output stands with what failed.
fn of_line(line: &Value) -> Option<Moment> {
    let word = |key: &str| line[key].as_str().unwrap_or_default();
    let place = [word("phase"), word("step")].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" / ");
    let failed = word("outcome") == "failed";
    let said = match word("event") {
        "disconnected" => format!("connection lost: {}", word("message")),
        "step-retrying" => format!("{place} is tried again: {}", word("message")),
        "step-finished" if failed => format!("{place} failed: {}", word("message")),
        "machine-finished" if failed => format!("stops: {}", word("message")),
        "machine-finished" => format!("is done: {}", word("message")),
        "operation-finished" => {
            let count = |key: &str| line[key].as_u64().unwrap_or(0);
            format!("the run ended: {} succeeded, {} failed", count("succeeded"), count("failed"))
        }
        _ => return None,
    };
    let at: Timestamp = word("at").parse().ok()?;
    let what = if word("machine").is_empty() { word("operation") } else { word("machine") };
    Some(Moment { instant: at, at: written(at), what: clean(what), text: clean(&said), is_bad: failed })
}

fn failures(operation: &Operation, lines: &[Value]) -> Vec<Broken> {
    let all = operation.status.iter().flat_map(|s| &s.failures);
    all.map(|failure| {
        let place = [failure.phase.as_deref(), failure.step.as_deref()].into_iter().flatten().collect::<Vec<_>>();
        let is_of = |line: &&Value| {
            line["event"] == "output"
                && line["machine"] == failure.machine.as_str()
                && failure.step.as_deref().is_none_or(|step| line["step"] == step)
        };
        let output: Vec<String> =
            lines.iter().filter(is_of).filter_map(|line| line["line"].as_str()).map(clean).collect();
        Broken {
            machine: clean(&failure.machine),
            place: clean(&place.join(" / ")),
            message: clean(&failure.message),
            output: output[output.len().saturating_sub(TAIL)..].to_vec(),
        }
    })
    .collect()
}

fn courses(lines: &[Value]) -> Vec<Course> {
    let mut all: BTreeMap<&str, Vec<Phase>> = BTreeMap::new();
    for line in lines {
        let (Some(machine), Some(phase)) = (line["machine"].as_str(), line["phase"].as_str()) else { continue };
        let at: Option<Timestamp> = line["at"].as_str().and_then(|at| at.parse().ok());
        let phases = all.entry(machine).or_default();
        match line["event"].as_str() {
            Some("phase-started") => phases.push(Phase { name: clean(phase), begun: at, ..Phase::default() }),
            Some("phase-finished") => {
                // The last one of that name: an operation that is tried again goes through it once more.
                let Some(mine) = phases.iter_mut().rev().find(|p| p.name == clean(phase)) else { continue };
                mine.ended = at;
                mine.state = clean(line["state"].as_str().unwrap_or_default());
                mine.took = line["milliseconds"].as_i64().map(|ms| duration((ms + 500) / 1000)).unwrap_or_default();
            }
            _ => {}
        }
    }
    let begun = all.values().flatten().filter_map(|p| p.begun).min();
    let ended = all.values().flatten().filter_map(|p| p.ended.or(p.begun)).max();
    if let Some((begun, ended)) = begun.zip(ended) {
        let whole = ended.duration_since(begun).as_secs_f64().max(0.001);
        let share = |at: Timestamp| 100.0 * at.duration_since(begun).as_secs_f64() / whole;
        for phase in all.values_mut().flatten() {
            phase.left = phase.begun.map_or(0.0, share);
            phase.width = (phase.ended.map_or(100.0, share) - phase.left).max(0.5);
        }
    }
    all.into_iter().map(|(name, phases)| Course { name: clean(name), phases }).collect()
}

/// A time in a report: UTC, to the second.
fn written(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn operation(status: &Value) -> Operation {
        serde_json::from_value(json!({
            "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Operation",
            "metadata": {"name": "up-1", "creationTimestamp": "2026-11-21T12:00:00Z"},
            "spec": {"type": "ScaleUp", "clusterName": "blue", "poolName": "blue-gpu", "runbook": "node-join",
                "machines": [{"name": "m-1", "uid": "u1"}], "requestedBy": "alice", "reason": "launch\u{1b}[2J"},
            "status": status,
        }))
        .expect("an operation")
    }

    fn lines(text: &str) -> Log {
        let lines = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        Log { lines, ..Log::default() }
    }

    #[test]
    fn what_was_asked_done_and_broken_is_in_order() {
        let failed = json!({"state": "Failed", "run": 1, "message": "0 of 1 machine done",
            "startedAt": "2026-11-21T12:00:01Z", "finishedAt": "2026-11-21T12:01:31Z",
            "failures": [{"machine": "m-1", "phase": "Join", "step": "kubeadm", "class": "Exit", "message": "exit 1"}]});
        let log = lines(
            r#"{"at":"2026-11-21T12:00:02.000Z","event":"phase-started","machine":"m-1","phase":"Join"}
            {"at":"2026-11-21T12:00:03.000Z","event":"output","machine":"m-1","phase":"Join","step":"kubeadm","line":"no route"}
            {"at":"2026-11-21T12:00:03.500Z","event":"output","machine":"m-1","phase":"Join","step":"other","line":"fine"}
            {"at":"2026-11-21T12:01:30.000Z","event":"phase-finished","machine":"m-1","phase":"Join","state":"Failed","milliseconds":88000}
            {"at":"2026-11-21T12:01:30.100Z","event":"machine-finished","machine":"m-1","outcome":"failed","message":"exit 1"}
            not a line of ours"#,
        );
        let report = report(&operation(&failed), &[], &log);
        assert!(report.is_bad);
        assert_eq!(report.failures[0].output, ["no route"]);
        let said: Vec<_> = report.moments.iter().map(|m| format!("{} {}", m.what, m.text)).collect();
        assert_eq!(said, ["up-1 asked for by alice: launch·[2J", "m-1 stops: exit 1"], "control characters are gone");
        let phase = &report.machines[0].phases[0];
        assert_eq!((phase.name.as_str(), phase.state.as_str(), phase.took.as_str()), ("Join", "Failed", "1m28s"));
        assert!(phase.left < 0.1 && phase.width > 99.0, "{phase:?}");
        let fact = |key: &str| report.facts.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(fact("took"), Some("1m30s"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let check = |status: serde_json::Value, expected: &str| {
            assert_eq!(report(&operation(&status), &[], &Log::default()).gaps[0], expected, "{status}");
        };
        let gone = "the log of the executor is gone: it is kept for six hours after the end";
        check(json!({"state": "Failed", "run": 1, "jobName": "op-up-1-1"}), gone);
        // It failed in the drain of another run.
        check(json!({"state": "Failed", "run": 2}), gone);
        check(json!({"state": "Failed", "run": 0}), "no run was begun: there is no log");
        check(json!({"state": "Draining", "run": 0}), "no run was begun yet: there is no log");
        check(json!({"state": "Running", "run": 1, "jobName": "op-up-1-1"}), "the executor has written nothing yet");
        let running = operation(&json!({"state": "Running", "run": 1}));
        let gone = report(&running, &[], &Log::default());
        assert_eq!(gone.gaps.len(), 3, "{:?}", gone.gaps);
        let log = Log { left_out: 7, gaps: vec!["the log of the pod a\u{1b}[2J".to_owned()], ..Log::default() };
        let said = report(&running, &[], &log).gaps;
        assert_eq!(said[0], "the log of the pod a·[2J");
        assert!(
            said[1].starts_with("7 older lines of the executor are left out: quarterdeck logs up-1 has them"),
            "{said:?}"
        );
        assert_eq!(said.len(), 4, "that it is gone is not said of what could not be read: {said:?}");
    }

    #[test]
    fn whatever_a_log_calls_a_state_is_text() {
        let log = lines(
            r#"{"at":"2026-11-21T12:00:02.000Z","event":"phase-started","machine":"m-1","phase":"Join"}
            {"at":"2026-11-21T12:00:03.000Z","event":"phase-finished","machine":"m-1","phase":"Join","state":"Do\u001b[2Jne"}"#,
        );
        let report = report(&operation(&json!({"state": "Running", "run": 1})), &[], &log);
        assert_eq!(report.machines[0].phases[0].state, "Do·[2Jne");
    }
}
