//! Gives the terminal to somebody else, and takes it back.

use super::{Keys, Loop, Signals};
use crate::console::{
    custom::Run,
    hosts::Way,
    message::{Event, Ran},
    visit,
};
use std::io::{self, Write};

/// Whom the terminal is given to.
#[derive(Clone, Debug)]
pub enum Guest {
    /// A session on a host.
    Host(Way),
    /// A program of the user's.
    Program(Run),
}

impl Guest {
    /// What is said when it has gone.
    fn left(&self, outcome: Result<i32, String>) -> Event {
        match self {
            Self::Host(way) => Event::Visited { name: way.name.clone(), outcome },
            Self::Program(run) => {
                let (good, how) = match outcome {
                    Ok(0) => (true, "done".to_owned()),
                    Ok(status) => (false, format!("ended with status {status}")),
                    Err(why) => (false, why),
                };
                Event::Ended { ticket: run.ticket, ran: Ran { how, good, last_line: String::new() } }
            }
        }
    }
}

impl<W: Write> Loop<W> {
    /// Gives the terminal to another program until that ends, and takes it again; false if we are to end meanwhile.
    pub(super) async fn visit(
        &mut self,
        guest: &Guest,
        input: &mut impl Keys,
        signals: &mut Signals,
    ) -> io::Result<bool> {
        let (command, subject, advice) = match guest {
            Guest::Host(way) => (self.hands.access.command_line(way), &*way.name, visit::SSH_IS_MISSING),
            Guest::Program(run) => (Ok(run.argv.clone()), run.name.as_str(), "is it installed, and in PATH?"),
        };
        let mut ended = false;
        let outcome = match command {
            Err(why) => Err(why),
            Ok(words) => {
                input.let_go();
                Write::flush(self.screen.backend_mut())?;
                if let Some(guard) = &self.guard {
                    guard.release();
                }
                let outcome = visit::run(&words, subject, advice, signals).await;
                if let Some(guard) = &self.guard {
                    guard.regain();
                }
                ended = outcome.is_none();
                signals.session_is_over();
                if !ended {
                    self.take_terminal()?;
                }
                input.take_up();
                outcome.unwrap_or(Ok(0))
            }
        };
        self.take(guest.left(outcome))?;
        Ok(!ended)
    }
}
