//! The effects of a replay. What is shown happened then, and mostly somewhere else: whatever would go past the recording, to
//! hosts, programs, files or the clipboard, is answered here, and nothing of it is done. All else asks the recording, which
//! asks nobody.

use super::Loop;
use crate::console::{
    hosts::Answer,
    message::{Effect, Event, Msg, Ran},
    update::update,
};
use std::{collections::VecDeque, io::Write};

impl<W: Write> Loop<W> {
    /// What is to be done of these: all of it, or in a replay what stays within the recording. An answer may ask for more; a
    /// host is asked once, so that comes to an end.
    pub(super) fn allowed(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        if !self.replayed {
            return effects;
        }
        let (mut waiting, mut allowed) = (VecDeque::from(effects), Vec::new());
        while let Some(effect) = waiting.pop_front() {
            match judge(effect) {
                Ok(effect) => allowed.push(effect),
                Err(answers) => {
                    for event in answers {
                        waiting.extend(update(&mut self.state, Msg { now: self.clock.now(), event }));
                    }
                }
            }
        }
        allowed
    }
}

/// An effect that stays within the recording, or what is said in the place of one that would not.
fn judge(effect: Effect) -> Result<Effect, Vec<Event>> {
    Err(match effect {
        Effect::Run(run) => {
            let ran = Ran { how: no("run"), good: false, last_line: String::new() };
            vec![Event::Ended { ticket: run.ticket, ran }]
        }
        Effect::Visit(way) => {
            let outcome = Err(format!("{}: {}", way.name, no("visited")));
            vec![Event::Visited { name: way.name, outcome }]
        }
        Effect::Edit(draft) => vec![Event::Edited { draft, outcome: Err(no("opened in an editor")) }],
        Effect::AskHosts { round, ways } => {
            let failed = |uid| Event::Host { round, uid, answer: Answer::Failed(no("asked")) };
            ways.into_iter().map(|way| failed(way.uid)).collect()
        }
        Effect::Journals { ticket, .. } => vec![Event::JournalsEnded { ticket, why: no("asked") }],
        Effect::Save { .. } => vec![Event::Saved(Err(no("written")))],
        Effect::Copy(_) => vec![Event::Notice(no("copied"))],
        // What is kept for the next time is that of whoever looks, and they were not there.
        Effect::Remember | Effect::TourSeen => Vec::new(),
        Effect::Quit
        | Effect::Suspend
        | Effect::Redraw
        | Effect::DryRun { .. }
        | Effect::Apply { .. }
        | Effect::Count { .. }
        | Effect::Review { .. }
        | Effect::Look { .. }
        | Effect::Arrange(_)
        | Effect::Sift(_)
        | Effect::Read { .. }
        | Effect::Stop { .. }
        | Effect::Follow { .. }
        | Effect::FollowAll { .. }
        | Effect::Unfollow
        | Effect::StopJournals
        | Effect::Mouse(_)
        | Effect::Theme(_) => return Ok(effect),
    })
}

fn no(done: &str) -> String {
    format!("not {done}: this is a recording")
}
