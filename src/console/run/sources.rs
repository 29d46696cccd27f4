//! Where events come from: keys, snapshots, signals.

use crate::fleet::{Feed, Feeds, Snapshot};
use crossterm::event::{Event as Input, EventStream};
use futures::{Stream, StreamExt};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Keys as they come. Whoever reads a terminal lets it go while another program has it: two readers would share what is
/// typed.
pub trait Keys: Stream<Item = io::Result<Input>> + Unpin {
    fn let_go(&mut self) {}
    fn take_up(&mut self) {}
}

/// Keys that do not come from a terminal.
impl<S: Stream<Item = io::Result<Input>>> Keys for Pin<Box<S>> {}

/// The keyboard of the terminal.
#[derive(Debug, Default)]
pub struct Keyboard(Option<EventStream>);

impl Keyboard {
    pub fn new() -> Self {
        Self(Some(EventStream::new()))
    }
}

impl Stream for Keyboard {
    type Item = io::Result<Input>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().map_or(Poll::Pending, |stream| stream.poll_next_unpin(context))
    }
}

impl Keys for Keyboard {
    fn let_go(&mut self) {
        self.0 = None;
    }

    fn take_up(&mut self) {
        self.0 = Some(EventStream::new());
    }
}

/// Snapshots as they come.
pub trait Data {
    /// Waits for the next snapshot. Cancel safe.
    fn changed(&mut self) -> impl Future<Output = Arc<Snapshot>>;
    /// Tries a broken line again now.
    fn retry_now(&self) {}
}

impl Data for Feed {
    async fn changed(&mut self) -> Arc<Snapshot> {
        Feed::changed(self).await
    }

    fn retry_now(&self) {
        Feed::retry_now(self);
    }
}

impl Data for Feeds {
    async fn changed(&mut self) -> Arc<Snapshot> {
        Feeds::changed(self).await
    }

    fn retry_now(&self) {
        Feeds::retry_now(self);
    }
}

impl Data for watch::Receiver<Arc<Snapshot>> {
    async fn changed(&mut self) -> Arc<Snapshot> {
        if watch::Receiver::changed(self).await.is_err() {
            futures::future::pending::<()>().await;
        }
        self.borrow_and_update().clone()
    }
}

/// What a signal asks for.
pub(in crate::console) enum Said {
    /// To end in order.
    End,
    /// The same, from the keyboard: while a session has the terminal it is meant for that.
    Interrupt,
    /// To go on after a stop.
    Continue,
    /// The terminal has another size. Crossterm says so too, but not always: where a key comes in the same moment, its
    /// reader takes the key and forgets the signal.
    Resized,
}

/// How long after a session an interrupt is still taken for one of its keys.
const AFTER_A_SESSION: Duration = Duration::from_millis(500);

/// The signals that the console answers.
pub(in crate::console) struct Signals {
    signals: [Signal; 5],
    /// Interrupts until then are not for us.
    deaf_until: Option<Instant>,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        let ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [a, b, c] = ends.map(signal);
        let resumed = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
        let signals = [a?, b?, c?, resumed, signal(SignalKind::window_change())?];
        Ok(Self { signals, deaf_until: None })
    }

    /// A session is over. The key that ended it has interrupted us as well, and which of the two is heard of first is
    /// chance; while the terminal is ours that key comes as a key.
    pub fn session_is_over(&mut self) {
        self.deaf_until = Some(Instant::now() + AFTER_A_SESSION);
    }

    pub async fn next(&mut self) -> Said {
        let [a, b, c, resumed, resized] = &mut self.signals;
        loop {
            return tokio::select! {
                _ = a.recv() => Said::End,
                _ = b.recv() => match self.deaf_until {
                    Some(until) if Instant::now() < until => continue,
                    _ => Said::Interrupt,
                },
                _ = c.recv() => Said::End,
                _ = resumed.recv() => Said::Continue,
                _ = resized.recv() => Said::Resized,
            };
        }
    }
}
