//! `quarterdeck record` and `quarterdeck replay`: the console with a recording of what it is answered and of what is typed.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    process::ExitCode,
    task::{Poll, ready},
};

use crossterm::event::{Event as Input, KeyEvent};
use futures::{Stream, StreamExt, stream, stream::BoxStream};
use jiff::Timestamp;

use super::{
    Globals,
    connect::{self, Connected},
    console::{self as opened, not_a_terminal, user},
    exit::{Ended, Exit},
    lines,
};
use crate::{
    config::Paths,
    console::{
        self, Environment, Options,
        clock::Clock,
        contexts::Context,
        keys::Chord,
        run::{Keyboard, Keys},
        session,
        state::Place,
    },
    fleet::{self, Clients},
    tape::{self, Entry, Head, Pace, Player, Recorder, What},
};

/// Opens the console, and records what the API server answers and what is typed.
#[derive(Debug, clap::Args)]
pub struct Record {
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Opens the console on a recording; nothing leaves this machine.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many times faster than it was.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Leave out what was typed: you drive, and nothing can be changed.
    #[arg(long)]
    pub free: bool,
}

impl From<tape::Error> for Ended {
    fn from(error: tape::Error) -> Self {
        Self::new(Exit::BadInput, error.to_string())
    }
}

pub async fn record(args: Record, globals: &Globals) -> color_eyre::Result<ExitCode> {
    if !console::terminal::is_terminal() {
        return Err(not_a_terminal().into());
    }
    let Connected { client, namespace, too_old } = connect::open(globals).await?;
    let only_look = too_old.map(|why| why.to_string());
    let place = Place { context: opened::context(globals), namespace, user: user(), only_look, kubeconfig: None };
    let head = Head::new(&place.context, &place.namespace, &place.user, Timestamp::now());
    let (recorder, writer) = Recorder::begin(&args.file, &head).map_err(Ended::from)?;
    let ended = {
        let client = recorder.around(client);
        let feed = fleet::watch(&client, &place.namespace);
        let session = session::path(Paths::of_user().state(), &place.context, &place.namespace);
        let options = options(client, place, Some(session), Clock::default());
        let recorder = recorder.clone();
        console::run_with(options, feed, move || Tapped { keyboard: Keyboard::new(), recorder }).await
    };
    let is_full = writer.finish().map_err(|source| tape::Error::Unwritable { path: args.file.clone(), source });
    let rest = if is_full.map_err(Ended::from)? { ", as far as it fitted into 2 GiB" } else { "" };
    lines::out(&format!(
        "recorded in {}{rest}; see it with  quarterdeck replay {}\n",
        args.file.display(),
        args.file.display()
    ))?;
    opened::ended(ended)
}

pub async fn replay(args: Replay) -> color_eyre::Result<ExitCode> {
    let (head, entries) = tape::read(&args.file).map_err(Ended::from)?;
    if !console::terminal::is_terminal() {
        return Err(not_a_terminal().into());
    }
    let pace = Pace::begin(args.speed);
    let client = Player::new(&entries, pace).client(&head.namespace);
    let only_look = args.free.then(|| "this is a recording: there is nothing that could be changed".to_owned());
    let context = format!("REPLAY {}", head.context);
    let place = Place { context, namespace: head.namespace, user: head.user, only_look, kubeconfig: None };
    let feed = fleet::watch(&client, &place.namespace);
    let options = options(client, place, None, Clock::played(head.started_at, args.speed));
    let typed: Vec<(u64, Input)> = if args.free { Vec::new() } else { typed(entries) };
    let input = move || Played { keyboard: Keyboard::new(), recorded: play(typed, pace).boxed() };
    opened::ended(console::run_with(options, feed, input).await)
}

fn options(client: kube::Client, place: Place, session: Option<PathBuf>, clock: Clock) -> Options {
    let config = console::configure(&Paths::of_user());
    let (clients, contexts) = (Clients::of_one(client), vec![Context::plain(place)]);
    Options { clients, contexts, config, environment: Environment::of_process(), session, access: None, clock }
}

/// The keyboard, and what is typed is noted.
struct Tapped {
    keyboard: Keyboard,
    recorder: Recorder,
}

impl Stream for Tapped {
    type Item = io::Result<Input>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        let event = ready!(self.keyboard.poll_next_unpin(context));
        if let Some(event) = &event {
            note(&self.recorder, event);
        }
        Poll::Ready(event)
    }
}

impl Keys for Tapped {
    fn let_go(&mut self) {
        self.keyboard.let_go();
    }

    fn take_up(&mut self) {
        self.keyboard.take_up();
    }
}

/// What was typed then, and what is typed now.
struct Played {
    keyboard: Keyboard,
    recorded: BoxStream<'static, io::Result<Input>>,
}

impl Stream for Played {
    type Item = io::Result<Input>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        match self.keyboard.poll_next_unpin(context) {
            Poll::Pending => self.recorded.poll_next_unpin(context),
            typed @ Poll::Ready(_) => typed,
        }
    }
}

impl Keys for Played {
    fn let_go(&mut self) {
        self.keyboard.let_go();
    }

    fn take_up(&mut self) {
        self.keyboard.take_up();
    }
}

/// Notes what was typed; the size of a terminal is the reader's own.
fn note(recorder: &Recorder, event: &io::Result<Input>) {
    let what = match event {
        Ok(Input::Key(key)) => What::Key(Chord::from(*key).to_string()),
        Ok(Input::Paste(text)) => What::Paste(text.clone()),
        Ok(Input::FocusGained) => What::Focus(true),
        Ok(Input::FocusLost) => What::Focus(false),
        Ok(Input::Mouse(_) | Input::Resize(..)) | Err(_) => return,
    };
    recorder.note(what);
}

/// What was typed, and when. The keys with which the recording was ended, and those that stopped the program, are left to
/// whoever looks at it.
fn typed(entries: Vec<Entry>) -> Vec<(u64, Input)> {
    let mut inputs: Vec<(u64, Input)> = entries
        .into_iter()
        .filter_map(|Entry { at, what }| match what {
            What::Key(key) if key == "ctrl-c" || key == "ctrl-z" => None,
            What::Key(key) => Some((at, Input::Key(KeyEvent::from(key.parse::<Chord>().ok()?)))),
            What::Paste(text) => Some((at, Input::Paste(text))),
            What::Focus(_) => None,
            What::Answer { .. } | What::Chunk { .. } | What::Bytes { .. } | What::End { .. } | What::Lost { .. } => {
                None
            }
        })
        .collect();
    let quits = |(_, input): &(u64, Input)| matches!(input, Input::Key(key) if Chord::from(*key).to_string() == "q");
    while inputs.last().is_some_and(quits) {
        inputs.pop();
    }
    inputs
}

/// The same again, each at its time.
fn play(inputs: Vec<(u64, Input)>, pace: Pace) -> impl Stream<Item = io::Result<Input>> {
    stream::iter(inputs)
        .then(move |(at, input)| async move {
            pace.until(at).await;
            Ok(input)
        })
        // The user's own keys go on.
        .chain(stream::pending())
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['x', 'X']).parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.01..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 1000 is needed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_again_but_the_end() {
        let key = |at: u64, key: &str| Entry { at, what: What::Key(key.into()) };
        let entries = vec![key(5, "j"), key(9, "ctrl-c"), key(12, "G"), key(20, "q"), key(21, "q")];
        let typed: Vec<(u64, String)> = typed(entries)
            .into_iter()
            .map(|(at, input)| match input {
                Input::Key(key) => (at, Chord::from(key).to_string()),
                other => (at, format!("{other:?}")),
            })
            .collect();
        assert_eq!(typed, [(5, "j".to_owned()), (12, "G".to_owned())]);
    }
}
