//! `quarterdeck logs OPERATION`: what the executor wrote, from pod to pod and from run to run.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};
use serde_json::Value;

use crate::api::{Operation, OperationState};
use crate::console::text::clean;

use super::{
    Globals, connect,
    exit::{Ended, Exit},
    lines,
};

const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// How often to look for the next pod.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Failed looks in a row after which the meta cluster counts as gone.
const PATIENCE: u32 = 60;

/// Shows the log of an operation.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the operation, as `quarterdeck get operations` lists it.
    pub operation: String,
    /// Go on until the operation is over; its pods may come and go.
    #[arg(short, long)]
    pub follow: bool,
    /// Only what concerns this machine.
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,
    /// `json` prints the lines as they are.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Text,
    Json,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let (client, namespace) = connect::client(globals).await?;
    let operations: Api<Operation> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let mut reader = Reader { args: &args, pods: &pods, done: BTreeSet::new(), printed: BTreeMap::new() };
    let mut failures = 0;
    loop {
        let operation = match operations.get_opt(&args.operation).await {
            Ok(Some(operation)) => operation,
            Ok(None) => {
                let why = format!("there is no operation {}: see  quarterdeck get operations", args.operation);
                return Err(Ended::new(Exit::NotFound, why).into());
            }
            Err(error) if failures >= PATIENCE || !args.follow || connect::is_refusal(&error) => {
                return Err(connect::failed(&error, "get", "operations", Some(&namespace)).into());
            }
            Err(_) => {
                failures += 1;
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
        };
        let over = state(&operation).is_final();
        match reader.read(&operation).await {
            Ok(()) => failures = 0,
            // Whoever read us has gone away, as `head` does.
            Err(Interrupted::Reader) => return Ok(Exit::Success.into()),
            Err(Interrupted::Server(error)) if failures >= PATIENCE || !args.follow || connect::is_refusal(&error) => {
                return Err(connect::failed(&error, "get", "pods/log", Some(&namespace)).into());
            }
            Err(Interrupted::Server(_)) => {
                failures += 1;
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
        }
        if over || !args.follow {
            return finish(&args, &operation, &reader);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn state(operation: &Operation) -> OperationState {
    operation.status.as_ref().and_then(|s| s.state).unwrap_or_default()
}

fn finish(args: &Args, operation: &Operation, reader: &Reader) -> color_eyre::Result<ExitCode> {
    let status = operation.status.clone().unwrap_or_default();
    let message = status.message.unwrap_or_default();
    if reader.done.is_empty() && reader.printed.is_empty() {
        let name = &args.operation;
        let why = if !has_begun(operation) && state(operation).is_final() {
            format!("no run of {name} was begun: there is no log. {message}")
        } else if state(operation).is_final() {
            format!("the log of {name} is gone: it is kept for six hours after the end. {message}")
        } else {
            let message = if message.is_empty() { String::new() } else { format!(" ({message})") };
            format!("{name} has no log yet{message}: wait for it with -f")
        };
        return Err(Ended::new(Exit::NotFound, why).into());
    }
    if args.follow {
        lines::err(&format!("{} {}: {message}", args.operation, state(operation).as_str()));
    }
    Ok(Exit::Success.into())
}

/// There was a Job for it, in this run or in one before. Draining comes first, and may be all that there was.
pub(super) fn has_begun(operation: &Operation) -> bool {
    operation.status.as_ref().is_some_and(|status| status.job_name.is_some() || status.run > 1)
}

/// The pods of all runs of an operation, the oldest first.
pub(super) async fn pods(api: &Api<Pod>, operation: &Operation) -> Result<Vec<Pod>, kube::Error> {
    let runs = operation.status.as_ref().map_or(0, |s| s.run).max(1);
    let mut all = Vec::new();
    for run in 1..=runs {
        let job = format!("op-{}-{run}", operation.name_any());
        let mut pods = api.list(&ListParams::default().labels(&format!("{JOB_NAME}={job}"))).await?.items;
        pods.sort_by_key(|p| (p.metadata.creation_timestamp.as_ref().map(|t| t.0), p.name_any()));
        all.extend(pods);
    }
    Ok(all)
}

/// Why reading stopped.
enum Interrupted {
    /// Of what we write.
    Reader,
    Server(kube::Error),
}

struct Reader<'a> {
    args: &'a Args,
    pods: &'a Api<Pod>,
    /// Pods that were read to their end.
    done: BTreeSet<String>,
    /// How many lines were printed of each pod that was begun.
    printed: BTreeMap<String, usize>,
}

impl Reader<'_> {
    /// Reads the pods of all runs, the oldest first, from where it stopped the last time.
    async fn read(&mut self, operation: &Operation) -> Result<(), Interrupted> {
        for pod in pods(self.pods, operation).await.map_err(Interrupted::Server)? {
            self.read_pod(&pod).await?;
        }
        Ok(())
    }

    async fn read_pod(&mut self, pod: &Pod) -> Result<(), Interrupted> {
        let name = pod.name_any();
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        if self.done.contains(&name) || phase == "Pending" || phase.is_empty() {
            return Ok(());
        }
        let seen = *self.printed.entry(name.clone()).or_default();
        let parameters = LogParams { follow: self.args.follow, ..LogParams::default() };
        let stream = self.pods.log_stream(&name, &parameters).await.map_err(Interrupted::Server)?;
        let mut lines = stream.lines();
        let mut at = 0;
        while let Some(line) = lines.try_next().await.map_err(|e| Interrupted::Server(kube::Error::ReadEvents(e)))? {
            at += 1;
            // A connection that was lost begins again with the first line.
            if at > seen {
                self.printed.insert(name.clone(), at);
                self.print(&line)?;
            }
        }
        if phase == "Succeeded" || phase == "Failed" {
            self.done.insert(name);
        }
        Ok(())
    }

    fn print(&self, line: &str) -> Result<(), Interrupted> {
        let event: Option<Value> = serde_json::from_str(line).ok().filter(Value::is_object);
        if let (Some(wanted), Some(event)) = (&self.args.machine, &event)
            && event["machine"].as_str().is_some_and(|m| m != wanted)
        {
            return Ok(());
        }
        let text = match self.args.output {
            Output::Text => match readable(line) {
                Some(text) => text,
                None => return Ok(()),
            },
            Output::Json => line.to_owned(),
        };
        writeln!(io::stdout(), "{text}").map_err(|_| Interrupted::Reader)
    }
}

/// A line of a log as people read it, without anything that a terminal would obey; `None` if it says nothing to them.
pub fn readable(line: &str) -> Option<String> {
    let event = serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
    let text = event.map_or_else(|| Some(line.to_owned()), |event| render(&event));
    text.map(|text| clean(&text))
}

/// An event in one readable line; `None` for those that say nothing to people.
fn render(event: &Value) -> Option<String> {
    let word = |key: &str| event[key].as_str();
    let time = word("at").and_then(|at| at.get(11..19)).unwrap_or("--:--:--");
    let place: Vec<_> = [word("machine"), word("phase"), word("step")].into_iter().flatten().collect();
    let took = event["milliseconds"].as_u64().map(|ms| format!(" in {:.1}s", ms as f64 / 1000.0)).unwrap_or_default();
    let why = word("message").map(|m| format!(": {m}")).unwrap_or_default();
    let outcome = word("outcome").unwrap_or("done");
    let said = match word("event")? {
        "planned" => return None,
        "output" => format!("| {}", word("line").unwrap_or_default()),
        "phase-started" => "begins".to_owned(),
        "phase-finished" => format!("{}{took}", word("state").unwrap_or("finished").to_lowercase()),
        "step-started" => "...".to_owned(),
        "step-skipped" => "nothing to do".to_owned(),
        "step-retrying" => format!("tries again{why}"),
        "step-finished" => format!("{outcome}{took}{why}"),
        "machine-finished" => format!("machine {outcome}{why}"),
        "operation-finished" => {
            let count = |key: &str| event[key].as_u64().unwrap_or(0);
            format!("operation {outcome}: {} succeeded, {} failed{why}", count("succeeded"), count("failed"))
        }
        other => format!("{}{why}", other.replace('-', " ")),
    };
    Some([time, &place.join(" / "), &said].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &str, expected: Option<&str>) {
        assert_eq!(render(&serde_json::from_str(event).unwrap()).as_deref(), expected);
    }

    #[test]
    fn events_read_like_sentences() {
        check(
            r#"{"at":"2026-11-21T12:00:01.204Z","seq":4,"operation":"o","machine":"m-1","phase":"Join","step":"kubeadm","event":"output","line":"hello"}"#,
            Some("12:00:01  m-1 / Join / kubeadm  | hello"),
        );
        check(
            r#"{"at":"2026-11-21T12:00:01.204Z","event":"step-finished","machine":"m-1","phase":"Join","step":"kubeadm","outcome":"failed","milliseconds":1500,"message":"exit 1"}"#,
            Some("12:00:01  m-1 / Join / kubeadm  failed in 1.5s: exit 1"),
        );
        check(
            r#"{"at":"2026-11-21T12:00:01.204Z","event":"operation-finished","outcome":"done","succeeded":3,"failed":0}"#,
            Some("12:00:01  operation done: 3 succeeded, 0 failed"),
        );
        check(r#"{"at":"2026-11-21T12:00:01.204Z","event":"planned"}"#, None);
    }
}
