//! One step on one machine: filled in, tried, tried again where that is allowed.

use std::time::Duration;

use uuid::Uuid;

use super::attempt::{Elevation, Ending, Order, Trouble};
use super::backoff::random_pause;
use super::event::{Event, Kind};
use super::machine::Worker;
use super::script::{Scripts, StateDirectory};
use crate::api::FailureClass;
use crate::runbook::wire::{Outcome, StepHeader};
use crate::runbook::{Rendered, Step};

impl Worker {
    /// Carries out one step; `p` and `s` are its indices in the runbook.
    pub async fn step(&mut self, p: usize, s: usize) -> Result<(), Trouble> {
        let run = std::sync::Arc::clone(&self.run);
        let rendered = run
            .plan
            .renderer
            .render(&run.plan.runbook, p, s, self.facts.clone())
            .map_err(|error| Trouble { class: FailureClass::Exit, message: error.to_string() })?;
        let phase = &run.plan.runbook.phases[p];
        let step = &phase.steps[s];
        let Some(rendered) = rendered else {
            self.left_out(phase.name(), &step.name.value);
            return Ok(());
        };
        let mut order = self.order(phase.name(), step, &rendered);
        let mut attempt = 1;
        let mut changed = false;
        loop {
            order.header.attempt = attempt;
            order.header.nonce = Uuid::new_v4().simple().to_string();
            let began = tokio::time::Instant::now();
            let ending = self.attempt(&order).await?;
            let trouble = judge(&ending, step);
            let changes = ending.changes(&order.scripts);
            if changes && !std::mem::replace(&mut changed, true) {
                run.board.step_changed(self.index);
            }
            self.step_event(&order, |event| {
                event.event = Kind::StepFinished;
                event.outcome = Some(ending.end.outcome);
                event.status = Some(ending.end.status);
                event.replayed = Some(ending.end.replayed);
                event.changed = Some(changes);
                event.milliseconds = Some(began.elapsed().as_millis() as u64);
                event.class = trouble.as_ref().map(|t| t.class);
            });
            let Some(trouble) = trouble else { return Ok(()) };
            if attempt as u32 > step.retries || !may_repeat(ending.end.outcome, step) {
                return Err(trouble);
            }
            let pause = random_pause(Duration::from_secs_f64(step.backoff_seconds.clamp(0.0, 3600.0)), attempt as u32);
            self.retrying(&order, pause, trouble);
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    fn left_out(&self, phase: &str, step: &str) {
        self.run.events.write(Event {
            machine: Some(&self.course().machine.name),
            phase: Some(phase),
            step: Some(step),
            event: Kind::StepSkipped,
            ..Event::default()
        });
    }

    fn retrying(&self, order: &Order<'_>, pause: Duration, trouble: Trouble) {
        self.step_event(order, |event| {
            event.event = Kind::StepRetrying;
            event.class = Some(trouble.class);
            event.milliseconds = Some(pause.as_millis() as u64);
            event.message = Some(trouble.message);
        });
    }

    /// An event of a step; `fill` says what kind and the rest.
    pub fn step_event<'a>(&'a self, order: &'a Order<'_>, fill: impl FnOnce(&mut Event<'a>)) {
        let mut event = Event {
            machine: Some(&self.course().machine.name),
            phase: Some(order.phase),
            step: Some(order.step),
            attempt: Some(order.header.attempt),
            ..Event::default()
        };
        fill(&mut event);
        self.run.events.write(event);
    }

    fn order<'a>(&self, phase: &'a str, step: &'a Step, rendered: &Rendered) -> Order<'a> {
        let plan = &self.run.plan;
        let machine = &self.course().machine;
        let (elevation, state) = self.elevation(step);
        let scripts = Scripts::new(rendered, plan.source(&rendered.action), step.secret);
        let header = StepHeader {
            operation: plan.input.operation.clone(),
            run: plan.input.run,
            machine: machine.name.clone(),
            machine_uid: machine.uid.clone(),
            cluster: plan.input.cluster.clone(),
            phase: phase.to_owned(),
            step: step.name.value.clone(),
            digest: scripts.digest(),
            attempt: 1,
            fence: plan.input.fence,
            once: step.once,
            looks: scripts.act.is_empty(),
            timeout_seconds: step.timeout_seconds,
            nonce: String::new(),
            offset: 0,
        };
        Order { phase, step: &step.name.value, header, scripts, elevation, state }
    }

    /// Whether the step runs as root, and where its records are.
    fn elevation(&self, step: &Step) -> (Elevation, StateDirectory) {
        let input = &self.run.plan.input;
        let access = &input.ssh;
        let is_root = self.course().machine.user.as_ref().unwrap_or(&access.user) == "root";
        let absolute = StateDirectory::Absolute(access.state_directory.clone());
        if is_root {
            return (Elevation::None, absolute);
        }
        if step.sudo.unwrap_or(access.sudo) {
            let elevation = self.run.secrets.sudo_password().map_or(Elevation::Sudo, Elevation::SudoWith);
            return (elevation, absolute);
        }
        // What root has made, the login user cannot write.
        let mut steps = self.run.plan.runbook.phases.iter().flat_map(|phase| &phase.steps);
        let mixed = access.sudo || steps.any(|step| step.sudo == Some(true));
        (Elevation::None, if mixed { StateDirectory::Home } else { absolute })
    }
}

/// What an outcome means, in words; nothing where it is well.
fn judge(ending: &Ending, step: &Step) -> Option<Trouble> {
    let said = if ending.said.is_empty() { String::new() } else { format!(": {}", ending.said) };
    let (class, message) = match ending.end.outcome {
        Outcome::Done | Outcome::Skipped => return None,
        Outcome::Failed => (FailureClass::Exit, format!("it ended with status {}{said}", ending.end.status)),
        Outcome::Unverified => (FailureClass::Verify, format!("it ran, and its verification did not hold{said}")),
        Outcome::TimedOut => (FailureClass::Timeout, format!("it took longer than {} s{said}", step.timeout_seconds)),
        Outcome::Unknown => (
            FailureClass::Unknown,
            "it began, and nothing says how it ended: look at the host, then ask for the operation again".to_owned(),
        ),
        Outcome::Fenced => (FailureClass::Fenced, "a newer controller works on this host: nothing was done".to_owned()),
    };
    Some(Trouble { class, message })
}

/// A step that must not run blindly is not tried again while its outcome is unknown; a fenced one never is.
fn may_repeat(outcome: Outcome, step: &Step) -> bool {
    match outcome {
        Outcome::Fenced => false,
        Outcome::Unknown => !step.once,
        _ => true,
    }
}
