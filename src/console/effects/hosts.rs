//! Asks hosts over SSH: many at once for how they are, and one for its journals, which are then followed.
//!
//! The connection to a host lasts for one question, those to jump hosts for a round of them. A host key that is not known is
//! never taken.

mod gates;
mod reach;

use super::super::{
    hosts::{
        Access, Answer, Way,
        journal::{self, Entry, Reader},
        probe::{self, Reading},
    },
    message::Event,
};
use crate::ssh::{Connection, Output};
use bytes::Bytes;
use futures::{StreamExt, stream};
use gates::Gates;
use jiff::Timestamp;
pub use reach::Reach;
use reach::{Opened, with_sources};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

/// Hosts that are asked at once.
const AT_ONCE: usize = 16;
/// Times that more are handed in while those before wait: the view bounds how many hosts that are.
const BATCHES: usize = 128;
/// When nobody has been handed in for so long, connections to jump hosts are given up.
const IDLE: Duration = Duration::from_secs(30);
/// How long one host may take, its connection included.
const HOST_WITHIN: Duration = Duration::from_secs(10);
/// A line of a journal that does not end is given up here.
const MOST_LINE_BYTES: usize = 64 * 1024;

/// A round of questions that is under way.
pub struct Asking {
    round: u64,
    /// What its hosts are reached with.
    access: Arc<Access>,
    more: mpsc::Sender<Vec<Way>>,
    /// The last one takes more hosts; those before it ask the ones that they have.
    tasks: Vec<AbortHandle>,
}

impl Asking {
    /// Hosts to be asked in the same round; handed back where whoever asks would do so with other settings, or is gone.
    pub fn also(&self, round: u64, access: &Arc<Access>, ways: Vec<Way>) -> Option<Vec<Way>> {
        if round != self.round || !Arc::ptr_eq(access, &self.access) {
            return Some(ways);
        }
        self.more.try_send(ways).err().map(mpsc::error::TrySendError::into_inner)
    }

    /// The same with a task that has begun anew. What is still asked in this round is asked to its end, with what it was begun
    /// with; a round before is given up.
    pub fn renewed(
        before: Option<Self>,
        round: u64,
        access: Arc<Access>,
        more: mpsc::Sender<Vec<Way>>,
        task: AbortHandle,
    ) -> Self {
        let mut tasks = before.map_or_else(Vec::new, |before| {
            if before.round != round {
                before.tasks.iter().for_each(AbortHandle::abort);
            }
            before.tasks
        });
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        Self { round, access, more, tasks }
    }
}

/// Asks these hosts and those that are handed in later, several at once, and sends each answer as it comes. It is over when
/// nobody is handed in for a while.
pub fn ask(
    reach: impl Future<Output = Reach> + Send + 'static,
    round: u64,
    ways: Vec<Way>,
    answers: mpsc::Sender<Event>,
) -> (mpsc::Sender<Vec<Way>>, impl Future<Output = ()> + Send + 'static) {
    let (more, later) = mpsc::channel(BATCHES);
    (more, ask_all(reach, round, ways, later, answers))
}

async fn ask_all(
    reach: impl Future<Output = Reach>,
    round: u64,
    ways: Vec<Way>,
    later: mpsc::Receiver<Vec<Way>>,
    answers: mpsc::Sender<Event>,
) {
    let reach = reach.await;
    let gates = Gates::default();
    let one = |way: Way| {
        let (reach, answers, gates) = (&reach, &answers, &gates);
        async move {
            let looked = async { look(reach, &gates.open(reach, &way).await, &way).await };
            let looked = tokio::time::timeout(HOST_WITHIN, looked).await;
            let late = || Err(format!("{} did not answer within {} s", way.name, HOST_WITHIN.as_secs()));
            let answer = looked.unwrap_or_else(|_| late()).map_or_else(Answer::Failed, Answer::Read);
            let _ = answers.send(Event::Host { round, uid: way.uid, answer }).await;
        }
    };
    let later = stream::unfold(later, |mut later| async move {
        let ways = tokio::time::timeout(IDLE, later.recv()).await.ok().flatten()?;
        Some((ways, later))
    });
    let all = stream::once(async { ways }).chain(later).flat_map(stream::iter);
    all.map(one).buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
    gates.close().await;
}

/// One host: one connection, one answer. Who pages through thousands of hosts holds no more connections than are needed at once.
async fn look(reach: &Reach, opened: &Opened, way: &Way) -> Result<Reading, String> {
    let connection = reach.connect(opened, way).await?;
    let reading = question(&connection, way).await;
    connection.close().await;
    reading
}

/// One command.
async fn question(connection: &Connection, way: &Way) -> Result<Reading, String> {
    let (asked_at, begun) = (Timestamp::now().as_millisecond(), Instant::now());
    let mut channel = connection.exec("sh -s", Bytes::from(probe::script())).await.map_err(|e| with_sources(&e))?;
    let (mut text, mut round_trip) = (Vec::new(), None);
    while let Some(output) = channel.next().await {
        match output {
            Output::Stdout(data) => {
                round_trip.get_or_insert_with(|| i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX));
                text.extend_from_slice(&data);
            }
            Output::Stderr(_) => {}
            Output::Exit(_) => break,
            Output::Lost(reason) => return Err(format!("the connection to {} was lost: {reason}", way.name)),
        }
        if text.len() > probe::MOST_BYTES {
            break;
        }
    }
    text.truncate(probe::MOST_BYTES);
    let seen = probe::read(&String::from_utf8_lossy(&text))?;
    Ok(Reading::new(seen, asked_at, round_trip.unwrap_or(0)))
}

/// Follows the journals of a host until it is told to stop; what keeps it from doing so is sent as well.
pub async fn follow(
    reach: impl Future<Output = Reach>,
    ticket: u64,
    way: Way,
    lines: usize,
    news: mpsc::Sender<Event>,
) {
    let reach = reach.await;
    let opened = reach.open_for(&way).await;
    let connected = tokio::time::timeout(HOST_WITHIN, reach.connect(&opened, &way)).await;
    let late = || Err(format!("{} did not answer within {} s", way.name, HOST_WITHIN.as_secs()));
    let why = match connected.unwrap_or_else(|_| late()) {
        Err(why) => why,
        Ok(connection) => {
            let all = journal::UNITS.iter().map(|unit| unit_of(&connection, ticket, unit, lines, &news));
            let ends: Vec<Option<String>> = futures::future::join_all(all).await;
            ends.into_iter().flatten().next().unwrap_or_else(|| "the journals have ended".to_owned())
        }
    };
    let _ = news.send(Event::JournalsEnded { ticket, why }).await;
    opened.connector.close().await;
}

/// Follows one journal to its end; why it ended, if that says anything.
async fn unit_of(
    connection: &Connection,
    ticket: u64,
    unit: &'static str,
    lines: usize,
    news: &mpsc::Sender<Event>,
) -> Option<String> {
    let script = Bytes::from(journal::script(unit, lines));
    let mut channel = match connection.exec("sh -s", script).await {
        Ok(channel) => channel,
        Err(error) => return Some(with_sources(&error)),
    };
    let (mut reader, mut held, mut complaint) = (Reader::default(), Vec::new(), String::new());
    while let Some(output) = channel.next().await {
        match output {
            Output::Stdout(data) => {
                held.extend_from_slice(&data);
                let entries = entries(&mut held, unit, &mut reader);
                if !entries.is_empty() && news.send(Event::Journal { ticket, entries }).await.is_err() {
                    return None;
                }
            }
            Output::Stderr(data) if complaint.len() < 200 => complaint += &String::from_utf8_lossy(&data),
            Output::Stderr(_) => {}
            Output::Exit(0) => return None,
            Output::Exit(status) => {
                let said = complaint.lines().next().unwrap_or("it says no more").trim().to_owned();
                return Some(format!("the journal of {unit} cannot be read (status {status}): {said}"));
            }
            Output::Lost(reason) => return Some(format!("the connection was lost: {reason}")),
        }
    }
    None
}

/// Takes whole lines out of what has arrived.
fn entries(held: &mut Vec<u8>, unit: &str, reader: &mut Reader) -> Vec<Entry> {
    let Some(end) = held.iter().rposition(|byte| *byte == b'\n') else {
        held.truncate(MOST_LINE_BYTES);
        return Vec::new();
    };
    let whole: Vec<u8> = held.drain(..=end).collect();
    String::from_utf8_lossy(&whole).lines().filter_map(|line| reader.read(unit, line)).collect()
}
