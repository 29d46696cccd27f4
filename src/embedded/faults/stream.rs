//! Watches that lag, end early, tear in the middle of a line, or are told that they came too late.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, StreamBody, combinators::UnsyncBoxBody};
use tokio::time::Instant;
use tower::BoxError;

use super::{Reply, answers};
use crate::embedded::simulation::dice::Dice;

/// Most frames, and the longest time, after which trouble strikes.
const FRAMES: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Between two lines, as when a server shuts down.
    Dropped,
    /// Within a line, as when a connection breaks.
    Torn,
    /// With 410.
    Expired,
}

/// What happens to one watch.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub ending: Option<Ending>,
    /// Frames that pass before, and the longest time that passes.
    frames: u64,
    after: Duration,
    lag: Duration,
    dice: Dice,
}

impl Trouble {
    pub fn lags(lag: Duration, dice: &mut Dice) -> Self {
        Self { ending: None, frames: 0, after: Duration::ZERO, lag, dice: Dice::from_roll(dice.roll()) }
    }

    pub fn ends(ending: Ending, lag: Duration, dice: &mut Dice) -> Self {
        let (frames, after) = (dice.between(0, FRAMES), dice.share(PATIENCE));
        Self { ending: Some(ending), frames, after, ..Self::lags(lag, dice) }
    }
}

/// A watch on its way to the client.
struct Watched {
    frames: BodyStream<UnsyncBoxBody<Bytes, BoxError>>,
    trouble: Trouble,
    ends: Option<Instant>,
    over: bool,
}

/// Lets the watch in an answer run into trouble.
pub fn troubled(answer: Reply, trouble: Trouble) -> Reply {
    if !answer.status().is_success() || (trouble.ending.is_none() && trouble.lag.is_zero()) {
        return answer;
    }
    let ends = trouble.ending.map(|_| Instant::now() + trouble.after);
    answer.map(|body| {
        let watched = Watched { frames: BodyStream::new(body), trouble, ends, over: false };
        StreamBody::new(frames(watched)).boxed_unsync()
    })
}

fn frames(watched: Watched) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send {
    stream::unfold(watched, |mut watched| async move {
        let frame = watched.next().await?;
        Some((frame, watched))
    })
}

impl Watched {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        if self.over {
            return None;
        }
        if self.trouble.ending.is_some() && self.trouble.frames == 0 {
            return self.end(None);
        }
        let frame = match self.ends {
            None => self.frames.next().await?,
            Some(ends) => match tokio::time::timeout_at(ends, self.frames.next()).await {
                Ok(frame) => frame?,
                Err(_) => return self.end(None),
            },
        };
        tokio::time::sleep(self.trouble.dice.share(self.trouble.lag)).await;
        self.trouble.frames = self.trouble.frames.saturating_sub(1);
        match (self.trouble.ending, frame) {
            (Some(Ending::Torn), Ok(frame)) if self.trouble.frames == 0 => self.end(frame.into_data().ok()),
            (_, frame) => Some(frame),
        }
    }

    /// The last that the client hears.
    fn end(&mut self, last: Option<Bytes>) -> Option<Result<Frame<Bytes>, BoxError>> {
        self.over = true;
        match self.trouble.ending {
            Some(Ending::Expired) => Some(Ok(Frame::data(answers::expired()))),
            Some(Ending::Torn) => last.map(|bytes| Ok(Frame::data(bytes.slice(..bytes.len() / 2)))),
            _ => None,
        }
    }
}
