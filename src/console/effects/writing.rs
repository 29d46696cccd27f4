//! Changes that were confirmed and are on their way. Whoever leaves is told of them, waits a little, and hears what became of
//! each: nothing that was confirmed is dropped without a word.

use super::{
    super::message::{Event, Order, Refusal},
    apply, record,
};
use crate::fleet::Clients;
use std::collections::HashMap;
use tokio::task::{Id, JoinSet};

/// What is on its way.
#[derive(Default)]
pub struct Writing {
    tasks: JoinSet<Step>,
    /// What nobody knows yet of each.
    open: HashMap<Id, Open>,
    /// The user was told that leaving now would be early.
    told: bool,
}

/// A change that may be written or not, or one whose record is being written.
struct Open {
    what: String,
    made: bool,
}

enum Step {
    Applied {
        clients: Clients,
        user: String,
        ticket: u64,
        order: Order,
        made: usize,
        outcome: Result<String, Refusal>,
    },
    /// What is missing in the audit, if anything.
    Recorded(Option<String>),
}

impl Writing {
    /// Begins to make the changes of an order.
    pub fn begin(&mut self, clients: Clients, user: String, ticket: u64, order: Order) {
        self.told = false;
        let what = order.what();
        let task = self.tasks.spawn(async move {
            let (made, outcome) = apply::apply(&clients, &order).await;
            Step::Applied { clients, user, ticket, order, made, outcome }
        });
        self.open.insert(task.id(), Open { what, made: false });
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Why the user should not leave yet. It is said once: who asks again leaves.
    pub fn objection(&mut self) -> Option<String> {
        let what: Vec<&str> = self.open.values().filter(|open| !open.made).map(|open| open.what.as_str()).collect();
        if what.is_empty() || std::mem::replace(&mut self.told, true) {
            return None;
        }
        Some(format!("{} is being written: once more leaves, and the shell says what became of it", what.join(", ")))
    }

    /// The next thing that came of it; nothing if there is nothing under way. Cancel safe.
    pub async fn next(&mut self) -> Option<Option<Event>> {
        let (id, step) = match self.tasks.join_next_with_id().await? {
            Ok(done) => done,
            Err(error) => {
                let what = self.open.remove(&error.id()).map(|open| open.what).unwrap_or_default();
                let broke = format!("what became of {what} is not known, a task of the console broke: {error}");
                return Some(Some(Event::Notice(broke)));
            }
        };
        let open = self.open.remove(&id);
        Some(match step {
            Step::Applied { clients, user, ticket, order, made, outcome } => {
                if made > 0 {
                    let task = self
                        .tasks
                        .spawn(async move { Step::Recorded(record::record(&clients, &order, made, &user).await) });
                    self.open.extend(open.map(|open| (task.id(), Open { made: true, ..open })));
                }
                Some(Event::Applied { ticket, outcome })
            }
            Step::Recorded(missing) => missing.map(Event::Notice),
        })
    }

    /// Waits until all is written or refused, or until it is enough, and says what became of each.
    pub async fn settle(&mut self, enough: impl Future<Output = ()>) -> Vec<String> {
        let mut said = Vec::new();
        tokio::pin!(enough);
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(event) = self.next() => said.extend(event.and_then(sentence)),
                () = &mut enough => break,
            }
        }
        said.extend(self.open.drain().map(|(_, open)| open.unknown()));
        said
    }
}

impl Open {
    fn unknown(self) -> String {
        match self.made {
            false => format!("it is not known whether {} is written: look at it before you try again", self.what),
            true => format!("it is not known whether the audit has the change of {}", self.what),
        }
    }
}

fn sentence(event: Event) -> Option<String> {
    match event {
        Event::Applied { outcome: Ok(done), .. } => Some(done),
        Event::Applied { outcome: Err(refusal), .. } => Some(refusal.message),
        Event::Notice(text) => Some(text),
        _ => None,
    }
}
