//! Carries effects out: the only place of the console that talks to the API server, to files and to the clipboard.
//!
//! Each effect is a task of one `JoinSet`; what comes of it returns to `update` as an event.

mod command;
mod hosts;
mod read;
mod record;

use super::{
    follow,
    hosts::Access,
    message::{Change, DiffLine, DryRun, Effect, Event, Kind, Order, Refusal, Target, Why},
    permissions::Answers,
    review::review,
};
use crate::{
    api::{Cluster, ClusterDeployment, Machine, NodePool, Operation, labels},
    fleet::{Clients, Fault},
};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
};

/// How long the server may take to answer one request before we say so.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How often a change is sent again because status was written in between.
const CONFLICTS: u32 = 5;
/// Changes of one order that are shown or named one by one.
const DIFFS: usize = 5;
/// Lines of context around a change in a diff.
const CONTEXT_LINES: usize = 1;

/// Carries effects out, and hands back what comes of them.
pub struct Hands {
    clients: Clients,
    /// Who is at the keyboard: recorded with what was changed.
    pub user: String,
    pub tasks: JoinSet<Option<Event>>,
    following: Option<AbortHandle>,
    /// What ends the program that runs.
    running: Option<(u64, oneshot::Sender<()>)>,
    /// Lines of logs; bounded, so that a chatty log waits for the screen.
    lines: mpsc::Sender<Event>,
    pub access: Arc<Access>,
    asking: Option<AbortHandle>,
    reading: Option<AbortHandle>,
}

impl Hands {
    pub fn new(clients: Clients, access: Access, lines: mpsc::Sender<Event>) -> Self {
        let tasks = JoinSet::new();
        let (access, user) = (Arc::new(access), "unknown".to_owned());
        Self { clients, user, tasks, following: None, running: None, lines, access, asking: None, reading: None }
    }

    /// Begins to carry an effect out. `Quit`, `Suspend`, `Redraw`, `Copy`, `Theme` and `Visit` are the loop's own.
    pub fn begin(&mut self, effect: Effect) {
        let clients = self.clients.clone();
        match effect {
            Effect::DryRun { ticket, order } => {
                self.tasks.spawn(async move {
                    let outcome = within(dry_run(&clients, &order)).await;
                    Some(Event::DryRun { ticket, outcome })
                });
            }
            Effect::Apply { ticket, order } => {
                let user = self.user.clone();
                self.tasks.spawn(async move {
                    let (made, outcome) = apply(&clients, &order).await;
                    record::record(&clients, &order, made, &user).await;
                    Some(Event::Applied { ticket, outcome })
                });
            }
            Effect::Count { context, namespace, cluster, at } => {
                let Some(client) = clients.of(context) else { return };
                self.tasks.spawn(async move {
                    let clusters: Api<Cluster> = Api::namespaced(client, &namespace);
                    let mark = json!({"metadata": {"annotations": {labels::FORECAST_REQUESTED_AT: at.to_string()}}});
                    // Who may not ask for it goes without: the dialog says that it is not known.
                    if let Err(error) = clusters.patch_metadata(&cluster, &parameters(), &Patch::Merge(mark)).await {
                        tracing::debug!(%cluster, %error, "its pods are not counted");
                    }
                    None
                });
            }
            Effect::Review { context, namespace } => {
                self.tasks.spawn(async move {
                    let answers = match clients.of(context) {
                        Some(client) => review(&client, &namespace).await,
                        None => Answers::default(),
                    };
                    Some(Event::Reviewed(context, answers))
                });
            }
            Effect::Look { context, namespace, name } => {
                self.tasks.spawn(async move {
                    let Some(client) = clients.of(context) else { return Some(Event::Machine(context, None)) };
                    let machines: Api<Machine> = Api::namespaced(client, &namespace);
                    let answer = tokio::time::timeout(ANSWER_WITHIN, machines.get(&name)).await;
                    Some(Event::Machine(context, answer.ok().and_then(Result::ok).map(std::sync::Arc::new)))
                });
            }
            Effect::Arrange(question) => {
                self.tasks.spawn_blocking(move || Some(Event::Arranged(question.answer())));
            }
            Effect::Read { ticket, about, form } => {
                let Some(client) = clients.of(about.context) else { return };
                self.tasks.spawn(async move {
                    let answer = tokio::time::timeout(ANSWER_WITHIN, read::read(&client, &about, form)).await;
                    let outcome = answer.unwrap_or_else(|_| Err(no_answer())).map(Box::new);
                    Some(Event::Read { ticket, outcome })
                });
            }
            Effect::Follow { follow, operation, tail_lines } => {
                stop(&mut self.following);
                let Some(client) = clients.of(operation.context) else { return };
                let request = follow::Request { follow, operation, tail_lines, source: None };
                self.following = Some(self.tasks.spawn(follow::follow(client, request, self.lines.clone())));
            }
            Effect::FollowAll { follow, operations, tail_lines } => {
                stop(&mut self.following);
                let request = |(source, operation): (usize, super::message::OperationKey)| {
                    let client = clients.of(operation.context)?;
                    Some((client, follow::Request { follow, operation, tail_lines, source: Some(source) }))
                };
                let requests = operations.into_iter().enumerate().filter_map(request).collect();
                self.following = Some(self.tasks.spawn(follow::follow_all(requests, self.lines.clone())));
            }
            Effect::Unfollow => stop(&mut self.following),
            Effect::Run(run) => {
                let (stop, stopped) = oneshot::channel();
                // One at a time: another one ends the one before.
                self.running = Some((run.ticket, stop));
                self.tasks.spawn(command::run(run, stopped, self.lines.clone()));
            }
            Effect::Stop { ticket } => {
                if let Some((_, stop)) = self.running.take_if(|(running, _)| *running == ticket) {
                    // It may be over already.
                    let _ = stop.send(());
                }
            }
            Effect::Save { name, text } => {
                self.tasks.spawn_blocking(move || Some(Event::Saved(save(&name, &text))));
            }
            Effect::AskHosts { round, ways } => {
                let reach = hosts::Reach::open(clients, self.access.clone());
                let asking = hosts::ask(reach, round, ways, self.lines.clone());
                stop(&mut self.asking);
                self.asking = Some(self.spawn(asking));
            }
            Effect::Journals { ticket, way, lines } => {
                let reach = hosts::Reach::open(clients, self.access.clone());
                let reading = hosts::follow(reach, ticket, way, lines, self.lines.clone());
                stop(&mut self.reading);
                self.reading = Some(self.spawn(reading));
            }
            Effect::StopJournals => stop(&mut self.reading),
            Effect::Remember
            | Effect::Quit
            | Effect::Suspend
            | Effect::Redraw
            | Effect::Copy(_)
            | Effect::Theme(_)
            | Effect::Visit(_) => {}
        }
    }

    /// A task whose news come by another way.
    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.tasks.spawn(async move {
            work.await;
            None
        })
    }
}

fn stop(task: &mut Option<AbortHandle>) {
    if let Some(task) = task.take() {
        task.abort();
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::time::timeout(ANSWER_WITHIN, answer)
        .await
        .unwrap_or_else(|_| Err(Refusal { message: no_answer(), why: Why::Other }))
}

fn no_answer() -> String {
    format!("the API server did not answer within {} s: look at it before you try again", ANSWER_WITHIN.as_secs())
}

/// What all of it would do. Beyond the first few changes the diff only counts: they are alike.
async fn dry_run(clients: &Clients, order: &Order) -> Result<DryRun, Refusal> {
    let mut lines = Vec::new();
    for (i, change) in order.changes.iter().enumerate() {
        let api = api(clients, &change.target)?;
        let live = api.get(&change.target.name).await.map_err(|e| refusal(&e, &change.target))?;
        let after = try_out(&api, change).await?;
        lines.extend(headline(order, i));
        if i < DIFFS {
            lines.extend(diff(&shown(live), &shown(after)));
        }
    }
    Ok(DryRun { diff: lines })
}

/// What stands above the diff of a change, where there are several.
fn headline(order: &Order, at: usize) -> Option<DiffLine> {
    let text = match at {
        _ if order.changes.len() == 1 => return None,
        ..DIFFS => order.changes[at].what(),
        DIFFS => format!("… and {} more", order.changes.len() - DIFFS),
        _ => return None,
    };
    Some(DiffLine { sign: ' ', text })
}

async fn try_out(api: &Api<DynamicObject>, change: &Change) -> Result<DynamicObject, Refusal> {
    patch(api, change, &PatchParams { dry_run: true, ..parameters() }).await
}

/// Makes the changes, one after another, and says how many are made. Several are tried out first, all of them, so that what one of them would be
/// refused for is known before the first is made; what still fails midway says what is written and what is not.
async fn apply(clients: &Clients, order: &Order) -> (usize, Result<String, Refusal>) {
    let mut made = 0;
    let outcome = apply_all(clients, order, &mut made).await;
    (made, outcome)
}

async fn apply_all(clients: &Clients, order: &Order, made: &mut usize) -> Result<String, Refusal> {
    if order.changes.len() > 1 {
        for change in &order.changes {
            within(try_out(&api(clients, &change.target)?, change)).await?;
        }
    }
    for change in &order.changes {
        let api = api(clients, &change.target).map_err(|refusal| midway(order, *made, refusal))?;
        let outcome = within(patch(&api, change, &parameters())).await;
        outcome.map_err(|refusal| midway(order, *made, refusal))?;
        *made += 1;
    }
    Ok(order.done.clone())
}

/// The refusal of one change out of several, with what is written and what is not.
fn midway(order: &Order, made: usize, refusal: Refusal) -> Refusal {
    if order.changes.len() == 1 {
        return refusal;
    }
    let names = |changes: &[Change]| {
        let mut names: Vec<String> = changes.iter().take(DIFFS).map(Change::what).collect();
        if changes.len() > DIFFS {
            names.push(format!("{} more", changes.len() - DIFFS));
        }
        names.join(", ")
    };
    let (written, open) = order.changes.split_at(made);
    let written =
        if written.is_empty() { "nothing is written".to_owned() } else { format!("written: {}", names(written)) };
    Refusal { message: format!("{}. {written}; not written: {}", refusal.message, names(open)), ..refusal }
}

/// Sends the patch under the version that the user was looking at.
///
/// Controllers write status all the time, which moves that version. So where it has moved and the spec has not
/// (same UID, same generation), the patch is sent again under the new one: what the user decided on still stands.
async fn patch(api: &Api<DynamicObject>, change: &Change, parameters: &PatchParams) -> Result<DynamicObject, Refusal> {
    let mut change = change.clone();
    for _ in 0..CONFLICTS {
        match api.patch(&change.target.name, parameters, &Patch::Merge(change.body())).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let live = api.get(&change.target.name).await.map_err(|e| refusal(&e, &change.target))?.metadata;
                let same =
                    live.uid.as_deref() == Some(&change.target.uid) && live.generation == change.target.generation;
                let moved = live.resource_version.filter(|version| *version != change.target.resource_version);
                match moved.filter(|_| same) {
                    Some(version) => change.target.resource_version = version,
                    None => return Err(refusal(&kube::Error::Api(status), &change.target)),
                }
            }
            outcome => return outcome.map_err(|e| refusal(&e, &change.target)),
        }
    }
    Err(Refusal { message: format!("{} changes too fast: try again", change.target.name), why: Why::Conflict })
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(labels::CONSOLE_MANAGER.to_owned()), ..PatchParams::default() }
}

/// The only way to an object that is to be changed: on the server of its own context.
fn api(clients: &Clients, target: &Target) -> Result<Api<DynamicObject>, Refusal> {
    let client = clients.of(target.context).ok_or_else(|| Refusal {
        message: format!("the meta cluster of {} has not answered yet: nothing is sent", target.name),
        why: Why::Other,
    })?;
    let resource = match target.kind {
        Kind::NodePool => ApiResource::erase::<NodePool>(&()),
        Kind::Operation => ApiResource::erase::<Operation>(&()),
        Kind::ClusterDeployment => ApiResource::erase::<ClusterDeployment>(&()),
        Kind::Machine => ApiResource::erase::<Machine>(&()),
    };
    Ok(Api::namespaced_with(client, &target.namespace, &resource))
}

/// The error as a sentence with the way out.
fn refusal(error: &kube::Error, target: &Target) -> Refusal {
    let (kind, name) = (target.kind.as_str(), &target.name);
    let (message, why) = match error {
        kube::Error::Api(status) => match status.code {
            409 => (
                format!("{kind} {name} was changed by somebody else: it is shown anew, look and try again"),
                Why::Conflict,
            ),
            404 => (format!("{kind} {name} is gone: it was deleted while you were looking at it"), Why::Other),
            403 => {
                let fault = Fault::of(error, "patch", target.kind.plural(), Some(&target.namespace));
                let lacks = matches!(fault, Fault::Forbidden { .. });
                (fault.to_string(), if lacks { Why::Forbidden } else { Why::Other })
            }
            401 => (
                "the API server no longer accepts your credentials: log in again, the console stays open".into(),
                Why::Other,
            ),
            _ => (status.message.clone(), Why::Other),
        },
        other => (format!("cannot reach the API server: {}", root_cause(other)), Why::Other),
    };
    Refusal { message, why }
}

/// The innermost source of an error: what happened, without the layers that it passed.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What a person compares: the object without what the server keeps for itself.
fn shown(object: DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in
                ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "ownerReferences"]
            {
                metadata.remove(field);
            }
        }
    }
    value
}

/// What differs, the spec first: that is what was asked for.
fn diff(before: &Value, after: &Value) -> Vec<DiffLine> {
    let fields = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut sections = [fields(before), fields(after)].concat();
    sections.sort_by_key(|name| (name != "spec", name.clone()));
    sections.dedup();
    let mut lines = Vec::new();
    for name in sections.iter().filter(|name| before.get(name) != after.get(name)) {
        lines.push(DiffLine { sign: ' ', text: format!("{name}:") });
        section(before.get(name), after.get(name), &mut lines);
    }
    lines
}

fn section(before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<DiffLine>) {
    let yaml = |value: Option<&Value>| value.and_then(|v| serde_saphyr::to_string(v).ok()).unwrap_or_default();
    let (before, after) = (yaml(before), yaml(after));
    let diff = TextDiff::from_lines(&before, &after);
    for (i, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if i > 0 {
            lines.push(DiffLine { sign: ' ', text: "  …".into() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(DiffLine { sign, text: format!("  {}", change.value().trim_end()) });
        }
    }
}

/// Writes an export into the working directory, never over a file that is there.
fn save(name: &str, text: &str) -> Result<PathBuf, String> {
    let path = std::env::current_dir().map_err(|e| format!("no working directory: {e}"))?.join(name);
    match write_new(&path, text) {
        Ok(()) => Ok(path),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            Err(format!("{} is there already, and is not written over: move it away first", path.display()))
        }
        Err(e) => Err(format!("cannot write {}: {e}", path.display())),
    }
}

/// All of the file or none of it: it gets its name when it is whole.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unnamed = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&unnamed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // A link, not a renaming: that would write over what is there.
    let named = written.and_then(|()| std::fs::hard_link(&unnamed, path));
    std::fs::remove_file(&unnamed)?;
    match named {
        // File systems without links.
        Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(text.as_bytes())
        }
        named => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_and_never_over_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gpu.yaml");
        write_new(&path, "one").expect("it is not there yet");
        let again = write_new(&path, "two").expect_err("it is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "one");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_diff_shows_the_change_with_little_around_it() {
        let spec = |replicas: i32| json!({"clusterName": "a", "paused": false, "replicas": replicas});
        let before = json!({"metadata": {"name": "gpu"}, "spec": spec(3)});
        let after = json!({"metadata": {"name": "gpu", "annotations": {"reason": "more"}}, "spec": spec(5)});
        let lines: Vec<String> =
            diff(&before, &after).iter().map(|line| format!("{}{}", line.sign, line.text)).collect();
        let spec = [" spec:", "   paused: false", "-  replicas: 3", "+  replicas: 5"];
        let metadata = [" metadata:", "+  annotations:", "+    reason: more", "   name: gpu"];
        assert_eq!(lines, [spec, metadata].concat());
    }

    #[test]
    fn several_changes_have_headlines_and_beyond_five_a_count() {
        let all = |count: usize| -> Vec<String> {
            let target = |n: usize| Target {
                context: crate::fleet::ContextId::FIRST,
                kind: Kind::Machine,
                namespace: "fleet".into(),
                name: format!("m-{n}"),
                uid: String::new(),
                resource_version: String::new(),
                generation: None,
            };
            let changes = (0..count).map(|n| Change { target: target(n), patch: json!({}) }).collect();
            let order = Order { changes, done: String::new() };
            (0..count).filter_map(|at| headline(&order, at)).map(|line| line.text).collect()
        };
        assert!(all(1).is_empty());
        assert_eq!(all(2), ["Machine m-0", "Machine m-1"]);
        assert_eq!(all(5).len(), 5);
        assert_eq!(all(8)[4..], ["Machine m-4", "… and 3 more"]);
    }

    #[test]
    fn what_the_server_keeps_for_itself_is_not_shown() {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "X",
            "metadata": {"name": "a", "resourceVersion": "1", "managedFields": []},
            "status": {"ready": 1}, "spec": {"replicas": 1}
        }))
        .unwrap();
        assert_eq!(
            shown(object),
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": {"replicas": 1}})
        );
    }
}
