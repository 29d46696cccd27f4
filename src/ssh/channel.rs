//! One command on one connection: what it says, and how it ends.
//!
//! The connection never waits for whoever reads a channel: an unread channel would hold up its neighbours. Output is
//! taken off the wire at once into a buffer; a reader who stays behind by more than [`MOST_UNREAD`] loses the channel,
//! which is said as [`Output::Lost`].

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client::Msg};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Connection;

/// Bytes of output that wait for their reader.
const MOST_UNREAD: usize = 8 << 20;
/// How long output may trail behind the exit status: a daemon that the command left behind may hold the channel for ever.
const AFTER_EXIT: Duration = Duration::from_secs(3);
const STDERR: u32 = 1;

/// What a command says. After `Exit` and `Lost` there is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Stdout(Bytes),
    Stderr(Bytes),
    /// The exit status; 128 and the number of the signal for one that a signal ended.
    Exit(i32),
    /// Nobody knows how it ended, or whether it did.
    Lost(String),
}

/// A command under way. Dropping it sends the command a SIGTERM and closes the channel; see [`Channel::close`].
pub struct Channel {
    buffer: Arc<Buffer>,
    write: Arc<ChannelWriteHalf<Msg>>,
    /// Tells the pump that nobody listens any more.
    _abandon: DropGuard,
    /// The connection lives as long as its channels.
    _connection: Connection,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl Channel {
    pub(super) fn new(
        connection: Connection,
        buffer: Arc<Buffer>,
        write: Arc<ChannelWriteHalf<Msg>>,
        abandon: CancellationToken,
    ) -> Self {
        Self { buffer, write, _abandon: abandon.drop_guard(), _connection: connection }
    }

    /// The next piece of output; the last one is `Exit` or `Lost`, then `None`. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<Output> {
        loop {
            match self.buffer.take() {
                Taken::Output(output) => return Some(output),
                Taken::Ended => return None,
                Taken::Nothing => self.buffer.filled.notified().await,
            }
        }
    }

    /// For a command that has said all and goes by itself: the channel is closed, and nobody waits for the rest.
    pub fn close(self) {
        // At once, so that it shares a packet with what this task sends next; a full queue leaves it to the pump.
        let said = self.write.close().now_or_never().is_some();
        self.buffer.state().farewell = if said { Farewell::Said } else { Farewell::Close };
    }

    /// Reads to the end: standard output, standard error, and the exit status or why it is not known.
    pub async fn finish(mut self) -> (Vec<u8>, Vec<u8>, Result<i32, String>) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(output) = self.next().await {
            match output {
                Output::Stdout(data) => out.extend_from_slice(&data),
                Output::Stderr(data) => err.extend_from_slice(&data),
                Output::Exit(status) => return (out, err, Ok(status)),
                Output::Lost(reason) => return (out, err, Err(reason)),
            }
        }
        (out, err, Err("the channel was read to its end before".to_owned()))
    }
}

enum Taken {
    Output(Output),
    Nothing,
    Ended,
}

/// Output between the wire and its reader; neighbouring pieces of one stream become one.
#[derive(Default)]
pub(super) struct Buffer {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<(bool, BytesMut)>,
    bytes: usize,
    ending: Option<Output>,
    ended: bool,
    farewell: Farewell,
}

/// What is sent when nobody listens any more.
#[derive(Clone, Copy, Default)]
enum Farewell {
    /// A signal, for a command that would stay.
    #[default]
    Signal,
    Close,
    /// Nothing: the channel is closed.
    Said,
}

impl Buffer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Taken {
        let mut state = self.state();
        if let Some((is_stdout, piece)) = state.pieces.pop_front() {
            state.bytes -= piece.len();
            let piece = piece.freeze();
            return Taken::Output(if is_stdout { Output::Stdout(piece) } else { Output::Stderr(piece) });
        }
        match state.ending.take() {
            Some(ending) => {
                state.ended = true;
                Taken::Output(ending)
            }
            None if state.ended => Taken::Ended,
            None => Taken::Nothing,
        }
    }

    /// `false`: it is full.
    fn put(&self, is_stdout: bool, data: &[u8]) -> bool {
        let mut state = self.state();
        if state.bytes + data.len() > MOST_UNREAD {
            return false;
        }
        state.bytes += data.len();
        match state.pieces.back_mut() {
            Some((last, piece)) if *last == is_stdout => piece.extend_from_slice(data),
            _ => state.pieces.push_back((is_stdout, BytesMut::from(data))),
        }
        drop(state);
        self.filled.notify_one();
        true
    }

    fn end(&self, ending: Output) {
        let mut state = self.state();
        if state.ending.is_none() && !state.ended {
            state.ending = Some(ending);
        }
        drop(state);
        self.filled.notify_one();
    }
}

/// Ends the channel for its reader however the pump ends, also when it is aborted with its connection.
struct Ending<'a>(&'a Buffer);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end(Output::Lost("the connection was closed".to_owned()));
    }
}

/// Carries one command's input and output until it ends or nobody listens. Holds its place among the connection's
/// channels for as long.
pub(super) struct Pump {
    pub(super) read: ChannelReadHalf,
    pub(super) write: Arc<ChannelWriteHalf<Msg>>,
    pub(super) stdin: Bytes,
    pub(super) buffer: Arc<Buffer>,
    pub(super) abandoned: CancellationToken,
    /// Why the connection ended, once it has.
    pub(super) farewell: Arc<OnceLock<String>>,
    pub(super) place: OwnedSemaphorePermit,
}

impl Pump {
    pub(super) async fn run(self) {
        let Self { mut read, write, stdin, buffer, abandoned, farewell, place } = self;
        let guard = Ending(&buffer);
        tokio::select! {
            ending = listen(&mut read, &buffer, &farewell) => {
                let overrun = matches!(&ending, Heard::Overrun);
                buffer.end(ending.into());
                if overrun {
                    hang_up(&write).await;
                }
            }
            () = feed(&write, stdin) => {}
            () = abandoned.cancelled() => {
                let farewell = buffer.state().farewell;
                match farewell {
                    Farewell::Signal => hang_up(&write).await,
                    Farewell::Close => drop(write.close().await),
                    Farewell::Said => {}
                }
            }
        }
        drop(guard);
        drop(place);
    }
}

/// Sends the input; a command that does not want it all is no failure. Never ends.
async fn feed(write: &ChannelWriteHalf<Msg>, stdin: Bytes) {
    if !stdin.is_empty() {
        write.data_bytes(stdin).await.ok();
    }
    write.eof().await.ok();
    std::future::pending::<()>().await;
}

/// The place at the host is free only when the command is gone, so it is asked to go.
async fn hang_up(write: &ChannelWriteHalf<Msg>) {
    write.signal(Sig::TERM).await.ok();
    write.close().await.ok();
}

enum Heard {
    Exit(i32),
    Refused,
    Overrun,
    Lost(String),
}

impl From<Heard> for Output {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Exit(status) => Output::Exit(status),
            Heard::Refused => Output::Lost("the host refused to run the command".to_owned()),
            Heard::Overrun => Output::Lost(format!("{MOST_UNREAD} bytes of output were not read in time")),
            Heard::Lost(reason) => Output::Lost(reason),
        }
    }
}

async fn listen(read: &mut ChannelReadHalf, buffer: &Buffer, farewell: &OnceLock<String>) -> Heard {
    let mut status = None;
    let mut said_all = false;
    loop {
        let message = match status {
            None => read.wait().await,
            Some(status) => match tokio::time::timeout(AFTER_EXIT, read.wait()).await {
                Ok(message) => message,
                Err(_) => return Heard::Exit(status),
            },
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                if !buffer.put(true, &data) {
                    return Heard::Overrun;
                }
            }
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => {
                if !buffer.put(false, &data) {
                    return Heard::Overrun;
                }
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => status = Some(exit_status as i32),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => status = Some(128 + number(&signal_name)),
            Some(ChannelMsg::Failure) => return Heard::Refused,
            Some(ChannelMsg::Eof) => said_all = true,
            Some(ChannelMsg::Close) => {
                let lost = || Heard::Lost("the host closed the channel without an exit status".to_owned());
                return status.map_or_else(lost, Heard::Exit);
            }
            Some(_) => {}
            None => {
                return match status {
                    Some(status) if said_all => Heard::Exit(status),
                    _ => Heard::Lost(farewell.get().cloned().unwrap_or_else(|| "the connection ended".to_owned())),
                };
            }
        }
    }
}

fn number(signal: &Sig) -> i32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        Sig::Custom(_) => 127,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `o…` and `e…` are pieces on the two streams; pieces of one stream in a row arrive as one.
    fn check(pieces: &str, expected: &str) {
        let buffer = Buffer::default();
        for piece in pieces.split_whitespace() {
            assert!(buffer.put(piece.starts_with('o'), &piece.as_bytes()[1..]));
        }
        buffer.end(Output::Exit(3));
        buffer.end(Output::Lost("too late".into()));
        let mut said = Vec::new();
        while let Taken::Output(output) = buffer.take() {
            said.push(match output {
                Output::Stdout(data) => format!("o{}", String::from_utf8_lossy(&data)),
                Output::Stderr(data) => format!("e{}", String::from_utf8_lossy(&data)),
                Output::Exit(status) => format!("exit {status}"),
                Output::Lost(reason) => reason,
            });
        }
        assert_eq!(said.join(" "), expected);
        assert!(matches!(buffer.take(), Taken::Ended));
        assert_eq!(buffer.state().bytes, 0);
    }

    #[test]
    fn pieces_keep_their_order_and_the_ending_comes_last_and_once() {
        check("", "exit 3");
        check("oa ob ec od", "oab ec od exit 3");
    }

    #[test]
    fn a_reader_that_stays_behind_is_noticed() {
        let buffer = Buffer::default();
        let piece = vec![0; MOST_UNREAD / 2];
        assert!(buffer.put(true, &piece) && buffer.put(true, &piece));
        assert!(!buffer.put(true, b"x"));
    }
}
