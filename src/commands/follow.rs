//! Waiting until something is done, has failed, is held up, or takes too long. Whoever interrupts the wait is told that
//! it goes on, and how to stop it.

use std::{io, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    connect,
    exit::{Ended, Exit},
    stop::stop_signal,
};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Failed looks in a row after which the meta cluster counts as gone.
const PATIENCE: u32 = 60;
/// How many looks in a row have to show that it is held up before we give up: the controllers may not have looked yet.
const HELD_UP: u32 = 6;

/// What one look means.
pub enum Verdict {
    Done(String),
    Failed(String),
    /// Nothing moves; it ends the wait if it stays so.
    HeldUp(Exit, String),
    GoesOn,
}

/// Something that can be waited for.
pub trait Watched {
    type Look;
    async fn look(&self) -> Result<Self::Look, kube::Error>;
    /// Shows the progress, and says what it means.
    fn judge(&mut self, look: &Self::Look) -> Verdict;
    fn name(&self) -> String;
    /// How far it has come, for whoever cannot wait longer.
    fn in_short(&self, last: &Self::Look) -> String;
    /// What goes on without us and how it is stopped, for whoever interrupts the wait.
    fn interrupted(&self) -> String;
    /// Nothing more is shown.
    fn clear(&mut self) {}
}

/// Waits until it is done. Answers a sentence, or what went wrong.
pub async fn until_done(watched: &mut impl Watched, namespace: &str, limit: Duration) -> Result<String, Ended> {
    let stop = stop_signal().map_err(|e: io::Error| Ended::new(Exit::Failed, format!("no signals can be had: {e}")))?;
    let mut last = None;
    let ended = tokio::select! {
        ended = timeout(limit, watch(watched, namespace, &mut last)) => Some(ended),
        () = stop => None,
    };
    watched.clear();
    match ended {
        Some(Ok(ended)) => ended,
        Some(Err(_)) => {
            let secs = limit.as_secs();
            let state = last.map_or_else(|| "the meta cluster has not answered".to_owned(), |l| watched.in_short(&l));
            let name = watched.name();
            let why = format!(
                "{name} is not there after {secs} s: {state}. It goes on without us; see  quarterdeck get operations -w"
            );
            Err(Ended::new(Exit::TimedOut, why))
        }
        None => Err(Ended::new(Exit::Interrupted, watched.interrupted())),
    }
}

async fn watch<W: Watched>(watched: &mut W, namespace: &str, last: &mut Option<W::Look>) -> Result<String, Ended> {
    let (mut failures, mut held_up) = (0, 0);
    loop {
        match watched.look().await {
            Err(error) if failures >= PATIENCE || connect::is_refusal(&error) => {
                return Err(connect::failed(&error, "list", "machines", Some(namespace)));
            }
            Err(_) => failures += 1,
            Ok(look) => {
                failures = 0;
                match watched.judge(&look) {
                    Verdict::Done(sentence) => return Ok(sentence),
                    Verdict::Failed(why) => return Err(Ended::new(Exit::Failed, why)),
                    Verdict::HeldUp(exit, why) if held_up >= HELD_UP => return Err(Ended::new(exit, why)),
                    Verdict::HeldUp(..) => held_up += 1,
                    Verdict::GoesOn => held_up = 0,
                }
                *last = Some(look);
            }
        }
        sleep(LOOK_EVERY).await;
    }
}
