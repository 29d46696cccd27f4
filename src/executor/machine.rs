//! One machine, from the connection to the last phase. A failure here stops this machine and no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use minijinja::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::attempt::Trouble;
use super::backoff::random_pause;
use super::board::Board;
use super::event::{Event, Events, Kind, Planned};
use super::gate::{Entry, Gates};
use super::inventory::{Course, Plan, Secrets};
use super::report::Handle;
use super::transport::{Session, Transport};
use super::{Limits, clock, script};
use crate::api::{Failure, FailureClass, PhaseState};
use crate::runbook::job::HOST_KEY_FACT;
use crate::runbook::wire::{CLOCK_ANSWER, CLOCK_OFFSET_FACT, FACT_KEYS};
use crate::ssh::Output;

/// Longest wait for a host's facts; without them work goes on.
const FACTS_PATIENCE: Duration = Duration::from_secs(20);

/// What all machines of a run share.
pub struct Run {
    pub plan: Plan,
    pub secrets: Secrets,
    pub transport: Arc<dyn Transport>,
    pub events: Events,
    pub board: Arc<Board>,
    pub reporter: Handle,
    pub gates: Gates,
    /// True: no new machine begins.
    pub pauses: watch::Receiver<bool>,
    pub cancel: CancellationToken,
    pub limits: Limits,
}

impl Run {
    /// Says everything that is ahead, so that percentages are there from the first second.
    pub fn announce(&self) {
        for (index, course) in self.plan.machines.iter().enumerate() {
            let phases = course.phases.iter().map(|p| &self.plan.runbook.phases[*p]).map(|phase| Planned {
                name: phase.name(),
                steps: phase.steps.iter().map(|step| step.name.value.as_str()).collect(),
            });
            self.events.write(Event {
                machine: Some(&course.machine.name),
                event: Kind::Planned,
                phases: phases.collect(),
                ..Event::default()
            });
            self.reporter.changed(index);
        }
    }
}

/// Works on one machine.
pub struct Worker {
    pub run: Arc<Run>,
    pub index: usize,
    pub session: Option<Box<dyn Session>>,
    /// What templates can say.
    pub facts: Value,
}

/// Takes one machine through its phases, unless the run is cancelled.
///
/// A cancelled run lets go of what runs on the host: it goes on to its end there, and leaves its receipt.
pub async fn carry_out(run: Arc<Run>, index: usize) {
    let mut worker = Worker { run: Arc::clone(&run), index, session: None, facts: Value::UNDEFINED };
    tokio::select! {
        biased;
        () = run.cancel.cancelled() => {}
        () = worker.carry_out() => {}
    }
    // Whoever waits for this machine to be the first must not wait for ever.
    for p in &run.plan.machines[index].phases {
        run.gates.leave(*p, index, false);
    }
    run.reporter.changed(index);
}

impl Worker {
    pub fn course(&self) -> &Course {
        &self.run.plan.machines[self.index]
    }

    async fn carry_out(&mut self) {
        let mut pauses = self.run.pauses.clone();
        // The sender lives as long as the run; without one nothing is paused.
        pauses.wait_for(|paused| !paused).await.ok();
        self.run.board.began(self.index);
        self.run.reporter.changed(self.index);
        let failure = self.phases().await.err();
        let changes = self.run.board.changes(self.index);
        self.run.events.machine_finished(&self.course().machine.name, failure.as_ref(), changes);
        self.run.board.ended(self.index, failure);
        self.run.reporter.changed(self.index);
    }

    async fn phases(&mut self) -> Result<(), Failure> {
        if let Err(trouble) = self.meet().await {
            // The first phase shows it, so that it is seen where people look.
            if !self.course().phases.is_empty() {
                self.run.board.phase_ended(self.index, 0, PhaseState::Failed, Some(&trouble.message));
            }
            return Err(self.failure(trouble, None, None));
        }
        for at in 0..self.course().phases.len() {
            self.phase(at).await?;
        }
        Ok(())
    }

    /// Connects for the first time and asks the host what it is.
    async fn meet(&mut self) -> Result<(), Trouble> {
        self.event(Kind::Connecting, None);
        self.connect().await?;
        let mut facts = timeout(FACTS_PATIENCE, self.ask_facts()).await.unwrap_or_default();
        let mut known = self.course().facts.clone();
        known.facts =
            FACT_KEYS.iter().map(|key| (key.to_string(), facts.get(*key).cloned().unwrap_or_default())).collect();
        self.facts = known.value();
        if let Some(key) = self.session.as_deref().and_then(Session::host_key) {
            facts.insert(HOST_KEY_FACT.to_owned(), key);
        }
        self.run.board.connected(self.index, facts);
        self.run.reporter.changed(self.index);
        self.event(Kind::Connected, None);
        Ok(())
    }

    async fn ask_facts(&self) -> BTreeMap<String, String> {
        let Some(session) = self.session.as_deref() else { return BTreeMap::new() };
        let asked = Timestamp::now();
        let Ok(mut answer) = session.exec("sh -s", Bytes::from(script::facts())).await else { return BTreeMap::new() };
        let (mut said, mut heard) = (Vec::new(), None);
        while let Some(output) = answer.next().await {
            match output {
                Output::Stdout(data) if said.len() < 4096 => {
                    heard.get_or_insert_with(Timestamp::now);
                    said.extend_from_slice(&data);
                }
                Output::Exit(_) | Output::Lost(_) => break,
                _ => {}
            }
        }
        let text = String::from_utf8_lossy(&said).into_owned();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let said: BTreeMap<&str, &str> = pairs.collect();
        let known = said.iter().filter(|(key, value)| FACT_KEYS.contains(key) && !value.is_empty());
        let mut facts: BTreeMap<String, String> =
            known.map(|(key, value)| ((*key).to_owned(), value.chars().take(200).collect())).collect();
        let clock = heard.and_then(|heard| clock::offset_seconds(said.get(CLOCK_ANSWER)?, asked, heard));
        facts.extend(clock.map(|offset| (CLOCK_OFFSET_FACT.to_owned(), offset.to_string())));
        facts
    }

    /// Makes sure that there is a connection; gives up after a bounded time without one.
    pub async fn connect(&mut self) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.run.limits.reconnect;
        let mut tries = 0;
        while self.session.as_deref().is_none_or(Session::is_closed) {
            match self.run.transport.connect(&self.course().machine).await {
                Ok(session) => {
                    self.session = Some(session);
                    if tries > 0 {
                        self.waits(None);
                    }
                }
                Err(error) => {
                    tries += 1;
                    let pause = random_pause(Duration::from_millis(500), tries);
                    if !error.passing || Instant::now() + pause > deadline {
                        return Err(Trouble { class: error.class, message: error.message });
                    }
                    self.waits(Some(&format!("is not reached: {}", self.run.events.redact(&error.message))));
                    self.event(Kind::Disconnected, Some(error.message));
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Ok(())
    }

    /// The same words again are no news.
    fn waits(&self, why: Option<&str>) {
        self.run.board.waits(self.index, why);
        self.run.reporter.changed(self.index);
    }

    async fn phase(&mut self, at: usize) -> Result<(), Failure> {
        let run = Arc::clone(&self.run);
        let p = self.course().phases[at];
        let phase = &run.plan.runbook.phases[p];
        let entry = run.gates.enter(p, self.index).await;
        let place = match entry {
            Entry::Enter(place) => place,
            Entry::Done => {
                run.board.phase_ended(self.index, at, PhaseState::Skipped, None);
                self.phase_event(Kind::PhaseFinished, phase.name(), None, Some(PhaseState::Skipped));
                return Ok(());
            }
            Entry::FirstFailed(first) => {
                let first = &run.plan.machines[first].machine.name;
                let message = format!("the phase runs on {first} first, and it did not succeed there");
                run.board.phase_ended(self.index, at, PhaseState::Failed, Some(&message));
                let trouble = Trouble { class: FailureClass::Exit, message };
                return Err(self.failure(trouble, Some(phase.name()), None));
            }
        };
        run.board.phase_began(self.index, at);
        run.reporter.changed(self.index);
        self.phase_event(Kind::PhaseStarted, phase.name(), None, None);
        let began = Instant::now();
        for (s, step) in phase.steps.iter().enumerate() {
            let name = &step.name.value;
            run.board.step_began(self.index, at, name);
            run.reporter.changed(self.index);
            if let Err(trouble) = self.step(p, s).await {
                let failure = self.failure(trouble, Some(phase.name()), Some(name));
                run.board.phase_ended(self.index, at, PhaseState::Failed, Some(&failure.message));
                self.phase_event(Kind::PhaseFinished, phase.name(), Some(began), Some(PhaseState::Failed));
                return Err(failure);
            }
            run.board.step_done(self.index, at);
        }
        run.board.phase_ended(self.index, at, PhaseState::Succeeded, None);
        run.gates.leave(p, self.index, true);
        run.reporter.changed(self.index);
        self.phase_event(Kind::PhaseFinished, phase.name(), Some(began), Some(PhaseState::Succeeded));
        drop(place);
        Ok(())
    }

    fn failure(&self, trouble: Trouble, phase: Option<&str>, step: Option<&str>) -> Failure {
        Failure {
            machine: self.course().machine.name.clone(),
            phase: phase.map(str::to_owned),
            step: step.map(str::to_owned),
            class: trouble.class,
            message: self.run.events.redact(&trouble.message),
        }
    }

    fn event(&self, kind: Kind, message: Option<String>) {
        let machine = Some(self.course().machine.name.as_str());
        self.run.events.write(Event { machine, event: kind, message, ..Event::default() });
    }

    fn phase_event(&self, kind: Kind, phase: &str, began: Option<Instant>, state: Option<PhaseState>) {
        self.run.events.write(Event {
            machine: Some(&self.course().machine.name),
            phase: Some(phase),
            event: kind,
            milliseconds: began.map(|began| began.elapsed().as_millis() as u64),
            state,
            ..Event::default()
        });
    }
}
