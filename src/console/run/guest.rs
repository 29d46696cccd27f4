//! Gives the terminal to somebody else, and takes it back.

use super::{
    Keys, Loop, Said, Signals,
    editor::{self, File},
};
use crate::console::{
    custom::Run,
    edit::Draft,
    hosts::Way,
    message::{Event, Ran},
    visit,
};
use crossterm::event::{Event as Input, KeyCode, KeyEventKind};
use futures::StreamExt;
use std::io::{self, Write};

/// Whom the terminal is given to.
#[derive(Clone, Debug)]
pub enum Guest {
    /// A session on a host.
    Host(Way),
    /// A program of the user's.
    Program(Run),
    /// The user's editor.
    Editor(Box<Draft>),
}

/// What `ssh` ends with when it is the one that failed, and not what ran on the host (ssh(1), EXIT STATUS).
const SSH_FAILED: i32 = 255;

impl Guest {
    /// Whether what it said last is to be read before the screen is ours again: it is the reason.
    fn has_to_be_read(&self, outcome: &Result<i32, String>) -> bool {
        match self {
            Self::Host(_) => *outcome == Ok(SSH_FAILED),
            Self::Program(_) => outcome.as_ref().is_ok_and(|status| *status != 0),
            // Somebody who leaves it with an error does so on purpose.
            Self::Editor(_) => false,
        }
    }

    /// What is said when it has gone.
    fn left(&self, outcome: Result<i32, String>, file: Option<&File>) -> Event {
        match self {
            Self::Editor(draft) => {
                let outcome = outcome.and_then(|status| match (status, file) {
                    (0, Some(file)) => file.read(),
                    _ => Err(format!("the editor ended with status {status}")),
                });
                Event::Edited { draft: draft.clone(), outcome }
            }
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
        let file = match guest {
            Guest::Editor(draft) => Some(File::write(draft)),
            Guest::Host(_) | Guest::Program(_) => None,
        };
        let (file, no_file) = match file.transpose() {
            Ok(file) => (file, None),
            Err(why) => (None, Some(why)),
        };
        let (command, subject, advice) = match guest {
            Guest::Host(way) => (self.hands.access.command_line(way), way.name.to_string(), visit::SSH_IS_MISSING),
            Guest::Program(run) => (Ok(run.argv.clone()), run.name.clone(), "is it installed, and in PATH?"),
            Guest::Editor(draft) => {
                let words = file.as_ref().map_or_else(|| Err(no_file.unwrap_or_default()), File::command_line);
                (words, draft.what(), editor::IS_MISSING)
            }
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
                let outcome = visit::run(&words, &subject, advice, signals).await;
                if let Some(guard) = &self.guard {
                    guard.regain();
                }
                ended = outcome.is_none();
                signals.session_is_over();
                input.take_up();
                let outcome = outcome.unwrap_or(Ok(0));
                if let Some(guard) = self.guard.as_ref().filter(|_| !ended && guest.has_to_be_read(&outcome)) {
                    let status = outcome.as_ref().copied().unwrap_or_default();
                    let line = format!("quarterdeck: {subject} ended with status {status}; enter goes back");
                    guard.say_and_listen(&line)?;
                    ended = !enter_was_pressed(input, signals).await;
                    guard.listen_no_more();
                }
                if !ended {
                    self.take_terminal()?;
                }
                outcome
            }
        };
        self.take(guest.left(outcome, file.as_ref()))?;
        Ok(!ended)
    }
}

/// Waits for the key that goes back; false if we are to end meanwhile.
async fn enter_was_pressed(input: &mut impl Keys, signals: &mut Signals) -> bool {
    loop {
        tokio::select! {
            said = signals.next() => if matches!(said, Said::End) {
                return false;
            },
            key = input.next() => match key {
                Some(Ok(Input::Key(key))) if key.kind != KeyEventKind::Release => {
                    if matches!(key.code, KeyCode::Enter | KeyCode::Esc) {
                        return true;
                    }
                }
                Some(Ok(_)) => {}
                // A terminal that is gone is found to be by whoever reads it next.
                Some(Err(_)) | None => return true,
            }
        }
    }
}
