//! Carries effects out: the only place of the console that talks to the API server, to files and to the clipboard.
//!
//! Each effect is a task of one `JoinSet`; what comes of it returns to `update` as an event.

mod apply;
mod beside;
mod command;
mod discover;
mod hosts;
mod log;
mod name;
mod preview;
mod read;
mod record;
mod save;
#[cfg(test)]
mod tests;
mod writing;

use super::{
    follow,
    hosts::Access,
    message::{Effect, Event, Refusal, Why},
    permissions::Answers,
    review::review,
};
use crate::{
    api::{Cluster, Machine, labels},
    fleet::Clients,
};
use kube::{Api, api::Patch};
use serde_json::json;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
};
use writing::Writing;

/// How long the server may take to answer one request before we say so.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Carries effects out, and hands back what comes of them.
pub struct Hands {
    clients: Clients,
    /// Who is at the keyboard: recorded with what was changed.
    pub user: String,
    pub tasks: JoinSet<Option<Event>>,
    /// Changes are apart from them: what else is under way ends with the console.
    pub writing: Writing,
    following: Option<AbortHandle>,
    /// What ends the program that runs.
    running: Option<(u64, oneshot::Sender<()>)>,
    /// Lines of logs; bounded, so that a chatty log waits for the screen.
    lines: mpsc::Sender<Event>,
    pub access: Arc<Access>,
    /// Where files are written, if not in the working directory.
    pub folder: Option<PathBuf>,
    asking: Option<hosts::Asking>,
    reading: Option<AbortHandle>,
}

impl Hands {
    pub fn new(clients: Clients, access: Access, lines: mpsc::Sender<Event>) -> Self {
        let tasks = JoinSet::new();
        let (access, user) = (Arc::new(access), "unknown".to_owned());
        Self {
            clients,
            user,
            tasks,
            writing: Writing::default(),
            following: None,
            running: None,
            lines,
            access,
            folder: None,
            asking: None,
            reading: None,
        }
    }

    /// Begins to carry an effect out. The loop's own are those that need the terminal or the state: nothing is done here for
    /// what the last arm names, and a `Run` that takes the terminal does not come here.
    pub fn begin(&mut self, effect: Effect) {
        let clients = self.clients.clone();
        match effect {
            Effect::DryRun { ticket, order } => {
                self.tasks.spawn(async move {
                    let outcome = preview::dry_run(&clients, &order).await;
                    Some(Event::DryRun { ticket, outcome })
                });
            }
            Effect::Apply { ticket, order } => {
                self.writing.begin(clients, self.user.clone(), ticket, order);
            }
            Effect::Count { context, namespace, cluster, at } => {
                let Some(client) = clients.of(context) else { return };
                self.tasks.spawn(async move {
                    let clusters: Api<Cluster> = Api::namespaced(client, &namespace);
                    let mark = json!({"metadata": {"annotations": {labels::FORECAST_REQUESTED_AT: at.to_string()}}});
                    // Who may not ask for it goes without: the dialog says that it is not known.
                    if let Err(error) =
                        clusters.patch_metadata(&cluster, &apply::parameters(), &Patch::Merge(mark)).await
                    {
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
            Effect::Sift(question) => {
                self.tasks.spawn_blocking(move || Some(Event::Sifted(question.answer())));
            }
            Effect::Read { ticket, about, form } => {
                self.tasks.spawn(async move {
                    let outcome = match clients.of(about.context) {
                        Some(client) => {
                            let answer = tokio::time::timeout(ANSWER_WITHIN, read::read(&client, &about, form)).await;
                            answer.unwrap_or_else(|_| Err(no_answer())).map(Box::new)
                        }
                        None => {
                            Err(format!("the meta cluster of {} has not answered yet: nothing is read", about.name))
                        }
                    };
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
                let folder = self.folder.clone();
                self.tasks.spawn_blocking(move || Some(Event::Saved(save::save(folder, &name, &text))));
            }
            Effect::AskHosts { round, ways } => {
                let left = match &self.asking {
                    Some(asking) => asking.also(round, &self.access, ways),
                    None => Some(ways),
                };
                let Some(ways) = left else { return };
                let reach = hosts::Reach::open(clients, self.access.clone());
                let (more, asking) = hosts::ask(reach, round, ways, self.lines.clone());
                let task = self.spawn(asking);
                self.asking = Some(hosts::Asking::renewed(self.asking.take(), round, self.access.clone(), more, task));
            }
            Effect::Journals { ticket, way, lines } => {
                let reach = hosts::Reach::open(clients, self.access.clone());
                let reading = hosts::follow(reach, ticket, way, lines, self.lines.clone());
                stop(&mut self.reading);
                self.reading = Some(self.spawn(reading));
            }
            Effect::StopJournals => stop(&mut self.reading),
            Effect::Remember
            | Effect::TourSeen
            | Effect::Mouse(_)
            | Effect::Quit
            | Effect::Suspend
            | Effect::Redraw
            | Effect::Copy(_)
            | Effect::Theme(_)
            | Effect::Visit(_)
            | Effect::Edit(_) => {}
        }
    }

    /// Something is under way.
    pub fn is_busy(&self) -> bool {
        !self.tasks.is_empty() || !self.writing.is_empty()
    }

    /// The next thing that came of what is under way, if it is worth an event. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            Some(event) = self.writing.next() => event,
            Some(done) = self.tasks.join_next() => match done {
                Ok(event) => event,
                Err(error) if error.is_panic() => Some(Event::Notice(format!("a task of the console broke: {error}"))),
                Err(_) => None,
            },
            else => None,
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

/// One request, as long as it may take.
async fn within<T>(answer: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::time::timeout(ANSWER_WITHIN, answer)
        .await
        .unwrap_or_else(|_| Err(Refusal { message: no_answer(), why: Why::Unknown }))
}

fn no_answer() -> String {
    format!("the API server did not answer within {} s: look at it before you try again", ANSWER_WITHIN.as_secs())
}

/// The innermost source of an error: what happened, without the layers that it passed.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
