//! One attempt at one step, over as many connections as it takes: a lost connection costs nothing but time.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::backoff::random_pause;
use super::event::{Event, Kind};
use super::listen::{Heard, Listener};
use super::machine::Worker;
use super::quote::Quote;
use super::script::{self, Scripts, StateDirectory};
use super::transport::Answer;
use crate::api::FailureClass;
use crate::runbook::wire::{End, Outcome, StepHeader};
use crate::ssh::Output;

/// Losses in a row without a line of output between them, after which it is no accident.
const MOST_LOSSES: u32 = 50;
/// Statuses of a follower that could not make its folders, or whose job took no claim: asking again is of no use.
const COULD_NOT_BEGIN: [i32; 2] = [73, 74];

/// A step as it is to be done on one machine.
pub struct Order<'a> {
    pub phase: &'a str,
    pub step: &'a str,
    pub header: StepHeader,
    pub scripts: Scripts,
    pub elevation: Elevation,
    pub state: StateDirectory,
}

/// How a step becomes root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elevation {
    /// It does not, or the login user is root.
    None,
    Sudo,
    SudoWith(String),
}

/// What ended an attempt in place of its result.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub class: FailureClass,
    pub message: String,
}

/// The end of an attempt, and what of its output says why.
pub struct Ending {
    pub end: End,
    pub said: String,
}

impl Ending {
    /// Whether the host may be another than before: its action was begun, and in this run.
    pub fn changes(&self, scripts: &Scripts) -> bool {
        let idle = matches!(self.end.outcome, Outcome::Skipped | Outcome::Fenced);
        !scripts.act.is_empty() && !self.end.replayed && !idle
    }
}

/// How one connection to the step ended.
enum Course {
    End(End),
    Lost(String),
    Broken(Trouble),
}

impl Elevation {
    pub fn is_root(&self) -> bool {
        *self != Self::None
    }

    /// The command, and a line that goes before the script.
    fn command(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::None => ("sh -s", None),
            Self::Sudo => ("sudo -n -- sh -s", None),
            // Where sudo does not ask, the password would be read as a command: all before the header is thrown away.
            Self::SudoWith(password) => (
                "sudo -S -p '' -- sh -c 'while IFS= read -r line; do case $line in \"# quarterdeck-step \"*) exec sh -s ;; \
                 esac; done; exit 75'",
                Some(password),
            ),
        }
    }
}

/// What is remembered over the connections of an attempt.
struct Session<'a> {
    order: &'a Order<'a>,
    listener: Listener,
    quote: Quote,
    started: bool,
    progress: bool,
}

impl Worker {
    /// Asks for the step until the host says how it ended, or there is no way to ask.
    pub async fn attempt(&mut self, order: &Order<'_>) -> Result<Ending, Trouble> {
        let mut session = Session {
            order,
            listener: Listener::new(order.header.nonce.clone()),
            quote: Quote::default(),
            started: false,
            progress: false,
        };
        // The host keeps the time; this only bounds a host that does not.
        let seconds = u64::from(order.header.timeout_seconds) * 2 + 180;
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut losses = 0;
        loop {
            self.connect().await?;
            match timeout_at(deadline, self.ask(&mut session)).await {
                Ok(Course::End(end)) => return Ok(Ending { end, said: session.quote.to_string() }),
                Ok(Course::Broken(trouble)) => return Err(trouble),
                Ok(Course::Lost(reason)) => {
                    losses = if std::mem::take(&mut session.progress) { 1 } else { losses + 1 };
                    if losses > MOST_LOSSES {
                        let message = format!("the connection was lost {losses} times in a row: {reason}");
                        return Err(Trouble { class: FailureClass::Transport, message });
                    }
                    self.lost(order, reason);
                    session.listener.reconnected();
                    tokio::time::sleep(random_pause(Duration::from_millis(200), losses)).await;
                }
                Err(_) => {
                    let message = format!("the host did not say how the step ended within {seconds} s");
                    return Err(Trouble { class: FailureClass::Timeout, message });
                }
            }
        }
    }

    fn lost(&mut self, order: &Order<'_>, reason: String) {
        self.session = None;
        self.run.events.write(Event {
            machine: Some(&self.course().machine.name),
            phase: Some(order.phase),
            step: Some(order.step),
            event: Kind::Disconnected,
            message: Some(reason),
            ..Event::default()
        });
    }

    /// One connection's worth of it.
    async fn ask(&self, session: &mut Session<'_>) -> Course {
        let order = session.order;
        let header = StepHeader { offset: session.listener.offset(), ..order.header.clone() };
        let (command, before) = order.elevation.command();
        let script = script::step(before, &header, &order.scripts, &order.state);
        let Some(connection) = self.session.as_deref() else { return Course::Lost("there is no connection".into()) };
        match connection.exec(command, Bytes::from(script)).await {
            Ok(answer) => self.listen(answer, session).await,
            Err(error) if error.passing => Course::Lost(error.message),
            Err(error) => Course::Broken(Trouble { class: error.class, message: error.message }),
        }
    }

    async fn listen(&self, mut answer: Box<dyn Answer>, session: &mut Session<'_>) -> Course {
        let mut complaint = Vec::new();
        while let Some(output) = answer.next().await {
            match output {
                Output::Stdout(data) => {
                    for heard in session.listener.hear(&data) {
                        if let Some(end) = self.heard(heard, session) {
                            answer.close();
                            return Course::End(end);
                        }
                    }
                }
                Output::Stderr(data) => {
                    let room = 4096_usize.saturating_sub(complaint.len()).min(data.len());
                    complaint.extend_from_slice(&data[..room]);
                }
                Output::Exit(status) => return self.ended_early(session, status, &complaint),
                Output::Lost(reason) => return Course::Lost(reason),
            }
        }
        Course::Lost("the channel was closed".into())
    }

    fn heard(&self, heard: Heard, session: &mut Session<'_>) -> Option<End> {
        match heard {
            Heard::End(end) => return Some(end),
            Heard::Start(start) => {
                session.started = true;
                self.step_event(session.order, |event| {
                    event.event = Kind::StepStarted;
                    event.start = Some(start);
                });
            }
            Heard::Line(_) if session.order.scripts.secret => session.progress = true,
            Heard::Line(line) => {
                session.progress = true;
                session.quote.add(&line);
                self.step_event(session.order, |event| {
                    event.event = Kind::Output;
                    event.line = Some(line);
                });
            }
        }
        None
    }

    /// The shell on the host ended, and did not say how the step did.
    fn ended_early(&self, session: &Session<'_>, status: i32, complaint: &[u8]) -> Course {
        let said = String::from_utf8_lossy(complaint);
        let said = said.trim().lines().next_back().unwrap_or("nothing was said").to_owned();
        let elevated = session.order.elevation.is_root();
        // Something ended the follower, not the step: it is asked for again.
        if session.started && !COULD_NOT_BEGIN.contains(&status) {
            return Course::Lost(format!("what followed the step ended with status {status}: {said}"));
        }
        let name = &self.course().machine.name;
        if elevated && (said.contains("sudo") || said.contains("password") || status == 127) {
            let message = format!("sudo on {name} was refused: {said}");
            return Course::Broken(Trouble { class: FailureClass::Auth, message });
        }
        let message = format!("{name} could not begin the step, status {status}: {said}");
        Course::Broken(Trouble { class: FailureClass::Exit, message })
    }
}
