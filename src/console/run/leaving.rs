//! The end: changes that are on their way are waited for, and what became of them is said where the user is then.

use super::{
    super::message::{Event, Msg},
    Loop, Said, Signals,
};
use crate::console::{message::Effect, update::update};
use std::{
    io::{self, Write},
    time::Duration,
};

/// How long.
const PATIENCE: Duration = Duration::from_secs(5);

impl<W: Write> Loop<W> {
    /// What leaving comes to while a change is on its way: that is said first. Nothing if the user may leave.
    pub(super) fn object(&mut self) -> Option<Vec<Effect>> {
        let event = Event::Notice(self.hands.writing.objection()?);
        Some(update(&mut self.state, Msg { now: self.clock.now(), event }))
    }

    /// Gives the terminal back and waits for what is being written, until somebody has no more patience.
    pub(super) async fn wait_for_changes(&mut self) {
        if self.hands.writing.is_empty() {
            return;
        }
        self.guard = None;
        say(&format!("waiting up to {} s for what is being written", PATIENCE.as_secs()));
        let said = self.hands.writing.settle(enough()).await;
        said.iter().for_each(|text| say(text));
    }
}

async fn enough() {
    let _ = tokio::time::timeout(PATIENCE, async {
        let Ok(mut signals) = Signals::new() else { return std::future::pending().await };
        while !matches!(signals.next().await, Said::End | Said::Interrupt) {}
    })
    .await;
}

/// On what is left of the terminal, if anything is.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "quarterdeck: {text}");
}
