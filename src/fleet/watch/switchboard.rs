//! What all watches together say of the line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::Notify, time::timeout};

use super::{Inbox, Kind, now};
use crate::fleet::{
    connection::{Connection, Contact, Line, OFFLINE_ATTEMPTS},
    fault::Fault,
    index::Change,
    uid::ContextId,
};

/// So many attempts failed in what is called an outage, and no hiccup of one watch.
const OUTAGE_ATTEMPTS: u32 = 2;

/// Who talks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Kind(Kind),
    Probe,
}

#[derive(Clone, Debug)]
struct Failure {
    fault: Fault,
    since: Timestamp,
    attempt: u32,
    next: Timestamp,
}

/// Collects what the watches say of the line and tells the index when the whole is different.
#[derive(Debug)]
pub(super) struct Switchboard {
    inbox: Arc<Inbox>,
    context: ContextId,
    namespace: Arc<str>,
    contact: Contact,
    state: Mutex<State>,
    retry: Notify,
    restart: Notify,
    /// One report at a time: of two at once the older one might be told last, and stay.
    reporting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    up: BTreeSet<Source>,
    failures: BTreeMap<Source, Failure>,
}

impl Switchboard {
    pub(super) fn new(inbox: Arc<Inbox>, context: ContextId, namespace: &str) -> Self {
        Self {
            inbox,
            context,
            namespace: namespace.into(),
            contact: Contact::default(),
            state: Mutex::default(),
            retry: Notify::new(),
            restart: Notify::new(),
            reporting: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn context(&self) -> ContextId {
        self.context
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `source` got an answer. Costs a lock when that is no news.
    ///
    /// What is shown is as old as the oldest part of it: while another source is broken, this answer makes nothing fresh. The
    /// end of an outage that one has found is one that the others need not wait out.
    pub(super) async fn up(&self, source: Source) {
        let (news, is_whole, was_out) = {
            let mut state = self.lock();
            let healed = state.failures.remove(&source);
            let was_out = healed.as_ref().is_some_and(|failure| failure.attempt >= OUTAGE_ATTEMPTS);
            (state.up.insert(source) || healed.is_some(), state.broken().next().is_none(), was_out)
        };
        if is_whole {
            self.contact.touch(now());
        } else if was_out {
            self.retry_now();
        }
        if news {
            self.report().await;
        }
    }

    /// `source` failed and tries again after `wait`.
    pub(super) async fn down(&self, source: Source, fault: Fault, attempt: u32, wait: Duration) {
        let now = now();
        {
            let mut state = self.lock();
            let since = state.failures.get(&source).map_or(now, |f| f.since);
            let next = now.checked_add(wait).unwrap_or(now);
            state.up.remove(&source);
            state.failures.insert(source, Failure { fault, since, attempt, next });
        }
        self.report().await;
    }

    /// Waits, but not past a wish to try at once.
    pub(super) async fn wait(&self, wait: Duration) {
        let _ = timeout(wait, self.retry.notified()).await;
    }

    pub(super) fn retry_now(&self) {
        self.retry.notify_waiters();
    }

    /// Makes every watch begin again: their connections may be dead without knowing.
    pub(super) fn restart(&self) {
        self.restart.notify_waiters();
    }

    pub(super) async fn restarted(&self) {
        self.restart.notified().await;
    }

    async fn report(&self) {
        let _turn = self.reporting.lock().await;
        let connection = {
            let state = self.lock();
            Connection { line: state.line(), contact: self.contact.clone(), refused: state.refused() }
        };
        self.inbox.put(Change::Connection(connection)).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Kinds that we may not see do not make the line a bad one.
    fn broken(&self) -> impl Iterator<Item = &Failure> {
        self.failures.values().filter(|f| !matches!(f.fault, Fault::Forbidden { .. }))
    }

    fn line(&self) -> Line {
        let broken = || self.broken();
        let refused = self.failures.len() - broken().count();
        let Some(worst) = broken().max_by_key(|f| f.attempt) else {
            let answered = self.up.iter().filter(|s| matches!(s, Source::Kind(_))).count();
            return if answered + refused >= Kind::ALL.len() { Line::Live } else { Line::Connecting };
        };
        let (attempt, error) = (worst.attempt, worst.fault.to_string().into());
        let next = broken().map(|f| f.next).min().unwrap_or(worst.next);
        if attempt < OFFLINE_ATTEMPTS {
            return Line::Reconnecting { attempt, next, error };
        }
        let since = broken().map(|f| f.since).min().unwrap_or(worst.since);
        Line::Offline { since, attempt, next, error }
    }

    fn refused(&self) -> Arc<[Arc<str>]> {
        let refused = self.failures.values().filter(|f| matches!(f.fault, Fault::Forbidden { .. }));
        refused.map(|f| f.fault.to_string().into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failures: &[(Source, Fault, u32)], wanted: &str) {
        let mut state = State { up: Kind::ALL.map(Source::Kind).into(), ..State::default() };
        for (source, fault, attempt) in failures {
            state.up.remove(source);
            let failure = Failure { fault: fault.clone(), since: now(), attempt: *attempt, next: now() };
            state.failures.insert(*source, failure);
        }
        let line = match state.line() {
            Line::Connecting => "connecting".to_owned(),
            Line::Live => format!("live, {} refused", state.refused().len()),
            Line::Reconnecting { attempt, .. } => format!("reconnecting {attempt}"),
            Line::Offline { attempt, .. } => format!("offline {attempt}"),
        };
        assert_eq!(line, wanted);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_is_told_last_is_what_is_so() {
        for _ in 0..300 {
            let inbox = Arc::new(Inbox::default());
            let board = Arc::new(Switchboard::new(inbox.clone(), ContextId::FIRST, "fleet"));
            let ups = Kind::ALL.map(|kind| {
                let board = board.clone();
                tokio::spawn(async move { board.up(Source::Kind(kind)).await })
            });
            futures::future::join_all(ups).await;
            let told = inbox.take().await;
            assert!(matches!(told.as_slice(), [Change::Connection(last)] if last.line.is_live()), "{told:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_makes_nothing_fresh_while_another_watch_is_broken_and_ends_its_waiting() {
        let board = Switchboard::new(Arc::new(Inbox::default()), ContextId::FIRST, "fleet");
        let down = |source| board.down(source, Fault::Unreachable { detail: "refused".to_owned() }, 4, Duration::ZERO);
        let machines = Source::Kind(Kind::Machine);
        down(machines).await;
        down(Source::Probe).await;
        let (begun, hour) = (tokio::time::Instant::now(), Duration::from_hours(1));
        tokio::join!(board.wait(hour), async {
            tokio::task::yield_now().await;
            board.up(Source::Probe).await;
        });
        assert!(begun.elapsed() < hour && board.contact.last().is_none());
        board.up(machines).await;
        assert!(board.contact.last().is_some());
    }

    #[test]
    fn the_worst_watch_decides() {
        let unreachable = || Fault::Unreachable { detail: "refused".to_owned() };
        let forbidden = || Fault::Forbidden { verb: "list", resource: "events".to_owned(), place: String::new() };
        let (machines, events) = (Source::Kind(Kind::Machine), Source::Kind(Kind::Event));
        check(&[], "live, 0 refused");
        check(&[(events, forbidden(), 9)], "live, 1 refused");
        check(&[(machines, unreachable(), 1)], "reconnecting 1");
        check(&[(machines, unreachable(), 1), (Source::Probe, unreachable(), 4)], "offline 4");
        check(&[(events, forbidden(), 9), (machines, unreachable(), 2)], "reconnecting 2");
    }
}
